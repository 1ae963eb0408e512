//! Where the extension's own queue ends.

use std::time::Duration;

use oriel_model::access::PrincipalId;
use oriel_model::name::ContributionName;

use super::GuestError;

/// A run of one of the extension's jobs that it wants done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Enqueue {
    /// The job.
    pub job: ContributionName,
    /// Text that claims to be JSON.
    pub input: String,
    /// Not before so long from now.
    pub delay: Duration,
    /// No second run of the job carries it while one that does is not over.
    pub key: Option<String>,
    /// How often it is tried; what the manifest says when absent.
    pub attempts: Option<u32>,
    /// Who caused the call that wants it.
    pub principal: Option<PrincipalId>,
}

/// The `queue` interface, bound to one installation. The sandbox checks grant, length and deadline, and that it is no dry run.
#[async_trait::async_trait]
pub trait Queue: Send + Sync {
    /// Takes the run; answers its id, or that of the run that carries its key. Once answered it is kept.
    async fn enqueue(&self, run: Enqueue) -> Result<String, GuestError>;

    /// How many runs of the job wait.
    async fn pending(&self, job: &ContributionName) -> Result<u64, GuestError>;
}

/// Has no queue.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoQueue;

#[async_trait::async_trait]
impl Queue for NoQueue {
    async fn enqueue(&self, _: Enqueue) -> Result<String, GuestError> {
        Err(GuestError::Unavailable("there is no queue here".to_owned()))
    }

    async fn pending(&self, _: &ContributionName) -> Result<u64, GuestError> {
        Err(GuestError::Unavailable("there is no queue here".to_owned()))
    }
}
