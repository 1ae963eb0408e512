//! What executing one input has in common everywhere: alone, in a batch, in a stream.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use oriel_access::Principal;
use oriel_extensions::Chosen;
use oriel_model::Coded;
use oriel_model::Timestamp;
use oriel_model::access::PrincipalId;
use oriel_model::execution::{ExecutionError, Resources};
use oriel_model::id::ExecutionId;
use oriel_model::validation::Judgement;
use oriel_sandbox::{Call, CallError, Lease, Outcome};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::compiled::Target;
use crate::segment::{Record, SegmentBuilder};
use crate::{Fault, Tasks, judging};

/// How often a call is tried again on the next release when the one it was given to just stopped taking calls.
/// Each try means one more upgrade in the blink of an eye, so a few are plenty.
const RELEASES: usize = 8;

/// How long a batch or stream waits for an extension that is left alone: long enough for a few bad inputs side by side not to
/// cost all that come after them, too short to be felt where everything fails.
const PATIENCE: Duration = Duration::from_secs(5);
/// How often it looks whether the wait is over.
const LOOK: Duration = Duration::from_millis(100);

/// The patience of one batch or stream with its extension.
pub(crate) struct Patience {
    begun: Instant,
    /// Milliseconds after `begun` at which calls began to be refused; 0 while they are not.
    refused_at: AtomicU64,
}

impl Patience {
    pub(crate) fn new() -> Self {
        Self {
            begun: Instant::now(),
            refused_at: AtomicU64::new(0),
        }
    }

    /// Waits a little for an extension that refused a call, if that is worth it. Answers whether to try again.
    pub(crate) async fn wait(&self, fault: &Fault) -> bool {
        let Some(retry_after) = fault.retry_after().filter(|_| fault.is_refusal()) else {
            return false;
        };
        let now = u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX).max(1);
        let since = match self.refused_at.compare_exchange(0, now, Relaxed, Relaxed) {
            Ok(_) => now,
            Err(since) => since,
        };
        if Duration::from_millis(now.saturating_sub(since)) + retry_after > PATIENCE {
            return false;
        }
        tokio::time::sleep(retry_after.min(LOOK)).await;
        true
    }

    /// A call was answered.
    pub(crate) fn ease(&self) {
        if self.refused_at.load(Relaxed) != 0 {
            self.refused_at.store(0, Relaxed);
        }
    }
}

/// One input of a batch or stream.
#[derive(Debug)]
pub struct Item {
    /// The caller's own id.
    pub id: String,
    /// The input, any JSON.
    pub input: Box<RawValue>,
    /// Less time than the extension's limit.
    pub timeout: Option<Duration>,
}

/// How one item ended.
#[derive(Debug)]
pub struct ItemResult {
    /// The caller's own id.
    pub id: String,
    /// Its execution; absent when the item never became one.
    pub execution: Option<ExecutionId>,
    /// The output, or why there is none.
    pub result: Result<Box<RawValue>, Fault>,
    /// From its turn to its answer.
    pub duration: Duration,
    /// What inline validators made of the output.
    pub judgements: Vec<Judgement>,
}

/// The caller of several items.
#[derive(Clone, Copy)]
pub(crate) struct Caller<'a> {
    pub(crate) principal: PrincipalId,
    pub(crate) user: Option<&'a str>,
    pub(crate) traceparent: Option<&'a str>,
}

impl<'a> Caller<'a> {
    pub(crate) fn new(principal: &'a Principal, traceparent: Option<&'a str>) -> Self {
        Self {
            principal: principal.id,
            user: principal.user.as_deref(),
            traceparent,
        }
    }
}

/// An execution that ended.
pub(crate) struct Ended {
    pub(crate) id: ExecutionId,
    pub(crate) started_at: Timestamp,
    /// The input that ran, where a hook changed it.
    pub(crate) input: Option<Box<RawValue>>,
    pub(crate) result: Result<Box<RawValue>, Fault>,
    pub(crate) resources: Resources,
    pub(crate) judgements: Vec<Judgement>,
    pub(crate) duration: Duration,
}

/// A lease on an instance, and whose it is.
pub(crate) struct Leased {
    lease: Lease,
    pub(crate) chosen: Chosen,
}

/// The deepest nesting of an output. Many parsers go one call deeper for each level, and a stack has an end: what a guest makes shall not
/// crash those who read it. Inputs have the same limit.
const MAX_DEPTH: usize = 128;

/// Whether a JSON text nests deeper than `most`.
fn nests_deeper(json: &str, most: usize) -> bool {
    // Each level takes two bytes at least, so a short text cannot be too deep.
    if json.len() <= 2 * most {
        return false;
    }
    let (mut depth, mut in_string, mut escaped) = (0usize, false, false);
    for byte in json.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            _ if in_string => {}
            b'{' | b'[' => {
                depth += 1;
                if depth > most {
                    return true;
                }
            }
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    false
}

impl Target {
    /// Checks an input before it costs anything.
    pub(crate) fn check_input(&self, input: &RawValue) -> Result<(), Fault> {
        if self.input.accepts_everything() {
            return Ok(());
        }
        let value: Value = serde_json::from_str(input.get()).map_err(|error| Fault::Malformed { reason: error.to_string() })?;
        self.input.validate(&value).map_err(|problems| Fault::Input { problems })
    }

    /// Checks what a guest answered: it is text until it has proved to be JSON that fits.
    pub(crate) fn check_output(&self, output: String) -> Result<Box<RawValue>, Fault> {
        let raw = RawValue::from_string(output).map_err(|error| Fault::OutputSyntax { reason: error.to_string() })?;
        if nests_deeper(raw.get(), MAX_DEPTH) {
            let reason = format!("it nests deeper than {MAX_DEPTH} levels");
            return Err(Fault::OutputSyntax { reason });
        }
        if !self.output.accepts_everything() {
            let value: Value = serde_json::from_str(raw.get()).map_err(|error| Fault::OutputSyntax { reason: error.to_string() })?;
            self.output.validate(&value).map_err(|problems| Fault::Output { problems })?;
        }
        Ok(raw)
    }

    pub(crate) fn call<'a>(&'a self, caller: Caller<'a>, id: ExecutionId, input: &'a RawValue, timeout: Option<Duration>) -> Call<'a> {
        Call {
            program: self.program.as_str(),
            input: input.get(),
            execution: id,
            task: self.task,
            principal: Some(caller.principal),
            user: caller.user,
            traceparent: caller.traceparent,
            timeout,
        }
    }

    /// A lease on an instance of the release that answers now, for calls with this key.
    pub(crate) async fn lease(&self, key: Option<&str>) -> Result<Leased, Fault> {
        for _ in 0..RELEASES {
            let chosen = self.choose(key).await?;
            let active = &chosen.active;
            match active.pool().lease(active.limits().timeout.0).await {
                Ok(lease) => return Ok(Leased { lease, chosen }),
                Err(CallError::Draining) => tokio::task::yield_now().await,
                Err(error) => {
                    chosen.ended(Some(error.code()), 0);
                    return Err(error.into());
                }
            }
        }
        Err(CallError::Draining.into())
    }

    /// One call on whatever release answers now for this key.
    pub(crate) async fn call_once(&self, call: Call<'_>, key: Option<&str>) -> (Result<Chosen, Fault>, Outcome) {
        let nothing = |error| Outcome {
            result: Err(error),
            resources: Resources::default(),
        };
        for _ in 0..RELEASES {
            let chosen = match self.choose(key).await {
                Ok(chosen) => chosen,
                Err(fault) => return (Err(fault), nothing(CallError::Draining)),
            };
            let outcome = chosen.active.pool().call(call).await;
            if !matches!(outcome.result, Err(CallError::Draining)) {
                return (Ok(chosen), outcome);
            }
            tokio::task::yield_now().await;
        }
        (Err(CallError::Draining.into()), nothing(CallError::Draining))
    }
}

impl Tasks {
    /// Executes one item on a lease.
    pub(crate) async fn run_item(&self, target: &Target, leased: &mut Leased, caller: Caller<'_>, item: &Item) -> Ended {
        let begun = Instant::now();
        let started_at = self.shared.clock.now();
        let id = ExecutionId::new(started_at);
        let mut ended = Ended {
            id,
            started_at,
            input: None,
            result: Err(Fault::Cancelled),
            resources: Resources::default(),
            judgements: Vec::new(),
            duration: Duration::ZERO,
        };
        let around = match target.around().await {
            Ok(around) => around,
            Err(fault) => {
                return Ended {
                    result: Err(fault),
                    duration: begun.elapsed(),
                    ..ended
                };
            }
        };
        let admitted = match &around {
            None => Ok(None),
            Some(around) => self.before(target, around, caller, &item.input).await,
        };
        let admitted = admitted.map(|input| ended.input = input);
        let input = ended.input.as_deref().unwrap_or(&item.input);
        let result = match admitted.and_then(|()| target.check_input(input)) {
            Err(fault) => Err(fault),
            Ok(()) => {
                let outcome = leased.lease.call(target.call(caller, id, input, item.timeout)).await;
                let result = outcome.result.map_err(Fault::from).and_then(|output| target.check_output(output));
                leased
                    .chosen
                    .ended(result.as_ref().err().map(Coded::code), outcome.resources.wall_us);
                ended.resources = outcome.resources;
                result
            }
        };
        // What a breaker keeps from running is no execution.
        ended.result = match &around {
            Some(around) if !result.as_ref().is_err_and(Fault::is_refusal) => {
                let outcome = judging::Outcome {
                    id,
                    item: Some(&item.id),
                    batch: None,
                    version: leased.chosen.active.version(),
                    input,
                    result,
                    started_at,
                    resources: ended.resources,
                };
                let (result, judgements) = self.after(target, around, caller, outcome).await;
                ended.judgements = judgements;
                result
            }
            _ => result,
        };
        ended.duration = begun.elapsed();
        ended
    }
}

impl Ended {
    /// Adds this execution to a segment.
    pub(crate) fn record(&self, item: &Item, builder: &mut SegmentBuilder) {
        let error: ExecutionError;
        let result = match &self.result {
            Ok(output) => Ok(output.get()),
            Err(fault) => {
                error = fault.to_error();
                Err(&error)
            }
        };
        builder.add(&Record {
            id: self.id,
            item: Some(&item.id),
            input: self.input.as_deref().unwrap_or(&item.input).get(),
            result,
            started_at: self.started_at,
            resources: self.resources,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_brackets_outside_of_strings_count() {
        let nested = |levels: usize| format!("{}1{}", "[".repeat(levels), "]".repeat(levels));
        assert!(!nests_deeper(&nested(128), 128) && nests_deeper(&nested(129), 128));
        let wide = format!("[{}1]", "[[]],".repeat(1_000));
        assert!(!nests_deeper(&wide, 3) && nests_deeper(&wide, 2));
        let text = format!(r#"["{}\\\"{}"]"#, "[".repeat(500), "{".repeat(500));
        assert!(!nests_deeper(&text, 128), "{text}");
    }
}
