//! Behaviour of keys, tenants and the audit chain.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod suite {
    mod governance;
}

use std::sync::Arc;
use std::time::Duration;

use oriel_access::{Access, AccessError, NewKey, Principal};
use oriel_model::access::{Role, Scope};
use oriel_model::page::PageRequest;
use oriel_model::time::{Clock, ManualClock};
use oriel_model::{Coded, ErrorCode, Timestamp};

struct World {
    access: Access,
    clock: Arc<ManualClock>,
    owner: Arc<Principal>,
}

async fn world() -> World {
    let clock = Arc::new(ManualClock::new(Timestamp::from_millis(1_700_000_000_000)));
    let access = Access::new(&oriel_store::memory::stores(), clock.clone());
    let secret = access.bootstrap(None).await.unwrap().created.unwrap().secret;
    let owner = access.authenticate(&secret).await.unwrap();
    World { access, clock, owner }
}

fn key(role: Role, scopes: &[Scope]) -> NewKey {
    NewKey {
        name: "a key".to_owned(),
        role,
        scopes: scopes.to_vec(),
        expires_at: None,
        service_account: None,
        rate_limit: None,
    }
}

#[tokio::test]
async fn the_first_start_makes_one_owner_key_and_later_ones_none() {
    let stores = oriel_store::memory::stores();
    let access = Access::new(&stores, Arc::new(ManualClock::default()));
    assert!(access.bootstrap(None).await.unwrap().created.is_some());
    assert!(access.bootstrap(None).await.unwrap().created.is_none());
    // A key that the operator brings works beside it, and again after a restart.
    let brought = "a-key-that-the-operator-chose";
    assert!(access.bootstrap(Some(brought)).await.unwrap().created.is_none());
    assert!(access.bootstrap(Some(brought)).await.unwrap().created.is_none());
    assert_eq!(access.authenticate(brought).await.unwrap().role, Role::Owner);
    assert_eq!(
        access.bootstrap(Some("too short")).await.unwrap_err().code(),
        ErrorCode::RequestInvalid
    );
}

#[tokio::test]
async fn only_the_very_secret_opens_the_door() {
    let World { access, owner, .. } = world().await;
    let created = access.create_key(&owner, key(Role::Viewer, &[])).await.unwrap();
    assert_eq!(access.authenticate(&created.secret).await.unwrap().id, created.key.id.into());
    let mut wrong = created.secret.clone();
    let last = wrong.pop().unwrap();
    wrong.push(if last == 'A' { 'B' } else { 'A' });
    for bad in [
        "",
        "oriel_",
        &wrong,
        &created.key.id.to_string(),
        &format!("{} ", created.secret),
        &created.secret.to_uppercase(),
    ] {
        assert_eq!(
            access.authenticate(bad).await.unwrap_err().code(),
            ErrorCode::Unauthenticated,
            "{bad}"
        );
    }
}

#[tokio::test]
async fn keys_expire_and_are_revoked_at_once() {
    let World { access, clock, owner } = world().await;
    let ending = NewKey {
        expires_at: Some(clock.now().plus(Duration::from_secs(60))),
        ..key(Role::Viewer, &[])
    };
    let ending = access.create_key(&owner, ending).await.unwrap();
    access.authenticate(&ending.secret).await.unwrap();
    clock.advance(Duration::from_secs(60));
    assert_eq!(access.authenticate(&ending.secret).await.unwrap_err().code(), ErrorCode::KeyExpired);

    let revoked = access.create_key(&owner, key(Role::Admin, &[])).await.unwrap();
    access.authenticate(&revoked.secret).await.unwrap();
    let first = access.revoke_key(&owner, &revoked.key.id.to_string()).await.unwrap();
    assert_eq!(
        access.authenticate(&revoked.secret).await.unwrap_err().code(),
        ErrorCode::KeyRevoked
    );
    clock.advance(Duration::from_secs(1));
    let again = access.revoke_key(&owner, &revoked.key.id.to_string()).await.unwrap();
    assert_eq!(first.revoked_at, again.revoked_at);
}

#[tokio::test]
async fn nobody_makes_a_key_above_or_beyond_its_own() {
    let World { access, clock, owner } = world().await;
    let admin = access.create_key(&owner, key(Role::Admin, &[])).await.unwrap();
    let admin = access.authenticate(&admin.secret).await.unwrap();
    let forbidden = |error: AccessError| assert_eq!(error.code(), ErrorCode::Forbidden, "{error}");
    forbidden(access.create_key(&admin, key(Role::Owner, &[])).await.unwrap_err());
    forbidden(access.revoke_key(&admin, &owner.id.to_string()).await.unwrap_err());
    let narrow = access.create_key(&owner, key(Role::Admin, &[Scope::AccessWrite])).await.unwrap();
    let narrow = access.authenticate(&narrow.secret).await.unwrap();
    forbidden(access.create_key(&narrow, key(Role::Admin, &[])).await.unwrap_err());
    forbidden(access.create_key(&narrow, key(Role::Admin, &[Scope::TasksRead])).await.unwrap_err());
    forbidden(access.list_keys(&narrow, PageRequest::first()).await.unwrap_err());
    access.create_key(&narrow, key(Role::Admin, &[Scope::AccessWrite])).await.unwrap();

    let invalid = |error: AccessError| assert_eq!(error.code(), ErrorCode::RequestInvalid, "{error}");
    invalid(
        access
            .create_key(
                &owner,
                NewKey {
                    name: String::new(),
                    ..key(Role::Viewer, &[])
                },
            )
            .await
            .unwrap_err(),
    );
    invalid(
        access
            .create_key(
                &owner,
                NewKey {
                    expires_at: Some(clock.now()),
                    ..key(Role::Viewer, &[])
                },
            )
            .await
            .unwrap_err(),
    );
    invalid(
        access
            .create_key(&owner, key(Role::Viewer, &[Scope::AccessWrite]))
            .await
            .unwrap_err(),
    );
    assert_eq!(
        access.revoke_key(&owner, &owner.id.to_string()).await.unwrap_err().code(),
        ErrorCode::LastOwner
    );
}

#[tokio::test]
async fn tenants_are_walls() {
    let World { access, owner, .. } = world().await;
    let acme = access
        .create_tenant(&owner, "acme".parse().unwrap(), "Acme".to_owned())
        .await
        .unwrap();
    let twice = access
        .create_tenant(&owner, "acme".parse().unwrap(), String::new())
        .await
        .unwrap_err();
    assert_eq!(twice.code(), ErrorCode::TenantExists);
    let theirs = access.authenticate(&acme.owner.secret).await.unwrap();
    assert_eq!(
        access
            .create_tenant(&theirs, "other".parse().unwrap(), String::new())
            .await
            .unwrap_err()
            .code(),
        ErrorCode::Forbidden
    );
    assert_eq!(
        access.list_tenants(&theirs, PageRequest::first()).await.unwrap_err().code(),
        ErrorCode::Forbidden
    );
    assert_eq!(
        access.revoke_key(&theirs, &owner.id.to_string()).await.unwrap_err().code(),
        ErrorCode::KeyNotFound
    );
    assert_eq!(access.list_keys(&theirs, PageRequest::first()).await.unwrap().items.len(), 1);
    assert_eq!(access.list_tenants(&owner, PageRequest::first()).await.unwrap().items.len(), 2);
}

#[tokio::test]
async fn the_audit_chain_tells_of_every_change_and_verifies() {
    let World { access, owner, .. } = world().await;
    for _ in 0..5 {
        access.create_key(&owner, key(Role::Viewer, &[])).await.unwrap();
    }
    let verdict = access.verify_audit(&owner).await.unwrap();
    assert_eq!((verdict.entries, verdict.broken), (7, None));
    let log = access.audit_log(&owner, PageRequest { limit: 3, cursor: None }).await.unwrap();
    assert_eq!(log.items[0].action, "key.create");
    assert_eq!(log.items[0].actor, owner.id.to_string());
    assert!(log.next_cursor.is_some());
}
