//! Host calls: the same checks as a component's, and a token that means nothing once its call is over.

use std::sync::Arc;
use std::time::Duration;

use oriel_model::limits::TimeSpan;
use oriel_model::log::LogLevel;
use oriel_model::{Coded as _, ErrorCode};
use oriel_sandbox::*;
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::sync::{mpsc, oneshot};

use super::support::*;

/// A service that hands out each call's token and waits to be told what to answer.
async fn held() -> (std::net::SocketAddr, mpsc::UnboundedReceiver<(String, oneshot::Sender<Vec<u8>>)>) {
    let (tell, told) = mpsc::unbounded_channel::<(String, oneshot::Sender<Vec<u8>>)>();
    let address = raw(move |mut stream| {
        let tell = tell.clone();
        async move {
            while let Some(request) = arrived(&mut stream).await {
                let (answer, wait) = oneshot::channel::<Vec<u8>>();
                tell.send((request.token(), answer)).unwrap();
                let Ok(answer) = wait.await else { return };
                if tokio::io::AsyncWriteExt::write_all(&mut stream, &answer).await.is_err() {
                    return;
                }
            }
        }
    })
    .await;
    (address, told)
}

async fn host(token: &str, function: &str, arguments: Value) -> Result<Value, HostCallError> {
    sandbox().host_call(token, function, arguments.to_string().as_bytes()).await
}

#[tokio::test]
async fn every_function_does_what_a_components_import_does() {
    let (address, mut told) = held().await;
    let (pool, traces) = Setup::at(address).with(|spec| spec.config = r#"{"greeting":"hi"}"#.into()).pool();
    let calling = tokio::spawn(async move {
        let binding: Arc<str> = r#"{"rate":1}"#.into();
        let ask = Ask {
            binding: Some(&binding),
            ..Ask::new("p", execution())
        };
        pool.execute(&ask, "1").await
    });
    let (token, answer) = told.recv().await.unwrap();
    let ok_calls = [
        ("config.get", json!({}), json!({ "greeting": "hi" })),
        ("config.binding", json!({}), json!({ "rate": 1 })),
        (
            "log.write",
            json!({ "level": "warn", "message": "m", "fields": { "b": "2", "a": "1" } }),
            Value::Null,
        ),
        ("metrics.counter-add", json!({ "name": "n", "value": 1.5 }), Value::Null),
        (
            "metrics.histogram-record",
            json!({ "name": "n", "value": 1, "labels": { "a": "b" } }),
            Value::Null,
        ),
        ("key-value.get", json!({ "key": "k" }), Value::Null),
        ("key-value.set", json!({ "key": "k", "value": "aGk=", "ttlMs": 60_000 }), json!(1)),
        ("key-value.get", json!({ "key": "k" }), json!({ "value": "aGk=", "version": 1 })),
        (
            "key-value.compare-and-swap",
            json!({ "key": "k", "expected": 9, "value": "" }),
            Value::Null,
        ),
        (
            "key-value.compare-and-swap",
            json!({ "key": "k", "expected": 1, "value": "" }),
            json!(2),
        ),
        ("key-value.increment", json!({ "key": "n", "by": -3 }), json!(-3)),
        ("key-value.list-keys", json!({ "limit": 10 }), json!({ "keys": ["k", "n"] })),
        ("key-value.delete", json!({ "key": "k" }), json!(true)),
    ];
    for (function, arguments, wanted) in ok_calls {
        assert!(HOST_CALLS.contains(&function));
        assert_eq!(host(&token, function, arguments).await.unwrap(), wanted, "{function}");
    }
    let line = traces.lines.lock()[0].clone();
    assert_eq!(
        (line.level, line.message.as_str(), line.execution),
        (LogLevel::Warn, "m", Some(execution()))
    );
    assert_eq!(line.fields, [("b".to_owned(), "2".to_owned()), ("a".to_owned(), "1".to_owned())]);
    let denied = host(
        &token,
        "call.execute",
        json!({ "extension": "other", "program": "p", "input": null }),
    )
    .await;
    assert_eq!(denied.unwrap_err().code(), ErrorCode::ProgramDenied);
    assert_eq!(traces.refused.lock().as_slice(), ["call other/p"]);
    for (function, arguments, wanted) in [
        ("key-value.get", json!({}), ErrorCode::RequestInvalid),
        ("key-value.get", json!({ "key": "k", "tenant": "other" }), ErrorCode::RequestInvalid),
        ("key-value.get", json!({ "key": "" }), ErrorCode::RequestInvalid),
        (
            "key-value.set",
            json!({ "key": "k", "value": "not base64!" }),
            ErrorCode::RequestInvalid,
        ),
        ("key-value.list-keys", json!({ "limit": 0 }), ErrorCode::RequestInvalid),
        ("log.write", json!({ "level": "loud", "message": "m" }), ErrorCode::RequestInvalid),
        (
            "log.write",
            json!({ "level": "info", "message": "m", "fields": { "a": 1 } }),
            ErrorCode::RequestInvalid,
        ),
        ("secrets.placeholder", json!({ "name": "token" }), ErrorCode::RemoteHostCall),
        ("key-value", json!({}), ErrorCode::RemoteHostCall),
        ("../../api/v1/keys", json!({}), ErrorCode::RemoteHostCall),
    ] {
        let error = host(&token, function, arguments.clone()).await.unwrap_err();
        assert_eq!(error.code(), wanted, "{function} {arguments}: {error}");
    }
    answer.send(ok(r#"{"output": 1}"#)).unwrap();
    let outcome = calling.await.unwrap();
    assert_eq!(outcome.result.unwrap(), "1");
    assert!(outcome.resources.host_calls >= 13, "{}", outcome.resources.host_calls);
}

#[tokio::test]
async fn a_token_ends_with_its_call_however_that_ends() {
    let (address, mut told) = held().await;
    let kv = || json!({ "key": "k" });
    for nonsense in ["", "orct_", &format!("orct_{}", "0".repeat(64))] {
        assert_eq!(host(nonsense, "key-value.get", kv()).await, Err(HostCallError::Token));
    }
    // It is answered.
    let (pool, _) = Setup::at(address).pool();
    let calling = tokio::spawn({
        let pool = pool.clone();
        async move { call(&pool, "1").await }
    });
    let (token, answer) = told.recv().await.unwrap();
    assert!(host(&token, "key-value.get", kv()).await.is_ok() && sandbox().is_under_way(&token));
    answer.send(ok(r#"{"output": 1}"#)).unwrap();
    calling.await.unwrap().unwrap();
    assert_eq!(host(&token, "key-value.get", kv()).await, Err(HostCallError::Token));
    assert!(!sandbox().is_under_way(&token));
    // Its caller goes away.
    let calling = tokio::spawn({
        let pool = pool.clone();
        async move { call(&pool, "1").await }
    });
    let (second, _answer) = told.recv().await.unwrap();
    assert_ne!(token, second);
    assert!(host(&second, "key-value.get", kv()).await.is_ok());
    calling.abort();
    let _ = calling.await;
    assert_eq!(host(&second, "key-value.get", kv()).await, Err(HostCallError::Token));
    // Its time is up: first host calls say so, then the token is gone.
    let (pool, traces) = Setup::at(address)
        .with(|spec| spec.limits.timeout = TimeSpan(Duration::from_millis(100)))
        .pool();
    let calling = tokio::spawn(async move { call(&pool, "1").await });
    let (third, _answer) = told.recv().await.unwrap();
    let error = calling.await.unwrap().unwrap_err();
    assert_eq!(error.code(), ErrorCode::ExecutionTimeout);
    assert_eq!(
        host(&third, "key-value.set", json!({ "key": "k", "value": "" })).await,
        Err(HostCallError::Token)
    );
    assert!(traces.values.lock().is_empty());
}

/// A host call that is under way when the answer arrives is given up: what comes afterwards cannot write.
#[tokio::test]
async fn host_calls_do_not_outlive_their_call() {
    let (address, mut told) = held().await;
    let (pool, _) = Setup::at(address).pool();
    let calling = tokio::spawn(async move { call(&pool, "1").await });
    let (token, answer) = told.recv().await.unwrap();
    let stuck = tokio::spawn({
        let token = token.clone();
        async move { host(&token, "key-value.set", json!({ "key": "stuck", "value": "" })).await }
    });
    // It has begun when another one has to wait for its turn.
    while tokio::time::timeout(Duration::from_millis(20), host(&token, "config.get", json!({})))
        .await
        .is_ok()
    {}
    answer.send(ok(r#"{"output": 1}"#)).unwrap();
    assert_eq!(calling.await.unwrap().unwrap(), "1");
    assert_eq!(stuck.await.unwrap(), Err(HostCallError::Token));
}

#[tokio::test]
async fn a_token_reaches_its_own_tenant_alone() {
    let (address, mut told) = held().await;
    let (first, traces_first) = Setup::at(address).pool();
    let (second, traces_second) = Setup::at(address).with(|spec| spec.grant.key_value = false).pool();
    let calls = [first, second].map(|pool| tokio::spawn(async move { call(&pool, "1").await }));
    let tokens = [told.recv().await.unwrap(), told.recv().await.unwrap()];
    let mut outcomes = Vec::new();
    for (token, _) in &tokens {
        outcomes.push(host(token, "key-value.set", json!({ "key": "k", "value": "aGk=" })).await);
    }
    // One has the grant and one has not, whatever else is under way.
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 1);
    let denied = outcomes.into_iter().find_map(Result::err).unwrap();
    assert_eq!(denied.code(), ErrorCode::ProgramDenied);
    assert_eq!((traces_first.values.lock().len(), traces_second.values.lock().len()), (1, 0));
    assert_eq!(traces_second.refused.lock().as_slice(), ["key_value"]);
    for (_, answer) in tokens {
        answer.send(ok(r#"{"output": 1}"#)).unwrap();
    }
    for one in calls {
        one.await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn limits_end_the_call_where_a_component_would_trap() {
    let (address, mut told) = held().await;
    let (pool, traces) = Setup::at(address)
        .with(|spec| {
            spec.limits.host_calls = 3;
            spec.limits.log = oriel_model::limits::ByteSize(4);
        })
        .pool();
    let calling = tokio::spawn(async move { call(&pool, "1").await });
    let (token, _answer) = told.recv().await.unwrap();
    for message in ["abcd", "more", "more"] {
        assert!(
            host(&token, "log.write", json!({ "level": "info", "message": message }))
                .await
                .is_ok()
        );
    }
    let error = host(&token, "config.get", json!({})).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::ExecutionHostCalls, "{error}");
    // Nobody waits for the service any more.
    let error = calling.await.unwrap().unwrap_err();
    assert!(
        matches!(
            error,
            CallError::HostCalls {
                what: "host calls",
                limit: 3
            }
        ),
        "{error}"
    );
    let lines: Vec<String> = traces.lines.lock().iter().map(|line| line.message.clone()).collect();
    assert_eq!(lines, ["abcd", "2 log lines were dropped: the call went over its `log` limit"]);
}

#[tokio::test]
async fn a_dry_run_changes_nothing() {
    let (address, mut told) = held().await;
    let (pool, traces) = Setup::at(address).pool();
    let calling = tokio::spawn(async move {
        let ask = Ask {
            dry_run: true,
            ..Ask::new("p", execution())
        };
        pool.execute(&ask, "1").await.result
    });
    let (token, answer) = told.recv().await.unwrap();
    let error = host(&token, "key-value.set", json!({ "key": "k", "value": "" })).await.unwrap_err();
    assert_eq!(
        (error.code(), error.to_string().as_str()),
        (ErrorCode::ProgramDenied, "this is a dry run: nothing may be changed or sent")
    );
    assert!(host(&token, "key-value.get", json!({ "key": "k" })).await.is_ok() && traces.values.lock().is_empty());
    answer.send(ok(r#"{"output": 1}"#)).unwrap();
    calling.await.unwrap().unwrap();
}

/// A service that wants to pass for another tenant has nothing to say it with: the context is the platform's, and answers have no place for it.
#[tokio::test]
async fn a_context_cannot_be_forged() {
    let seen = Arc::new(Mutex::new(None));
    let kept = seen.clone();
    let (address, _) = service(move |request| {
        *kept.lock() = Some(request.json()["context"].clone());
        ok(r#"{"output": 1, "context": {"tenant": "victim"}}"#)
    })
    .await;
    let (pool, _) = Setup::at(address).pool();
    // An input that looks like a context stays an input.
    let input = r#"{"context":{"tenant":"victim"},"callback":{"url":"http://evil.example"}}"#;
    assert_eq!(call(&pool, input).await.unwrap_err().code(), ErrorCode::RemoteAnswer);
    assert_eq!(seen.lock().as_ref().unwrap()["tenant"], "acme");
    // Nor does one that ends the document early leave its place.
    for breaking in [r#"1,"context":{"tenant":"victim"}"#, "1}", "{\"a\":", "\"\u{1}\""] {
        let error = call(&pool, breaking).await.unwrap_err();
        assert_eq!(error.code(), ErrorCode::ProgramInvalidInput, "{breaking}");
    }
}
