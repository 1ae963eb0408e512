//! What was acknowledged survives the process, and a refused write leaves nothing behind.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use oriel_store::conformance::{audit::verify, fixtures};
use oriel_store::{KvQuota, KvScope, SegmentFilter, StoreError, Stores, memory};
use oriel_store_sql::{SqlOptions, Synchronous, open};

const QUOTA: KvQuota = KvQuota {
    keys: u64::MAX,
    bytes: u64::MAX,
};

fn options(synchronous: Synchronous) -> SqlOptions {
    let mut options = SqlOptions::default();
    options.synchronous = synchronous;
    options
}

fn scope(tenant: oriel_model::id::TenantId) -> KvScope {
    KvScope {
        tenant,
        extension: "ext".parse().unwrap(),
    }
}

async fn increment(stores: &Stores, scope: &KvScope) -> oriel_store::Result<i64> {
    stores.key_value.increment(scope, "n", 1, None, QUOTA, fixtures::at(0)).await
}

/// The child: writes for ever and says what was acknowledged. Does nothing in an ordinary run.
#[tokio::test]
async fn child_that_writes_until_killed() {
    let (Ok(url), Ok(tenant)) = (std::env::var("ORIEL_TEST_URL"), std::env::var("ORIEL_TEST_TENANT")) else {
        return;
    };
    let synchronous = if std::env::var_os("ORIEL_TEST_FULL").is_some() {
        Synchronous::Full
    } else {
        Synchronous::Normal
    };
    let tenant = tenant.parse().unwrap();
    let stores = open(&url, options(synchronous)).await.unwrap().stores(memory::stores().blobs);
    loop {
        stores.executions.append(vec![fixtures::segment(tenant, 0)]).await.unwrap();
        stores.audit.append(tenant, fixtures::audit("written")).await.unwrap();
        let done = increment(&stores, &scope(tenant)).await.unwrap();
        println!("acknowledged {done}");
    }
}

async fn killed(url: &str, synchronous: Synchronous) {
    let tenant = fixtures::tenant_id();
    let mut acknowledged = 0;
    for _ in 0..3 {
        let mut child = Command::new(std::env::current_exe().unwrap());
        child.args(["--exact", "suite::crash::child_that_writes_until_killed", "--nocapture"]);
        child.env("ORIEL_TEST_URL", url).env("ORIEL_TEST_TENANT", tenant.to_string());
        if synchronous == Synchronous::Full {
            child.env("ORIEL_TEST_FULL", "1");
        }
        let mut child = child.stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut said = 0;
        while said < 30 {
            let line = lines.next().unwrap().unwrap();
            // The test harness may write on the same line.
            if let Some((_, number)) = line.split_once("acknowledged ") {
                acknowledged = number.parse::<i64>().unwrap();
                said += 1;
            }
        }
        child.kill().unwrap();
        child.wait().unwrap();
        for line in lines.map_while(Result::ok) {
            if let Some((_, number)) = line.split_once("acknowledged ") {
                acknowledged = number.parse().unwrap_or(acknowledged);
            }
        }

        let sql = open(url, options(synchronous)).await.unwrap();
        let stores = sql.stores(memory::stores().blobs);
        let entry = stores.key_value.get(&scope(tenant), "n", fixtures::at(0)).await.unwrap().unwrap();
        let counted: i64 = String::from_utf8(entry.value).unwrap().parse().unwrap();
        let segments = stores
            .executions
            .find(tenant, &SegmentFilter::default(), 0, u32::MAX)
            .await
            .unwrap()
            .len() as i64;
        let log = verify(&stores, tenant).await.len() as i64;
        // A round may have been cut after each of its commits, but none goes back.
        assert!(counted >= acknowledged, "{counted} of {acknowledged} acknowledged");
        assert!(
            segments >= counted && log >= counted,
            "{segments} segments, {log} entries, {counted} rounds"
        );
        sql.close().await;
    }
}

#[tokio::test]
async fn killing_the_process_loses_nothing_on_sqlite() {
    for synchronous in [Synchronous::Normal, Synchronous::Full] {
        let directory = tempfile::tempdir().unwrap();
        killed(&format!("sqlite:{}", directory.path().join("oriel.db").display()), synchronous).await;
    }
}

#[tokio::test]
async fn killing_the_process_loses_nothing_on_postgres() {
    let url = oriel_test_postgres::Postgres::shared().create_database().unwrap();
    killed(&url, Synchronous::Normal).await;
}

/// SQLite says that the disk is full when the file may not grow: refused writes leave nothing, smaller ones go on.
#[tokio::test]
async fn a_full_disk_leaves_no_half_state() {
    let directory = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}", directory.path().join("oriel.db").display());
    let mut small = options(Synchronous::Normal);
    small.max_size = Some(1_000_000);
    let sql = open(&url, small).await.unwrap();
    let stores = sql.stores(memory::stores().blobs);
    let tenant = fixtures::tenant_id();
    let mut installed = 0;
    loop {
        let mut it = fixtures::installation(tenant, &format!("ext-{installed}"));
        it.config = serde_json::json!("x".repeat(20_000));
        match stores.installations.insert(it, fixtures::audit("install")).await {
            Ok(()) => installed += 1,
            Err(StoreError::Full) => break,
            Err(other) => panic!("{other:?}"),
        }
        assert!(installed < 100, "the disk never fills");
    }
    let mut segments: Vec<_> = (0..100).map(|ms| fixtures::segment(tenant, ms)).collect();
    segments[90].body = vec![7; 200_000].into();
    let append = stores.executions.append(segments).await;
    assert!(matches!(append, Err(StoreError::Full)), "{append:?}");
    let set = stores
        .key_value
        .set(&scope(tenant), "k", vec![7; 200_000], None, QUOTA, fixtures::at(0))
        .await;
    assert!(matches!(set, Err(StoreError::Full)), "{set:?}");

    // Nothing is half there, reading goes on, and so does writing where there is room.
    let listed = fixtures::read_all(100, |page| stores.installations.list(tenant, page)).await;
    assert_eq!(listed.len(), installed);
    assert_eq!(verify(&stores, tenant).await.len(), installed);
    let found = stores.executions.find(tenant, &SegmentFilter::default(), 0, 1_000).await.unwrap();
    assert_eq!(found, []);
    stores
        .installations
        .delete(tenant, "ext-0", 1, fixtures::audit("uninstall"))
        .await
        .unwrap();
    assert_eq!(increment(&stores, &scope(tenant)).await.unwrap(), 1);
    sql.close().await;

    let sql = open(&url, options(Synchronous::Normal)).await.unwrap();
    let stores = sql.stores(memory::stores().blobs);
    assert_eq!(increment(&stores, &scope(tenant)).await.unwrap(), 2);
    assert_eq!(verify(&stores, tenant).await.len(), installed + 1);
}

/// A caller that goes away in the middle neither keeps the writer nor leaves half a change.
#[tokio::test(flavor = "multi_thread")]
async fn a_dropped_call_gives_the_writer_back() {
    let sql = open("sqlite::memory:", options(Synchronous::Normal)).await.unwrap();
    let stores = sql.stores(memory::stores().blobs);
    let tenant = fixtures::tenant_id();
    for polls in 0..60 {
        let append = stores.audit.append(tenant, fixtures::audit("dropped"));
        // Polled a few times, then dropped wherever it stands.
        let mut append = std::pin::pin!(append);
        for _ in 0..polls {
            let waker = std::task::Waker::noop();
            if append.as_mut().poll(&mut std::task::Context::from_waker(waker)).is_ready() {
                break;
            }
            tokio::task::yield_now().await;
        }
    }
    stores.audit.append(tenant, fixtures::audit("whole")).await.unwrap();
    verify(&stores, tenant).await;
}

#[tokio::test]
async fn a_file_that_is_no_database_is_told() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("oriel.db");
    std::fs::write(&file, "certainly not a database, and long enough to be read as one".repeat(100)).unwrap();
    let refused = open(&format!("sqlite:{}", file.display()), SqlOptions::default()).await;
    assert!(matches!(refused, Err(StoreError::Corrupt { .. })), "{refused:?}");
    let missing = directory.path().join("no/such/directory/oriel.db");
    let refused = open(&format!("sqlite:{}", missing.display()), SqlOptions::default()).await;
    assert!(matches!(refused, Err(StoreError::Unavailable { .. })), "{refused:?}");
}
