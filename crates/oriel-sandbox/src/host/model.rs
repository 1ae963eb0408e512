//! Requests to the model: grant, form, number and deadline are checked here, the rest is the port's.
//!
//! The request runs as a task of its own, so that what it cost is settled whether or not its caller lives to see the answer.

use std::sync::Arc;
use std::time::Duration;

use oriel_model::permissions::ModelName;

use crate::bindings::model::{self, Host};
use crate::bindings::types::Error;
use crate::ports::{ChatMessage, ChatRole, Completion, CompletionRequest, FinishReason, GuestError, ModelCall};
use crate::state::{DRY_RUN, State};

/// The most messages of one conversation.
const MAX_MESSAGES: usize = 1_000;
/// The most texts to stop at.
const MAX_STOPS: usize = 4;
/// The longest of them, in bytes.
const MAX_STOP: usize = 256;
/// The longest schema of an answer, in bytes.
const MAX_SCHEMA: usize = 64 << 10;

fn length(request: &model::Request) -> usize {
    let messages = request.messages.iter().map(|message| message.content.len()).sum::<usize>();
    let stops = request.stop.iter().map(String::len).sum::<usize>();
    messages + stops + request.json_schema.as_ref().map_or(0, String::len)
}

/// What is wrong with the request, if anything is.
fn problem(request: &model::Request) -> Option<String> {
    if !(1..=MAX_MESSAGES).contains(&request.messages.len()) {
        return Some(format!(
            "a request has 1 to {MAX_MESSAGES} messages, not {}",
            request.messages.len()
        ));
    }
    if let Some(temperature) = request.temperature
        && !(0.0..=2.0).contains(&temperature)
    {
        return Some(format!("the temperature is from 0 to 2, not {temperature}"));
    }
    if request.max_tokens == Some(0) {
        return Some("`max-tokens` is at least 1".to_owned());
    }
    if request.stop.len() > MAX_STOPS || request.stop.iter().any(|stop| !(1..=MAX_STOP).contains(&stop.len())) {
        return Some(format!(
            "there are at most {MAX_STOPS} texts to stop at, of 1 to {MAX_STOP} bytes each"
        ));
    }
    let schema = request.json_schema.as_ref()?;
    if schema.len() > MAX_SCHEMA {
        return Some(format!(
            "the JSON Schema has {} bytes, at most {MAX_SCHEMA} are accepted",
            schema.len()
        ));
    }
    match serde_json::from_str(schema) {
        Ok(serde_json::Value::Object(_)) => None,
        Ok(_) => Some("the JSON Schema is not a JSON object".to_owned()),
        Err(error) => Some(format!("the JSON Schema is not JSON: {error}")),
    }
}

impl State {
    /// The call, if everything that can be judged here allows it, and the time that is left in this one.
    fn asking(&self, request: model::Request) -> Result<(ModelCall, Duration), Error> {
        let Some(grant) = &self.spec.grant.model else {
            self.refuse("model".to_owned());
            return Err(Error::Denied("the grant does not cover model".to_owned()));
        };
        let wanted = match &request.model {
            None => grant.models.first().cloned(),
            Some(name) => {
                let name = name.parse::<ModelName>().map_err(|error| Error::InvalidInput(error.to_string()))?;
                if !grant.allows(name.as_str()) {
                    let what = format!("model {name}");
                    let message = format!("the grant does not cover {what}");
                    self.refuse(what);
                    return Err(Error::Denied(message));
                }
                Some(name)
            }
        };
        if let Some(problem) = problem(&request) {
            return Err(Error::InvalidInput(problem));
        }
        if self.call.dry_run {
            return Err(Error::Denied(DRY_RUN.to_owned()));
        }
        let Some(execution) = self.call.execution else {
            return Err(Error::Unavailable(
                "the model can be asked only while a call is in progress".to_owned(),
            ));
        };
        let left = self.left().ok_or(Error::DeadlineExceeded)?;
        let most = self.spec.limits.model_requests;
        if self.meter.count_model_request() > most {
            let message = format!("model_requests: one call may ask the model {most} times");
            return Err(Error::LimitExceeded(message));
        }
        let messages = request.messages.into_iter().map(|message| ChatMessage {
            role: match message.role {
                model::Role::System => ChatRole::System,
                model::Role::User => ChatRole::User,
                model::Role::Assistant => ChatRole::Assistant,
            },
            content: message.content,
        });
        let call = ModelCall {
            request: CompletionRequest {
                model: wanted,
                messages: messages.collect(),
                max_tokens: request.max_tokens,
                temperature: request.temperature,
                json_schema: request.json_schema,
                stop: request.stop,
            },
            grant: grant.clone(),
            execution,
            timeout: left,
            max_answer: self.spec.limits.http_response.0,
        };
        Ok((call, left))
    }
}

fn answered(completion: Completion) -> model::Completion {
    model::Completion {
        text: completion.text,
        finish_reason: match completion.finish {
            FinishReason::Stop => model::FinishReason::Stop,
            FinishReason::Length => model::FinishReason::Length,
            FinishReason::ContentFilter => model::FinishReason::ContentFilter,
            FinishReason::Other => model::FinishReason::Other,
        },
        usage: model::Usage {
            input_tokens: completion.used.input_tokens,
            output_tokens: completion.used.output_tokens,
        },
        model: completion.model,
    }
}

impl Host for State {
    async fn complete(&mut self, request: model::Request) -> wasmtime::Result<Result<model::Completion, Error>> {
        self.host_call(length(&request))?;
        let (call, left) = match self.asking(request) {
            Ok(ready) => ready,
            Err(error) => return Ok(Err(error)),
        };
        let models = Arc::clone(&self.spec.services.models);
        let meter = Arc::clone(&self.meter);
        let mut task = tokio::spawn(async move { models.complete(call).await });
        let answer = match tokio::time::timeout(left, &mut task).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) => Err(GuestError::Internal("the request to the model came to nothing".to_owned())),
            Err(_) => Err(GuestError::DeadlineExceeded),
        };
        if answer.is_err() && self.left().is_none() {
            return Ok(Err(Error::DeadlineExceeded));
        }
        if let Ok(completion) = &answer {
            meter.count_model(completion.used);
            self.host_bytes(completion.text.len())?;
        }
        Ok(answer.map(answered).map_err(Error::from))
    }
}
