//! What executing one input has in common everywhere: alone, in a batch, in a stream.

use std::sync::Arc;
use std::time::{Duration, Instant};

use oriel_access::Principal;
use oriel_extensions::Active;
use oriel_model::Timestamp;
use oriel_model::execution::{ExecutionError, Resources};
use oriel_model::id::{ExecutionId, KeyId};
use oriel_sandbox::{Call, CallError, Lease, Outcome};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::compiled::Target;
use crate::segment::{Record, SegmentBuilder};
use crate::{Fault, Tasks};

/// How often a call is tried again on the next release when the one it was given to just stopped taking calls.
/// Each try means one more upgrade in the blink of an eye, so a few are plenty.
const RELEASES: usize = 8;

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
}

/// The caller of several items.
#[derive(Clone, Copy)]
pub(crate) struct Caller<'a> {
    pub(crate) principal: KeyId,
    pub(crate) traceparent: Option<&'a str>,
}

impl<'a> Caller<'a> {
    pub(crate) const fn new(principal: &Principal, traceparent: Option<&'a str>) -> Self {
        Self {
            principal: principal.key,
            traceparent,
        }
    }
}

/// An execution that ended.
pub(crate) struct Ended {
    pub(crate) id: ExecutionId,
    pub(crate) started_at: Timestamp,
    pub(crate) result: Result<Box<RawValue>, Fault>,
    pub(crate) resources: Resources,
    pub(crate) duration: Duration,
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
            traceparent: caller.traceparent,
            timeout,
        }
    }

    /// A lease on an instance of the release that answers now.
    pub(crate) async fn lease(&self) -> Result<(Arc<Active>, Lease), Fault> {
        for _ in 0..RELEASES {
            let active = self.active().await?;
            match active.pool().lease(active.limits().timeout.0).await {
                Ok(lease) => return Ok((active, lease)),
                Err(CallError::Draining) => tokio::task::yield_now().await,
                Err(error) => return Err(error.into()),
            }
        }
        Err(CallError::Draining.into())
    }

    /// One call on whatever release answers now.
    pub(crate) async fn call_once(&self, call: Call<'_>) -> (Result<Arc<Active>, Fault>, Outcome) {
        let nothing = |error| Outcome {
            result: Err(error),
            resources: Resources::default(),
        };
        for _ in 0..RELEASES {
            let active = match self.active().await {
                Ok(active) => active,
                Err(fault) => return (Err(fault), nothing(CallError::Draining)),
            };
            let outcome = active.pool().call(call).await;
            if !matches!(outcome.result, Err(CallError::Draining)) {
                return (Ok(active), outcome);
            }
            tokio::task::yield_now().await;
        }
        (Err(CallError::Draining.into()), nothing(CallError::Draining))
    }
}

impl Tasks {
    /// Executes one item on a lease.
    pub(crate) async fn run_item(&self, target: &Target, lease: &mut Lease, caller: Caller<'_>, item: &Item) -> Ended {
        let begun = Instant::now();
        let started_at = self.shared.clock.now();
        let id = ExecutionId::new(started_at);
        if let Err(fault) = target.check_input(&item.input) {
            return Ended {
                id,
                started_at,
                result: Err(fault),
                resources: Resources::default(),
                duration: begun.elapsed(),
            };
        }
        let outcome = lease.call(target.call(caller, id, &item.input, item.timeout)).await;
        let result = outcome.result.map_err(Fault::from).and_then(|output| target.check_output(output));
        Ended {
            id,
            started_at,
            result,
            resources: outcome.resources,
            duration: begun.elapsed(),
        }
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
            input: item.input.get(),
            result,
            started_at: self.started_at,
            resources: self.resources,
        });
    }
}
