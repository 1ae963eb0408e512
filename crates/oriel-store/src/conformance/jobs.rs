//! Runs of jobs, and what extensions spend on the model.

use std::time::Duration;

use bytes::Bytes;
use futures::future::join_all;
use oriel_model::Timestamp;
use oriel_model::id::{ExecutionId, InstallationId, JobRunId, TenantId, WorkId};
use oriel_model::job::{JobAttempt, JobFailure, JobRun, JobState, JobTrigger};
use oriel_model::name::ExtensionName;
use oriel_model::page::PageRequest;
use serde_json::value::RawValue;

use super::fixtures::{at, audit, read_all, refuses_cursors, tenant_id};
use crate::{Carrier, Claim, JobFilter, NewWork, SpendCaps, SpendDay, StoreError, Stores, WorkKind};

const MANY: u64 = 1_000;
const DAY: i64 = 86_400_000;

fn run(extension: &str, job: &str, key: Option<&str>) -> JobRun {
    JobRun {
        id: JobRunId::new(at(0)),
        extension: extension.parse().unwrap(),
        installation: InstallationId::new(at(0)),
        job: job.parse().unwrap(),
        state: JobState::Queued,
        trigger: JobTrigger::Queue,
        principal: None,
        key: key.map(str::to_owned),
        input: RawValue::from_string(r#"{"to": "ü\u0000", "n": 1.0}"#.to_owned()).unwrap(),
        output: None,
        error: None,
        attempts: Vec::new(),
        max_attempts: 3,
        backoff_ms: 1_000,
        due_at: at(0),
        created_at: at(0),
        ended_at: None,
        work: WorkId::new(at(0)),
        revision: 1,
    }
}

fn unit(tenant: TenantId, run: &JobRun) -> NewWork {
    NewWork {
        id: run.work,
        tenant,
        kind: WorkKind::stored(&format!("job-of-{tenant}")),
        key: None,
        payload: Bytes::from(run.id.to_string()),
        due_at: run.due_at,
        max_attempts: 1_000,
        created_at: run.created_at,
    }
}

async fn insert(stores: &Stores, tenant: TenantId, run: &JobRun, most: u64) -> Result<JobRunId, StoreError> {
    let unit = unit(tenant, run);
    stores.jobs.insert(tenant, run.clone(), unit, most, None).await
}

async fn there(stores: &Stores, tenant: TenantId, run: &JobRun) -> Option<JobRun> {
    stores.jobs.get(tenant, run.id).await.unwrap()
}

fn same(left: &JobRun, right: &JobRun) {
    assert_eq!(serde_json::to_value(left).unwrap(), serde_json::to_value(right).unwrap());
}

fn ended(run: &JobRun, state: JobState) -> JobRun {
    JobRun {
        state,
        ended_at: Some(at(5)),
        revision: run.revision + 1,
        ..run.clone()
    }
}

/// A run is read back as it was written, through all that it goes through.
pub async fn a_run_lives(stores: &Stores) {
    let tenant = tenant_id();
    let first = run("mailer", "send", Some("k\u{0}ü"));
    assert_eq!(there(stores, tenant, &first).await.map(|run| run.id), None);
    let id = stores
        .jobs
        .insert(tenant, first.clone(), unit(tenant, &first), MANY, Some(audit("job.run")))
        .await;
    assert_eq!(id.unwrap(), first.id);
    same(&there(stores, tenant, &first).await.unwrap(), &first);
    let running = JobRun {
        state: JobState::Running,
        attempts: vec![JobAttempt {
            number: 1,
            execution_id: ExecutionId::new(at(1)),
            version: "1.2.3-rc.1".parse().unwrap(),
            started_at: at(1),
            ended_at: None,
            error: None,
            resources: None,
            counts: true,
        }],
        revision: 2,
        ..first.clone()
    };
    stores
        .jobs
        .update(tenant, running.clone(), 1, Carrier::Stays, MANY, None)
        .await
        .unwrap();
    same(&there(stores, tenant, &first).await.unwrap(), &running);
    let failed = JobRun {
        output: Some(RawValue::from_string("[1, 2.50]".to_owned()).unwrap()),
        error: Some(JobFailure {
            code: "execution.failed".to_owned(),
            message: "so\u{0} it goes".to_owned(),
        }),
        ..ended(&running, JobState::Failed)
    };
    stores
        .jobs
        .update(tenant, failed.clone(), 2, Carrier::Goes, MANY, Some(audit("job.cancel")))
        .await
        .unwrap();
    same(&there(stores, tenant, &first).await.unwrap(), &failed);
    assert_eq!(stores.audit.scan(tenant, 1, 10).await.unwrap().len(), 2);
}

/// The unit that carries a run comes and goes with it.
pub async fn a_run_and_its_unit_are_one(stores: &Stores) {
    let tenant = tenant_id();
    let first = run("mailer", "send", None);
    insert(stores, tenant, &first, MANY).await.unwrap();
    let unit_of = async |id: WorkId| stores.work.get(tenant, id).await.unwrap();
    assert_eq!(unit_of(first.work).await.unwrap().payload, first.id.to_string().as_bytes());
    // What is not taken leaves no unit behind.
    let refused = run("mailer", "send", None);
    assert!(matches!(
        insert(stores, tenant, &refused, 1).await,
        Err(StoreError::Quota { what: "job_queue" })
    ));
    assert_eq!(unit_of(refused.work).await, None);
    // A leased unit goes, too, and its worker learns of it.
    let kinds = [WorkKind::stored(&format!("job-of-{tenant}"))];
    let claim = Claim {
        kinds: &kinds,
        now: at(1),
        lease_for: Duration::from_secs(60),
        limit: 10,
        per_tenant: 10,
    };
    let leased = stores.work.claim(claim).await.unwrap();
    assert_eq!(leased.len(), 1);
    let cancelled = ended(&first, JobState::Cancelled);
    stores
        .jobs
        .update(tenant, cancelled.clone(), 1, Carrier::Goes, MANY, None)
        .await
        .unwrap();
    assert_eq!(unit_of(first.work).await, None);
    let late = stores.work.complete(tenant, &[first.work], leased[0].lease).await;
    assert!(matches!(late, Err(StoreError::Conflict { .. })), "{late:?}");
    // Begun anew it has another unit.
    let again = JobRun {
        state: JobState::Queued,
        ended_at: None,
        work: WorkId::new(at(2)),
        revision: 3,
        ..cancelled
    };
    let carrier = Carrier::Becomes(unit(tenant, &again));
    stores.jobs.update(tenant, again.clone(), 2, carrier, MANY, None).await.unwrap();
    assert!(unit_of(again.work).await.is_some());
    same(&there(stores, tenant, &first).await.unwrap(), &again);
}

/// As long as a run is not over, another with its key is that one.
pub async fn a_key_means_one_open_run(stores: &Stores) {
    let tenant = tenant_id();
    let first = run("mailer", "send", Some("order-1"));
    assert_eq!(insert(stores, tenant, &first, MANY).await.unwrap(), first.id);
    let second = run("mailer", "send", Some("order-1"));
    // Also when the queue is full.
    assert_eq!(insert(stores, tenant, &second, 1).await.unwrap(), first.id);
    assert!(there(stores, tenant, &second).await.is_none());
    assert_eq!(stores.work.get(tenant, second.work).await.unwrap(), None);
    for other in [
        run("mailer", "send", Some("order-2")),
        run("mailer", "collect", Some("order-1")),
        run("printer", "send", Some("order-1")),
        run("mailer", "send", None),
    ] {
        assert_eq!(insert(stores, tenant, &other, MANY).await.unwrap(), other.id);
    }
    let over = ended(&first, JobState::Dead);
    stores
        .jobs
        .update(tenant, over.clone(), 1, Carrier::Goes, MANY, None)
        .await
        .unwrap();
    assert_eq!(insert(stores, tenant, &second, MANY).await.unwrap(), second.id);
    // The first cannot begin anew as long as the second has its key.
    let again = JobRun {
        state: JobState::Queued,
        ended_at: None,
        work: WorkId::new(at(2)),
        revision: 3,
        ..over
    };
    let carrier = Carrier::Becomes(unit(tenant, &again));
    let refused = stores.jobs.update(tenant, again, 2, carrier, MANY, None).await;
    assert!(matches!(refused, Err(StoreError::Conflict { .. })), "{refused:?}");
    // Many at once with one key: one is taken.
    let many: Vec<JobRun> = (0..8).map(|_| run("mailer", "send", Some("at-once"))).collect();
    let taken = join_all(many.iter().map(|run| insert(stores, tenant, run, MANY))).await;
    let taken: Vec<JobRunId> = taken.into_iter().map(Result::unwrap).collect();
    assert!(taken.iter().all(|id| *id == taken[0]), "{taken:?}");
}

/// However many take runs at once, no more wait than may.
pub async fn the_queue_quota_is_exact(stores: &Stores) {
    let tenant = tenant_id();
    let many: Vec<JobRun> = (0..24).map(|_| run("mailer", "send", None)).collect();
    let taken = join_all(many.iter().map(|run| insert(stores, tenant, run, 10))).await;
    let (taken, refused): (Vec<_>, Vec<_>) = taken.into_iter().partition(Result::is_ok);
    assert_eq!((taken.len(), refused.len()), (10, 14));
    assert!(
        refused
            .iter()
            .all(|refused| matches!(refused, Err(StoreError::Quota { what: "job_queue" })))
    );
    assert_eq!(stores.jobs.waiting(tenant, "mailer", None).await.unwrap(), 10);
    assert_eq!(stores.jobs.waiting(tenant, "mailer", Some("send")).await.unwrap(), 10);
    assert_eq!(stores.jobs.waiting(tenant, "mailer", Some("other")).await.unwrap(), 0);
    // Other extensions have their own, and one that no longer waits makes room.
    insert(stores, tenant, &run("printer", "send", None), 10).await.unwrap();
    let id = *taken[0].as_ref().unwrap();
    let first = stores.jobs.get(tenant, id).await.unwrap().unwrap();
    let running = JobRun {
        state: JobState::Running,
        revision: 2,
        ..first
    };
    stores.jobs.update(tenant, running, 1, Carrier::Stays, 10, None).await.unwrap();
    insert(stores, tenant, &run("mailer", "send", None), 10).await.unwrap();
    assert!(insert(stores, tenant, &run("mailer", "send", None), 10).await.is_err());
    // What waits again after an attempt did not leave the queue; what begins anew needs room.
    let running = stores.jobs.get(tenant, id).await.unwrap().unwrap();
    let waits = JobRun {
        state: JobState::Queued,
        revision: 3,
        ..running
    };
    stores
        .jobs
        .update(tenant, waits.clone(), 2, Carrier::Stays, 10, None)
        .await
        .unwrap();
    let dead = ended(&waits, JobState::Dead);
    stores.jobs.update(tenant, dead.clone(), 3, Carrier::Goes, 10, None).await.unwrap();
    let again = JobRun {
        state: JobState::Queued,
        ended_at: None,
        revision: 5,
        ..dead
    };
    let refused = stores
        .jobs
        .update(tenant, again.clone(), 4, Carrier::Becomes(unit(tenant, &again)), 10, None)
        .await;
    assert!(matches!(refused, Err(StoreError::Quota { what: "job_queue" })), "{refused:?}");
}

/// Who writes after somebody else is told.
pub async fn a_stale_run_is_refused(stores: &Stores) {
    let tenant = tenant_id();
    let first = run("mailer", "send", None);
    insert(stores, tenant, &first, MANY).await.unwrap();
    let ends = [JobState::Succeeded, JobState::Cancelled, JobState::Failed, JobState::Dead];
    let writers = ends.map(|state| {
        stores
            .jobs
            .update(tenant, ended(&first, state), 1, Carrier::Goes, MANY, Some(audit("end")))
    });
    let written = join_all(writers).await;
    assert_eq!(written.iter().filter(|written| written.is_ok()).count(), 1);
    assert!(
        written
            .iter()
            .all(|written| matches!(written, Ok(()) | Err(StoreError::Conflict { .. })))
    );
    // Nothing is told of what did not happen.
    assert_eq!(stores.audit.scan(tenant, 1, 10).await.unwrap().len(), 1);
    let unknown = run("mailer", "send", None);
    let refused = stores.jobs.update(tenant, unknown, 1, Carrier::Stays, MANY, None).await;
    assert!(matches!(refused, Err(StoreError::Conflict { .. })));
}

/// Newest first, by extension, job and state.
pub async fn runs_page_and_filter(stores: &Stores) {
    let tenant = tenant_id();
    let mut all = Vec::new();
    for number in 0..7 {
        let job = if number % 2 == 0 { "send" } else { "collect" };
        let one = run("mailer", job, None);
        insert(stores, tenant, &one, MANY).await.unwrap();
        all.push(one);
    }
    insert(stores, tenant, &run("printer", "send", None), MANY).await.unwrap();
    let over = ended(&all[3], JobState::Succeeded);
    stores.jobs.update(tenant, over, 1, Carrier::Goes, MANY, None).await.unwrap();
    let listed = async |filter: JobFilter| {
        let runs = read_all(3, |page: PageRequest| {
            let filter = filter.clone();
            async move { stores.jobs.list(tenant, "mailer", &filter, page).await }
        });
        runs.await.into_iter().map(|run: JobRun| run.id).collect::<Vec<_>>()
    };
    let ids = |wanted: &dyn Fn(usize) -> bool| (0..7).rev().filter(|n| wanted(*n)).map(|n| all[n].id).collect::<Vec<_>>();
    assert_eq!(listed(JobFilter::default()).await, ids(&|_| true));
    let send = JobFilter {
        job: Some("send".parse().unwrap()),
        state: None,
    };
    assert_eq!(listed(send).await, ids(&|n| n % 2 == 0));
    let state = |state| JobFilter {
        job: None,
        state: Some(state),
    };
    assert_eq!(listed(state(JobState::Succeeded)).await, ids(&|n| n == 3));
    assert_eq!(listed(state(JobState::Queued)).await, ids(&|n| n != 3));
    refuses_cursors(|page| async move { stores.jobs.list(tenant, "mailer", &JobFilter::default(), page).await }).await;
}

/// Another tenant sees, changes and counts nothing of it.
pub async fn others_see_no_run(stores: &Stores) {
    let (tenant, other) = (tenant_id(), tenant_id());
    let first = run("mailer", "send", Some("k"));
    insert(stores, tenant, &first, MANY).await.unwrap();
    assert!(there(stores, other, &first).await.is_none());
    let page = PageRequest::first();
    assert!(
        stores
            .jobs
            .list(other, "mailer", &JobFilter::default(), page)
            .await
            .unwrap()
            .items
            .is_empty()
    );
    assert_eq!(stores.jobs.waiting(other, "mailer", None).await.unwrap(), 0);
    let end = stores
        .jobs
        .update(other, ended(&first, JobState::Cancelled), 1, Carrier::Goes, MANY, None)
        .await;
    assert!(matches!(end, Err(StoreError::Conflict { .. })));
    let reason = JobFailure {
        code: "x".to_owned(),
        message: String::new(),
    };
    assert_eq!(stores.jobs.cancel_all(other, &first.extension, &reason, at(1)).await.unwrap(), 0);
    same(&there(stores, tenant, &first).await.unwrap(), &first);
    let theirs = run("mailer", "send", Some("k"));
    assert_eq!(insert(stores, other, &theirs, MANY).await.unwrap(), theirs.id);
}

/// With the extension goes what was not over, and nothing else.
pub async fn uninstalling_cancels_runs(stores: &Stores) {
    let tenant = tenant_id();
    let runs: Vec<JobRun> = (0..4).map(|_| run("mailer", "send", None)).collect();
    for one in &runs {
        insert(stores, tenant, one, MANY).await.unwrap();
    }
    let other = run("printer", "send", None);
    insert(stores, tenant, &other, MANY).await.unwrap();
    let done = ended(&runs[0], JobState::Succeeded);
    stores
        .jobs
        .update(tenant, done.clone(), 1, Carrier::Goes, MANY, None)
        .await
        .unwrap();
    let running = JobRun {
        state: JobState::Running,
        revision: 2,
        ..runs[1].clone()
    };
    stores.jobs.update(tenant, running, 1, Carrier::Stays, MANY, None).await.unwrap();
    let reason = JobFailure {
        code: "job.uninstalled".to_owned(),
        message: "the extension \"mailer\" is gone".to_owned(),
    };
    assert_eq!(stores.jobs.cancel_all(tenant, &runs[0].extension, &reason, at(9)).await.unwrap(), 3);
    assert_eq!(stores.jobs.cancel_all(tenant, &runs[0].extension, &reason, at(9)).await.unwrap(), 0);
    same(&there(stores, tenant, &runs[0]).await.unwrap(), &done);
    for one in &runs[1..] {
        let cancelled = there(stores, tenant, one).await.unwrap();
        assert_eq!(
            (cancelled.state, cancelled.ended_at, cancelled.error),
            (JobState::Cancelled, Some(at(9)), Some(reason.clone()))
        );
        assert!(cancelled.revision > one.revision);
        assert_eq!(stores.work.get(tenant, one.work).await.unwrap(), None);
    }
    same(&there(stores, tenant, &other).await.unwrap(), &other);
    assert!(stores.work.get(tenant, other.work).await.unwrap().is_some());
    assert_eq!(stores.jobs.waiting(tenant, "mailer", None).await.unwrap(), 0);
}

/// Only what is over is forgotten.
pub async fn runs_purge(stores: &Stores) {
    let tenant = tenant_id();
    let (over, waits) = (run("mailer", "send", None), run("mailer", "send", None));
    for one in [&over, &waits] {
        insert(stores, tenant, one, MANY).await.unwrap();
    }
    // Long before what other checks leave behind.
    let long_ago = JobRun {
        ended_at: Some(Timestamp::from_millis(1_000)),
        ..ended(&over, JobState::Succeeded)
    };
    stores.jobs.update(tenant, long_ago, 1, Carrier::Goes, MANY, None).await.unwrap();
    assert_eq!(stores.jobs.purge(Timestamp::from_millis(1_000), 10).await.unwrap(), 0);
    assert_eq!(stores.jobs.purge(Timestamp::from_millis(1_001), 10).await.unwrap(), 1);
    assert!(there(stores, tenant, &over).await.is_none());
    assert!(there(stores, tenant, &waits).await.is_some());
}

fn day(number: i64) -> SpendDay {
    SpendDay {
        day: at(number * DAY),
        month: at(0),
    }
}

/// However many set aside at once, no sum is above its cap.
pub async fn spending_stays_below_its_caps(stores: &Stores) {
    let tenant = tenant_id();
    let mailer: ExtensionName = "mailer".parse().unwrap();
    let caps = SpendCaps {
        day: Some(100),
        month: Some(150),
    };
    let aside = |number, amount| stores.spend.set_aside(tenant, &mailer, day(number), amount, caps);
    let taken = join_all((0..16).map(|_| aside(0, 9))).await;
    assert_eq!(taken.iter().filter(|taken| taken.is_ok()).count(), 11);
    assert!(
        taken
            .iter()
            .all(|taken| matches!(taken, Ok(()) | Err(StoreError::Quota { what: "spend_per_day" })))
    );
    assert_eq!(stores.spend.spent(tenant, &mailer, at(0)).await.unwrap(), 99);
    aside(0, 1).await.unwrap();
    assert!(matches!(aside(1, 51).await, Err(StoreError::Quota { what: "spend_per_month" })));
    aside(1, 50).await.unwrap();
    assert!(aside(2, 1).await.is_err());
    assert_eq!(stores.spend.spent(tenant, &mailer, at(DAY)).await.unwrap(), 50);
    // Another extension, another tenant, and who has no caps.
    let printer: ExtensionName = "printer".parse().unwrap();
    stores.spend.set_aside(tenant, &printer, day(2), 100, caps).await.unwrap();
    stores.spend.set_aside(tenant_id(), &mailer, day(2), 100, caps).await.unwrap();
    let free = SpendCaps::default();
    stores.spend.set_aside(tenant, &mailer, day(2), 1_000_000, free).await.unwrap();
}

/// What was set aside gives way to what was spent, and days are forgotten.
pub async fn what_is_set_aside_is_settled(stores: &Stores) {
    let tenant = tenant_id();
    let mailer: ExtensionName = "mailer".parse().unwrap();
    let caps = SpendCaps {
        day: Some(100),
        month: None,
    };
    let on = SpendDay {
        day: Timestamp::from_millis(0),
        month: Timestamp::from_millis(0),
    };
    stores.spend.set_aside(tenant, &mailer, on, 90, caps).await.unwrap();
    stores.spend.set_aside(tenant, &mailer, on, 10, caps).await.unwrap();
    stores.spend.settle(tenant, &mailer, on.day, 90, 12).await.unwrap();
    assert_eq!(stores.spend.spent(tenant, &mailer, on.day).await.unwrap(), 22);
    // It may have cost more than was thought.
    stores.spend.settle(tenant, &mailer, on.day, 10, 120).await.unwrap();
    assert_eq!(stores.spend.spent(tenant, &mailer, on.day).await.unwrap(), 132);
    assert!(stores.spend.set_aside(tenant, &mailer, on, 1, caps).await.is_err());
    // Of a day that is forgotten nothing is settled.
    assert_eq!(stores.spend.purge(Timestamp::from_millis(0), 10).await.unwrap(), 0);
    assert_eq!(stores.spend.purge(Timestamp::from_millis(1), 10).await.unwrap(), 1);
    stores.spend.settle(tenant, &mailer, on.day, 10, 120).await.unwrap();
    assert_eq!(stores.spend.spent(tenant, &mailer, on.day).await.unwrap(), 0);
}
