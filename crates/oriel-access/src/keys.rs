//! Making, listing and revoking API keys.

use std::time::Duration;

use oriel_model::Timestamp;
use oriel_model::access::{ApiKey, Principal, PrincipalId, Role, Scope};
use oriel_model::id::{KeyId, ServiceAccountId, TenantId};
use oriel_model::member::MemberKind;
use oriel_model::page::{Page, PageRequest};
use oriel_model::quota::RateLimit;
use oriel_store::{NewAudit, StoreError, StoredKey};
use serde_json::json;

use crate::quotas::Counted;
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
    /// The service account that shall own it, by id or name.
    pub service_account: Option<String>,
    /// How often it may ask, below what its tenant may.
    pub rate_limit: Option<RateLimit>,
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
        let _room = self.require_room(principal.tenant, Counted::Keys).await?;
        let new = NewKey {
            service_account: self.owner_of(principal, &new).await?,
            ..new
        };
        let id = KeyId::new(now);
        let details = json!({ "name": new.name, "serviceAccount": new.service_account, "rateLimit": new.rate_limit, "role": new.role, "scopes": new.scopes, "expiresAt": new.expires_at });
        let audit = Actor::Principal(principal).did(now, "key.create", id.to_string(), details);
        self.store_key(principal.tenant, id, new, now, audit).await
    }

    /// The id of the service account that shall own the key; it must be at least of the key's role.
    async fn owner_of(&self, principal: &Principal, new: &NewKey) -> Result<Option<String>, AccessError> {
        let Some(account) = &new.service_account else { return Ok(None) };
        let member = self.find_member(principal.tenant, account).await?;
        if member.kind != MemberKind::ServiceAccount {
            return Err(AccessError::Invalid {
                reason: "`serviceAccount` names a user; people sign in, and have no keys".to_owned(),
            });
        }
        if new.role > member.role {
            return Err(AccessError::Invalid {
                reason: format!(
                    "the service account is of role {}, so its keys cannot be of role {}",
                    member.role, new.role
                ),
            });
        }
        Ok(Some(member.id.to_string()))
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
            service_account: new.service_account.as_deref().and_then(|id| id.parse().ok()),
            rate_limit: new.rate_limit,
            created_at: now,
            expires_at: new.expires_at,
            last_used_at: None,
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

    /// Notes that a key was used, once an hour at most and behind the request's back.
    pub(crate) fn used(&self, tenant: TenantId, key: &ApiKey, now: Timestamp) {
        const HOUR: Duration = Duration::from_secs(3_600);
        if key.last_used_at.is_some_and(|at| now.since(at) < HOUR && at <= now) {
            return;
        }
        let (keys, id) = (self.shared.keys.clone(), key.id);
        tokio::spawn(async move {
            if let Err(error) = keys.used(tenant, id, now).await {
                tracing::debug!(%error, "the use of a key was not noted");
            }
        });
    }

    /// The tenant's keys, newest first.
    ///
    /// # Errors
    /// When the principal may not, or the cursor is foreign.
    pub async fn list_keys(&self, principal: &Principal, page: PageRequest) -> Result<Page<ApiKey>, AccessError> {
        Self::require(principal, Scope::AccessRead)?;
        Ok(self.shared.keys.list(principal.tenant, page).await?)
    }

    /// A key or member of the principal's tenant as it would act itself. A service account acts by a key of its own role.
    pub(crate) async fn as_principal(&self, principal: &Principal, id: PrincipalId) -> Result<Principal, AccessError> {
        let unknown = || match id {
            PrincipalId::Key(_) => AccessError::KeyNotFound { id: id.to_string() },
            _ => AccessError::MemberNotFound { id: id.to_string() },
        };
        let tenant = principal.tenant;
        let (name, role, scopes, service_account) = match id {
            PrincipalId::Key(key) => {
                let stored = self.shared.keys.find(key).await?.filter(|stored| stored.tenant == tenant);
                let key = stored.ok_or_else(unknown)?.key;
                let role = self
                    .effective_role(tenant, key.role, key.service_account)
                    .await?
                    .ok_or_else(unknown)?;
                (key.name, role, key.scopes, key.service_account)
            }
            PrincipalId::User(_) | PrincipalId::ServiceAccount(_) => {
                let member = self.shared.store.members.get(tenant, id).await?.ok_or_else(unknown)?;
                let account = match id {
                    PrincipalId::ServiceAccount(account) => Some(account),
                    _ => None,
                };
                (member.name, member.role, Vec::new(), account)
            }
        };
        Ok(Principal {
            id,
            name,
            role,
            scopes,
            service_account,
            mfa: false,
            ..principal.clone()
        })
    }

    /// What a key may do at most, if its service account is still there.
    pub(crate) async fn effective_role(
        &self,
        tenant: TenantId,
        role: Role,
        account: Option<ServiceAccountId>,
    ) -> Result<Option<Role>, AccessError> {
        let Some(account) = account else { return Ok(Some(role)) };
        let account = self.shared.store.members.get(tenant, PrincipalId::ServiceAccount(account)).await?;
        Ok(account.map(|account| account.role.min(role)))
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
    if new.rate_limit.is_some_and(|rate| !rate.is_valid()) {
        return invalid("`requestsPerSecond` and `burst` must be from 1 to 1000000");
    }
    if let Some(scope) = new.scopes.iter().find(|scope| Role::needed_for(**scope) > new.role) {
        return Err(AccessError::Invalid {
            reason: format!("the role {} does not have the scope `{scope}`", new.role),
        });
    }
    Ok(())
}
