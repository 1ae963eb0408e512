//! Members of a tenant: people who sign in, and service accounts that own keys.

use oriel_model::access::{Principal, PrincipalId, Role, Scope};
use oriel_model::id::{ServiceAccountId, TenantId, UserId};
use oriel_model::member::{ErasureReceipt, Member, MemberData, MemberKind};
use oriel_model::page::{Page, PageRequest};
use oriel_store::StoreError;
use serde_json::json;

use crate::{Access, AccessError, Actor};

/// A member to be added.
#[derive(Debug, Clone)]
pub struct NewMember {
    /// What it is.
    pub kind: MemberKind,
    /// A user's e-mail address, or a service account's name.
    pub name: String,
    /// For people.
    pub display_name: String,
    /// What it may do at most; not above the one who adds it.
    pub role: Role,
}

/// What to change of a member; what is absent stays.
#[derive(Debug, Clone, Default)]
pub struct MemberChange {
    /// What it may do at most.
    pub role: Option<Role>,
    /// For people.
    pub display_name: Option<String>,
}

impl Access {
    /// The tenant's members, users first.
    ///
    /// # Errors
    /// When the principal may not, or the cursor is foreign.
    pub async fn list_members(&self, principal: &Principal, page: PageRequest) -> Result<Page<Member>, AccessError> {
        Self::require(principal, Scope::AccessRead)?;
        Ok(self.shared.store.members.list(principal.tenant, page).await?)
    }

    /// A member by its id, a user's e-mail address or a service account's name.
    ///
    /// # Errors
    /// When the principal may not, or there is no such member.
    pub async fn member(&self, principal: &Principal, id: &str) -> Result<Member, AccessError> {
        Self::require(principal, Scope::AccessRead)?;
        self.find_member(principal.tenant, id).await
    }

    pub(crate) async fn find_member(&self, tenant: TenantId, id: &str) -> Result<Member, AccessError> {
        let members = &self.shared.store.members;
        let found = match id.parse::<PrincipalId>() {
            Ok(id) => members.get(tenant, id).await?,
            Err(_) => {
                let kind = if id.contains('@') {
                    MemberKind::User
                } else {
                    MemberKind::ServiceAccount
                };
                members.by_name(tenant, kind, &id.to_lowercase()).await?
            }
        };
        found.ok_or_else(|| AccessError::MemberNotFound {
            id: id.chars().take(64).collect(),
        })
    }

    /// Adds a member. A user can sign in from then on; a service account needs a key.
    ///
    /// # Errors
    /// When the principal may not, gives more than it has, the name is taken or out of range.
    pub async fn add_member(&self, principal: &Principal, new: NewMember) -> Result<Member, AccessError> {
        may_manage(principal, new.role)?;
        let name = new.name.to_lowercase();
        check_name(new.kind, &name)?;
        check_display_name(&new.display_name)?;
        let now = self.shared.clock.now();
        let member = Member {
            id: match new.kind {
                MemberKind::User => PrincipalId::User(UserId::new(now)),
                MemberKind::ServiceAccount => PrincipalId::ServiceAccount(ServiceAccountId::new(now)),
            },
            kind: new.kind,
            name,
            display_name: new.display_name,
            role: new.role,
            by_claim: false,
            issuer: None,
            subject: None,
            revision: 1,
            created_at: now,
            seen_at: None,
        };
        let details = json!({ "kind": member.kind, "name": public_name(&member), "role": member.role });
        let audit = Actor::Principal(principal).did(now, "member.add", member.id.to_string(), details);
        match self.shared.store.members.insert(principal.tenant, member.clone(), audit).await {
            Ok(()) => Ok(member),
            Err(StoreError::Exists { .. }) => Err(AccessError::MemberExists { name: member.name }),
            Err(error) => Err(error.into()),
        }
    }

    /// Changes a member's role or name.
    ///
    /// # Errors
    /// When the principal may not, there is no such member, it is the last owner, or somebody else changed it first.
    pub async fn change_member(
        &self,
        principal: &Principal,
        id: &str,
        change: MemberChange,
        if_match: Option<u64>,
    ) -> Result<Member, AccessError> {
        Self::require(principal, Scope::AccessWrite)?;
        let present = self.find_member(principal.tenant, id).await?;
        may_manage(principal, present.role.max(change.role.unwrap_or(Role::Viewer)))?;
        if if_match.is_some_and(|expected| expected != present.revision) {
            return Err(AccessError::Changed);
        }
        if let Some(name) = &change.display_name {
            check_display_name(name)?;
        }
        let now = self.shared.clock.now();
        let next = Member {
            role: change.role.unwrap_or(present.role),
            display_name: change.display_name.unwrap_or_else(|| present.display_name.clone()),
            revision: present.revision + 1,
            ..present.clone()
        };
        let details = json!({ "name": public_name(&next), "role": next.role, "roleBefore": present.role });
        let audit = Actor::Principal(principal).did(now, "member.update", next.id.to_string(), details);
        let watch = present.is_proven_owner().then_some(now);
        let updated = self
            .shared
            .store
            .members
            .update(principal.tenant, next.clone(), present.revision, watch, audit)
            .await;
        self.changed();
        match updated {
            Ok(()) => Ok(next),
            Err(StoreError::Conflict { what: "owner" }) => Err(AccessError::LastOwner),
            Err(StoreError::Conflict { .. }) => Err(AccessError::Changed),
            Err(error) => Err(error.into()),
        }
    }

    /// Everything that is kept of a member: what is shown of it, its sessions, and its entries in the log.
    ///
    /// # Errors
    /// When the principal may not, or there is no such member.
    pub async fn export_member(&self, principal: &Principal, id: &str) -> Result<MemberData, AccessError> {
        let own = matches!(&principal.id, PrincipalId::User(user) if user.to_string() == id || principal.name == id);
        if !own {
            Self::require(principal, Scope::AccessRead)?;
        }
        let member = self.find_member(principal.tenant, id).await?;
        self.collect(principal.tenant, member).await
    }

    async fn collect(&self, tenant: TenantId, member: Member) -> Result<MemberData, AccessError> {
        let mut sessions = Vec::new();
        if let PrincipalId::User(user) = member.id {
            let mut page = PageRequest::first();
            loop {
                let found = self.shared.store.sessions.list(tenant, Some(user), page.clone()).await?;
                sessions.extend(found.items);
                match found.next_cursor {
                    None => break,
                    cursor => page.cursor = cursor,
                }
            }
        }
        let id = member.id.to_string();
        let mut entries = Vec::new();
        let mut from = 1;
        loop {
            let chunk = self.shared.audit.scan(tenant, from, 1_000).await?;
            let Some(last) = chunk.last() else { break };
            from = last.sequence + 1;
            entries.extend(chunk.into_iter().filter(|entry| entry.actor == id || entry.subject == id));
        }
        Ok(MemberData { member, sessions, entries })
    }

    /// Erases a member: as [`Access::remove_member`], with a receipt that can be compared with an export made before. The log keeps
    /// the id, which says nothing once the rest is gone.
    ///
    /// # Errors
    /// As for [`Access::remove_member`].
    pub async fn erase_member(&self, principal: &Principal, id: &str) -> Result<ErasureReceipt, AccessError> {
        Self::require(principal, Scope::AccessWrite)?;
        let present = self.find_member(principal.tenant, id).await?;
        may_manage(principal, present.role)?;
        let data = self.collect(principal.tenant, present).await?;
        let now = self.shared.clock.now();
        let receipt = ErasureReceipt {
            subject: data.member.id,
            at: now,
            by: principal.id,
            members: 1,
            sessions: data.sessions.len() as u64,
            digest: data.digest(),
            entries_kept: data.entries.len() as u64,
        };
        let audit = Actor::Principal(principal).did(now, "member.erase", data.member.id.to_string(), json!(receipt));
        let removed = self.shared.store.members.remove(principal.tenant, data.member.id, now, audit).await;
        self.changed();
        match removed {
            Ok(true) => Ok(receipt),
            Ok(false) => Err(AccessError::MemberNotFound { id: id.to_owned() }),
            Err(StoreError::Conflict { .. }) => Err(AccessError::LastOwner),
            Err(error) => Err(error.into()),
        }
    }

    /// Removes a member: its sessions end, its keys are revoked.
    ///
    /// # Errors
    /// When the principal may not, there is no such member, or it is the last owner.
    pub async fn remove_member(&self, principal: &Principal, id: &str) -> Result<(), AccessError> {
        Self::require(principal, Scope::AccessWrite)?;
        let present = self.find_member(principal.tenant, id).await?;
        may_manage(principal, present.role)?;
        let now = self.shared.clock.now();
        let details = json!({ "kind": present.kind, "name": public_name(&present), "role": present.role });
        let audit = Actor::Principal(principal).did(now, "member.remove", present.id.to_string(), details);
        let removed = self.shared.store.members.remove(principal.tenant, present.id, now, audit).await;
        self.changed();
        match removed {
            Ok(true) => Ok(()),
            Ok(false) => Err(AccessError::MemberNotFound { id: id.to_owned() }),
            Err(StoreError::Conflict { .. }) => Err(AccessError::LastOwner),
            Err(error) => Err(error.into()),
        }
    }
}

/// What the log may hold of a name. People are in it by their id alone: the log is never changed, and a person's data can be.
pub(crate) fn public_name(member: &Member) -> Option<&str> {
    (member.kind == MemberKind::ServiceAccount).then_some(member.name.as_str())
}

/// Whoever manages members must not be narrowed, and must be at least what the member is or becomes.
fn may_manage(principal: &Principal, role: Role) -> Result<(), AccessError> {
    Access::require(principal, Scope::AccessWrite)?;
    let reason = if role > principal.role {
        format!("a {} cannot manage a member of role {role}", principal.role)
    } else if !principal.scopes.is_empty() {
        "a key that is narrowed to scopes cannot manage members, who have all that their role has".to_owned()
    } else {
        return Ok(());
    };
    Err(AccessError::Forbidden { reason })
}

/// Addresses are compared in lower case: no provider that matters tells `Ann@` from `ann@`.
fn check_name(kind: MemberKind, name: &str) -> Result<(), AccessError> {
    let invalid = |reason: &str| Err(AccessError::Invalid { reason: reason.to_owned() });
    match kind {
        MemberKind::User => {
            let plain = name.len() <= 254 && name.chars().all(|c| !c.is_control() && !c.is_whitespace());
            let whole = name
                .split_once('@')
                .is_some_and(|(local, domain)| !local.is_empty() && !domain.is_empty() && !domain.contains('@'));
            if !plain || !whole {
                return invalid("a user's `name` must be an e-mail address");
            }
        }
        MemberKind::ServiceAccount => {
            let fits = (1..=64).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
            // Neither an id nor an address, so that either can be told from a name.
            if !fits || !name.starts_with(|c: char| c.is_ascii_lowercase()) {
                return invalid("a service account's `name` must have 1 to 64 characters of a-z, 0-9 and `-`, starting with a letter");
            }
        }
    }
    Ok(())
}

fn check_display_name(name: &str) -> Result<(), AccessError> {
    if name.chars().count() <= 100 && !name.chars().any(char::is_control) {
        return Ok(());
    }
    Err(AccessError::Invalid {
        reason: "`displayName` must have at most 100 characters and no control characters".to_owned(),
    })
}
