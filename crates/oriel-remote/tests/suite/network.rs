//! Where services may be, and what their names may lead to.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use oriel_model::permissions::Permissions;
use oriel_model::{Coded as _, ErrorCode};
use oriel_remote::HttpService;
use tokio::io::AsyncWriteExt as _;

use super::support::*;

fn named(looks: &[&[&'static str]]) -> Arc<Names> {
    let looks = looks.iter().map(|look| look.to_vec()).collect();
    Arc::new(Names(BTreeMap::from([("service.example", looks)]), AtomicU64::new(0)))
}

async fn code(service: HttpService) -> ErrorCode {
    let (pool, _) = Setup::of(service).pool();
    call(&pool, "1")
        .await
        .map_or_else(|error| error.code(), |_| panic!("it was answered"))
}

#[tokio::test]
async fn private_addresses_need_the_operator_in_every_form() {
    let (address, connections) = service(|_| ok(r#"{"output": 1}"#)).await;
    let port = address.port();
    for host in [
        "127.0.0.1",
        "2130706433",
        "0x7f000001",
        "0177.0.0.1",
        "127.1",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "169.254.169.254",
        "0.0.0.0",
        "10.0.0.1",
    ] {
        let service = http(&format!("http://{host}:{port}"), Permissions::default(), named(&[]));
        assert_eq!(code(service).await, ErrorCode::RemoteAddress, "{host}");
    }
    assert_eq!(connections.load(Relaxed), 0);
    // Allowed is only what is listed.
    let service = http(&format!("http://10.0.0.1:{port}"), loopback(), named(&[]));
    assert_eq!(code(service).await, ErrorCode::RemoteAddress);
}

#[tokio::test]
async fn one_private_address_spoils_a_name() {
    let (address, connections) = service(|_| ok(r#"{"output": 1}"#)).await;
    let url = format!("https://service.example:{}", address.port());
    for look in [&["127.0.0.1"][..], &["8.8.8.8", "127.0.0.1"], &["::1"], &["fe80::1"]] {
        let service = http(&url, Permissions::default(), named(&[look]));
        assert_eq!(code(service).await, ErrorCode::RemoteAddress, "{look:?}");
    }
    assert_eq!(connections.load(Relaxed), 0);
    assert_eq!(code(http(&url, loopback(), named(&[&[]]))).await, ErrorCode::RemoteUnreachable);
    let unknown = http("https://other.example", loopback(), named(&[&["127.0.0.1"]]));
    assert_eq!(code(unknown).await, ErrorCode::RemoteUnreachable);
}

/// The name is looked up once for each connection, and the connection goes to what was checked.
#[tokio::test]
async fn a_name_that_answers_differently_the_second_time_gains_nothing() {
    let (address, connections) = service(|_| ok(r#"{"output": 1}"#)).await;
    let names = named(&[&["127.0.0.1"], &["169.254.169.254"]]);
    let service = http(&format!("http://service.example:{}", address.port()), loopback(), names.clone());
    let (pool, _) = Setup::of(service).pool();
    assert_eq!(call(&pool, "1").await.unwrap(), "1");
    assert_eq!((names.1.load(Relaxed), connections.load(Relaxed)), (1, 1));
    // The kept connection asks no names.
    assert_eq!(call(&pool, "1").await.unwrap(), "1");
    assert_eq!(names.1.load(Relaxed), 1);
    pool.drain().await;
    let service = http(&format!("http://service.example:{}", address.port()), loopback(), names);
    assert_eq!(code(service).await, ErrorCode::RemoteAddress, "the second look");
}

#[tokio::test]
async fn plain_http_stays_in_private_networks() {
    let service = http("http://service.example", loopback(), named(&[&["8.8.8.8"]]));
    let (pool, _) = Setup::of(service).pool();
    let error = call(&pool, "1").await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::RemoteAddress);
    assert!(error.to_string().contains("must go over `https`"), "{error}");
}

#[tokio::test]
async fn tls_is_not_given_up() {
    // Plain HTTP where TLS is expected.
    let address = raw(|mut stream| async move {
        let _ = stream.write_all(&ok(r#"{"output": 1}"#)).await;
    })
    .await;
    let service = http(&format!("https://127.0.0.1:{}", address.port()), loopback(), named(&[]));
    assert_eq!(code(service).await, ErrorCode::RemoteUnreachable);
}
