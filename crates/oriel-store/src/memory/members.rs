use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use oriel_model::Timestamp;
use oriel_model::access::PrincipalId;
use oriel_model::id::{SessionId, TenantId, UserId};
use oriel_model::member::{Member, MemberKind, Session};
use oriel_model::page::{Page, PageRequest};
use parking_lot::Mutex;

use super::audit::MemoryAudit;
use super::keys::MemoryKeys;
use crate::{Members, NewAudit, Result, Sessions, StoreError, StoredSession, cursor};

/// Members and their sessions. Locked before keys, which may belong to members.
#[derive(Default)]
pub(super) struct People {
    members: BTreeMap<(TenantId, PrincipalId), Member>,
    sessions: BTreeMap<SessionId, StoredSession>,
}

impl People {
    /// Whether a person other than `but` has shown to be able to manage the tenant.
    pub(super) fn has_owner(&self, tenant: TenantId, but: Option<PrincipalId>) -> bool {
        self.members
            .iter()
            .any(|((of, id), member)| *of == tenant && Some(*id) != but && member.is_proven_owner())
    }

    fn taken(&self, tenant: TenantId, member: &Member) -> bool {
        self.members.iter().any(|((of, id), other)| {
            let name = other.kind == member.kind && other.name == member.name;
            let subject = member.subject.is_some() && (&other.issuer, &other.subject) == (&member.issuer, &member.subject);
            *of == tenant && *id != member.id && (name || subject)
        })
    }
}

pub(super) struct MemoryMembers {
    people: Arc<Mutex<People>>,
    keys: Arc<MemoryKeys>,
    audit: Arc<MemoryAudit>,
}

impl MemoryMembers {
    pub(super) fn new(people: Arc<Mutex<People>>, keys: Arc<MemoryKeys>, audit: Arc<MemoryAudit>) -> Self {
        Self { people, keys, audit }
    }

    fn find(&self, fits: impl Fn(TenantId, &Member) -> bool) -> Option<Member> {
        let people = self.people.lock();
        let mut members = people.members.iter();
        members
            .find(|((of, _), member)| fits(*of, member))
            .map(|(_, member)| member.clone())
    }
}

#[async_trait]
impl Members for MemoryMembers {
    async fn insert(&self, tenant: TenantId, member: Member, audit: NewAudit) -> Result<()> {
        let mut people = self.people.lock();
        if people.taken(tenant, &member) || people.members.keys().any(|(_, id)| *id == member.id) {
            return Err(StoreError::Exists { what: "member" });
        }
        people.members.insert((tenant, member.id), member);
        self.audit.add(tenant, audit);
        Ok(())
    }

    async fn get(&self, tenant: TenantId, id: PrincipalId) -> Result<Option<Member>> {
        Ok(self.people.lock().members.get(&(tenant, id)).cloned())
    }

    async fn by_name(&self, tenant: TenantId, kind: MemberKind, name: &str) -> Result<Option<Member>> {
        Ok(self.find(|of, member| of == tenant && member.kind == kind && member.name == name))
    }

    async fn by_subject(&self, tenant: TenantId, issuer: &str, subject: &str) -> Result<Option<Member>> {
        Ok(self.find(|of, member| of == tenant && member.issuer.as_deref() == Some(issuer) && member.subject.as_deref() == Some(subject)))
    }

    async fn list(&self, tenant: TenantId, page: PageRequest) -> Result<Page<Member>> {
        let after = cursor::decode("members", &page)?;
        let people = self.people.lock();
        let items = people.members.iter().filter(|((of, _), _)| *of == tenant).map(|(_, member)| member);
        let mut items: Vec<Member> = items.cloned().collect();
        // `usr_` is after `svc_` as text, and users come first.
        items.sort_by_key(place);
        let items = items
            .into_iter()
            .filter(|member| after.as_ref().is_none_or(|after| place(member) > *after));
        let items = items.take(cursor::limit(&page) + 1).collect();
        Ok(cursor::page("members", &page, items, place))
    }

    async fn update(&self, tenant: TenantId, member: Member, expected: u64, owner_at: Option<Timestamp>, audit: NewAudit) -> Result<()> {
        let mut people = self.people.lock();
        let key = (tenant, member.id);
        if people.members.get(&key).is_none_or(|present| present.revision != expected) {
            return Err(StoreError::Conflict { what: "member" });
        }
        if people.taken(tenant, &member) {
            return Err(StoreError::Exists { what: "member" });
        }
        if let Some(at) = owner_at
            && !member.is_proven_owner()
            && !people.has_owner(tenant, Some(member.id))
            && !self.keys.has_owner(tenant, at)
        {
            return Err(StoreError::Conflict { what: "owner" });
        }
        people.members.insert(key, member);
        self.audit.add(tenant, audit);
        Ok(())
    }

    async fn remove(&self, tenant: TenantId, id: PrincipalId, at: Timestamp, audit: NewAudit) -> Result<bool> {
        let mut people = self.people.lock();
        let Some(member) = people.members.get(&(tenant, id)) else {
            return Ok(false);
        };
        if member.is_proven_owner() && !people.has_owner(tenant, Some(id)) && !self.keys.has_owner(tenant, at) {
            return Err(StoreError::Conflict { what: "owner" });
        }
        people.members.remove(&(tenant, id));
        match id {
            PrincipalId::User(user) => people.sessions.retain(|_, kept| kept.tenant != tenant || kept.session.user != user),
            PrincipalId::ServiceAccount(account) => self.keys.revoke_all_of(tenant, account, at),
            PrincipalId::Key(_) => {}
        }
        self.audit.add(tenant, audit);
        Ok(true)
    }
}

/// Where a member stands in the list.
fn place(member: &Member) -> String {
    let rank = match member.kind {
        MemberKind::User => 0,
        MemberKind::ServiceAccount => 1,
    };
    format!("{rank}{}", member.id)
}

#[async_trait]
impl Sessions for MemoryMembers {
    async fn insert(&self, session: StoredSession, audit: NewAudit) -> Result<()> {
        let mut people = self.people.lock();
        if people.sessions.contains_key(&session.session.id) {
            return Err(StoreError::Exists { what: "session" });
        }
        self.audit.add(session.tenant, audit);
        people.sessions.insert(session.session.id, session);
        Ok(())
    }

    async fn find(&self, id: SessionId) -> Result<Option<StoredSession>> {
        Ok(self.people.lock().sessions.get(&id).cloned())
    }

    async fn list(&self, tenant: TenantId, user: Option<UserId>, page: PageRequest) -> Result<Page<Session>> {
        let before: Option<SessionId> = match cursor::decode("sessions", &page)? {
            Some(place) => Some(place.parse().map_err(|_| StoreError::Cursor)?),
            None => None,
        };
        let people = self.people.lock();
        let items = people.sessions.values().rev().filter(|kept| {
            let fits = kept.tenant == tenant && user.is_none_or(|user| kept.session.user == user);
            fits && before.is_none_or(|before| kept.session.id < before)
        });
        let items = items.take(cursor::limit(&page) + 1).map(|kept| kept.session.clone()).collect();
        Ok(cursor::page("sessions", &page, items, |session: &Session| session.id.to_string()))
    }

    async fn remove(&self, tenant: TenantId, id: SessionId, audit: NewAudit) -> Result<bool> {
        let mut people = self.people.lock();
        if people.sessions.get(&id).is_none_or(|kept| kept.tenant != tenant) {
            return Ok(false);
        }
        people.sessions.remove(&id);
        self.audit.add(tenant, audit);
        Ok(true)
    }

    async fn prune(&self, now: Timestamp, limit: u32) -> Result<u64> {
        let mut people = self.people.lock();
        let over = people.sessions.iter().filter(|(_, kept)| kept.session.expires_at < now);
        let over: Vec<SessionId> = over.map(|(id, _)| *id).take(limit as usize).collect();
        for id in &over {
            people.sessions.remove(id);
        }
        Ok(over.len() as u64)
    }
}
