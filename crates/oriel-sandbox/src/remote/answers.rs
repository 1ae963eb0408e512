//! What a service answers: read strictly, because nobody knows who wrote it. What was meant for another question, has a member
//! too many, or is of another type is an error of the service.

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use oriel_model::verdict::Choice;

use crate::bindings::{hook, types};
use crate::call::{ConfigProblem, Health};
use crate::error::{CallError, shortened};
use crate::ports::RemoteError;

/// The whole of an answer's body: one of the two.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Answer {
    #[serde(default, deserialize_with = "present")]
    output: Option<Box<RawValue>>,
    #[serde(default)]
    error: Option<Failure>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Failure {
    code: String,
    #[serde(default)]
    message: String,
}

/// `null` is an output like any other; a member that is not there is none.
fn present<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Box<RawValue>>, D::Error> {
    Box::<RawValue>::deserialize(deserializer).map(Some)
}

fn broken(reason: String) -> CallError {
    CallError::Remote(RemoteError::Answer { reason: shortened(reason) })
}

/// The output of an answer, or the error that the service answered instead.
pub(super) fn read(body: &[u8]) -> Result<Result<Box<RawValue>, types::Error>, CallError> {
    let answer: Answer = serde_json::from_slice(body)
        .map_err(|error| broken(format!("it is not of the form {{\"output\": …}} or {{\"error\": …}}: {error}")))?;
    match answer {
        Answer {
            output: Some(output),
            error: None,
        } => Ok(Ok(output)),
        Answer {
            output: None,
            error: Some(Failure { code, message }),
        } => Ok(Err(match code.as_str() {
            "invalid-input" => types::Error::InvalidInput(message),
            "unavailable" => types::Error::Unavailable(message),
            "denied" => types::Error::Denied(message),
            "limit-exceeded" => types::Error::LimitExceeded(message),
            "deadline-exceeded" => types::Error::DeadlineExceeded,
            "internal" => types::Error::Internal(message),
            _ => {
                let shown: String = code.chars().take(64).collect();
                return Err(broken(format!("`{shown}` is no code of an error")));
            }
        })),
        _ => Err(broken("it must have either an output or an error".to_owned())),
    }
}

fn parsed<T: DeserializeOwned>(output: &RawValue, what: &str) -> Result<T, CallError> {
    serde_json::from_str(output.get()).map_err(|error| broken(format!("the output is no {what}: {error}")))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct GivenVerdict {
    valid: bool,
    #[serde(default)]
    score: Option<f64>,
    #[serde(default)]
    message: Option<String>,
    #[serde(default)]
    details: Option<Box<RawValue>>,
}

impl From<GivenVerdict> for types::Verdict {
    fn from(given: GivenVerdict) -> Self {
        Self {
            valid: given.valid,
            score: given.score,
            message: given.message,
            details: given.details.map(|details| details.get().to_owned()),
        }
    }
}

/// A validator's verdict.
pub(super) fn verdict(output: &RawValue) -> Result<types::Verdict, CallError> {
    parsed::<GivenVerdict>(output, "verdict").map(Into::into)
}

/// A sampler's choice.
pub(super) fn choice(output: &RawValue) -> Result<Choice, CallError> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Given {
        sample: bool,
        #[serde(default)]
        reason: Option<String>,
    }
    let Given { sample, reason } = parsed(output, "choice of a sampler")?;
    Ok(Choice {
        sample,
        reason: reason.map(shortened),
    })
}

/// What an event handler answers.
pub(super) fn nothing(output: &RawValue) -> Result<(), CallError> {
    if output.get() == "null" {
        return Ok(());
    }
    Err(broken("an event handler's output is `null`".to_owned()))
}

/// What a hook handler answers; whether the hook's kind takes it is not looked at here.
pub(super) fn hook(output: &RawValue) -> Result<hook::Answer, CallError> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Given {
        #[serde(default, deserialize_with = "present")]
        payload: Option<Box<RawValue>>,
        #[serde(default)]
        verdict: Option<GivenVerdict>,
        #[serde(default, deserialize_with = "present")]
        decision: Option<Box<RawValue>>,
        #[serde(default, deserialize_with = "present")]
        item: Option<Box<RawValue>>,
    }
    if output.get() == "null" {
        return Ok(hook::Answer::Nothing);
    }
    let text = |value: Box<RawValue>| value.get().to_owned();
    match parsed::<Given>(output, "answer to a hook")? {
        Given {
            payload: Some(value),
            verdict: None,
            decision: None,
            item: None,
        } => Ok(hook::Answer::Payload(text(value))),
        Given {
            payload: None,
            verdict: Some(given),
            decision: None,
            item: None,
        } => Ok(hook::Answer::Verdict(given.into())),
        Given {
            payload: None,
            verdict: None,
            decision: Some(value),
            item: None,
        } => Ok(hook::Answer::Decision(text(value))),
        Given {
            payload: None,
            verdict: None,
            decision: None,
            item: Some(value),
        } => Ok(hook::Answer::Item(text(value))),
        _ => Err(broken(
            "an answer to a hook is `null`, or has one of payload, verdict, decision and item".to_owned(),
        )),
    }
}

/// What the service says of its health.
pub(super) fn health(output: &RawValue) -> Result<Health, CallError> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Given {
        healthy: bool,
        #[serde(default)]
        detail: Option<String>,
    }
    let Given { healthy, detail } = parsed(output, "health")?;
    Ok(Health {
        healthy,
        detail: detail.map(shortened),
    })
}

/// What the service finds wrong with a configuration.
pub(super) fn problems(output: &RawValue) -> Result<Vec<ConfigProblem>, CallError> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Problem {
        path: String,
        message: String,
    }
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Given {
        problems: Vec<Problem>,
    }
    let Given { problems } = parsed(output, "list of problems")?;
    let problem = |Problem { path, message }| ConfigProblem { path, message };
    Ok(problems.into_iter().map(problem).collect())
}

#[cfg(test)]
mod tests {
    use oriel_model::{Coded as _, ErrorCode};

    use super::*;

    fn raw(text: &str) -> Box<RawValue> {
        RawValue::from_string(text.to_owned()).unwrap()
    }

    #[test]
    fn an_answer_is_an_output_or_an_error() {
        for (body, wanted) in [(r#"{"output": null}"#, "null"), (r#" {"output":{"a":[1]}} "#, r#"{"a":[1]}"#)] {
            assert_eq!(read(body.as_bytes()).unwrap().unwrap().get(), wanted);
        }
        let error = read(br#"{"error": {"code": "denied", "message": "no"}}"#).unwrap().unwrap_err();
        assert!(matches!(error, types::Error::Denied(message) if message == "no"));
    }

    #[test]
    fn whatever_else_is_said_breaks_the_protocol() {
        for body in [
            "",
            "{}",
            "[]",
            "null",
            "<html>",
            "\u{1f}\u{8b}",
            r#"{"output": 1, "error": {"code": "denied"}}"#,
            r#"{"output": 1, "more": 2}"#,
            r#"{"output": 1} {"output": 2}"#,
            r#"{"output": 1, "output": 2}"#,
            r#"{"output": }"#,
            r#"{"error": {"code": "teapot"}}"#,
            r#"{"error": "denied"}"#,
            r#"{"error": {"code": "denied", "message": 7}}"#,
        ] {
            let error = read(body.as_bytes()).unwrap_err();
            assert_eq!(error.code(), ErrorCode::RemoteAnswer, "{body}");
        }
        assert_eq!(read(&[0xff, 0xfe, b'{']).unwrap_err().code(), ErrorCode::RemoteAnswer);
    }

    #[test]
    fn outputs_fit_their_question() {
        assert!(matches!(hook(&raw("null")), Ok(hook::Answer::Nothing)));
        assert!(matches!(hook(&raw(r#"{"payload": null}"#)), Ok(hook::Answer::Payload(text)) if text == "null"));
        for bad in [
            "1",
            "{}",
            r#"{"payload": 1, "item": 2}"#,
            r#"{"verdict": {"valid": "yes"}}"#,
            r#"{"nothing": true}"#,
        ] {
            assert!(hook(&raw(bad)).is_err(), "{bad}");
        }
        for bad in ["null", r#"{"valid": 1}"#, r#"{"valid": true, "scores": 1}"#, r#"{"score": 0.5}"#] {
            assert!(verdict(&raw(bad)).is_err(), "{bad}");
        }
        assert!(choice(&raw(r#"{"sample": "true"}"#)).is_err() && choice(&raw(r#"{"sample": true}"#)).unwrap().sample);
        assert!(nothing(&raw("{}")).is_err() && nothing(&raw("null")).is_ok());
        assert!(health(&raw("true")).is_err() && problems(&raw(r#"{"problems": {}}"#)).is_err());
    }
}
