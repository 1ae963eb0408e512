//! Who calls, and what a role may do.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::id::{KeyId, TenantId};
use crate::name::TenantName;
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
    /// When it was created.
    pub created_at: Timestamp,
    /// After this moment it is refused with `access.key_expired`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
    /// Since when it is refused with `access.key_revoked`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revoked_at: Option<Timestamp>,
}

impl ApiKey {
    /// Whether this key has all of its tenant at `now`: an owner's, without scopes, neither revoked nor expired.
    #[must_use]
    pub fn is_full_owner(&self, now: Timestamp) -> bool {
        let live = self.revoked_at.is_none() && self.expires_at.is_none_or(|at| now <= at);
        live && self.role == Role::Owner && self.scopes.is_empty()
    }
}

/// Who makes a call, once it is authenticated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principal {
    /// In which tenant.
    pub tenant: TenantId,
    /// That tenant's name, as guests see it in their context.
    pub tenant_name: TenantName,
    /// The key that was presented.
    pub key: KeyId,
    /// Its role.
    pub role: Role,
    /// Its scopes; empty means all that its role has.
    pub scopes: Vec<Scope>,
}

impl Principal {
    /// Whether this principal may do what needs `scope`: its role has it and its key is not narrowed past it.
    #[must_use]
    pub fn may(&self, scope: Scope) -> bool {
        self.role >= Role::needed_for(scope) && (self.scopes.is_empty() || self.scopes.contains(&scope))
    }
}

#[cfg(test)]
mod tests {
    use ulid::Ulid;

    use super::*;

    #[test]
    fn a_role_and_a_narrowed_key_both_count() {
        let principal = |role, scopes: &[Scope]| Principal {
            tenant: TenantId::from_ulid(Ulid::nil()),
            tenant_name: "default".parse().unwrap(),
            key: KeyId::from_ulid(Ulid::nil()),
            role,
            scopes: scopes.to_vec(),
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
