//! Samples.

use oriel_model::binding::ContributionRef;
use oriel_model::id::{BindingId, ExecutionId, TaskId, TenantId};
use oriel_model::page::PageRequest;
use oriel_model::sample::Sample;
use oriel_model::validation::Judgement;
use oriel_model::verdict::Verdict;
use serde_json::json;

use super::fixtures::{at, tenant_id};
use crate::{SampleFilter, Stores};

fn judgement(valid: bool, score: Option<f64>) -> Judgement {
    Judgement {
        binding: Some(BindingId::new(at(0))),
        validator: ContributionRef {
            extension: "checks".parse().unwrap(),
            name: "plausible".parse().unwrap(),
        },
        verdict: Some(Verdict {
            valid,
            score,
            message: Some("ü\n".to_owned()),
            details: Some(json!({ "a": [1, null] })),
        }),
        error: None,
        fails_closed: false,
    }
}

fn sample(task: TaskId, version: &str, ms: i64, judgements: Vec<Judgement>) -> Sample {
    Sample {
        execution: ExecutionId::new(at(ms)),
        task,
        extension: "notes".parse().unwrap(),
        version: version.parse().unwrap(),
        program: "classify".parse().unwrap(),
        sampler: None,
        reason: Some("slow".to_owned()),
        judgements,
        executed_at: at(ms),
        judged_at: at(ms + 1),
    }
}

async fn everything(stores: &Stores, tenant: TenantId, filter: SampleFilter, limit: u32) -> Vec<Sample> {
    let mut all = Vec::new();
    let mut page = PageRequest { limit, cursor: None };
    loop {
        let found = stores.samples.list(tenant, filter, page.clone()).await.unwrap();
        all.extend(found.items);
        match found.next_cursor {
            Some(cursor) => page.cursor = Some(cursor),
            None => return all,
        }
    }
}

/// Written, read, replaced; another tenant sees nothing.
pub async fn a_sample_lives(stores: &Stores) {
    let (tenant, other, task) = (tenant_id(), tenant_id(), TaskId::new(at(0)));
    stores.samples.put(tenant, vec![]).await.unwrap();
    let first = sample(task, "1.0.0", 0, vec![]);
    stores.samples.put(tenant, vec![first.clone()]).await.unwrap();
    assert_eq!(stores.samples.get(tenant, first.execution).await.unwrap(), Some(first.clone()));
    assert_eq!(stores.samples.get(other, first.execution).await.unwrap(), None);
    let again = Sample {
        judgements: vec![judgement(true, Some(0.5))],
        ..first.clone()
    };
    stores.samples.put(tenant, vec![first, again.clone()]).await.unwrap();
    assert_eq!(everything(stores, tenant, SampleFilter::default(), 10).await, [again]);
    assert!(everything(stores, other, SampleFilter::default(), 10).await.is_empty());
    assert!(stores.samples.summary(other, task).await.unwrap().is_empty());
}

/// Newest first, page by page, by task and verdict.
pub async fn samples_page_and_filter(stores: &Stores) {
    let tenant = tenant_id();
    let tasks = [TaskId::new(at(0)), TaskId::new(at(0))];
    let all: Vec<Sample> = (0..7)
        .map(|n| {
            let judgements = match n % 3 {
                0 => vec![],
                1 => vec![judgement(true, None)],
                _ => vec![judgement(true, None), judgement(false, None)],
            };
            sample(tasks[(n % 2) as usize], "1.0.0", n * 10, judgements)
        })
        .collect();
    stores.samples.put(tenant, all.clone()).await.unwrap();
    for task in [None, Some(tasks[0])] {
        for valid in [None, Some(true), Some(false)] {
            let wanted = all.iter().rev();
            let wanted =
                wanted.filter(|one| task.is_none_or(|task| one.task == task) && valid.is_none_or(|valid| one.valid() == Some(valid)));
            let wanted: Vec<Sample> = wanted.cloned().collect();
            for limit in [1, 3, 100] {
                assert_eq!(everything(stores, tenant, SampleFilter { task, valid }, limit).await, wanted);
            }
        }
    }
}

/// Counts and means by version; what got no verdict does not count.
pub async fn samples_sum_up(stores: &Stores) {
    let (tenant, task) = (tenant_id(), TaskId::new(at(0)));
    stores
        .samples
        .put(
            tenant,
            vec![
                sample(task, "1.0.0", 0, vec![judgement(true, None)]),
                sample(task, "1.0.0", 1, vec![judgement(false, Some(0.25))]),
                sample(task, "1.0.0", 2, vec![]),
                sample(task, "2.0.0", 3, vec![judgement(true, Some(1.0)), judgement(true, Some(0.5))]),
                sample(TaskId::new(at(0)), "3.0.0", 4, vec![judgement(true, None)]),
            ],
        )
        .await
        .unwrap();
    let summary = stores.samples.summary(tenant, task).await.unwrap();
    let shown: Vec<_> = summary
        .iter()
        .map(|one| (one.version.to_string(), one.judged, one.valid, one.mean_score))
        .collect();
    assert_eq!(
        shown,
        [("1.0.0".to_owned(), 2, 1, Some(0.625)), ("2.0.0".to_owned(), 1, 1, Some(0.75))]
    );
}

/// The oldest first, and no more than asked.
pub async fn samples_purge(stores: &Stores) {
    let (tenant, task) = (tenant_id(), TaskId::new(at(0)));
    // Far in the past, so that checks beside this one lose nothing.
    let all: Vec<Sample> = (0..4).map(|n| sample(task, "1.0.0", n - 1_000_000_000_000, vec![])).collect();
    stores.samples.put(tenant, all.clone()).await.unwrap();
    let before = all[3].judged_at;
    assert_eq!(stores.samples.purge(before, 2).await.unwrap(), 2);
    assert_eq!(stores.samples.purge(before, 10).await.unwrap(), 1);
    assert_eq!(everything(stores, tenant, SampleFilter::default(), 10).await, [all[3].clone()]);
}
