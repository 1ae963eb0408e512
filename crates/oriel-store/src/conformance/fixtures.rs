//! What the checks are made of; useful to tests of services too.

use std::future::Future;

use bytes::Bytes;
use oriel_model::access::{ApiKey, Role, Tenant};
use oriel_model::id::{AuditId, BatchId, ExecutionId, InstallationId, KeyId, TaskId, TenantId};
use oriel_model::installation::{Installation, InstallationState, Release};
use oriel_model::manifest::Manifest;
use oriel_model::page::{Page, PageRequest};
use oriel_model::task::{ProgramRef, Task};
use oriel_model::{Digest, Timestamp};
use serde_json::json;

use crate::{Batch, BatchState, NewAudit, Result, Segment, SegmentHead, StoreError, StoredKey};

/// The moment at which checks take place, and `ms` milliseconds later.
#[must_use]
pub fn at(ms: i64) -> Timestamp {
    Timestamp::from_millis(1_700_000_000_000 + ms)
}

/// A tenant's id that nobody else has.
#[must_use]
pub fn tenant_id() -> TenantId {
    TenantId::new(at(0))
}

/// A tenant.
#[must_use]
pub fn tenant(name: &str) -> Tenant {
    Tenant {
        id: tenant_id(),
        name: name.parse().unwrap(),
        display_name: format!("{name}, \u{0}Inc. ✓"),
        created_at: at(0),
    }
}

/// A name that no other check uses, of lower-case letters, digits and `-`.
#[must_use]
pub fn unique(prefix: &str) -> String {
    format!("{prefix}-{}", tenant_id().to_string().replace("ten_", ""))
}

/// An audit entry that says `action`.
#[must_use]
pub fn audit(action: &str) -> NewAudit {
    NewAudit {
        id: AuditId::new(at(0)),
        at: at(0),
        actor: "system".into(),
        action: action.into(),
        subject: "subject".into(),
        details: json!({"z": 1, "a": [true, null, "ü\u{0}\n"]}),
    }
}

/// An owner's key without scopes.
#[must_use]
pub fn key(tenant: TenantId) -> StoredKey {
    let id = KeyId::new(at(0));
    StoredKey {
        tenant,
        key: ApiKey {
            id,
            name: "key ✓".into(),
            role: Role::Owner,
            scopes: Vec::new(),
            service_account: None,
            rate_limit: None,
            created_at: at(0),
            expires_at: None,
            last_used_at: None,
            revoked_at: None,
        },
        secret_hash: *Digest::of(id.to_string().as_bytes()).bytes(),
    }
}

/// A release whose package has the digest of `package`.
#[must_use]
pub fn release(name: &str, version: &str, package: &str) -> Release {
    Release {
        manifest: Manifest {
            name: name.parse().unwrap(),
            version: version.parse().unwrap(),
            description: "a description".into(),
            publisher: "acme".parse().unwrap(),
            license: "Apache-2.0".into(),
            host_api: "*".parse().unwrap(),
            lifecycle: false,
            programs: Vec::new(),
            validators: Vec::new(),
            samplers: Vec::new(),
            event_handlers: Vec::new(),
            hooks: Vec::new(),
            jobs: Vec::new(),
            routes: Vec::new(),
            collections: Vec::new(),
            permissions: Default::default(),
            limits: Default::default(),
            reuse: Default::default(),
            remote: None,
            config_schema: Some(json!({"type": "object", "b": 1, "a": 2})),
            dependencies: Default::default(),
            links: Default::default(),
            tags: vec!["tag".into()],
        },
        package: Digest::of(package.as_bytes()),
        component: Some(Digest::of(b"component")),
        size: 7,
    }
}

/// An enabled installation at revision 1.
#[must_use]
pub fn installation(tenant: TenantId, name: &str) -> Installation {
    Installation {
        id: InstallationId::new(at(0)),
        tenant,
        name: name.parse().unwrap(),
        state: InstallationState::Enabled,
        release: release(name, "1.0.0", name),
        grant: Default::default(),
        previous: None,
        pending: None,
        canary: None,
        last_canary: None,
        secrets: std::collections::BTreeMap::new(),
        config: json!({"greeting": "hé\u{0}llo", "depth": {"z": 1, "a": 2}}),
        limits: Default::default(),
        budgets: Default::default(),
        health_policy: Default::default(),
        remote: None,
        quarantine: None,
        revision: 1,
        created_at: at(0),
        updated_at: at(0),
    }
}

/// A task at revision 1.
#[must_use]
pub fn task(name: &str) -> Task {
    Task {
        id: TaskId::new(at(0)),
        name: name.parse().unwrap(),
        description: "a \u{0}description".into(),
        input_schema: json!({"type": "object", "required": ["b", "a"]}),
        output_schema: json!(true),
        program: ProgramRef {
            extension: "ext".parse().unwrap(),
            name: "run".parse().unwrap(),
        },
        revision: 1,
        created_at: at(0),
        updated_at: at(0),
    }
}

/// A segment of 10 records, 2 of them failed, that started in the 9 ms after `ms`.
#[must_use]
pub fn segment(tenant: TenantId, ms: i64) -> Segment {
    let (first, last) = (ExecutionId::new(at(ms)), ExecutionId::new(at(ms)));
    Segment {
        head: SegmentHead {
            tenant,
            first,
            last,
            task: None,
            extension: "ext".into(),
            batch: None,
            from: at(ms),
            to: at(ms + 9),
            count: 10,
            failures: 2,
        },
        body: Bytes::from(format!("\u{0}body of {first}")),
    }
}

/// A running batch.
#[must_use]
pub fn batch(tenant: TenantId, node: &str) -> Batch {
    Batch {
        id: BatchId::new(at(0)),
        tenant,
        task: TaskId::new(at(0)),
        state: BatchState::Running,
        total: 100,
        succeeded: 40,
        failed: 2,
        started_at: at(0),
        finished_at: None,
        node: node.into(),
    }
}

/// Reads a whole list in pages of `limit` and checks that no page is longer, and that none is empty but the only one.
pub async fn read_all<T, F: Future<Output = Result<Page<T>>>>(limit: u32, list: impl Fn(PageRequest) -> F) -> Vec<T> {
    let mut all = Vec::new();
    let mut cursor = None;
    loop {
        let page = list(PageRequest { limit, cursor }).await.unwrap();
        assert!(page.items.len() <= limit as usize, "a page of {} items", page.items.len());
        assert!(!page.items.is_empty() || all.is_empty(), "an empty page follows a cursor");
        all.extend(page.items);
        cursor = page.next_cursor;
        if cursor.is_none() {
            return all;
        }
    }
}

/// Checks that made-up cursors and another list's are refused.
pub async fn refuses_cursors<T: std::fmt::Debug, F: Future<Output = Result<Page<T>>>>(list: impl Fn(PageRequest) -> F) {
    let foreign = crate::cursor::encode("some-other-list", "a");
    for bad in ["", "x", "§§", "AAAA", "00000000000000000000", &foreign] {
        let request = PageRequest {
            limit: 5,
            cursor: Some(bad.to_owned()),
        };
        assert!(matches!(list(request).await, Err(StoreError::Cursor)), "cursor `{bad}`");
    }
}
