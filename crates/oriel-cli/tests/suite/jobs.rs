//! Jobs on real servers: typed, killed under, and shared by two of them.

use std::time::Duration;

use oriel_test_postgres::Postgres;
use serde_json::{Value, json};

use super::process::{KEY, Process, answer, packed};
use super::support::{Done, Home};

/// A package of the guest `worker`.
fn worker() -> Vec<u8> {
    let jobs: String = ["work", "sleep", "flaky"]
        .iter()
        .map(|name| format!("\n[[jobs]]\nname = \"{name}\"\nbackoff = \"50ms\"\n"))
        .collect();
    packed(
        oriel_test_guests::component("worker"),
        &format!(
            "name = \"worker\"\nversion = \"1.0.0\"\ndescription = \"For tests.\"\npublisher = \"tests\"\nlicense = \"Apache-2.0\"\n\
             host_api = \"^0.1\"\n{jobs}\n[[programs]]\nname = \"enqueue\"\n[[programs]]\nname = \"kept\"\n\n[permissions]\nkey_value = true\nqueue = true\n\
             [permissions.model]\n[limits]\ntimeout = \"1m\"\n"
        ),
    )
}

async fn install(server: &Process) {
    answer(server.upload("/extensions", worker())).await.unwrap().ok();
}

async fn start(server: &Process, job: &str, input: &Value) -> String {
    let run = server
        .post(&format!("/extensions/worker/jobs/{job}/run"), json!({ "input": input }))
        .await;
    assert_eq!(run.status, 202, "{run:?}");
    run.ok()["id"].as_str().unwrap().to_owned()
}

async fn over(server: &Process, id: &str) -> Value {
    for _ in 0..4 {
        let run = server.get(&format!("/extensions/worker/job-runs/{id}?wait=30s")).await.ok();
        if run["state"] != "queued" && run["state"] != "running" {
            return run;
        }
    }
    panic!("the run {id} is not over");
}

/// Waits until the run is at work.
async fn begun(server: &Process, id: &str) {
    while server.get(&format!("/extensions/worker/job-runs/{id}")).await.ok()["state"] != "running" {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_accepted_is_done_after_the_server_was_killed() {
    let home = Home::new();
    let server = Process::start(&home);
    install(&server).await;
    // Accepted, and killed at once: by the API and by the extension's own queue.
    let mut ids = Vec::new();
    for number in 0..20 {
        let run = json!({ "input": {"n": number}, "delayMs": if number % 2 == 0 { 0 } else { 1_500 } });
        let run = server.post("/extensions/worker/jobs/work/run", run).await.ok();
        ids.push(run["id"].as_str().unwrap().to_owned());
    }
    let queued = json!({ "input": {"job": "work", "input": {"n": 20}, "delayMs": 1_500} });
    let queued = server.post("/extensions/worker/programs/enqueue/call", queued).await.ok();
    ids.push(queued["outputData"]["ok"].as_str().unwrap().to_owned());
    server.kill();
    let server = Process::start(&home);
    for (number, id) in ids.iter().enumerate() {
        let run = over(&server, id).await;
        assert_eq!(
            (&run["state"], &run["output"]["input"]),
            (&json!("succeeded"), &json!({"n": number})),
            "{run}"
        );
    }
    assert_eq!(server.get("/audit/verify").await.ok()["intact"], true);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_whose_server_was_killed_is_an_attempt_and_goes_on() {
    let home = Home::new();
    let server = Process::start(&home);
    install(&server).await;
    let id = start(&server, "sleep", &json!({ "ms": 3_000 })).await;
    begun(&server, &id).await;
    server.kill();
    let server = Process::start(&home);
    // Until the lease of the one that is dead runs out, nobody touches it.
    let run = over(&server, &id).await;
    assert_eq!(run["state"], "succeeded", "{run}");
    let codes: Vec<&Value> = run["attempts"]
        .as_array()
        .unwrap()
        .iter()
        .map(|attempt| &attempt["error"]["code"])
        .collect();
    assert_eq!(codes, [&json!("job.interrupted"), &Value::Null]);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_servers_share_their_runs_and_never_run_one_at_once() {
    let database = Postgres::shared().create_database().unwrap();
    let (first_home, second_home) = (Home::new(), Home::new());
    // What seals the secrets of one database is the same on all nodes.
    let key = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
    let env = [("ORIEL_DATABASE", database.as_str()), ("ORIEL_MASTER_KEY", key)];
    let first = Process::start_with(&first_home, &env);
    install(&first).await;
    // Packages lie on the node that took them.
    copy(&first_home.path().join("data/packages"), &second_home.path().join("data/packages"));
    let second = Process::start_with(&second_home, &env);
    let mut ids = Vec::new();
    for number in 0..40 {
        let server = if number % 2 == 0 { &first } else { &second };
        ids.push(start(server, "sleep", &json!({ "ms": 20, "count": format!("n{number}") })).await);
    }
    for id in &ids {
        let run = over(&first, id).await;
        assert_eq!(
            (&run["state"], run["attempts"].as_array().unwrap().len()),
            (&json!("succeeded"), 1),
            "{run}"
        );
    }
    // The job counts how often it was begun, and how many of it were at work at once.
    for number in 0..40 {
        for key in [format!("n{number}"), format!("n{number}/most")] {
            let kept = second
                .post("/extensions/worker/programs/kept/call", json!({ "input": {"key": key} }))
                .await
                .ok();
            assert_eq!(kept["outputData"], json!({ "ok": "1" }), "{key}");
        }
    }
    // One that is cancelled on the other node is broken off.
    let long = start(&first, "sleep", &json!({ "ms": 50_000 })).await;
    begun(&second, &long).await;
    for server in [&second, &first] {
        let cancelled = server
            .post(&format!("/extensions/worker/job-runs/{long}/cancel"), json!(null))
            .await;
        if cancelled.status == 200 {
            assert_eq!(cancelled.ok()["state"], "cancelled");
        } else {
            cancelled.problem("job.state");
        }
    }
    // A node that is killed leaves its runs to the other.
    let left = start(&first, "sleep", &json!({ "ms": 2_000 })).await;
    begun(&first, &left).await;
    first.kill();
    assert_eq!(over(&second, &left).await["state"], "succeeded");
}

fn copy(from: &std::path::Path, to: &std::path::Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_commands_say_what_happens() {
    let home = Home::new();
    let server = Process::start(&home);
    install(&server).await;
    let oriel = |args: &[&str]| {
        let mut command = home.command(args);
        command.env("ORIEL_URL", &server.base).env("ORIEL_API_KEY", KEY);
        Done::of(command.output().unwrap())
    };
    let waited = oriel(&["job", "run", "worker", "work", "--input", "{\"a\": 1}", "--wait"]).ok();
    assert!(
        waited.out.contains("succeeded") && waited.out.contains("{\"a\":1}"),
        "{}",
        waited.out
    );
    let put_off = oriel(&[
        "job",
        "run",
        "worker",
        "work",
        "--delay-ms",
        "3600000",
        "--deduplication-key",
        "k",
        "--json",
    ])
    .ok()
    .json();
    let id = put_off["id"].as_str().unwrap();
    let again = oriel(&["job", "run", "worker", "work", "--deduplication-key", "k", "--json"])
        .ok()
        .json();
    assert_eq!(again["id"], id);
    let listed = oriel(&["job", "list", "worker", "--state", "queued"]).ok();
    assert!(listed.out.contains(id), "{}", listed.out);
    let cancelled = oriel(&["job", "cancel", "worker", id]).ok();
    assert!(cancelled.out.contains("is cancelled"), "{}", cancelled.out);
    oriel(&["job", "cancel", "worker", id]).fails(6, "job.state");
    oriel(&["job", "retry", "worker", id]).ok();
    let shown = oriel(&["job", "show", "worker", id]).ok();
    assert!(shown.out.contains("work"), "{}", shown.out);
    let dead = oriel(&[
        "job",
        "run",
        "worker",
        "flaky",
        "--input",
        "{\"until\": 9}",
        "--attempts",
        "2",
        "--wait",
        "60",
    ]);
    assert_ne!(dead.status, 0);
    assert!(dead.err.contains("the run is dead: execution.unavailable"), "{}", dead.err);
    oriel(&["job", "show", "worker", "jrun_01jd3yq8m3v5n4x2c7b9k0r6ts"]).fails(3, "job.not_found");
    oriel(&["job", "run", "worker", "nap"]).fails(3, "extension.contribution_not_found");
}
