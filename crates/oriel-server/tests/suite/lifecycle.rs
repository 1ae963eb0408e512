//! Starting and stopping.

use std::sync::Arc;

use oriel_model::{Coded as _, ErrorCode};
use oriel_server::{Config, Server};
use serde_json::json;

use super::host::{Host, echo};

#[tokio::test]
async fn what_was_kept_is_there_after_a_restart() {
    let data = Arc::new(tempfile::tempdir().unwrap());
    let mut host = Host::start_in(data.clone(), |_| {}).await.with_echo().await;
    let reply = host.execute("echo", json!(1)).await.ok();
    host.stop().await;
    let host = Host::start_in(data, |_| {}).await;
    let record = host
        .get(&format!("/api/v1/executions/{}", reply["id"].as_str().unwrap()))
        .await
        .ok();
    assert_eq!(record["input"], 1);
    assert_eq!(host.execute("echo", json!(2)).await.ok()["outputData"], 2);
    assert_eq!(host.get("/api/v1/audit/verify").await.ok()["intact"], true);
}

#[tokio::test]
async fn the_first_start_makes_a_key_and_later_ones_do_not() {
    let data = tempfile::tempdir().unwrap();
    let config = Config {
        listen: ([127, 0, 0, 1], 0).into(),
        data_dir: data.path().to_owned(),
        ..Config::default()
    };
    let first = Server::start(config.clone()).await.unwrap();
    assert!(first.bootstrap_key().unwrap().starts_with("oriel_"));
    first.shutdown().await;
    let second = Server::start(config).await.unwrap();
    assert_eq!(second.bootstrap_key(), None);
    second.shutdown().await;
}

#[tokio::test]
async fn a_start_that_cannot_succeed_says_why() {
    let mut host = Host::start().await;
    let config = |data: &std::path::Path| Config {
        listen: ([127, 0, 0, 1], 0).into(),
        data_dir: data.to_owned(),
        ..Config::default()
    };
    let same = Server::start(config(host.data.path())).await.unwrap_err();
    assert_eq!(same.code(), ErrorCode::ServerConfig, "{same}");
    assert!(same.to_string().contains("another server"), "{same}");

    let other = tempfile::tempdir().unwrap();
    let taken = Config {
        listen: host.base.strip_prefix("http://").unwrap().parse().unwrap(),
        ..config(other.path())
    };
    assert_eq!(Server::start(taken).await.unwrap_err().code(), ErrorCode::ServerListen);

    let file = other.path().join("a-file");
    std::fs::write(&file, "").unwrap();
    assert_eq!(
        Server::start(config(&file.join("data"))).await.unwrap_err().code(),
        ErrorCode::ServerConfig
    );

    let key = Config {
        master_key: Some(oriel_server::config::Secret::new("short")),
        ..config(other.path())
    };
    assert_eq!(Server::start(key).await.unwrap_err().code(), ErrorCode::ServerConfig);

    let authorities = Config {
        ca_certificates: Some(file),
        ..config(other.path())
    };
    let empty = Server::start(authorities).await.unwrap_err();
    assert_eq!(empty.code(), ErrorCode::ServerConfig);
    assert!(
        empty.to_string().contains("`ca_certificates`") && empty.to_string().contains("no PEM certificate"),
        "{empty}"
    );
    // None of them left a lock or a listener behind.
    Server::start(config(other.path())).await.unwrap().shutdown().await;
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn while_it_is_gracious_it_says_that_it_is_not_ready_and_still_works() {
    let grace = oriel_model::limits::TimeSpan(std::time::Duration::from_secs(600));
    let mut host = Host::start_with(|config| config.drain_grace = grace).await.with_echo().await;
    host.get("/api/v1/health").await.ok();
    let stopping = tokio::spawn(host.server.take().unwrap().shutdown());
    loop {
        // A connection of its own, as a load balancer's.
        let health = reqwest::get(format!("{}/api/v1/health", host.base)).await.unwrap();
        if health.status() == 503 {
            break;
        }
    }
    assert_eq!(host.execute("echo", json!(1)).await.ok()["outputData"], 1);
    stopping.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drain_lets_work_end_and_turns_new_work_away() {
    let mut host = Host::start().await.with_hostile(&["sleep"]).await;
    let server = host.server.take().unwrap();
    let slow = host.with_key(&host.key);
    let (begun, under_way) = tokio::sync::oneshot::channel();
    let call = tokio::spawn(async move {
        let reply = slow.execute("sleep", json!(200));
        begun.send(()).unwrap();
        reply.await
    });
    under_way.await.unwrap();
    // A second request on its own connection proves that the first has been accepted before it.
    host.get("/api/v1/health").await.ok();
    while host.get("/api/v1/extensions/hostile").await.ok()["instances"]["busy"] != 1 {
        tokio::task::yield_now().await;
    }
    server.shutdown().await;
    assert_eq!(call.await.unwrap().status, 200);
    let refused = host.request(reqwest::Method::GET, "/api/v1/health").send().await;
    assert!(refused.is_err(), "nobody listens any more");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drain_ends_what_would_never_end() {
    let mut host = Host::start().await.with_echo().await;
    let follow = host
        .request(reqwest::Method::GET, "/api/v1/extensions/echo/logs?follow=true")
        .header("accept", "text/event-stream");
    let events = follow.send().await.unwrap();
    let server = host.server.take().unwrap();
    let text = tokio::spawn(events.text());
    server.shutdown().await;
    text.await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watched_directory_installs_what_appears_in_it() {
    let watched = tempfile::tempdir().unwrap();
    let directory = watched.path().to_owned();
    let host = Host::start_with(move |config| config.extensions_dir = Some(directory)).await;
    std::fs::write(watched.path().join("echo-1.0.0.oriel"), echo("1.0.0")).unwrap();
    while host.get("/api/v1/extensions").await.ok()["items"].as_array().unwrap().is_empty() {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    assert_eq!(host.get("/api/v1/extensions/echo").await.ok()["state"], "enabled");
}

#[tokio::test]
async fn more_requests_than_allowed_are_turned_away() {
    let host = Host::start_with(|config| config.max_in_flight = 1)
        .await
        .with_hostile(&["sleep"])
        .await;
    let (first, second) = tokio::join!(host.execute("sleep", json!(200)), async {
        loop {
            let reply = host.get("/api/v1/me").await;
            if reply.status == 503 {
                break reply;
            }
            tokio::task::yield_now().await;
        }
    });
    assert_eq!(first.status, 200);
    second.problem("server.busy");
    assert_eq!(second.header("retry-after"), "1");
}
