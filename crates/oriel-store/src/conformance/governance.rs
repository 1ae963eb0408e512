//! Policies, members, sessions and quotas.

use oriel_model::Digest;
use oriel_model::access::{PrincipalId, Role};
use oriel_model::id::{ServiceAccountId, SessionId, UserId};
use oriel_model::member::{Member, MemberKind, Session};
use oriel_model::policy::Policy;
use oriel_model::quota::{Quotas, RateLimit};

use super::fixtures::{at, audit, installation, key, read_all, refuses_cursors, task, tenant_id};
use crate::{Consumption, KvQuota, KvScope, StoreError, StoredSession, Stores};

fn policy(id: &str, revision: u64) -> Policy {
    Policy {
        id: id.parse().unwrap(),
        description: "what for ✓".to_owned(),
        text: "forbid(principal, action, resource);".to_owned(),
        enabled: true,
        revision,
        created_at: at(0),
        updated_at: at(revision.try_into().unwrap()),
    }
}

fn user(name: &str, role: Role) -> Member {
    Member {
        id: UserId::new(at(0)).into(),
        kind: MemberKind::User,
        name: name.to_owned(),
        display_name: "Ünï".to_owned(),
        role,
        by_claim: false,
        issuer: None,
        subject: None,
        revision: 1,
        created_at: at(0),
        seen_at: None,
    }
}

fn account(name: &str) -> Member {
    Member {
        id: PrincipalId::ServiceAccount(ServiceAccountId::new(at(0))),
        kind: MemberKind::ServiceAccount,
        ..user(name, Role::Developer)
    }
}

fn session(tenant: oriel_model::id::TenantId, user: &Member, ends: i64) -> StoredSession {
    let PrincipalId::User(user) = user.id else { panic!("a user") };
    let id = SessionId::new(at(0));
    StoredSession {
        tenant,
        session: Session {
            id,
            user,
            ip: Some("2001:db8::1".to_owned()),
            user_agent: "a browser ✓".to_owned(),
            mfa: true,
            created_at: at(0),
            expires_at: at(ends),
        },
        secret_hash: *Digest::of(id.to_string().as_bytes()).bytes(),
    }
}

/// A policy is put, read, changed and removed by its tenant only, each time with its entry in the log.
pub async fn policies_live(stores: &Stores) {
    let (tenant, other) = (tenant_id(), tenant_id());
    let policies = &stores.policies;
    let second = policy("b", 1);
    for one in [&second, &policy("a", 1)] {
        policies.put(tenant, one.clone(), None, audit("policy.create")).await.unwrap();
    }
    assert_eq!(policies.all(tenant).await.unwrap(), [policy("a", 1), second]);
    assert_eq!(policies.get(tenant, "a").await.unwrap(), Some(policy("a", 1)));
    assert_eq!(policies.get(tenant, "c").await.unwrap(), None);
    assert_eq!(policies.get(other, "a").await.unwrap(), None);
    assert_eq!(policies.all(other).await.unwrap(), []);
    policies.put(tenant, policy("a", 2), Some(1), audit("policy.update")).await.unwrap();
    assert_eq!(policies.get(tenant, "a").await.unwrap(), Some(policy("a", 2)));
    policies.delete(tenant, "a", 2, audit("policy.delete")).await.unwrap();
    assert_eq!(policies.get(tenant, "a").await.unwrap(), None);
    assert_eq!(stores.audit.scan(tenant, 1, 10).await.unwrap().len(), 4);
}

/// Whoever expects another revision changes and records nothing.
pub async fn a_stale_policy_is_refused(stores: &Stores) {
    let (tenant, other) = (tenant_id(), tenant_id());
    let policies = &stores.policies;
    policies.put(tenant, policy("a", 1), None, audit("policy.create")).await.unwrap();
    let again = policies.put(tenant, policy("a", 1), None, audit("x")).await;
    assert!(matches!(again, Err(StoreError::Exists { what: "policy" })), "{again:?}");
    for (of, id, expected) in [(tenant, "a", 2), (tenant, "b", 1), (other, "a", 1)] {
        let stale = policies.put(of, policy(id, expected + 1), Some(expected), audit("x")).await;
        assert!(matches!(stale, Err(StoreError::Conflict { what: "policy" })), "{stale:?}");
        let stale = policies.delete(of, id, expected, audit("x")).await;
        assert!(matches!(stale, Err(StoreError::Conflict { what: "policy" })), "{stale:?}");
    }
    assert_eq!(stores.audit.scan(tenant, 1, 10).await.unwrap().len(), 1);
    assert_eq!(stores.audit.scan(other, 1, 10).await.unwrap(), []);
}

/// A member is found by id, by name and kind, and by what its issuer calls it.
pub async fn members_live(stores: &Stores) {
    let (tenant, other) = (tenant_id(), tenant_id());
    let members = &stores.members;
    let (mut ann, ci) = (user("ann@example.com", Role::Admin), account("ci"));
    for one in [&ci, &ann, &user("ci", Role::Viewer)] {
        members.insert(tenant, one.clone(), audit("member.add")).await.unwrap();
    }
    for taken in [account("ci"), user("ann@example.com", Role::Viewer)] {
        let refused = members.insert(tenant, taken, audit("x")).await;
        assert!(matches!(refused, Err(StoreError::Exists { what: "member" })), "{refused:?}");
    }
    assert_eq!(members.get(tenant, ci.id).await.unwrap(), Some(ci.clone()));
    assert_eq!(members.get(other, ci.id).await.unwrap(), None);
    let found = members.by_name(tenant, MemberKind::ServiceAccount, "ci").await;
    assert_eq!(found.unwrap(), Some(ci.clone()));
    assert_eq!(members.by_subject(tenant, "https://issuer", "s").await.unwrap(), None);
    ann.issuer = Some("https://issuer".to_owned());
    ann.subject = Some("s".to_owned());
    ann.revision = 2;
    members.update(tenant, ann.clone(), 1, None, audit("member.update")).await.unwrap();
    let found = members.by_subject(tenant, "https://issuer", "s").await;
    assert_eq!(found.unwrap(), Some(ann.clone()));
    assert_eq!(members.by_subject(other, "https://issuer", "s").await.unwrap(), None);
    let stale = members.update(tenant, ann.clone(), 1, None, audit("x")).await;
    assert!(matches!(stale, Err(StoreError::Conflict { what: "member" })), "{stale:?}");
    for limit in [1, 2, 10] {
        let listed = read_all(limit, |page| members.list(tenant, page)).await;
        let names: Vec<_> = listed.iter().map(|one| (one.kind, one.name.as_str())).collect();
        assert_eq!(names[2], (MemberKind::ServiceAccount, "ci"), "users come first");
        assert_eq!(names.len(), 3);
    }
    refuses_cursors_of(stores, tenant).await;
    assert!(!members.remove(other, ann.id, at(1), audit("x")).await.unwrap());
    assert!(members.remove(tenant, ann.id, at(1), audit("member.remove")).await.unwrap());
    assert!(!members.remove(tenant, ann.id, at(1), audit("x")).await.unwrap());
    assert_eq!(stores.audit.scan(tenant, 1, 10).await.unwrap().len(), 5);
}

async fn refuses_cursors_of(stores: &Stores, tenant: oriel_model::id::TenantId) {
    refuses_cursors(|page| stores.sessions.list(tenant, None, page)).await;
}

/// Keys and people who have signed in count together as owners; the last one of both stays.
pub async fn the_last_owner_may_be_a_person(stores: &Stores) {
    let tenant = tenant_id();
    let members = &stores.members;
    let owner_key = key(tenant);
    stores.keys.create(owner_key.clone(), audit("key.create")).await.unwrap();
    let revoke = || stores.keys.revoke(tenant, owner_key.key.id, at(2), true, audit("key.revoke"));
    let mut ann = user("ann@example.com", Role::Owner);
    members.insert(tenant, ann.clone(), audit("member.add")).await.unwrap();
    assert!(revoke().await.is_err(), "she has not shown that she can sign in");
    ann.seen_at = Some(at(1));
    ann.revision = 2;
    members
        .update(tenant, ann.clone(), 1, Some(at(1)), audit("member.update"))
        .await
        .unwrap();
    assert!(revoke().await.unwrap().is_some());
    let lesser = Member {
        role: Role::Admin,
        revision: 3,
        ..ann.clone()
    };
    let refused = members.update(tenant, lesser.clone(), 2, Some(at(3)), audit("x")).await;
    assert!(matches!(refused, Err(StoreError::Conflict { what: "owner" })), "{refused:?}");
    assert_eq!(members.get(tenant, ann.id).await.unwrap(), Some(ann.clone()));
    let refused = members.remove(tenant, ann.id, at(3), audit("x")).await;
    assert!(matches!(refused, Err(StoreError::Conflict { what: "owner" })), "{refused:?}");
    stores.keys.create(key(tenant), audit("key.create")).await.unwrap();
    members
        .update(tenant, lesser, 2, Some(at(3)), audit("member.update"))
        .await
        .unwrap();
}

/// With a service account go its keys, with a user the sessions.
pub async fn members_take_what_is_theirs(stores: &Stores) {
    let tenant = tenant_id();
    let (ann, bob, ci) = (user("ann", Role::Viewer), user("bob", Role::Viewer), account("ci"));
    for one in [&ann, &bob, &ci] {
        stores.members.insert(tenant, one.clone(), audit("member.add")).await.unwrap();
    }
    let PrincipalId::ServiceAccount(id) = ci.id else {
        panic!("an account")
    };
    let (mut owned, free) = (key(tenant), key(tenant));
    owned.key.service_account = Some(id);
    for stored in [&owned, &free] {
        stores.keys.create(stored.clone(), audit("key.create")).await.unwrap();
    }
    let (hers, his) = (session(tenant, &ann, 9), session(tenant, &bob, 9));
    for one in [&hers, &his] {
        stores.sessions.insert(one.clone(), audit("session.begin")).await.unwrap();
    }
    assert!(stores.members.remove(tenant, ci.id, at(5), audit("member.remove")).await.unwrap());
    assert!(stores.members.remove(tenant, ann.id, at(5), audit("member.remove")).await.unwrap());
    let revoked = |stored: &crate::StoredKey| stored.key.revoked_at;
    assert_eq!(revoked(&stores.keys.find(owned.key.id).await.unwrap().unwrap()), Some(at(5)));
    assert_eq!(revoked(&stores.keys.find(free.key.id).await.unwrap().unwrap()), None);
    assert_eq!(stores.sessions.find(hers.session.id).await.unwrap(), None);
    assert_eq!(stores.sessions.find(his.session.id).await.unwrap(), Some(his));
}

/// Sessions are listed by tenant and by user, newest first, end once, and are forgotten when their time is over.
pub async fn sessions_live(stores: &Stores) {
    let (tenant, other) = (tenant_id(), tenant_id());
    let (ann, bob) = (user("ann", Role::Viewer), user("bob", Role::Viewer));
    let sessions: Vec<StoredSession> = [&ann, &bob, &ann].map(|of| session(tenant, of, 1_000_000)).into();
    for one in &sessions {
        stores.sessions.insert(one.clone(), audit("session.begin")).await.unwrap();
    }
    let PrincipalId::User(ann) = ann.id else { panic!("a user") };
    for limit in [1, 2, 5] {
        let listed = read_all(limit, |page| stores.sessions.list(tenant, None, page)).await;
        let expected: Vec<Session> = sessions.iter().rev().map(|one| one.session.clone()).collect();
        assert_eq!(listed, expected);
        let hers = read_all(limit, |page| stores.sessions.list(tenant, Some(ann), page)).await;
        assert_eq!(hers, [expected[0].clone(), expected[2].clone()]);
    }
    assert_eq!(read_all(5, |page| stores.sessions.list(other, None, page)).await, []);
    let first = sessions[0].session.id;
    assert!(!stores.sessions.remove(other, first, audit("x")).await.unwrap());
    assert!(stores.sessions.remove(tenant, first, audit("session.end")).await.unwrap());
    assert!(!stores.sessions.remove(tenant, first, audit("x")).await.unwrap());
    assert_eq!(stores.audit.scan(tenant, 1, 10).await.unwrap().len(), 4);
    let ended = session(other, &bob, -1_000_000);
    stores.sessions.insert(ended.clone(), audit("session.begin")).await.unwrap();
    while stores.sessions.prune(at(-999_999), 1).await.unwrap() > 0 {}
    assert_eq!(stores.sessions.find(ended.session.id).await.unwrap(), None);
    assert!(stores.sessions.find(sessions[1].session.id).await.unwrap().is_some());
}

/// Quotas are set against a revision.
pub async fn quotas_live(stores: &Stores) {
    let (tenant, other) = (tenant_id(), tenant_id());
    let first = Quotas {
        rate_limit: Some(RateLimit {
            requests_per_second: 5,
            burst: None,
        }),
        stored_bytes: Some(u64::from(u32::MAX) + 1),
        ..Quotas::default()
    };
    assert_eq!(stores.quotas.get(tenant).await.unwrap(), None);
    for (expected, fits) in [(1, false), (0, true), (0, false), (1, true), (7, false)] {
        let put = stores.quotas.put(tenant, first.clone(), expected, audit("quotas.set")).await;
        assert_eq!(put.is_ok(), fits, "{expected}: {put:?}");
    }
    assert_eq!(stores.quotas.get(tenant).await.unwrap(), Some((first, 2)));
    assert_eq!(stores.quotas.get(other).await.unwrap(), None);
    assert_eq!(stores.audit.scan(tenant, 1, 10).await.unwrap().len(), 2);
}

/// Use is counted by tenant, dead keys left out.
pub async fn use_is_counted(stores: &Stores) {
    let (tenant, other) = (tenant_id(), tenant_id());
    assert_eq!(stores.quotas.usage(tenant, at(1)).await.unwrap(), Consumption::default());
    for of in [tenant, other] {
        stores.installations.insert(installation(of, "echo"), audit("x")).await.unwrap();
        stores.tasks.insert(of, task("a"), audit("x")).await.unwrap();
    }
    stores.tasks.insert(tenant, task("b"), audit("x")).await.unwrap();
    let (live, mut expired, gone) = (key(tenant), key(tenant), key(tenant));
    expired.key.expires_at = Some(at(0));
    for stored in [&live, &expired, &gone] {
        stores.keys.create(stored.clone(), audit("x")).await.unwrap();
    }
    stores.keys.revoke(tenant, gone.key.id, at(0), false, audit("x")).await.unwrap();
    let quota = KvQuota { keys: 9, bytes: 99 };
    for extension in ["echo", "other"] {
        let scope = KvScope {
            tenant,
            extension: extension.parse().unwrap(),
        };
        let value = b"1234".to_vec();
        stores.key_value.set(&scope, "k", value, None, quota, at(1)).await.unwrap();
    }
    let counted = stores.quotas.usage(tenant, at(1)).await.unwrap();
    let expected = Consumption {
        extensions: 1,
        tasks: 2,
        keys: 1,
        stored_bytes: 10,
    };
    assert_eq!(counted, expected);
}
