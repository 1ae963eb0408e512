//! Durable work for this extension's own jobs. Needs `queue = true` under `[permissions]`.
//!
//! ```ignore
//! queue::enqueue("send", &mail)?;
//! queue::Enqueue::new("send").delay(Duration::from_secs(60)).deduplicate("order-42").run(&mail)?;
//! ```
//!
//! What was enqueued is done at least once, also when the server crashes: a job must bear to be run twice.

use std::time::Duration;

use serde::Serialize;

use crate::bindings::imports::oriel::extension::queue as host;
use crate::error::{Result, from_wire};
use crate::json::write;

/// Puts a run of the job `job` into the queue; answers its id.
///
/// # Errors
/// [`Error::Denied`](crate::Error::Denied) without the permission, [`Error::LimitExceeded`](crate::Error::LimitExceeded) when the queue is full
/// or the input too long, [`Error::InvalidInput`](crate::Error::InvalidInput) when there is no such job or the input does not fit it.
pub fn enqueue(job: &str, input: &impl Serialize) -> Result<String> {
    Enqueue::new(job).run(input)
}

/// How many runs of the job wait.
///
/// # Errors
/// As for [`enqueue`].
pub fn pending(job: &str) -> Result<u64> {
    host::pending(job).map_err(from_wire)
}

/// A run with terms of its own.
#[derive(Debug, Clone)]
pub struct Enqueue<'a> {
    job: &'a str,
    delay: Option<Duration>,
    key: Option<String>,
    attempts: Option<u32>,
}

impl<'a> Enqueue<'a> {
    /// A run of the job `job`.
    #[must_use]
    pub const fn new(job: &'a str) -> Self {
        Self {
            job,
            delay: None,
            key: None,
            attempts: None,
        }
    }

    /// Not before so long from now.
    #[must_use]
    pub const fn delay(mut self, delay: Duration) -> Self {
        self.delay = Some(delay);
        self
    }

    /// As long as a run of the job with this key is not over, no second one is taken: the answer is the id of the first.
    #[must_use]
    pub fn deduplicate(mut self, key: impl Into<String>) -> Self {
        self.key = Some(key.into());
        self
    }

    /// How often it is tried, 1 to 20.
    #[must_use]
    pub const fn attempts(mut self, attempts: u32) -> Self {
        self.attempts = Some(attempts);
        self
    }

    /// Puts it into the queue; answers its id.
    ///
    /// # Errors
    /// As for [`enqueue`].
    pub fn run(self, input: &impl Serialize) -> Result<String> {
        let options = host::Options {
            delay_ms: self.delay.map(|delay| u64::try_from(delay.as_millis()).unwrap_or(u64::MAX)),
            deduplication_key: self.key,
            attempts: self.attempts,
        };
        host::enqueue(self.job, &write(input)?, &options).map_err(from_wire)
    }
}
