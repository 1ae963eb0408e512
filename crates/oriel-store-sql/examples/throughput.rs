//! Roughly what the hot paths take: `cargo run --release -p oriel-store-sql --example throughput [-- POSTGRES_URL]`.
//!
//! Prints operations per second for one writer and for 16, over SQLite in both modes and, when a URL is given,
//! PostgreSQL; then how long it takes to open a database with 10,000 installations and to list them.
#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "a program for the terminal")]

use std::future::Future;
use std::pin::Pin;
use std::time::{Duration, Instant};

use oriel_model::page::PageRequest;
use oriel_store::conformance::fixtures::{at, audit, installation, segment, tenant_id};
use oriel_store::{KvQuota, KvScope, Stores, memory};
use oriel_store_sql::{SqlOptions, Synchronous, open};

/// One piece of work.
type Work = Pin<Box<dyn Future<Output = ()> + Send>>;

const QUOTA: KvQuota = KvQuota {
    keys: 1_000_000,
    bytes: 1 << 40,
};

/// Runs `work` again and again in as many tasks as told, for a second.
async fn measure<F>(name: &str, tasks: usize, work: impl Fn(usize) -> F + Clone + Send + 'static)
where
    F: Future<Output = ()> + Send + 'static,
{
    let start = Instant::now();
    let tasks_running: Vec<_> = (0..tasks)
        .map(|task| {
            let work = work.clone();
            tokio::spawn(async move {
                let mut done = 0_u64;
                while start.elapsed() < Duration::from_secs(1) {
                    work(task).await;
                    done += 1;
                }
                done
            })
        })
        .collect();
    let mut done = 0;
    for task in tasks_running {
        done += task.await.unwrap();
    }
    println!(
        "  {name:<32} {tasks:>2} at once {:>8.0}/s",
        done as f64 / start.elapsed().as_secs_f64()
    );
}

async fn hot_paths(name: &str, url: &str, options: SqlOptions) {
    println!("{name}");
    let sql = open(url, options).await.unwrap();
    let stores = sql.stores(memory::stores().blobs);
    let scope = KvScope {
        tenant: tenant_id(),
        extension: "ext".parse().unwrap(),
    };
    for tasks in [1, 16] {
        let each = |work: fn(Stores, KvScope, usize) -> Work| {
            let (stores, scope) = (stores.clone(), scope.clone());
            move |task| work(stores.clone(), scope.clone(), task)
        };
        let append = each(|stores, scope, _| {
            Box::pin(async move {
                let mut segment = segment(scope.tenant, 0);
                segment.body = vec![7; 500].into();
                stores.executions.append(vec![segment]).await.unwrap();
            })
        });
        measure("append one segment of 500 B", tasks, append).await;
        let set = each(|stores, scope, task| {
            Box::pin(async move {
                let key = format!("key/{task}");
                stores.key_value.set(&scope, &key, vec![7; 100], None, QUOTA, at(0)).await.unwrap();
            })
        });
        measure("key-value set of 100 B", tasks, set).await;
        let add = each(|stores, scope, _| {
            Box::pin(async move {
                stores.key_value.increment(&scope, "count", 1, None, QUOTA, at(0)).await.unwrap();
            })
        });
        measure("key-value increment of one key", tasks, add).await;
        let get = each(|stores, scope, _| {
            Box::pin(async move {
                stores.key_value.get(&scope, "count", at(0)).await.unwrap();
            })
        });
        measure("key-value get", tasks, get).await;
        let log = each(|stores, scope, _| {
            Box::pin(async move {
                stores.audit.append(scope.tenant, audit("measured")).await.unwrap();
            })
        });
        measure("audit append", tasks, log).await;
    }
    sql.close().await;
}

async fn many_installations(url: &str) {
    let sql = open(url, SqlOptions::default()).await.unwrap();
    let stores = sql.stores(memory::stores().blobs);
    let tenant = tenant_id();
    let start = Instant::now();
    for number in 0..10_000 {
        let it = installation(tenant, &format!("ext-{number}"));
        stores.installations.insert(it, audit("install")).await.unwrap();
    }
    println!("10,000 installations: inserted in {:.2?}", start.elapsed());
    sql.close().await;
    let start = Instant::now();
    let stores = open(url, SqlOptions::default()).await.unwrap().stores(memory::stores().blobs);
    println!("10,000 installations: opened in {:.2?}", start.elapsed());
    let (start, mut count, mut cursor) = (Instant::now(), 0, None);
    loop {
        let page = stores
            .installations
            .list(tenant, PageRequest { limit: 1_000, cursor })
            .await
            .unwrap();
        count += page.items.len();
        cursor = page.next_cursor;
        if cursor.is_none() {
            break;
        }
    }
    println!("10,000 installations: {count} listed in {:.2?}", start.elapsed());
}

#[tokio::main]
async fn main() {
    let directory = tempfile::tempdir().unwrap();
    let url = |name: &str| format!("sqlite:{}", directory.path().join(name).display());
    for (name, synchronous) in [("SQLite, normal", Synchronous::Normal), ("SQLite, full", Synchronous::Full)] {
        let mut options = SqlOptions::default();
        options.synchronous = synchronous;
        hot_paths(name, &url(name), options).await;
    }
    if let Some(postgres) = std::env::args().nth(1) {
        hot_paths("PostgreSQL", &postgres, SqlOptions::default()).await;
    }
    many_installations(&url("many")).await;
}
