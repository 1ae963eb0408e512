//! Who belongs to a tenant: people who sign in, and service accounts that own keys.

use serde::{Deserialize, Serialize};

use crate::access::{PrincipalId, Role};
use crate::audit::AuditEntry;
use crate::digest::Digest;
use crate::id::{SessionId, UserId};
use crate::time::Timestamp;

/// What a member is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub enum MemberKind {
    /// A person: signs in, has sessions.
    User,
    /// A program: owns keys.
    ServiceAccount,
}

impl MemberKind {
    /// The text of the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::ServiceAccount => "service-account",
        }
    }
}

/// A member of a tenant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Member {
    /// Its id, `usr_…` or `svc_…`.
    pub id: PrincipalId,
    /// What it is.
    pub kind: MemberKind,
    /// A user's e-mail address, or a service account's name; unique among members of its kind.
    pub name: String,
    /// For people.
    pub display_name: String,
    /// What it may do at most.
    pub role: Role,
    /// Whether a claim of the issuer gives a user the role; then it goes when the claim goes.
    #[serde(default)]
    pub by_claim: bool,
    /// The issuer that vouches for a user, once that user has signed in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issuer: Option<String>,
    /// Who the user is to the issuer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// Grows with each change.
    pub revision: u64,
    /// When it was added.
    pub created_at: Timestamp,
    /// When a user signed in last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seen_at: Option<Timestamp>,
}

impl Member {
    /// Whether this is a person who manages all of the tenant and has shown that signing in works.
    #[must_use]
    pub fn is_proven_owner(&self) -> bool {
        self.kind == MemberKind::User && self.role == Role::Owner && self.seen_at.is_some()
    }
}

/// A signed-in browser, without its secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Session {
    /// Its id.
    pub id: SessionId,
    /// Whose it is.
    pub user: UserId,
    /// From where the user signed in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ip: Option<String>,
    /// With which program, as it calls itself.
    pub user_agent: String,
    /// Whether the issuer says that more than a password was asked for.
    pub mfa: bool,
    /// When the user signed in.
    pub created_at: Timestamp,
    /// When it ends in any case.
    pub expires_at: Timestamp,
}

/// Everything that is kept of a member.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct MemberData {
    /// The member.
    pub member: Member,
    /// Its sessions.
    pub sessions: Vec<Session>,
    /// What it did, and what was done to it, oldest first.
    pub entries: Vec<AuditEntry>,
}

impl MemberData {
    /// The digest of what an erasure takes: member and sessions, as JSON in this order.
    #[must_use]
    pub fn digest(&self) -> Digest {
        Digest::of(serde_json::json!([self.member, self.sessions]).to_string().as_bytes())
    }
}

/// What an erasure took. The same is in the audit log, whose chain holds it fast.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct ErasureReceipt {
    /// Whose data.
    pub subject: PrincipalId,
    /// When.
    pub at: Timestamp,
    /// By whom.
    pub by: PrincipalId,
    /// Members that are gone.
    pub members: u64,
    /// Sessions that are gone.
    pub sessions: u64,
    /// The digest of what is gone: of `[member, sessions]` as an export made right before shows them.
    pub digest: Digest,
    /// Entries of the audit log that stay. They name nobody but this id.
    pub entries_kept: u64,
}
