//! Making, listing and revoking API keys.

use oriel_model::Timestamp;
use oriel_model::access::{ApiKey, Principal, Role, Scope};
use oriel_model::id::{KeyId, TenantId};
use oriel_model::page::{Page, PageRequest};
use oriel_store::{NewAudit, StoreError, StoredKey};
use serde_json::json;

use crate::token::Token;
use crate::{Access, AccessError, Actor};

/// What a new key shall be.
#[derive(Debug, Clone)]
pub struct NewKey {
    /// What it is for: 1 to 100 characters.
    pub name: String,
    /// Its role; not above the creator's own.
    pub role: Role,
    /// What it is narrowed to; empty for all that the role has.
    pub scopes: Vec<Scope>,
    /// When it ends, if it does.
    pub expires_at: Option<Timestamp>,
}

/// A new key with its secret, which is never shown again.
#[derive(Debug, Clone)]
pub struct CreatedKey {
    /// The key.
    pub key: ApiKey,
    /// The bearer token.
    pub secret: String,
}

impl Access {
    /// Makes a key in the principal's tenant.
    ///
    /// # Errors
    /// When the principal may not, asks for more than it has itself, or a field is out of range.
    pub async fn create_key(&self, principal: &Principal, new: NewKey) -> Result<CreatedKey, AccessError> {
        Self::require(principal, Scope::AccessWrite)?;
        let now = self.shared.clock.now();
        validate(&new, now)?;
        if new.role > principal.role {
            return Err(AccessError::Forbidden {
                reason: format!("a key of role {} cannot make one of role {}", principal.role, new.role),
            });
        }
        // A narrowed key must not give birth to a wider one.
        let wider = new.scopes.is_empty() || new.scopes.iter().any(|scope| !principal.scopes.contains(scope));
        if !principal.scopes.is_empty() && wider {
            return Err(AccessError::Forbidden {
                reason: "a key that is narrowed to scopes can only make keys within them".to_owned(),
            });
        }
        let id = KeyId::new(now);
        let details = json!({ "name": new.name, "role": new.role, "scopes": new.scopes, "expiresAt": new.expires_at });
        let audit = Actor::Principal(principal).did(now, "key.create", id.to_string(), details);
        self.store_key(principal.tenant, id, new, now, audit).await
    }

    pub(crate) async fn store_key(
        &self,
        tenant: TenantId,
        id: KeyId,
        new: NewKey,
        now: Timestamp,
        audit: NewAudit,
    ) -> Result<CreatedKey, AccessError> {
        let (secret, token) = Token::generate(id);
        let key = self.store_token(tenant, token, new, now, audit).await?;
        Ok(CreatedKey { key, secret })
    }

    pub(crate) async fn store_token(
        &self,
        tenant: TenantId,
        token: Token,
        new: NewKey,
        now: Timestamp,
        audit: NewAudit,
    ) -> Result<ApiKey, AccessError> {
        let key = ApiKey {
            id: token.id,
            name: new.name,
            role: new.role,
            scopes: new.scopes,
            created_at: now,
            expires_at: new.expires_at,
            revoked_at: None,
        };
        self.shared
            .keys
            .create(
                StoredKey {
                    tenant,
                    key: key.clone(),
                    secret_hash: token.secret_hash,
                },
                audit,
            )
            .await?;
        Ok(key)
    }

    /// The tenant's keys, newest first.
    ///
    /// # Errors
    /// When the principal may not, or the cursor is foreign.
    pub async fn list_keys(&self, principal: &Principal, page: PageRequest) -> Result<Page<ApiKey>, AccessError> {
        Self::require(principal, Scope::AccessRead)?;
        Ok(self.shared.keys.list(principal.tenant, page).await?)
    }

    /// Revokes a key of the principal's tenant; revoking it again answers the same.
    ///
    /// # Errors
    /// When the principal may not, the key is of a higher role, unknown, or the last owner's.
    pub async fn revoke_key(&self, principal: &Principal, id: &str) -> Result<ApiKey, AccessError> {
        Self::require(principal, Scope::AccessWrite)?;
        let unknown = || AccessError::KeyNotFound {
            id: id.chars().take(64).collect(),
        };
        let key_id: KeyId = id.parse().map_err(|_| unknown())?;
        let stored = self
            .shared
            .keys
            .find(key_id)
            .await?
            .filter(|stored| stored.tenant == principal.tenant)
            .ok_or_else(unknown)?;
        if stored.key.role > principal.role {
            return Err(AccessError::Forbidden {
                reason: format!("a key of role {} cannot revoke one of role {}", principal.role, stored.key.role),
            });
        }
        let now = self.shared.clock.now();
        let audit = Actor::Principal(principal).did(now, "key.revoke", id, json!({ "name": stored.key.name }));
        let revoked = self.shared.keys.revoke(principal.tenant, key_id, now, true, audit).await;
        self.shared.cache.forget(key_id);
        match revoked {
            Ok(key) => key.ok_or_else(unknown),
            Err(StoreError::Conflict { .. }) => Err(AccessError::LastOwner),
            Err(error) => Err(error.into()),
        }
    }
}

fn validate(new: &NewKey, now: Timestamp) -> Result<(), AccessError> {
    let invalid = |reason: &str| Err(AccessError::Invalid { reason: reason.to_owned() });
    if !(1..=100).contains(&new.name.chars().count()) || new.name.chars().any(char::is_control) {
        return invalid("`name` must have 1 to 100 characters and no control characters");
    }
    if new.expires_at.is_some_and(|end| end <= now) {
        return invalid("`expiresAt` must lie in the future");
    }
    if let Some(scope) = new.scopes.iter().find(|scope| Role::needed_for(**scope) > new.role) {
        return Err(AccessError::Invalid {
            reason: format!("the role {} does not have the scope `{scope}`", new.role),
        });
    }
    Ok(())
}
