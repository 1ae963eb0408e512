//! The guest's `model` interface: completions by the model that the operator has set up, within what the grant lets an extension spend.
//!
//! What a request can cost at most is set aside, durably, before it is sent, and corrected by what it did cost. A crash in between
//! leaves too much counted, never too little.

use std::fmt;
use std::sync::Weak;
use std::time::Duration;

use async_trait::async_trait;
use oriel_model::Timestamp;
use oriel_model::id::{ExecutionId, TenantId};
use oriel_model::money::Money;
use oriel_model::name::ExtensionName;
use oriel_model::permissions::ModelName;
use oriel_sandbox::{Completion, CompletionRequest, FinishReason, GuestError, ModelCall, ModelUse, Models, NO_MODEL};
use oriel_store::{SpendCaps, SpendDay, StoreError};

use crate::Shared;

/// Tokens that a message costs beside its text, at most: who speaks, and where it begins and ends.
const PER_MESSAGE: u64 = 16;
/// Below this there is no use in asking: the answer could not come in time.
const LEAST: Duration = Duration::from_millis(10);

/// A model that extensions may use, and what it costs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelPrice {
    /// Its name at the endpoint.
    pub name: ModelName,
    /// A million tokens that go to it.
    pub input: Money,
    /// A million tokens that come from it.
    pub output: Money,
}

impl ModelPrice {
    /// What so many tokens cost, in millionths, rounded up.
    #[must_use]
    pub fn cost(&self, input_tokens: u64, output_tokens: u64) -> u64 {
        let sum = u128::from(input_tokens) * u128::from(self.input.0) + u128::from(output_tokens) * u128::from(self.output.0);
        u64::try_from(sum.div_ceil(1_000_000)).unwrap_or(u64::MAX)
    }
}

/// What the service is told of the model.
#[derive(Clone)]
pub struct ModelOptions {
    /// Where completions come from.
    pub endpoint: std::sync::Arc<dyn ModelEndpoint>,
    /// The models that may be used. The first is used when neither request nor grant names one.
    pub models: Vec<ModelPrice>,
    /// The most tokens of one answer.
    pub max_tokens: u32,
    /// The longest that the endpoint may take.
    pub timeout: Duration,
}

impl fmt::Debug for ModelOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ModelOptions").field("models", &self.models).finish_non_exhaustive()
    }
}

/// A request as the endpoint gets it.
#[derive(Debug, Clone, Copy)]
pub struct EndpointRequest<'a> {
    /// The model's name at the endpoint.
    pub model: &'a ModelName,
    /// What is asked.
    pub request: &'a CompletionRequest,
    /// The most tokens that may come back.
    pub max_tokens: u32,
    /// How long it may take in all.
    pub timeout: Duration,
    /// The longest answer that is read, in bytes.
    pub max_answer: u64,
}

/// What the endpoint answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndpointReply {
    /// The text.
    pub text: String,
    /// Why it ends there.
    pub finish: FinishReason,
    /// Tokens that went in and came out, where the endpoint says so.
    pub tokens: Option<(u64, u64)>,
    /// The model that answered, as the endpoint calls it.
    pub model: String,
}

/// Why there is no answer. The texts reach the guest: none of them shows the operator's key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EndpointError {
    /// The endpoint has done nothing that costs anything: it was not reached, or said no.
    Refused(GuestError),
    /// It may have answered, and charged for it, but nothing of use arrived.
    Lost(GuestError),
}

/// Asks a model over the network.
#[async_trait]
pub trait ModelEndpoint: Send + Sync {
    /// Asks for one completion.
    ///
    /// # Errors
    /// When there is no answer; never later than the request's timeout.
    async fn complete(&self, request: EndpointRequest<'_>) -> Result<EndpointReply, EndpointError>;
}

/// A use of the model, for the audit log.
#[derive(Debug, Clone)]
pub(crate) struct ModelUsed {
    pub(crate) tenant: TenantId,
    pub(crate) extension: ExtensionName,
    pub(crate) execution: ExecutionId,
    pub(crate) model: ModelName,
}

/// The model for one installation.
pub(crate) struct GuestModels {
    /// The service holds the pools, and these hold this.
    shared: Weak<Shared>,
    tenant: TenantId,
    extension: ExtensionName,
}

impl GuestModels {
    pub(crate) fn new(shared: &Shared, tenant: TenantId, extension: &ExtensionName) -> Self {
        Self {
            shared: shared.this.clone(),
            tenant,
            extension: extension.clone(),
        }
    }
}

/// The most tokens that a request can have: a token is at least one byte of text.
fn most_input(request: &CompletionRequest) -> u64 {
    let messages = request.messages.iter().map(|message| message.content.len() as u64 + PER_MESSAGE);
    messages.sum::<u64>() + PER_MESSAGE + request.json_schema.as_ref().map_or(0, |schema| schema.len() as u64)
}

fn day_of(now: Timestamp) -> SpendDay {
    SpendDay {
        day: now.start_of_day(),
        month: now.start_of_month(),
    }
}

/// Why nothing could be set aside, as the guest may learn it.
fn refused(error: StoreError) -> GuestError {
    match error {
        StoreError::Quota { what } => GuestError::LimitExceeded(format!(
            "{what}: what the request can cost at most is more than the grant has left (ask for fewer `max-tokens`, or wait)"
        )),
        error => {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "what a model costs could not be set aside, so it is not asked"
            );
            GuestError::Unavailable("what the model costs cannot be counted now".to_owned())
        }
    }
}

#[async_trait]
impl Models for GuestModels {
    async fn complete(&self, call: ModelCall) -> Result<Completion, GuestError> {
        let shared = self.shared.upgrade();
        let shared = shared.ok_or_else(|| GuestError::Unavailable("the server is shutting down".to_owned()))?;
        let options = shared
            .options
            .model
            .as_ref()
            .ok_or_else(|| GuestError::Unavailable(NO_MODEL.to_owned()))?;
        let price = match &call.request.model {
            None => options.models.first(),
            Some(name) => options.models.iter().find(|model| model.name == *name),
        };
        let price = price.ok_or_else(|| {
            let named = call.request.model.as_ref().map(ToString::to_string).unwrap_or_default();
            GuestError::Unavailable(format!("this server offers no model `{named}`"))
        })?;
        let timeout = call.timeout.min(options.timeout);
        if timeout < LEAST {
            return Err(GuestError::DeadlineExceeded);
        }
        let max_tokens = call.request.max_tokens.unwrap_or(options.max_tokens).min(options.max_tokens);
        let most = price.cost(most_input(&call.request), max_tokens.into());
        let on = day_of(shared.clock.now());
        let caps = SpendCaps {
            day: call.grant.spend_per_day.map(|cap| cap.0),
            month: call.grant.spend_per_month.map(|cap| cap.0),
        };
        let spend = &shared.stores.spend;
        spend
            .set_aside(self.tenant, &self.extension, on, most, caps)
            .await
            .map_err(refused)?;
        shared.refusals.model_used(ModelUsed {
            tenant: self.tenant,
            extension: self.extension.clone(),
            execution: call.execution,
            model: price.name.clone(),
        });
        let request = EndpointRequest {
            model: &price.name,
            request: &call.request,
            max_tokens,
            timeout,
            max_answer: call.max_answer,
        };
        let (answer, spent) = match options.endpoint.complete(request).await {
            Ok(reply) => {
                let spent = reply.tokens.map_or(most, |(input, output)| price.cost(input, output));
                (Ok(reply), spent)
            }
            Err(EndpointError::Refused(error)) => (Err(error), 0),
            Err(EndpointError::Lost(error)) => (Err(error), most),
        };
        if let Err(error) = spend.settle(self.tenant, &self.extension, on.day, most, spent).await {
            tracing::warn!(%error, extension = %self.extension, "what a request to the model really cost is not counted; the most that it could cost is");
        }
        let reply = answer?;
        let (input_tokens, output_tokens) = reply.tokens.unwrap_or((0, 0));
        Ok(Completion {
            text: reply.text,
            finish: reply.finish,
            used: ModelUse {
                input_tokens,
                output_tokens,
                spend: spent,
            },
            model: reply.model,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn costs_are_rounded_up_to_a_millionth() {
        let price = ModelPrice {
            name: "m".parse().unwrap(),
            input: "0.15".parse().unwrap(),
            output: "0.6".parse().unwrap(),
        };
        assert_eq!(price.cost(1_000_000, 1_000_000), 750_000);
        assert_eq!((price.cost(1, 0), price.cost(7, 0), price.cost(0, 0)), (1, 2, 0));
        assert_eq!(price.cost(u64::MAX, u64::MAX), 13_835_058_055_282_163_712);
    }
}
