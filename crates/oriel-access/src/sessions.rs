//! Sessions of people who signed in, and the token that protects them against requests from other sites.
//!
//! The cookie is `<id>_<secret>`: 26 characters that are not secret and 32 random bytes in base64url, of which only SHA-256 is
//! kept. The token against cross-site requests is derived from the secret, so it needs no place of its own and dies with it.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use oriel_model::access::{Principal, PrincipalId, Scope};
use oriel_model::id::{SessionId, TenantId};
use oriel_model::member::{Member, Session};
use oriel_model::page::{Page, PageRequest};
use oriel_store::StoredSession;
use serde_json::json;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use crate::{Access, AccessError, Actor};

/// A session with the cookie that is shown to the browser once.
#[derive(Debug, Clone)]
pub struct BegunSession {
    /// The session.
    pub session: Session,
    /// The cookie's value.
    pub cookie: String,
}

/// From where somebody signs in.
#[derive(Debug, Clone, Default)]
pub struct Browser {
    /// The address.
    pub ip: Option<String>,
    /// As it calls itself.
    pub user_agent: String,
}

/// The id and the hash of the secret in a cookie.
pub(crate) fn parse(cookie: &str) -> Option<(SessionId, [u8; 32])> {
    let (id, secret) = cookie.split_once('_').filter(|_| cookie.len() <= 128)?;
    let id = format!("ses_{id}").parse().ok()?;
    Some((id, Sha256::digest(secret.as_bytes()).into()))
}

/// The token that a page must show to change something with this cookie.
#[must_use]
pub fn csrf_token(cookie: &str) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(format!("oriel csrf {cookie}").as_bytes()))
}

/// Whether `token` is the one that belongs to `cookie`.
#[must_use]
pub fn csrf_fits(cookie: &str, token: &str) -> bool {
    csrf_token(cookie).as_bytes().ct_eq(token.as_bytes()).into()
}

impl Access {
    /// Begins a session of a member who has just signed in.
    pub(crate) async fn begin_session(
        &self,
        tenant: TenantId,
        member: &Member,
        mfa: bool,
        browser: Browser,
    ) -> Result<BegunSession, AccessError> {
        let PrincipalId::User(user) = member.id else {
            return Err(AccessError::SignInFailed {
                reason: "a service account cannot sign in".to_owned(),
            });
        };
        let now = self.shared.clock.now();
        let id = SessionId::new(now);
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes).expect("the operating system's random source works");
        let secret = URL_SAFE_NO_PAD.encode(bytes);
        let session = Session {
            id,
            user,
            ip: browser.ip,
            user_agent: browser.user_agent.chars().filter(|c| !c.is_control()).take(200).collect(),
            mfa,
            created_at: now,
            expires_at: now.plus(self.shared.session_ttl),
        };
        let details = json!({ "session": id, "mfa": mfa, "role": member.role });
        let audit = Actor::Member(member).did(now, "session.begin", member.id.to_string(), details);
        let stored = StoredSession {
            tenant,
            session: session.clone(),
            secret_hash: Sha256::digest(secret.as_bytes()).into(),
        };
        self.shared.store.sessions.insert(stored, audit).await?;
        let body = id.to_string();
        let cookie = format!("{}_{secret}", body.trim_start_matches("ses_"));
        Ok(BegunSession { session, cookie })
    }

    /// The tenant's sessions for those who may read access; for everybody else who is signed in, their own.
    ///
    /// # Errors
    /// When the principal may not, or the cursor is foreign.
    pub async fn list_sessions(&self, principal: &Principal, page: PageRequest) -> Result<Page<Session>, AccessError> {
        let only = match principal.id {
            PrincipalId::User(user) if !principal.may(Scope::AccessRead) => Some(user),
            _ => {
                Self::require(principal, Scope::AccessRead)?;
                None
            }
        };
        Ok(self.shared.store.sessions.list(principal.tenant, only, page).await?)
    }

    /// Ends a session: one's own, or anybody's for those who may write access.
    ///
    /// # Errors
    /// When the principal may not, or there is no such session.
    pub async fn end_session(&self, principal: &Principal, id: &str) -> Result<(), AccessError> {
        let unknown = || AccessError::SessionNotFound {
            id: id.chars().take(64).collect(),
        };
        let session: SessionId = id.parse().map_err(|_| unknown())?;
        let stored = self.shared.store.sessions.find(session).await?;
        let stored = stored.filter(|stored| stored.tenant == principal.tenant).ok_or_else(unknown)?;
        let own = principal.id == PrincipalId::User(stored.session.user);
        if !own {
            Self::require(principal, Scope::AccessWrite)?;
            // As with keys: nobody ends what is above them.
            let member = self.shared.store.members.get(principal.tenant, stored.session.user.into()).await?;
            if let Some(member) = member.filter(|member| member.role > principal.role) {
                return Err(AccessError::Forbidden {
                    reason: format!("a {} cannot end a session of role {}", principal.role, member.role),
                });
            }
        }
        let now = self.shared.clock.now();
        let details = json!({ "session": session, "own": own });
        let audit = Actor::Principal(principal).did(now, "session.end", stored.session.user.to_string(), details);
        let there = self.shared.store.sessions.remove(principal.tenant, session, audit).await?;
        self.shared.cache.forget_session(session);
        if there { Ok(()) } else { Err(unknown()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_belongs_to_one_cookie() {
        let (one, other) = ("01jd3yq8m3v5n4x2c7b9k0r6ts_secret", "01jd3yq8m3v5n4x2c7b9k0r6ts_secreu");
        assert!(csrf_fits(one, &csrf_token(one)));
        assert!(!csrf_fits(other, &csrf_token(one)) && !csrf_fits(one, "") && !csrf_fits(one, one));
        assert!(parse(one).is_some());
        for bad in ["", "_", "x_y", "ses_01jd3yq8m3v5n4x2c7b9k0r6ts", &"x".repeat(200)] {
            assert!(parse(bad).is_none(), "{bad}");
        }
    }
}
