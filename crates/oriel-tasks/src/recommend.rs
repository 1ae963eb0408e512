//! What the records of a task advise: which version does how well, which inputs fail or are slow together, how much to sample, what
//! to do with a canary.
//!
//! Only the newest records are read, a bounded number of them, so that the answer costs about the same whatever the history.

mod clusters;

use std::collections::BTreeMap;
use std::fmt::Write as _;

use oriel_access::{Access, Principal};
use oriel_extensions::ExtensionError;
use oriel_model::Timestamp;
use oriel_model::access::Scope;
use oriel_model::canary::{CanaryAdvice, Rate};
use oriel_model::id::{ExecutionId, TaskId, TenantId};
use oriel_model::recommendation::{
    ConditionKind, InputCluster, InputCondition, Recommendation, RecommendationKind, Recommendations, ReleaseAdvice, SamplingAdvice,
    VersionFigures,
};
use oriel_model::task::Task;
use oriel_statistics::{Histogram, of_population, sample_size, wilson};
use oriel_store::{SegmentFilter, StoreError};
use serde_json::Value;

use self::clusters::{Bits, Conditions, Row, part};
use crate::segment::SegmentReader;
use crate::{TaskError, Tasks};

/// Records that are looked at.
const RECORDS: usize = 10_000;
/// Segments that are opened for them.
const SEGMENTS: u32 = 256;
/// Bytes of inputs that are kept at once.
const BYTES: usize = 32 << 20;
/// Fewer records than this say nothing.
const FEW: u64 = 30;
/// Error codes that are looked into, and clusters for each.
const CODES: usize = 5;
const CLUSTERS: usize = 3;
/// Pieces of advice, at most.
const ADVICE: usize = 12;
/// The part of calls that does not count as slow.
const FAST: f64 = 0.95;

/// How sure the advice on sampling shall make.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RecommendRequest {
    /// Above 0 and below 1.
    pub confidence: f64,
    /// To how much on either side; above 0 and below 1.
    pub margin: f64,
}

impl Default for RecommendRequest {
    fn default() -> Self {
        Self {
            confidence: 0.95,
            margin: 0.02,
        }
    }
}

/// What was read, newest first.
#[derive(Default)]
struct Sample {
    rows: Vec<Row>,
    seen: Vec<Seen>,
    bytes: usize,
    /// Whether there is more that was not read.
    cut: bool,
}

/// One record beside its input.
struct Seen {
    version: semver::Version,
    /// Why it failed, if it did.
    code: Option<String>,
    wall_us: u64,
    at: Timestamp,
}

impl Tasks {
    /// What the newest records of a task advise.
    ///
    /// # Errors
    /// When the principal may not, there is no such task, or what is asked for is out of range.
    pub async fn recommend(&self, principal: &Principal, task: &str, request: RecommendRequest) -> Result<Recommendations, TaskError> {
        Access::require(principal, Scope::TasksRead)?;
        for (name, value) in [("confidence", request.confidence), ("margin", request.margin)] {
            if !(value > 0.0 && value < 1.0) {
                return Err(TaskError::Invalid {
                    reason: format!("`{name}` must be above 0 and below 1"),
                });
            }
        }
        let task = self.find(principal.tenant, task).await?;
        self.settle().await?;
        let sample = self.newest(principal.tenant, task.id).await?;
        let release = self.release_advice(principal.tenant, &task).await?;
        let work = move || digest(task.id, &sample, request, release);
        tokio::task::spawn_blocking(work).await.map_err(|panic| {
            let source = format!("looking at records panicked: {panic}").into();
            StoreError::Unavailable { source }.into()
        })
    }

    async fn release_advice(&self, tenant: TenantId, task: &Task) -> Result<Option<ReleaseAdvice>, TaskError> {
        let status = match self.shared.extensions.canary_of(tenant, task.program.extension.as_str()).await {
            Ok(status) => status,
            // The records outlive what made them.
            Err(ExtensionError::NotFound { .. }) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        Ok(status.running.map(|(_, comparison)| ReleaseAdvice {
            advice: comparison.advice,
            reason: comparison.reason.clone(),
            comparison,
        }))
    }

    async fn newest(&self, tenant: TenantId, task: TaskId) -> Result<Sample, TaskError> {
        let filter = SegmentFilter {
            task: Some(task),
            ..SegmentFilter::default()
        };
        let heads = self.shared.stores.executions.find(tenant, &filter, 0, SEGMENTS + 1).await?;
        let mut sample = Sample {
            cut: heads.len() > SEGMENTS as usize,
            ..Sample::default()
        };
        for head in heads.into_iter().take(SEGMENTS as usize) {
            if sample.is_full() {
                sample.cut = true;
                break;
            }
            let Some(body) = self.shared.stores.executions.body(&head).await? else {
                continue;
            };
            let reader = SegmentReader::open(tenant, &body)?;
            sample.take(&reader)?;
            tokio::task::consume_budget().await;
        }
        Ok(sample)
    }
}

impl Sample {
    fn is_full(&self) -> bool {
        self.rows.len() >= RECORDS || self.bytes >= BYTES
    }

    fn take(&mut self, reader: &SegmentReader) -> Result<(), StoreError> {
        reader.for_each(|record| {
            if self.is_full() {
                self.cut = true;
                return;
            }
            self.bytes += record.input.len();
            self.rows.push(Row {
                id: record.id,
                input: serde_json::from_str(record.input).unwrap_or(Value::Null),
            });
            self.seen.push(Seen {
                version: reader.key.version.clone(),
                code: record.result.err().map(|error| error.code.clone()),
                wall_us: record.resources.wall_us,
                at: record.started_at,
            });
        })
    }
}

fn digest(task: TaskId, sample: &Sample, request: RecommendRequest, release: Option<ReleaseAdvice>) -> Recommendations {
    let count = sample.rows.len() as u64;
    let (from, to) = (
        sample.seen.iter().map(|seen| seen.at).min(),
        sample.seen.iter().map(|seen| seen.at).max(),
    );
    let versions = versions(sample, request.confidence);
    let conditions = Conditions::of(&sample.rows);
    let failing = failing(sample, &conditions);
    let (slow_from, slow) = slow(sample, &conditions);
    let sampling = sampling(sample, request, from, to);
    let mut all = Recommendations {
        task_id: task,
        executions: count,
        complete: !sample.cut,
        from,
        to,
        recommendations: Vec::new(),
        versions,
        failing_inputs: failing,
        slow_from_ms: slow_from,
        slow_inputs: slow,
        sampling,
        release,
    };
    all.recommendations = advice(&all);
    all
}

fn versions(sample: &Sample, confidence: f64) -> Vec<VersionFigures> {
    let mut by_version: BTreeMap<&semver::Version, (u64, u64, Histogram)> = BTreeMap::new();
    for seen in &sample.seen {
        let (executions, successes, latency) = by_version.entry(&seen.version).or_default();
        *executions += 1;
        if seen.code.is_none() {
            *successes += 1;
            latency.record(seen.wall_us);
        }
    }
    let figures = by_version.into_iter().rev();
    figures
        .map(|(version, (executions, successes, latency))| VersionFigures {
            version: version.clone(),
            executions,
            successes,
            success_rate: rate(successes, executions, confidence),
            latency_p50_ms: latency.quantile(0.5).map(ms),
            latency_p95_ms: latency.quantile(0.95).map(ms),
        })
        .collect()
}

/// Failures by their code, each taken apart as far as inputs explain it.
fn failing(sample: &Sample, conditions: &Conditions) -> Vec<InputCluster> {
    let mut codes: BTreeMap<&str, u64> = BTreeMap::new();
    for code in sample.seen.iter().filter_map(|seen| seen.code.as_deref()) {
        *codes.entry(code).or_default() += 1;
    }
    let mut codes: Vec<(&str, u64)> = codes.into_iter().collect();
    codes.sort_by_key(|(code, count)| (std::cmp::Reverse(*count), *code));
    let mut all = Vec::new();
    for (code, count) in codes.into_iter().take(CODES) {
        let hits = Bits::of(sample.seen.iter().map(|seen| seen.code.as_deref() == Some(code)));
        let found = conditions.clusters(&sample.rows, &hits, Some(code), CLUSTERS);
        let explained: u64 = found.iter().map(|cluster| cluster.hits).sum();
        all.extend(found);
        // What inputs do not explain is told as well: it may be the platform, the time, or chance.
        if explained * 2 < count {
            let mut examples: Vec<ExecutionId> = sample
                .rows
                .iter()
                .zip(&sample.seen)
                .filter(|(_, seen)| seen.code.as_deref() == Some(code))
                .map(|(row, _)| row.id)
                .collect();
            examples.sort_unstable_by_key(|id| std::cmp::Reverse(*id));
            examples.truncate(3);
            let total = sample.rows.len() as u64;
            all.push(InputCluster {
                error_code: Some(code.to_owned()),
                conditions: Vec::new(),
                executions: total,
                hits: count,
                rate: rate(count, total, 0.95),
                base_rate: part(count, total),
                lift: 1.0,
                explains: 1.0,
                examples,
            });
        }
    }
    all
}

fn slow(sample: &Sample, conditions: &Conditions) -> (Option<f64>, Vec<InputCluster>) {
    let mut times: Vec<u64> = sample
        .seen
        .iter()
        .filter(|seen| seen.code.is_none())
        .map(|seen| seen.wall_us)
        .collect();
    times.sort_unstable();
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "a place in the list"
    )]
    let Some(bound) = times.get((times.len() as f64 * FAST) as usize).copied() else {
        return (None, Vec::new());
    };
    let hits = Bits::of(sample.seen.iter().map(|seen| seen.code.is_none() && seen.wall_us >= bound));
    (Some(ms(bound)), conditions.clusters(&sample.rows, &hits, None, CLUSTERS))
}

fn sampling(sample: &Sample, request: RecommendRequest, from: Option<Timestamp>, to: Option<Timestamp>) -> Option<SamplingAdvice> {
    const DAY: f64 = 86_400_000.0;
    let count = sample.rows.len() as u64;
    let (from, to) = from.zip(to)?;
    let successes = sample.seen.iter().filter(|seen| seen.code.is_none()).count() as u64;
    let interval = wilson(successes, count, request.confidence);
    // A rate of one half needs the most.
    let assumed = 0.5_f64.clamp(interval.low, interval.high);
    // What came within less than an hour is not multiplied up to a day as if it went on.
    #[expect(clippy::cast_precision_loss, reason = "a span of time")]
    let span = (to.since(from).as_millis() as f64).max(3_600_000.0);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "an estimate; `as` saturates"
    )]
    let expected = ((count as f64 * DAY / span) as u64).max(1);
    let needed = of_population(sample_size(assumed, request.margin, request.confidence), expected);
    Some(SamplingAdvice {
        confidence: request.confidence,
        margin: request.margin,
        assumed_rate: assumed,
        executions_per_day: needed,
        expected_per_day: expected,
        sampling_rate: part(needed, expected).min(1.0),
    })
}

/// The figures in words, the weightiest first.
fn advice(all: &Recommendations) -> Vec<Recommendation> {
    let mut out = Vec::new();
    if let Some(release) = &all.release {
        let (kind, verb) = match release.advice {
            CanaryAdvice::Promote => (RecommendationKind::Promote, "Promote"),
            CanaryAdvice::Rollback => (RecommendationKind::Rollback, "Roll back"),
            CanaryAdvice::Wait => (RecommendationKind::MoreRecords, "Wait with"),
        };
        let (version, reason) = (&release.comparison.canary.version, &release.reason);
        out.push(Recommendation {
            kind,
            message: format!("{verb} the canary {version}: {reason}."),
            executions: release.comparison.canary.calls + release.comparison.running.calls,
            examples: Vec::new(),
        });
    }
    if all.executions < FEW {
        out.push(Recommendation {
            kind: RecommendationKind::MoreRecords,
            message: format!(
                "There are {} executions on record; from about {FEW} on there is something to say.",
                all.executions
            ),
            executions: all.executions,
            examples: Vec::new(),
        });
        return out;
    }
    if let [newest, before, ..] = &all.versions[..]
        && newest.success_rate.high < before.success_rate.low
    {
        out.push(Recommendation {
            kind: RecommendationKind::WorseVersion,
            message: format!(
                "Version {} succeeds in {} of its calls, version {} did in {}: look at what changed, or roll back.",
                newest.version,
                percent(newest.success_rate.rate),
                before.version,
                percent(before.success_rate.rate)
            ),
            executions: newest.executions + before.executions,
            examples: Vec::new(),
        });
    }
    let mut failing: Vec<&InputCluster> = all.failing_inputs.iter().collect();
    failing.sort_by_key(|cluster| std::cmp::Reverse(cluster.hits));
    for cluster in failing {
        let code = cluster.error_code.as_deref().unwrap_or_default();
        let message = if cluster.conditions.is_empty() {
            format!(
                "{} of {} executions fail with `{code}`, and nothing in their inputs tells them apart: look at the examples.",
                cluster.hits, cluster.executions
            )
        } else {
            format!(
                "{} of the {} inputs with {} fail with `{code}`, {:.1} times as many as among all: mend the program for them, or refuse \
                 them in the input schema.",
                cluster.hits,
                cluster.executions,
                words(&cluster.conditions),
                cluster.lift
            )
        };
        out.push(Recommendation {
            kind: RecommendationKind::FailingInputs,
            message,
            executions: cluster.executions,
            examples: cluster.examples.clone(),
        });
    }
    for cluster in &all.slow_inputs {
        out.push(Recommendation {
            kind: RecommendationKind::SlowInputs,
            message: format!(
                "{} of the {} inputs with {} take {:.1} ms or more, {:.1} times as many as among all.",
                cluster.hits,
                cluster.executions,
                words(&cluster.conditions),
                all.slow_from_ms.unwrap_or_default(),
                cluster.lift
            ),
            executions: cluster.executions,
            examples: cluster.examples.clone(),
        });
    }
    out.truncate(ADVICE - 1);
    if let Some(sampling) = &all.sampling {
        out.push(Recommendation {
            kind: RecommendationKind::Sampling,
            message: format!(
                "Sample {} of the executions, about {} a day, to know the success rate to ± {} with {} confidence.",
                percent(sampling.sampling_rate),
                sampling.executions_per_day,
                percent(sampling.margin),
                percent(sampling.confidence)
            ),
            executions: all.executions,
            examples: Vec::new(),
        });
    }
    out
}

fn words(conditions: &[InputCondition]) -> String {
    let mut out = String::new();
    for condition in conditions {
        let value = condition.value.as_ref().map_or_else(String::new, Value::to_string);
        let path = if condition.path.is_empty() { "the whole" } else { &condition.path };
        let separator = if out.is_empty() { "" } else { " and " };
        let what = match condition.is {
            ConditionKind::Equals => format!("`{path}` = {value}"),
            ConditionKind::Type => format!("`{path}` of type {value}"),
            ConditionKind::Absent => format!("no `{path}`"),
            ConditionKind::AtLeast => format!("`{path}` ≥ {value}"),
            ConditionKind::AtMost => format!("`{path}` ≤ {value}"),
            ConditionKind::LengthAtLeast => format!("`{path}` of length {value} or more"),
            ConditionKind::LengthAtMost => format!("`{path}` of length {value} or less"),
        };
        let _ = write!(out, "{separator}{what}");
    }
    out
}

fn percent(part: f64) -> String {
    let percent = part * 100.0;
    if percent >= 10.0 {
        format!("{percent:.0} %")
    } else {
        format!("{percent:.1} %")
    }
}

fn rate(hits: u64, of: u64, confidence: f64) -> Rate {
    let interval = wilson(hits, of, confidence);
    Rate {
        rate: part(hits, of),
        low: interval.low,
        high: interval.high,
    }
}

fn ms(us: u64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "microseconds of a call")]
    let ms = us as f64 / 1_000.0;
    ms
}
