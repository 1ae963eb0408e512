//! Named hook handlers.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::bindings::hook::exports::oriel::extension::hook as wire;
use crate::error::{Error, Result, Wire};
use crate::json::{read_part, write};
use crate::verdict::{Verdict, to_wire};

/// A hook that was fired, with a payload that is read as `P`.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct HookCall<P = Value> {
    /// The hook's name, such as `order.pre-create`.
    pub hook: String,
    /// What its handlers do.
    pub kind: HookKind,
    /// What it is about.
    pub payload: P,
    /// Whether this is a rehearsal: host calls with an effect are refused, and nothing that is answered counts.
    pub dry_run: bool,
}

/// What handlers of a hook do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HookKind {
    /// They pass the payload on, changed or not.
    Filter,
    /// They give verdicts.
    Validate,
    /// They decide a question.
    Decide,
    /// They contribute items to a list.
    Collect,
    /// They are told, and their answers do not count.
    Observe,
}

impl HookKind {
    /// Its name, such as `filter`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Filter => "filter",
            Self::Validate => "validate",
            Self::Decide => "decide",
            Self::Collect => "collect",
            Self::Observe => "observe",
        }
    }
}

/// The answer to a `filter` hook: the payload that goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Payload<T>(pub T);

/// The answer to a `decide` hook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision<T>(pub T);

/// The answer to a `collect` hook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item<T>(pub T);

/// An answer of any kind, for handlers that answer several kinds of hook.
#[derive(Debug, Clone)]
pub struct Answer(wire::Answer);

impl Answer {
    /// Nothing to add: the payload goes on as it is, no verdict, no decision, no item.
    #[must_use]
    pub const fn nothing() -> Self {
        Self(wire::Answer::Nothing)
    }

    /// To `filter`: the payload that goes on.
    ///
    /// # Errors
    /// When it cannot be written as JSON.
    pub fn payload(payload: &impl Serialize) -> Result<Self> {
        write(payload).map(|text| Self(wire::Answer::Payload(text)))
    }

    /// To `validate`.
    pub fn verdict(verdict: impl Into<Verdict>) -> Self {
        Self(wire::Answer::Verdict(to_wire(verdict.into())))
    }

    /// To `decide`.
    ///
    /// # Errors
    /// When it cannot be written as JSON.
    pub fn decision(decision: &impl Serialize) -> Result<Self> {
        write(decision).map(|text| Self(wire::Answer::Decision(text)))
    }

    /// To `collect`.
    ///
    /// # Errors
    /// When it cannot be written as JSON.
    pub fn item(item: &impl Serialize) -> Result<Self> {
        write(item).map(|text| Self(wire::Answer::Item(text)))
    }

    /// Its words for messages, and the kind of hook that it answers; nothing answers all of them.
    const fn fits(&self) -> Option<(&'static str, HookKind)> {
        match self.0 {
            wire::Answer::Nothing => None,
            wire::Answer::Payload(_) => Some(("a payload", HookKind::Filter)),
            wire::Answer::Verdict(_) => Some(("a verdict", HookKind::Validate)),
            wire::Answer::Decision(_) => Some(("a decision", HookKind::Decide)),
            wire::Answer::Item(_) => Some(("an item", HookKind::Collect)),
        }
    }
}

/// What a hook handler may return: [`Payload`], [`Verdict`] (or a `bool`), [`Decision`], [`Item`], `()`, an `Option` of these, or
/// [`Answer`].
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no answer to a hook",
    note = "return `Payload(…)`, `Decision(…)` or `Item(…)` around a `serde` type, a `Verdict`, or `()`"
)]
pub trait IntoAnswer {
    /// Turns it into the answer.
    ///
    /// # Errors
    /// When it cannot be written as JSON.
    fn into_answer(self) -> Result<Answer>;
}

impl IntoAnswer for Answer {
    fn into_answer(self) -> Result<Answer> {
        Ok(self)
    }
}

impl IntoAnswer for () {
    fn into_answer(self) -> Result<Answer> {
        Ok(Answer::nothing())
    }
}

impl IntoAnswer for bool {
    fn into_answer(self) -> Result<Answer> {
        Ok(Answer::verdict(self))
    }
}

impl IntoAnswer for Verdict {
    fn into_answer(self) -> Result<Answer> {
        Ok(Answer::verdict(self))
    }
}

impl<T: Serialize> IntoAnswer for Payload<T> {
    fn into_answer(self) -> Result<Answer> {
        Answer::payload(&self.0)
    }
}

impl<T: Serialize> IntoAnswer for Decision<T> {
    fn into_answer(self) -> Result<Answer> {
        Answer::decision(&self.0)
    }
}

impl<T: Serialize> IntoAnswer for Item<T> {
    fn into_answer(self) -> Result<Answer> {
        Answer::item(&self.0)
    }
}

impl<A: IntoAnswer> IntoAnswer for Option<A> {
    fn into_answer(self) -> Result<Answer> {
        self.map_or_else(|| Ok(Answer::nothing()), IntoAnswer::into_answer)
    }
}

/// Exports hook handlers: each name with the function behind it.
///
/// A function takes a [`HookCall`] and answers what the hook's kind wants: see [`IntoAnswer`]. What the binding configures is read
/// with [`config::binding`](crate::config::binding).
///
/// ```ignore
/// fn add_tax(call: HookCall<Order>) -> Result<Payload<Order>> { … }
///
/// hooks! { "add-tax" => add_tax }
/// ```
///
/// Use it once in a crate; the names are those of `[[hooks]]` in extension.toml.
#[macro_export]
macro_rules! hooks {
    ($($name:literal => $function:expr),+ $(,)?) => {
        const _: () = {
            struct Hooks;

            impl $crate::__private::hook::exports::oriel::extension::hook::Guest for Hooks {
                fn fire(
                    name: $crate::__private::String,
                    call: $crate::__private::hook::exports::oriel::extension::hook::HookCall,
                ) -> ::core::result::Result<
                    $crate::__private::hook::exports::oriel::extension::hook::Answer,
                    $crate::__private::Wire,
                > {
                    $crate::__private::catch_panics();
                    match name.as_str() {
                        $($name => $crate::__private::fire($name, call, $function),)+
                        _ => $crate::__private::unknown("hook handler", &name),
                    }
                }
            }

            $crate::__private::export_hook!(Hooks with_types_in $crate::__private::hook);
        };
    };
}

/// One call.
#[doc(hidden)]
pub fn fire<P, A, F>(name: &str, call: wire::HookCall, function: F) -> Result<wire::Answer, Wire>
where
    P: DeserializeOwned,
    A: IntoAnswer,
    F: FnOnce(HookCall<P>) -> Result<A, Error>,
{
    answer(name, call, function).map_err(crate::error::to_wire)
}

fn answer<P, A, F>(name: &str, call: wire::HookCall, function: F) -> Result<wire::Answer>
where
    P: DeserializeOwned,
    A: IntoAnswer,
    F: FnOnce(HookCall<P>) -> Result<A, Error>,
{
    let kind = match call.kind {
        wire::Kind::Filter => HookKind::Filter,
        wire::Kind::Validate => HookKind::Validate,
        wire::Kind::Decide => HookKind::Decide,
        wire::Kind::Collect => HookKind::Collect,
        wire::Kind::Observe => HookKind::Observe,
    };
    let hook = call.hook.clone();
    let answer = function(HookCall {
        payload: read_part("payload", &call.payload)?,
        hook: call.hook,
        kind,
        dry_run: call.dry_run,
    })?
    .into_answer()?;
    match answer.fits() {
        // Whoever observes is told, and that is all.
        _ if kind == HookKind::Observe => Ok(wire::Answer::Nothing),
        Some((what, fits)) if fits != kind => Err(Error::internal(format_args!(
            "hook handler `{name}` answered {what}, and the hook `{hook}` is of the kind `{}`",
            kind.as_str()
        ))),
        _ => Ok(answer.0),
    }
}
