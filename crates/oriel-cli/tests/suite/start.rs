//! Ends and starts of the process: in order, and with something in the way.

use std::fs::Permissions;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::os::unix::process::CommandExt as _;
use std::process::Command;

use reqwest::Method;
use serde_json::json;

use super::process::{Process, answer, echo, hostile};
use super::support::Home;

#[tokio::test(flavor = "multi_thread")]
async fn sigterm_lets_calls_end_and_turns_new_ones_away() {
    let home = Home::new();
    let server = Process::start(&home);
    server.install(hostile(&["sleep"], "timeout = \"1m\""), "hostile", &["sleep"]).await;
    let call = server
        .request(Method::POST, "/tasks/execute")
        .json(&json!({"taskId": "sleep", "input": 2_000}));
    let call = tokio::spawn(answer(call));
    while server.get("/extensions/hostile").await.ok()["instances"]["busy"] != 1 {
        tokio::task::yield_now().await;
    }
    let address = server.base.strip_prefix("http://").unwrap().to_owned();
    server.terminate();
    // Nobody listens from then on, long before the call has ended.
    while std::net::TcpStream::connect(&address).is_ok() {
        tokio::task::yield_now().await;
    }
    assert!(!call.is_finished(), "the drain waits for the call");
    let id = call.await.unwrap().unwrap().ok()["id"].as_str().unwrap().to_owned();
    let status = server.ended().await;
    assert_eq!(status.code(), Some(0), "{status}");
    let server = Process::start(&home);
    assert_eq!(server.get(&format!("/executions/{id}")).await.ok()["status"], "succeeded");
}

#[tokio::test(flavor = "multi_thread")]
async fn another_master_key_hurts_only_who_has_secrets() {
    let home = Home::new();
    let (first, second) = (
        "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=",
        "AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI=",
    );
    let schema = "[config]\nschema = { type = \"object\", properties = { token = { type = \"string\", writeOnly = true } } }\n";
    let server = Process::start_with(&home, &[("ORIEL_MASTER_KEY", first)]);
    server.install(echo("plain", "1.0.0", "plain", ""), "plain", &["echo"]).await;
    server
        .install(echo("secretive", "1.0.0", "secretive", schema), "secretive", &["upper"])
        .await;
    let put = server.request(Method::PUT, "/extensions/secretive/config");
    answer(put.json(&json!({"config": {"token": "hush"}}))).await.unwrap().ok();
    server.execute("upper", json!("a")).await.ok();
    server.kill();

    let server = Process::start_with(&home, &[("ORIEL_MASTER_KEY", second)]);
    assert_eq!(server.execute("echo", json!(1)).await.ok()["outputData"], 1);
    let problem = server.execute("upper", json!("a")).await.problem("store.corrupt");
    let detail = problem["detail"].as_str().unwrap();
    assert!(
        detail.contains("master key") && detail.contains("secretive") && !detail.contains("hush"),
        "{detail}"
    );
    assert_eq!(server.get("/extensions").await.ok()["items"].as_array().unwrap().len(), 2);
    server.kill();

    let server = Process::start_with(&home, &[("ORIEL_MASTER_KEY", first)]);
    assert_eq!(server.execute("upper", json!("a")).await.ok()["outputData"], "A");
}

/// Root may write anywhere, so the server is somebody else then, and runs a copy of the binary where they may read it.
#[test]
fn a_data_directory_that_may_not_be_written_is_told() {
    let home = Home::new();
    std::fs::set_permissions(home.path(), Permissions::from_mode(0o755)).unwrap();
    let binary = home.path().join("oriel");
    std::fs::copy(env!("CARGO_BIN_EXE_oriel"), &binary).unwrap();
    let data = home.path().join("data");
    std::fs::create_dir(&data).unwrap();
    std::fs::set_permissions(&data, Permissions::from_mode(0o555)).unwrap();
    for directory in ["data", "data/deeper"] {
        let mut command = Command::new(&binary);
        command.args(["serve", "--listen", "127.0.0.1:0", "--data-dir", directory]);
        command.env_clear().current_dir(home.path());
        if std::fs::metadata("/proc/self").unwrap().uid() == 0 {
            command.uid(65_534).gid(65_534);
        }
        let output = command.output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(said.contains("error[store.read_only]") && said.contains("data"), "{said}");
        assert_ne!(output.status.code(), Some(0));
    }
    // So that the directory can be removed by whoever runs the tests.
    std::fs::set_permissions(&data, Permissions::from_mode(0o755)).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_process_on_one_data_directory_does_no_harm() {
    let home = Home::new();
    let server = Process::start(&home);
    server.install(echo("echo", "1.0.0", "second", ""), "echo", &["echo"]).await;
    home.run(&["serve", "--listen", "127.0.0.1:0", "--data-dir", "data"])
        .fails(9, "server.config");
    let address = server.base.strip_prefix("http://").unwrap().to_owned();
    home.run(&["serve", "--listen", &address, "--data-dir", "other"])
        .fails(9, "server.listen");
    assert_eq!(server.execute("echo", json!(1)).await.ok()["outputData"], 1);
}
