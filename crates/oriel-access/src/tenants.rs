//! Making tenants, the first one included.

use oriel_model::access::{ApiKey, Principal, Role, Scope, Tenant};
use oriel_model::id::{KeyId, TenantId};
use oriel_model::name::TenantName;
use oriel_model::page::{Page, PageRequest};
use oriel_store::StoreError;
use serde_json::json;

use crate::token::Token;
use crate::{Access, AccessError, Actor, CreatedKey, NewKey};

/// The tenant that exists from the first start on; its owners manage the others.
const DEFAULT: &str = "default";

/// What the first start did.
#[derive(Debug, Clone)]
pub struct Bootstrap {
    /// The tenant `default`.
    pub tenant: Tenant,
    /// The owner key that was made for it now, to be shown once. Nothing on later starts and when the operator
    /// brought a key.
    pub created: Option<CreatedKey>,
}

/// A new tenant and its first owner key.
#[derive(Debug, Clone)]
pub struct CreatedTenant {
    /// The tenant.
    pub tenant: Tenant,
    /// Its owner key, shown once.
    pub owner: CreatedKey,
}

impl Access {
    /// Whether this principal manages the platform: an owner of the tenant `default`. What concerns all tenants is shown to no other.
    #[must_use]
    pub fn manages_platform(principal: &Principal) -> bool {
        require_platform_owner(principal).is_ok()
    }

    /// Makes sure that the tenant `default` exists and has an owner key: `operator_key` when the operator brings
    /// one, else a new one on the first start. Safe with several nodes at once.
    ///
    /// # Errors
    /// [`AccessError::Invalid`] when `operator_key` cannot be a key, or the store's error.
    pub async fn bootstrap(&self, operator_key: Option<&str>) -> Result<Bootstrap, AccessError> {
        let operator_key = operator_key.map(|text| {
            let reason = "the bootstrap key must have 24 to 256 visible ASCII characters".to_owned();
            Token::parse(text).ok_or(AccessError::Invalid { reason })
        });
        let operator_key = operator_key.transpose()?;
        let now = self.shared.clock.now();
        let (tenant, first) = match self.shared.tenants.by_name(DEFAULT).await? {
            Some(tenant) => (tenant, false),
            None => self.make_default(now).await?,
        };
        let owner = NewKey {
            name: "owner (first start)".to_owned(),
            role: Role::Owner,
            scopes: Vec::new(),
            expires_at: None,
            service_account: None,
            rate_limit: None,
        };
        let audit = |id: KeyId| Actor::System.did(now, "key.create", id.to_string(), json!({ "name": owner.name, "role": owner.role }));
        let created = match operator_key {
            Some(token) => {
                let known = self.shared.keys.find(token.id).await?;
                if known.is_none() {
                    let audit = audit(token.id);
                    ignore_exists(self.store_token(tenant.id, token, owner, now, audit).await)?;
                }
                None
            }
            None if first => {
                let id = KeyId::new(now);
                let audit = audit(id);
                Some(self.store_key(tenant.id, id, owner, now, audit).await?)
            }
            None => None,
        };
        Ok(Bootstrap { tenant, created })
    }

    /// The tenant `default`, and whether it was this node that made it.
    async fn make_default(&self, now: oriel_model::Timestamp) -> Result<(Tenant, bool), AccessError> {
        let name: TenantName = DEFAULT.parse().expect("a valid name");
        let tenant = Tenant {
            id: TenantId::new(now),
            name,
            display_name: "Default".to_owned(),
            created_at: now,
        };
        let audit = Actor::System.did(now, "tenant.create", tenant.id.to_string(), json!({ "name": DEFAULT }));
        match self.shared.tenants.create(tenant.clone(), audit).await {
            Ok(()) => Ok((tenant, true)),
            Err(StoreError::Exists { .. }) => {
                let tenant = self.shared.tenants.by_name(DEFAULT).await?;
                Ok((tenant.ok_or(StoreError::Conflict { what: "tenant" })?, false))
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Makes a tenant with its first owner key. Only owners of the tenant `default` may.
    ///
    /// # Errors
    /// When the principal may not, or the name is taken or out of range.
    pub async fn create_tenant(&self, principal: &Principal, name: TenantName, display_name: String) -> Result<CreatedTenant, AccessError> {
        self.require_platform(principal)?;
        if display_name.chars().count() > 100 || display_name.chars().any(char::is_control) {
            return Err(AccessError::Invalid {
                reason: "`displayName` must have at most 100 characters and no control characters".to_owned(),
            });
        }
        let now = self.shared.clock.now();
        let tenant = Tenant {
            id: TenantId::new(now),
            name,
            display_name,
            created_at: now,
        };
        let actor = Actor::Principal(principal);
        let audit = actor.did(now, "tenant.create", tenant.id.to_string(), json!({ "name": tenant.name }));
        match self.shared.tenants.create(tenant.clone(), audit).await {
            Ok(()) => {}
            Err(StoreError::Exists { .. }) => {
                return Err(AccessError::TenantExists {
                    name: tenant.name.to_string(),
                });
            }
            Err(error) => return Err(error.into()),
        }
        let owner = NewKey {
            name: "owner".to_owned(),
            role: Role::Owner,
            scopes: Vec::new(),
            expires_at: None,
            service_account: None,
            rate_limit: None,
        };
        let id = KeyId::new(now);
        let audit = actor.did(now, "key.create", id.to_string(), json!({ "name": owner.name, "role": owner.role }));
        let owner = self.store_key(tenant.id, id, owner, now, audit).await?;
        Ok(CreatedTenant { tenant, owner })
    }

    /// Every tenant, by name. Only owners of the tenant `default` may ask.
    ///
    /// # Errors
    /// When the principal may not, or the cursor is foreign.
    pub async fn list_tenants(&self, principal: &Principal, page: PageRequest) -> Result<Page<Tenant>, AccessError> {
        self.require_platform(principal)?;
        Ok(self.shared.tenants.list(page).await?)
    }

    /// The principal's own tenant.
    ///
    /// # Errors
    /// The store's error.
    pub async fn tenant_of(&self, principal: &Principal) -> Result<Tenant, AccessError> {
        self.shared.tenants.get(principal.tenant).await?.ok_or(AccessError::Unauthenticated)
    }

    /// The tenant with this name, for the platform's own work (a watched directory).
    ///
    /// # Errors
    /// The store's error.
    pub async fn tenant_named(&self, name: &str) -> Result<Option<Tenant>, AccessError> {
        Ok(self.shared.tenants.by_name(name).await?)
    }
}

impl Access {
    /// Refuses, on record, who is no owner of the platform.
    pub(crate) fn require_platform(&self, principal: &Principal) -> Result<(), AccessError> {
        require_platform_owner(principal).inspect_err(|_| {
            let details = json!({ "missing": Scope::TenantsWrite, "tenant": DEFAULT });
            let now = self.shared.clock.now();
            self.shared.refusals.write(principal, "access.refused", "platform", details, now);
        })
    }
}

fn require_platform_owner(principal: &Principal) -> Result<(), AccessError> {
    Access::require(principal, Scope::TenantsWrite)?;
    if principal.tenant_name.as_str() == DEFAULT {
        return Ok(());
    }
    Err(AccessError::Forbidden {
        reason: "only owners of the tenant `default` manage tenants".to_owned(),
    })
}

fn ignore_exists(result: Result<ApiKey, AccessError>) -> Result<(), AccessError> {
    match result {
        Ok(_) | Err(AccessError::Store(StoreError::Exists { .. })) => Ok(()),
        Err(error) => Err(error),
    }
}
