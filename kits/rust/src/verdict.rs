//! Verdicts, of validators and of handlers of `validate` hooks.

use std::fmt;

use serde_json::Value;

use crate::bindings::imports::oriel::extension::types as wire;

/// A judgement. `true` and `false` become one with `into()`.
///
/// ```ignore
/// Verdict::invalid(format_args!("{} lines do not add up", wrong)).with_score(0.5)
/// ```
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Verdict {
    /// Whether it is valid.
    pub valid: bool,
    /// How good it is, from 0 to 1, where a yes or no says too little.
    pub score: Option<f64>,
    /// One line for people.
    pub message: Option<String>,
    /// Whatever the reader of the verdict may want to know.
    pub details: Option<Value>,
}

impl Verdict {
    /// It is valid.
    #[must_use]
    pub const fn valid() -> Self {
        Self {
            valid: true,
            score: None,
            message: None,
            details: None,
        }
    }

    /// It is not valid, and why.
    #[must_use]
    pub fn invalid(message: impl fmt::Display) -> Self {
        Self {
            valid: false,
            message: Some(message.to_string()),
            ..Self::valid()
        }
    }

    /// With how good it is, from 0 to 1; the host refuses anything else.
    #[must_use]
    pub const fn with_score(mut self, score: f64) -> Self {
        self.score = Some(score);
        self
    }

    /// With one line for people.
    #[must_use]
    pub fn with_message(mut self, message: impl fmt::Display) -> Self {
        self.message = Some(message.to_string());
        self
    }

    /// With whatever the reader of the verdict may want to know.
    #[must_use]
    pub fn with_details(mut self, details: impl Into<Value>) -> Self {
        self.details = Some(details.into());
        self
    }
}

impl From<bool> for Verdict {
    fn from(valid: bool) -> Self {
        Self { valid, ..Self::valid() }
    }
}

pub(crate) fn to_wire(verdict: Verdict) -> wire::Verdict {
    wire::Verdict {
        valid: verdict.valid,
        score: verdict.score,
        message: verdict.message,
        details: verdict.details.map(|details| details.to_string()),
    }
}
