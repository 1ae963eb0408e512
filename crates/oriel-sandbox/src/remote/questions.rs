//! What a service is asked, as JSON. The book's page on the protocol and `schemas/remote/` say the same for other people.

use std::collections::BTreeMap;

use oriel_model::Timestamp;
use oriel_model::hook::HookKind;
use serde::Serialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::ask::{EventData, EventView, ExecutionView, History, HookCall, JobRun, Subject, Trigger};
use crate::error::CallError;
use crate::state::State;

/// The whole of a request's body.
#[derive(Serialize)]
struct Question<'a> {
    protocol: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    context: Option<&'a Context>,
    #[serde(skip_serializing_if = "Option::is_none")]
    binding: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    callback: Option<Callback<'a>>,
    input: &'a RawValue,
}

/// Where host calls go while this call is under way.
#[derive(Clone, Copy, Serialize)]
pub(super) struct Callback<'a> {
    pub(super) url: &'a str,
    pub(super) token: &'a str,
}

/// What a component finds in `context`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Context {
    tenant: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    principal: Option<String>,
    extension: String,
    version: String,
    execution_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    task: Option<String>,
    /// On whose behalf: a user of the host's product.
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    traceparent: Option<String>,
    /// After this moment host calls answer `deadline-exceeded`.
    deadline_ms: u64,
    /// The same as a span, for services whose clock is not this one's.
    timeout_ms: u64,
    dry_run: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    caller: Option<Caller>,
}

/// The extension that made the call.
#[derive(Serialize)]
struct Caller {
    extension: String,
    version: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    principal: Option<String>,
}

impl Context {
    /// The context of the call in progress.
    pub(super) fn of(state: &State) -> Self {
        let (call, spec) = (&state.call, &state.spec);
        let left = state.left().unwrap_or_default();
        let ms = |span: std::time::Duration| u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
        Self {
            tenant: spec.tenant_name.to_string(),
            principal: call.principal.map(|id| id.to_string()),
            extension: spec.extension.to_string(),
            version: spec.version.to_string(),
            execution_id: call.execution.map(|id| id.to_string()).unwrap_or_default(),
            task: call.task.map(|id| id.to_string()),
            user: call.user.as_deref().map(str::to_owned),
            traceparent: (!call.traceparent.is_empty()).then(|| call.traceparent.clone()),
            deadline_ms: ms(state.options.clock.unix_time() + left),
            timeout_ms: ms(left),
            dry_run: call.dry_run,
            caller: call.caller.as_ref().map(|caller| Caller {
                extension: caller.extension().to_string(),
                version: caller.version().to_string(),
                principal: caller.principal().map(|id| id.to_string()),
            }),
        }
    }
}

/// A request's body.
pub(super) fn body(
    context: Option<&Context>,
    binding: Option<&str>,
    callback: Option<Callback<'_>>,
    input: &RawValue,
) -> Result<Vec<u8>, CallError> {
    let question = Question {
        protocol: oriel_model::remote::PROTOCOL,
        context,
        binding: binding.map(json).transpose()?,
        callback,
        input,
    };
    serde_json::to_vec(&question).map_err(|error| not_json(&error))
}

/// Text that claims to be JSON, as it stands: it must be, or it could end the document around it.
pub(super) fn json(text: &str) -> Result<&RawValue, CallError> {
    serde_json::from_str(text).map_err(|error| not_json(&error))
}

fn not_json(error: &serde_json::Error) -> CallError {
    CallError::Rejected {
        message: format!("the input is not JSON: {error}"),
    }
}

fn written(value: &impl Serialize) -> Result<Box<RawValue>, CallError> {
    serde_json::value::to_raw_value(value).map_err(|error| not_json(&error))
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Execution<'a> {
    id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    task: Option<&'a str>,
    extension: &'a str,
    version: &'a str,
    program: &'a str,
    input: &'a RawValue,
    #[serde(skip_serializing_if = "Option::is_none")]
    output: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    failure: Option<Failure<'a>>,
    started_ms: u64,
    wall_us: u64,
    guest_cpu_us: u64,
}

#[derive(Serialize)]
struct Failure<'a> {
    code: &'a str,
    message: &'a str,
}

fn execution<'a>(view: &ExecutionView<'a>) -> Result<Execution<'a>, CallError> {
    Ok(Execution {
        id: view.id,
        task: view.task,
        extension: view.extension,
        version: view.version,
        program: view.program,
        input: json(view.input)?,
        output: view.output.map(json).transpose()?,
        failure: view.failure.map(|(code, message)| Failure { code, message }),
        started_ms: view.started_ms,
        wall_us: view.resources.wall_us,
        guest_cpu_us: view.resources.guest_cpu_us,
    })
}

/// What a validator is asked.
pub(super) fn subject(subject: &Subject<'_>) -> Result<Box<RawValue>, CallError> {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Input<'a> {
        execution: Execution<'a>,
        #[serde(skip_serializing_if = "Option::is_none")]
        input_schema: Option<&'a RawValue>,
        #[serde(skip_serializing_if = "Option::is_none")]
        output_schema: Option<&'a RawValue>,
        #[serde(skip_serializing_if = "Option::is_none")]
        expected_output: Option<&'a RawValue>,
    }
    written(&Input {
        execution: execution(&subject.execution)?,
        input_schema: subject.input_schema.map(json).transpose()?,
        output_schema: subject.output_schema.map(json).transpose()?,
        expected_output: subject.expected_output.map(json).transpose()?,
    })
}

/// What a sampler is asked.
pub(super) fn sample(view: &ExecutionView<'_>, history: History) -> Result<Box<RawValue>, CallError> {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Seen {
        #[serde(skip_serializing_if = "Option::is_none")]
        last_sample_ms: Option<u64>,
        seen: u64,
        sampled: u64,
        since_last: u64,
    }
    #[derive(Serialize)]
    struct Input<'a> {
        execution: Execution<'a>,
        history: Seen,
    }
    written(&Input {
        execution: execution(view)?,
        history: Seen {
            last_sample_ms: history.last_sample_ms,
            seen: history.seen,
            sampled: history.sampled,
            since_last: history.since_last,
        },
    })
}

/// An event in the JSON format of CloudEvents 1.0.
pub(super) fn event(event: &EventView<'_>) -> Result<Box<RawValue>, CallError> {
    let mut members: BTreeMap<&str, Box<RawValue>> = BTreeMap::new();
    // Attributes first: what an event calls by the name of one of its own parts does not replace that part.
    for (name, value) in event.attributes {
        members.insert(name, written(value)?);
    }
    members.insert("specversion", written(&"1.0")?);
    members.insert("id", written(&event.id)?);
    members.insert("source", written(&event.source)?);
    members.insert("type", written(&event.kind)?);
    let time = event.time_ms.and_then(|ms| i64::try_from(ms).ok()).map(Timestamp::from_millis);
    let optional = [
        ("subject", event.subject.map(str::to_owned)),
        ("time", time.map(|time| time.to_string())),
        ("datacontenttype", event.datacontenttype.map(str::to_owned)),
        ("dataschema", event.dataschema.map(str::to_owned)),
    ];
    for (name, value) in optional {
        if let Some(value) = value {
            members.insert(name, written(&value)?);
        }
    }
    match event.data {
        None => {}
        Some(EventData::Json(text)) => drop(members.insert("data", json(text)?.to_owned())),
        Some(EventData::Text(text)) => drop(members.insert("data", written(&text)?)),
        Some(EventData::Binary(bytes)) => drop(members.insert("data_base64", written(&super::host_calls::base64(bytes))?)),
    }
    written(&members)
}

/// What a hook handler is asked.
pub(super) fn hook(call: &HookCall<'_>) -> Result<Box<RawValue>, CallError> {
    #[derive(Serialize)]
    struct Input<'a> {
        hook: &'a str,
        kind: HookKind,
        payload: &'a RawValue,
    }
    written(&Input {
        hook: call.hook,
        kind: call.kind,
        payload: json(call.payload)?,
    })
}

/// What a job is asked.
pub(super) fn job(run: &JobRun<'_>) -> Result<Box<RawValue>, CallError> {
    #[derive(Serialize)]
    struct Input<'a> {
        trigger: Value,
        input: &'a RawValue,
        attempt: u32,
    }
    written(&Input {
        trigger: match run.trigger {
            Trigger::Manual => json!({ "kind": "manual" }),
            Trigger::Schedule(name) => json!({ "kind": "schedule", "name": name }),
            Trigger::Event(id) => json!({ "kind": "event", "id": id }),
            Trigger::Queue => json!({ "kind": "queue" }),
        },
        input: json(run.input)?,
        attempt: run.attempt,
    })
}
