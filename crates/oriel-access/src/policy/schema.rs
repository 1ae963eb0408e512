//! The vocabulary of policies: a Cedar schema made from the table of operations, so that a policy that names an operation which
//! does not exist is refused when it is written.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use cedar_policy::{EntityId, EntityTypeName, EntityUid, Schema};
use oriel_model::access::{ResourceKind, Role, Scope};

/// An operation that policies can name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PolicyAction {
    /// The operation's id, such as `executeTask`.
    pub operation: &'static str,
    /// The scope that it needs.
    pub scope: Scope,
    /// What it is done to.
    pub resource: ResourceKind,
}

/// The namespace of everything.
const NAMESPACE: &str = "Oriel";

pub(super) const ROLES: [Role; 4] = [Role::Viewer, Role::Developer, Role::Admin, Role::Owner];

/// The schema as text, as `GET /api/v1/access/policy-schema` shows it.
pub(super) fn text(actions: &[PolicyAction]) -> String {
    let mut text = String::from(
        "// What Oriel's policies can speak of.
namespace Oriel {
    entity Tenant = { name: String };
    // A role holds all that the roles below it hold: an owner is `in` each of them.
    entity Role;
    entity ServiceAccount in [Role, Tenant];
    // `scopes` is what a key is narrowed to; empty for all that its role has.
    entity Key in [Role, ServiceAccount, Tenant] = { name: String, role: String, scopes: Set<String> };
    entity User in [Role, Tenant] = { name: String, role: String };
",
    );
    for kind in ResourceKind::ALL {
        match kind {
            ResourceKind::Tenant => {}
            ResourceKind::Task => text.push_str("    entity Task in [Extension, Tenant];\n"),
            kind => {
                let _ = writeln!(text, "    entity {} in [Tenant];", kind.as_str());
            }
        }
    }
    text.push_str(
        "    // `time` is UTC; `weekday` counts from 1 for Monday. `mfa` is true for people whose sign-in asked for a second factor.
    // `method` and `path` are there when an extension's route is called (`callRoute`): the path is the one below the extension's address.
    type Request = {
        ip?: ipaddr, time: datetime, weekday: Long, mfa: Bool, session: Bool, scope: String, method?: String, path?: String
    };
",
    );
    let mut by_scope: BTreeMap<Scope, BTreeSet<ResourceKind>> = Scope::ALL.into_iter().map(|scope| (scope, BTreeSet::new())).collect();
    for action in actions {
        by_scope.entry(action.scope).or_default().insert(action.resource);
    }
    for scope in by_scope.keys() {
        let _ = writeln!(text, "    action \"{scope}\";");
    }
    for action in actions {
        let _ = writeln!(
            text,
            "    action \"{}\" in [\"{}\"] appliesTo {{ principal: [Key, User], resource: [{}], context: Request }};",
            action.operation,
            action.scope,
            action.resource.as_str()
        );
    }
    text.push_str("}\n");
    text
}

/// The schema.
pub(super) fn compile(actions: &[PolicyAction]) -> Schema {
    let (schema, _) = Schema::from_cedarschema_str(&text(actions)).expect("the schema of this crate and a table of operations is one");
    schema
}

/// An entity of ours.
pub(super) fn uid(kind: &str, id: &str) -> EntityUid {
    let name: EntityTypeName = format!("{NAMESPACE}::{kind}").parse().expect("a type's name");
    EntityUid::from_type_name_and_id(name, EntityId::new(id))
}
