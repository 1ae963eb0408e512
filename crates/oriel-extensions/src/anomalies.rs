//! What people make of anomalies.

use oriel_access::Access;
use oriel_model::access::{Principal, Scope};
use oriel_model::anomaly::{Anomaly, AnomalyState, Settled};
use oriel_model::id::AnomalyId;
use oriel_model::page::{Page, PageRequest};
use oriel_store::{AnomalyFilter, StoreError};
use serde_json::json;

use crate::change::Change;
use crate::{ExtensionError, Extensions};

/// The longest note.
const NOTE: usize = 2_000;

impl Extensions {
    /// The tenant's anomalies, newest first.
    ///
    /// # Errors
    /// When the principal may not, the cursor is foreign, or storage fails.
    pub async fn anomalies(
        &self,
        principal: &Principal,
        filter: &AnomalyFilter,
        page: PageRequest,
    ) -> Result<Page<Anomaly>, ExtensionError> {
        Access::require(principal, Scope::ExtensionsRead)?;
        Ok(self.shared.stores.anomalies.list(principal.tenant, filter, page).await?)
    }

    /// One anomaly.
    ///
    /// # Errors
    /// When the principal may not, or there is none with this id.
    pub async fn anomaly(&self, principal: &Principal, id: &str) -> Result<Anomaly, ExtensionError> {
        Access::require(principal, Scope::ExtensionsRead)?;
        let not_found = || ExtensionError::AnomalyNotFound {
            id: id.chars().take(64).collect(),
        };
        let id: AnomalyId = id.parse().map_err(|_| not_found())?;
        let found = self.shared.stores.anomalies.get(principal.tenant, id).await?;
        found.ok_or_else(not_found)
    }

    /// Notes that somebody knows of an anomaly, or (`dismiss`) that it was nothing: the like of it is usual from then on.
    ///
    /// # Errors
    /// When the principal may not, there is none with this id, it is dismissed already, or somebody else was faster.
    pub async fn settle_anomaly(
        &self,
        principal: &Principal,
        id: &str,
        dismiss: bool,
        note: Option<String>,
        if_match: Option<u64>,
    ) -> Result<Anomaly, ExtensionError> {
        let change = Change::by(principal)?;
        if note.as_ref().is_some_and(|note| note.chars().count() > NOTE) {
            return Err(ExtensionError::NoteTooLong { most: NOTE });
        }
        let present = self.anomaly(principal, id).await?;
        let changed = || ExtensionError::AnomalyChanged { id: present.id };
        if if_match.is_some_and(|wanted| wanted != present.revision) {
            return Err(changed());
        }
        if present.state == AnomalyState::Dismissed {
            return Err(ExtensionError::AnomalySettled { id: present.id });
        }
        let now = self.shared.clock.now();
        let (state, action) = if dismiss {
            (AnomalyState::Dismissed, "anomaly.dismiss")
        } else {
            (AnomalyState::Acknowledged, "anomaly.acknowledge")
        };
        let details = json!({ "extension": present.extension, "series": present.series(), "note": note });
        let audit = change.actor.did(now, action, present.id.to_string(), details);
        let next = Anomaly {
            state,
            settled: Some(Settled {
                by: audit.actor.clone(),
                at: now,
                note,
            }),
            revision: present.revision + 1,
            ..present.clone()
        };
        match self
            .shared
            .stores
            .anomalies
            .update(principal.tenant, next.clone(), present.revision, audit)
            .await
        {
            Ok(()) => Ok(next),
            Err(StoreError::Conflict { .. }) => Err(changed()),
            Err(error) => Err(error.into()),
        }
    }
}
