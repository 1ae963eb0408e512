use std::collections::BTreeMap;

use async_trait::async_trait;
use oriel_model::Timestamp;
use oriel_model::id::TenantId;
use parking_lot::Mutex;

use crate::{Result, Usage, UsageDelta, UsagePlace};

#[derive(Default)]
pub(super) struct MemoryUsage {
    rows: Mutex<BTreeMap<UsagePlace, UsageDelta>>,
}

#[async_trait]
impl Usage for MemoryUsage {
    async fn add(&self, deltas: Vec<UsageDelta>) -> Result<()> {
        let mut rows = self.rows.lock();
        for delta in UsageDelta::merged(deltas) {
            match rows.get_mut(&delta.place()) {
                Some(row) => row.used = row.used.plus(delta.used),
                None => drop(rows.insert(delta.place(), delta)),
            }
        }
        Ok(())
    }

    async fn query(&self, tenant: TenantId, from: Timestamp, to: Timestamp) -> Result<Vec<UsageDelta>> {
        let rows = self.rows.lock();
        let mut found: Vec<UsageDelta> = rows
            .values()
            .filter(|row| row.tenant == tenant && row.hour >= from && row.hour < to)
            .cloned()
            .collect();
        found.sort_by(|one, other| {
            let key = |row: &UsageDelta| (row.hour, row.extension.clone(), row.kind.as_str(), row.contribution.clone());
            key(one).cmp(&key(other))
        });
        Ok(found)
    }

    async fn purge(&self, before: Timestamp, limit: u32) -> Result<u64> {
        let mut rows = self.rows.lock();
        let mut gone: Vec<(Timestamp, UsagePlace)> = rows
            .iter()
            .filter(|(_, row)| row.hour < before)
            .map(|(place, row)| (row.hour, place.clone()))
            .collect();
        gone.sort_unstable();
        gone.truncate(limit as usize);
        for (_, place) in &gone {
            rows.remove(place);
        }
        Ok(gone.len() as u64)
    }
}
