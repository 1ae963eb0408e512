//! What services are asked, and what becomes of what they answer.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use oriel_model::hook::HookKind;
use oriel_model::limits::{ByteSize, TimeSpan};
use oriel_model::{Blame, Coded as _, ErrorCode};
use oriel_sandbox::*;
use parking_lot::Mutex;
use serde_json::json;
use tokio::io::AsyncWriteExt as _;

use super::support::*;

#[tokio::test]
async fn a_call_is_one_signed_request() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let (kept, echo) = (seen.clone(), |request: &Arrived| {
        ok(&json!({ "output": request.json()["input"] }).to_string())
    });
    let (address, connections) = service(move |request| {
        kept.lock().push(request.clone());
        echo(&request)
    })
    .await;
    let (pool, _) = Setup::at(address).pool();
    assert_eq!(call(&pool, r#"{"a":[1,"ü"]}"#).await.unwrap(), r#"{"a":[1,"ü"]}"#);
    let outcome = pool.execute(&Ask::new("p", execution()), "null").await;
    assert_eq!(outcome.result.unwrap(), "null");
    // What it used there, nobody here knows.
    assert_eq!((outcome.resources.guest_cpu_us, outcome.resources.peak_memory), (0, 0));
    assert!(outcome.resources.wall_us > 0);
    assert_eq!(connections.load(Relaxed), 1, "the connection is kept");

    let requests = seen.lock().clone();
    let first = &requests[0];
    assert!(first.head.starts_with("POST /oriel/v1/program/p HTTP/1.1\r\n"), "{}", first.head);
    let (id, seconds, signature) = (
        first.header("webhook-id"),
        first.header("webhook-timestamp"),
        first.header("webhook-signature"),
    );
    assert!(secret().verifies(&signature, &id, &seconds, &first.body));
    assert_ne!(id, requests[1].header("webhook-id"), "each request has an id of its own");
    let context = &first.json()["context"];
    assert_eq!(
        (&context["tenant"], &context["extension"], &context["version"]),
        (&json!("acme"), &json!("orders"), &json!("1.2.3"))
    );
    assert_eq!(context["executionId"], execution().to_string());
    assert!(context["timeoutMs"].as_u64().unwrap() > 50_000 && context["dryRun"] == false);
    assert!(first.token() != requests[1].token() && first.token().len() == 69);
}

#[tokio::test]
async fn every_kind_is_asked_and_answered() {
    let (address, _) = service(|request| {
        let asked = request.json();
        let path = request.head.split(' ').nth(1).unwrap().to_owned();
        let output = match path.as_str() {
            "/oriel/v1/validator/v" => json!({ "valid": asked["input"]["execution"]["output"] == 7, "score": 0.5, "details": { "a": 1 } }),
            "/oriel/v1/sampler/s" => json!({ "sample": asked["input"]["history"]["seen"] == 3, "reason": "third" }),
            "/oriel/v1/event-handler/e" => {
                assert_eq!(asked["input"]["specversion"], "1.0");
                assert_eq!(asked["input"]["time"], "1970-01-01T00:00:00.007Z");
                assert_eq!(asked["input"]["id"], "1", "an attribute does not replace a part");
                json!(null)
            }
            "/oriel/v1/hook/h" => json!({ "payload": { "was": asked["input"]["payload"], "by": asked["binding"] } }),
            "/oriel/v1/job/j" => json!(asked["input"]["trigger"]),
            "/oriel/v1/health" => json!({ "healthy": false, "detail": "tired" }),
            "/oriel/v1/check-config" => json!({ "problems": [{ "path": "/a", "message": asked["input"]["a"] }] }),
            _ => panic!("{path}"),
        };
        ok(&json!({ "output": output }).to_string())
    })
    .await;
    let (pool, _) = Setup::at(address).with(|spec| spec.lifecycle = true).pool();
    let view = ExecutionView {
        id: "exec_1",
        task: None,
        extension: "x",
        version: "1.0.0",
        program: "p",
        input: "{}",
        output: Some("7"),
        failure: None,
        started_ms: 5,
        resources: Default::default(),
    };
    let subject = Subject {
        execution: view,
        input_schema: None,
        output_schema: Some("true"),
        expected_output: None,
    };
    let verdict = pool.validate(&Ask::new("v", execution()), &subject).await.result.unwrap();
    assert_eq!(
        (verdict.valid, verdict.score, verdict.details),
        (true, Some(0.5), Some(json!({ "a": 1 })))
    );
    let history = History {
        seen: 3,
        ..History::default()
    };
    let choice = pool.sample(&Ask::new("s", execution()), (&view, history)).await.result.unwrap();
    assert_eq!((choice.sample, choice.reason.as_deref()), (true, Some("third")));
    let attributes = [("trace".to_owned(), "t".to_owned()), ("id".to_owned(), "forged".to_owned())];
    let event = EventView {
        id: "1",
        source: "/s",
        kind: "order.created",
        subject: None,
        time_ms: Some(7),
        datacontenttype: None,
        dataschema: None,
        attributes: &attributes,
        data: Some(EventData::Json("{}")),
    };
    pool.handle(&Ask::new("e", execution()), &event).await.result.unwrap();
    let binding: Arc<str> = r#"{"rate":3}"#.into();
    let ask = Ask {
        binding: Some(&binding),
        ..Ask::new("h", execution())
    };
    let hook = |kind| HookCall {
        hook: "order.pre",
        kind,
        payload: "1",
    };
    let answer = pool.fire(&ask, &hook(HookKind::Filter)).await.result.unwrap();
    assert_eq!(answer, HookAnswer::Payload(r#"{"was":1,"by":{"rate":3}}"#.to_owned()));
    // What is meant for another kind of hook is refused by the same words as a component's.
    let error = pool.fire(&ask, &hook(HookKind::Decide)).await.result.unwrap_err();
    assert_eq!(
        (error.code(), error.to_string()),
        (
            ErrorCode::OutputInvalid,
            "a payload is no answer to a hook of kind `decide`".to_owned()
        )
    );
    let run = JobRun {
        trigger: Trigger::Schedule("nightly"),
        input: "{}",
        attempt: 2,
    };
    let output = pool.run(&Ask::new("j", execution()), &run).await.result.unwrap();
    assert_eq!(output, r#"{"kind":"schedule","name":"nightly"}"#);
    let health = pool.health_check().await.unwrap();
    assert_eq!((health.healthy, health.detail.as_deref()), (false, Some("tired")));
    let problems = pool.check_config(r#"{"a":"wrong"}"#).await.unwrap();
    assert_eq!((problems[0].path.as_str(), problems[0].message.as_str()), ("/a", "wrong"));
}

#[tokio::test]
async fn errors_of_the_service_are_those_of_a_component() {
    let (address, _) = service(|request| {
        let code = request.json()["input"].clone();
        ok(&json!({ "error": { "code": code, "message": "words" } }).to_string())
    })
    .await;
    let (pool, _) = Setup::at(address).pool();
    for (code, wanted) in [
        ("invalid-input", ErrorCode::ProgramInvalidInput),
        ("unavailable", ErrorCode::ProgramUnavailable),
        ("denied", ErrorCode::ProgramDenied),
        ("limit-exceeded", ErrorCode::ProgramLimit),
        ("deadline-exceeded", ErrorCode::ExecutionTimeout),
        ("internal", ErrorCode::ProgramInternal),
        ("whatever", ErrorCode::RemoteAnswer),
    ] {
        let error = call(&pool, &format!("\"{code}\"")).await.unwrap_err();
        assert_eq!(error.code(), wanted, "{code}");
        assert_eq!(error.code().blame(), Blame::Guest, "{code}");
    }
}

/// Whatever it says instead of an answer blames the service, and the next call is answered.
#[tokio::test]
async fn a_service_that_lies_is_told_from_one_that_answers() {
    let bare = |status: &str, headers: &str, body: &str| {
        let length = body.len();
        format!("HTTP/1.1 {status}\r\n{headers}content-length: {length}\r\n\r\n{body}").into_bytes()
    };
    const JSON: &str = "content-type: application/json\r\n";
    let good = r#"{"output": 1}"#;
    let cases: Vec<(Vec<u8>, ErrorCode)> = vec![
        (ok("<html>hello</html>"), ErrorCode::RemoteAnswer),
        (ok(""), ErrorCode::RemoteAnswer),
        (ok("[]"), ErrorCode::RemoteAnswer),
        (ok(r#"{"output": 1, "error": {"code": "denied"}}"#), ErrorCode::RemoteAnswer),
        (ok(r#"{"output": 1, "more": 1}"#), ErrorCode::RemoteAnswer),
        (ok(&format!("{good}{good}")), ErrorCode::RemoteAnswer),
        (ok("{\"output\": \"\u{1}\"}"), ErrorCode::RemoteAnswer),
        (bare("200 OK", "content-type: text/html\r\n", good), ErrorCode::RemoteAnswer),
        (bare("200 OK", "", good), ErrorCode::RemoteAnswer),
        (
            bare("200 OK", &format!("{JSON}content-encoding: gzip\r\n"), good),
            ErrorCode::RemoteAnswer,
        ),
        (bare("204 No Content", JSON, ""), ErrorCode::RemoteAnswer),
        (
            bare("302 Found", "location: http://169.254.169.254/latest/meta-data\r\n", good),
            ErrorCode::RemoteAnswer,
        ),
        (
            bare("307 Temporary Redirect", "location: http://127.0.0.1:1/\r\n", good),
            ErrorCode::RemoteAnswer,
        ),
        (bare("404 Not Found", JSON, good), ErrorCode::RemoteAnswer),
        (bare("500 Internal Server Error", JSON, good), ErrorCode::RemoteAnswer),
        (bare("401 Unauthorized", JSON, good), ErrorCode::RemoteRefused),
        (bare("403 Forbidden", JSON, good), ErrorCode::RemoteRefused),
        (bare("409 Conflict", JSON, good), ErrorCode::RemoteRefused),
        (bare("429 Too Many Requests", JSON, good), ErrorCode::ProgramUnavailable),
        (bare("503 Service Unavailable", JSON, good), ErrorCode::ProgramUnavailable),
        (b"HTTP/1.1 banana\r\n\r\n".to_vec(), ErrorCode::RemoteUnreachable),
        (b"\x16\x03\x01\x02\x00".to_vec(), ErrorCode::RemoteUnreachable),
        (
            b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 99999999999999\r\n\r\n".to_vec(),
            ErrorCode::OutputTooLarge,
        ),
    ];
    for (answer, wanted) in cases {
        let shown = String::from_utf8_lossy(&answer).into_owned();
        let first = Arc::new(Mutex::new(Some(answer)));
        let (address, _) = service(move |_| first.lock().take().unwrap_or_else(|| ok(r#"{"output": "well"}"#))).await;
        let (pool, _) = Setup::at(address).pool();
        let error = call(&pool, "1").await.unwrap_err();
        assert_eq!(error.code(), wanted, "{shown}: {error}");
        assert_eq!(error.code().blame(), Blame::Guest, "{shown}");
        assert_eq!(call(&pool, "1").await.unwrap(), r#""well""#, "after {shown}");
    }
}

#[tokio::test]
async fn answers_are_cut_off_at_the_limit_while_they_are_read() {
    // Endless, in chunks, with no length announced.
    let address = raw(|mut stream| async move {
        if arrived(&mut stream).await.is_none() {
            return;
        }
        let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n";
        let _ = stream.write_all(head.as_bytes()).await;
        let chunk = format!("1000\r\n{}\r\n", " ".repeat(0x1000));
        while stream.write_all(chunk.as_bytes()).await.is_ok() {}
    })
    .await;
    let (pool, _) = Setup::at(address).with(|spec| spec.limits.output = ByteSize(1 << 20)).pool();
    let error = call(&pool, "1").await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::OutputTooLarge, "{error}");
    // An output that is too long although the body around it is not.
    let (address, _) = service(|_| ok(&json!({ "output": "x".repeat(2_000) }).to_string())).await;
    let (pool, _) = Setup::at(address).with(|spec| spec.limits.output = ByteSize(1_000)).pool();
    assert_eq!(call(&pool, "1").await.unwrap_err().code(), ErrorCode::OutputTooLarge);
    // And an input: nothing is sent.
    let (pool, _) = Setup::at(address).with(|spec| spec.limits.input = ByteSize(10)).pool();
    assert_eq!(call(&pool, r#""0123456789""#).await.unwrap_err().code(), ErrorCode::InputTooLarge);
}

#[tokio::test]
async fn slow_services_end_at_the_deadline() {
    // Nothing at all.
    let silent = raw(|stream| async move {
        let _open = stream;
        std::future::pending::<()>().await;
    })
    .await;
    // A byte now and then.
    let drips = raw(|mut stream| async move {
        arrived(&mut stream).await;
        let answer = ok(r#"{"output": 1}"#);
        for byte in answer.iter().cycle() {
            if stream.write_all(&[*byte]).await.is_err() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
    for address in [silent, drips] {
        let (pool, _) = Setup::at(address)
            .with(|spec| spec.limits.timeout = TimeSpan(Duration::from_millis(200)))
            .pool();
        let error = call(&pool, "1").await.unwrap_err();
        assert!(
            matches!(error, CallError::Timeout { limit } if limit == Duration::from_millis(200)),
            "{error}"
        );
        assert_eq!(pool.stats().broken, 1, "the connection is not used again");
    }
}

#[tokio::test]
async fn services_that_vanish_are_unreachable_and_found_again() {
    // In the middle of the answer.
    let breaks = raw(|mut stream| async move {
        arrived(&mut stream).await;
        let _ = stream
            .write_all(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{\"output\"")
            .await;
    })
    .await;
    // Before the answer.
    let hangs_up = raw(|mut stream| async move {
        arrived(&mut stream).await;
    })
    .await;
    // Before anybody listens.
    let nobody = {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        listener.local_addr().unwrap()
    };
    for address in [breaks, hangs_up, nobody] {
        let (pool, _) = Setup::at(address).pool();
        let error = call(&pool, "1").await.unwrap_err();
        assert_eq!(error.code(), ErrorCode::RemoteUnreachable, "{error}");
    }
    // It closes a connection that is kept: the next call opens another, and nothing is sent twice.
    let closes = raw(|mut stream| async move {
        arrived(&mut stream).await;
        let _ = stream.write_all(&ok(r#"{"output": 1}"#)).await;
    })
    .await;
    let (pool, _) = Setup::at(closes).pool();
    for _ in 0..3 {
        assert_eq!(call(&pool, "1").await.unwrap(), "1");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn as_many_requests_are_under_way_as_there_may_be_instances() {
    let (running, most) = (Arc::new(Mutex::new((0_u32, 0_u32))), 3);
    let seen = running.clone();
    let address = raw(move |mut stream| {
        let seen = seen.clone();
        async move {
            while arrived(&mut stream).await.is_some() {
                {
                    let mut seen = seen.lock();
                    seen.0 += 1;
                    seen.1 = seen.1.max(seen.0);
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
                seen.lock().0 -= 1;
                if stream.write_all(&ok(r#"{"output": 1}"#)).await.is_err() {
                    return;
                }
            }
        }
    })
    .await;
    let (pool, _) = Setup::at(address).with(|spec| spec.limits.instances = most).pool();
    let calls: Vec<_> = (0..20)
        .map(|_| {
            let pool = pool.clone();
            tokio::spawn(async move { call(&pool, "1").await })
        })
        .collect();
    for one in calls {
        assert_eq!(one.await.unwrap().unwrap(), "1");
    }
    assert_eq!(running.lock().1, most);
}
