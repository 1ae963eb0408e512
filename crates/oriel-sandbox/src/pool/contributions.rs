//! Asking contributions other than programs: through the same gate, lease and accounts as a program's call.

use oriel_model::contribution::ContributionKind;
use oriel_model::execution::Resources;
use oriel_model::verdict::{Choice, Verdict};

use super::{Lease, Pool};
use crate::ask::{Ask, EventData, EventView, ExecutionView, History, HookAnswer, HookCall, JobRun, Subject};
use crate::call::Outcome;
use crate::error::CallError;

/// A method of [`Lease`] and the same of [`Pool`], which leases for one call.
macro_rules! contributions {
    ($($(#[$doc:meta])* $method:ident($kind:ident, $what:ident: $given:ty, $length:expr) -> $answer:ty;)*) => {
        impl Lease {
            $(
                $(#[$doc])*
                pub async fn $method(&mut self, ask: &Ask<'_>, $what: $given) -> Outcome<$answer> {
                    if let Err(error) = self.admit($length) {
                        return Outcome::refused(error);
                    }
                    let outcome = match self.take().await {
                        Err(outcome) => outcome,
                        Ok((mut instance, turn)) => {
                            let result = instance.$method(ask, $what, turn.started, turn.suspect).await;
                            self.give(instance, &turn, result)
                        }
                    };
                    let error = outcome.result.as_ref().err();
                    self.leave(ContributionKind::$kind, ask.name, ask.timeout, error, outcome.resources);
                    outcome
                }
            )*
        }

        impl Pool {
            $(
                $(#[$doc])*
                pub async fn $method(&self, ask: &Ask<'_>, $what: $given) -> Outcome<$answer> {
                    let limit = self.0.spec.limits.timeout.0;
                    match self.lease(ask.timeout.map_or(limit, |asked| asked.min(limit))).await {
                        Ok(mut lease) => lease.$method(ask, $what).await,
                        Err(error) => Outcome::refused(error),
                    }
                }
            )*
        }
    };
}

contributions! {
    /// Calls a program with all that can be said of who asks.
    execute(Program, input: &str, input.len()) -> String;
    /// Asks a validator for its verdict.
    validate(Validator, subject: &Subject<'_>, subject_length(subject)) -> Verdict;
    /// Asks a sampler for its choice.
    sample(Sampler, seen: (&ExecutionView<'_>, History), view_length(seen.0)) -> Choice;
    /// Gives an event to a handler.
    handle(EventHandler, event: &EventView<'_>, event_length(event)) -> ();
    /// Fires a hook at a handler.
    fire(Hook, call: &HookCall<'_>, call.payload.len()) -> HookAnswer;
    /// Runs a job.
    run(Job, run: &JobRun<'_>, run.input.len()) -> String;
}

fn view_length(view: &ExecutionView<'_>) -> usize {
    view.input.len() + view.output.map_or(0, str::len)
}

fn subject_length(subject: &Subject<'_>) -> usize {
    view_length(&subject.execution) + subject.expected_output.map_or(0, str::len)
}

fn event_length(event: &EventView<'_>) -> usize {
    match event.data {
        None => 0,
        Some(EventData::Json(text) | EventData::Text(text)) => text.len(),
        Some(EventData::Binary(bytes)) => bytes.len(),
    }
}

impl<T> Outcome<T> {
    /// A call that never began.
    pub(crate) fn refused(error: CallError) -> Self {
        Self {
            result: Err(error),
            resources: Resources::default(),
        }
    }
}
