//! Policies, members and quotas, as services and the edge meet them.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use oriel_access::{
    Access, AccessError, AccessOptions, AccessQuestion, Ask, AskTarget, Counted, MemberChange, NewKey, NewMember, NewPolicy, PolicyAction,
    Principal, Who,
};
use oriel_model::access::{PrincipalId, Resource, ResourceKind, Role, Scope};
use oriel_model::member::{Member, MemberKind};
use oriel_model::page::PageRequest;
use oriel_model::quota::{Quotas, RateLimit};
use oriel_model::time::{Clock, ManualClock};
use oriel_model::{Coded, ErrorCode, Timestamp};
use oriel_store::Stores;

struct World {
    access: Access,
    stores: Stores,
    clock: Arc<ManualClock>,
    owner: Arc<Principal>,
}

const fn action(operation: &'static str, scope: Scope, resource: ResourceKind) -> PolicyAction {
    PolicyAction {
        operation,
        scope,
        resource,
    }
}

fn options() -> AccessOptions {
    AccessOptions {
        actions: vec![
            action("executeTask", Scope::TasksExecute, ResourceKind::Task),
            action("getTask", Scope::TasksRead, ResourceKind::Task),
            action("createKey", Scope::AccessWrite, ResourceKind::Tenant),
            action("putPolicy", Scope::AccessWrite, ResourceKind::Policy),
            action("createTenant", Scope::TenantsWrite, ResourceKind::Tenant),
        ],
        quotas: Quotas {
            keys: Some(20),
            ..Quotas::default()
        },
        ..AccessOptions::default()
    }
}

async fn world() -> World {
    let clock = Arc::new(ManualClock::new(Timestamp::from_millis(1_700_000_000_000)));
    let stores = oriel_store::memory::stores();
    let access = Access::with_options(options(), &stores, clock.clone()).unwrap();
    let secret = access.bootstrap(None).await.unwrap().created.unwrap().secret;
    let owner = access.authenticate(&secret).await.unwrap();
    World {
        access,
        stores,
        clock,
        owner,
    }
}

impl World {
    async fn key(&self, role: Role, scopes: &[Scope]) -> Arc<Principal> {
        let new = NewKey {
            name: role.to_string(),
            role,
            scopes: scopes.to_vec(),
            expires_at: None,
            service_account: None,
            rate_limit: None,
        };
        let created = self.access.create_key(&self.owner, new).await.unwrap();
        self.access.authenticate(&created.secret).await.unwrap()
    }

    async fn policy(&self, id: &str, text: &str) -> Result<(), AccessError> {
        let new = NewPolicy {
            description: String::new(),
            text: text.to_owned(),
            enabled: true,
        };
        self.access.put_policy(&self.owner, id, new, None).await.map(drop)
    }

    async fn ask(&self, who: &Arc<Principal>, operation: &'static str, target: AskTarget<'_>) -> Result<Arc<Principal>, AccessError> {
        let scope = match operation {
            "executeTask" => Scope::TasksExecute,
            "getTask" => Scope::TasksRead,
            "createTenant" => Scope::TenantsWrite,
            _ => Scope::AccessWrite,
        };
        let ip: IpAddr = "192.0.2.7".parse().unwrap();
        let ask = Ask {
            operation,
            scope,
            target,
            ip: Some(ip),
            route: None,
        };
        self.access.admit(who, ask).await
    }

    async fn log(&self) -> Vec<(String, serde_json::Value)> {
        self.access.flush().await;
        let entries = self.stores.audit.scan(self.owner.tenant, 1, 1_000).await.unwrap();
        entries.into_iter().map(|entry| (entry.action, entry.details)).collect()
    }
}

const ECHO: AskTarget<'_> = AskTarget::Named(ResourceKind::Task, "echo");
const FORBID_ECHO: &str = "forbid(principal, action, resource == Oriel::Task::\"echo\");";

fn task(name: &str) -> Resource<'_> {
    Resource {
        kind: ResourceKind::Task,
        name,
        extension: Some("ext"),
    }
}

#[tokio::test]
async fn a_policy_holds_from_its_writing_to_its_removal() {
    let world = world().await;
    let developer = world.key(Role::Developer, &[]).await;
    world.ask(&developer, "executeTask", ECHO).await.unwrap();
    world.policy("no-echo", FORBID_ECHO).await.unwrap();
    let refused = world.ask(&developer, "executeTask", ECHO).await.unwrap_err();
    assert_eq!(refused.code(), ErrorCode::Forbidden);
    assert!(refused.to_string().contains("no-echo"), "{refused}");
    world
        .ask(&developer, "executeTask", AskTarget::Named(ResourceKind::Task, "other"))
        .await
        .unwrap();
    world.access.delete_policy(&world.owner, "no-echo", Some(1)).await.unwrap();
    world.ask(&developer, "executeTask", ECHO).await.unwrap();
    let missing = world.access.delete_policy(&world.owner, "no-echo", None).await.unwrap_err();
    assert_eq!(missing.code(), ErrorCode::PolicyNotFound);
}

/// A policy written on another node holds here as soon as what is known here is looked at again.
#[tokio::test]
async fn a_policy_of_another_node_is_felt() {
    let world = world().await;
    let other = Access::with_options(options(), &world.stores, world.clock.clone()).unwrap();
    let developer = world.key(Role::Developer, &[]).await;
    world.ask(&developer, "executeTask", ECHO).await.unwrap();
    let new = NewPolicy {
        description: String::new(),
        text: "forbid(principal, action, resource);".to_owned(),
        enabled: true,
    };
    other.put_policy(&world.owner, "stop", new, None).await.unwrap();
    world.ask(&developer, "executeTask", ECHO).await.unwrap();
    world.clock.advance(Duration::from_secs(5));
    assert!(world.ask(&developer, "executeTask", ECHO).await.is_err());
}

#[tokio::test]
async fn what_stands_in_the_body_is_asked_about_by_the_service() {
    let world = world().await;
    let [viewer, developer] = [world.key(Role::Viewer, &[]).await, world.key(Role::Developer, &[]).await];
    world.policy("no-echo", FORBID_ECHO).await.unwrap();
    let lend = format!(
        "permit(principal == Oriel::Key::\"{}\", action == Oriel::Action::\"executeTask\", resource == Oriel::Task::\"greet\");",
        viewer.id
    );
    world.policy("lend", &lend).await.unwrap();
    let developer = world.ask(&developer, "executeTask", AskTarget::Later).await.unwrap();
    assert!(Access::permit(&developer, task("greet")).is_ok());
    assert!(
        Access::permit(&developer, task("echo"))
            .unwrap_err()
            .to_string()
            .contains("no-echo")
    );
    let viewer = world.ask(&viewer, "executeTask", AskTarget::Later).await.unwrap();
    assert!(Access::require(&viewer, Scope::TasksExecute).is_ok() && Access::require(&viewer, Scope::TasksWrite).is_err());
    assert!(Access::permit(&viewer, task("greet")).is_ok());
    assert!(Access::permit(&viewer, task("other")).is_err());
    // Without a policy about it, nobody is asked and nothing is lent.
    let plain = world.ask(&world.owner, "createKey", AskTarget::Tenant).await.unwrap();
    assert!(plain.judge.is_none() && plain.lent.is_none());
}

#[tokio::test]
async fn what_is_lent_is_lent_for_one_thing() {
    let world = world().await;
    let viewer = world.key(Role::Viewer, &[]).await;
    let lend = "permit(principal in Oriel::Role::\"viewer\", action == Oriel::Action::\"executeTask\", resource == Oriel::Task::\"echo\");";
    world.policy("lend", lend).await.unwrap();
    let lent = world.ask(&viewer, "executeTask", ECHO).await.unwrap();
    assert!(lent.may(Scope::TasksExecute) && !lent.may(Scope::TasksWrite));
    assert!(!viewer.may(Scope::TasksExecute));
    let narrow = world.key(Role::Developer, &[Scope::TasksRead]).await;
    assert!(
        world
            .ask(&narrow, "executeTask", ECHO)
            .await
            .unwrap_err()
            .to_string()
            .contains("key.scopes")
    );
    // An administrator cannot lend the platform.
    world.policy("all", "permit(principal, action, resource);").await.unwrap();
    let admin = world.key(Role::Admin, &[]).await;
    assert!(world.ask(&admin, "createTenant", AskTarget::Tenant).await.is_err());
}

#[tokio::test]
async fn nobody_is_locked_out_for_good() {
    let world = world().await;
    let admin = world.key(Role::Admin, &[]).await;
    world.policy("stop", "forbid(principal, action, resource);").await.unwrap();
    let policy = AskTarget::Named(ResourceKind::Policy, "stop");
    for who in [&world.owner, &admin] {
        assert!(world.ask(who, "executeTask", ECHO).await.is_err());
    }
    assert!(world.ask(&admin, "putPolicy", policy).await.is_err());
    world.ask(&world.owner, "putPolicy", policy).await.unwrap();
}

#[tokio::test]
async fn two_who_write_one_policy_learn_of_each_other() {
    let world = world().await;
    let put = |text: &'static str, if_match| {
        let new = NewPolicy {
            description: "what for".to_owned(),
            text: text.to_owned(),
            enabled: true,
        };
        world.access.put_policy(&world.owner, "own", new, if_match)
    };
    assert_eq!(put(FORBID_ECHO, Some(1)).await.unwrap_err().code(), ErrorCode::PreconditionFailed);
    let (first, is_new) = put(FORBID_ECHO, None).await.unwrap();
    assert!(is_new && first.revision == 1);
    let (second, is_new) = put("forbid(principal, action, resource);", Some(1)).await.unwrap();
    assert!(!is_new && second.revision == 2 && second.created_at == first.created_at);
    assert_eq!(put(FORBID_ECHO, Some(1)).await.unwrap_err().code(), ErrorCode::PreconditionFailed);
    let stale = world.access.delete_policy(&world.owner, "own", Some(1)).await.unwrap_err();
    assert_eq!(stale.code(), ErrorCode::PreconditionFailed);
    let invalid = put("permit(principal, action, resource == Oriel::Boat::\"x\");", None)
        .await
        .unwrap_err();
    assert_eq!(invalid.code(), ErrorCode::PolicyInvalid);
    let places = invalid.places().unwrap();
    assert_eq!((&places[0]["line"], &places[0]["column"]), (&1.into(), &39.into()), "{places}");
    let narrow = world.key(Role::Admin, &[Scope::AccessWrite]).await;
    let new = NewPolicy {
        description: String::new(),
        text: FORBID_ECHO.to_owned(),
        enabled: true,
    };
    let refused = world.access.put_policy(&narrow, "x", new, None).await.unwrap_err();
    assert_eq!(refused.code(), ErrorCode::Forbidden);
}

#[tokio::test]
async fn the_check_answers_as_the_edge_does() {
    let world = world().await;
    let [viewer, developer, admin] = [
        world.key(Role::Viewer, &[]).await,
        world.key(Role::Developer, &[]).await,
        world.key(Role::Admin, &[]).await,
    ];
    world
        .policy(
            "no-echo",
            "forbid(principal, action == Oriel::Action::\"executeTask\", resource == Oriel::Task::\"echo\") \
        when { context has ip && context.ip.isInRange(ip(\"192.0.2.0/24\")) };",
        )
        .await
        .unwrap();
    let question = |who, operation: &str| AccessQuestion {
        who,
        operation: operation.to_owned(),
        resource: operation.ends_with("Task").then(|| (ResourceKind::Task, "echo".to_owned())),
        ip: Some("192.0.2.7".parse().unwrap()),
        time: None,
        mfa: false,
        route: None,
    };
    for who in [&viewer, &developer, &admin, &world.owner] {
        for operation in ["executeTask", "getTask", "createKey", "createTenant"] {
            let target = if operation.ends_with("Task") { ECHO } else { AskTarget::Tenant };
            let real = world.ask(who, operation, target).await.is_ok();
            let told = world
                .access
                .check_access(&world.owner, question(Who::Member(who.id), operation))
                .await
                .unwrap();
            assert_eq!(told.allowed, real, "{} {operation}: {told:?}", who.role);
            let by_role = world
                .access
                .check_access(&world.owner, question(Who::Role(who.role, Vec::new()), operation))
                .await
                .unwrap();
            assert_eq!(by_role.allowed, real, "{} {operation}: {by_role:?}", who.role);
        }
    }
    let elsewhere = AccessQuestion {
        ip: Some("198.51.100.1".parse().unwrap()),
        ..question(Who::Member(developer.id), "executeTask")
    };
    let told = world.access.check_access(&world.owner, elsewhere).await.unwrap();
    assert_eq!((told.allowed, told.reasons), (true, vec!["role.developer".to_owned()]));
    let before = world.log().await.len();
    let unknown = world
        .access
        .check_access(&world.owner, question(Who::Myself, "fly"))
        .await
        .unwrap_err();
    assert_eq!(unknown.code(), ErrorCode::RequestInvalid);
    assert_eq!(
        world
            .access
            .check_access(&viewer, question(Who::Myself, "getTask"))
            .await
            .unwrap_err()
            .code(),
        ErrorCode::Forbidden
    );
    assert_eq!(world.log().await.len(), before, "questions change and record nothing");
}

#[tokio::test]
async fn refusals_are_written_once_and_counted() {
    let world = world().await;
    let viewer = world.key(Role::Viewer, &[]).await;
    for _ in 0..50 {
        assert!(world.ask(&viewer, "executeTask", ECHO).await.is_err());
    }
    let refusals = |log: &[(String, serde_json::Value)]| {
        let own = log.iter().filter(|(action, _)| action == "access.refused");
        own.map(|(_, details)| details["repeatedBefore"].as_u64().unwrap())
            .collect::<Vec<_>>()
    };
    assert_eq!(refusals(&world.log().await), [0]);
    world.clock.advance(Duration::from_secs(61));
    assert!(world.ask(&viewer, "executeTask", ECHO).await.is_err());
    assert_eq!(refusals(&world.log().await), [0, 49]);
}

fn account(name: &str, role: Role) -> NewMember {
    NewMember {
        kind: MemberKind::ServiceAccount,
        name: name.to_owned(),
        display_name: String::new(),
        role,
    }
}

#[tokio::test]
async fn a_service_account_bounds_and_ends_its_keys() {
    let world = world().await;
    let (access, owner) = (&world.access, &world.owner);
    let ci = access.add_member(owner, account("ci", Role::Admin)).await.unwrap();
    let key = |role| NewKey {
        name: "of ci".to_owned(),
        role,
        scopes: Vec::new(),
        expires_at: None,
        service_account: Some("ci".to_owned()),
        rate_limit: None,
    };
    let too_much = access.create_key(owner, key(Role::Owner)).await.unwrap_err();
    assert_eq!(too_much.code(), ErrorCode::RequestInvalid);
    let created = access.create_key(owner, key(Role::Admin)).await.unwrap();
    let principal = access.authenticate(&created.secret).await.unwrap();
    assert_eq!(
        (principal.role, principal.service_account.map(PrincipalId::ServiceAccount)),
        (Role::Admin, Some(ci.id))
    );
    let less = MemberChange {
        role: Some(Role::Viewer),
        display_name: None,
    };
    access.change_member(owner, "ci", less, Some(1)).await.unwrap();
    assert_eq!(access.authenticate(&created.secret).await.unwrap().role, Role::Viewer, "at once");
    access.remove_member(owner, &ci.id.to_string()).await.unwrap();
    assert_eq!(
        access.authenticate(&created.secret).await.unwrap_err().code(),
        ErrorCode::KeyRevoked
    );
    assert_eq!(
        access.create_key(owner, key(Role::Viewer)).await.unwrap_err().code(),
        ErrorCode::MemberNotFound
    );
}

#[tokio::test]
async fn policies_can_name_a_service_account() {
    let world = world().await;
    let ci = world.access.add_member(&world.owner, account("ci", Role::Developer)).await.unwrap();
    let new = NewKey {
        name: "of ci".to_owned(),
        role: Role::Developer,
        scopes: Vec::new(),
        expires_at: None,
        service_account: Some(ci.id.to_string()),
        rate_limit: None,
    };
    let created = world.access.create_key(&world.owner, new).await.unwrap();
    let of_ci = world.access.authenticate(&created.secret).await.unwrap();
    let other = world.key(Role::Developer, &[]).await;
    let text = format!(
        "forbid(principal in Oriel::ServiceAccount::\"{}\", action, resource == Oriel::Task::\"echo\");",
        ci.id
    );
    world.policy("ci", &text).await.unwrap();
    assert!(world.ask(&of_ci, "executeTask", ECHO).await.is_err());
    world.ask(&other, "executeTask", ECHO).await.unwrap();
}

#[tokio::test]
async fn members_are_managed_by_those_above_them() {
    let world = world().await;
    let (access, owner) = (&world.access, &world.owner);
    let admin = world.key(Role::Admin, &[]).await;
    let user = |name: &str, role| NewMember {
        kind: MemberKind::User,
        name: name.to_owned(),
        display_name: "Ann".to_owned(),
        role,
    };
    for (who, new, code) in [
        (&admin, user("ann@example.com", Role::Owner), ErrorCode::Forbidden),
        (
            &world.key(Role::Developer, &[]).await,
            user("ann@example.com", Role::Viewer),
            ErrorCode::Forbidden,
        ),
        (
            &world.key(Role::Owner, &[Scope::AccessWrite]).await,
            user("ann@example.com", Role::Viewer),
            ErrorCode::Forbidden,
        ),
        (owner, user("ann", Role::Viewer), ErrorCode::RequestInvalid),
        (owner, user("a nn@example.com", Role::Viewer), ErrorCode::RequestInvalid),
        (owner, account("CI robot", Role::Viewer), ErrorCode::RequestInvalid),
        (owner, account("usr_01", Role::Viewer), ErrorCode::RequestInvalid),
    ] {
        assert_eq!(access.add_member(who, new.clone()).await.unwrap_err().code(), code, "{new:?}");
    }
    let ann = access.add_member(owner, user("Ann@Example.com", Role::Owner)).await.unwrap();
    assert_eq!(ann.name, "ann@example.com");
    let again = access.add_member(owner, user("ANN@example.com", Role::Viewer)).await.unwrap_err();
    assert_eq!(again.code(), ErrorCode::MemberExists);
    let lower = || MemberChange {
        role: Some(Role::Viewer),
        display_name: None,
    };
    assert_eq!(
        access
            .change_member(&admin, "ann@example.com", lower(), None)
            .await
            .unwrap_err()
            .code(),
        ErrorCode::Forbidden
    );
    assert_eq!(
        access.remove_member(&admin, "ann@example.com").await.unwrap_err().code(),
        ErrorCode::Forbidden
    );
    assert_eq!(access.member(owner, "ann@EXAMPLE.com").await.unwrap().id, ann.id);
    let stale = access.change_member(owner, "ann@example.com", lower(), Some(9)).await.unwrap_err();
    assert_eq!(stale.code(), ErrorCode::PreconditionFailed);
    let listed = access.list_members(owner, PageRequest::first()).await.unwrap();
    assert_eq!(listed.items.len(), 1);
    assert_eq!(
        access.member(owner, "bob@example.com").await.unwrap_err().code(),
        ErrorCode::MemberNotFound
    );
}

/// The owner's key can go once a person has shown that signing in works, and then that person must stay.
#[tokio::test]
async fn the_last_owner_stays() {
    let world = world().await;
    let (access, owner) = (&world.access, &world.owner);
    let new = NewMember {
        kind: MemberKind::User,
        name: "ann@example.com".to_owned(),
        display_name: String::new(),
        role: Role::Owner,
    };
    let ann = access.add_member(owner, new).await.unwrap();
    assert_eq!(
        access.revoke_key(owner, &owner.id.to_string()).await.unwrap_err().code(),
        ErrorCode::LastOwner
    );
    let seen = Member {
        seen_at: Some(world.clock.now()),
        revision: 2,
        ..ann
    };
    let audit = oriel_access::Actor::System.did(world.clock.now(), "test", "x", serde_json::json!({}));
    world.stores.members.update(owner.tenant, seen, 1, None, audit).await.unwrap();
    access.revoke_key(owner, &owner.id.to_string()).await.unwrap();
    let lower = MemberChange {
        role: Some(Role::Admin),
        display_name: None,
    };
    assert_eq!(
        access
            .change_member(owner, "ann@example.com", lower, None)
            .await
            .unwrap_err()
            .code(),
        ErrorCode::LastOwner
    );
    assert_eq!(
        access.remove_member(owner, "ann@example.com").await.unwrap_err().code(),
        ErrorCode::LastOwner
    );
}

#[tokio::test]
async fn rates_hold_for_the_tenant_and_for_the_key() {
    let world = world().await;
    let (access, owner) = (&world.access, &world.owner);
    let limited = NewKey {
        name: "limited".to_owned(),
        role: Role::Viewer,
        scopes: Vec::new(),
        expires_at: None,
        service_account: None,
        rate_limit: Some(RateLimit {
            requests_per_second: 1,
            burst: Some(2),
        }),
    };
    let secret = access.create_key(owner, limited).await.unwrap().secret;
    let enter = || async { access.enter(&access.identify(&secret).await.unwrap()) };
    let first = enter().await.unwrap();
    assert_eq!(first.states[0].map(|state| (state.name, state.remaining)), Some(("key", 1)));
    enter().await.unwrap();
    let refused = enter().await.unwrap_err();
    assert_eq!(refused.code(), ErrorCode::RateLimited);
    // Looking the key up again does not fill it up.
    world.clock.advance(Duration::from_millis(999));
    assert!(enter().await.is_err());
    world.clock.advance(Duration::from_millis(1));
    enter().await.unwrap();
    assert!(enter().await.is_err());
    world.clock.advance(Duration::from_secs(6));
    enter().await.unwrap();
    enter().await.unwrap();
    assert!(enter().await.is_err());

    let quotas = Quotas {
        concurrent_requests: Some(1),
        ..Quotas::default()
    };
    access.set_quotas(owner, "default", quotas, Some(0)).await.unwrap();
    world.clock.advance(Duration::from_secs(60));
    let other = access
        .create_key(
            owner,
            NewKey {
                name: "other".to_owned(),
                role: Role::Viewer,
                scopes: Vec::new(),
                expires_at: None,
                service_account: None,
                rate_limit: None,
            },
        )
        .await
        .unwrap()
        .secret;
    let working = enter().await.unwrap();
    let second = access.identify(&other).await.unwrap();
    assert!(matches!(
        access.enter(&second),
        Err(AccessError::TooMany { name: "tenant", most: 1 })
    ));
    drop(working);
    access.enter(&second).unwrap();
    let limited = world
        .log()
        .await
        .into_iter()
        .filter(|(action, _)| action == "access.limited")
        .count();
    assert!(limited >= 2, "refusals are in the log");
}

#[tokio::test]
async fn quotas_are_the_platform_owners_to_set() {
    let world = world().await;
    let (access, owner) = (&world.access, &world.owner);
    let acme = access.create_tenant(owner, "acme".parse().unwrap(), String::new()).await.unwrap();
    let theirs = access.authenticate(&acme.owner.secret).await.unwrap();
    let quotas = Quotas {
        keys: Some(2),
        tasks: Some(0),
        ..Quotas::default()
    };
    let refused = access.set_quotas(&theirs, "acme", quotas.clone(), None).await.unwrap_err();
    assert_eq!(refused.code(), ErrorCode::Forbidden);
    assert_eq!(
        access.set_quotas(owner, "nobody", quotas.clone(), None).await.unwrap_err().code(),
        ErrorCode::TenantNotFound
    );
    let nothing = Quotas {
        concurrent_requests: Some(0),
        ..Quotas::default()
    };
    assert_eq!(
        access.set_quotas(owner, "acme", nothing, None).await.unwrap_err().code(),
        ErrorCode::RequestInvalid
    );
    let set = access.set_quotas(owner, "acme", quotas.clone(), Some(0)).await.unwrap();
    assert_eq!((set.own.keys, set.revision, set.used.keys), (Some(2), 1, 1));
    assert_eq!(
        access.set_quotas(owner, "acme", quotas, Some(0)).await.unwrap_err().code(),
        ErrorCode::PreconditionFailed
    );
    // They may look at their own, and at nobody else's.
    assert_eq!(access.quotas(&theirs, "acme").await.unwrap().effective.keys, Some(2));
    assert_eq!(access.quotas(&theirs, "default").await.unwrap_err().code(), ErrorCode::Forbidden);
    assert_eq!(
        access.quotas(owner, "default").await.unwrap().effective.keys,
        Some(20),
        "the server's default"
    );
    let key = || NewKey {
        name: "one more".to_owned(),
        role: Role::Viewer,
        scopes: Vec::new(),
        expires_at: None,
        service_account: None,
        rate_limit: None,
    };
    let second = access.create_key(&theirs, key()).await.unwrap();
    let third = access.create_key(&theirs, key()).await.unwrap_err();
    assert_eq!(third.code(), ErrorCode::QuotaExceeded);
    access.revoke_key(&theirs, &second.key.id.to_string()).await.unwrap();
    access.create_key(&theirs, key()).await.unwrap();
    assert_eq!(
        access.require_room(theirs.tenant, Counted::Tasks).await.unwrap_err().code(),
        ErrorCode::QuotaExceeded
    );
    drop(access.require_room(theirs.tenant, Counted::Extensions).await.unwrap());
}
