use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;
use std::sync::Arc;

use async_trait::async_trait;
use oriel_model::Digest;
use oriel_model::id::TenantId;
use oriel_model::installation::{Installation, Release};
use oriel_model::page::{Page, PageRequest};
use parking_lot::Mutex;

use super::anomalies::MemoryBaselines;
use super::audit::MemoryAudit;
use super::bindings::MemoryBindings;
use super::canaries::MemoryCanaries;
use super::key_value::MemoryKeyValue;
use super::logs::MemoryLogs;
use crate::{Installations, KvScope, NewAudit, Result, StoreError, cursor};

const CONFLICT: StoreError = StoreError::Conflict { what: "installation" };

#[derive(Default)]
struct State {
    installations: BTreeMap<(TenantId, String), Installation>,
    /// The package of each version that a tenant ever had.
    releases: HashMap<(TenantId, String, String), Digest>,
}

pub(super) struct MemoryInstallations {
    state: Mutex<State>,
    audit: Arc<MemoryAudit>,
    key_value: Arc<MemoryKeyValue>,
    logs: Arc<MemoryLogs>,
    bindings: Arc<MemoryBindings>,
    canaries: Arc<MemoryCanaries>,
    baselines: Arc<MemoryBaselines>,
}

impl MemoryInstallations {
    pub(super) fn new(
        audit: Arc<MemoryAudit>,
        key_value: Arc<MemoryKeyValue>,
        logs: Arc<MemoryLogs>,
        bindings: Arc<MemoryBindings>,
        canaries: Arc<MemoryCanaries>,
        baselines: Arc<MemoryBaselines>,
    ) -> Self {
        Self {
            state: Mutex::default(),
            audit,
            key_value,
            logs,
            bindings,
            canaries,
            baselines,
        }
    }

    /// How many a tenant has.
    pub(super) fn count(&self, tenant: TenantId) -> u64 {
        let state = self.state.lock();
        state.installations.keys().filter(|(of, _)| *of == tenant).count() as u64
    }
}

fn place(installation: &Installation) -> (TenantId, String) {
    (installation.tenant, installation.name.as_str().to_owned())
}

#[async_trait]
impl Installations for MemoryInstallations {
    async fn insert(&self, installation: Installation, audit: NewAudit) -> Result<()> {
        let mut state = self.state.lock();
        if state.installations.contains_key(&place(&installation)) {
            return Err(StoreError::Exists { what: "installation" });
        }
        self.audit.add(installation.tenant, audit);
        state.installations.insert(place(&installation), installation);
        Ok(())
    }

    async fn get(&self, tenant: TenantId, name: &str) -> Result<Option<Installation>> {
        Ok(self.state.lock().installations.get(&(tenant, name.to_owned())).cloned())
    }

    async fn list(&self, tenant: TenantId, page: PageRequest) -> Result<Page<Installation>> {
        let after = cursor::decode("installations", &page)?;
        let start = after.map_or_else(|| Bound::Included((tenant, String::new())), |name| Bound::Excluded((tenant, name)));
        let state = self.state.lock();
        let range = state.installations.range((start, Bound::Unbounded));
        let items = range
            .take_while(|((of, _), _)| *of == tenant)
            .take(cursor::limit(&page) + 1)
            .map(|(_, installation)| installation.clone())
            .collect();
        Ok(cursor::page("installations", &page, items, |item: &Installation| {
            item.name.as_str().to_owned()
        }))
    }

    async fn update(&self, installation: Installation, expected: u64, audit: NewAudit) -> Result<()> {
        let mut state = self.state.lock();
        let stored = state.installations.get_mut(&place(&installation));
        let stored = stored.filter(|stored| stored.revision == expected).ok_or(CONFLICT)?;
        self.audit.add(installation.tenant, audit);
        *stored = installation;
        Ok(())
    }

    async fn delete(&self, tenant: TenantId, name: &str, expected: u64, audit: NewAudit) -> Result<()> {
        let mut state = self.state.lock();
        let place = (tenant, name.to_owned());
        if state.installations.get(&place).is_none_or(|stored| stored.revision != expected) {
            return Err(CONFLICT);
        }
        let gone = state.installations.remove(&place).ok_or(CONFLICT)?;
        self.audit.add(tenant, audit);
        self.logs.forget(tenant, &gone.name);
        self.bindings.forget(tenant, &gone.name);
        self.canaries.forget_all(tenant, gone.name.as_str());
        self.baselines.forget_all(tenant, gone.name.as_str());
        self.key_value.forget(&KvScope {
            tenant,
            extension: gone.name,
        });
        Ok(())
    }

    async fn record_release(&self, tenant: TenantId, release: &Release) -> Result<()> {
        let version = release.manifest.version.to_string();
        let mut state = self.state.lock();
        let known = state
            .releases
            .entry((tenant, release.manifest.name.as_str().to_owned(), version))
            .or_insert(release.package);
        if *known == release.package {
            Ok(())
        } else {
            Err(StoreError::Exists { what: "release" })
        }
    }

    async fn uses_package(&self, package: Digest) -> Result<bool> {
        let state = self.state.lock();
        Ok(state.installations.values().any(|installation| {
            installation.release.package == package
                || installation.canary.as_ref().is_some_and(|canary| canary.release.package == package)
                || installation.pending.as_ref().is_some_and(|pending| pending.package == package)
                || installation
                    .previous
                    .as_ref()
                    .is_some_and(|previous| previous.release.package == package)
        }))
    }
}
