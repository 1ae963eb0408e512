//! The key-value interface between guest and port.

use oriel_model::ErrorCode;

use super::support::*;

#[tokio::test]
async fn every_operation_reaches_the_store() {
    let (pool, _) = Setup::guest("kv").with(|spec| spec.grant.key_value = true).pool();
    for (program, input, expected) in [
        ("count", "", "1"),
        ("count", "", "2"),
        ("get", "count", "\"2@2\""),
        ("set", "a=x", "1"),
        ("set-for", "b=1000", "1"),
        ("swap", "a=y", "true"),
        ("get", "a", "\"y@2\""),
        ("list", "", "\"a,b,count\""),
        ("delete", "a", "true"),
        ("delete", "a", "false"),
        ("get", "a", "null"),
    ] {
        assert_eq!(answer(&pool, program, input).await, expected, "{program} {input}");
    }
}

#[tokio::test]
async fn keys_have_1_to_512_bytes() {
    let (pool, _) = Setup::guest("kv").with(|spec| spec.grant.key_value = true).pool();
    assert_eq!(answer(&pool, "get", &"k".repeat(512)).await, "null");
    for bad in [String::new(), "k".repeat(513)] {
        assert_eq!(
            failure(&pool, "get", &bad).await.0,
            ErrorCode::ProgramInvalidInput,
            "{} bytes",
            bad.len()
        );
    }
}

#[tokio::test]
async fn without_a_grant_it_is_denied_and_audited() {
    let (pool, traces) = Setup::guest("kv").pool();
    assert_eq!(failure(&pool, "count", "").await.0, ErrorCode::ProgramDenied);
    let refusals = traces.refusals.lock().unwrap();
    assert_eq!(refusals.len(), 1);
    assert_eq!((refusals[0].what.as_str(), refusals[0].tenant), ("key_value", tenant(1)));
    assert!(refusals[0].execution.is_some());
    assert!(traces.values.lock().unwrap().is_empty());
}
