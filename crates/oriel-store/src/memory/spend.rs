use std::collections::BTreeMap;

use async_trait::async_trait;
use oriel_model::Timestamp;
use oriel_model::id::TenantId;
use oriel_model::name::ExtensionName;
use parking_lot::Mutex;

use crate::{ModelSpend, Result, SpendCaps, SpendDay, StoreError};

#[derive(Default)]
pub(super) struct MemorySpend {
    days: Mutex<BTreeMap<(TenantId, ExtensionName, Timestamp), u64>>,
}

#[async_trait]
impl ModelSpend for MemorySpend {
    async fn set_aside(&self, tenant: TenantId, extension: &ExtensionName, on: SpendDay, amount: u64, caps: SpendCaps) -> Result<()> {
        let mut days = self.days.lock();
        let since = |from: Timestamp| {
            let days = days.range((tenant, extension.clone(), from)..);
            let days = days.take_while(|((owner, name, _), _)| *owner == tenant && name == extension);
            days.map(|(_, spent)| *spent).sum::<u64>()
        };
        for (what, cap, from) in [("spend_per_day", caps.day, on.day), ("spend_per_month", caps.month, on.month)] {
            if cap.is_some_and(|cap| since(from).saturating_add(amount) > cap) {
                return Err(StoreError::Quota { what });
            }
        }
        *days.entry((tenant, extension.clone(), on.day)).or_default() += amount;
        Ok(())
    }

    async fn settle(&self, tenant: TenantId, extension: &ExtensionName, day: Timestamp, set_aside: u64, spent: u64) -> Result<()> {
        if let Some(sum) = self.days.lock().get_mut(&(tenant, extension.clone(), day)) {
            *sum = sum.saturating_sub(set_aside).saturating_add(spent);
        }
        Ok(())
    }

    async fn spent(&self, tenant: TenantId, extension: &ExtensionName, from: Timestamp) -> Result<u64> {
        let days = self.days.lock();
        let own = days
            .iter()
            .filter(|((owner, name, day), _)| *owner == tenant && name == extension && *day >= from);
        Ok(own.map(|(_, spent)| *spent).sum())
    }

    async fn purge(&self, before: Timestamp, limit: u32) -> Result<u64> {
        let mut days = self.days.lock();
        let mut gone: Vec<_> = days.keys().filter(|(_, _, day)| *day < before).cloned().collect();
        gone.sort_unstable_by_key(|(_, _, day)| *day);
        gone.truncate(limit as usize);
        for place in &gone {
            days.remove(place);
        }
        Ok(gone.len() as u64)
    }
}
