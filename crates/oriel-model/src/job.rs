//! Runs of jobs: one durable piece of work each, from when it was accepted to when it is forgotten.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::access::PrincipalId;
use crate::execution::Resources;
use crate::id::{ExecutionId, InstallationId, JobRunId, WorkId};
use crate::name::{ContributionName, ExtensionName};
use crate::time::Timestamp;

/// The most attempts that a run may have.
pub const MAX_ATTEMPTS: u32 = 20;
/// Attempts when neither the manifest nor who starts the run says anything.
pub const DEFAULT_ATTEMPTS: u32 = 3;
/// The pause before the second attempt, in milliseconds, when the manifest says nothing. Each further pause is twice as long.
pub const DEFAULT_BACKOFF_MS: u64 = 5_000;
/// The longest pause between two attempts, in milliseconds.
pub const MAX_BACKOFF_MS: u64 = 3_600_000;
/// The furthest that a run may be put off, in milliseconds.
pub const MAX_DELAY_MS: u64 = 30 * 24 * 3_600_000;
/// The longest key by which a run is told from its likes, in bytes.
pub const MAX_KEY: usize = 256;

/// How far a run is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum JobState {
    /// It waits for its time, for a worker, or for its next attempt.
    Queued,
    /// A worker is at it.
    Running,
    /// It answered.
    Succeeded,
    /// It ended with an error that no further attempt would mend.
    Failed,
    /// Its attempts are used up.
    Dead,
    /// Somebody took it back, or its extension is gone.
    Cancelled,
}

impl JobState {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Queued,
        Self::Running,
        Self::Succeeded,
        Self::Failed,
        Self::Dead,
        Self::Cancelled,
    ];

    /// Its name in the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Dead => "dead",
            Self::Cancelled => "cancelled",
        }
    }

    /// The state of this name.
    #[must_use]
    pub fn from_text(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == text)
    }

    /// Whether nothing more happens by itself.
    #[must_use]
    pub const fn is_over(self) -> bool {
        !matches!(self, Self::Queued | Self::Running)
    }

    /// Whether it can be begun anew.
    #[must_use]
    pub const fn can_retry(self) -> bool {
        matches!(self, Self::Failed | Self::Dead | Self::Cancelled)
    }
}

impl std::fmt::Display for JobState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What started a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum JobTrigger {
    /// A person or a program, by the API.
    Manual,
    /// The extension itself, by its queue.
    Queue,
    /// A schedule.
    Schedule {
        /// Its name.
        name: String,
    },
    /// An event.
    Event {
        /// Its id.
        id: String,
    },
}

/// Why an attempt, or a run, did not succeed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct JobFailure {
    /// Stable code, such as `execution.unavailable`.
    pub code: String,
    /// What happened.
    pub message: String,
}

/// One attempt of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct JobAttempt {
    /// 1 for the first.
    pub number: u32,
    /// The call's id, which its log lines carry.
    pub execution_id: ExecutionId,
    /// The version that ran.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub version: semver::Version,
    /// When it began.
    pub started_at: Timestamp,
    /// When it ended; absent while it goes on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Timestamp>,
    /// Why it failed, if it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<JobFailure>,
    /// What it cost.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resources: Option<Resources>,
    /// Whether it counts among those that the run may have: one that a stopping server broke off does not.
    pub counts: bool,
}

/// One run of a job.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct JobRun {
    /// Its id.
    pub id: JobRunId,
    /// The extension.
    pub extension: ExtensionName,
    /// The installation that it was started for: a new one of the same name does not go on with it.
    pub installation: InstallationId,
    /// The job.
    pub job: ContributionName,
    /// How far it is.
    pub state: JobState,
    /// What started it.
    pub trigger: JobTrigger,
    /// Who started it, when somebody did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub principal: Option<PrincipalId>,
    /// While it is not over, no second run of the job carries the same key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// What it was given.
    #[cfg_attr(feature = "openapi", schema(value_type = serde_json::Value))]
    pub input: Box<RawValue>,
    /// What it answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<serde_json::Value>))]
    pub output: Option<Box<RawValue>>,
    /// Why it did not succeed, or why it has to be tried again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<JobFailure>,
    /// Its attempts, the newest last.
    pub attempts: Vec<JobAttempt>,
    /// How often it is tried.
    pub max_attempts: u32,
    /// The pause before the second attempt, in milliseconds.
    pub backoff_ms: u64,
    /// When it was or is due.
    pub due_at: Timestamp,
    /// When it was accepted.
    pub created_at: Timestamp,
    /// When it was over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Timestamp>,
    /// The unit of work that carries it.
    pub work: WorkId,
    /// Grows with each change.
    pub revision: u64,
}

impl JobRun {
    /// How many attempts count among those that it may have.
    #[must_use]
    pub fn used(&self) -> u32 {
        let used = self.attempts.iter().filter(|attempt| attempt.counts).count();
        u32::try_from(used).unwrap_or(u32::MAX)
    }

    /// Whether no attempt is left.
    #[must_use]
    pub fn is_used_up(&self) -> bool {
        self.used() >= self.max_attempts
    }

    /// The pause after the attempts that it had, in milliseconds: twice as long each time, up to [`MAX_BACKOFF_MS`].
    #[must_use]
    pub fn pause_ms(&self) -> u64 {
        let doublings = self.used().saturating_sub(1).min(30);
        self.backoff_ms.saturating_mul(1 << doublings).min(MAX_BACKOFF_MS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_know_their_names_and_ends() {
        for state in JobState::ALL {
            assert_eq!(JobState::from_text(state.as_str()), Some(state));
            assert_eq!(serde_json::to_value(state).unwrap(), state.as_str());
            assert!(!state.can_retry() || state.is_over());
        }
        assert_eq!(JobState::from_text("lost"), None);
    }

    #[test]
    fn pauses_double_up_to_an_hour_and_broken_off_attempts_do_not_count() {
        let now = Timestamp::from_millis(0);
        let attempt = |number, counts| JobAttempt {
            number,
            execution_id: ExecutionId::new(now),
            version: semver::Version::new(1, 0, 0),
            started_at: now,
            ended_at: None,
            error: None,
            resources: None,
            counts,
        };
        let mut run = JobRun {
            id: JobRunId::new(now),
            extension: "mailer".parse().unwrap(),
            installation: InstallationId::new(now),
            job: "send".parse().unwrap(),
            state: JobState::Queued,
            trigger: JobTrigger::Queue,
            principal: None,
            key: None,
            input: RawValue::from_string("{}".to_owned()).unwrap(),
            output: None,
            error: None,
            attempts: Vec::new(),
            max_attempts: 3,
            backoff_ms: 1_000,
            due_at: now,
            created_at: now,
            ended_at: None,
            work: WorkId::new(now),
            revision: 1,
        };
        let mut pauses = Vec::new();
        for number in 1..=15 {
            run.attempts.push(attempt(number, number != 2));
            pauses.push(run.pause_ms());
        }
        assert_eq!(&pauses[..5], [1_000, 1_000, 2_000, 4_000, 8_000]);
        assert_eq!(pauses.last(), Some(&MAX_BACKOFF_MS));
        run.attempts.truncate(3);
        assert!(!run.is_used_up());
        run.attempts.push(attempt(4, true));
        assert!(run.is_used_up());
    }
}
