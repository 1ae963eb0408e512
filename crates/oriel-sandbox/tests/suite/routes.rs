//! Handlers of `wasi:http` that know nothing of this platform, well behaved and otherwise.

use std::convert::Infallible;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{Method, Request, Response};
use http_body::Frame;
use http_body_util::{BodyExt as _, Empty, Full, StreamBody};
use oriel_model::Coded;
use oriel_model::contribution::ContributionKind;
use oriel_model::manifest::Reuse;
use oriel_sandbox::*;
use tokio::sync::mpsc;

use super::support::*;

/// Time that no well-behaved test needs.
const LONG: std::time::Duration = std::time::Duration::from_secs(60);

fn web(change: impl FnOnce(&mut PoolSpec)) -> (Pool, Arc<Traces>) {
    Setup::guest("web").with(change).pool()
}

fn request(method: Method, path: &str) -> http::request::Builder {
    Request::builder().method(method).uri(format!("http://example.com{path}"))
}

fn asked(path: &str) -> Request<Empty<Bytes>> {
    request(Method::GET, path).body(Empty::new()).unwrap()
}

fn sent(path: &str, body: impl Into<Bytes>) -> Request<Full<Bytes>> {
    request(Method::POST, path).body(Full::new(body.into())).unwrap()
}

/// A body that comes when the test says so.
fn piecemeal(
    path: &str,
) -> (
    mpsc::Sender<Bytes>,
    Request<impl http_body::Body<Data = Bytes, Error = Infallible> + use<>>,
) {
    let (pieces, mut coming) = mpsc::channel(1);
    let stream = futures::stream::poll_fn(move |context| coming.poll_recv(context).map(|piece| piece.map(|data| Ok(Frame::data(data)))));
    (pieces, request(Method::POST, path).body(StreamBody::new(stream)).unwrap())
}

fn call() -> RouteCall {
    RouteCall::new("rest".parse().unwrap(), execution())
}

async fn respond<B>(pool: &Pool, request: Request<B>) -> Result<Response<RouteBody>, CallError>
where
    B: http_body::Body<Data = Bytes, Error: Into<Box<dyn std::error::Error + Send + Sync>>> + Send + 'static,
{
    pool.lease(LONG).await?.respond(call(), request).await
}

/// How a body ended, and what came before.
async fn read(mut body: RouteBody) -> (String, Option<CallError>) {
    let mut text = Vec::new();
    while let Some(frame) = body.frame().await {
        match frame {
            Ok(frame) => text.extend_from_slice(&frame.into_data().unwrap()),
            Err(error) => return (String::from_utf8(text).unwrap(), Some(error)),
        }
    }
    (String::from_utf8(text).unwrap(), None)
}

/// `status body`, `status body then code`, or `code: message`.
async fn told<B>(pool: &Pool, request: Request<B>) -> String
where
    B: http_body::Body<Data = Bytes, Error: Into<Box<dyn std::error::Error + Send + Sync>>> + Send + 'static,
{
    match respond(pool, request).await {
        Err(error) => format!("{}: {error}", error.code()),
        Ok(response) => {
            let status = response.status().as_u16();
            let (text, ended) = read(response.into_body()).await;
            match ended {
                None => format!("{status} {text}"),
                Some(error) => format!("{status} {text} then {}", error.code()),
            }
        }
    }
}

async fn check(pool: &Pool, path: &str, wanted: &str) {
    assert_eq!(told(pool, asked(path)).await, wanted, "{path}");
}

/// The calls that began and those that have ended, as the gate was told.
#[derive(Default)]
struct Book {
    ended: Mutex<Vec<(String, Option<&'static str>)>>,
    entered: AtomicU64,
    cpu_us: AtomicU64,
    turned: tokio::sync::Notify,
}

impl Book {
    async fn next(&self) -> (String, Option<&'static str>) {
        loop {
            if let Some(entry) = self.ended.lock().unwrap().pop() {
                return entry;
            }
            self.turned.notified().await;
        }
    }
}

impl Gate for Book {
    fn open(&self) -> Result<(), Refused> {
        Ok(())
    }

    fn enter(&self) -> Result<Pass, Refused> {
        self.entered.fetch_add(1, Relaxed);
        Ok(Pass(7))
    }

    fn leave(&self, pass: Pass, spent: &Spent<'_>) {
        assert_eq!((pass, spent.kind), (Pass(7), ContributionKind::Route));
        self.cpu_us.fetch_add(spent.resources.guest_cpu_us, Relaxed);
        let error = spent.error.map(|error| error.code().as_str());
        self.ended.lock().unwrap().push((spent.name.to_owned(), error));
        self.turned.notify_one();
    }

    fn abandon(&self, _: Pass) {
        panic!("no call of a route is left without an account");
    }
}

fn watched(change: impl FnOnce(&mut PoolSpec)) -> (Pool, Arc<Book>) {
    let book = Arc::<Book>::default();
    let gate = book.clone();
    let (pool, _) = web(move |spec| {
        spec.gate = Some(gate);
        change(spec);
    });
    (pool, book)
}

#[tokio::test]
async fn a_handler_sees_the_request_and_answers_it() {
    let (pool, _) = web(|_| {});
    let asked_for = request(Method::PATCH, "/told/x%20y?a=b&c")
        .header("x-one", "1")
        .header("connection", "x-two")
        .header("host", "other.example.com")
        .body(Empty::<Bytes>::new())
        .unwrap();
    let mut call = call();
    call.secure = true;
    let response = pool.lease(LONG).await.unwrap().respond(call, asked_for).await.unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["content-type"], "text/plain");
    let (text, _) = read(response.into_body()).await;
    assert_eq!(
        text,
        "method: Method::Patch\npath: /told/x%20y?a=b&c\nauthority: example.com\nscheme: https\nx-one: 1"
    );
    check(&pool, "/status/418", "418 ").await;
    check(&pool, "/bodyless", "200 ").await;
    check(
        &pool,
        "/events/3",
        "200 id: 1\ndata: tick\n\nid: 2\ndata: tick\n\nid: 3\ndata: tick\n\n",
    )
    .await;
    check(&pool, "/set?x-a=1&x-b=2", "200 set").await;
    check(&pool, "/nowhere", "404 there is nothing at /nowhere").await;
    check(&pool, "/busy/100", "200 busy").await;
    assert_eq!(told(&pool, sent("/read", vec![b'x'; 300_000])).await, "200 300000");
    assert_eq!(
        told(&pool, sent("/greedy", "x")).await,
        "execution.output_invalid: the handler ended without an answer"
    );
    let stats = pool.stats();
    // The one that answered nothing was the last of its instance.
    assert_eq!((stats.started, stats.broken), (1, 1), "{stats:?}");
}

#[tokio::test]
async fn bodies_stream_in_both_directions_at_once() {
    let (pool, _) = web(|_| {});
    let (pieces, request) = piecemeal("/echo");
    pieces.send("one".into()).await.unwrap();
    // The head is there while the request is still being sent.
    let mut body = respond(&pool, request).await.unwrap().into_body();
    for word in ["one", "two", "three"] {
        let frame = body.frame().await.unwrap().unwrap();
        assert_eq!(frame.into_data().unwrap(), word);
        assert_eq!(pool.stats().busy, 1, "the instance is busy until the guest has ended");
        if word != "three" {
            let next = if word == "one" { "two" } else { "three" };
            pieces.send(next.into()).await.unwrap();
        }
    }
    drop(pieces);
    assert!(body.frame().await.is_none());
    assert!(http_body::Body::is_end_stream(&body));
}

#[tokio::test]
async fn what_needs_no_body_gets_none() {
    let (pool, book) = watched(|_| {});
    let response = respond(&pool, request(Method::HEAD, "/large/100000").body(Empty::new()).unwrap())
        .await
        .unwrap();
    assert_eq!(response.headers()["content-length"], "100000");
    assert!(http_body::Body::is_end_stream(response.body()));
    assert_eq!(read(response.into_body()).await.0, "");
    // The guest wrote all of it and knows nothing.
    assert_eq!(book.next().await, ("rest".to_owned(), None));
    for status in [204, 304] {
        let response = respond(&pool, asked(&format!("/status/{status}"))).await.unwrap();
        assert_eq!(response.status().as_u16(), status);
        assert!(http_body::Body::is_end_stream(response.body()));
        assert_eq!(book.next().await, ("rest".to_owned(), None));
    }
}

#[tokio::test]
async fn a_guest_without_a_usable_answer_is_a_clear_error() {
    let (pool, traces) = web(|_| {});
    for (path, wanted) in [
        ("/silent", "execution.output_invalid: the handler ended without an answer"),
        ("/status/100", "execution.output_invalid: 100 is no status of a final response"),
        ("/set?content-length=abc", ""),
    ] {
        if wanted.is_empty() {
            let answer = told(&pool, asked(path)).await;
            assert!(answer.starts_with("execution."), "{answer}");
        } else {
            check(&pool, path, wanted).await;
        }
    }
    let refused = told(&pool, asked("/refuse")).await;
    assert!(refused.starts_with("execution.failed: the handler answered the error"), "{refused}");
    let trapped = told(&pool, asked("/trap")).await;
    assert!(trapped.starts_with("execution.trapped: "), "{trapped}");
    let huge = told(&pool, asked("/bulky/100000")).await;
    assert!(huge.starts_with("execution.trapped: "), "{huge}");
    let bulky = told(&pool, asked("/bulky/40000")).await;
    assert!(bulky.starts_with("execution.output_invalid: the response has "), "{bulky}");
    let many = told(&pool, asked("/headers/101")).await;
    assert!(many.starts_with("execution.output_invalid: the response has "), "{many}");
    check(&pool, "/headers/100", "200 ").await;
    // Its author reads of each in the log.
    let lines = traces.lines();
    assert!(
        lines
            .iter()
            .any(|line| line == "the route `rest` failed: the handler ended without an answer"),
        "{lines:?}"
    );
}

#[tokio::test]
async fn bodies_that_end_badly_do_not_look_whole() {
    let (pool, book) = watched(|_| {});
    for (path, wanted, code) in [
        ("/trap-late", "200 so far then execution.trapped", Some("execution.trapped")),
        ("/trap-after", "200 complete", Some("execution.trapped")),
        (
            "/unfinished",
            "200 so far then execution.output_invalid",
            Some("execution.output_invalid"),
        ),
        (
            "/forgotten",
            "200 so far then execution.output_invalid",
            Some("execution.output_invalid"),
        ),
        (
            "/short",
            "200 12345 then execution.output_invalid",
            Some("execution.output_invalid"),
        ),
        ("/promised", "200  then execution.output_invalid", None),
        ("/large/0", "200 ", None),
    ] {
        check(&pool, path, wanted).await;
        assert_eq!(book.next().await.1, code, "{path}");
    }
    let long = told(&pool, asked("/long")).await;
    assert!(long.ends_with("then execution.output_invalid"), "{long}");
    book.next().await;
    let twice = told(&pool, asked("/twice")).await;
    assert!(twice.starts_with("200 "), "{twice}");
    assert_eq!(book.next().await.1, Some("execution.trapped"));
    check(&pool, "/status/200", "200 ").await;
}

#[tokio::test]
async fn a_guest_may_go_on_after_its_answer() {
    let (pool, traces) = web(|_| {});
    check(&pool, "/after", "200 answered").await;
    // The next call waits for the only instance that there may be, that is, for the end of the one before.
    pool.drain().await;
    assert_eq!(traces.lines(), ["and went on"]);
}

#[tokio::test]
async fn limits_hold_for_the_whole_exchange() {
    let (pool, book) = watched(|spec| {
        spec.limits.timeout = ms(300);
        spec.limits.cpu = ms(100);
        spec.limits.input = bytes(1_000);
        spec.limits.output = bytes(10_000);
        spec.limits.memory = bytes(16 << 20);
        spec.limits.host_calls = 1_000;
    });
    let code = async |path: &str| {
        let answer = told(&pool, asked(path)).await;
        let code = answer.rsplit("then ").next().unwrap().split(':').next().unwrap().to_owned();
        assert_eq!(book.next().await.1, Some(&*code), "{path}: {answer}");
        answer
    };
    assert!(code("/never").await.starts_with("execution.timeout: "));
    assert!(code("/stall").await.starts_with("200 so far then execution.timeout"));
    assert!(code("/spin").await.starts_with("execution.cpu_exceeded: "));
    assert!(code("/memory").await.starts_with("execution.memory_exceeded: "));
    assert!(code("/busy/1000000").await.starts_with("execution.host_calls_exceeded: "));
    let forever = code("/forever").await;
    assert!(forever.ends_with("then execution.output_too_large"));
    assert!(forever.len() < 10_100, "no more than the limit is passed on");
    check(&pool, "/large/10000", &format!("200 {}", "x".repeat(10_000))).await;
    assert_eq!(book.next().await.1, None);

    // A length that is announced is refused before anything is run.
    let started = pool.stats().started;
    let answer = told(&pool, sent("/read", vec![b'x'; 1_001])).await;
    assert_eq!(answer, "execution.input_too_large: the input has 1001 bytes, the limit is 1000");
    assert_eq!(pool.stats().started, started);
    // One that is not is cut off; what the guest makes of it is its own affair, unless it makes nothing of it.
    for (path, wanted) in [
        ("/read", "400 Some(ErrorCode::HttpRequestBodySize(Some(1000)))"),
        ("/greedy", "execution.input_too_large: the input has 1200 bytes, the limit is 1000"),
    ] {
        let (pieces, request) = piecemeal(path);
        let feeding = tokio::spawn(async move {
            for _ in 0..3 {
                let _ = pieces.send(vec![b'x'; 400].into()).await;
            }
        });
        let answer = told(&pool, request).await;
        assert!(answer == wanted || path == "/read" && answer.starts_with("400 "), "{answer}");
        feeding.await.unwrap();
        book.next().await;
    }
}

#[tokio::test]
async fn a_slow_client_is_not_the_guests_fault() {
    let (pool, book) = watched(|spec| spec.limits.timeout = ms(200));
    let (pieces, request) = piecemeal("/read");
    pieces.send("never more".into()).await.unwrap();
    let error = respond(&pool, request).await.unwrap_err();
    assert_eq!(error.code().as_str(), "request.timeout");
    assert_eq!(book.next().await.1, Some("request.timeout"));
    drop(pieces);
    // One that does not read is cut off as well.
    let mut body = respond(&pool, asked("/forever")).await.unwrap().into_body();
    body.frame().await.unwrap().unwrap();
    assert_eq!(book.next().await.1, Some("request.timeout"));
    drop(body);
    assert_eq!(pool.stats().busy, 0);
}

#[tokio::test]
async fn a_client_that_goes_away_ends_the_call_and_it_is_accounted() {
    let (pool, book) = watched(|_| {});
    // While the body comes.
    let mut body = respond(&pool, asked("/forever")).await.unwrap().into_body();
    body.frame().await.unwrap().unwrap();
    drop(body);
    assert_eq!(book.next().await.1, Some("execution.cancelled"));
    // Before the head.
    let entered = book.entered.load(Relaxed);
    let lease = pool.lease(LONG).await.unwrap();
    let waiting = tokio::spawn(lease.respond(call(), asked("/never")));
    while book.entered.load(Relaxed) == entered {
        tokio::task::yield_now().await;
    }
    waiting.abort();
    assert_eq!(book.next().await.1, Some("execution.cancelled"));
    // In the middle of its own body.
    let broken = StreamBody::new(futures::stream::iter([
        Ok(Frame::data(Bytes::from_static(b"half"))),
        Err(std::io::Error::other("the connection broke")),
    ]));
    let request = request(Method::POST, "/greedy").body(broken).unwrap();
    let error = respond(&pool, request).await.unwrap_err();
    assert_eq!(error.code().as_str(), "execution.cancelled", "{error}");
    assert_eq!(book.next().await.1, Some("execution.cancelled"));
    assert!(book.cpu_us.load(Relaxed) > 0, "what it cost is on the bill");
    check(&pool, "/status/200", "200 ").await;
}

#[tokio::test]
async fn a_body_that_is_dropped_when_complete_ends_nothing() {
    let (pool, book) = watched(|_| {});
    // Servers do not ask for the end of a body whose length they know.
    let mut body = respond(&pool, asked("/large/5")).await.unwrap().into_body();
    assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), "xxxxx");
    drop(body);
    assert_eq!(book.next().await.1, None);
    let body = respond(&pool, asked("/bodyless")).await.unwrap().into_body();
    assert!(http_body::Body::is_end_stream(&body));
    drop(body);
    assert_eq!(book.next().await.1, None);
}

#[tokio::test]
async fn requests_wait_for_one_another_and_each_gets_its_own_answer() {
    let (pool, _) = web(|spec| spec.limits.instances = 2);
    let asking = (0..20).map(|number| {
        let pool = pool.clone();
        tokio::spawn(async move { told(&pool, sent("/echo", format!("body {number}"))).await })
    });
    for (number, answer) in futures::future::join_all(asking).await.into_iter().enumerate() {
        assert_eq!(answer.unwrap(), format!("200 body {number}"));
    }
    assert!(pool.stats().started <= 2);
}

#[tokio::test]
async fn a_component_of_another_tool_is_mounted_as_it_is() {
    for reuse in [Reuse::Reuse, Reuse::Fresh] {
        let (pool, _) = Setup::guest("tutorial").with(|spec| spec.reuse = reuse).pool();
        for _ in 0..3 {
            check(&pool, "/", "200 Hello, wasi:http/proxy world!\n").await;
            check(&pool, "/wait", "200 slept for 5 milliseconds\n").await;
            assert_eq!(told(&pool, sent("/echo", "there and back")).await, "200 there and back");
            check(&pool, "/missing", "404 ").await;
        }
    }
}

#[tokio::test]
async fn a_component_without_a_handler_says_so() {
    let (pool, _) = Setup::guest("echo").pool();
    let error = respond(&pool, asked("/")).await.unwrap_err();
    assert_eq!(error.to_string(), "the component does not export wasi:http/incoming-handler");
    assert_eq!(answer(&pool, "echo", "1").await, "1");
}

#[test]
fn the_tools_of_others_need_no_grant() {
    for guest in ["web", "tutorial"] {
        let shape = Sandbox::inspect(&oriel_test_guests::component(guest)).unwrap();
        let manifest = serde_json::json!({
            "name": guest, "version": "1.0.0", "description": "For tests.", "publisher": "tests", "license": "Apache-2.0",
            "hostApi": "^0.1", "routes": [{ "name": "rest", "path": "/" }],
        });
        Sandbox::check(&shape, &serde_json::from_value(manifest).unwrap()).unwrap();
    }
}

/// Nothing of a request reaches the next one on the same instance.
#[tokio::test]
async fn requests_leave_nothing_behind() {
    let (pool, _) = web(|spec| spec.limits.instances = 1);
    let secret = request(Method::GET, "/told")
        .header("x-secret", "a")
        .body(Empty::<Bytes>::new())
        .unwrap();
    assert!(told(&pool, secret).await.contains("x-secret: a"));
    let next = told(&pool, asked("/told")).await;
    assert!(!next.contains("x-secret"), "{next}");
    assert_eq!(pool.stats().started, 1);
}
