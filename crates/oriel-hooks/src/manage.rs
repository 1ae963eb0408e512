//! Declaring hooks.

use oriel_access::{Access, Actor, Principal};
use oriel_model::access::Scope;
use oriel_model::binding::{BindingKind, OnError, Origin};
use oriel_model::hook::{Combine, DEFAULT_TIMEOUT_MS, Hook, HookKind, HookOrder, MAX_CONCURRENCY, MAX_HOOKS, MAX_TIMEOUT_MS};
use oriel_model::id::TenantId;
use oriel_model::name::HookName;
use oriel_model::page::{Page, PageRequest};
use oriel_model::schema::Schema;
use oriel_store::{BindingFilter, NewAudit, StoreError, cursor};
use serde_json::{Value, json};

use crate::{HookError, Hooks, vocabulary};

/// The longest description, in characters.
const MAX_DESCRIPTION: usize = 2_000;
/// How many handlers run side by side when nobody says.
const DEFAULT_CONCURRENCY: u16 = 8;
/// The name of the list, for its cursors.
const LIST: &str = "hooks";

/// What a hook shall be; absent fields take their defaults.
#[derive(Debug, Clone)]
pub struct NewHook {
    /// What its handlers do.
    pub kind: HookKind,
    /// For people; at most 2,000 characters.
    pub description: String,
    /// JSON Schema of the payload; anything.
    pub input_schema: Option<Value>,
    /// JSON Schema of an answer; for a filter the input schema, else anything.
    pub output_schema: Option<Value>,
    /// In which order handlers take part.
    pub order: HookOrder,
    /// How long one fire may take, in milliseconds; [`DEFAULT_TIMEOUT_MS`].
    pub timeout_ms: Option<u64>,
    /// What a handler's failure means where its binding does not say.
    pub on_error: OnError,
    /// How many handlers run side by side, 1 to [`MAX_CONCURRENCY`].
    pub concurrency: Option<u16>,
    /// How answers are combined; the kind's own way.
    pub combine: Option<Combine>,
}

/// Which hooks are wanted; absent fields do not narrow.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct HookFilter {
    /// Of this kind.
    pub kind: Option<HookKind>,
    /// Declared by the tenant ([`Origin::Api`]) or by the platform.
    pub origin: Option<Origin>,
}

impl Hooks {
    /// Declares a hook, or declares it anew. Answers also whether there was none before.
    ///
    /// # Errors
    /// When the principal may not, the name is the platform's, a field is out of range, a schema cannot be used, or
    /// `if_match` names another revision.
    pub async fn put(&self, principal: &Principal, name: HookName, new: NewHook, if_match: Option<u64>) -> Result<(Hook, bool), HookError> {
        Access::require(principal, Scope::TasksWrite)?;
        if vocabulary::find(name.as_str()).is_some() {
            return Err(HookError::Reserved { name: name.to_string() });
        }
        let present = self.shared.stores.hooks.get(principal.tenant, name.as_str()).await?;
        let conflict = || HookError::Precondition { name: name.to_string() };
        if if_match.is_some_and(|wanted| present.as_ref().is_none_or(|present| present.revision != wanted)) {
            return Err(conflict());
        }
        match &present {
            Some(present) if present.kind != new.kind => self.free(principal.tenant, present).await?,
            Some(_) => {}
            None => {
                let declared = self.shared.stores.hooks.all(principal.tenant).await?;
                if declared.items.len() >= MAX_HOOKS {
                    return Err(HookError::TooMany { most: MAX_HOOKS });
                }
            }
        }
        let now = self.shared.clock.now();
        let input_schema = new.input_schema.unwrap_or(Value::Bool(true));
        let output_schema = new.output_schema.unwrap_or_else(|| match new.kind {
            HookKind::Filter => input_schema.clone(),
            _ => Value::Bool(true),
        });
        let hook = Hook {
            kind: new.kind,
            description: new.description,
            input_schema,
            output_schema,
            order: new.order,
            timeout_ms: new.timeout_ms.unwrap_or(DEFAULT_TIMEOUT_MS),
            on_error: new.on_error,
            concurrency: new.concurrency.unwrap_or(DEFAULT_CONCURRENCY),
            combine: new.combine.or(new.kind.default_combine()),
            origin: Origin::Api,
            revision: present.as_ref().map_or(1, |present| present.revision + 1),
            created_at: present.as_ref().map_or(now, |present| present.created_at),
            updated_at: now,
            name,
        };
        validate(&hook)?;
        let audit = self.audit(principal, "hook.put", &hook);
        let expected = present.as_ref().map(|present| present.revision);
        match self.shared.stores.hooks.put(principal.tenant, hook.clone(), expected, audit).await {
            Ok(()) => {}
            Err(StoreError::Conflict { .. } | StoreError::Exists { .. }) => {
                return Err(HookError::Precondition {
                    name: hook.name.to_string(),
                });
            }
            Err(error) => return Err(error.into()),
        }
        self.shared.compiled.forget(principal.tenant);
        Ok((hook, present.is_none()))
    }

    /// The hook of this name, the tenant's or the platform's.
    ///
    /// # Errors
    /// When the principal may not, or there is none.
    pub async fn get(&self, principal: &Principal, name: &str) -> Result<Hook, HookError> {
        Access::require(principal, Scope::TasksRead)?;
        self.find(principal.tenant, name).await
    }

    /// The tenant's hooks and the platform's, by name.
    ///
    /// # Errors
    /// When the principal may not, or the cursor is foreign.
    pub async fn list(&self, principal: &Principal, filter: HookFilter, page: &PageRequest) -> Result<Page<Hook>, HookError> {
        Access::require(principal, Scope::TasksRead)?;
        let after = cursor::decode(LIST, page)?;
        let own = self.shared.stores.hooks.all(principal.tenant).await?.items;
        let wanted = |hook: &Hook| {
            filter.kind.is_none_or(|kind| hook.kind == kind)
                && filter.origin.is_none_or(|origin| hook.origin == origin)
                && after.as_deref().is_none_or(|after| hook.name.as_str() > after)
        };
        // A tenant has at most a thousand.
        let mut hooks: Vec<Hook> = own.into_iter().chain(vocabulary::hooks().iter().cloned()).filter(wanted).collect();
        hooks.sort_by(|a, b| a.name.cmp(&b.name));
        hooks.truncate(cursor::limit(page) + 1);
        Ok(cursor::page(LIST, page, hooks, |hook| hook.name.to_string()))
    }

    /// Takes a hook back. Bindings to it stay, without effect until a hook of this name is declared again.
    ///
    /// # Errors
    /// When the principal may not, there is none, it is the platform's, or `if_match` names another revision.
    pub async fn delete(&self, principal: &Principal, name: &str, if_match: Option<u64>) -> Result<(), HookError> {
        Access::require(principal, Scope::TasksWrite)?;
        let hook = self.find(principal.tenant, name).await?;
        if hook.origin == Origin::Platform {
            return Err(HookError::Reserved { name: name.to_owned() });
        }
        let conflict = || HookError::Precondition { name: name.to_owned() };
        if if_match.is_some_and(|wanted| wanted != hook.revision) {
            return Err(conflict());
        }
        let audit = self.audit(principal, "hook.delete", &hook);
        match self.shared.stores.hooks.delete(principal.tenant, name, hook.revision, audit).await {
            Ok(()) => {}
            Err(StoreError::Conflict { .. }) => return Err(conflict()),
            Err(error) => return Err(error.into()),
        }
        self.shared.compiled.forget(principal.tenant);
        Ok(())
    }

    pub(crate) async fn find(&self, tenant: TenantId, name: &str) -> Result<Hook, HookError> {
        if let Some(hook) = vocabulary::find(name) {
            return Ok(hook.clone());
        }
        let found = match name.parse::<HookName>() {
            Ok(_) => self.shared.stores.hooks.get(tenant, name).await?,
            Err(_) => None,
        };
        found.ok_or_else(|| HookError::NotFound {
            name: name.chars().take(128).collect(),
        })
    }

    /// Whether nothing is bound to the hook.
    async fn free(&self, tenant: TenantId, hook: &Hook) -> Result<(), HookError> {
        let bound = BindingFilter {
            kind: Some(BindingKind::Hook),
            point: Some(hook.name.to_string()),
            extension: None,
        };
        let one = PageRequest { limit: 1, cursor: None };
        if self.shared.stores.bindings.list(tenant, &bound, one).await?.items.is_empty() {
            return Ok(());
        }
        Err(HookError::InUse {
            name: hook.name.to_string(),
        })
    }

    fn audit(&self, principal: &Principal, action: &str, hook: &Hook) -> NewAudit {
        let details = json!({ "kind": hook.kind, "revision": hook.revision });
        Actor::Principal(principal).did(self.shared.clock.now(), action, hook.name.to_string(), details)
    }
}

fn validate(hook: &Hook) -> Result<(), HookError> {
    let invalid = |reason: String| Err(HookError::Invalid { reason });
    if hook.description.chars().count() > MAX_DESCRIPTION {
        return invalid(format!("`description` must have at most {MAX_DESCRIPTION} characters"));
    }
    if !(1..=MAX_TIMEOUT_MS).contains(&hook.timeout_ms) {
        return invalid(format!("`timeoutMs` must be from 1 to {MAX_TIMEOUT_MS}"));
    }
    if !(1..=MAX_CONCURRENCY).contains(&hook.concurrency) {
        return invalid(format!("`concurrency` must be from 1 to {MAX_CONCURRENCY}"));
    }
    if let Some(combine) = hook.combine
        && !hook.kind.combines(combine)
    {
        let how = serde_json::to_string(&combine).unwrap_or_default();
        return invalid(format!("a hook of kind `{}` cannot combine answers by {how}", hook.kind));
    }
    for (field, schema) in [("inputSchema", &hook.input_schema), ("outputSchema", &hook.output_schema)] {
        Schema::compile(schema).map_err(|source| HookError::Schema { field, source })?;
        if *schema == Value::Bool(false) {
            return invalid(format!("`{field}` accepts nothing: no handler could ever answer"));
        }
    }
    Ok(())
}
