//! Deciding over canaries: about once a second, and at once when a call may have been the decisive one.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::time::Duration;

use oriel_access::Actor;
use oriel_model::canary::{Canary, CanaryAdvice, CanaryComparison, CanaryEnd, CanaryOutcome};
use oriel_model::installation::Installation;
use oriel_store::CanaryTally;
use serde_json::json;

use super::tally::Tally;
use super::trial::Watch;
use crate::change::Change;
use crate::{ExtensionError, Extensions, Shared};

/// How often it is looked, and so how old what another node or a restart knows may be.
const LOOK: Duration = Duration::from_secs(1);

/// Judges until the service is gone.
pub(crate) fn start(shared: &Arc<Shared>) {
    let (weak, wake) = (Arc::downgrade(shared), shared.canaries.wake.clone());
    tokio::spawn(async move {
        let mut looks = tokio::time::interval(LOOK);
        looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            let asked = tokio::select! {
                _ = looks.tick() => false,
                () = wake.notified() => true,
            };
            let Some(shared) = Weak::upgrade(&weak) else { return };
            Extensions { shared }.look_at_canaries(asked).await;
        }
    });
}

impl Extensions {
    /// Looks at all canaries that are called on this node: writes down what was seen, and promotes or rolls back what is due. Happens
    /// by itself about every second.
    pub async fn judge_canaries(&self) {
        self.look_at_canaries(false).await;
    }

    async fn look_at_canaries(&self, asked: bool) {
        for watch in self.shared.canaries.all() {
            if !asked {
                watch.listen();
            }
            if let Err(error) = self.judge(&watch).await {
                tracing::warn!(extension = %watch.name, %error, "a canary could not be judged; it is tried again");
            }
        }
    }

    async fn judge(&self, watch: &Watch) -> Result<(), ExtensionError> {
        let present = match self.find(watch.tenant, watch.name.as_str()).await {
            Ok(present) => present,
            Err(ExtensionError::NotFound { .. }) => {
                self.shared.canaries.forget(watch.tenant, &watch.name);
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        let Some(canary) = present.canary.as_deref().filter(|canary| canary.id == watch.id) else {
            // Another node ended it; this one follows within seconds.
            return Ok(());
        };
        let others = self.others(watch).await?;
        let (mut all, dirty) = watch.own();
        if dirty {
            watch.written(true);
            if let Err(error) = self.write_down(watch, &all).await {
                watch.written(false);
                return Err(error);
            }
        }
        let own = all.canary_calls();
        if let Some(others) = others {
            all.merge(&others);
        }
        watch.judged(all.canary_calls() - own);
        if !canary.policy.auto {
            return Ok(());
        }
        let comparison = compare(&all, &present, canary);
        let end = match comparison.advice {
            CanaryAdvice::Wait => return Ok(()),
            CanaryAdvice::Promote => CanaryEnd::Promoted,
            CanaryAdvice::Rollback => CanaryEnd::RolledBack,
        };
        let change = Change {
            actor: Actor::System,
            tenant: watch.tenant,
            tenant_name: &watch.tenant_name,
        };
        let (_alone, present) = self.hold(watch.tenant, watch.name.as_str(), None).await?;
        if present.canary.as_ref().map(|canary| canary.id) != Some(watch.id) {
            return Ok(());
        }
        let reason = comparison.reason.clone();
        match self.end(&change, &present, end, true, reason, comparison).await {
            // It cannot be promoted as things are: another extension needs the present version, or the configuration does not fit.
            // It is not forgotten, and an administrator sees it.
            Err(error) if end == CanaryEnd::Promoted => {
                tracing::warn!(extension = %watch.name, %error, "a canary is good enough and cannot be promoted");
                Ok(())
            }
            result => result.map(drop),
        }
    }

    /// Ends the canary of `present`, which the caller holds.
    pub(crate) async fn end(
        &self,
        change: &Change<'_>,
        present: &Installation,
        end: CanaryEnd,
        automatic: bool,
        reason: String,
        comparison: CanaryComparison,
    ) -> Result<Installation, ExtensionError> {
        let canary = present.canary.as_deref().ok_or_else(|| ExtensionError::NoCanary {
            name: present.name.to_string(),
        })?;
        let base = match end {
            CanaryEnd::Promoted => {
                let version = &canary.release.manifest.version;
                self.check_dependents(change.tenant, present.name.as_str(), Some(version)).await?;
                self.moved(present, canary.release.clone(), canary.grant.clone())?
            }
            CanaryEnd::RolledBack | CanaryEnd::Replaced => present.clone(),
        };
        let action = match end {
            CanaryEnd::Promoted => "extension.canary_promote",
            CanaryEnd::RolledBack | CanaryEnd::Replaced => "extension.canary_rollback",
        };
        let notes = json!({
            "canary": canary.release.manifest.version,
            "share": canary.share,
            "automatic": automatic,
            "reason": reason,
            "comparison": comparison,
        });
        let next = Installation {
            canary: None,
            last_canary: Some(self.outcome(canary, end, automatic, reason, comparison)),
            ..base
        };
        let next = self.commit_noting(change, next, present.revision, action, notes).await?;
        self.canary_is_over(end, present, &next).await;
        Ok(next)
    }

    /// What is left to do once a change that ended a canary is committed.
    pub(crate) async fn canary_is_over(&self, end: CanaryEnd, present: &Installation, next: &Installation) {
        let counter = match end {
            CanaryEnd::Promoted => &self.shared.canaries.promoted,
            CanaryEnd::RolledBack | CanaryEnd::Replaced => &self.shared.canaries.rolled_back,
        };
        counter.fetch_add(1, Ordering::Relaxed);
        if next.canary.is_none() {
            self.shared.canaries.forget(present.tenant, &present.name);
        }
        if let Err(error) = self.shared.stores.canaries.forget(present.tenant, present.name.as_str()).await {
            // They belong to a canary that is gone and are read by nobody.
            tracing::warn!(extension = %present.name, error = &error as &dyn std::error::Error, "counts of a canary stay in the database");
        }
        self.forget_left_behind(present, next).await;
    }

    pub(crate) fn outcome(
        &self,
        canary: &Canary,
        end: CanaryEnd,
        automatic: bool,
        reason: String,
        comparison: CanaryComparison,
    ) -> Box<CanaryOutcome> {
        Box::new(CanaryOutcome {
            id: canary.id,
            end,
            automatic,
            reason,
            since: canary.since,
            at: self.shared.clock.now(),
            comparison,
        })
    }

    /// Both releases of `present` side by side, by all that any node has seen.
    pub(crate) async fn comparison(&self, present: &Installation, canary: &Canary) -> Result<CanaryComparison, ExtensionError> {
        let watch = self.shared.canaries.find(present.tenant, &present.name);
        let all = match watch.filter(|watch| watch.id == canary.id) {
            Some(watch) => {
                let others = self.others(&watch).await?;
                let (mut all, _) = watch.own();
                if let Some(others) = others {
                    all.merge(&others);
                }
                all
            }
            None => {
                let rows = self
                    .shared
                    .stores
                    .canaries
                    .list(present.tenant, present.name.as_str(), canary.id)
                    .await?;
                sum(rows.iter()).unwrap_or_else(|| Tally::new(&canary.policy))
            }
        };
        Ok(compare(&all, present, canary))
    }

    /// What other nodes have written down. The first time, also what this one did before it was started again.
    async fn others(&self, watch: &Watch) -> Result<Option<Tally>, ExtensionError> {
        let rows = self
            .shared
            .stores
            .canaries
            .list(watch.tenant, watch.name.as_str(), watch.id)
            .await?;
        let (own, others): (Vec<_>, Vec<_>) = rows.iter().partition(|row| row.node == self.shared.options.node);
        if !watch.knows_its_past() {
            watch.remember(sum(own.into_iter()));
        }
        Ok(sum(others.into_iter()))
    }

    async fn write_down(&self, watch: &Watch, own: &Tally) -> Result<(), ExtensionError> {
        let body = serde_json::to_string(own).map_err(|error| oriel_store::StoreError::Unavailable { source: Box::new(error) })?;
        let tally = CanaryTally {
            extension: watch.name.clone(),
            canary: watch.id,
            node: self.shared.options.node.clone(),
            body,
        };
        Ok(self.shared.stores.canaries.put(watch.tenant, tally).await?)
    }
}

fn sum<'a>(rows: impl Iterator<Item = &'a CanaryTally>) -> Option<Tally> {
    let tallies = rows.filter_map(|row| match serde_json::from_str::<Tally>(&row.body) {
        Ok(tally) => Some(tally),
        Err(error) => {
            // A newer release of the server may count otherwise; what it decides is decided for all.
            tracing::warn!(node = row.node, %error, "the counts of another node cannot be read");
            None
        }
    });
    tallies.reduce(|mut all, tally| {
        all.merge(&tally);
        all
    })
}

fn compare(all: &Tally, present: &Installation, canary: &Canary) -> CanaryComparison {
    all.compare(&canary.policy, &present.release.manifest.version, &canary.release.manifest.version)
}
