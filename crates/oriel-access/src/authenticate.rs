//! From a bearer token to a principal.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use oriel_model::Timestamp;
use oriel_model::access::{Principal, Scope};
use oriel_model::id::KeyId;
use parking_lot::RwLock;
use subtle::ConstantTimeEq as _;

use crate::token::Token;
use crate::{Access, AccessError};

/// How long a key is trusted without a look at the store: the longest time that a revocation on another node
/// takes to be felt here. On the revoking node it is felt at once.
const TRUST: Duration = Duration::from_secs(5);
/// How many keys are remembered; past it the memory starts anew.
const REMEMBER: usize = 10_000;

/// Keys seen lately, by id.
#[derive(Default)]
pub(crate) struct Cache {
    known: RwLock<HashMap<KeyId, Known>>,
}

struct Known {
    secret_hash: [u8; 32],
    principal: Arc<Principal>,
    expires_at: Option<Timestamp>,
    looked_at: Timestamp,
}

impl Cache {
    pub(crate) fn forget(&self, id: KeyId) {
        self.known.write().remove(&id);
    }
}

impl Access {
    /// The principal behind a bearer token.
    ///
    /// # Errors
    /// [`AccessError::Unauthenticated`] when the token is malformed, unknown or its secret is wrong,
    /// [`AccessError::Expired`], [`AccessError::Revoked`], or the store's error.
    pub async fn authenticate(&self, bearer: &str) -> Result<Arc<Principal>, AccessError> {
        let token = Token::parse(bearer).ok_or(AccessError::Unauthenticated)?;
        let now = self.shared.clock.now();
        if let Some(known) = self.shared.cache.known.read().get(&token.id)
            && known.looked_at <= now
            && now.since(known.looked_at) < TRUST
        {
            return check(&known.secret_hash, &token, known.expires_at, now).map(|()| known.principal.clone());
        }
        self.look_up(&token, now).await
    }

    async fn look_up(&self, token: &Token, now: Timestamp) -> Result<Arc<Principal>, AccessError> {
        let stored = self.shared.keys.find(token.id).await?.ok_or(AccessError::Unauthenticated)?;
        // The secret first: whoever does not hold it learns nothing of the key's state.
        check(&stored.secret_hash, token, stored.key.expires_at, now)?;
        if stored.key.revoked_at.is_some() {
            self.shared.cache.forget(token.id);
            return Err(AccessError::Revoked);
        }
        let tenant = self.shared.tenants.get(stored.tenant).await?.ok_or(AccessError::Unauthenticated)?;
        let principal = Arc::new(Principal {
            tenant: tenant.id,
            tenant_name: tenant.name,
            key: stored.key.id,
            role: stored.key.role,
            scopes: stored.key.scopes,
        });
        let mut cache = self.shared.cache.known.write();
        if cache.len() >= REMEMBER {
            cache.clear();
        }
        let known = Known {
            secret_hash: stored.secret_hash,
            principal: principal.clone(),
            expires_at: stored.key.expires_at,
            looked_at: now,
        };
        cache.insert(token.id, known);
        Ok(principal)
    }

    /// Refuses a principal that may not do what needs `scope`.
    ///
    /// # Errors
    /// [`AccessError::MissingScope`].
    pub fn require(principal: &Principal, scope: Scope) -> Result<(), AccessError> {
        if principal.may(scope) {
            Ok(())
        } else {
            Err(AccessError::MissingScope { scope })
        }
    }
}

fn check(secret_hash: &[u8; 32], token: &Token, expires_at: Option<Timestamp>, now: Timestamp) -> Result<(), AccessError> {
    if !bool::from(secret_hash.ct_eq(&token.secret_hash)) {
        return Err(AccessError::Unauthenticated);
    }
    if expires_at.is_some_and(|end| end <= now) {
        return Err(AccessError::Expired);
    }
    Ok(())
}
