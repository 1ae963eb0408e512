//! Checks of what is usual, and of anomalies.

use std::sync::Arc;

use oriel_model::anomaly::{Anomaly, AnomalyAction, AnomalyMetric, AnomalyState, Settled, Severity, UsualRange};
use oriel_model::contribution::ContributionKind;
use oriel_model::id::{AnomalyId, InstallationId};
use oriel_model::page::PageRequest;

use super::fixtures::{at, audit, installation, tenant_id};
use crate::{AnomalyFilter, Raised, StoreError, Stores};

fn page(limit: u32, cursor: Option<String>) -> PageRequest {
    PageRequest { limit, cursor }
}

fn anomaly(extension: &str, of: InstallationId, ms: i64, value: f64) -> Anomaly {
    Anomaly {
        id: AnomalyId::new(at(ms)),
        extension: extension.parse().unwrap(),
        installation: of,
        metric: AnomalyMetric::CpuPerCall,
        kind: Some(ContributionKind::Program),
        contribution: Some("predict".parse().unwrap()),
        host: None,
        severity: Severity::Warning,
        state: AnomalyState::Open,
        observed: Some(value),
        expected: Some(UsualRange {
            median: 100.0,
            low: 10.0,
            high: 500.0,
        }),
        learned_from: 7,
        summary: format!("{value} ✓"),
        from: at(ms),
        to: at(ms),
        times: 1,
        node: "a".to_owned(),
        action: AnomalyAction::None,
        settled: None,
        revision: 1,
    }
}

/// What a node learned is read back as it was written; a host is new once.
pub async fn baselines_live(stores: &Stores) {
    let (one, other) = (tenant_id(), tenant_id());
    let store = &stores.baselines;
    assert_eq!(store.get(one, "flights", "a").await.unwrap(), None);
    for (node, body) in [("a", "1"), ("b", "2"), ("a", "{\"ü\":3}")] {
        store.put(one, "flights", node, body.to_owned()).await.unwrap();
    }
    assert_eq!(store.get(one, "flights", "a").await.unwrap().unwrap(), "{\"ü\":3}");
    assert_eq!(store.get(one, "flights", "b").await.unwrap().unwrap(), "2");
    assert_eq!(store.get(other, "flights", "a").await.unwrap(), None);
    let hosts = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    let meet = async |tenant, names: &[&str], ms| store.meet(tenant, "flights", hosts(names), at(ms)).await.unwrap();
    assert_eq!(
        meet(one, &["https://a:443", "https://b:443"], 1).await,
        hosts(&["https://a:443", "https://b:443"])
    );
    assert_eq!(meet(one, &["https://b:443", "https://c:443"], 2).await, hosts(&["https://c:443"]));
    assert_eq!(meet(one, &[], 3).await, hosts(&[]));
    assert_eq!(meet(other, &["https://a:443"], 4).await.len(), 1);
    let known = store.hosts(one, "flights", 2).await.unwrap();
    let known: Vec<_> = known.iter().map(|known| (known.host.as_str(), known.first_seen)).collect();
    assert_eq!(known, [("https://a:443", at(1)), ("https://b:443", at(1))]);
}

/// One host is new to one of many callers.
pub async fn one_of_many_meets_a_host(stores: &Stores) {
    let tenant = tenant_id();
    let mut callers = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let store = Arc::clone(&stores.baselines);
        callers.spawn(async move {
            let hosts = vec!["https://b:443".to_owned(), "https://a:443".to_owned()];
            store.meet(tenant, "flights", hosts, at(0)).await.unwrap().len()
        });
    }
    assert_eq!(callers.join_all().await.into_iter().sum::<usize>(), 2);
}

/// What was learned goes with its installation; anomalies stay.
pub async fn a_baseline_belongs_to_its_installation(stores: &Stores) {
    let tenant = tenant_id();
    let it = installation(tenant, "flights");
    stores.installations.insert(it.clone(), audit("install")).await.unwrap();
    stores.baselines.put(tenant, "flights", "a", "1".to_owned()).await.unwrap();
    stores.baselines.put(tenant, "trains", "a", "2".to_owned()).await.unwrap();
    let host = || vec!["https://a:443".to_owned()];
    stores.baselines.meet(tenant, "flights", host(), at(0)).await.unwrap();
    let raised = anomaly("flights", it.id, 0, 900.0);
    stores
        .anomalies
        .raise(tenant, raised.clone(), at(0), audit("raised"))
        .await
        .unwrap();
    stores
        .installations
        .delete(tenant, "flights", it.revision, audit("delete"))
        .await
        .unwrap();
    assert_eq!(stores.baselines.get(tenant, "flights", "a").await.unwrap(), None);
    assert_eq!(stores.baselines.get(tenant, "trains", "a").await.unwrap().unwrap(), "2");
    assert_eq!(stores.baselines.meet(tenant, "flights", host(), at(1)).await.unwrap(), host());
    assert_eq!(stores.anomalies.get(tenant, raised.id).await.unwrap(), Some(raised));
}

/// What is seen again is counted, not raised again, until it was dismissed or not seen for a while.
pub async fn anomalies_live(stores: &Stores) {
    let (one, other) = (tenant_id(), tenant_id());
    let store = &stores.anomalies;
    let of = InstallationId::new(at(0));
    let first = anomaly("flights", of, 10, 900.0);
    let audited = async || stores.audit.scan(one, 1, 100).await.unwrap().len();
    assert_eq!(store.raise(one, first.clone(), at(0), audit("raised")).await.unwrap(), Raised::New);
    let mut again = anomaly("flights", of, 20, 5_000.0);
    again.severity = Severity::Critical;
    let Raised::Again(seen) = store.raise(one, again, at(10), audit("raised")).await.unwrap() else {
        panic!("it is there already")
    };
    assert_eq!(
        (seen.id, seen.times, seen.observed, seen.severity),
        (first.id, 2, Some(5_000.0), Severity::Critical)
    );
    assert_eq!(
        (seen.from, seen.to, seen.revision, seen.summary.as_str()),
        (at(10), at(20), 2, "5000 ✓")
    );
    assert_eq!(store.get(one, first.id).await.unwrap(), Some(*seen.clone()));
    assert_eq!(audited().await, 1, "only what is new is told");
    assert_eq!(store.get(other, first.id).await.unwrap(), None);

    // Others: another tenant, another installation, and one that was not seen for a while.
    let apart = anomaly("flights", InstallationId::new(at(1)), 30, 900.0);
    assert_eq!(store.raise(one, apart, at(0), audit("raised")).await.unwrap(), Raised::New);
    assert_eq!(
        store
            .raise(other, anomaly("flights", of, 30, 1.0), at(0), audit("raised"))
            .await
            .unwrap(),
        Raised::New
    );
    let later = anomaly("flights", of, 40, 900.0);
    assert_eq!(store.raise(one, later.clone(), at(21), audit("raised")).await.unwrap(), Raised::New);

    // Two people settle the same revision: one is late.
    let dismissed = Anomaly {
        state: AnomalyState::Dismissed,
        settled: Some(Settled {
            by: "key".to_owned(),
            at: at(50),
            note: Some("a \u{0} load test".to_owned()),
        }),
        revision: 2,
        ..later.clone()
    };
    store.update(one, dismissed.clone(), 1, audit("dismiss")).await.unwrap();
    let late = store.update(one, dismissed.clone(), 1, audit("dismiss")).await;
    assert!(matches!(late, Err(StoreError::Conflict { .. })), "{late:?}");
    let series = later.series();
    assert_eq!(store.dismissed(one, of, &series).await.unwrap(), [dismissed]);
    assert_eq!(store.dismissed(other, of, &series).await.unwrap(), []);
    // What was dismissed is not seen again, but what is older and open is.
    let Raised::Again(seen) = store
        .raise(one, anomaly("flights", of, 60, 900.0), at(0), audit("raised"))
        .await
        .unwrap()
    else {
        panic!("the first is still open")
    };
    assert_eq!(seen.id, first.id);
    assert_eq!(audited().await, 4);
}

/// Newest first, by extension and state; old ones go.
pub async fn anomalies_page_filter_and_purge(stores: &Stores) {
    let tenant = tenant_id();
    let store = &stores.anomalies;
    // Other checks may share the database: ours are the oldest by far.
    let at = |ms: i64| at(ms - 100_000);
    for (ms, extension) in [(1, "flights"), (2, "trains"), (3, "flights"), (4, "flights")] {
        let it = anomaly(extension, InstallationId::new(at(ms)), ms - 100_000, 1.0);
        store.raise(tenant, it, at(0), audit("raised")).await.unwrap();
    }
    let flights = AnomalyFilter {
        extension: Some("flights".parse().unwrap()),
        state: Some(AnomalyState::Open),
    };
    let first = store.list(tenant, &flights, page(2, None)).await.unwrap();
    let times = |items: &[Anomaly]| items.iter().map(|item| item.from).collect::<Vec<_>>();
    assert_eq!(times(&first.items), [at(4), at(3)]);
    let second = store.list(tenant, &flights, page(2, first.next_cursor)).await.unwrap();
    assert_eq!((times(&second.items), second.next_cursor), (vec![at(1)], None));
    let dismissed = AnomalyFilter {
        state: Some(AnomalyState::Dismissed),
        ..AnomalyFilter::default()
    };
    assert_eq!(store.list(tenant, &dismissed, page(9, None)).await.unwrap().items, []);
    assert_eq!(store.purge(at(3), 1).await.unwrap(), 1);
    assert_eq!(store.purge(at(3), 100).await.unwrap(), 1);
    let left = store.list(tenant, &AnomalyFilter::default(), page(9, None)).await.unwrap();
    assert_eq!(times(&left.items), [at(4), at(3)]);
}
