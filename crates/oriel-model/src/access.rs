//! Who calls, and what a role may do.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::id::{IdError, KeyId, ServiceAccountId, TenantId, UserId};
use crate::name::TenantName;
use crate::quota::RateLimit;
use crate::time::Timestamp;

/// A tenant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Tenant {
    /// Its id.
    pub id: TenantId,
    /// Its short name, unique on this platform.
    pub name: TenantName,
    /// For people.
    pub display_name: String,
    /// When it was created.
    pub created_at: Timestamp,
}

/// What a principal is in its tenant. Each role may do all that the ones below it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Reads.
    Viewer,
    /// Calls tasks and programs, and manages tasks.
    Developer,
    /// Installs, grants, configures, manages keys below its own role.
    Admin,
    /// Everything in the tenant; the owner of the tenant `default` also manages tenants.
    Owner,
}

/// What an operation needs; also what an API key can be narrowed to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum Scope {
    /// Read tasks and executions.
    #[serde(rename = "tasks:read")]
    TasksRead,
    /// Create, change and delete tasks.
    #[serde(rename = "tasks:write")]
    TasksWrite,
    /// Call tasks and programs.
    #[serde(rename = "tasks:execute")]
    TasksExecute,
    /// Read installations and their logs.
    #[serde(rename = "extensions:read")]
    ExtensionsRead,
    /// Install, grant, configure, upgrade, uninstall.
    #[serde(rename = "extensions:write")]
    ExtensionsWrite,
    /// Read keys and the audit log.
    #[serde(rename = "access:read")]
    AccessRead,
    /// Create and revoke keys.
    #[serde(rename = "access:write")]
    AccessWrite,
    /// Manage tenants (owners of the tenant `default` only).
    #[serde(rename = "tenants:write")]
    TenantsWrite,
}

impl Scope {
    /// Every scope.
    pub const ALL: [Self; 8] = [
        Self::TasksRead,
        Self::TasksWrite,
        Self::TasksExecute,
        Self::ExtensionsRead,
        Self::ExtensionsWrite,
        Self::AccessRead,
        Self::AccessWrite,
        Self::TenantsWrite,
    ];

    /// The text of the API, such as `tasks:execute`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::TasksRead => "tasks:read",
            Self::TasksWrite => "tasks:write",
            Self::TasksExecute => "tasks:execute",
            Self::ExtensionsRead => "extensions:read",
            Self::ExtensionsWrite => "extensions:write",
            Self::AccessRead => "access:read",
            Self::AccessWrite => "access:write",
            Self::TenantsWrite => "tenants:write",
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Role {
    /// The least role that has `scope`.
    #[must_use]
    pub const fn needed_for(scope: Scope) -> Self {
        match scope {
            Scope::TasksRead | Scope::ExtensionsRead => Self::Viewer,
            Scope::TasksExecute | Scope::TasksWrite => Self::Developer,
            Scope::ExtensionsWrite | Scope::AccessRead | Scope::AccessWrite => Self::Admin,
            Scope::TenantsWrite => Self::Owner,
        }
    }

    /// The text of the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Developer => "developer",
            Self::Admin => "admin",
            Self::Owner => "owner",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// An API key without its secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct ApiKey {
    /// Its id.
    pub id: KeyId,
    /// What it is for, for people.
    pub name: String,
    /// What it may do at most.
    pub role: Role,
    /// What it is narrowed to; empty means all that its role has.
    pub scopes: Vec<Scope>,
    /// The service account that owns it; its role also bounds what the key may do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_account: Option<ServiceAccountId>,
    /// How often it may ask, below what its tenant may.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate_limit: Option<RateLimit>,
    /// When it was created.
    pub created_at: Timestamp,
    /// After this moment it is refused with `access.key_expired`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
    /// When it was used last, to the hour.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_used_at: Option<Timestamp>,
    /// Since when it is refused with `access.key_revoked`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revoked_at: Option<Timestamp>,
}

impl ApiKey {
    /// Whether it is neither revoked nor expired at `now`.
    #[must_use]
    pub fn is_live(&self, now: Timestamp) -> bool {
        self.revoked_at.is_none() && self.expires_at.is_none_or(|at| now <= at)
    }

    /// Whether this key has all of its tenant at `now`: an owner's, without scopes, neither revoked nor expired.
    #[must_use]
    pub fn is_full_owner(&self, now: Timestamp) -> bool {
        self.is_live(now) && self.role == Role::Owner && self.scopes.is_empty() && self.service_account.is_none()
    }
}

/// Who makes a call, once it is authenticated.
#[derive(Debug, Clone)]
pub struct Principal {
    /// In which tenant.
    pub tenant: TenantId,
    /// That tenant's name, as guests see it in their context.
    pub tenant_name: TenantName,
    /// The key that was presented, or the user who is signed in.
    pub id: PrincipalId,
    /// Its name, for people.
    pub name: String,
    /// The service account that owns the key.
    pub service_account: Option<ServiceAccountId>,
    /// Its role.
    pub role: Role,
    /// Its scopes; empty means all that its role has.
    pub scopes: Vec<Scope>,
    /// On whose behalf it calls, in this one request: a user of the host's product, whom the platform does not know and the host
    /// vouches for.
    pub user: Option<Arc<str>>,
    /// Whether its sign-in asked for a second factor.
    pub mfa: bool,
    /// What a policy of the tenant lends it beyond its role, for this one request.
    pub lent: Option<Scope>,
    /// The tenant's own policies, for this one request; nothing where the tenant has none that could matter.
    pub judge: Option<Arc<dyn Judge>>,
}

impl Principal {
    /// Whether this principal may do what needs `scope`: its role has it and its key is not narrowed past it, or a policy lends
    /// it for this request.
    #[must_use]
    pub fn may(&self, scope: Scope) -> bool {
        let by_role = self.role >= Role::needed_for(scope) && (self.scopes.is_empty() || self.scopes.contains(&scope));
        by_role || self.lent == Some(scope)
    }
}

/// What a tenant's own policies say about one request. Pure: it waits for nothing.
pub trait Judge: fmt::Debug + Send + Sync {
    /// Whether `principal` may do to `resource` what its request is about.
    ///
    /// # Errors
    /// Why not.
    fn judge(&self, principal: &Principal, resource: Resource<'_>) -> Result<(), String>;
}

/// What an operation is done to, as policies see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Resource<'a> {
    /// Of which kind.
    pub kind: ResourceKind,
    /// Its name where it has one, else its id.
    pub name: &'a str,
    /// The extension that it belongs to.
    pub extension: Option<&'a str>,
}

macro_rules! resource_kinds {
    ($($(#[$doc:meta])* $variant:ident;)*) => {
        /// The kinds of things that policies can name.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum ResourceKind {
            $($(#[$doc])* $variant,)*
        }

        impl ResourceKind {
            /// Every kind.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The name of its type in policies, without the namespace.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => stringify!($variant),)* }
            }
        }
    };
}

resource_kinds! {
    /// The tenant itself: lists, and everything without a kind of its own.
    Tenant;
    /// An installed extension.
    Extension;
    /// A task.
    Task;
    /// A hook.
    Hook;
    /// A binding.
    Binding;
    /// The record of a call.
    Execution;
    /// A batch.
    Batch;
    /// An API key.
    ApiKey;
    /// A user or service account.
    Member;
    /// A policy.
    Policy;
}

/// Who acts: a key on its own, or a person behind a browser.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PrincipalId {
    /// An API key.
    Key(KeyId),
    /// A user.
    User(UserId),
    /// A service account: never acts itself, owns keys that do.
    ServiceAccount(ServiceAccountId),
}

impl fmt::Display for PrincipalId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key(id) => id.fmt(f),
            Self::User(id) => id.fmt(f),
            Self::ServiceAccount(id) => id.fmt(f),
        }
    }
}

impl fmt::Debug for PrincipalId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for PrincipalId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        if UserId::looks_like(text) {
            text.parse().map(Self::User)
        } else if ServiceAccountId::looks_like(text) {
            text.parse().map(Self::ServiceAccount)
        } else {
            text.parse().map(Self::Key)
        }
    }
}

impl Serialize for PrincipalId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for PrincipalId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl From<KeyId> for PrincipalId {
    fn from(id: KeyId) -> Self {
        Self::Key(id)
    }
}

impl From<UserId> for PrincipalId {
    fn from(id: UserId) -> Self {
        Self::User(id)
    }
}

#[cfg(feature = "openapi")]
impl utoipa::PartialSchema for PrincipalId {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
        utoipa::openapi::ObjectBuilder::new()
            .schema_type(utoipa::openapi::schema::Type::String)
            .pattern(Some("^(key|usr|svc)_[0-7][0-9a-hjkmnp-tv-z]{25}$"))
            .examples(["usr_01jd3yq8m3v5n4x2c7b9k0r6ts"])
            .into()
    }
}

#[cfg(feature = "openapi")]
impl utoipa::ToSchema for PrincipalId {}

#[cfg(test)]
mod tests {
    use ulid::Ulid;

    use super::*;

    #[test]
    fn a_role_and_a_narrowed_key_both_count() {
        let principal = |role, scopes: &[Scope]| Principal {
            tenant: TenantId::from_ulid(Ulid::nil()),
            tenant_name: "default".parse().unwrap(),
            id: KeyId::from_ulid(Ulid::nil()).into(),
            name: String::new(),
            service_account: None,
            role,
            scopes: scopes.to_vec(),
            user: None,
            mfa: false,
            lent: None,
            judge: None,
        };
        assert!(principal(Role::Viewer, &[]).may(Scope::TasksRead));
        assert!(!principal(Role::Viewer, &[]).may(Scope::TasksExecute));
        assert!(!principal(Role::Viewer, &[Scope::TasksExecute]).may(Scope::TasksExecute));
        assert!(!principal(Role::Owner, &[Scope::TasksRead]).may(Scope::TasksExecute));
        assert!(Scope::ALL.into_iter().all(|scope| principal(Role::Owner, &[]).may(scope)));
    }

    #[test]
    fn scopes_have_one_spelling() {
        for scope in Scope::ALL {
            assert_eq!(serde_json::to_value(scope).unwrap(), scope.as_str());
        }
    }
}
