use std::collections::BTreeMap;

use async_trait::async_trait;
use oriel_model::id::{CanaryId, TenantId};
use parking_lot::Mutex;

use crate::{CanaryTallies, CanaryTally, Result};

/// Tenant, extension, canary, node.
type Place = (TenantId, String, CanaryId, String);

#[derive(Default)]
pub(super) struct MemoryCanaries {
    tallies: Mutex<BTreeMap<Place, CanaryTally>>,
}

impl MemoryCanaries {
    /// Called by the installations, whose lock comes before this one.
    pub(super) fn forget_all(&self, tenant: TenantId, extension: &str) {
        self.tallies
            .lock()
            .retain(|(of, name, ..), _| !(*of == tenant && name == extension));
    }
}

#[async_trait]
impl CanaryTallies for MemoryCanaries {
    async fn put(&self, tenant: TenantId, tally: CanaryTally) -> Result<()> {
        let place = (tenant, tally.extension.to_string(), tally.canary, tally.node.clone());
        self.tallies.lock().insert(place, tally);
        Ok(())
    }

    async fn list(&self, tenant: TenantId, extension: &str, canary: CanaryId) -> Result<Vec<CanaryTally>> {
        let tallies = self.tallies.lock();
        let found = tallies
            .iter()
            .filter(|((of, name, which, _), _)| *of == tenant && name == extension && *which == canary);
        Ok(found.map(|(_, tally)| tally.clone()).collect())
    }

    async fn forget(&self, tenant: TenantId, extension: &str) -> Result<()> {
        self.forget_all(tenant, extension);
        Ok(())
    }
}
