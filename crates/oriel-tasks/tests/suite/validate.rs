//! Judging outputs: by schema, by expectation, and by whoever else has a say.

use async_trait::async_trait;
use oriel_access::Principal;
use oriel_model::binding::ContributionRef;
use oriel_model::comparison::ComparisonRules;
use oriel_model::execution::ExecutionError;
use oriel_model::validation::Judgement;
use oriel_model::verdict::Verdict;
use oriel_model::{Coded, ErrorCode};
use oriel_tasks::{Judges, MAX_VALIDATED, NoJudges, Subject, TaskError, ValidateBatch, ValidateItem, ValidateRequest};
use serde_json::{Value, json};

use crate::execute::input;
use crate::manage::{Desk, any};

/// Says of each output what the test wants.
struct Says(Vec<Judgement>);

#[async_trait]
impl Judges for Says {
    async fn judge(&self, _: &Principal, subject: Subject<'_>) -> Result<Vec<Judgement>, TaskError> {
        assert_eq!(subject.task.name.as_str(), "t");
        Ok(self.0.clone())
    }
}

fn judgement(verdict: Option<(bool, Option<f64>)>, fails_closed: bool) -> Judgement {
    Judgement {
        binding: None,
        validator: ContributionRef {
            extension: "checks".parse().unwrap(),
            name: "check".parse().unwrap(),
        },
        verdict: verdict.map(|(valid, score)| Verdict {
            valid,
            score,
            message: None,
            details: None,
        }),
        error: verdict.is_none().then(|| ExecutionError {
            code: "execution.trapped".to_owned(),
            message: "it crashed".to_owned(),
        }),
        fails_closed,
    }
}

fn batch(items: Vec<(Value, Option<Value>)>, rules: Value) -> ValidateBatch {
    let items = items.into_iter().enumerate();
    ValidateBatch {
        task: "t".to_owned(),
        items: items
            .map(|(at, (output, expected))| ValidateItem {
                id: at.to_string(),
                input: Value::Null,
                output,
                expected,
            })
            .collect(),
        rules: serde_json::from_value(rules).unwrap(),
    }
}

#[tokio::test]
async fn a_batch_is_measured_by_schema_and_expectation() {
    let desk = Desk::new().await;
    let schema = json!({"type": "object", "required": ["late"], "properties": {"late": {"type": "boolean"}}});
    desk.task("t", "echo", "echo", (json!(true), schema)).await;
    let items = vec![
        (json!({"late": true, "by": 3.0}), Some(json!({"late": true, "by": 3.04}))),
        (json!({"late": true}), Some(json!({"late": false}))),
        (json!({"late": "yes"}), Some(json!({"late": "yes"}))),
        (json!({"late": false}), None),
    ];
    let request = batch(items, json!({"absoluteTolerance": 0.1}));
    let done = desk.tasks.validate_batch(&desk.world.owner, request, &NoJudges).await.unwrap();
    assert_eq!((done.total_items, done.valid_count, done.invalid_count), (4, 2, 2));
    assert!((done.accuracy_rate - 0.5).abs() < 1e-12);
    let findings: Vec<_> = done.results.iter().map(|result| &result.findings).collect();
    assert_eq!(findings.iter().map(|it| it.valid).collect::<Vec<_>>(), [true, false, false, true]);
    assert_eq!(findings[1].differences[0].path, "/late");
    assert_eq!(findings[2].schema_problems[0].path, "/late");
}

#[tokio::test]
async fn a_recorded_execution_is_judged_against_its_own_task() {
    let desk = Desk::new().await;
    let owner = &desk.world.owner;
    desk.task("t", "echo", "echo", any()).await;
    desk.task("other", "echo", "echo", any()).await;
    desk.task("fail", "hostile", "fail", any()).await;
    let executed = desk.tasks.execute(owner, "t", input(&json!({"a": [1, 2]}))).await.unwrap();
    let request = |task: &str, execution: String, expected: Option<Value>| ValidateRequest {
        task: task.to_owned(),
        execution,
        expected,
        rules: ComparisonRules::default(),
    };
    let judged = desk
        .tasks
        .validate(owner, request("t", executed.id.to_string(), Some(json!({"a": [1, 3]}))), &NoJudges)
        .await
        .unwrap();
    assert!(!judged.findings.valid);
    assert_eq!(
        (judged.findings.differences[0].path.as_str(), judged.version.to_string().as_str()),
        ("/a/1", "1.0.0")
    );

    let TaskError::Failed { id, .. } = desk.tasks.execute(owner, "fail", input(&json!("denied"))).await.unwrap_err() else {
        panic!("it should have failed")
    };
    let failed = desk
        .tasks
        .validate(owner, request("fail", id.to_string(), None), &NoJudges)
        .await
        .unwrap();
    assert!(!failed.findings.valid);
    assert_eq!(failed.findings.error.unwrap().code, "execution.denied");

    for (task, execution, code) in [
        ("other", executed.id.to_string(), ErrorCode::RequestInvalid),
        ("t", "exec_01jd3yq8m3v5n4x2c7b9k0r6ts".to_owned(), ErrorCode::ExecutionNotFound),
        ("nothing", executed.id.to_string(), ErrorCode::TaskNotFound),
    ] {
        let error = desk
            .tasks
            .validate(owner, request(task, execution, None), &NoJudges)
            .await
            .unwrap_err();
        assert_eq!(error.code(), code, "{error}");
    }
    let foreign = desk
        .tasks
        .validate(&desk.world.stranger, request("t", executed.id.to_string(), None), &NoJudges)
        .await
        .unwrap_err();
    assert_eq!(foreign.code(), ErrorCode::TaskNotFound);
}

#[tokio::test]
async fn validators_have_a_say() {
    let desk = Desk::new().await;
    desk.task("t", "echo", "echo", any()).await;
    let (good, bad) = (Some((true, Some(0.8))), Some((false, Some(0.2))));
    // (what validators say, rules, whether it is valid, the score)
    let cases = [
        (vec![judgement(good, false)], json!({}), false, 0.8),
        (vec![judgement(good, false)], json!({"semantic": true}), true, 0.8),
        (
            vec![judgement(good, false), judgement(bad, false)],
            json!({"semantic": true}),
            false,
            0.5,
        ),
        (vec![judgement(None, false)], json!({"semantic": true}), false, 0.0),
        (vec![], json!({"semantic": true}), false, 0.0),
        (
            vec![judgement(good, false), judgement(None, false)],
            json!({"semantic": true}),
            true,
            0.8,
        ),
        (
            vec![judgement(good, false), judgement(None, true)],
            json!({"semantic": true}),
            false,
            0.8,
        ),
    ];
    for (says, rules, valid, score) in cases {
        let request = batch(vec![(json!("a car"), Some(json!("an automobile")))], rules);
        let done = desk
            .tasks
            .validate_batch(&desk.world.owner, request, &Says(says.clone()))
            .await
            .unwrap();
        let findings = &done.results[0].findings;
        assert_eq!(findings.valid, valid, "{says:?}");
        assert!((findings.score - score).abs() < 1e-9, "{says:?}: {}", findings.score);
        assert_eq!(findings.judgements, says);
    }
}

#[tokio::test]
async fn requests_out_of_range_are_refused() {
    let desk = Desk::new().await;
    desk.task("t", "echo", "echo", any()).await;
    let owner = &desk.world.owner;
    for (request, code) in [
        (batch(vec![], json!({})), ErrorCode::RequestInvalid),
        (batch(vec![(json!(1), None)], json!({"ignore": ["x"]})), ErrorCode::RequestInvalid),
        (
            batch(vec![(json!(1), None); MAX_VALIDATED + 1], json!({})),
            ErrorCode::BatchTooLarge,
        ),
    ] {
        let error = desk.tasks.validate_batch(owner, request, &NoJudges).await.unwrap_err();
        assert_eq!(error.code(), code, "{error}");
    }
    let viewer = desk.world.principal(oriel_model::access::Role::Viewer).await;
    let request = batch(vec![(json!(1), None)], json!({}));
    let refused = desk.tasks.validate_batch(&viewer, request, &NoJudges).await.unwrap_err();
    assert_eq!(refused.code(), ErrorCode::Forbidden);
}
