//! Validators that judge before the reply.

use oriel_extensions::BoundToTask;
use oriel_model::binding::OnInvalid;
use oriel_model::id::TenantId;
use oriel_model::name::ExtensionName;
use oriel_model::validation::Judgement;

use super::Look;
use crate::{Fault, Tasks};

impl Tasks {
    /// Asks the inline validators about an output. Answers what they said, or why the output must not go out.
    pub(crate) async fn judge_inline(&self, bound: &BoundToTask, look: &Look<'_>) -> (Vec<Judgement>, Result<(), Fault>) {
        let inline = || bound.validators.iter().filter(|bound| bound.binding.terms.inline);
        let judgements = self.ask_validators(inline(), look).await;
        let verdict = inline().zip(&judgements).find_map(|(bound, judgement)| match &judgement.verdict {
            Some(verdict) if !verdict.valid && bound.binding.terms.on_invalid == OnInvalid::Reject => Some(Fault::Invalid {
                validator: judgement.validator.to_string(),
                message: verdict.message.clone().unwrap_or_else(|| "it gave no reason".to_owned()),
            }),
            None if judgement.fails_closed => Some(Fault::Unjudged {
                validator: judgement.validator.to_string(),
                message: judgement.error.as_ref().map_or_else(String::new, |error| error.message.clone()),
            }),
            _ => None,
        });
        (judgements, verdict.map_or(Ok(()), Err))
    }

    /// Lets a canary know how its outputs are judged.
    pub(crate) fn score(&self, tenant: TenantId, extension: &ExtensionName, version: &semver::Version, judgements: &[Judgement]) {
        for verdict in judgements.iter().filter_map(|judgement| judgement.verdict.as_ref()) {
            let score = verdict.score.unwrap_or(if verdict.valid { 1.0 } else { 0.0 });
            self.shared.extensions.observe_score(tenant, extension, version, score);
        }
    }
}
