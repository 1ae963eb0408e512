//! Batches: exact about what failed, and able to go on.

use super::support::{Server, package};

fn with_task() -> Server {
    let server = Server::start();
    server.run(&["install", package()]).ok();
    server
        .run(&["task", "create", "count", "--program", "field-counter/summarise"])
        .ok();
    server
}

#[test]
fn a_batch_runs_to_its_end_and_goes_on() {
    let server = with_task();
    let mut text: String = (0..450)
        .map(|n| format!("{{\"id\": \"n{n}\", \"input\": {{\"n\": {n}}}}}\n"))
        .collect();
    text.push_str("{\"id\": \"bad\", \"input\": 7}\n");
    server.home.write("items.ndjson", &text);
    for mode in [&["--chunk", "100"][..], &["--stream"]] {
        let mut args = vec!["task", "batch", "count", "items.ndjson", "-o", "out.ndjson", "--json"];
        args.extend(mode);
        let done = server.run(&args);
        assert_eq!(done.status, 1, "{}", done.err);
        let summary = done.json();
        assert_eq!(
            (summary["successCount"].as_u64(), summary["failureCount"].as_u64()),
            (Some(450), Some(1)),
            "{mode:?}"
        );
        let out = std::fs::read_to_string(server.home.path().join("out.ndjson")).unwrap();
        let lines: Vec<serde_json::Value> = out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines.len(), 451);
        let bad = lines.iter().find(|line| line["id"] == "bad").unwrap();
        assert!(bad["success"] == false && bad["errorMessage"].is_string(), "{bad}");
        assert_eq!(lines.iter().find(|line| line["id"] == "n3").unwrap()["outputData"]["count"], 1);

        // The second run sends the failed item only.
        args.push("--resume");
        let done = server.run(&args);
        let summary = done.json();
        assert_eq!(
            (summary["totalItems"].as_u64(), summary["skippedCount"].as_u64()),
            (Some(1), Some(450))
        );
    }
}

#[test]
fn nothing_is_sent_when_a_line_is_wrong() {
    let server = with_task();
    server.home.write("items.ndjson", "{\"input\": {}}\n{\"input\": }\n");
    let failed = server.run(&["task", "batch", "count", "items.ndjson"]).fails(7, "client.input");
    assert!(failed.err.contains("items.ndjson:2:11"), "{}", failed.err);
    let records = server.run(&["executions", "list", "--json"]).ok().json();
    assert_eq!(records["items"].as_array().unwrap().len(), 0);
    server.run(&["task", "batch", "count", "missing.ndjson"]).fails(7, "client.file");
    server.run(&["task", "batch", "nope", "-", "--raw"]).ok();
    server
        .run_with(&["task", "batch", "nope", "-", "--raw"], "{}\n")
        .fails(3, "task.not_found");
}

#[test]
fn raw_lines_from_a_pipe() {
    let server = with_task();
    let done = server
        .run_with(&["task", "batch", "count", "-", "--raw", "--stream"], "{\"a\": 1}\n{}\n")
        .ok();
    let mut counts: Vec<(String, u64)> = done
        .out
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap())
        .map(|line| {
            (
                line["id"].as_str().unwrap().to_owned(),
                line["outputData"]["count"].as_u64().unwrap(),
            )
        })
        .collect();
    counts.sort();
    assert_eq!(counts, [("1".to_owned(), 1), ("2".to_owned(), 0)]);
}
