//! One extension does its worst; the calls of another one answer.

use reqwest::Method;
use serde_json::json;

use super::process::{Process, answer, echo, hostile};
use super::support::Home;

#[tokio::test(flavor = "multi_thread")]
async fn a_guest_at_its_worst_fails_alone() {
    let home = Home::new();
    // What the sandbox does by itself, with nobody to stop calling the evil one.
    let off = [("ORIEL_HEALTH_CRASHES", "0"), ("ORIEL_HEALTH_ERROR_RATE", "100")];
    let server = Process::start_with(&home, &off);
    let evils = [
        ("loop", json!(1)),
        ("allocate", json!(1)),
        ("recurse", json!(1)),
        ("trap", json!(1)),
        ("flood-log", json!(100_000)),
        ("flood-stdout", json!(100_000)),
        ("huge", json!(10_000_000)),
        ("sleep", json!(600_000)),
    ];
    let programs: Vec<&str> = evils.iter().map(|(name, _)| *name).chain(["remember"]).collect();
    let limits = "timeout = \"300ms\"\nmemory = \"16MiB\"";
    server.install(hostile(&programs, limits), "hostile", &programs).await;
    server.install(echo("echo", "1.0.0", "neighbour", ""), "echo", &["echo"]).await;
    let attacks: Vec<_> = (0..3)
        .flat_map(|_| evils.clone())
        .map(|(task, input)| {
            let request = server
                .request(Method::POST, "/tasks/execute")
                .json(&json!({"taskId": task, "input": input}));
            tokio::spawn(async move { (task, answer(request).await.unwrap()) })
        })
        .collect();
    for number in 0..100 {
        assert_eq!(server.execute("echo", json!(number)).await.ok()["outputData"], number);
        let items: Vec<_> = (0..10).map(|at| json!({"id": at.to_string(), "input": at})).collect();
        let batch = server
            .post("/tasks/batch/execute", json!({"taskId": "echo", "items": items}))
            .await
            .ok();
        assert_eq!(batch["successCount"], 10, "{batch}");
    }
    for attack in attacks {
        let (evil, answer) = attack.await.unwrap();
        // Logs are cut off and the program goes on; all the rest ends.
        if !evil.starts_with("flood") {
            assert!(answer.status >= 400, "{evil}: {answer:?}");
            assert_ne!(answer.body["blame"], "host", "{evil}: {answer:?}");
        }
    }
    assert_eq!(server.get("/health").await.ok()["ready"], true);
    server.execute("remember", json!(1)).await.ok();
}
