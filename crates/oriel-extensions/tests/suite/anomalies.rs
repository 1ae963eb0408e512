//! What is usual is learned from real calls, what is not is raised, and people teach it.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use oriel_access::Sealer;
use oriel_extensions::{AnomalyOptions, Extensions, ExtensionsOptions, HealthOptions, ManualStopwatch};
use oriel_model::access::Role;
use oriel_model::anomaly::{Anomaly, AnomalyAction, AnomalyMetric, AnomalyState, Severity};
use oriel_model::health_policy::HealthPolicy;
use oriel_model::page::PageRequest;
use oriel_model::time::ManualClock;
use oriel_model::{Coded, ErrorCode, Timestamp};
use oriel_sandbox::{Sandbox, SandboxOptions};
use oriel_store::{AnomalyFilter, Stores};
use serde_json::json;

use crate::lifecycle::{call, call_on};
use crate::support::{World, manifest, package};

const MINUTE: Duration = Duration::from_secs(60);

fn hostile(version: &str) -> bytes::Bytes {
    let mut manifest = manifest("hostile", version, &["echo", "compute", "fetch"]);
    manifest["lifecycle"] = json!(true);
    manifest["configSchema"] = json!({ "type": "object" });
    manifest["permissions"] = json!({ "keyValue": true, "network": ["*.example.com"] });
    manifest["limits"] = json!({ "timeout": "2s" });
    package("hostile", manifest)
}

/// Twenty windows of a minute are enough.
fn options(stopwatch: &Arc<ManualStopwatch>) -> ExtensionsOptions {
    ExtensionsOptions {
        health: HealthOptions::off(),
        anomalies: AnomalyOptions {
            learn: 20 * MINUTE,
            min_calls: 1,
            ..AnomalyOptions::default()
        },
        stopwatch: stopwatch.clone(),
        ..ExtensionsOptions::default()
    }
}

struct Observed {
    world: World,
    stopwatch: Arc<ManualStopwatch>,
}

impl Observed {
    async fn new() -> Self {
        Self::with(|stores| stores).await
    }

    async fn with(stores: impl FnOnce(Stores) -> Stores) -> Self {
        let stopwatch = Arc::new(ManualStopwatch::default());
        let world = World::with(options(&stopwatch), stores).await;
        world.install(hostile("1.0.0")).await;
        let this = Self { world, stopwatch };
        // The first look begins the first window.
        call(&this.world, "hostile", "echo", "1").await.unwrap();
        this.world.extensions.learn().await;
        this
    }

    /// A minute in which these calls are made; answers what is open afterwards.
    async fn minute(&self, calls: &[(&str, &str)]) -> Vec<Anomaly> {
        for (program, input) in calls {
            let _ = call(&self.world, "hostile", program, input).await;
        }
        self.stopwatch.advance(MINUTE);
        self.world.extensions.learn().await;
        self.open().await
    }

    async fn taught(&self) {
        for _ in 0..25 {
            assert_eq!(self.minute(&[("echo", "1"), ("echo", "\"two\""), ("echo", "3")]).await, []);
        }
    }

    async fn open(&self) -> Vec<Anomaly> {
        let filter = AnomalyFilter {
            state: Some(AnomalyState::Open),
            ..AnomalyFilter::default()
        };
        let page = self.world.extensions.anomalies(&self.world.owner, &filter, PageRequest::first());
        let items = page.await.unwrap().items.into_iter();
        // Time of a CPU that tests share is what this one test looks at, and no other.
        items.filter(|anomaly| anomaly.metric != AnomalyMetric::CpuPerCall).collect()
    }
}

fn many(count: usize) -> Vec<(&'static str, &'static str)> {
    vec![("echo", "1"); count]
}

#[tokio::test]
async fn a_rate_that_jumps_is_raised_once_told_and_audited() {
    let it = Observed::new().await;
    let mut events = it.world.extensions.anomaly_events();
    it.taught().await;
    let found = it.minute(&many(60)).await;
    let [anomaly] = &found[..] else { panic!("{found:#?}") };
    assert_eq!(
        (anomaly.metric, anomaly.severity, anomaly.times),
        (AnomalyMetric::CallRate, Severity::Warning, 1)
    );
    assert_eq!((anomaly.observed, anomaly.action), (Some(60.0), AnomalyAction::None));
    assert!(anomaly.expected.unwrap().high < 60.0 && anomaly.learned_from >= 20, "{anomaly:?}");
    assert!(anomaly.summary.starts_with("60 calls; usual is 3 calls"), "{}", anomaly.summary);
    assert_eq!(events.try_recv().unwrap().anomaly, *anomaly);

    // It goes on: the same one, counted; nobody is told again.
    let again = it.minute(&many(300)).await;
    assert_eq!((again.len(), again[0].times, again[0].observed), (1, 2, Some(300.0)));
    assert!(events.try_recv().is_err());
    let audited = it.world.audited().await;
    assert_eq!(audited.iter().filter(|action| *action == "anomaly.raised").count(), 1);
    let health = it.world.extensions.health(&it.world.owner, "hostile").await.unwrap();
    assert!(health.quarantine.is_none());
    // Another tenant sees nothing of it.
    let theirs = it.world.extensions.anomaly(&it.world.stranger, &anomaly.id.to_string()).await;
    assert_eq!(theirs.unwrap_err().code(), ErrorCode::AnomalyNotFound);
}

#[tokio::test]
async fn nothing_is_flagged_before_enough_was_seen() {
    let it = Observed::new().await;
    for _ in 0..18 {
        it.minute(&many(1)).await;
    }
    assert_eq!(it.minute(&many(200)).await, []);
    let baseline = it.world.extensions.baseline(&it.world.owner, "hostile").await.unwrap();
    assert_eq!((baseline.windows, baseline.needed), (19, 20));
    assert!(baseline.series.iter().all(|series| series.usual.is_none()), "{baseline:?}");
}

#[tokio::test]
async fn cpu_time_of_a_call_that_jumps_is_told_of_its_contribution() {
    let it = Observed::new().await;
    for _ in 0..25 {
        assert_eq!(it.minute(&[("compute", "10"), ("echo", "1")]).await, []);
    }
    it.minute(&[("compute", "20000000"), ("echo", "1")]).await;
    let all = AnomalyFilter::default();
    let page = it.world.extensions.anomalies(&it.world.owner, &all, PageRequest::first());
    let found = page.await.unwrap().items;
    let anomaly = found.iter().find(|anomaly| anomaly.series() == "cpuPerCall program/compute");
    let anomaly = anomaly.unwrap_or_else(|| panic!("{found:#?}"));
    assert!(anomaly.observed.unwrap() > 3_000.0, "{anomaly:?}");
    assert!(anomaly.summary.contains("ms of CPU time per call; usual is"), "{}", anomaly.summary);
}

#[tokio::test]
async fn a_host_that_was_never_contacted_is_told_once_it_is_late_enough_to_wonder() {
    let it = Observed::new().await;
    let fetch = |host: &'static str| [("echo", "1"), ("echo", "1"), ("fetch", host)];
    assert_eq!(it.minute(&fetch("\"http://a.example.com/\"")).await, []);
    for _ in 0..25 {
        assert_eq!(it.minute(&many(3)).await, []);
    }
    assert_eq!(it.minute(&fetch("\"http://a.example.com/\"")).await, [], "it is known");
    let found = it.minute(&fetch("\"http://b.example.com/\"")).await;
    let hosts: Vec<_> = found.iter().filter(|it| it.metric == AnomalyMetric::OutboundHost).collect();
    let [anomaly] = &hosts[..] else { panic!("{found:#?}") };
    assert_eq!(anomaly.host.as_deref(), Some("http://b.example.com:80"));
    assert_eq!(
        (anomaly.severity, &*anomaly.summary),
        (Severity::Warning, "the first contact with http://b.example.com:80")
    );
    let baseline = it.world.extensions.baseline(&it.world.owner, "hostile").await.unwrap();
    let hosts: Vec<_> = baseline.hosts.iter().map(|known| known.host.as_str()).collect();
    assert_eq!(hosts, ["http://a.example.com:80", "http://b.example.com:80"]);
}

#[tokio::test]
async fn the_first_contact_ever_is_critical_and_a_policy_puts_it_in_quarantine() {
    let it = Observed::new().await;
    let (extensions, owner) = (&it.world.extensions, &it.world.owner);
    let policy = HealthPolicy {
        on_anomaly: Some(AnomalyAction::Quarantine),
        ..HealthPolicy::default()
    };
    extensions.set_health_policy(owner, "hostile", policy, None).await.unwrap();
    it.taught().await;
    let found = it
        .minute(&[("echo", "1"), ("echo", "1"), ("fetch", "\"http://a.example.com/\"")])
        .await;
    let hosts: Vec<_> = found.iter().filter(|it| it.metric == AnomalyMetric::OutboundHost).collect();
    assert_eq!(
        (hosts.len(), hosts[0].severity, hosts[0].action),
        (1, Severity::Critical, AnomalyAction::Quarantine)
    );
    assert_eq!(call(&it.world, "hostile", "echo", "1").await, Err(ErrorCode::ExtensionQuarantined));
    let health = extensions.health(owner, "hostile").await.unwrap();
    let quarantine = health.quarantine.unwrap();
    assert!(
        quarantine.reason.contains("the first contact with") && quarantine.reason.contains("anom_"),
        "{quarantine:?}"
    );
    extensions.release(owner, "hostile", None).await.unwrap();
    call(&it.world, "hostile", "echo", "1").await.unwrap();
}

#[tokio::test]
async fn what_is_dismissed_is_usual_and_what_is_worse_is_not() {
    let it = Observed::new().await;
    it.taught().await;
    let found = it.minute(&many(60)).await;
    let (extensions, owner) = (&it.world.extensions, &it.world.owner);
    let id = found[0].id.to_string();
    let settle = async |who: &oriel_model::access::Principal, dismiss, note: Option<&str>, revision| {
        let note = note.map(str::to_owned);
        let settled = extensions.settle_anomaly(who, &id, dismiss, note, revision).await;
        settled.map_err(|error| error.code())
    };
    let viewer = it.world.principal(Role::Viewer).await;
    assert_eq!(settle(&viewer, true, None, None).await.unwrap_err(), ErrorCode::Forbidden);
    assert_eq!(settle(owner, true, None, Some(9)).await.unwrap_err(), ErrorCode::PreconditionFailed);
    assert_eq!(
        settle(owner, true, Some(&"x".repeat(2_001)), None).await.unwrap_err(),
        ErrorCode::RequestInvalid
    );
    let known = settle(owner, false, Some("we look"), Some(1)).await.unwrap();
    assert_eq!((known.state, known.revision), (AnomalyState::Acknowledged, 2));
    let gone = settle(owner, true, Some("a load test"), None).await.unwrap();
    assert_eq!(
        (gone.state, gone.settled.unwrap().note.as_deref()),
        (AnomalyState::Dismissed, Some("a load test"))
    );
    assert_eq!(settle(owner, true, None, None).await.unwrap_err(), ErrorCode::AnomalySettled);

    for _ in 0..30 {
        assert_eq!(it.minute(&many(3)).await, []);
    }
    assert_eq!(it.minute(&many(62)).await, [], "the like of it is usual");
    for _ in 0..10 {
        it.minute(&many(3)).await;
    }
    assert_eq!(it.minute(&many(400)).await.len(), 1, "more is not");
}

#[tokio::test]
async fn what_was_learned_outlives_a_restart_and_a_jump_of_the_clock() {
    let it = Observed::new().await;
    it.taught().await;
    it.world.extensions.flush().await;
    let node = tempfile::tempdir().unwrap();
    let clock = Arc::new(ManualClock::new(Timestamp::from_millis(1_700_000_000_000)));
    let (again, stopwatch) = restarted(&it.world, node.path(), clock.clone());
    let owner = &it.world.owner;
    let before = again.baseline(owner, "hostile").await.unwrap();
    assert!(before.windows >= 25, "{}", before.windows);
    let minute = async |count: usize| {
        for _ in 0..count {
            call_on(&again, owner, "hostile", "echo", "1").await.unwrap();
        }
        stopwatch.advance(MINUTE);
        again.learn().await;
        it.open().await.len()
    };
    call_on(&again, owner, "hostile", "echo", "1").await.unwrap();
    again.learn().await;
    assert_eq!(minute(2).await, 0);
    // The time of day jumps by years, forth and back: windows are measured by another clock.
    clock.set(Timestamp::from_millis(2_000_000_000_000));
    assert_eq!(minute(3).await, 0);
    clock.set(Timestamp::from_millis(0));
    assert_eq!(minute(3).await, 0);
    assert_eq!(minute(90).await, 1);
    // Uninstalled, it is forgotten.
    again.uninstall(owner, "hostile", None).await.unwrap();
    again
        .install(owner, hostile("1.0.1"), oriel_extensions::Consent::All, true)
        .await
        .unwrap();
    assert_eq!(again.baseline(owner, "hostile").await.unwrap().windows, 0);
}

/// Another start of the same node, by another clock.
fn restarted(world: &World, cache: &Path, clock: Arc<ManualClock>) -> (Extensions, Arc<ManualStopwatch>) {
    let stopwatch = Arc::new(ManualStopwatch::default());
    let sandbox = Sandbox::new(SandboxOptions::new(cache)).unwrap();
    let (access, sealer) = (world.access.clone(), Sealer::new(&[7; 32]));
    let extensions = Extensions::new(options(&stopwatch), world.stores.clone(), sandbox, access, sealer, clock);
    (extensions, stopwatch)
}

#[tokio::test]
async fn a_machine_that_slept_flags_nothing() {
    let it = Observed::new().await;
    it.taught().await;
    it.stopwatch.advance(100 * MINUTE);
    it.world.extensions.learn().await;
    assert_eq!(it.open().await, []);
}
