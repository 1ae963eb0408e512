//! Host calls that come as JSON. Each ends in the function that a component's import of the same name ends in, so that grants,
//! quotas, dry runs, deadlines, limits and audits are the same; here is nothing but the way from JSON and back.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use oriel_model::{Coded, ErrorCode};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use crate::bindings::{call, config, key_value, log, metrics, queue, types};
use crate::error::Stop;
use crate::ports::GuestError;
use crate::state::State;

/// The names of all functions, as they stand in the address: the interface and the function of the guest API.
pub const HOST_CALLS: &[&str] = &[
    "config.get",
    "config.binding",
    "log.write",
    "metrics.counter-add",
    "metrics.histogram-record",
    "key-value.get",
    "key-value.set",
    "key-value.delete",
    "key-value.compare-and-swap",
    "key-value.increment",
    "key-value.list-keys",
    "call.execute",
    "queue.enqueue",
    "queue.pending",
];

/// Why a host call that came over HTTP has no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HostCallError {
    /// No call with this token is under way.
    #[error("no call with this token is under way here")]
    Token,
    /// There is no such function.
    #[error("there is no host call `{function}`")]
    Unknown {
        /// What was asked for, cut to 64 characters.
        function: String,
    },
    /// What was given is not what the function takes.
    #[error("the arguments cannot be used: {reason}")]
    Arguments {
        /// What is wrong with them.
        reason: String,
    },
    /// The function's own error, as a component would get it.
    #[error(transparent)]
    Answered(#[from] GuestError),
    /// The call went over a limit and is ended.
    #[error("the call is ended: {0}")]
    Stopped(Ended),
}

/// Which limit ended a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ended(pub(super) Stop);

impl std::fmt::Display for Ended {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

impl Coded for HostCallError {
    fn code(&self) -> ErrorCode {
        match self {
            Self::Token => ErrorCode::RemoteToken,
            Self::Unknown { .. } => ErrorCode::RemoteHostCall,
            Self::Arguments { .. } | Self::Answered(GuestError::InvalidInput(_)) => ErrorCode::RequestInvalid,
            Self::Answered(GuestError::Denied(_)) => ErrorCode::ProgramDenied,
            Self::Answered(GuestError::Unavailable(_)) => ErrorCode::ProgramUnavailable,
            Self::Answered(GuestError::LimitExceeded(_)) => ErrorCode::ProgramLimit,
            Self::Answered(GuestError::DeadlineExceeded) => ErrorCode::ExecutionTimeout,
            Self::Answered(GuestError::Internal(_)) => ErrorCode::ProgramInternal,
            Self::Stopped(_) => ErrorCode::ExecutionHostCalls,
        }
    }
}

impl From<types::Error> for HostCallError {
    fn from(error: types::Error) -> Self {
        Self::Answered(match error {
            types::Error::InvalidInput(message) => GuestError::InvalidInput(message),
            types::Error::Unavailable(message) => GuestError::Unavailable(message),
            types::Error::Denied(message) => GuestError::Denied(message),
            types::Error::LimitExceeded(message) => GuestError::LimitExceeded(message),
            types::Error::DeadlineExceeded => GuestError::DeadlineExceeded,
            types::Error::Internal(message) => GuestError::Internal(message),
        })
    }
}

type Answer = Result<Value, HostCallError>;

/// Bytes as JSON carries them.
pub(super) fn base64(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

/// What traps a component ends a service's call.
fn ended<T>(result: wasmtime::Result<T>) -> Result<T, HostCallError> {
    result.map_err(|error| match error.downcast_ref::<Stop>() {
        Some(stop) => HostCallError::Stopped(Ended(*stop)),
        None => HostCallError::Answered(GuestError::Internal("the host failed".to_owned())),
    })
}

/// The answer of a function that may answer an error.
fn answered<T>(result: wasmtime::Result<Result<T, types::Error>>) -> Result<T, HostCallError> {
    Ok(ended(result)??)
}

fn parsed<T: DeserializeOwned>(arguments: &[u8]) -> Result<T, HostCallError> {
    serde_json::from_slice(arguments).map_err(|error| HostCallError::Arguments { reason: error.to_string() })
}

fn bytes(text: &str) -> Result<Vec<u8>, HostCallError> {
    STANDARD.decode(text).map_err(|error| HostCallError::Arguments {
        reason: format!("`value` is not Base64: {error}"),
    })
}

/// JSON that the host has, as a value.
fn document(text: &str) -> Answer {
    serde_json::from_str(text).map_err(|_| HostCallError::Answered(GuestError::Internal("the host's own JSON is damaged".to_owned())))
}

/// Texts by name, in the caller's order.
fn pairs(map: Map<String, Value>) -> Result<Vec<(String, String)>, HostCallError> {
    let pair = |(name, value)| match value {
        Value::String(text) => Ok((name, text)),
        _ => Err(HostCallError::Arguments {
            reason: format!("the value of `{name}` is not a text"),
        }),
    };
    map.into_iter().map(pair).collect()
}

/// Takes nothing.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Nothing {}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Key {
    key: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Set {
    key: String,
    value: String,
    #[serde(default)]
    ttl_ms: Option<u64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Swap {
    key: String,
    #[serde(default)]
    expected: Option<u64>,
    value: String,
    #[serde(default)]
    ttl_ms: Option<u64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Increment {
    key: String,
    by: i64,
    #[serde(default)]
    ttl_ms: Option<u64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ListKeys {
    #[serde(default)]
    prefix: String,
    limit: u32,
    #[serde(default)]
    cursor: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    level: Level,
    message: String,
    #[serde(default)]
    fields: Map<String, Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Level {
    Trace,
    Debug,
    Info,
    Warn,
    Error,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Measurement {
    name: String,
    value: f64,
    #[serde(default)]
    labels: Map<String, Value>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Execute {
    extension: String,
    program: String,
    input: Box<serde_json::value::RawValue>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Enqueue {
    job: String,
    input: Box<serde_json::value::RawValue>,
    #[serde(default)]
    delay_ms: Option<u64>,
    #[serde(default)]
    deduplication_key: Option<String>,
    #[serde(default)]
    attempts: Option<u32>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Pending {
    job: String,
}

/// Answers one host call of the call in progress of `state`.
pub(super) async fn answer(state: &mut State, function: &str, arguments: &[u8]) -> Answer {
    match function {
        "config.get" => {
            parsed::<Nothing>(arguments)?;
            document(&ended(config::Host::get(state))?)
        }
        "config.binding" => {
            parsed::<Nothing>(arguments)?;
            document(&ended(config::Host::binding(state))?)
        }
        "log.write" => {
            let line: Line = parsed(arguments)?;
            let level = match line.level {
                Level::Trace => log::Level::Trace,
                Level::Debug => log::Level::Debug,
                Level::Info => log::Level::Info,
                Level::Warn => log::Level::Warn,
                Level::Error => log::Level::Error,
            };
            ended(log::Host::write(state, level, line.message, pairs(line.fields)?))?;
            Ok(Value::Null)
        }
        "metrics.counter-add" => {
            let Measurement { name, value, labels } = parsed(arguments)?;
            ended(metrics::Host::counter_add(state, name, value, pairs(labels)?))?;
            Ok(Value::Null)
        }
        "metrics.histogram-record" => {
            let Measurement { name, value, labels } = parsed(arguments)?;
            ended(metrics::Host::histogram_record(state, name, value, pairs(labels)?))?;
            Ok(Value::Null)
        }
        "key-value.get" => {
            let Key { key } = parsed(arguments)?;
            let entry = answered(key_value::Host::get(state, key).await)?;
            Ok(entry.map_or(
                Value::Null,
                |entry| json!({ "value": base64(&entry.value), "version": entry.version }),
            ))
        }
        "key-value.set" => {
            let Set { key, value, ttl_ms } = parsed(arguments)?;
            Ok(answered(key_value::Host::set(state, key, bytes(&value)?, ttl_ms).await)?.into())
        }
        "key-value.delete" => {
            let Key { key } = parsed(arguments)?;
            Ok(answered(key_value::Host::delete(state, key).await)?.into())
        }
        "key-value.compare-and-swap" => {
            let Swap {
                key,
                expected,
                value,
                ttl_ms,
            } = parsed(arguments)?;
            let swapped = key_value::Host::compare_and_swap(state, key, expected, bytes(&value)?, ttl_ms).await;
            Ok(answered(swapped)?.map_or(Value::Null, Into::into))
        }
        "key-value.increment" => {
            let Increment { key, by, ttl_ms } = parsed(arguments)?;
            Ok(answered(key_value::Host::increment(state, key, by, ttl_ms).await)?.into())
        }
        "key-value.list-keys" => {
            let ListKeys { prefix, limit, cursor } = parsed(arguments)?;
            let page = answered(key_value::Host::list_keys(state, prefix, limit, cursor).await)?;
            Ok(match page.next_cursor {
                Some(next) => json!({ "keys": page.keys, "nextCursor": next }),
                None => json!({ "keys": page.keys }),
            })
        }
        "call.execute" => {
            let Execute { extension, program, input } = parsed(arguments)?;
            let output = answered(call::Host::execute(state, extension, program, input.get().to_owned()).await)?;
            document(&output)
        }
        "queue.enqueue" => {
            let Enqueue {
                job,
                input,
                delay_ms,
                deduplication_key,
                attempts,
            } = parsed(arguments)?;
            let options = queue::Options {
                delay_ms,
                deduplication_key,
                attempts,
            };
            Ok(answered(queue::Host::enqueue(state, job, input.get().to_owned(), options).await)?.into())
        }
        "queue.pending" => {
            let Pending { job } = parsed(arguments)?;
            Ok(answered(queue::Host::pending(state, job).await)?.into())
        }
        _ => Err(HostCallError::Unknown {
            function: function.chars().take(64).collect(),
        }),
    }
}
