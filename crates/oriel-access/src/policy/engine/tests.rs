use std::sync::Arc;

use oriel_model::id::{KeyId, TenantId, UserId};

use super::*;

const ACTIONS: [PolicyAction; 8] = [
    action("getTask", Scope::TasksRead, ResourceKind::Task),
    action("deleteTask", Scope::TasksWrite, ResourceKind::Task),
    action("executeTask", Scope::TasksExecute, ResourceKind::Task),
    action("getExtension", Scope::ExtensionsRead, ResourceKind::Extension),
    action("uninstallExtension", Scope::ExtensionsWrite, ResourceKind::Extension),
    action("listKeys", Scope::AccessRead, ResourceKind::Tenant),
    action("createKey", Scope::AccessWrite, ResourceKind::Tenant),
    action("createTenant", Scope::TenantsWrite, ResourceKind::Tenant),
];

const fn action(operation: &'static str, scope: Scope, resource: ResourceKind) -> PolicyAction {
    PolicyAction {
        operation,
        scope,
        resource,
    }
}

fn named(operation: &str) -> PolicyAction {
    *ACTIONS.iter().find(|action| action.operation == operation).unwrap()
}

fn principal(role: Role, scopes: &[Scope]) -> Principal {
    Principal {
        tenant: TenantId::from_ulid(1.into()),
        tenant_name: "acme".parse().unwrap(),
        id: PrincipalId::Key(KeyId::from_ulid(2.into())),
        name: "ci".to_owned(),
        service_account: None,
        role,
        scopes: scopes.to_vec(),
        user: None,
        mfa: false,
        lent: None,
        judge: None,
    }
}

fn policy(id: &str, text: &str) -> Policy {
    let at = Timestamp::from_millis(0);
    Policy {
        id: id.parse().unwrap(),
        description: String::new(),
        text: text.to_owned(),
        enabled: true,
        revision: 1,
        created_at: at,
        updated_at: at,
    }
}

fn resource<'a>(kind: ResourceKind, name: &'a str) -> Resource<'a> {
    Resource {
        kind,
        name,
        extension: None,
    }
}

fn context(text: &str) -> RequestContext {
    RequestContext {
        ip: Some("192.0.2.7".parse().unwrap()),
        time: text.parse().unwrap(),
        mfa: false,
        session: false,
        route: None,
    }
}

/// A Friday.
const NOON: &str = "2026-11-20T12:00:00Z";

/// The default policies are the rules of roles and scopes in another language: over every role, every set of scopes of up to two,
/// both kinds of principal and every scope, both give the same answer.
#[test]
fn the_default_policies_say_what_roles_and_scopes_say() {
    let mut sets: Vec<Vec<Scope>> = vec![Vec::new(), Scope::ALL.to_vec()];
    for one in Scope::ALL {
        sets.push(vec![one]);
        sets.extend(Scope::ALL.into_iter().filter(|other| *other > one).map(|other| vec![one, other]));
    }
    let mut compared = 0;
    for role in ROLES {
        for scopes in &sets {
            let key = principal(role, scopes);
            for scope in Scope::ALL {
                let action = action("anything", scope, ResourceKind::Tenant);
                let verdict = by_default(&key, &action, resource(ResourceKind::Tenant, "acme"), &context(NOON));
                assert_eq!(verdict.allowed, key.may(scope), "{role} {scopes:?} {scope}: {verdict:?}");
                assert_eq!(verdict.errors, [""; 0]);
                compared += 1;
            }
        }
        for scope in Scope::ALL {
            let user = Principal {
                id: PrincipalId::User(UserId::from_ulid(3.into())),
                ..principal(role, &[])
            };
            let action = action("anything", scope, ResourceKind::Tenant);
            let verdict = by_default(&user, &action, resource(ResourceKind::Tenant, "acme"), &context(NOON));
            assert_eq!(verdict.allowed, user.may(scope), "user {role} {scope}");
        }
    }
    assert!(compared >= 4 * 8 * 38, "{compared}");
}

#[test]
fn the_default_policies_fit_the_schema() {
    let vocabulary = Vocabulary::new(&ACTIONS);
    let set = PolicySet::from_policies(DEFAULTS.iter().cloned()).unwrap();
    let result = vocabulary.validator.validate(&set, cedar_policy::ValidationMode::Strict);
    let errors: Vec<String> = result.validation_errors().map(ToString::to_string).collect();
    assert_eq!(errors, [""; 0]);
}

#[test]
fn policies_of_a_tenant_decide() {
    let vocabulary = Vocabulary::new(&ACTIONS);
    let task = |name| resource(ResourceKind::Task, name);
    let [viewer, developer] = [Role::Viewer, Role::Developer].map(|role| principal(role, &[]));
    let narrow = principal(Role::Developer, &[Scope::TasksRead]);
    let of_echo = Resource {
        extension: Some("echo"),
        ..task("say")
    };
    let night = "2026-11-20T23:30:00Z";
    let forbid_refund = "forbid(principal, action == Oriel::Action::\"executeTask\", resource == Oriel::Task::\"refund\");";
    let nights = "forbid(principal, action in Oriel::Action::\"tasks:execute\", resource) \
        when { context.time.toTime() >= duration(\"22h\") };";
    let office = "forbid(principal, action, resource) unless { context has ip && context.ip.isInRange(ip(\"192.0.2.0/24\")) };";
    let weekend = "forbid(principal, action, resource) when { context.weekday >= 6 };";
    let lend = "permit(principal == Oriel::Key::\"key_00000000000000000000000002\", action == Oriel::Action::\"executeTask\", \
        resource == Oriel::Task::\"refund\");";
    let by_extension = "forbid(principal, action, resource is Oriel::Task in Oriel::Extension::\"echo\");";
    let mfa = "forbid(principal, action in Oriel::Action::\"access:write\", resource) unless { context.mfa };";
    let everything = "permit(principal, action, resource);";
    for (text, who, operation, what, at, allowed, reasons) in [
        (forbid_refund, &developer, "executeTask", task("refund"), NOON, false, vec!["own"]),
        (
            forbid_refund,
            &developer,
            "executeTask",
            task("quote"),
            NOON,
            true,
            vec!["role.developer"],
        ),
        (
            forbid_refund,
            &developer,
            "getTask",
            task("refund"),
            NOON,
            true,
            vec!["role.viewer"],
        ),
        (nights, &developer, "executeTask", task("quote"), NOON, true, vec!["role.developer"]),
        (nights, &developer, "executeTask", task("quote"), night, false, vec!["own"]),
        (office, &developer, "executeTask", task("quote"), NOON, true, vec!["role.developer"]),
        (
            weekend,
            &developer,
            "executeTask",
            task("quote"),
            "2026-11-21T12:00:00Z",
            false,
            vec!["own"],
        ),
        (
            weekend,
            &developer,
            "executeTask",
            task("quote"),
            NOON,
            true,
            vec!["role.developer"],
        ),
        (lend, &viewer, "executeTask", task("refund"), NOON, true, vec!["own"]),
        (lend, &viewer, "executeTask", task("quote"), NOON, false, vec![]),
        (lend, &narrow, "executeTask", task("refund"), NOON, false, vec!["key.scopes"]),
        (by_extension, &developer, "executeTask", of_echo, NOON, false, vec!["own"]),
        (
            by_extension,
            &developer,
            "executeTask",
            task("say"),
            NOON,
            true,
            vec!["role.developer"],
        ),
        (
            mfa,
            &principal(Role::Admin, &[]),
            "createKey",
            resource(ResourceKind::Tenant, "acme"),
            NOON,
            false,
            vec!["own"],
        ),
        (
            everything,
            &principal(Role::Admin, &[]),
            "createTenant",
            resource(ResourceKind::Tenant, "acme"),
            NOON,
            false,
            vec!["tenants.owners-only"],
        ),
    ] {
        let compiled = Compiled::new(&[policy("own", text)], &vocabulary);
        // Twice, so that what is remembered is compared too.
        for _ in 0..2 {
            let verdict = compiled.decide(who, &named(operation), what, &context(at));
            assert_eq!(
                (verdict.allowed, verdict.reasons.as_slice()),
                (allowed, &reasons.iter().map(ToString::to_string).collect::<Vec<_>>()[..]),
                "{text} {operation} {what:?} {at}"
            );
            assert_eq!(verdict.errors, [""; 0], "{text}");
        }
    }
}

/// Cedar passes over a policy that fails; here that is a no, with the reason.
#[test]
fn a_policy_that_fails_denies() {
    let vocabulary = Vocabulary::new(&ACTIONS);
    let overflow = "forbid(principal, action == Oriel::Action::\"executeTask\", resource) \
        when { context.weekday + 9223372036854775807 > 0 };";
    let compiled = Compiled::new(&[policy("sum", overflow)], &vocabulary);
    let owner = principal(Role::Owner, &[]);
    let verdict = compiled.decide(&owner, &named("executeTask"), resource(ResourceKind::Task, "t"), &context(NOON));
    assert!(
        !verdict.allowed && verdict.errors.len() == 1 && verdict.errors[0].contains("`sum`"),
        "{verdict:?}"
    );
    assert!(verdict.sentence().contains("cannot be evaluated"), "{}", verdict.sentence());
    // Written for an operation that a later release has no more.
    let gone = "forbid(principal, action == Oriel::Action::\"gone\", resource);";
    let compiled = Compiled::new(&[policy("old", gone)], &vocabulary);
    assert!(compiled.matters("getTask"));
    let verdict = compiled.decide(&owner, &named("getTask"), resource(ResourceKind::Task, "t"), &context(NOON));
    assert!(!verdict.allowed && verdict.errors[0].starts_with("old: "), "{verdict:?}");
}

#[test]
fn only_what_a_policy_speaks_of_asks_cedar() {
    let vocabulary = Vocabulary::new(&ACTIONS);
    let keys = policy("keys", "forbid(principal, action in [Oriel::Action::\"access:write\"], resource);");
    let compiled = Compiled::new(&[keys], &vocabulary);
    assert!(compiled.matters("createKey") && !compiled.matters("executeTask") && !compiled.matters("listKeys"));
    let off = Policy {
        enabled: false,
        ..policy("off", "forbid(principal, action, resource);")
    };
    assert!(!Compiled::new(&[off], &vocabulary).matters("createKey"));
}

#[test]
fn problems_have_their_place() {
    let vocabulary = Vocabulary::new(&ACTIONS);
    for (text, line, column, told) in [
        ("", 1, 1, "0 policies"),
        (
            "permit(principal, action, resource); permit(principal, action, resource);",
            1,
            1,
            "2 policies",
        ),
        ("permit(principal, action, resource)", 1, 36, "unexpected end"),
        (
            "permit(principal,\n  action == Oriel::Action::\"fly\",\n  resource);",
            2,
            13,
            "unrecognized action",
        ),
        ("permit(principal, action, resource)\nwhen { context.ipp == 1 };", 2, 8, "attribute"),
        (
            "forbid(principal, action, resource == Oriel::Ship::\"x\");",
            1,
            39,
            "unrecognized entity type",
        ),
        ("permit(principal == ?principal, action, resource);", 1, 1, "templates"),
        (
            "forbid(principal, action == Oriel::Action::\"createKey\", resource == Oriel::Task::\"x\");",
            1,
            1,
            "unable to find an applicable action",
        ),
    ] {
        let problems = vocabulary.read("own", text).unwrap_err();
        let first = &problems[0];
        assert!(
            (first.line, first.column) == (line, column) && first.message.contains(told),
            "{text}: {problems:#?}"
        );
    }
    let long = format!("// {}\npermit(principal, action, resource);", "x".repeat(20_000));
    assert!(vocabulary.read("own", &long).unwrap_err()[0].message.contains("longer"));
}

/// Not a test of time, only that many at once agree.
#[test]
fn many_threads_share_what_is_remembered() {
    let vocabulary = Vocabulary::new(&ACTIONS);
    let text = "forbid(principal, action == Oriel::Action::\"executeTask\", resource == Oriel::Task::\"t7\");";
    let compiled = Arc::new(Compiled::new(&[policy("own", text)], &vocabulary));
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let who = principal(Role::Developer, &[]);
                for n in 0..200 {
                    let name = format!("t{}", n % 20);
                    let verdict = compiled.decide(&who, &named("executeTask"), resource(ResourceKind::Task, &name), &context(NOON));
                    assert_eq!(verdict.allowed, name != "t7");
                }
            });
        }
    });
}
