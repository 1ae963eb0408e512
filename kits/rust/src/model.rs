//! Completions by the model that the operator has set up. Needs `model` under `[permissions]`.
//!
//! ```ignore
//! let answer = model::Request::new().system("Answer in one word.").user(question).max_tokens(20).complete()?;
//! let verdict: Verdict = model::Request::new().user(text).json(&schema)?;
//! ```

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::bindings::imports::oriel::extension::model as host;
pub use crate::bindings::imports::oriel::extension::model::{Completion, FinishReason, Message, Role, Usage};
use crate::error::{Error, Result, from_wire};
use crate::json::{parse, write};

/// What the model is asked.
#[derive(Debug, Clone)]
pub struct Request(host::Request);

impl Default for Request {
    fn default() -> Self {
        Self::new()
    }
}

impl Request {
    /// A request without messages; it needs at least one.
    #[must_use]
    pub const fn new() -> Self {
        Self(host::Request {
            model: None,
            messages: Vec::new(),
            max_tokens: None,
            temperature: None,
            json_schema: None,
            stop: Vec::new(),
        })
    }

    /// One of the models that the permission names.
    #[must_use]
    pub fn model(mut self, name: impl Into<String>) -> Self {
        self.0.model = Some(name.into());
        self
    }

    fn message(mut self, role: Role, content: String) -> Self {
        self.0.messages.push(Message { role, content });
        self
    }

    /// What the model shall be and do.
    #[must_use]
    pub fn system(self, text: impl Into<String>) -> Self {
        self.message(Role::System, text.into())
    }

    /// What somebody says to it.
    #[must_use]
    pub fn user(self, text: impl Into<String>) -> Self {
        self.message(Role::User, text.into())
    }

    /// What it said before.
    #[must_use]
    pub fn assistant(self, text: impl Into<String>) -> Self {
        self.message(Role::Assistant, text.into())
    }

    /// The most tokens that come back.
    #[must_use]
    pub fn max_tokens(mut self, tokens: u32) -> Self {
        self.0.max_tokens = Some(tokens);
        self
    }

    /// From 0 (always the same) to 2.
    #[must_use]
    pub fn temperature(mut self, temperature: f64) -> Self {
        self.0.temperature = Some(temperature);
        self
    }

    /// A text before which the answer ends; at most four.
    #[must_use]
    pub fn stop(mut self, text: impl Into<String>) -> Self {
        self.0.stop.push(text.into());
        self
    }

    /// Asks the model.
    ///
    /// # Errors
    /// [`Error::Denied`] when the grant does not cover it, [`Error::LimitExceeded`] when what may be spent is used up,
    /// [`Error::Unavailable`] when there is no model or its endpoint does not answer.
    pub fn complete(&self) -> Result<Completion> {
        host::complete(&self.0).map_err(from_wire)
    }

    /// Asks for JSON that fits a JSON Schema, and reads it.
    ///
    /// # Errors
    /// As for [`Request::complete`]; [`Error::Internal`] when the answer does not fit `T`.
    pub fn json<T: DeserializeOwned>(mut self, schema: &impl Serialize) -> Result<T> {
        self.0.json_schema = Some(write(schema)?);
        let answer = self.complete()?;
        parse(&answer.text).map_err(|problem| Error::internal(format_args!("the model's answer: {problem}")))
    }
}
