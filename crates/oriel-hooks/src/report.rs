//! What a fired hook came to.

use std::time::Duration;

use oriel_model::binding::ContributionRef;
use oriel_model::hook::HookKind;
use oriel_model::id::{BindingId, FireId};
use oriel_model::name::HookName;
use oriel_model::verdict::Verdict;
use serde_json::value::RawValue;

/// One fire of a hook.
#[derive(Debug)]
pub struct Fired {
    /// Its id; also in the log lines of its handlers' calls.
    pub id: FireId,
    /// The hook.
    pub hook: HookName,
    /// Its kind.
    pub kind: HookKind,
    /// Whether nothing of it counts.
    pub dry_run: bool,
    /// What came out.
    pub result: Result,
    /// What each handler came to, in their order.
    pub handlers: Vec<Report>,
    /// From the request to the result.
    pub duration: Duration,
}

/// What came out of a fire, by the hook's kind.
#[derive(Debug)]
pub enum Result {
    /// `filter`: the last payload.
    Payload(Box<RawValue>),
    /// `validate`: whether the payload is valid.
    Valid(bool),
    /// `decide`: the decision; nothing when nobody decided.
    Decision(Option<Box<RawValue>>),
    /// `collect`: what the handlers answered, in their order.
    Items(Vec<Box<RawValue>>),
    /// `observe`: how many handlers will be told.
    Queued(usize),
}

/// What one handler came to.
#[derive(Debug, Clone)]
pub struct Report {
    /// By which binding it takes part.
    pub binding: BindingId,
    /// The handler.
    pub contribution: ContributionRef,
    /// The version that was asked, when one was.
    pub version: Option<semver::Version>,
    /// How it ended.
    pub outcome: Outcome,
    /// How often it was asked.
    pub attempts: u32,
    /// How long that took in all.
    pub duration: Duration,
    /// Why it failed, when it did; why it was not asked, when it was skipped.
    pub error: Option<Failure>,
}

/// How a handler ended.
#[derive(Debug, Clone)]
pub enum Outcome {
    /// It had nothing to add.
    Nothing,
    /// It passed on another payload.
    Payload(Box<RawValue>),
    /// Its verdict.
    Verdict(Verdict),
    /// Its decision.
    Decision(Box<RawValue>),
    /// Its item.
    Item(Box<RawValue>),
    /// It will be told.
    Queued,
    /// It failed.
    Failed,
    /// It was not asked: its extension does not answer calls and the binding fails open, or the result was there before.
    Skipped,
}

impl Outcome {
    /// The word of the API.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Nothing => "nothing",
            Self::Payload(_) => "payload",
            Self::Verdict(_) => "verdict",
            Self::Decision(_) => "decision",
            Self::Item(_) => "item",
            Self::Queued => "queued",
            Self::Failed => "failed",
            Self::Skipped => "skipped",
        }
    }
}

/// Why a handler failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// Stable code, such as `execution.trapped`.
    pub code: &'static str,
    /// What happened, for people.
    pub message: String,
}
