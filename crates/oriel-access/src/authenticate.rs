//! From a bearer token or a session's cookie to a principal.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use oriel_model::Timestamp;
use oriel_model::access::{Principal, Scope};
use oriel_model::id::{KeyId, SessionId};
use parking_lot::RwLock;
use subtle::ConstantTimeEq as _;

use crate::gate::{self, Gate, Pass};
use crate::token::Token;
use crate::{Access, AccessError};

/// How long a key is trusted without a look at the store: the longest time that a revocation on another node
/// takes to be felt here. On the revoking node it is felt at once.
pub(crate) const TRUST: Duration = Duration::from_secs(5);
/// How many keys are remembered; past it the memory starts anew.
const REMEMBER: usize = 10_000;

/// Keys and sessions seen lately.
#[derive(Default)]
pub(crate) struct Cache {
    keys: RwLock<HashMap<KeyId, Known>>,
    sessions: RwLock<HashMap<SessionId, Known>>,
    /// Grows with every change on this node that could matter to somebody who is remembered.
    version: AtomicU64,
}

struct Known {
    secret_hash: [u8; 32],
    caller: Arc<Caller>,
    expires_at: Option<Timestamp>,
    looked_at: Timestamp,
    version: u64,
}

/// Somebody who is authenticated, with the limits that hold for them.
#[derive(Debug)]
pub struct Caller {
    /// Who it is.
    pub principal: Arc<Principal>,
    /// The session that it came with.
    pub session: Option<SessionId>,
    /// The key's limits and the tenant's.
    pub(crate) gates: [Option<Arc<Gate>>; 2],
}

impl Cache {
    /// Grows with every change on this node that could matter to what is remembered.
    pub(crate) fn version(&self) -> u64 {
        self.version.load(Ordering::Acquire)
    }

    pub(crate) fn forget(&self, id: KeyId) {
        self.keys.write().remove(&id);
    }

    pub(crate) fn forget_session(&self, id: SessionId) {
        self.sessions.write().remove(&id);
    }
}

fn known<I: std::hash::Hash + Eq + Copy>(
    of: &RwLock<HashMap<I, Known>>,
    id: I,
    secret_hash: &[u8; 32],
    now: Timestamp,
    version: u64,
) -> Option<Result<Arc<Caller>, AccessError>> {
    let known = of.read();
    let found = known.get(&id)?;
    let fresh = found.version == version && found.looked_at <= now && now.since(found.looked_at) < TRUST;
    fresh.then(|| check(&found.secret_hash, secret_hash, found.expires_at, now).map(|()| found.caller.clone()))
}

fn remember<I: std::hash::Hash + Eq>(of: &RwLock<HashMap<I, Known>>, id: I, known: Known) {
    let mut all = of.write();
    if all.len() >= REMEMBER {
        all.clear();
    }
    all.insert(id, known);
}

impl Access {
    /// The principal behind a bearer token.
    ///
    /// # Errors
    /// [`AccessError::Unauthenticated`] when the token is malformed, unknown or its secret is wrong,
    /// [`AccessError::Expired`], [`AccessError::Revoked`], or the store's error.
    pub async fn authenticate(&self, bearer: &str) -> Result<Arc<Principal>, AccessError> {
        Ok(self.identify(bearer).await?.principal.clone())
    }

    /// Whoever holds a bearer token, with their limits.
    ///
    /// # Errors
    /// As for [`Access::authenticate`].
    pub async fn identify(&self, bearer: &str) -> Result<Arc<Caller>, AccessError> {
        let token = Token::parse(bearer).ok_or(AccessError::Unauthenticated)?;
        let now = self.shared.clock.now();
        let version = self.shared.cache.version.load(Ordering::Acquire);
        match known(&self.shared.cache.keys, token.id, &token.secret_hash, now, version) {
            Some(known) => known,
            None => self.look_up(&token, now, version).await,
        }
    }

    async fn look_up(&self, token: &Token, now: Timestamp, version: u64) -> Result<Arc<Caller>, AccessError> {
        let stored = self.shared.keys.find(token.id).await?.ok_or(AccessError::Unauthenticated)?;
        // The secret first: whoever does not hold it learns nothing of the key's state.
        check(&stored.secret_hash, &token.secret_hash, stored.key.expires_at, now)?;
        if stored.key.revoked_at.is_some() {
            self.shared.cache.forget(token.id);
            return Err(AccessError::Revoked);
        }
        let tenant = self.shared.tenants.get(stored.tenant).await?.ok_or(AccessError::Unauthenticated)?;
        let role = self.effective_role(tenant.id, stored.key.role, stored.key.service_account).await?;
        let role = role.ok_or(AccessError::Revoked)?;
        let rate = stored.key.rate_limit;
        let before = self
            .shared
            .cache
            .keys
            .read()
            .get(&token.id)
            .and_then(|known| known.caller.gates[0].clone());
        let gate = before.filter(|gate| gate.is(rate, None)).or_else(|| Gate::new("key", rate, None));
        let gates = [gate, self.gate_of(tenant.id).await?];
        self.used(tenant.id, &stored.key, now);
        let principal = Arc::new(Principal {
            tenant: tenant.id,
            tenant_name: tenant.name,
            id: stored.key.id.into(),
            name: stored.key.name,
            service_account: stored.key.service_account,
            role,
            scopes: stored.key.scopes,
            user: None,
            mfa: false,
            lent: None,
            judge: None,
        });
        let caller = Arc::new(Caller {
            principal,
            session: None,
            gates,
        });
        let known = Known {
            secret_hash: stored.secret_hash,
            caller: caller.clone(),
            expires_at: stored.key.expires_at,
            looked_at: now,
            version,
        };
        remember(&self.shared.cache.keys, token.id, known);
        Ok(caller)
    }

    /// Whoever holds a session's cookie.
    ///
    /// # Errors
    /// [`AccessError::SessionEnded`] when there is no such session, its secret is wrong or its time is over, or the store's error.
    pub async fn identify_session(&self, cookie: &str) -> Result<Arc<Caller>, AccessError> {
        let (id, secret_hash) = crate::sessions::parse(cookie).ok_or(AccessError::SessionEnded)?;
        let now = self.shared.clock.now();
        let version = self.shared.cache.version.load(Ordering::Acquire);
        let over = |_| AccessError::SessionEnded;
        if let Some(known) = known(&self.shared.cache.sessions, id, &secret_hash, now, version) {
            return known.map_err(over);
        }
        let stored = self.shared.store.sessions.find(id).await?.ok_or(AccessError::SessionEnded)?;
        check(&stored.secret_hash, &secret_hash, Some(stored.session.expires_at), now).map_err(over)?;
        let tenant = self.shared.tenants.get(stored.tenant).await?.ok_or(AccessError::SessionEnded)?;
        let member = self.shared.store.members.get(tenant.id, stored.session.user.into()).await?;
        let member = member.ok_or(AccessError::SessionEnded)?;
        let principal = Arc::new(Principal {
            tenant: tenant.id,
            tenant_name: tenant.name,
            id: member.id,
            name: member.name,
            service_account: None,
            role: member.role,
            scopes: Vec::new(),
            user: None,
            mfa: stored.session.mfa,
            lent: None,
            judge: None,
        });
        let caller = Arc::new(Caller {
            principal,
            session: Some(id),
            gates: [None, self.gate_of(tenant.id).await?],
        });
        let known = Known {
            secret_hash: stored.secret_hash,
            caller: caller.clone(),
            expires_at: Some(stored.session.expires_at),
            looked_at: now,
            version,
        };
        remember(&self.shared.cache.sessions, id, known);
        Ok(caller)
    }

    /// Lets a request of `caller` in, if its rates and the number at work allow it. It is at work until the pass is dropped.
    ///
    /// # Errors
    /// [`AccessError::TooOften`] or [`AccessError::TooMany`].
    pub fn enter(&self, caller: &Caller) -> Result<Pass, AccessError> {
        let [key, tenant] = &caller.gates;
        if key.is_none() && tenant.is_none() {
            return Ok(Pass::default());
        }
        let now = self.shared.clock.now();
        let entered = gate::enter([key, tenant], now);
        if let Err(error) = &entered {
            let (what, details) = match error {
                AccessError::TooOften { state } => ("rate", serde_json::json!({ "limit": state.limit, "of": state.name })),
                AccessError::TooMany { name, most } => ("concurrency", serde_json::json!({ "limit": most, "of": name })),
                _ => return entered,
            };
            self.shared.refusals.write(&caller.principal, "access.limited", what, details, now);
        }
        entered
    }

    /// Something changed that could matter to somebody who is remembered here.
    pub(crate) fn changed(&self) {
        self.shared.cache.version.fetch_add(1, Ordering::Release);
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

fn check(kept: &[u8; 32], given: &[u8; 32], expires_at: Option<Timestamp>, now: Timestamp) -> Result<(), AccessError> {
    if !bool::from(kept.ct_eq(given)) {
        return Err(AccessError::Unauthenticated);
    }
    if expires_at.is_some_and(|end| end <= now) {
        return Err(AccessError::Expired);
    }
    Ok(())
}
