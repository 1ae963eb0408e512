//! The round of all baselines: windows that close, hosts that are met, anomalies that are raised, what is written down.

use std::sync::Arc;

use oriel_access::{Access, Actor};
use oriel_model::Timestamp;
use oriel_model::access::{Principal, Scope};
use oriel_model::anomaly::{Anomaly, AnomalyAction, AnomalyMetric, AnomalyState, Severity, UsualRange, series};
use oriel_model::contribution::ContributionKind;
use oriel_model::id::{AnomalyId, TenantId};
use oriel_model::installation::Installation;
use oriel_model::name::ContributionName;
use oriel_store::{KnownHost, Raised};
use serde_json::json;
use tokio::sync::broadcast;

use super::judge::{self, Oddity};
use super::learned::Learned;
use super::window::Watch;
use crate::dispatch::Handle;
use crate::health::{Health, Want};
use crate::moment::nanos;
use crate::{ExtensionError, Extensions};

/// Windows after which what was learned is written down.
const WRITES: u64 = 10;
/// How far beyond what people dismissed something may lie and still be the like of it.
const LIKE: f64 = 1.25;
/// Hosts that are shown.
const SHOWN_HOSTS: u32 = 1_000;

/// An anomaly that was raised on this node.
#[derive(Debug, Clone, PartialEq)]
pub struct AnomalyEvent {
    /// Whose.
    pub tenant: TenantId,
    /// What.
    pub anomaly: Anomaly,
}

/// Listens to anomalies of all installations on this node. One that does not keep up misses the oldest.
pub type AnomalyEvents = broadcast::Receiver<AnomalyEvent>;

/// What is usual of an installation, as this node has learned it.
#[derive(Debug, Clone, PartialEq)]
pub struct BaselineReport {
    /// The node that learned it.
    pub node: String,
    /// Windows that were seen.
    pub windows: u64,
    /// Windows that must be seen before rates are judged.
    pub needed: u64,
    /// What is usual in the present hour of the week.
    pub series: Vec<BaselineSeries>,
    /// Hosts that it has contacted, by name, on any node.
    pub hosts: Vec<KnownHost>,
}

/// What is usual of one quantity.
#[derive(Debug, Clone, PartialEq)]
pub struct BaselineSeries {
    /// Which.
    pub metric: AnomalyMetric,
    /// Of which contribution; of all together when nothing is said.
    pub contribution: Option<(ContributionKind, ContributionName)>,
    /// Observations so far.
    pub learned_from: u64,
    /// What is usual; nothing before enough was seen.
    pub usual: Option<UsualRange>,
}

/// The hour of the week in UTC, from Monday at midnight.
fn hour_of_week(at: Timestamp) -> u16 {
    // The epoch began on a Thursday.
    let hour = (at.millis().div_euclid(3_600_000) + 3 * 24).rem_euclid(168);
    u16::try_from(hour).unwrap_or(0)
}

impl Extensions {
    /// Does at once what otherwise happens every few seconds: closes windows that are over, judges them by what is usual, learns
    /// them, and raises what is not.
    pub async fn learn(&self) {
        self.write_usage().await;
        self.look_at_baselines(false).await;
    }

    /// With `all`, everything that was learned is written down.
    pub(crate) async fn look_at_baselines(&self, all: bool) {
        if self.shared.options.anomalies.window.is_zero() {
            return;
        }
        let _one = self.shared.baselines.looking.lock().await;
        for (handle, health) in self.watched() {
            let (tenant, _, name) = handle.place();
            let watch = self.shared.baselines.of(tenant, name);
            if let Err(error) = self.look_at_baseline(&handle, &health, &watch, all).await {
                tracing::warn!(extension = %name, %error, "what an extension does could not be looked at; it is tried again");
            }
        }
    }

    async fn look_at_baseline(&self, handle: &Handle, health: &Health, watch: &Watch, all: bool) -> Result<(), ExtensionError> {
        let (tenant, _, name) = handle.place();
        let (options, stores) = (&self.shared.options, &self.shared.stores);
        if watch.learned.lock().is_none() {
            let text = stores.baselines.get(tenant, name.as_str(), &options.node).await?;
            let mut learned = watch.learned.lock();
            learned.get_or_insert_with(|| Learned::read(text.as_deref()));
        }
        let now = self.shared.clock.now();
        let mut found = std::mem::take(&mut *watch.pending.lock());
        found.extend(self.meet_hosts(handle, watch, now).await?);
        let length = nanos(options.anomalies.window);
        let closed = {
            let mut window = watch.window.lock();
            window.close(self.shared.options.stopwatch.now(), length, options.anomalies.min_calls)
        };
        let text = {
            let mut learned = watch.learned.lock();
            let learned = learned.get_or_insert_default();
            if let Some(closed) = closed {
                let odd = judge::judge(learned, &closed, hour_of_week(now), &options.anomalies);
                found.extend(odd.into_iter().map(Found::Oddity));
            }
            let due = learned.unwritten >= WRITES || (all && learned.unwritten > 0);
            due.then(|| learned.written())
        };
        let mut found = found.into_iter();
        while let Some(next) = found.next() {
            if let Err(error) = self.raise(handle, health, next.clone(), now).await {
                // A store that does not answer now is asked again at the next look.
                watch.pending.lock().extend(std::iter::once(next).chain(found));
                return Err(error);
            }
        }
        if let Some(text) = text {
            stores.baselines.put(tenant, name.as_str(), &options.node, text).await?;
            if let Some(learned) = &mut *watch.learned.lock() {
                learned.unwritten = 0;
            }
        }
        Ok(())
    }

    /// The hosts that nobody knew, where it is late enough to wonder.
    async fn meet_hosts(&self, handle: &Handle, watch: &Watch, now: Timestamp) -> Result<Vec<Found>, ExtensionError> {
        let fresh = watch.hosts.take();
        if fresh.is_empty() {
            return Ok(Vec::new());
        }
        let (tenant, _, name) = handle.place();
        let baselines = &self.shared.stores.baselines;
        let windows = watch.learned.lock().as_ref().map_or(0, |learned| learned.windows);
        let first_ever = baselines.hosts(tenant, name.as_str(), 1).await;
        let met = match first_ever {
            Ok(known) => baselines
                .meet(tenant, name.as_str(), fresh.clone(), now)
                .await
                .map(|new| (known.is_empty(), new)),
            Err(error) => Err(error),
        };
        let (first_ever, new) = match met {
            Ok(met) => met,
            Err(error) => {
                watch.hosts.again(fresh);
                return Err(error.into());
            }
        };
        if windows < self.shared.options.anomalies.enough().overall {
            return Ok(Vec::new());
        }
        let severity = if first_ever { Severity::Critical } else { Severity::Warning };
        Ok(new.into_iter().map(|host| Found::Host { host, severity, windows }).collect())
    }

    async fn raise(&self, handle: &Handle, health: &Health, found: Found, now: Timestamp) -> Result<(), ExtensionError> {
        let (tenant, _, name) = handle.place();
        let Ok(installation) = self.find(tenant, name.as_str()).await else {
            return Ok(());
        };
        let stores = &self.shared.stores;
        let anomaly = self.anomaly_of(&installation, found, now);
        // What people have dismissed is usual, and what is like it.
        let dismissed = stores.anomalies.dismissed(tenant, installation.id, &anomaly.series()).await?;
        if dismissed.iter().any(|known| is_like(&anomaly, known)) {
            return Ok(());
        }
        let quiet = now.minus(self.shared.options.anomalies.quiet);
        let audit = Actor::System.did(now, "anomaly.raised", anomaly.id.to_string(), told(&anomaly));
        match stores.anomalies.raise(tenant, anomaly.clone(), quiet, audit).await? {
            Raised::Again(_) => return Ok(()),
            Raised::New => {}
        }
        let summary = &anomaly.summary;
        tracing::warn!(%tenant, extension = %name, anomaly = %anomaly.id, summary, "an extension does what it never did");
        self.shared.raised.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        // Nobody may be listening.
        let _ = self.shared.anomaly_events.send(AnomalyEvent {
            tenant,
            anomaly: anomaly.clone(),
        });
        if anomaly.action == AnomalyAction::Quarantine {
            let reason = format!("{} ({})", anomaly.summary, anomaly.id);
            self.carry_out(handle, health, &Want::Quarantine { reason }).await;
        }
        Ok(())
    }

    fn anomaly_of(&self, installation: &Installation, found: Found, now: Timestamp) -> Anomaly {
        let (metric, of, host, severity, observed, expected, learned_from) = match found {
            Found::Oddity(odd) => (
                odd.metric,
                odd.of,
                None,
                odd.severity,
                Some(odd.observed),
                Some(odd.usual),
                odd.learned_from,
            ),
            Found::Host { host, severity, windows } => (AnomalyMetric::OutboundHost, None, Some(host), severity, None, None, windows),
        };
        let summary = match (&host, observed, expected) {
            (Some(host), ..) => format!("the first contact with {host}"),
            (None, Some(observed), Some(usual)) => format!(
                "{}; usual is {} ({:.0} to {:.0})",
                metric.told(observed),
                metric.told(usual.median),
                usual.low,
                usual.high
            ),
            _ => metric.to_string(),
        };
        let action = self.policy_of(installation).on_anomaly.unwrap_or_default();
        let (kind, contribution) = of.map(|(kind, name)| (kind, name.parse().ok())).unzip();
        Anomaly {
            id: AnomalyId::new(now),
            extension: installation.name.clone(),
            installation: installation.id,
            metric,
            kind,
            contribution: contribution.flatten(),
            host,
            severity,
            state: AnomalyState::Open,
            observed,
            expected,
            learned_from,
            summary,
            from: now,
            to: now,
            times: 1,
            node: self.shared.options.node.clone(),
            action: match severity {
                Severity::Critical => action,
                Severity::Warning => AnomalyAction::None,
            },
            settled: None,
            revision: 1,
        }
    }

    /// What is usual of an installation, as this node has learned it.
    ///
    /// # Errors
    /// When the principal may not, nothing of this name is installed, or storage fails.
    pub async fn baseline(&self, principal: &Principal, name: &str) -> Result<BaselineReport, ExtensionError> {
        Access::require(principal, Scope::ExtensionsRead)?;
        let tenant = principal.tenant;
        let installation = self.find(tenant, name).await?;
        let options = &self.shared.options;
        let baselines = &self.shared.stores.baselines;
        let watch: Arc<Watch> = self.shared.baselines.of(tenant, &installation.name);
        let stored = baselines.get(tenant, name, &options.node).await?;
        let hour = hour_of_week(self.shared.clock.now());
        let (windows, series) = {
            let learned = watch.learned.lock();
            let read;
            let learned = match &*learned {
                Some(learned) => learned,
                None => {
                    read = Learned::read(stored.as_deref());
                    &read
                }
            };
            (learned.windows, judge::shown(learned, hour, &options.anomalies))
        };
        Ok(BaselineReport {
            node: options.node.clone(),
            windows,
            needed: options.anomalies.enough().overall,
            series,
            hosts: baselines.hosts(tenant, name, SHOWN_HOSTS).await?,
        })
    }

    /// Listens to the anomalies that this node raises.
    #[must_use]
    pub fn anomaly_events(&self) -> AnomalyEvents {
        self.shared.anomaly_events.subscribe()
    }
}

/// What is to be raised.
#[derive(Debug, Clone)]
pub(super) enum Found {
    Oddity(Oddity),
    Host { host: String, severity: Severity, windows: u64 },
}

/// Whether an anomaly is like one that people have dismissed: no farther off on the same side, as far as that can be told.
fn is_like(anomaly: &Anomaly, dismissed: &Anomaly) -> bool {
    let (Some(now), Some(then)) = (anomaly.observed, dismissed.observed) else {
        return true;
    };
    let above = |anomaly: &Anomaly, value: f64| anomaly.expected.is_none_or(|usual| value >= usual.median);
    match (above(anomaly, now), above(dismissed, then)) {
        (true, true) => now <= then * LIKE,
        (false, false) => now >= then / LIKE,
        _ => false,
    }
}

/// What the audit log says of an anomaly.
pub(crate) fn told(anomaly: &Anomaly) -> serde_json::Value {
    let contribution = anomaly.kind.zip(anomaly.contribution.as_ref());
    json!({
        "extension": anomaly.extension,
        "series": series(anomaly.metric, contribution.map(|(kind, name)| (kind, name.as_str())), anomaly.host.as_deref()),
        "severity": anomaly.severity,
        "summary": anomaly.summary,
        "observed": anomaly.observed,
        "expected": anomaly.expected,
        "action": anomaly.action,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weeks_begin_on_monday() {
        let at = |text: &str| hour_of_week(text.parse().unwrap());
        assert_eq!(at("2026-11-23T00:00:00Z"), 0);
        assert_eq!(at("2026-11-23T09:59:59Z"), 9);
        assert_eq!(at("2026-11-22T23:30:00Z"), 167);
        assert_eq!(hour_of_week(Timestamp::from_millis(-1)), 3 * 24 - 1);
        assert!(hour_of_week(Timestamp::from_millis(i64::MIN / 2)) < 168);
    }
}
