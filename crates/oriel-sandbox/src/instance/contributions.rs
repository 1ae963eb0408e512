//! Calls of contributions other than programs: from the sandbox's types to the guest API's and back.

use oriel_model::hook::HookKind;
use oriel_model::verdict::{Choice, Verdict};

use super::{Ended, Instance};
use crate::answer;
use crate::ask::{Ask, EventData, EventView, ExecutionView, History, HookAnswer, HookCall, JobRun, Subject, Trigger};
use crate::bindings::{event_handler, executions, hook, job, sampler, validator};
use crate::error::{CallError, shortened};

/// Calls one function of an optional export within the bounds of a call. A macro, because the call borrows the store
/// for as long as its future lives.
macro_rules! ask {
    ($instance:ident, $ask:ident, $started:ident, $suspect:ident, $export:ident, $interface:literal, |$guest:ident, $store:ident| $call:expr) => {{
        let bounds = $instance.prepare($ask, $started);
        let Instance {
            store: $store,
            exports,
            meter,
            lane,
            broken,
            ..
        } = $instance;
        let Some($guest) = &exports.$export else {
            return Err(CallError::NotExported { interface: $interface });
        };
        *broken = true;
        let ended: Ended<_> = meter.run(lane, $suspect, $started, bounds.hard, $call).await;
        $instance.conclude(ended, &bounds)
    }};
}

impl Instance {
    /// Asks a validator.
    pub(crate) async fn validate(
        &mut self,
        ask: &Ask<'_>,
        subject: &Subject<'_>,
        started: u64,
        suspect: bool,
    ) -> Result<Verdict, CallError> {
        let subject = validator::Subject {
            execution: execution(&subject.execution),
            input_schema: subject.input_schema,
            output_schema: subject.output_schema,
            expected_output: subject.expected_output,
        };
        let verdict = ask!(
            self,
            ask,
            started,
            suspect,
            validator,
            "oriel:extension/validator",
            |guest, store| guest.call_validate(&mut *store, ask.name, subject)
        )?;
        answer::verdict(verdict, self.output_limit())
    }

    /// Asks a sampler.
    pub(crate) async fn sample(
        &mut self,
        ask: &Ask<'_>,
        (view, history): (&ExecutionView<'_>, History),
        started: u64,
        suspect: bool,
    ) -> Result<Choice, CallError> {
        let history = sampler::History {
            last_sample_ms: history.last_sample_ms,
            seen: history.seen,
            sampled: history.sampled,
            since_last: history.since_last,
        };
        let view = execution(view);
        let choice = ask!(self, ask, started, suspect, sampler, "oriel:extension/sampler", |guest, store| {
            guest.call_sample(&mut *store, ask.name, view, history)
        })?;
        Ok(Choice {
            sample: choice.sample,
            reason: choice.reason.map(shortened),
        })
    }

    /// Gives an event to a handler.
    pub(crate) async fn handle(&mut self, ask: &Ask<'_>, event: &EventView<'_>, started: u64, suspect: bool) -> Result<(), CallError> {
        let attributes: Vec<(&str, &str)> = event.attributes.iter().map(|(name, value)| (&**name, &**value)).collect();
        let event = event_handler::Event {
            id: event.id,
            source: event.source,
            type_: event.kind,
            subject: event.subject,
            time_ms: event.time_ms,
            datacontenttype: event.datacontenttype,
            dataschema: event.dataschema,
            attributes: &attributes,
            data: event.data.map(|data| match data {
                EventData::Json(text) => event_handler::EventData::Json(text),
                EventData::Text(text) => event_handler::EventData::Text(text),
                EventData::Binary(bytes) => event_handler::EventData::Binary(bytes),
            }),
        };
        ask!(
            self,
            ask,
            started,
            suspect,
            event_handler,
            "oriel:extension/event-handler",
            |guest, store| guest.call_handle(&mut *store, ask.name, event)
        )
    }

    /// Fires a hook at a handler.
    pub(crate) async fn fire(&mut self, ask: &Ask<'_>, call: &HookCall<'_>, started: u64, suspect: bool) -> Result<HookAnswer, CallError> {
        let kind = call.kind;
        let call = hook::HookCall {
            hook: call.hook,
            kind: match kind {
                HookKind::Filter => hook::Kind::Filter,
                HookKind::Validate => hook::Kind::Validate,
                HookKind::Decide => hook::Kind::Decide,
                HookKind::Collect => hook::Kind::Collect,
                HookKind::Observe => hook::Kind::Observe,
            },
            payload: call.payload,
            dry_run: ask.dry_run,
        };
        let answer = ask!(self, ask, started, suspect, hook, "oriel:extension/hook", |guest, store| guest
            .call_fire(&mut *store, ask.name, call))?;
        answer::of_hook(answer, kind, self.output_limit())
    }

    /// Runs a job.
    pub(crate) async fn run(&mut self, ask: &Ask<'_>, run: &JobRun<'_>, started: u64, suspect: bool) -> Result<String, CallError> {
        let run = job::JobRun {
            trigger: match run.trigger {
                Trigger::Manual => job::Trigger::Manual,
                Trigger::Schedule(name) => job::Trigger::Schedule(name),
                Trigger::Event(id) => job::Trigger::Event(id),
                Trigger::Queue => job::Trigger::Queue,
            },
            input: run.input,
            attempt: run.attempt,
        };
        let output = ask!(self, ask, started, suspect, job, "oriel:extension/job", |guest, store| guest
            .call_run(&mut *store, ask.name, run))?;
        self.within_output(output)
    }
}

fn execution<'a>(view: &ExecutionView<'a>) -> executions::Execution<'a> {
    executions::Execution {
        id: view.id,
        task: view.task,
        extension: view.extension,
        version: view.version,
        program: view.program,
        input: view.input,
        output: view.output,
        failure: view.failure.map(|(code, message)| executions::Failure { code, message }),
        started_ms: view.started_ms,
        wall_us: view.resources.wall_us,
        guest_cpu_us: view.resources.guest_cpu_us,
    }
}
