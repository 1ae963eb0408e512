//! Asking one handler: as often as its binding says, within its time, and believing nothing of its answer.

use std::time::{Duration, Instant};

use oriel_extensions::Bound;
use oriel_model::id::ExecutionId;
use oriel_model::schema::{Schema, SchemaProblem};
use oriel_model::{Coded, ErrorCode};
use oriel_sandbox::{Ask, CallError, HookAnswer, HookCall};
use serde_json::Value;
use serde_json::value::RawValue;

use super::{Fire, report};
use crate::report::{Failure, Outcome, Report};

/// How often a call is tried again on the next release when the one it was given to just stopped taking calls.
const RELEASES: usize = 8;
/// How long the first repetition waits; each further one waits twice as long.
const BACKOFF: Duration = Duration::from_millis(50);

impl Fire<'_> {
    /// Asks one handler until it answers, may not be asked again, or the time is up.
    pub(crate) async fn ask(&self, bound: &Bound, payload: &str) -> Report {
        let begun = Instant::now();
        let (_, tries) = bound.binding.terms.on_error(self.compiled.hook.on_error);
        let mut report = report(bound, Outcome::Failed);
        let mut backoff = BACKOFF;
        loop {
            let left = self.deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                report.error.get_or_insert_with(|| Failure {
                    code: ErrorCode::HookTimeout.as_str(),
                    message: "there was no time left to ask it".to_owned(),
                });
                break;
            }
            report.attempts += 1;
            match self.once(bound, payload, left, &mut report.version).await {
                Ok(outcome) => {
                    report.outcome = outcome;
                    report.error = None;
                    break;
                }
                Err((failure, may_pass)) => {
                    report.error = Some(failure);
                    if !may_pass || report.attempts >= u32::from(tries) {
                        break;
                    }
                }
            }
            let left = self.deadline.saturating_duration_since(Instant::now());
            tokio::time::sleep(backoff.min(left)).await;
            backoff *= 2;
        }
        report.duration = begun.elapsed();
        report
    }

    /// One attempt. A failure says whether another attempt could go better.
    async fn once(
        &self,
        bound: &Bound,
        payload: &str,
        left: Duration,
        version: &mut Option<semver::Version>,
    ) -> Result<Outcome, (Failure, bool)> {
        let hook = &self.compiled.hook;
        let terms = &bound.binding.terms;
        let ask = Ask {
            task: self.cause.task,
            principal: self.cause.principal,
            user: self.cause.user,
            traceparent: self.traceparent,
            timeout: Some(terms.timeout_ms.map_or(left, |own| left.min(Duration::from_millis(own)))),
            binding: Some(&bound.config),
            dry_run: self.dry_run,
            ..Ask::new(
                bound.binding.contribution.name.as_str(),
                ExecutionId::new(self.hooks.shared.clock.now()),
            )
        };
        let call = HookCall {
            hook: hook.name.as_str(),
            kind: hook.kind,
            payload,
        };
        for _ in 0..RELEASES {
            let active = bound
                .handle
                .active()
                .await
                .map_err(|error| (failure(&error), error.code().retryable()))?;
            *version = Some(active.version().clone());
            // What the handler itself says of its payloads is what its author relies on.
            let own = active.handler_schemas(bound.binding.contribution.name.as_str());
            let own = own.map_err(|error| (unfit(ErrorCode::HookAnswer, format!("the handler's own schemas: {error}")), false))?;
            if let Some(own) = own {
                taken(&own.input, payload).map_err(|failure| (failure, false))?;
            }
            match active.pool().fire(&ask, &call).await.result {
                Ok(answer) => {
                    let own = own.map(|own| &own.output);
                    return self.believe(answer, own).map_err(|failure| (failure, false));
                }
                Err(CallError::Draining) => tokio::task::yield_now().await,
                Err(error) => {
                    let hopeless = matches!(
                        error,
                        CallError::Rejected { .. } | CallError::Denied { .. } | CallError::InputTooLarge { .. }
                    );
                    return Err((failure(&error), !hopeless));
                }
            }
        }
        Err((failure(&CallError::Draining), true))
    }

    /// Turns an answer that claims to be JSON into one that is, and that fits.
    fn believe(&self, answer: HookAnswer, own: Option<&Schema>) -> Result<Outcome, Failure> {
        Ok(match answer {
            HookAnswer::Nothing => Outcome::Nothing,
            HookAnswer::Verdict(verdict) => Outcome::Verdict(verdict),
            HookAnswer::Payload(text) => Outcome::Payload(self.fitting("payload", text, own)?),
            HookAnswer::Decision(text) => Outcome::Decision(self.fitting("decision", text, own)?),
            HookAnswer::Item(text) => Outcome::Item(self.fitting("item", text, own)?),
        })
    }

    fn fitting(&self, what: &str, text: String, own: Option<&Schema>) -> Result<Box<RawValue>, Failure> {
        let bad = |message: String| unfit(ErrorCode::HookAnswer, message);
        let raw = RawValue::from_string(text).map_err(|error| bad(format!("the {what} is not JSON: {error}")))?;
        let output = &self.compiled.output;
        // A payload that is passed on is the next handler's input.
        let input = (what == "payload").then_some(&self.compiled.input);
        let schemas = [
            (Some(output), "the hook's schema"),
            (input, "the hook's schema"),
            (own, "the handler's own schema"),
        ];
        let schemas = schemas.into_iter().filter_map(|(schema, whose)| Some((schema?, whose)));
        let mut value = None;
        for (schema, whose) in schemas.filter(|(schema, _)| !schema.accepts_everything()) {
            let value = match &mut value {
                Some(value) => value,
                None => {
                    let parsed: Value = serde_json::from_str(raw.get()).map_err(|error| bad(format!("the {what} is not JSON: {error}")))?;
                    value.insert(parsed)
                }
            };
            schema
                .validate(value)
                .map_err(|problems| bad(format!("the {what} does not fit {whose}: {}", listed(&problems))))?;
        }
        Ok(raw)
    }
}

/// Whether a payload is one that the handler itself says that it takes.
fn taken(own: &Schema, payload: &str) -> Result<(), Failure> {
    if own.accepts_everything() {
        return Ok(());
    }
    let refused = |message: String| unfit(ErrorCode::HookUnfit, message);
    let value: Value = serde_json::from_str(payload).map_err(|error| refused(format!("the payload is not JSON: {error}")))?;
    own.validate(&value)
        .map_err(|problems| refused(format!("the payload does not fit the handler's own schema: {}", listed(&problems))))
}

fn unfit(code: ErrorCode, message: String) -> Failure {
    Failure {
        code: code.as_str(),
        message,
    }
}

fn failure(error: &dyn Coded) -> Failure {
    Failure {
        code: error.code().as_str(),
        message: error.to_string(),
    }
}

fn listed(problems: &[SchemaProblem]) -> String {
    let shown = problems.iter().take(3).map(|problem| {
        let path = if problem.path.is_empty() { "the whole" } else { &problem.path };
        format!("{path}: {}", problem.message)
    });
    shown.collect::<Vec<_>>().join("; ")
}
