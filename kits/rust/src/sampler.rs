//! Named samplers.

use serde::de::DeserializeOwned;

use crate::bindings::imports::oriel::extension::executions;
use crate::bindings::sampler::exports::oriel::extension::sampler as wire;
use crate::error::{Error, Wire, to_wire};
use crate::execution::{Execution, execution};

/// What a sampler has seen of the task so far, this execution not included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct History {
    /// When an execution was last sampled, in milliseconds since the Unix epoch.
    pub last_sample_ms: Option<u64>,
    /// Executions seen.
    pub seen: u64,
    /// Executions sampled.
    pub sampled: u64,
    /// Executions since the last sampled one.
    pub since_last: u64,
}

/// Whether an execution is looked at. `true` and `false` become one with `into()`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Choice {
    /// Whether it is.
    pub sample: bool,
    /// A word or two for people, such as `slow`.
    pub reason: Option<String>,
}

impl Choice {
    /// It is looked at, and why.
    #[must_use]
    pub fn take(reason: impl Into<String>) -> Self {
        Self {
            sample: true,
            reason: Some(reason.into()),
        }
    }

    /// It is not.
    #[must_use]
    pub const fn skip() -> Self {
        Self {
            sample: false,
            reason: None,
        }
    }
}

impl From<bool> for Choice {
    fn from(sample: bool) -> Self {
        Self { sample, reason: None }
    }
}

/// Exports samplers: each name with the function behind it.
///
/// A function takes an [`Execution`] and a [`History`] and answers `Result<Choice, Error>`, or a `bool` in its place. What the
/// binding configures is read with [`config::binding`](crate::config::binding).
///
/// ```ignore
/// fn every_tenth(_: Execution, history: History) -> Result<bool> {
///     Ok(history.since_last >= 9)
/// }
///
/// samplers! { "every-tenth" => every_tenth }
/// ```
///
/// Use it once in a crate; the names are those of `[[samplers]]` in extension.toml.
#[macro_export]
macro_rules! samplers {
    ($($name:literal => $function:expr),+ $(,)?) => {
        const _: () = {
            struct Samplers;

            impl $crate::__private::sampler::exports::oriel::extension::sampler::Guest for Samplers {
                fn sample(
                    name: $crate::__private::String,
                    execution: $crate::__private::WireExecution,
                    history: $crate::__private::sampler::exports::oriel::extension::sampler::History,
                ) -> ::core::result::Result<
                    $crate::__private::sampler::exports::oriel::extension::sampler::Choice,
                    $crate::__private::Wire,
                > {
                    $crate::__private::catch_panics();
                    match name.as_str() {
                        $($name => $crate::__private::sample(execution, history, $function),)+
                        _ => $crate::__private::unknown("sampler", &name),
                    }
                }
            }

            $crate::__private::export_sampler!(Samplers with_types_in $crate::__private::sampler);
        };
    };
}

/// One call.
#[doc(hidden)]
pub fn sample<I, O, C, F>(given: executions::Execution, history: wire::History, function: F) -> Result<wire::Choice, Wire>
where
    I: DeserializeOwned,
    O: DeserializeOwned,
    C: Into<Choice>,
    F: FnOnce(Execution<I, O>, History) -> Result<C, Error>,
{
    let history = History {
        last_sample_ms: history.last_sample_ms,
        seen: history.seen,
        sampled: history.sampled,
        since_last: history.since_last,
    };
    let choice: Choice = execution(given)
        .and_then(|execution| function(execution, history))
        .map_err(to_wire)?
        .into();
    Ok(wire::Choice {
        sample: choice.sample,
        reason: choice.reason,
    })
}
