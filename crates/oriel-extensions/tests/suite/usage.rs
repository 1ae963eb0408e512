//! What calls take is billed to whom it belongs, once.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use oriel_extensions::{Consent, ExtensionsOptions, Prices, UsageGroups, UsageRow};
use oriel_model::Timestamp;
use oriel_model::access::Principal;
use oriel_model::contribution::ContributionKind;
use oriel_model::id::TenantId;
use oriel_model::time::{Clock, SystemClock};
use oriel_store::{Stores, Usage, UsageDelta, Used};

use crate::lifecycle::{call, call_on};
use crate::support::{World, echo, kv};

const DAY: Duration = Duration::from_secs(86_400);

async fn usage(world: &World, principal: &Principal, groups: UsageGroups) -> Vec<UsageRow> {
    let now = SystemClock.now();
    world
        .extensions
        .usage(principal, now.minus(DAY), now.plus(DAY), groups)
        .await
        .unwrap()
}

const BY_CONTRIBUTION: UsageGroups = UsageGroups {
    extension: false,
    contribution: true,
    hour: false,
    day: false,
};

#[tokio::test]
async fn each_call_is_billed_once_to_its_tenant_and_contribution() {
    let world = World::new().await;
    world.install(echo("1.0.0")).await;
    world.install(kv("1.0.0")).await;
    world
        .extensions
        .install(&world.stranger, echo("1.0.0"), Consent::All, true)
        .await
        .unwrap();
    for _ in 0..3 {
        call(&world, "echo", "upper", "\"a\"").await.unwrap();
        call(&world, "kv", "count", "1").await.unwrap();
    }
    call(&world, "echo", "upper", "7").await.unwrap();
    call_on(&world.extensions, &world.stranger, "echo", "echo", "1").await.unwrap();

    let rows = usage(&world, &world.owner, BY_CONTRIBUTION).await;
    let short = |row: &UsageRow| {
        let (kind, name) = row.contribution.clone().unwrap();
        assert_eq!(kind, ContributionKind::Program);
        (
            row.extension.clone().unwrap().to_string(),
            name.to_string(),
            row.used.calls,
            row.used.failures,
        )
    };
    let text = |extension: &str, name: &str, calls, failures| (extension.to_owned(), name.to_owned(), calls, failures);
    let shown: Vec<_> = rows.iter().map(short).collect();
    assert_eq!(shown, [text("echo", "upper", 4, 0), text("kv", "count", 3, 0)]);
    assert!(rows[1].used.host_calls >= 3 && rows[1].used.wall_us > 0);
    let theirs: Vec<_> = usage(&world, &world.stranger, BY_CONTRIBUTION).await.iter().map(short).collect();
    assert_eq!(theirs, [text("echo", "echo", 1, 0)]);

    // Neither an upgrade nor an uninstall loses or repeats anything.
    call(&world, "echo", "upper", "\"a\"").await.unwrap();
    world
        .extensions
        .upgrade(&world.owner, "echo", echo("1.1.0"), Consent::All, None)
        .await
        .unwrap();
    call(&world, "echo", "upper", "\"a\"").await.unwrap();
    world.extensions.uninstall(&world.owner, "echo", None).await.unwrap();
    for _ in 0..2 {
        let shown: Vec<_> = usage(&world, &world.owner, BY_CONTRIBUTION).await.iter().map(short).collect();
        assert_eq!(shown, [text("echo", "upper", 6, 0), text("kv", "count", 3, 0)]);
    }
    let all = usage(&world, &world.owner, UsageGroups::default()).await;
    assert_eq!((all.len(), all[0].used.calls, &all[0].extension), (1, 9, &None));
    let by_hour = UsageGroups {
        hour: true,
        ..UsageGroups::default()
    };
    let hours = usage(&world, &world.owner, by_hour).await;
    assert_eq!(hours.iter().map(|row| row.used.calls).sum::<u64>(), 9);
    assert!(hours.iter().all(|row| row.at.unwrap().millis() % 3_600_000 == 0));
}

/// A store that is away as long as it is told to.
struct Away {
    inner: Arc<dyn Usage>,
    away: Arc<AtomicBool>,
}

#[async_trait::async_trait]
impl Usage for Away {
    async fn add(&self, deltas: Vec<UsageDelta>) -> oriel_store::Result<()> {
        if self.away.load(Ordering::SeqCst) {
            return Err(oriel_store::StoreError::Unavailable { source: "away".into() });
        }
        self.inner.add(deltas).await
    }
    async fn query(&self, tenant: TenantId, from: Timestamp, to: Timestamp) -> oriel_store::Result<Vec<UsageDelta>> {
        self.inner.query(tenant, from, to).await
    }
    async fn purge(&self, before: Timestamp, limit: u32) -> oriel_store::Result<u64> {
        self.inner.purge(before, limit).await
    }
}

#[tokio::test]
async fn what_cannot_be_written_waits_for_its_store() {
    let away = Arc::new(AtomicBool::new(true));
    let switch = away.clone();
    let world = World::with(ExtensionsOptions::default(), move |stores| Stores {
        usage: Arc::new(Away {
            inner: stores.usage.clone(),
            away: switch,
        }),
        ..stores
    })
    .await;
    world.install(echo("1.0.0")).await;
    for _ in 0..3 {
        call(&world, "echo", "upper", "\"a\"").await.unwrap();
        assert_eq!(usage(&world, &world.owner, BY_CONTRIBUTION).await, []);
    }
    away.store(false, Ordering::SeqCst);
    world.extensions.flush().await;
    let rows = usage(&world, &world.owner, BY_CONTRIBUTION).await;
    assert_eq!((rows.len(), rows[0].used.calls), (1, 3));
}

#[test]
fn prices_are_applied() {
    let prices = Prices {
        cpu_second: 0.5,
        million_calls: 2.0,
        outbound_gib: 0.25,
    };
    let used = Used {
        calls: 500_000,
        cpu_us: 3_000_000,
        outbound_bytes: 2 << 30,
        ..Used::default()
    };
    assert!((prices.cost(&used) - 3.0).abs() < 1e-9);
    assert!(Prices::default().is_free() && !prices.is_free());
}
