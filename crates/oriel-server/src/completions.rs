//! Completions from an endpoint that speaks OpenAI's chat completions API: OpenAI itself, or one of the many servers that speak as it
//! does (vLLM, llama.cpp, Ollama, LiteLLM, gateways).
//!
//! What the endpoint says of a request that it refuses reaches the guest, cut and without the operator's key; what it says of the
//! operator's account does not.

use std::time::Duration;

use async_trait::async_trait;
use oriel_extensions::{EndpointError, EndpointReply, EndpointRequest, ModelEndpoint};
use oriel_sandbox::{FinishReason, GuestError};
use reqwest::{Response, StatusCode, header};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::config::{Secret, TokenLimit};

/// The longest answer that is read, whatever an extension's own limit is.
const MAX_ANSWER: u64 = 16 << 20;
/// As much of an endpoint's words as a guest is told.
const MAX_WORDS: usize = 300;
/// How long connecting may take.
const CONNECT: Duration = Duration::from_secs(10);

/// The endpoint that the operator has set.
pub(crate) struct Completions {
    http: reqwest::Client,
    url: String,
    key: Option<Secret>,
    token_limit: TokenLimit,
}

/// The part of an answer that is of use. Whatever else there is does no harm.
#[derive(Deserialize)]
struct Answer {
    #[serde(default)]
    model: Option<String>,
    choices: Vec<Choice>,
    #[serde(default)]
    usage: Option<Usage>,
}

#[derive(Deserialize)]
struct Choice {
    message: Message,
    #[serde(default)]
    finish_reason: Option<String>,
}

#[derive(Deserialize)]
struct Message {
    #[serde(default)]
    content: Option<String>,
    /// What the model says in place of an answer that fits a schema.
    #[serde(default)]
    refusal: Option<String>,
}

#[derive(Deserialize)]
struct Usage {
    prompt_tokens: u64,
    #[serde(default)]
    completion_tokens: u64,
}

impl Completions {
    /// The endpoint below `url`, such as `https://api.openai.com/v1`.
    ///
    /// # Errors
    /// When the certificates cannot be used.
    pub(crate) fn new(url: &str, key: Option<Secret>, token_limit: TokenLimit, extra_roots: &[Vec<u8>]) -> Result<Self, String> {
        let mut http = reqwest::Client::builder()
            .connect_timeout(CONNECT)
            // A redirect would take the key, and what extensions say, somewhere that the operator has not named.
            .redirect(reqwest::redirect::Policy::none());
        for pem in extra_roots {
            for root in reqwest::Certificate::from_pem_bundle(pem).map_err(|error| error.to_string())? {
                http = http.add_root_certificate(root);
            }
        }
        Ok(Self {
            http: http.build().map_err(|error| error.to_string())?,
            url: format!("{}/chat/completions", url.trim_end_matches('/')),
            key,
            token_limit,
        })
    }

    fn body(&self, asked: &EndpointRequest<'_>) -> Result<Value, EndpointError> {
        let request = asked.request;
        let messages = request.messages.iter();
        let messages: Vec<Value> = messages
            .map(|message| json!({ "role": message.role.as_str(), "content": message.content }))
            .collect();
        let mut body = Map::new();
        body.insert("model".to_owned(), asked.model.as_str().into());
        body.insert("messages".to_owned(), messages.into());
        body.insert(self.token_limit.field().to_owned(), asked.max_tokens.into());
        if let Some(temperature) = request.temperature {
            body.insert("temperature".to_owned(), temperature.into());
        }
        if !request.stop.is_empty() {
            body.insert("stop".to_owned(), json!(request.stop));
        }
        if let Some(schema) = &request.json_schema {
            let schema: Value = serde_json::from_str(schema)
                .map_err(|error| EndpointError::Refused(GuestError::InvalidInput(format!("the JSON Schema is not JSON: {error}"))))?;
            let format = json!({ "type": "json_schema", "json_schema": { "name": "answer", "schema": schema, "strict": true } });
            body.insert("response_format".to_owned(), format);
        }
        Ok(body.into())
    }

    async fn ask(&self, asked: &EndpointRequest<'_>) -> Result<EndpointReply, EndpointError> {
        let mut request = self.http.post(&self.url).json(&self.body(asked)?);
        if let Some(key) = &self.key {
            let mut value = header::HeaderValue::from_str(&format!("Bearer {}", key.reveal())).map_err(|_| {
                tracing::error!("`model.api_key` cannot stand in a header");
                EndpointError::Refused(GuestError::Unavailable("the model's endpoint is not set up properly".to_owned()))
            })?;
            value.set_sensitive(true);
            request = request.header(header::AUTHORIZATION, value);
        }
        let response = request.send().await.map_err(|error| unreached(&error))?;
        let status = response.status();
        if !status.is_success() {
            return Err(EndpointError::Refused(self.refused(status, response).await));
        }
        let body = read(response, asked.max_answer.min(MAX_ANSWER))
            .await
            .map_err(EndpointError::Lost)?;
        understood(&body, asked)
    }

    /// What an answer other than a completion means.
    async fn refused(&self, status: StatusCode, response: Response) -> GuestError {
        let retry_after = response.headers().get(header::RETRY_AFTER);
        let retry_after = retry_after
            .and_then(|value| value.to_str().ok())
            .and_then(|text| text.parse::<u64>().ok());
        let words = match read(response, 64 << 10).await {
            Ok(body) => self.words(&body),
            Err(_) => String::new(),
        };
        let told = if words.is_empty() { String::new() } else { format!(": {words}") };
        match status.as_u16() {
            400 | 413 | 422 => GuestError::InvalidInput(format!("the model's endpoint refuses the request{told}")),
            401 | 403 => {
                tracing::error!(%status, words, "the model's endpoint refuses the key of this server (`model.api_key`)");
                GuestError::Unavailable("the model's endpoint refuses this server; its operator has to look at it".to_owned())
            }
            402 => {
                tracing::error!(%status, words, "the model's endpoint wants to be paid");
                GuestError::Unavailable("the model's endpoint refuses this server; its operator has to look at it".to_owned())
            }
            404 => {
                tracing::error!(%status, words, url = self.url, "the model's endpoint does not know the model or the address");
                GuestError::Unavailable("the model's endpoint does not know the model".to_owned())
            }
            429 => GuestError::Unavailable(match retry_after {
                Some(seconds) => format!("the model is asked too often; try again in {seconds} s"),
                None => "the model is asked too often; try again later".to_owned(),
            }),
            300..=399 => {
                tracing::error!(%status, url = self.url, "the model's endpoint redirects, which is not followed: correct `model.url`");
                GuestError::Unavailable("the model's endpoint is not set up properly".to_owned())
            }
            _ => {
                tracing::warn!(%status, words, "the model's endpoint failed");
                GuestError::Unavailable(format!("the model's endpoint failed with status {}", status.as_u16()))
            }
        }
    }

    /// What the endpoint says is wrong: cut, on one line, and never with the key in it.
    fn words(&self, body: &[u8]) -> String {
        let value: Value = serde_json::from_slice(body).unwrap_or_default();
        let message = ["/error/message", "/message", "/error", "/detail"];
        let message = message.iter().find_map(|place| value.pointer(place).and_then(Value::as_str));
        let mut text: String = message.unwrap_or_default().to_owned();
        if let Some(key) = &self.key {
            text = text.replace(key.reveal(), "(key)");
        }
        let text = text.chars().map(|c| if c.is_control() { ' ' } else { c });
        text.take(MAX_WORDS).collect()
    }
}

#[async_trait]
impl ModelEndpoint for Completions {
    async fn complete(&self, request: EndpointRequest<'_>) -> Result<EndpointReply, EndpointError> {
        match tokio::time::timeout(request.timeout, self.ask(&request)).await {
            Ok(answer) => answer,
            Err(_) => Err(EndpointError::Lost(GuestError::Unavailable(format!(
                "the model did not answer within {} ms",
                request.timeout.as_millis()
            )))),
        }
    }
}

/// Why nothing came back.
fn unreached(error: &reqwest::Error) -> EndpointError {
    if error.is_connect() || error.is_builder() {
        tracing::warn!(%error, "the model's endpoint cannot be reached");
        return EndpointError::Refused(GuestError::Unavailable("the model's endpoint cannot be reached".to_owned()));
    }
    tracing::warn!(%error, "the model's endpoint went away");
    EndpointError::Lost(GuestError::Unavailable(
        "the model's endpoint went away before it answered".to_owned(),
    ))
}

/// A body of at most `limit` bytes.
async fn read(mut response: Response, limit: u64) -> Result<Vec<u8>, GuestError> {
    let mut body = Vec::new();
    loop {
        match response.chunk().await {
            Ok(Some(chunk)) => {
                if (body.len() + chunk.len()) as u64 > limit {
                    return Err(GuestError::LimitExceeded(format!(
                        "http_response: the model's answer has more than {limit} bytes"
                    )));
                }
                body.extend_from_slice(&chunk);
            }
            Ok(None) => return Ok(body),
            Err(_) => {
                return Err(GuestError::Unavailable(
                    "the model's endpoint went away in the middle of its answer".to_owned(),
                ));
            }
        }
    }
}

fn understood(body: &[u8], asked: &EndpointRequest<'_>) -> Result<EndpointReply, EndpointError> {
    let nonsense = |reason: &str| {
        tracing::warn!(reason, "the model's endpoint answered nonsense");
        EndpointError::Lost(GuestError::Internal(format!(
            "the model's endpoint answered what is no completion ({reason})"
        )))
    };
    let answer: Answer = serde_json::from_slice(body).map_err(|_| nonsense("not the JSON that it should be"))?;
    let choice = answer.choices.into_iter().next().ok_or_else(|| nonsense("no choice"))?;
    let filtered = choice.message.refusal.is_some();
    let text = choice.message.content.or(choice.message.refusal);
    let finish = match choice.finish_reason.as_deref() {
        _ if filtered => FinishReason::ContentFilter,
        Some("stop") => FinishReason::Stop,
        Some("length") => FinishReason::Length,
        Some("content_filter") => FinishReason::ContentFilter,
        _ => FinishReason::Other,
    };
    if text.is_none() && finish == FinishReason::Other {
        return Err(nonsense("a choice without content"));
    }
    let model = answer.model.filter(|model| !model.is_empty() && model.len() <= 256);
    Ok(EndpointReply {
        text: text.unwrap_or_default(),
        finish,
        // A number that cannot be is no number.
        tokens: answer
            .usage
            .map(|usage| (usage.prompt_tokens, usage.completion_tokens))
            .filter(|(input, output)| *input <= 1 << 40 && *output <= 1 << 40),
        model: model.unwrap_or_else(|| asked.model.to_string()),
    })
}
