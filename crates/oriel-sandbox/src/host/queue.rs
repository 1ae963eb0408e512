//! The extension's own queue: grant, length and deadline are checked here, the rest is the port's.

use std::sync::Arc;
use std::time::Duration;

use oriel_model::job::{MAX_ATTEMPTS, MAX_DELAY_MS, MAX_KEY};
use oriel_model::name::ContributionName;

use crate::bindings::queue::{Host, Options};
use crate::bindings::types::Error;
use crate::ports::{Enqueue, GuestError, Queue};
use crate::state::{DRY_RUN, State};

impl State {
    /// The queue and the time that is left for it, if the grant covers it.
    fn queue(&self) -> Result<(Arc<dyn Queue>, Duration), Error> {
        if !self.spec.grant.queue {
            self.refuse("queue".to_owned());
            return Err(Error::Denied("the grant does not cover queue".to_owned()));
        }
        if self.call.execution.is_none() {
            return Err(Error::Unavailable(
                "the queue can be used only while a call is in progress".to_owned(),
            ));
        }
        let left = self.left().ok_or(Error::DeadlineExceeded)?;
        Ok((Arc::clone(&self.spec.services.queue), left))
    }

    /// The run, if everything that can be judged here allows it.
    fn wanted(&self, job: &str, input: String, options: Options) -> Result<Enqueue, Error> {
        let limit = self.spec.limits.job_input.0;
        if input.len() as u64 > limit {
            let length = input.len();
            let message = format!("job_input: the input has {length} bytes, the limit is {limit}");
            return Err(Error::LimitExceeded(message));
        }
        let delay = options.delay_ms.unwrap_or(0);
        if delay > MAX_DELAY_MS {
            return Err(Error::InvalidInput(format!("the delay is at most {MAX_DELAY_MS} ms, not {delay}")));
        }
        if let Some(key) = &options.deduplication_key
            && !(1..=MAX_KEY).contains(&key.len())
        {
            let length = key.len();
            let message = format!("a deduplication key has 1 to {MAX_KEY} bytes, this one has {length}");
            return Err(Error::InvalidInput(message));
        }
        if let Some(attempts) = options.attempts
            && !(1..=MAX_ATTEMPTS).contains(&attempts)
        {
            return Err(Error::InvalidInput(format!(
                "a run has 1 to {MAX_ATTEMPTS} attempts, not {attempts}"
            )));
        }
        Ok(Enqueue {
            job: name(job)?,
            input,
            delay: Duration::from_millis(delay),
            key: options.deduplication_key,
            attempts: options.attempts,
            principal: self.call.principal,
        })
    }
}

fn name(job: &str) -> Result<ContributionName, Error> {
    job.parse()
        .map_err(|error: oriel_model::name::NameError| Error::InvalidInput(error.to_string()))
}

/// Waits for the queue no longer than the call may.
async fn within<T>(left: Duration, work: impl Future<Output = Result<T, GuestError>>) -> Result<T, Error> {
    match tokio::time::timeout(left, work).await {
        Ok(result) => result.map_err(Error::from),
        Err(_) => Err(Error::DeadlineExceeded),
    }
}

impl Host for State {
    async fn enqueue(&mut self, job: String, input: String, options: Options) -> wasmtime::Result<Result<String, Error>> {
        self.host_call(job.len() + input.len() + options.deduplication_key.as_ref().map_or(0, String::len))?;
        let ready = self.queue().and_then(|(queue, left)| {
            if self.call.dry_run {
                return Err(Error::Denied(DRY_RUN.to_owned()));
            }
            Ok((queue, left, self.wanted(&job, input, options)?))
        });
        Ok(match ready {
            Ok((queue, left, run)) => within(left, queue.enqueue(run)).await,
            Err(error) => Err(error),
        })
    }

    async fn pending(&mut self, job: String) -> wasmtime::Result<Result<u64, Error>> {
        self.host_call(job.len())?;
        let ready = self.queue().and_then(|(queue, left)| Ok((queue, left, name(&job)?)));
        Ok(match ready {
            Ok((queue, left, job)) => within(left, queue.pending(&job)).await,
            Err(error) => Err(error),
        })
    }
}
