//! What an installation did that it never did before, and what is usual of it.

use serde::{Deserialize, Serialize};

use crate::contribution::ContributionKind;
use crate::id::{AnomalyId, InstallationId};
use crate::name::{ContributionName, ExtensionName};
use crate::time::Timestamp;

/// What is watched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub enum AnomalyMetric {
    /// Calls in a window of time, all contributions together, by the hour of the week.
    CallRate,
    /// Bytes of bodies that are sent and got over HTTP in a window of time, all contributions together.
    OutboundBytes,
    /// The share of calls that fail, whoever is to blame, in percent.
    ErrorRate,
    /// Guest CPU time of a call, in microseconds.
    CpuPerCall,
    /// Bytes of a program's input.
    InputSize,
    /// Bytes of a program's output.
    OutputSize,
    /// Calls that a call makes to the host.
    HostCalls,
    /// A host that was never contacted before.
    OutboundHost,
}

impl AnomalyMetric {
    /// The text of the API, such as `cpuPerCall`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::CallRate => "callRate",
            Self::OutboundBytes => "outboundBytes",
            Self::ErrorRate => "errorRate",
            Self::CpuPerCall => "cpuPerCall",
            Self::InputSize => "inputSize",
            Self::OutputSize => "outputSize",
            Self::HostCalls => "hostCalls",
            Self::OutboundHost => "outboundHost",
        }
    }

    /// The amount below which differences mean little.
    #[must_use]
    pub const fn unit(self) -> f64 {
        match self {
            Self::CallRate | Self::ErrorRate => 10.0,
            Self::OutboundBytes => 65_536.0,
            // A thread that has to wait for its turn looks as if it had worked.
            Self::CpuPerCall => 1_000.0,
            Self::InputSize | Self::OutputSize => 1_024.0,
            Self::HostCalls | Self::OutboundHost => 1.0,
        }
    }

    /// What a value of it says, for people, such as `12.3 ms of CPU time per call`.
    #[must_use]
    pub fn told(self, value: f64) -> String {
        match self {
            Self::CallRate => format!("{value:.0} calls"),
            Self::OutboundBytes => format!("{value:.0} bytes over HTTP"),
            Self::ErrorRate => format!("{value:.1} % of calls failing"),
            Self::CpuPerCall => format!("{:.2} ms of CPU time per call", value / 1_000.0),
            Self::InputSize => format!("{value:.0} bytes of input per call"),
            Self::OutputSize => format!("{value:.0} bytes of output per call"),
            Self::HostCalls => format!("{value:.1} host calls per call"),
            Self::OutboundHost => "an unknown host".to_owned(),
        }
    }
}

impl std::fmt::Display for AnomalyMetric {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How bad it looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Clearly outside of what is usual.
    Warning,
    /// Far outside: ten times what is usual and twice as far off as a warning needs; or the first contact ever with any host.
    Critical,
}

impl Severity {
    /// `warning` or `critical`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }
}

/// What people made of an anomaly.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum AnomalyState {
    /// Nobody has looked at it.
    Open,
    /// Somebody knows of it.
    Acknowledged,
    /// It was nothing: the like of it is usual from now on.
    Dismissed,
}

impl AnomalyState {
    /// The text of the API, such as `open`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Acknowledged => "acknowledged",
            Self::Dismissed => "dismissed",
        }
    }
}

impl std::str::FromStr for AnomalyState {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        [Self::Open, Self::Acknowledged, Self::Dismissed]
            .into_iter()
            .find(|state| state.as_str() == text)
            .ok_or_else(|| "it is `open`, `acknowledged` or `dismissed`".to_owned())
    }
}

/// What is done about an anomaly without anybody.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum AnomalyAction {
    /// It is told, and that is all.
    #[default]
    None,
    /// One that is critical puts the installation in quarantine.
    Quarantine,
}

/// What is usual of a quantity.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct UsualRange {
    /// Half of what was observed lies below.
    pub median: f64,
    /// What is below is unusual.
    pub low: f64,
    /// What is above is unusual.
    pub high: f64,
}

/// Who made what of an anomaly.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Settled {
    /// Who: a key or user.
    pub by: String,
    /// When.
    pub at: Timestamp,
    /// What they said about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// Something that an installation never did before.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Anomaly {
    /// Its id.
    pub id: AnomalyId,
    /// Of which extension.
    pub extension: ExtensionName,
    /// Which installation of it.
    pub installation: InstallationId,
    /// What is unusual.
    pub metric: AnomalyMetric,
    /// The kind of the contribution that it is about; absent when it is about all together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<ContributionKind>,
    /// The contribution's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contribution: Option<ContributionName>,
    /// The host, of `outboundHost`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// How bad it looks.
    pub severity: Severity,
    /// What people made of it.
    pub state: AnomalyState,
    /// What was observed, in the metric's unit: the farthest off so far.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed: Option<f64>,
    /// What was expected instead, when it was first seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected: Option<UsualRange>,
    /// From how many observations that was learned.
    pub learned_from: u64,
    /// What happened, for people.
    pub summary: String,
    /// When it began.
    pub from: Timestamp,
    /// When it was last seen.
    pub to: Timestamp,
    /// How often it was seen.
    pub times: u64,
    /// The node that saw it first.
    pub node: String,
    /// What was done about it at once.
    pub action: AnomalyAction,
    /// Who made what of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settled: Option<Settled>,
    /// Counts changes; the ETag of the API.
    pub revision: u64,
}

impl Anomaly {
    /// What makes two the same: extension, metric, contribution and host.
    #[must_use]
    pub fn series(&self) -> String {
        series(
            self.metric,
            self.kind.zip(self.contribution.as_ref()).map(|(kind, name)| (kind, name.as_str())),
            self.host.as_deref(),
        )
    }

    /// Takes in that it was seen again.
    pub fn seen_again(&mut self, again: &Self) {
        let middle = self.expected.map_or(0.0, |expected| expected.median);
        let far = |value: f64| (value.max(0.0) / self.metric.unit()).ln_1p() - (middle / self.metric.unit()).ln_1p();
        if let (Some(before), Some(now)) = (self.observed, again.observed)
            && far(now).abs() > far(before).abs()
        {
            self.observed = Some(now);
            self.summary.clone_from(&again.summary);
        }
        self.severity = self.severity.max(again.severity);
        self.to = self.to.max(again.to);
        self.times = self.times.saturating_add(again.times);
        self.revision += 1;
    }
}

/// The text by which anomalies of one series are known.
#[must_use]
pub fn series(metric: AnomalyMetric, contribution: Option<(ContributionKind, &str)>, host: Option<&str>) -> String {
    let mut text = metric.as_str().to_owned();
    if let Some((kind, name)) = contribution {
        text.push_str(&format!(" {}/{name}", kind.as_str()));
    }
    if let Some(host) = host {
        text.push(' ');
        text.push_str(host);
    }
    text
}
