use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use async_trait::async_trait;
use oriel_model::binding::{Binding, Origin};
use oriel_model::id::{BindingId, TenantId};
use oriel_model::name::ExtensionName;
use oriel_model::page::{Page, PageRequest};
use parking_lot::Mutex;

use super::audit::MemoryAudit;
use crate::{BindingChange, BindingFilter, Bindings, NewAudit, Result, StoreError, Versioned, cursor, goes_with_its_extension, twin};

const CONFLICT: StoreError = StoreError::Conflict { what: "binding" };
const EXISTS: StoreError = StoreError::Exists { what: "binding" };

#[derive(Clone, Default)]
struct Held {
    version: u64,
    by_id: BTreeMap<BindingId, Binding>,
}

impl Held {
    fn put(&mut self, binding: Binding) -> Result<()> {
        let same = twin(&binding);
        if self.by_id.values().any(|other| other.id != binding.id && twin(other) == same) {
            return Err(EXISTS);
        }
        self.by_id.insert(binding.id, binding);
        Ok(())
    }
}

pub(super) struct MemoryBindings {
    tenants: Mutex<HashMap<TenantId, Held>>,
    audit: Arc<MemoryAudit>,
}

impl MemoryBindings {
    pub(super) fn new(audit: Arc<MemoryAudit>) -> Self {
        Self {
            tenants: Mutex::default(),
            audit,
        }
    }

    /// Drops all bindings of a tenant's extension.
    pub(super) fn forget(&self, tenant: TenantId, extension: &ExtensionName) {
        if let Some(held) = self.tenants.lock().get_mut(&tenant) {
            let before = held.by_id.len();
            held.by_id
                .retain(|_, binding| binding.contribution.extension != *extension || !goes_with_its_extension(binding));
            held.version += u64::from(held.by_id.len() < before);
        }
    }

    /// Makes a change with its audit entry, or neither.
    fn change(&self, tenant: TenantId, audit: NewAudit, change: impl FnOnce(&mut Held) -> Result<()>) -> Result<()> {
        let mut tenants = self.tenants.lock();
        let held = tenants.entry(tenant).or_default();
        let mut next = held.clone();
        change(&mut next)?;
        next.version += 1;
        self.audit.add(tenant, audit);
        *held = next;
        Ok(())
    }
}

#[async_trait]
impl Bindings for MemoryBindings {
    async fn insert(&self, tenant: TenantId, binding: Binding, audit: NewAudit) -> Result<()> {
        self.change(tenant, audit, |held| match held.by_id.contains_key(&binding.id) {
            true => Err(EXISTS),
            false => held.put(binding),
        })
    }

    async fn get(&self, tenant: TenantId, id: BindingId) -> Result<Option<Binding>> {
        Ok(self.tenants.lock().get(&tenant).and_then(|held| held.by_id.get(&id).cloned()))
    }

    async fn list(&self, tenant: TenantId, filter: &BindingFilter, page: PageRequest) -> Result<Page<Binding>> {
        let after = match cursor::decode("bindings", &page)? {
            Some(place) => Some(place.parse::<BindingId>().map_err(|_| StoreError::Cursor)?),
            None => None,
        };
        let tenants = self.tenants.lock();
        let items = tenants.get(&tenant).into_iter().flat_map(|held| held.by_id.values());
        let items = items
            .filter(|binding| after.is_none_or(|after| binding.id > after) && filter.matches(binding))
            .take(cursor::limit(&page) + 1)
            .cloned()
            .collect();
        Ok(cursor::page("bindings", &page, items, |binding: &Binding| binding.id.to_string()))
    }

    async fn all(&self, tenant: TenantId) -> Result<Versioned<Binding>> {
        let held = self.tenants.lock().get(&tenant).cloned().unwrap_or_default();
        Ok(Versioned {
            version: held.version,
            items: held.by_id.into_values().collect(),
        })
    }

    async fn declared_in_files(&self) -> Result<Vec<TenantId>> {
        let tenants = self.tenants.lock();
        let from_file = |held: &Held| held.by_id.values().any(|binding| binding.origin == Origin::File);
        let mut found: Vec<TenantId> = tenants
            .iter()
            .filter(|(_, held)| from_file(held))
            .map(|(tenant, _)| *tenant)
            .collect();
        found.sort_unstable();
        Ok(found)
    }

    async fn version(&self, tenant: TenantId) -> Result<u64> {
        Ok(self.tenants.lock().get(&tenant).map_or(0, |held| held.version))
    }

    async fn update(&self, tenant: TenantId, binding: Binding, expected: u64, audit: NewAudit) -> Result<()> {
        self.change(tenant, audit, |held| {
            let stored = held.by_id.get(&binding.id);
            stored.filter(|stored| stored.revision == expected).ok_or(CONFLICT)?;
            held.put(binding)
        })
    }

    async fn delete(&self, tenant: TenantId, id: BindingId, expected: u64, audit: NewAudit) -> Result<()> {
        self.change(tenant, audit, |held| {
            let stored = held.by_id.get(&id);
            stored.filter(|stored| stored.revision == expected).ok_or(CONFLICT)?;
            held.by_id.remove(&id);
            Ok(())
        })
    }

    async fn apply(&self, tenant: TenantId, changes: Vec<BindingChange>, expected: u64, audit: NewAudit) -> Result<()> {
        self.change(tenant, audit, |held| {
            if held.version != expected {
                return Err(CONFLICT);
            }
            for change in changes {
                match change {
                    BindingChange::Put(binding) => held.put(binding)?,
                    BindingChange::Remove(id) => drop(held.by_id.remove(&id)),
                }
            }
            Ok(())
        })
    }
}
