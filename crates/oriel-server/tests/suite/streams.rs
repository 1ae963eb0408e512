//! Streams: items in as they come, results out as they are done.

use bytes::Bytes;
use reqwest::{Body, Method};
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use super::host::Host;

/// A stream under way: lines go in, events come out.
struct Stream {
    lines: mpsc::Sender<Result<Bytes, std::io::Error>>,
    reply: reqwest::Response,
    text: String,
}

impl Stream {
    async fn open(host: &Host, query: &str) -> Self {
        let (lines, body) = mpsc::channel(16);
        let request = host
            .request(Method::POST, &format!("/api/v1/tasks/stream/execute?{query}"))
            .header("content-type", "application/x-ndjson")
            .body(Body::wrap_stream(ReceiverStream::new(body)));
        let reply = request.send().await.unwrap();
        assert_eq!(reply.headers()["content-type"], "text/event-stream");
        Self {
            lines,
            reply,
            text: String::new(),
        }
    }

    async fn send(&self, text: impl Into<Bytes>) {
        self.lines.send(Ok(text.into())).await.unwrap();
    }

    /// The next event; nothing at the end.
    async fn next(&mut self) -> Option<Value> {
        loop {
            if let Some((event, rest)) = self.text.split_once("\n\n") {
                let data = serde_json::from_str(event.strip_prefix("data: ").unwrap()).unwrap();
                self.text = rest.to_owned();
                return Some(data);
            }
            let chunk = self.reply.chunk().await.unwrap()?;
            self.text.push_str(std::str::from_utf8(&chunk).unwrap());
        }
    }
}

#[tokio::test]
async fn each_item_is_answered_before_the_next_is_sent() {
    let host = Host::start().await.with_echo().await;
    let mut stream = Stream::open(&host, "taskId=echo&maxConcurrency=2").await;
    for n in 0..20 {
        stream.send(format!("{}\n", json!({"id": n.to_string(), "input": {"n": n}}))).await;
        let event = stream.next().await.unwrap();
        assert_eq!(
            (&event["id"], &event["success"], &event["output"]["n"]),
            (&json!(n.to_string()), &json!(true), &json!(n))
        );
        assert!(event["duration_ms"].is_number());
    }
    let Stream { lines, reply, text } = stream;
    drop(lines);
    let mut stream = Stream {
        lines: mpsc::channel(1).0,
        reply,
        text,
    };
    assert_eq!(stream.next().await, None);
    assert_eq!(
        host.get("/api/v1/executions?limit=100").await.ok()["items"]
            .as_array()
            .unwrap()
            .len(),
        20
    );
}

#[tokio::test]
async fn lines_that_are_wrong_are_answered_as_failed_items() {
    let host = Host::start().await.with_echo().await;
    let body = "{\"id\":\"a\",\"input\":1}\nnonsense\n\n{\"id\":\"b\"}\n{\"id\":\"c\",\"input\":2,\"x\":1}\n{\"id\":\"d\",\"input\":3}";
    let request = host
        .request(Method::POST, "/api/v1/tasks/stream/execute?taskId=echo")
        .header("content-type", "application/x-ndjson")
        .body(body);
    let reply = host.send(request).await;
    let mut seen: Vec<(String, bool)> = reply
        .text
        .split("\n\n")
        .filter(|event| !event.is_empty())
        .map(|event| {
            let data: Value = serde_json::from_str(event.strip_prefix("data: ").unwrap()).unwrap();
            (data["id"].as_str().unwrap().to_owned(), data["success"] == true)
        })
        .collect();
    seen.sort();
    let expected = [("a", true), ("d", true), ("line:2", false), ("line:4", false), ("line:5", false)];
    assert_eq!(seen, expected.map(|(id, ok)| (id.to_owned(), ok)));
}

#[tokio::test]
async fn a_stream_that_cannot_begin_is_a_problem() {
    let host = Host::start().await.with_echo().await;
    let open = |query: &str, media: &str| {
        let path = format!("/api/v1/tasks/stream/execute{query}");
        host.send(host.request(Method::POST, &path).header("content-type", media).body(""))
    };
    open("?taskId=nope", "application/x-ndjson").await.problem("task.not_found");
    open("", "application/x-ndjson").await.problem("request.invalid");
    open("?taskId=echo&maxConcurrency=0", "application/x-ndjson")
        .await
        .problem("request.invalid");
    open("?taskId=echo&max=1", "application/x-ndjson").await.problem("request.invalid");
    open("?taskId=echo", "application/json").await.problem("request.media_type");
}

#[tokio::test]
async fn a_client_that_goes_away_cancels_its_stream() {
    let host = Host::start().await.with_echo().await;
    let mut stream = Stream::open(&host, "taskId=echo").await;
    stream.send("{\"id\":\"a\",\"input\":1}\n").await;
    stream.next().await.unwrap();
    let lines = stream.lines.clone();
    drop(stream);
    // The server stops reading, so the body that nobody wants any more is dropped.
    lines.closed().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_does_not_read_is_not_fed() {
    let host = Host::start().await.with_echo().await;
    let mut stream = Stream::open(&host, "taskId=echo").await;
    let lines = stream.lines.clone();
    // Far more than all buffers between the two ends hold.
    let wide = "x".repeat(10_000);
    let sender = tokio::spawn(async move {
        for n in 0..5_000 {
            let line = format!("{}\n", json!({"id": n.to_string(), "input": wide}));
            lines.send(Ok(line.into())).await.unwrap();
        }
    });
    stream.next().await.unwrap();
    let mut seen = 1;
    while seen < 5_000 {
        assert_eq!(stream.next().await.unwrap()["success"], true);
        seen += 1;
    }
    sender.await.unwrap();
}
