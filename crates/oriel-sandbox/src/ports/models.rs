//! Where requests to the model end.

use std::time::Duration;

use oriel_model::id::ExecutionId;
use oriel_model::permissions::{ModelName, ModelPermission};

use super::GuestError;
use crate::gate::ModelUse;

/// Whose words a message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChatRole {
    /// Who set the model up.
    System,
    /// Who talks to it.
    User,
    /// The model itself, earlier.
    Assistant,
}

impl ChatRole {
    /// `system`, `user` or `assistant`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::User => "user",
            Self::Assistant => "assistant",
        }
    }
}

/// One message of a conversation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChatMessage {
    /// Whose words.
    pub role: ChatRole,
    /// The words.
    pub content: String,
}

/// What the model is asked, within what the grant and the interface allow.
#[derive(Debug, Clone, PartialEq)]
pub struct CompletionRequest {
    /// Which model; the operator's default when absent.
    pub model: Option<ModelName>,
    /// The conversation so far, at least one message.
    pub messages: Vec<ChatMessage>,
    /// The most tokens that may come back.
    pub max_tokens: Option<u32>,
    /// From 0 to 2.
    pub temperature: Option<f64>,
    /// JSON Schema of the text that shall come back, a JSON object.
    pub json_schema: Option<String>,
    /// Texts before which the answer ends, at most four.
    pub stop: Vec<String>,
}

/// A request with all that its port needs to know.
#[derive(Debug, Clone)]
pub struct ModelCall {
    /// What is asked.
    pub request: CompletionRequest,
    /// What the grant says of money.
    pub grant: ModelPermission,
    /// In which call.
    pub execution: ExecutionId,
    /// Time that is left for it.
    pub timeout: Duration,
    /// The longest answer, in bytes.
    pub max_answer: u64,
}

/// Why the model stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FinishReason {
    /// It was done, or met one of the texts to stop at.
    Stop,
    /// The most tokens were reached.
    Length,
    /// The endpoint held its content back.
    ContentFilter,
    /// Something else.
    Other,
}

/// What the model answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Completion {
    /// The text.
    pub text: String,
    /// Why it ends there.
    pub finish: FinishReason,
    /// What it cost.
    pub used: ModelUse,
    /// Which model answered, as the endpoint calls it.
    pub model: String,
}

/// The `model` interface, bound to one installation. The sandbox checks the grant, the form of the request and the deadline, and that
/// it is no dry run.
#[async_trait::async_trait]
pub trait Models: Send + Sync {
    /// Asks the model.
    async fn complete(&self, call: ModelCall) -> Result<Completion, GuestError>;
}

/// Has no model.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoModels;

#[async_trait::async_trait]
impl Models for NoModels {
    async fn complete(&self, _: ModelCall) -> Result<Completion, GuestError> {
        Err(GuestError::Unavailable(NO_MODEL.to_owned()))
    }
}

/// What a guest is told where the operator has set no model up.
pub const NO_MODEL: &str = "this server has no model: its operator has not set `model.url`";
