//! Executions that were looked at, and what validators made of them.

use serde::{Deserialize, Serialize};

use crate::binding::ContributionRef;
use crate::id::{ExecutionId, TaskId};
use crate::name::{ContributionName, ExtensionName};
use crate::time::Timestamp;
use crate::validation::Judgement;

/// An execution that was looked at.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Sample {
    /// The execution.
    pub execution: ExecutionId,
    /// Its task.
    pub task: TaskId,
    /// The extension that answered.
    pub extension: ExtensionName,
    /// Its version at the time.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub version: semver::Version,
    /// The program that answered.
    pub program: ContributionName,
    /// Who picked it; absent when every execution is looked at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sampler: Option<ContributionRef>,
    /// Why, in the sampler's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// What each validator made of it.
    pub judgements: Vec<Judgement>,
    /// When the execution started.
    pub executed_at: Timestamp,
    /// When it was judged.
    pub judged_at: Timestamp,
}

impl Sample {
    /// Whether all that gave a verdict found it valid; absent when nobody did.
    #[must_use]
    pub fn valid(&self) -> Option<bool> {
        let mut verdicts = self.judgements.iter().filter_map(|judgement| judgement.verdict.as_ref());
        let first = verdicts.next()?.valid;
        Some(first && verdicts.all(|verdict| verdict.valid))
    }

    /// The mean of the scores, from 0 to 1, where a verdict without one counts as 1 or 0; absent when nobody gave a verdict.
    #[must_use]
    pub fn score(&self) -> Option<f64> {
        let verdicts = self.judgements.iter().filter_map(|judgement| judgement.verdict.as_ref());
        let scores = verdicts.map(|verdict| verdict.score.unwrap_or(if verdict.valid { 1.0 } else { 0.0 }));
        let (count, sum) = scores.fold((0_u32, 0.0), |(count, sum), score| (count + 1, sum + score));
        (count > 0).then(|| sum / f64::from(count))
    }
}

/// What the samples of one version came to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct SampleSummary {
    /// The extension.
    pub extension: ExtensionName,
    /// The version.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub version: semver::Version,
    /// Executions that were judged and got a verdict.
    pub judged: u64,
    /// Those that were valid.
    pub valid: u64,
    /// The mean score, from 0 to 1; absent when nothing was judged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mean_score: Option<f64>,
}
