//! One call, by the kind of what is called.

use std::sync::Arc;

use oriel_model::id::ExecutionId;
use oriel_model::name::HookName;
use oriel_model::schema::Schema;
use oriel_model::{Coded, ErrorCode};
use oriel_sandbox::{Ask, Call, EventData, EventView, ExecutionView, History, HookAnswer, HookCall, JobRun, Pool, Subject, Trigger};
use serde::Serialize;
use serde_json::Value;

use super::super::cases::{self, Asked, Case, Data, Execution};
use super::{Answer, Schemas, coded, told};

/// The hook that a handler is told of when neither the case nor the manifest names one.
const SOME_HOOK: &str = "example.hook";

/// Calls what the case calls. `hook` is the hook that the manifest names for a handler.
pub(super) async fn ask(
    pool: &Pool,
    case: &Case,
    schemas: &Schemas,
    execution: ExecutionId,
    binding: &Arc<str>,
    hook: Option<&HookName>,
) -> Answer {
    let timeout = case.timeout.map(|timeout| timeout.0);
    let ask = Ask {
        timeout,
        binding: Some(binding),
        user: case.user.as_deref(),
        ..Ask::new(&case.contribution, execution)
    };
    match &case.asked {
        Asked::Program(input) => {
            fits(&schemas.input, input, ErrorCode::InputInvalid)?;
            let input = input.to_string();
            let call = Call {
                program: &case.contribution,
                input: &input,
                execution,
                task: None,
                principal: None,
                user: case.user.as_deref(),
                traceparent: None,
                timeout,
            };
            let text = pool.call(call).await.result.map_err(|error| failed(&error))?;
            output(&text, "output", &schemas.output).map(Some)
        }
        Asked::Validator(judged) => {
            let subject = Subject {
                execution: view(&judged.execution),
                input_schema: judged.input_schema.as_deref(),
                output_schema: judged.output_schema.as_deref(),
                expected_output: judged.expected_output.as_deref(),
            };
            value(&pool.validate(&ask, &subject).await.result.map_err(|error| failed(&error))?)
        }
        Asked::Sampler(execution, history) => {
            let history = History {
                last_sample_ms: history.last_sample_ms,
                seen: history.seen,
                sampled: history.sampled,
                since_last: history.since_last,
            };
            value(
                &pool
                    .sample(&ask, (&view(execution), history))
                    .await
                    .result
                    .map_err(|error| failed(&error))?,
            )
        }
        Asked::EventHandler(event) => {
            let event = EventView {
                id: &event.id,
                source: &event.source,
                kind: &event.kind,
                subject: event.subject.as_deref(),
                time_ms: Some(event.time_ms),
                datacontenttype: event.datacontenttype.as_deref(),
                dataschema: event.dataschema.as_deref(),
                attributes: &event.attributes,
                data: event.data.as_ref().map(|data| match data {
                    Data::Json(text) => EventData::Json(text),
                    Data::Text(text) => EventData::Text(text),
                    Data::Binary(bytes) => EventData::Binary(bytes),
                }),
            };
            pool.handle(&ask, &event).await.result.map_err(|error| failed(&error))?;
            Ok(None)
        }
        Asked::Hook(fired) => {
            // As on a server: the hook's own schemas count there, not those that its handlers were written for.
            let payload = fired.payload.to_string();
            let call = HookCall {
                hook: fired.point.as_deref().or(hook.map(HookName::as_str)).unwrap_or(SOME_HOOK),
                kind: fired.kind,
                payload: &payload,
            };
            let ask = Ask {
                dry_run: fired.dry_run,
                ..ask
            };
            match pool.fire(&ask, &call).await.result.map_err(|error| failed(&error))? {
                HookAnswer::Nothing => Ok(None),
                HookAnswer::Verdict(verdict) => value(&verdict),
                HookAnswer::Payload(text) => json(&text, "payload").map(Some),
                HookAnswer::Decision(text) => json(&text, "decision").map(Some),
                HookAnswer::Item(text) => json(&text, "item").map(Some),
            }
        }
        Asked::Job(started) => {
            fits(&schemas.input, &started.input, ErrorCode::InputInvalid)?;
            let input = started.input.to_string();
            let run = JobRun {
                trigger: match &started.trigger {
                    cases::Trigger::Manual => Trigger::Manual,
                    cases::Trigger::Queue => Trigger::Queue,
                    cases::Trigger::Schedule(name) => Trigger::Schedule(name),
                    cases::Trigger::Event(id) => Trigger::Event(id),
                },
                input: &input,
                attempt: started.attempt,
            };
            // Jobs are bound by nobody.
            let ask = Ask { binding: None, ..ask };
            let text = pool.run(&ask, &run).await.result.map_err(|error| failed(&error))?;
            output(&text, "output", &schemas.output).map(Some)
        }
    }
}

fn view(execution: &Execution) -> ExecutionView<'_> {
    let mut view = ExecutionView {
        id: &execution.id,
        task: execution.task.as_deref(),
        extension: &execution.extension,
        version: &execution.version,
        program: &execution.program,
        input: &execution.input,
        output: execution.outcome.as_deref().ok(),
        failure: execution
            .outcome
            .as_ref()
            .err()
            .map(|(code, message)| (code.as_str(), message.as_str())),
        started_ms: execution.started_ms,
        resources: oriel_model::execution::Resources::default(),
    };
    view.resources.wall_us = execution.wall_us;
    view.resources.guest_cpu_us = execution.guest_cpu_us;
    view
}

pub(super) fn failed(error: &oriel_sandbox::CallError) -> (String, String) {
    coded(error.code(), error.to_string())
}

fn value(answer: &impl Serialize) -> Answer {
    let value = serde_json::to_value(answer);
    value.map(Some).map_err(|error| coded(ErrorCode::Internal, error.to_string()))
}

/// What came out as JSON, which fits its schema.
fn output(text: &str, what: &str, schema: &Schema) -> std::result::Result<Value, (String, String)> {
    let value = json(text, what)?;
    fits(schema, &value, ErrorCode::OutputInvalid)?;
    Ok(value)
}

fn json(text: &str, what: &str) -> std::result::Result<Value, (String, String)> {
    serde_json::from_str(text).map_err(|error| coded(ErrorCode::OutputInvalid, format!("the {what} is not JSON: {error}")))
}

fn fits(schema: &Schema, value: &Value, code: ErrorCode) -> std::result::Result<(), (String, String)> {
    schema.validate(value).map_err(|found| coded(code, told(&found, "")))
}
