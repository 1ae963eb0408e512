//! What the platform fires of itself: changes of installations and of their health become its own hooks.

use oriel_extensions::{AnomalyEvent, Changed, HealthEvent};
use oriel_model::health::HealthState;
use serde_json::json;
use tokio::sync::broadcast::error::RecvError;
use tokio_util::sync::CancellationToken;

use crate::{Cause, HookError, Hooks};

/// The hook that an action of the audit log fires.
fn hook_of(action: &str) -> Option<&'static str> {
    match action {
        "extension.install" => Some("extension.installed"),
        "extension.upgrade" | "extension.consent" | "extension.canary_promote" => Some("deploy"),
        "extension.rollback" | "extension.canary_rollback" => Some("rollback"),
        _ => None,
    }
}

impl Hooks {
    /// Fires `extension.installed`, `deploy`, `rollback` and `alert` for what happens on this node, until `stop`.
    ///
    /// What happens between a change and its hook when the process dies is not fired: the change itself is in the audit log.
    pub async fn follow(self, stop: CancellationToken) {
        let mut changes = self.shared.extensions.changes();
        let mut health = self.shared.extensions.health_events();
        let mut anomalies = self.shared.extensions.anomaly_events();
        loop {
            let told = tokio::select! {
                () = stop.cancelled() => break,
                changed = changes.recv() => match changed {
                    Ok(changed) => self.changed(&changed).await,
                    Err(RecvError::Lagged(missed)) => {
                        tracing::error!(missed, "changes of installations came too fast for their hooks");
                        Ok(())
                    }
                    Err(RecvError::Closed) => break,
                },
                event = health.recv() => match event {
                    Ok(event) => self.fell_ill(&event).await,
                    Err(RecvError::Lagged(missed)) => {
                        tracing::error!(missed, "changes of health came too fast for their hook");
                        Ok(())
                    }
                    Err(RecvError::Closed) => break,
                },
                event = anomalies.recv() => match event {
                    Ok(event) => self.was_odd(&event).await,
                    Err(RecvError::Lagged(missed)) => {
                        tracing::error!(missed, "anomalies came too fast for their hook");
                        Ok(())
                    }
                    Err(RecvError::Closed) => break,
                },
            };
            if let Err(error) = told {
                tracing::error!(%error, "observers of the platform will not be told");
            }
        }
    }

    async fn changed(&self, changed: &Changed) -> Result<(), HookError> {
        let Some(hook) = hook_of(&changed.action) else { return Ok(()) };
        let cause = Cause {
            tenant: changed.tenant,
            tenant_name: &changed.tenant_name,
            principal: None,
            user: None,
            task: None,
        };
        let payload = || json!({ "extension": changed.extension, "version": changed.version, "reason": changed.action });
        self.tell(cause, hook, payload).await
    }

    async fn fell_ill(&self, event: &HealthEvent) -> Result<(), HookError> {
        let change = &event.change;
        if !matches!(change.to, HealthState::Degraded | HealthState::Tripped | HealthState::Quarantined) {
            return Ok(());
        }
        let Some(tenant) = self.shared.stores.tenants.get(event.tenant).await? else {
            return Ok(());
        };
        let cause = Cause {
            tenant: event.tenant,
            tenant_name: &tenant.name,
            principal: None,
            user: None,
            task: None,
        };
        let payload = || json!({ "extension": event.extension, "state": change.to, "reason": change.reason });
        self.tell(cause, "alert", payload).await
    }
    async fn was_odd(&self, event: &AnomalyEvent) -> Result<(), HookError> {
        let anomaly = &event.anomaly;
        let Some(tenant) = self.shared.stores.tenants.get(event.tenant).await? else {
            return Ok(());
        };
        let cause = Cause {
            tenant: event.tenant,
            tenant_name: &tenant.name,
            principal: None,
            user: None,
            task: None,
        };
        let payload = || {
            json!({
                "extension": anomaly.extension,
                "state": "anomaly",
                "reason": anomaly.summary,
                "anomalyId": anomaly.id,
                "metric": anomaly.metric,
                "severity": anomaly.severity,
            })
        };
        self.tell(cause, "alert", payload).await
    }
}
