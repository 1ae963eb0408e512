//! Jobs and the `queue` interface, with real guests: accepted, tried again, cancelled, crashed under, shared among nodes.

use std::sync::Arc;
use std::time::Duration;

use oriel_extensions::{Consent, ExtensionError, Extensions, ExtensionsOptions, JobOptions, NewJobRun};
use oriel_model::access::Role;
use oriel_model::id::ExecutionId;
use oriel_model::job::{JobRun, JobState, JobTrigger};
use oriel_model::page::PageRequest;
use oriel_model::time::{Clock as _, ManualClock, SystemClock};
use oriel_model::{Coded as _, ErrorCode, Timestamp};
use oriel_sandbox::Ask;
use oriel_store::{Claim, JobFilter, WorkKind};
use serde_json::value::RawValue;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::support::{World, manifest, package};

const SOON: Duration = Duration::from_secs(30);
const JOBS: [&str; 7] = ["work", "sleep", "flaky", "hang", "poison", "reject", "babble"];

/// The guest `worker`, whose jobs rest but shortly between their attempts.
fn worker(version: &str) -> Value {
    let mut manifest = manifest("worker", version, &["enqueue", "pending", "complete", "flood"]);
    manifest["permissions"] = json!({ "keyValue": true, "queue": true, "model": {} });
    manifest["jobs"] = JOBS.iter().map(|name| json!({ "name": name, "backoff": "20ms" })).collect();
    manifest["limits"] = json!({ "timeout": "2s", "cpu": "2s" });
    manifest
}

/// A node that works; it stops when this is dropped.
struct Node(CancellationToken);

impl Node {
    fn start(extensions: &Extensions) -> Self {
        let stop = CancellationToken::new();
        tokio::spawn(extensions.clone().run_jobs(stop.clone()));
        Self(stop)
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

async fn world() -> World {
    let world = World::new().await;
    world.install(package("worker", worker("1.0.0"))).await;
    world
}

fn wanted(input: &Value) -> NewJobRun {
    NewJobRun {
        input: RawValue::from_string(input.to_string()).unwrap(),
        delay: Duration::ZERO,
        key: None,
        attempts: None,
    }
}

async fn start(world: &World, job: &str, input: &Value) -> JobRun {
    world
        .extensions
        .start_job(&world.owner, "worker", job, wanted(input))
        .await
        .unwrap()
}

async fn over(world: &World, run: &JobRun) -> JobRun {
    let id = run.id.to_string();
    let run = world.extensions.await_job(&world.owner, "worker", &id, SOON).await.unwrap();
    assert!(run.state.is_over(), "{run:?}");
    run
}

async fn call(world: &World, program: &str, input: &Value, dry_run: bool) -> Value {
    let handle = world
        .extensions
        .handle(world.owner.tenant, &world.owner.tenant_name, &"worker".parse().unwrap());
    let active = handle.active().await.unwrap();
    let ask = Ask {
        principal: Some(world.owner.id),
        dry_run,
        ..Ask::new(program, ExecutionId::new(SystemClock.now()))
    };
    serde_json::from_str(&active.pool().execute(&ask, &input.to_string()).await.result.unwrap()).unwrap()
}

async fn kept(world: &World, key: &str) -> Option<String> {
    let scope = oriel_store::KvScope {
        tenant: world.owner.tenant,
        extension: "worker".parse().unwrap(),
    };
    let entry = world.stores.key_value.get(&scope, key, SystemClock.now()).await.unwrap();
    entry.map(|entry| String::from_utf8(entry.value).unwrap())
}

fn codes(run: &JobRun) -> Vec<&str> {
    let code = |attempt: &oriel_model::job::JobAttempt| attempt.error.clone().map(|error| error.code);
    let known = |code: String| ErrorCode::from_text(&code).unwrap().as_str();
    run.attempts.iter().map(|attempt| code(attempt).map_or("ok", known)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_is_accepted_done_and_told() {
    let world = world().await;
    let accepted = start(&world, "work", &json!({ "n": 1.50 })).await;
    assert_eq!((accepted.state, &accepted.trigger), (JobState::Queued, &JobTrigger::Manual));
    let _node = Node::start(&world.extensions);
    let run = over(&world, &accepted).await;
    assert_eq!(
        (run.state, codes(&run), run.error.is_none()),
        (JobState::Succeeded, vec!["ok"], true)
    );
    let output: Value = serde_json::from_str(run.output.as_ref().unwrap().get()).unwrap();
    let principal = world.owner.id.to_string();
    assert_eq!(
        output,
        json!({ "input": {"n": 1.5}, "attempt": 1, "trigger": "manual", "principal": principal })
    );
    assert!(run.attempts[0].resources.unwrap().wall_us > 0 && run.ended_at.is_some());
    assert!(world.audited().await.contains(&"job.run".to_owned()));
    // Its unit is gone, and it shows in usage as any other call.
    assert!(
        world
            .stores
            .work
            .counts(None, SystemClock.now())
            .await
            .unwrap()
            .iter()
            .all(|count| count.due + count.leased == 0)
    );
    world.extensions.flush().await;
    let usage = world
        .stores
        .usage
        .query(world.owner.tenant, Timestamp::from_millis(0), Timestamp::from_millis(i64::MAX))
        .await
        .unwrap();
    assert!(
        usage
            .iter()
            .any(|row| row.kind.as_str() == "job" && row.contribution.as_str() == "work" && row.used.calls == 1)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_may_go_better_is_tried_again_and_nothing_else() {
    let world = world().await;
    let _node = Node::start(&world.extensions);
    let unavailable = "execution.unavailable";
    for (job, input, state, attempts) in [
        (
            "flaky",
            json!({ "until": 3 }),
            JobState::Succeeded,
            vec![unavailable, unavailable, "ok"],
        ),
        ("flaky", json!({ "until": 9 }), JobState::Dead, vec![unavailable; 3]),
        ("reject", json!({}), JobState::Failed, vec!["execution.rejected"]),
        ("poison", json!({}), JobState::Failed, vec!["execution.trapped"]),
        ("babble", json!({}), JobState::Failed, vec!["execution.output_invalid"]),
        // Others are served meanwhile and afterwards.
        ("work", json!({}), JobState::Succeeded, vec!["ok"]),
    ] {
        let run = over(&world, &start(&world, job, &input).await).await;
        assert_eq!((run.state, codes(&run)), (state, attempts), "{job}: {run:?}");
        assert_eq!(run.error.is_none(), state == JobState::Succeeded);
        assert!(run.error.is_none_or(|error| Some(error) == run.attempts.last().unwrap().error));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_hangs_is_stopped_and_tried_again() {
    let world = World::new().await;
    let mut manifest = worker("1.0.0");
    manifest["limits"] = json!({ "timeout": "200ms", "cpu": "5s" });
    world.install(package("worker", manifest)).await;
    let _node = Node::start(&world.extensions);
    let hangs = start(&world, "hang", &json!({})).await;
    let works = start(&world, "work", &json!({})).await;
    assert_eq!(over(&world, &works).await.state, JobState::Succeeded);
    let run = over(&world, &hangs).await;
    assert_eq!((run.state, codes(&run)), (JobState::Dead, vec!["execution.timeout"; 3]));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_queue_is_the_extensions_own_and_durable() {
    let world = world().await;
    let ok = async |input: Value| call(&world, "enqueue", &input, false).await;
    let first = ok(json!({ "job": "work", "input": {"a": 1}, "key": "k", "delayMs": 0 })).await;
    let again = ok(json!({ "job": "work", "input": {"a": 2}, "key": "k" })).await;
    assert_eq!(first, again);
    let other = ok(json!({ "job": "work", "input": {"a": 3}, "delayMs": 3_600_000 })).await;
    assert_ne!(first, other);
    assert_eq!(call(&world, "pending", &json!({ "job": "work" }), false).await, json!({ "ok": 2 }));
    // What was answered for is there for a node that starts now.
    let cache = tempfile::tempdir().unwrap();
    let restarted = world.node(cache.path());
    let _node = Node::start(&restarted);
    let id = first["ok"].as_str().unwrap();
    let run = world.extensions.await_job(&world.owner, "worker", id, SOON).await.unwrap();
    assert_eq!(
        (run.state, &run.trigger, run.principal),
        (JobState::Succeeded, &JobTrigger::Queue, Some(world.owner.id))
    );
    assert_eq!(
        serde_json::from_str::<Value>(run.output.unwrap().get()).unwrap()["trigger"],
        "queue"
    );
    // The key is free again, and the later one still waits.
    assert_ne!(ok(json!({ "job": "work", "input": {}, "key": "k" })).await, first);
    let id = other["ok"].as_str().unwrap();
    assert_eq!(
        world.extensions.job_run(&world.owner, "worker", id).await.unwrap().state,
        JobState::Queued
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_queued_is_refused_in_words() {
    let world = World::new().await;
    let mut manifest = worker("1.0.0");
    manifest["limits"] = json!({ "jobQueue": 3, "jobInput": 64 });
    manifest["jobs"][0]["inputSchema"] = json!({ "type": "object", "required": ["to"] });
    world.install(package("worker", manifest)).await;
    let long = "x".repeat(100);
    for (input, wanted) in [
        (
            json!({ "job": "work", "input": {} }),
            "invalid-input: the input does not fit the job `work`: ",
        ),
        (json!({ "job": "sleep", "text": "{" }), "invalid-input: the input is not JSON"),
        (
            json!({ "job": "nap", "input": {} }),
            "invalid-input: the extension `worker` has no job `nap`",
        ),
        (json!({ "job": "../x", "input": {} }), "invalid-input: "),
        (
            json!({ "job": "sleep", "input": long }),
            "limit-exceeded: job_input: the input has 102 bytes",
        ),
        (
            json!({ "job": "sleep", "input": {}, "delayMs": 2_592_000_001_u64 }),
            "invalid-input: the delay is at most",
        ),
        (
            json!({ "job": "sleep", "input": {}, "key": "" }),
            "invalid-input: a deduplication key",
        ),
        (
            json!({ "job": "sleep", "input": {}, "attempts": 21 }),
            "invalid-input: a run has 1 to 20 attempts",
        ),
    ] {
        let answer = call(&world, "enqueue", &input, false).await;
        assert!(
            answer["error"].as_str().unwrap_or_default().starts_with(wanted),
            "{input}: {answer}"
        );
    }
    let dry = call(&world, "enqueue", &json!({ "job": "sleep", "input": {} }), true).await;
    assert_eq!(dry, json!({ "error": "denied: this is a dry run: nothing may be changed or sent" }));
    // The quota is exact, and the same for runs that people start.
    let flood = call(&world, "flood", &json!({ "job": "sleep", "input": {}, "times": 10 }), false).await;
    assert_eq!(
        flood,
        json!({ "ok": { "taken": 3, "why": "limit-exceeded: job_queue: 3 runs wait already" } })
    );
    let full = world
        .extensions
        .start_job(&world.owner, "worker", "sleep", wanted(&json!({})))
        .await
        .unwrap_err();
    assert_eq!(full.code(), ErrorCode::JobQueueFull);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_grant_the_queue_is_closed_and_that_is_audited() {
    let world = World::new().await;
    let grant = serde_json::from_value(json!({ "keyValue": true })).unwrap();
    let package = package("worker", worker("1.0.0"));
    world
        .extensions
        .install(&world.owner, package, Consent::Exactly(grant), true)
        .await
        .unwrap();
    for (program, input) in [
        ("enqueue", json!({ "job": "work", "input": {} })),
        ("pending", json!({ "job": "work" })),
    ] {
        let answer = call(&world, program, &input, false).await;
        assert_eq!(answer, json!({ "error": "denied: the grant does not cover queue" }), "{program}");
    }
    let answer = call(&world, "complete", &json!({ "messages": [["user", "hi"]] }), false).await;
    assert_eq!(answer, json!({ "error": "denied: the grant does not cover model" }));
    world.extensions.flush().await;
    assert!(world.audited().await.contains(&"permission.refused".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn runs_are_cancelled_before_and_while_they_run_and_begun_anew() {
    let world = world().await;
    let waits = start(&world, "work", &json!({})).await;
    let cancelled = world
        .extensions
        .cancel_job(&world.owner, "worker", &waits.id.to_string())
        .await
        .unwrap();
    assert_eq!((cancelled.state, cancelled.attempts.len()), (JobState::Cancelled, 0));
    assert_eq!(world.stores.work.get(world.owner.tenant, waits.work).await.unwrap(), None);
    let _node = Node::start(&world.extensions);
    let sleeps = start(&world, "sleep", &json!({ "ms": 1_500 })).await;
    let id = sleeps.id.to_string();
    while world.extensions.job_run(&world.owner, "worker", &id).await.unwrap().state != JobState::Running {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let broken = world.extensions.cancel_job(&world.owner, "worker", &id).await.unwrap();
    assert_eq!((broken.state, codes(&broken)), (JobState::Cancelled, vec!["execution.cancelled"]));
    // Nothing more comes of it: what is over stays as it is.
    tokio::time::sleep(Duration::from_millis(1_700)).await;
    assert_eq!(over(&world, &sleeps).await.revision, broken.revision);
    let again = world.extensions.cancel_job(&world.owner, "worker", &id).await.unwrap_err();
    assert_eq!(again.code(), ErrorCode::JobRunState);
    // Anew, with all its attempts.
    let retried = world
        .extensions
        .retry_job(&world.owner, "worker", &waits.id.to_string())
        .await
        .unwrap();
    assert_eq!((retried.state, retried.id), (JobState::Queued, waits.id));
    let done = over(&world, &retried).await;
    assert_eq!(done.state, JobState::Succeeded);
    let refused = world
        .extensions
        .retry_job(&world.owner, "worker", &waits.id.to_string())
        .await
        .unwrap_err();
    assert_eq!(refused.code(), ErrorCode::JobRunState);
    let told = world.audited().await;
    for action in ["job.run", "job.cancel", "job.retry"] {
        assert!(told.contains(&action.to_owned()), "{action}: {told:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn others_and_lesser_roles_get_nowhere() {
    let world = world().await;
    let run = start(&world, "work", &json!({})).await;
    let id = run.id.to_string();
    let missing = async |result: Result<JobRun, ExtensionError>| result.unwrap_err().code();
    let extensions = &world.extensions;
    assert_eq!(
        missing(extensions.job_run(&world.stranger, "worker", &id).await).await,
        ErrorCode::JobRunNotFound
    );
    assert_eq!(
        missing(extensions.cancel_job(&world.stranger, "worker", &id).await).await,
        ErrorCode::JobRunNotFound
    );
    assert_eq!(
        missing(extensions.job_run(&world.owner, "other", &id).await).await,
        ErrorCode::JobRunNotFound
    );
    for nonsense in ["", "jrun_", "work_01jd3yq8m3v5n4x2c7b9k0r6ts", "../../x"] {
        assert_eq!(
            missing(extensions.job_run(&world.owner, "worker", nonsense).await).await,
            ErrorCode::JobRunNotFound,
            "{nonsense}"
        );
    }
    let viewer = world.principal(Role::Viewer).await;
    assert!(extensions.job_run(&viewer, "worker", &id).await.is_ok());
    assert_eq!(
        missing(extensions.cancel_job(&viewer, "worker", &id).await).await,
        ErrorCode::Forbidden
    );
    let denied = extensions.start_job(&viewer, "worker", "work", wanted(&json!({}))).await;
    assert_eq!(missing(denied).await, ErrorCode::Forbidden);
    for (extension, job, code) in [
        ("worker", "nap", ErrorCode::ContributionNotFound),
        ("nobody", "work", ErrorCode::ExtensionNotFound),
    ] {
        let refused = extensions.start_job(&world.owner, extension, job, wanted(&json!({}))).await;
        assert_eq!(missing(refused).await, code);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disabled_extension_rests_and_one_that_is_gone_takes_its_runs_along() {
    let world = world().await;
    let run = start(&world, "work", &json!({})).await;
    world.extensions.set_enabled(&world.owner, "worker", false, None).await.unwrap();
    let refused = world
        .extensions
        .start_job(&world.owner, "worker", "work", wanted(&json!({})))
        .await
        .unwrap_err();
    assert_eq!(refused.code(), ErrorCode::ExtensionDisabled);
    let _node = Node::start(&world.extensions);
    let rested = async || {
        let count = world.stores.work.counts(Some(world.owner.tenant), SystemClock.now()).await.unwrap();
        count.first().is_some_and(|count| count.scheduled == 1)
    };
    while !rested().await {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let waits = world.extensions.job_run(&world.owner, "worker", &run.id.to_string()).await.unwrap();
    assert_eq!(
        (waits.state, waits.attempts.len()),
        (JobState::Queued, 0),
        "that it waits is no attempt"
    );
    world.extensions.uninstall(&world.owner, "worker", None).await.unwrap();
    let gone = world.stores.jobs.get(world.owner.tenant, run.id).await.unwrap().unwrap();
    assert_eq!(
        (gone.state, gone.error.unwrap().code.as_str()),
        (JobState::Cancelled, "job.uninstalled")
    );
    assert_eq!(world.stores.work.get(world.owner.tenant, run.work).await.unwrap(), None);
    // The record stays, also under another installation of the same name, which does not go on with it.
    let page = PageRequest::first();
    let listed = world
        .extensions
        .job_runs(&world.owner, "worker", &JobFilter::default(), page)
        .await
        .unwrap();
    assert_eq!(listed.items.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_in_the_middle_is_an_attempt_and_not_the_end() {
    let world = world().await;
    let run = start(&world, "flaky", &json!({ "until": 2 })).await;
    // A worker takes the unit and begins, as a node does that is killed then.
    let kinds = [WorkKind::JOB];
    let claim = Claim {
        kinds: &kinds,
        now: SystemClock.now(),
        lease_for: Duration::ZERO,
        limit: 1,
        per_tenant: 8,
    };
    assert_eq!(world.stores.work.claim(claim).await.unwrap().len(), 1);
    let mut begun = run.clone();
    begun.state = JobState::Running;
    begun.revision = 2;
    begun.attempts.push(oriel_model::job::JobAttempt {
        number: 1,
        execution_id: ExecutionId::new(SystemClock.now()),
        version: "1.0.0".parse().unwrap(),
        started_at: SystemClock.now(),
        ended_at: None,
        error: None,
        resources: None,
        counts: true,
    });
    world
        .stores
        .jobs
        .update(world.owner.tenant, begun, 1, oriel_store::Carrier::Stays, 10, None)
        .await
        .unwrap();
    let _node = Node::start(&world.extensions);
    let done = over(&world, &run).await;
    assert_eq!((done.state, codes(&done)), (JobState::Succeeded, vec!["job.interrupted", "ok"]));
    // One that takes its server with it each time is dead in the end.
    let poison = world.extensions.start_job(
        &world.owner,
        "worker",
        "work",
        NewJobRun {
            attempts: Some(1),
            delay: Duration::from_secs(3_600),
            ..wanted(&json!({}))
        },
    );
    let poison = poison.await.unwrap();
    let mut begun = poison.clone();
    begun.state = JobState::Running;
    begun.revision = 2;
    begun.attempts = done.attempts[..1].to_vec();
    begun.attempts[0].ended_at = None;
    begun.work = oriel_model::id::WorkId::new(SystemClock.now());
    let mut unit = oriel_store::NewWork {
        id: begun.work,
        tenant: world.owner.tenant,
        kind: WorkKind::JOB,
        key: None,
        payload: world
            .stores
            .work
            .get(world.owner.tenant, poison.work)
            .await
            .unwrap()
            .unwrap()
            .payload,
        due_at: SystemClock.now(),
        max_attempts: 10,
        created_at: SystemClock.now(),
    };
    unit.max_attempts = 1_000;
    let carrier = oriel_store::Carrier::Becomes(unit);
    world
        .stores
        .jobs
        .update(world.owner.tenant, begun, 1, carrier, 10, None)
        .await
        .unwrap();
    let dead = over(&world, &poison).await;
    assert_eq!((dead.state, codes(&dead)), (JobState::Dead, vec!["job.interrupted"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn two_nodes_never_run_one_at_once_and_none_twice() {
    let world = world().await;
    let cache = tempfile::tempdir().unwrap();
    let second = world.node(cache.path());
    let (_one, _two) = (Node::start(&world.extensions), Node::start(&second));
    let mut runs = Vec::new();
    for number in 0..40 {
        runs.push(start(&world, "sleep", &json!({ "ms": 5, "count": format!("n{number}") })).await);
    }
    for (number, run) in runs.iter().enumerate() {
        let done = over(&world, run).await;
        assert_eq!((done.state, codes(&done)), (JobState::Succeeded, vec!["ok"]));
        assert_eq!(kept(&world, &format!("n{number}")).await.as_deref(), Some("1"));
        assert_eq!(kept(&world, &format!("n{number}/most")).await.as_deref(), Some("1"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_one_tenant_does_not_keep_others_waiting() {
    let options = ExtensionsOptions {
        jobs: JobOptions {
            concurrent: 4,
            per_tenant: 2,
        },
        ..ExtensionsOptions::default()
    };
    let world = World::with(options, |stores| stores).await;
    world.install(package("worker", worker("1.0.0"))).await;
    let theirs = package("worker", worker("1.0.0"));
    world.extensions.install(&world.stranger, theirs, Consent::All, true).await.unwrap();
    let flood = call(
        &world,
        "flood",
        &json!({ "job": "sleep", "input": {"ms": 40, "count": "flood"}, "times": 300 }),
        false,
    )
    .await;
    assert_eq!(flood["ok"]["taken"], 300);
    let _node = Node::start(&world.extensions);
    let begun = std::time::Instant::now();
    let run = world
        .extensions
        .start_job(&world.stranger, "worker", "work", wanted(&json!({})))
        .await
        .unwrap();
    let done = world
        .extensions
        .await_job(&world.stranger, "worker", &run.id.to_string(), SOON)
        .await
        .unwrap();
    assert_eq!(done.state, JobState::Succeeded);
    let left = world.stores.jobs.waiting(world.owner.tenant, "worker", None).await.unwrap();
    assert!(left > 100, "{left} of the flood wait still, after {:?}", begun.elapsed());
    let most: i64 = kept(&world, "flood/most").await.map_or(0, |most| most.parse().unwrap());
    assert!(most <= 2, "{most} at once");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_jumps_runs_nothing_twice_and_loses_nothing() {
    let world = world().await;
    let cache = tempfile::tempdir().unwrap();
    let clock = Arc::new(ManualClock::new(SystemClock.now()));
    let node = world.node_at(cache.path(), clock.clone());
    let _node = Node::start(&node);
    let sleeps = start(&world, "sleep", &json!({ "ms": 1_200, "count": "jump" })).await;
    clock.advance(Duration::from_secs(2));
    let id = sleeps.id.to_string();
    while world.extensions.job_run(&world.owner, "worker", &id).await.unwrap().state != JobState::Running {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    // Far forward: every lease looks as if it had run out.
    clock.advance(Duration::from_secs(24 * 3_600));
    let done = over(&world, &sleeps).await;
    assert_eq!((done.state, codes(&done)), (JobState::Succeeded, vec!["ok"]));
    assert_eq!(kept(&world, "jump").await.as_deref(), Some("1"));
    // And back: what is accepted by that clock is done by that clock.
    clock.set(SystemClock.now().minus(Duration::from_secs(3_600)));
    let run = node.start_job(&world.owner, "worker", "work", wanted(&json!({}))).await.unwrap();
    assert_eq!(over(&world, &run).await.state, JobState::Succeeded);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_stops_gives_its_runs_back_without_an_attempt() {
    let world = World::new().await;
    let mut manifest = worker("1.0.0");
    manifest["limits"] = json!({ "timeout": "1m", "cpu": "1m" });
    world.install(package("worker", manifest)).await;
    let stop = CancellationToken::new();
    let working = tokio::spawn(world.extensions.clone().run_jobs(stop.clone()));
    let run = start(&world, "sleep", &json!({ "ms": 40_000 })).await;
    let id = run.id.to_string();
    while world.extensions.job_run(&world.owner, "worker", &id).await.unwrap().state != JobState::Running {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    stop.cancel();
    tokio::time::timeout(Duration::from_secs(9), working)
        .await
        .expect("it waits no longer than shutdown does")
        .unwrap();
    let back = world.extensions.job_run(&world.owner, "worker", &id).await.unwrap();
    assert_eq!(
        (back.state, back.used(), codes(&back)),
        (JobState::Queued, 0, vec!["job.interrupted"])
    );
}
