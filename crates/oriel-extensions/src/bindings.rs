//! Bindings: which contribution is attached to which point, and on what terms.
//!
//! Three parts: changing them (this file; what is refused stands in `check`), looking up what is bound to a point on the way
//! of a call (`lookup` over `index`, in memory), and telling people about them (`status`, `conflicts`). What the operator's file
//! declares is put in place by `declared`.

mod check;
mod conflicts;
mod declared;
mod index;
mod lookup;
mod point;
mod status;

use oriel_access::Access;
use oriel_model::access::{Principal, Scope};
use oriel_model::binding::{Binding, BindingKind, ContributionRef, MAX_BINDINGS, OnError, OnInvalid, Origin, Terms};
use oriel_model::id::{BindingId, TenantId};
use oriel_model::page::{Page, PageRequest};
use oriel_store::{BindingFilter, StoreError, twin};
use serde_json::{Map, Value, json};

pub use self::conflicts::{Conflict, ConflictKind, Party, Resolution, Way};
pub use self::declared::Declared;
pub(crate) use self::lookup::Slots;
pub use self::lookup::{Around, Bound, BoundToTask, Points};
pub use self::status::{BindingStatus, Inactive};
use crate::change::Change;
use crate::{ExtensionError, Extensions};

/// What a new binding shall be.
#[derive(Debug, Clone, PartialEq)]
pub struct NewBinding {
    /// What is bound.
    pub kind: BindingKind,
    /// Where; see [`BindingKind`].
    pub point: String,
    /// Which contribution.
    pub contribution: ContributionRef,
    /// On what terms.
    pub terms: Terms,
}

/// What to change of a binding; absent fields stay. Fields of two layers are taken away by `Some(None)`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct BindingPatch {
    /// Another point.
    pub point: Option<String>,
    /// Whether it takes part.
    pub enabled: Option<bool>,
    /// Another priority.
    pub priority: Option<i32>,
    /// Another configuration, as a whole.
    pub config: Option<Map<String, Value>>,
    /// Another time limit.
    pub timeout_ms: Option<Option<u64>>,
    /// What its failure means.
    pub on_error: Option<Option<OnError>>,
    /// How often it is tried in all.
    pub attempts: Option<u8>,
    /// Of a validator: whether it judges every call before the reply.
    pub inline: Option<bool>,
    /// Of an inline validator: what `valid: false` means.
    pub on_invalid: Option<OnInvalid>,
}

impl BindingPatch {
    fn apply(self, binding: &mut Binding) {
        let terms = &mut binding.terms;
        let set = |there: &mut bool, new: Option<bool>| *there = new.unwrap_or(*there);
        set(&mut terms.enabled, self.enabled);
        set(&mut terms.inline, self.inline);
        terms.priority = self.priority.unwrap_or(terms.priority);
        terms.attempts = self.attempts.unwrap_or(terms.attempts);
        terms.on_invalid = self.on_invalid.unwrap_or(terms.on_invalid);
        terms.timeout_ms = self.timeout_ms.unwrap_or(terms.timeout_ms);
        terms.on_error = self.on_error.unwrap_or(terms.on_error);
        if let Some(config) = self.config {
            terms.config = config;
        }
        if let Some(point) = self.point {
            binding.point = point;
        }
    }
}

impl Extensions {
    /// Attaches a contribution to a point.
    ///
    /// # Errors
    /// When the principal may not; the extension, the contribution or the hook is not there; the terms or the configuration
    /// do not fit; or the same binding is there already.
    pub async fn create_binding(&self, principal: &Principal, new: NewBinding) -> Result<BindingStatus, ExtensionError> {
        let change = Change::by(principal)?;
        let points = self.points(change.tenant, change.tenant_name);
        if points.count().await? >= MAX_BINDINGS {
            return Err(ExtensionError::BindingTooMany { most: MAX_BINDINGS });
        }
        let now = self.shared.clock.now();
        let binding = Binding {
            id: BindingId::new(now),
            kind: new.kind,
            point: new.point,
            contribution: new.contribution,
            terms: new.terms,
            origin: Origin::Api,
            revision: 1,
            created_at: now,
            updated_at: now,
        };
        self.check_binding(change.tenant, &binding).await?;
        let audit = change.actor.did(now, "binding.create", binding.id.to_string(), told(&binding));
        match self.shared.stores.bindings.insert(change.tenant, binding.clone(), audit).await {
            Ok(()) => {}
            Err(StoreError::Exists { .. }) => return Err(self.exists(change.tenant, &binding).await),
            Err(error) => return Err(error.into()),
        }
        self.refresh_bindings(change.tenant).await;
        self.binding_status(change.tenant, binding).await
    }

    /// Changes a binding's terms or point.
    ///
    /// # Errors
    /// As for [`Extensions::create_binding`]; when there is none, it is declared in the operator's file, or `if_match` names
    /// another revision.
    pub async fn update_binding(
        &self,
        principal: &Principal,
        id: &str,
        patch: BindingPatch,
        if_match: Option<u64>,
    ) -> Result<BindingStatus, ExtensionError> {
        let change = Change::by(principal)?;
        let present = self.own_binding(change.tenant, id, if_match).await?;
        let mut next = present.clone();
        patch.apply(&mut next);
        if next == present {
            return self.binding_status(change.tenant, present).await;
        }
        // Whoever only switches off, or moves, a binding whose extension has changed under it must not be kept from it.
        let harmless = Binding {
            terms: Terms {
                enabled: next.terms.enabled && present.terms.enabled,
                priority: next.terms.priority,
                ..present.terms.clone()
            },
            ..present.clone()
        };
        if next != harmless {
            self.check_binding(change.tenant, &next).await?;
        }
        next.revision = present.revision + 1;
        next.updated_at = self.shared.clock.now();
        let audit = change
            .actor
            .did(next.updated_at, "binding.update", next.id.to_string(), told(&next));
        let update = self
            .shared
            .stores
            .bindings
            .update(change.tenant, next.clone(), present.revision, audit);
        match update.await {
            Ok(()) => {}
            Err(StoreError::Exists { .. }) => return Err(self.exists(change.tenant, &next).await),
            Err(StoreError::Conflict { .. }) => return Err(ExtensionError::BindingChanged { id: next.id }),
            Err(error) => return Err(error.into()),
        }
        self.refresh_bindings(change.tenant).await;
        self.binding_status(change.tenant, next).await
    }

    /// Takes a binding away.
    ///
    /// # Errors
    /// When the principal may not, there is none, it is declared in the operator's file, or `if_match` names another revision.
    pub async fn delete_binding(&self, principal: &Principal, id: &str, if_match: Option<u64>) -> Result<(), ExtensionError> {
        let change = Change::by(principal)?;
        let present = self.own_binding(change.tenant, id, if_match).await?;
        let now = self.shared.clock.now();
        let audit = change.actor.did(now, "binding.delete", present.id.to_string(), told(&present));
        let delete = self
            .shared
            .stores
            .bindings
            .delete(change.tenant, present.id, present.revision, audit);
        match delete.await {
            Ok(()) => {}
            Err(StoreError::Conflict { .. }) => return Err(ExtensionError::BindingChanged { id: present.id }),
            Err(error) => return Err(error.into()),
        }
        self.refresh_bindings(change.tenant).await;
        Ok(())
    }

    /// One binding.
    ///
    /// # Errors
    /// When the principal may not, or there is none.
    pub async fn binding(&self, principal: &Principal, id: &str) -> Result<BindingStatus, ExtensionError> {
        Access::require(principal, Scope::ExtensionsRead)?;
        let binding = self.find_binding(principal.tenant, id).await?;
        self.binding_status(principal.tenant, binding).await
    }

    /// The tenant's bindings by id.
    ///
    /// # Errors
    /// When the principal may not, or the cursor is foreign.
    pub async fn bindings(
        &self,
        principal: &Principal,
        filter: &BindingFilter,
        page: PageRequest,
    ) -> Result<Page<BindingStatus>, ExtensionError> {
        Access::require(principal, Scope::ExtensionsRead)?;
        let page = self.shared.stores.bindings.list(principal.tenant, filter, page).await?;
        let items = self.binding_statuses(principal.tenant, page.items).await?;
        Ok(Page {
            items,
            next_cursor: page.next_cursor,
        })
    }

    async fn find_binding(&self, tenant: TenantId, id: &str) -> Result<Binding, ExtensionError> {
        let found = match id.parse::<BindingId>() {
            Ok(id) => self.shared.stores.bindings.get(tenant, id).await?,
            Err(_) => None,
        };
        found.ok_or_else(|| ExtensionError::BindingNotFound {
            id: id.chars().take(64).collect(),
        })
    }

    /// A binding that the API may change, at the revision that `if_match` names.
    async fn own_binding(&self, tenant: TenantId, id: &str, if_match: Option<u64>) -> Result<Binding, ExtensionError> {
        let binding = self.find_binding(tenant, id).await?;
        if binding.origin == Origin::File {
            return Err(ExtensionError::BindingFromFile { id: binding.id });
        }
        if if_match.is_some_and(|wanted| wanted != binding.revision) {
            return Err(ExtensionError::BindingChanged { id: binding.id });
        }
        Ok(binding)
    }

    /// Which binding it is that stands in the way of the same one.
    async fn exists(&self, tenant: TenantId, binding: &Binding) -> ExtensionError {
        let filter = BindingFilter {
            kind: Some(binding.kind),
            point: Some(binding.point.clone()),
            extension: Some(binding.contribution.extension.clone()),
        };
        let page = PageRequest {
            limit: PageRequest::MAX_LIMIT,
            cursor: None,
        };
        let wanted = twin(binding);
        let there = match self.shared.stores.bindings.list(tenant, &filter, page).await {
            Ok(page) => page.items.into_iter().find(|other| twin(other) == wanted).map(|other| other.id),
            Err(_) => None,
        };
        ExtensionError::BindingExists {
            contribution: binding.contribution.to_string(),
            point: binding.point.clone(),
            there,
        }
    }
}

/// What the audit log tells of a binding. Not its configuration, which may be long; its digest shows whether it changed.
fn told(binding: &Binding) -> Value {
    json!({
        "kind": binding.kind,
        "point": binding.point,
        "contribution": binding.contribution.to_string(),
        "enabled": binding.terms.enabled,
        "priority": binding.terms.priority,
        "onError": binding.terms.on_error,
        "inline": binding.terms.inline,
        "config": oriel_model::Digest::of(Value::Object(binding.terms.config.clone()).to_string().as_bytes()).to_string(),
        "origin": binding.origin,
        "revision": binding.revision,
    })
}
