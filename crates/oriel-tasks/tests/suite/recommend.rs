//! What records advise.

use oriel_extensions::Consent;
use oriel_model::canary::CanaryPolicy;
use oriel_model::recommendation::RecommendationKind;
use oriel_model::{Coded, ErrorCode};
use oriel_tasks::{BatchRequest, Item, RecommendRequest};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::manage::{Desk, any};
use crate::support::{manifest, package};

async fn run(desk: &Desk, inputs: impl Iterator<Item = Value>) {
    let batch = BatchRequest {
        task: "t".to_owned(),
        items: inputs
            .enumerate()
            .map(|(at, input)| Item {
                id: at.to_string(),
                input: RawValue::from_string(input.to_string()).unwrap(),
                timeout: None,
            })
            .collect(),
        max_concurrency: 2,
        stop_on_first_error: false,
        traceparent: None,
        canary_key: None,
    };
    let mut run = desk.tasks.batch(&desk.world.owner, batch).await.unwrap();
    while run.next().await.is_some() {}
    run.finish().await.unwrap();
}

fn flaky(version: &str) -> bytes::Bytes {
    package("flaky", manifest("echo", version, &["echo", "upper"]))
}

#[tokio::test]
async fn failing_inputs_and_worse_versions_are_named_with_evidence() {
    let desk = Desk::new().await;
    let task = desk.task("t", "echo", "echo", any()).await;
    let (owner, extensions) = (&desk.world.owner, &desk.world.extensions);
    let colour = |n: u64| ["red", "blue", "green"][usize::try_from(n % 3).unwrap()];
    let inputs = |count: u64| (0..count).map(move |n| json!({"n": n % 10, "colour": colour(n)}));
    run(&desk, inputs(600)).await;
    extensions.upgrade(owner, "echo", flaky("1.1.0"), Consent::All, None).await.unwrap();
    run(&desk, inputs(900)).await;

    let found = desk.tasks.recommend(owner, "t", RecommendRequest::default()).await.unwrap();
    assert_eq!((found.task_id, found.executions, found.complete), (task.id, 1_500, true));
    let versions: Vec<_> = found
        .versions
        .iter()
        .map(|it| (it.version.to_string(), it.executions, it.successes))
        .collect();
    assert_eq!(versions, [("1.1.0".to_owned(), 900, 720), ("1.0.0".to_owned(), 600, 600)]);
    assert!(found.versions[0].success_rate.high < found.versions[1].success_rate.low);

    let failing: Vec<_> = found
        .failing_inputs
        .iter()
        .filter(|cluster| !cluster.conditions.is_empty())
        .collect();
    let values: Vec<_> = failing.iter().filter_map(|cluster| cluster.conditions[0].value.clone()).collect();
    assert!(values.contains(&json!(0)) && values.contains(&json!(5)), "{failing:#?}");
    for cluster in failing {
        assert_eq!(cluster.error_code.as_deref(), Some("execution.failed"));
        assert_eq!(cluster.conditions[0].path, "/n");
        assert!(cluster.lift > 3.0 && cluster.hits == 90, "{cluster:?}");
        let example = desk.tasks.execution(owner, &cluster.examples[0].to_string()).await.unwrap();
        assert_eq!(example.error.unwrap().code, "execution.failed");
    }
    let kinds: Vec<_> = found.recommendations.iter().map(|it| it.kind).collect();
    assert_eq!(
        kinds[..3],
        [
            RecommendationKind::WorseVersion,
            RecommendationKind::FailingInputs,
            RecommendationKind::FailingInputs
        ]
    );
    assert_eq!(kinds.last(), Some(&RecommendationKind::Sampling));
    let sampling = found.sampling.unwrap();
    // z² p (1 - p) / m² with the rate of the interval that is nearest to one half, of all that there are.
    assert!((sampling.assumed_rate - 0.862).abs() < 0.002, "{sampling:?}");
    assert!((1_000..1_200).contains(&sampling.executions_per_day), "{sampling:?}");
    assert!(sampling.sampling_rate > 0.0 && sampling.sampling_rate < 0.1, "{sampling:?}");
}

#[tokio::test]
async fn slow_inputs_are_named() {
    let desk = Desk::new().await;
    desk.task("t", "hostile", "echo", any()).await;
    run(&desk, (0..600u64).map(|n| json!({"n": n}))).await;
    let long = "x".repeat(300_000);
    run(&desk, (0..30u64).map(|n| json!({"n": n, "note": long}))).await;
    let found = desk
        .tasks
        .recommend(&desk.world.owner, "t", RecommendRequest::default())
        .await
        .unwrap();
    let slow = found.slow_inputs.first().expect("long inputs take longer");
    assert_eq!(slow.conditions[0].path, "/note", "{slow:?}");
    assert!(found.recommendations.iter().any(|it| it.kind == RecommendationKind::SlowInputs));
}

#[tokio::test]
async fn few_records_say_so_and_a_canary_is_told_of() {
    let desk = Desk::new().await;
    desk.task("t", "echo", "echo", any()).await;
    let (owner, extensions) = (&desk.world.owner, &desk.world.extensions);
    let nothing = desk.tasks.recommend(owner, "t", RecommendRequest::default()).await.unwrap();
    assert_eq!(nothing.executions, 0);
    assert_eq!(nothing.recommendations[0].kind, RecommendationKind::MoreRecords);
    assert!(nothing.sampling.is_none() && nothing.release.is_none());

    let policy = CanaryPolicy {
        auto: false,
        ..CanaryPolicy::default()
    };
    extensions
        .start_canary(owner, "echo", flaky("1.1.0"), 0.5, policy, None)
        .await
        .unwrap();
    for at in 0..400u64 {
        let request = crate::execute::input(&json!({"n": (at * 7_919) % 1_000}));
        let _ = desk.tasks.execute(owner, "t", request).await;
    }
    let found = desk.tasks.recommend(owner, "t", RecommendRequest::default()).await.unwrap();
    assert_eq!(found.recommendations[0].kind, RecommendationKind::Rollback);
    assert!(found.recommendations[0].message.contains("Roll back the canary 1.1.0"));
    for bad in [0.0, 1.0, f64::NAN] {
        let request = RecommendRequest {
            margin: bad,
            ..RecommendRequest::default()
        };
        let error = desk.tasks.recommend(owner, "t", request).await.unwrap_err();
        assert_eq!(error.code(), ErrorCode::RequestInvalid);
    }
}
