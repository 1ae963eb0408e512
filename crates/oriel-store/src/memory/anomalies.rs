use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use oriel_model::Timestamp;
use oriel_model::anomaly::{Anomaly, AnomalyState};
use oriel_model::id::{AnomalyId, InstallationId, TenantId};
use oriel_model::page::{Page, PageRequest};
use parking_lot::Mutex;

use super::audit::MemoryAudit;
use crate::{Anomalies, AnomalyFilter, Baselines, KnownHost, NewAudit, Raised, Result, StoreError, cursor};

/// The name of the list, for its cursors.
const LIST: &str = "anomalies";

#[derive(Default)]
pub(super) struct MemoryBaselines {
    state: Mutex<Learned>,
}

#[derive(Default)]
struct Learned {
    /// By tenant, extension and node.
    rows: BTreeMap<(TenantId, String, String), String>,
    /// By tenant, extension and host.
    hosts: BTreeMap<(TenantId, String, String), Timestamp>,
}

impl MemoryBaselines {
    /// Called by the installations, whose lock comes before this one.
    pub(super) fn forget_all(&self, tenant: TenantId, extension: &str) {
        let mut state = self.state.lock();
        state.rows.retain(|(of, name, _), _| !(*of == tenant && name == extension));
        state.hosts.retain(|(of, name, _), _| !(*of == tenant && name == extension));
    }
}

#[async_trait]
impl Baselines for MemoryBaselines {
    async fn get(&self, tenant: TenantId, extension: &str, node: &str) -> Result<Option<String>> {
        let place = (tenant, extension.to_owned(), node.to_owned());
        Ok(self.state.lock().rows.get(&place).cloned())
    }

    async fn put(&self, tenant: TenantId, extension: &str, node: &str, body: String) -> Result<()> {
        let place = (tenant, extension.to_owned(), node.to_owned());
        self.state.lock().rows.insert(place, body);
        Ok(())
    }

    async fn meet(&self, tenant: TenantId, extension: &str, hosts: Vec<String>, at: Timestamp) -> Result<Vec<String>> {
        let mut state = self.state.lock();
        let mut new = Vec::new();
        for host in hosts {
            let place = (tenant, extension.to_owned(), host.clone());
            if let std::collections::btree_map::Entry::Vacant(vacant) = state.hosts.entry(place) {
                vacant.insert(at);
                new.push(host);
            }
        }
        Ok(new)
    }

    async fn hosts(&self, tenant: TenantId, extension: &str, limit: u32) -> Result<Vec<KnownHost>> {
        let state = self.state.lock();
        let hosts = state.hosts.iter().filter(|((of, name, _), _)| *of == tenant && name == extension);
        let hosts = hosts.map(|((_, _, host), at)| KnownHost {
            host: host.clone(),
            first_seen: *at,
        });
        Ok(hosts.take(limit as usize).collect())
    }
}

pub(super) struct MemoryAnomalies {
    rows: Mutex<BTreeMap<(TenantId, AnomalyId), Anomaly>>,
    audit: Arc<MemoryAudit>,
}

impl MemoryAnomalies {
    pub(super) fn new(audit: Arc<MemoryAudit>) -> Self {
        Self {
            rows: Mutex::default(),
            audit,
        }
    }
}

#[async_trait]
impl Anomalies for MemoryAnomalies {
    async fn raise(&self, tenant: TenantId, anomaly: Anomaly, since: Timestamp, audit: NewAudit) -> Result<Raised> {
        let mut rows = self.rows.lock();
        let series = anomaly.series();
        let there = rows.iter_mut().rev().find(|((of, _), there)| {
            *of == tenant
                && there.extension == anomaly.extension
                && there.installation == anomaly.installation
                && there.state != AnomalyState::Dismissed
                && there.to >= since
                && there.series() == series
        });
        if let Some((_, there)) = there {
            there.seen_again(&anomaly);
            return Ok(Raised::Again(Box::new(there.clone())));
        }
        self.audit.add(tenant, audit);
        rows.insert((tenant, anomaly.id), anomaly);
        Ok(Raised::New)
    }

    async fn get(&self, tenant: TenantId, id: AnomalyId) -> Result<Option<Anomaly>> {
        Ok(self.rows.lock().get(&(tenant, id)).cloned())
    }

    async fn list(&self, tenant: TenantId, filter: &AnomalyFilter, page: PageRequest) -> Result<Page<Anomaly>> {
        let before = cursor::decode(LIST, &page)?;
        let rows = self.rows.lock();
        let found = rows.iter().rev().filter(|((of, id), anomaly)| {
            *of == tenant
                && filter.extension.as_ref().is_none_or(|name| anomaly.extension == *name)
                && filter.state.is_none_or(|state| anomaly.state == state)
                && before.as_ref().is_none_or(|before| id.to_string() < *before)
        });
        let found = found.take(cursor::limit(&page) + 1).map(|(_, anomaly)| anomaly.clone()).collect();
        Ok(cursor::page(LIST, &page, found, |anomaly: &Anomaly| anomaly.id.to_string()))
    }

    async fn dismissed(&self, tenant: TenantId, installation: InstallationId, series: &str) -> Result<Vec<Anomaly>> {
        let rows = self.rows.lock();
        let found = rows.iter().rev().filter(|((of, _), anomaly)| {
            *of == tenant && anomaly.installation == installation && anomaly.state == AnomalyState::Dismissed && anomaly.series() == series
        });
        Ok(found.take(100).map(|(_, anomaly)| anomaly.clone()).collect())
    }

    async fn update(&self, tenant: TenantId, anomaly: Anomaly, expected: u64, audit: NewAudit) -> Result<()> {
        let mut rows = self.rows.lock();
        let there = rows.get_mut(&(tenant, anomaly.id)).filter(|there| there.revision == expected);
        let there = there.ok_or(StoreError::Conflict { what: "anomaly" })?;
        self.audit.add(tenant, audit);
        *there = anomaly;
        Ok(())
    }

    async fn purge(&self, before: Timestamp, limit: u32) -> Result<u64> {
        let mut rows = self.rows.lock();
        let old = rows.iter().filter(|(_, anomaly)| anomaly.to < before);
        let mut old: Vec<_> = old.map(|(place, anomaly)| (anomaly.to, *place)).collect();
        old.sort_unstable();
        old.truncate(limit as usize);
        for (_, place) in &old {
            rows.remove(place);
        }
        Ok(old.len() as u64)
    }
}
