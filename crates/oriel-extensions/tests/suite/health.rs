//! The circuit breaker, quarantine, health checks and budgets, with real guests and a clock that moves when told.

use std::sync::Arc;
use std::time::Duration;

use oriel_extensions::{ExtensionsOptions, HealthEvents, HealthOptions, ManualStopwatch};
use oriel_model::ErrorCode;
use oriel_model::access::Role;
use oriel_model::budget::Budgets;
use oriel_model::health::HealthState::{self, Degraded, Healthy, Probing, Quarantined, Starting, Stopped, Tripped};
use oriel_model::id::ExecutionId;
use oriel_model::installation::InstallationState;
use oriel_model::time::{Clock, SystemClock};
use oriel_model::{Coded, Digest};
use oriel_sandbox::{Call, CallError, Lease};
use oriel_store::{Installations, NewAudit, StoreError, Stores};
use serde_json::{Value, json};

use crate::lifecycle::{call, call_on};
use crate::support::{World, manifest, package};

fn hostile(version: &str) -> bytes::Bytes {
    let programs = ["echo", "trap", "fail", "remember", "huge", "host-calls", "sleep", "compute"];
    let mut manifest = manifest("hostile", version, &programs);
    manifest["lifecycle"] = json!(true);
    manifest["permissions"] = json!({ "keyValue": true, "network": ["example.com"] });
    manifest["limits"] = json!({ "output": "64KiB", "hostCalls": 1_000, "timeout": "300ms" });
    manifest["configSchema"] = json!({ "type": "object" });
    package("hostile", manifest)
}

struct Patient {
    world: World,
    watch: Arc<ManualStopwatch>,
}

impl Patient {
    async fn new(change: impl FnOnce(&mut HealthOptions)) -> Self {
        Self::with(change, |stores| stores).await
    }

    async fn with(change: impl FnOnce(&mut HealthOptions), stores: impl FnOnce(Stores) -> Stores) -> Self {
        let watch = Arc::new(ManualStopwatch::default());
        let mut health = HealthOptions {
            jitter: false,
            check_interval: Duration::ZERO,
            ..HealthOptions::default()
        };
        change(&mut health);
        let options = ExtensionsOptions {
            health,
            stopwatch: watch.clone(),
            ..ExtensionsOptions::default()
        };
        let world = World::with(options, stores).await;
        world.install(hostile("1.0.0")).await;
        Self { world, watch }
    }

    async fn call(&self, program: &str, input: &str) -> Result<String, ErrorCode> {
        call(&self.world, "hostile", program, input).await
    }

    /// So many calls; answers the codes in which they ended, each once, in the order in which they came first.
    async fn calls(&self, count: usize, program: &str, input: &str) -> Vec<String> {
        let mut ends = Vec::new();
        for _ in 0..count {
            let end = match self.call(program, input).await {
                Ok(_) => "ok".to_owned(),
                Err(code) => code.to_string(),
            };
            if !ends.contains(&end) {
                ends.push(end);
            }
        }
        ends
    }

    async fn state(&self) -> HealthState {
        self.world.extensions.health(&self.world.owner, "hostile").await.unwrap().state
    }

    async fn trip(&self) {
        assert_eq!(self.calls(5, "trap", "1").await, ["execution.trapped"]);
        assert_eq!(self.state().await, Tripped);
    }

    async fn wait(&self, span: Duration) {
        self.watch.advance(span);
        self.world.extensions.look_after().await;
    }

    async fn quarantine(&self) {
        self.trip().await;
        for doubled in 0..7 {
            self.wait(Duration::from_secs(1 << doubled)).await;
            assert_eq!(self.state().await, Probing);
            self.calls(1, "trap", "1").await;
        }
        self.world.extensions.look_after().await;
    }
}

const SECOND: Duration = Duration::from_secs(1);

fn told(events: &mut HealthEvents) -> Vec<HealthState> {
    std::iter::from_fn(|| events.try_recv().ok()).map(|event| event.change.to).collect()
}

#[tokio::test]
async fn what_keeps_crashing_is_left_alone_tried_again_and_gets_well() {
    let patient = Patient::new(|_| {}).await;
    let mut events = patient.world.extensions.health_events();
    assert_eq!(patient.state().await, Starting);
    assert_eq!(patient.calls(1, "echo", "1").await, ["ok"]);
    assert_eq!(patient.state().await, Healthy);
    patient.trip().await;
    assert_eq!(
        patient.calls(50, "echo", "1").await,
        ["extension.tripped"],
        "healthy programs rest, too"
    );
    let report = patient.world.extensions.health(&patient.world.owner, "hostile").await.unwrap();
    assert_eq!(report.retry_after, Some(SECOND));
    assert!(
        report
            .reason
            .unwrap()
            .starts_with("it crashed 5 times in a row; lastly: the program crashed")
    );
    assert_eq!(told(&mut events), [Healthy, Tripped]);

    // A second later one call is tried, and fails; the next time takes twice as long.
    patient.wait(SECOND).await;
    assert_eq!(patient.state().await, Probing);
    assert_eq!(patient.calls(3, "trap", "1").await, ["execution.trapped", "extension.tripped"]);
    patient.wait(SECOND).await;
    assert_eq!(patient.calls(1, "echo", "1").await, ["extension.tripped"]);
    patient.wait(SECOND).await;
    assert_eq!(patient.calls(3, "echo", "1").await, ["ok"]);
    assert_eq!(patient.state().await, Degraded);
    patient.wait(10 * SECOND).await;
    assert_eq!(patient.calls(1, "echo", "1").await, ["ok"]);
    assert_eq!(patient.state().await, Healthy);
    assert_eq!(told(&mut events), [Probing, Tripped, Probing, Degraded, Healthy]);

    let report = patient.world.extensions.health(&patient.world.owner, "hostile").await.unwrap();
    assert_eq!((report.trips_in_a_row, report.trips_within_an_hour), (0, 2));
    assert_eq!((report.history[0].from, report.history[0].to), (Degraded, Healthy));
    assert_eq!(report.history.len(), 8, "{:#?}", report.history);
    let numbers = patient.world.extensions.health_numbers();
    assert_eq!((numbers.trips, numbers.quarantines, numbers.refused), (2, 0, 53));
    assert_eq!(numbers.states.iter().find(|(state, _)| *state == Healthy), Some(&(Healthy, 1)));
}

#[tokio::test]
async fn limits_that_are_crossed_count_as_crashes_and_rejected_inputs_as_answers() {
    for (program, input, end) in [
        ("huge", "100000", "execution.output_too_large"),
        ("host-calls", "100000", "execution.host_calls_exceeded"),
        ("sleep", "3600000", "execution.timeout"),
    ] {
        let patient = Patient::new(|_| {}).await;
        assert_eq!(patient.calls(6, program, input).await, [end, "extension.tripped"], "{program}");
    }
    let patient = Patient::new(|_| {}).await;
    for (word, code) in [
        ("invalid-input", ErrorCode::ProgramInvalidInput),
        ("denied", ErrorCode::ProgramDenied),
        ("unavailable", ErrorCode::ProgramUnavailable),
    ] {
        let input = format!("\"{word}\"");
        assert_eq!(patient.calls(60, "fail", &input).await, [code.to_string()]);
    }
    assert_eq!(patient.state().await, Degraded, "it cannot do what it should, but it answers");
    assert_eq!(
        patient.calls(300, "fail", "\"internal\"").await,
        ["execution.failed", "extension.tripped"]
    );
}

#[tokio::test]
async fn a_caller_in_a_hurry_trips_nothing() {
    let patient = Patient::new(|_| {}).await;
    let handle = patient
        .world
        .extensions
        .installed(patient.world.owner.tenant, &patient.world.owner.tenant_name, "hostile")
        .await
        .unwrap();
    let active = handle.active().await.unwrap();
    for _ in 0..10 {
        let outcome = active.pool().call(hurried("sleep", "3600000")).await;
        assert!(matches!(outcome.result, Err(CallError::Timeout { .. })), "{:?}", outcome.result);
    }
    assert_eq!(patient.calls(1, "echo", "1").await, ["ok"]);
}

fn hurried<'a>(program: &'a str, input: &'a str) -> Call<'a> {
    Call {
        timeout: Some(Duration::from_millis(5)),
        ..plain(program, input)
    }
}

fn plain<'a>(program: &'a str, input: &'a str) -> Call<'a> {
    Call {
        program,
        input,
        execution: ExecutionId::new(SystemClock.now()),
        task: None,
        principal: None,
        user: None,
        traceparent: None,
        timeout: None,
    }
}

#[tokio::test]
async fn whoever_holds_an_instance_is_refused_as_well_and_a_probe_that_is_given_up_frees_the_way() {
    let patient = Patient::new(|_| {}).await;
    let handle = patient
        .world
        .extensions
        .installed(patient.world.owner.tenant, &patient.world.owner.tenant_name, "hostile")
        .await
        .unwrap();
    let active = handle.active().await.unwrap();
    let mut lease: Lease = active.pool().lease(SECOND).await.unwrap();
    for _ in 0..5 {
        assert!(matches!(
            lease.call(plain("trap", "1")).await.result,
            Err(CallError::Trapped { .. })
        ));
    }
    let refused = lease.call(plain("echo", "1")).await.result.unwrap_err();
    assert_eq!((refused.code(), refused.retry_after()), (ErrorCode::ExtensionTripped, Some(SECOND)));
    assert!(active.pool().lease(SECOND).await.is_err());

    patient.wait(SECOND).await;
    {
        let mut probe = std::pin::pin!(active.pool().call(plain("sleep", "3600000")));
        assert!(futures::poll!(probe.as_mut()).is_pending());
        assert_eq!(patient.calls(1, "echo", "1").await, ["extension.tripped"], "one at a time");
    }
    assert_eq!(patient.calls(3, "echo", "1").await, ["ok"]);
}

#[tokio::test]
async fn quarantine_is_written_down_seen_by_other_nodes_and_ended_by_a_person() {
    let patient = Patient::new(|_| {}).await;
    patient.quarantine().await;
    assert_eq!(patient.state().await, Quarantined);
    assert_eq!(patient.calls(3, "echo", "1").await, ["extension.quarantined"]);
    let world = &patient.world;
    let stored = world
        .stores
        .installations
        .get(world.owner.tenant, "hostile")
        .await
        .unwrap()
        .unwrap();
    let quarantine = stored.quarantine.unwrap();
    assert_eq!((quarantine.by.as_str(), quarantine.until), ("system", None));
    assert!(quarantine.reason.contains("trip 8 in a row"), "{}", quarantine.reason);
    let entries = world.stores.audit.scan(world.owner.tenant, 1, 100).await.unwrap();
    let entry = entries.iter().find(|entry| entry.action == "extension.quarantine").unwrap();
    assert_eq!(
        (entry.actor.as_str(), &entry.details["reason"]),
        ("system", &json!(quarantine.reason))
    );
    assert_eq!(world.extensions.health_numbers().quarantines, 1);

    // No waiting and no restart ends it.
    patient.wait(Duration::from_secs(100_000)).await;
    let cache = tempfile::tempdir().unwrap();
    let other = world.node(cache.path());
    let refused = call_on(&other, &world.owner, "hostile", "echo", "1").await;
    assert_eq!(refused, Err(ErrorCode::ExtensionQuarantined));
    assert_eq!(other.health(&world.owner, "hostile").await.unwrap().state, Quarantined);
    assert_eq!(other.health_numbers().quarantines, 0, "that is the other node's");

    for role in [Role::Viewer, Role::Developer] {
        let principal = world.principal(role).await;
        let refused = world.extensions.release(&principal, "hostile", None).await.unwrap_err();
        assert_eq!(refused.code(), ErrorCode::Forbidden);
    }
    let released = world
        .extensions
        .release(&world.owner, "hostile", Some(stored.revision))
        .await
        .unwrap();
    assert_eq!((released.quarantine, released.revision), (None, stored.revision + 1));
    assert_eq!(patient.state().await, Starting);
    assert_eq!(patient.calls(1, "echo", "1").await, ["ok"]);
    assert_eq!(world.audited().await.last().unwrap(), "extension.release");
    let again = world.extensions.release(&world.owner, "hostile", None).await.unwrap();
    assert_eq!(again.revision, stored.revision + 1, "there was nothing to do");
    // What it did before is forgiven.
    patient.trip().await;
    assert_eq!(
        patient
            .world
            .extensions
            .health(&world.owner, "hostile")
            .await
            .unwrap()
            .trips_in_a_row,
        1
    );
}

#[tokio::test]
async fn another_release_begins_with_a_clean_sheet() {
    let patient = Patient::new(|_| {}).await;
    patient.quarantine().await;
    let world = &patient.world;
    let upgraded = world
        .extensions
        .upgrade(&world.owner, "hostile", hostile("1.0.1"), oriel_extensions::Consent::All, None)
        .await
        .unwrap();
    assert_eq!(upgraded.quarantine, None);
    assert_eq!(patient.calls(1, "echo", "1").await, ["ok"]);
    patient.trip().await;
    // A change of the same release cures nothing.
    let limits = serde_json::from_value(json!({ "memory": "32MiB" })).unwrap();
    world.extensions.set_limits(&world.owner, "hostile", limits, None).await.unwrap();
    assert_eq!(patient.calls(1, "echo", "1").await, ["extension.tripped"]);
    // Switching it off and on does.
    world.extensions.set_enabled(&world.owner, "hostile", false, None).await.unwrap();
    assert_eq!(patient.state().await, Stopped);
    world.extensions.set_enabled(&world.owner, "hostile", true, None).await.unwrap();
    assert_eq!(patient.calls(1, "echo", "1").await, ["ok"]);
    let rolled = world.extensions.roll_back(&world.owner, "hostile", None).await.unwrap();
    assert_eq!(rolled.release.manifest.version.to_string(), "1.0.0");
    assert_eq!(patient.calls(1, "echo", "1").await, ["ok"]);
    // What comes under its name after an uninstall is another one.
    world.extensions.uninstall(&world.owner, "hostile", None).await.unwrap();
    world.install(hostile("2.0.0")).await;
    assert_eq!(patient.state().await, Starting);
    assert_eq!(world.extensions.health(&world.owner, "hostile").await.unwrap().history.len(), 1);
}

#[tokio::test]
async fn quarantine_may_end_by_itself_where_the_operator_says_so() {
    // The time of day is the system's here, so the shortest time there is.
    let patient = Patient::new(|health| health.quarantine_for = Some(Duration::from_millis(1))).await;
    patient.quarantine().await;
    let world = &patient.world;
    let cache = tempfile::tempdir().unwrap();
    let other = world.node(cache.path());
    while SystemClock.now()
        <= world
            .stores
            .installations
            .get(world.owner.tenant, "hostile")
            .await
            .unwrap()
            .unwrap()
            .updated_at
            .plus(Duration::from_millis(1))
    {
        tokio::task::yield_now().await;
    }
    assert_eq!(call_on(&other, &world.owner, "hostile", "echo", "1").await, Ok("1".to_owned()));
    let stored = world
        .stores
        .installations
        .get(world.owner.tenant, "hostile")
        .await
        .unwrap()
        .unwrap();
    assert_eq!(stored.quarantine, None);
    assert_eq!(world.audited().await.last().unwrap(), "extension.release");
}

/// A store that refuses updates as long as it is told to.
struct Stuck {
    inner: Arc<dyn Installations>,
    stuck: Arc<std::sync::atomic::AtomicBool>,
}

#[async_trait::async_trait]
impl Installations for Stuck {
    async fn insert(&self, installation: oriel_model::installation::Installation, audit: NewAudit) -> oriel_store::Result<()> {
        self.inner.insert(installation, audit).await
    }
    async fn get(
        &self,
        tenant: oriel_model::id::TenantId,
        name: &str,
    ) -> oriel_store::Result<Option<oriel_model::installation::Installation>> {
        self.inner.get(tenant, name).await
    }
    async fn list(
        &self,
        tenant: oriel_model::id::TenantId,
        page: oriel_model::page::PageRequest,
    ) -> oriel_store::Result<oriel_model::page::Page<oriel_model::installation::Installation>> {
        self.inner.list(tenant, page).await
    }
    async fn update(
        &self,
        installation: oriel_model::installation::Installation,
        expected: u64,
        audit: NewAudit,
    ) -> oriel_store::Result<()> {
        if self.stuck.load(std::sync::atomic::Ordering::SeqCst) {
            return Err(StoreError::Unavailable {
                source: "the disk is on fire".into(),
            });
        }
        self.inner.update(installation, expected, audit).await
    }
    async fn delete(&self, tenant: oriel_model::id::TenantId, name: &str, expected: u64, audit: NewAudit) -> oriel_store::Result<()> {
        self.inner.delete(tenant, name, expected, audit).await
    }
    async fn record_release(
        &self,
        tenant: oriel_model::id::TenantId,
        release: &oriel_model::installation::Release,
    ) -> oriel_store::Result<()> {
        self.inner.record_release(tenant, release).await
    }
    async fn uses_package(&self, package: Digest) -> oriel_store::Result<bool> {
        self.inner.uses_package(package).await
    }
}

#[tokio::test]
async fn quarantine_holds_although_it_cannot_be_written_down_yet() {
    let stuck = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let switch = stuck.clone();
    let patient = Patient::with(
        |_| {},
        move |stores| Stores {
            installations: Arc::new(Stuck {
                inner: stores.installations.clone(),
                stuck: switch,
            }),
            ..stores
        },
    )
    .await;
    stuck.store(true, std::sync::atomic::Ordering::SeqCst);
    patient.quarantine().await;
    assert_eq!(patient.calls(3, "echo", "1").await, ["extension.quarantined"]);
    let world = &patient.world;
    let stored = || async {
        world
            .stores
            .installations
            .get(world.owner.tenant, "hostile")
            .await
            .unwrap()
            .unwrap()
    };
    assert_eq!(stored().await.quarantine, None);
    stuck.store(false, std::sync::atomic::Ordering::SeqCst);
    world.extensions.look_after().await;
    assert!(stored().await.quarantine.is_some());
    assert_eq!(patient.state().await, Quarantined);
}

#[tokio::test]
async fn its_own_health_check_degrades_it_and_trips_it_when_it_insists() {
    let patient = Patient::new(|health| health.check_interval = 30 * SECOND).await;
    let world = &patient.world;
    let configure = |config: Value| world.extensions.configure(&world.owner, "hostile", config, None);
    assert_eq!(patient.calls(1, "echo", "1").await, ["ok"]);
    configure(json!({ "ill": true })).await.unwrap();
    assert_eq!(patient.calls(1, "echo", "1").await, ["ok"]);
    patient.wait(30 * SECOND).await;
    assert_eq!(patient.state().await, Degraded);
    let report = world.extensions.health(&world.owner, "hostile").await.unwrap();
    assert_eq!(
        report.reason.as_deref(),
        Some("its health check says that it is not well: as configured")
    );
    assert_eq!(report.detail.as_deref(), Some("as configured"));
    assert_eq!(patient.calls(3, "echo", "1").await, ["ok"], "what is degraded is still called");

    configure(json!({})).await.unwrap();
    assert_eq!(patient.calls(1, "echo", "1").await, ["ok"]);
    patient.wait(30 * SECOND).await;
    assert_eq!(patient.state().await, Healthy);

    configure(json!({ "ill": true })).await.unwrap();
    assert_eq!(patient.calls(1, "echo", "1").await, ["ok"]);
    for _ in 0..3 {
        patient.wait(30 * SECOND).await;
    }
    assert_eq!(patient.state().await, Tripped);
    assert_eq!(patient.calls(1, "echo", "1").await, ["extension.tripped"]);
    // Looking at it asks as well, but never trips it.
    patient.wait(SECOND).await;
    assert_eq!(patient.calls(3, "echo", "1").await, ["ok"]);
    for _ in 0..10 {
        let status = world.extensions.get(&world.owner, "hostile").await.unwrap();
        assert_eq!(status.health.state, Degraded);
    }
}

#[tokio::test]
async fn budgets_warn_throttle_trip_and_disable() {
    let budgets = |text: Value| -> Budgets { serde_json::from_value(text).unwrap() };
    for (action, end, state) in [
        ("warn", "ok", Degraded),
        ("throttle", "extension.budget_exceeded", Degraded),
        ("trip", "extension.tripped", Tripped),
        ("disable", "extension.disabled", Stopped),
    ] {
        let patient = Patient::new(|_| {}).await;
        let world = &patient.world;
        assert_eq!(patient.calls(1, "echo", "1").await, ["ok"]);
        let calls = budgets(json!({ "calls": { "limit": 3, "window": "1m", "action": action } }));
        world.extensions.set_budgets(&world.owner, "hostile", calls, None).await.unwrap();
        assert_eq!(patient.calls(3, "echo", "1").await, ["ok"], "{action}");
        patient.calls(1, "echo", "1").await;
        world.extensions.look_after().await;
        assert_eq!(patient.calls(2, "echo", "1").await, [end], "{action}");
        assert_eq!(patient.state().await, state, "{action}");
        let report = world.extensions.health(&world.owner, "hostile").await.unwrap();
        let told = report
            .history
            .iter()
            .any(|change| change.reason.contains("over the budget `calls`"));
        assert!(told || action == "disable", "{action}: {:#?}", report.history);
        match action {
            "throttle" => {
                patient.wait(62 * SECOND).await;
                assert_eq!(patient.state().await, Healthy);
                assert_eq!(patient.calls(3, "echo", "1").await, ["ok"]);
                assert_eq!(patient.calls(1, "echo", "1").await, ["extension.budget_exceeded"]);
                // Higher budgets take effect at once.
                let more = budgets(json!({ "calls": { "limit": 300, "window": "1m", "action": action } }));
                world.extensions.set_budgets(&world.owner, "hostile", more, None).await.unwrap();
                assert_eq!(patient.calls(1, "echo", "1").await, ["ok"]);
            }
            "disable" => {
                let stored = world
                    .stores
                    .installations
                    .get(world.owner.tenant, "hostile")
                    .await
                    .unwrap()
                    .unwrap();
                assert_eq!((stored.state, stored.quarantine), (InstallationState::Disabled, None));
                let entries = world.stores.audit.scan(world.owner.tenant, 1, 100).await.unwrap();
                let last = entries.last().unwrap();
                assert_eq!((last.actor.as_str(), last.action.as_str()), ("system", "extension.disable"));
                assert!(last.details["reason"].as_str().unwrap().contains("`calls`"));
            }
            _ => {}
        }
    }
}

#[tokio::test]
async fn many_small_calls_do_not_get_around_a_budget_of_time() {
    let patient = Patient::new(|_| {}).await;
    let world = &patient.world;
    let cpu: Budgets = serde_json::from_value(json!({ "cpu": { "limit": "20ms", "window": "1m", "action": "throttle" } })).unwrap();
    world.extensions.set_budgets(&world.owner, "hostile", cpu, None).await.unwrap();
    let ends = patient.calls(2_000, "compute", "100000").await;
    assert_eq!(ends, ["ok", "extension.budget_exceeded"]);
    let report = world.extensions.health(&world.owner, "hostile").await.unwrap();
    assert!(report.used[0].over && report.used[0].used > 20.0, "{:?}", report.used);
    let wrong: Budgets = serde_json::from_value(json!({ "cpu": { "limit": "0ms", "action": "warn" } })).unwrap();
    let refused = world
        .extensions
        .set_budgets(&world.owner, "hostile", wrong, None)
        .await
        .unwrap_err();
    assert_eq!(refused.code(), ErrorCode::BudgetInvalid);
}

#[tokio::test]
async fn tenants_have_breakers_of_their_own() {
    let patient = Patient::new(|_| {}).await;
    let world = &patient.world;
    world
        .extensions
        .install(&world.stranger, hostile("1.0.0"), oriel_extensions::Consent::All, true)
        .await
        .unwrap();
    patient.trip().await;
    assert_eq!(
        call_on(&world.extensions, &world.stranger, "hostile", "echo", "1").await,
        Ok("1".to_owned())
    );
    assert_eq!(world.extensions.health(&world.stranger, "hostile").await.unwrap().state, Healthy);
    world.extensions.uninstall(&world.stranger, "hostile", None).await.unwrap();
    let gone = world.extensions.health(&world.stranger, "hostile").await.unwrap_err();
    assert_eq!(gone.code(), ErrorCode::ExtensionNotFound);
}
