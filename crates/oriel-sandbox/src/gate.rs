//! The gate before a pool: who may be called at present, and what each call came to.
//!
//! The sandbox does not know circuit breakers, budgets or bills. It asks the gate before each call and tells it after
//! each; whoever sets pools up decides what that means.

use std::time::Duration;

use oriel_model::ErrorCode;
use oriel_model::contribution::ContributionKind;
use oriel_model::execution::Resources;

use crate::error::CallError;

/// Stands before the calls of a pool. Asked on the way of every call: it must not block, and costs every call what it
/// costs itself.
pub trait Gate: Send + Sync {
    /// Whether it is worth waiting for an instance now.
    ///
    /// # Errors
    /// Why not.
    fn open(&self) -> Result<(), Refused>;

    /// A call is about to begin. Whoever is let in leaves again, by [`Gate::leave`] or [`Gate::abandon`].
    ///
    /// # Errors
    /// Why it may not.
    fn enter(&self) -> Result<Pass, Refused>;

    /// The call ended.
    fn leave(&self, pass: Pass, spent: &Spent<'_>);

    /// The call came to nothing, because whoever asked for it went away.
    fn abandon(&self, pass: Pass);
}

/// What the gate gives to who is let in, to know them again. Its meaning is the gate's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pass(pub u32);

/// What one call came to.
#[derive(Debug)]
pub struct Spent<'a> {
    /// What was called.
    pub kind: ContributionKind,
    /// Its name.
    pub name: &'a str,
    /// Why it failed, if it did.
    pub error: Option<&'a CallError>,
    /// What it cost.
    pub resources: Resources,
    /// Bytes of bodies that it sent out and was sent over HTTP.
    pub outbound_bytes: u64,
    /// Bytes that it was given.
    pub input_bytes: u64,
    /// Bytes that a program answered; 0 for other kinds.
    pub output_bytes: u64,
    /// What it asked of the model.
    pub model: ModelUse,
    /// Whether the caller gave it less time than the limit does: a call that is then late is not to blame.
    pub hurried: bool,
    /// When it ended, as [`moment`] counts.
    pub ended: u64,
}

/// What calls asked of the model.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ModelUse {
    /// Tokens that went to it.
    pub input_tokens: u64,
    /// Tokens that came from it.
    pub output_tokens: u64,
    /// What that cost, in millionths of the operator's currency.
    pub spend: u64,
}

/// Why the gate is closed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Refused {
    /// The stable code of the reason.
    pub code: ErrorCode,
    /// The reason, for people.
    pub message: String,
    /// When it may be worth to ask again.
    pub retry_after: Option<Duration>,
}

/// The present moment in nanoseconds of a clock that only goes forward and that no one sets. It counts from an
/// arbitrary moment, so that only differences mean something.
#[must_use]
pub fn moment() -> u64 {
    crate::meter::now()
}
