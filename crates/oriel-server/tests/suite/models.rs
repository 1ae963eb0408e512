//! The `model` interface against a real HTTP server that checks the shape of what it is asked, as OpenAI's API documents it
//! (<https://platform.openai.com/docs/api-reference/chat/create>), and misbehaves in every way that an endpoint can.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use http::{HeaderMap, StatusCode, header};
use oriel_server::config::{ModelPrices, Secret};
use serde_json::{Value, json};

use super::host::Host;
use super::jobs::start;

const KEY: &str = "sk-the-operators-own-key";
const MODEL: &str = "[permissions.model]\nmodels = [\"small\", \"gone\", \"busy\", \"broken\", \"wrong\", \"long\", \"slow\", \"cut\", \"closed\", \"away\"]\n";

/// What the endpoint was asked, body by body.
type Asked = Arc<Mutex<Vec<Value>>>;

/// Checks a request as strictly as the API's own schema, and answers by the model that is asked for.
async fn complete(State(asked): State<Asked>, headers: HeaderMap, body: String) -> Response {
    let wrong = |message: String| {
        let error = json!({ "error": { "message": message, "type": "invalid_request_error", "param": null, "code": null } });
        (StatusCode::BAD_REQUEST, axum::Json(error)).into_response()
    };
    if headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()) != Some(&format!("Bearer {KEY}")) {
        let error = json!({ "error": { "message": "Incorrect API key provided" } });
        return (StatusCode::UNAUTHORIZED, axum::Json(error)).into_response();
    }
    if headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()) != Some("application/json") {
        return wrong("the content type is not application/json".to_owned());
    }
    let Ok(Value::Object(request)) = serde_json::from_str::<Value>(&body) else {
        return wrong("the body is no JSON object".to_owned());
    };
    asked.lock().unwrap().push(Value::Object(request.clone()));
    const FIELDS: [&str; 6] = ["model", "messages", "max_tokens", "temperature", "stop", "response_format"];
    if let Some(unknown) = request.keys().find(|key| !FIELDS.contains(&key.as_str())) {
        return wrong(format!("Unrecognized request argument supplied: {unknown}"));
    }
    for message in request["messages"].as_array().into_iter().flatten() {
        let fields: Vec<&String> = message.as_object().unwrap().keys().collect();
        if fields != ["role", "content"] || !["system", "user", "assistant"].contains(&message["role"].as_str().unwrap()) {
            return wrong("a message has a role and content".to_owned());
        }
    }
    if let Some(format) = request.get("response_format") {
        let schema = &format["json_schema"];
        if format["type"] != "json_schema" || !schema["name"].is_string() || !schema["schema"].is_object() {
            return wrong("response_format is not as it should be".to_owned());
        }
    }
    let completion = |text: &str, finish: &str| {
        let choice = json!({ "index": 0, "message": {"role": "assistant", "content": text, "refusal": null}, "logprobs": null, "finish_reason": finish });
        let usage = json!({ "prompt_tokens": 1_000, "completion_tokens": 200, "total_tokens": 1_200 });
        json!({ "id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "small-2026", "choices": [choice], "usage": usage })
    };
    match request["model"].as_str().unwrap() {
        "small" => {
            let text = if request.contains_key("response_format") {
                "{\"ok\": true}"
            } else {
                "forty-two"
            };
            axum::Json(completion(text, "stop")).into_response()
        }
        "cut" => axum::Json(completion("forty-", "length")).into_response(),
        "busy" => {
            let error = json!({ "error": { "message": "Rate limit reached" } });
            (StatusCode::TOO_MANY_REQUESTS, [(header::RETRY_AFTER, "17")], axum::Json(error)).into_response()
        }
        "gone" => (
            StatusCode::NOT_FOUND,
            axum::Json(json!({ "error": { "message": "no such model" } })),
        )
            .into_response(),
        "broken" => (StatusCode::INTERNAL_SERVER_ERROR, "stack trace of the endpoint").into_response(),
        "wrong" => axum::Json(json!({ "choices": [], "usage": null })).into_response(),
        "long" => axum::Json(completion(&"x".repeat(3 << 20), "stop")).into_response(),
        "slow" => {
            tokio::time::sleep(Duration::from_secs(30)).await;
            axum::Json(completion("late", "stop")).into_response()
        }
        "closed" => {
            let begins = futures::stream::once(async { Ok("{\"choices\"") });
            let ends = futures::stream::once(async {
                // Once the head is on its way.
                tokio::time::sleep(Duration::from_millis(100)).await;
                Err(std::io::Error::other("gone"))
            });
            Response::new(Body::from_stream(futures::StreamExt::chain(begins, ends)))
        }
        "away" => (StatusCode::FOUND, [(header::LOCATION, "http://169.254.169.254/")], "").into_response(),
        other => wrong(format!("The model `{other}` ({KEY}) cannot do that")),
    }
}

async fn endpoint() -> (String, Asked) {
    let asked = Asked::default();
    let router = Router::new()
        .route("/v1/chat/completions", post(complete))
        .with_state(asked.clone());
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    (format!("http://{address}/v1/"), asked)
}

fn priced(names: &[&str]) -> ModelPrices {
    let price = |name: &&str| oriel_extensions::ModelPrice {
        name: name.parse().unwrap(),
        input: "1".parse().unwrap(),
        output: "5".parse().unwrap(),
    };
    ModelPrices(names.iter().map(price).collect())
}

const ALL: [&str; 11] = [
    "small", "gone", "busy", "broken", "wrong", "long", "slow", "cut", "closed", "away", "secret",
];

async fn with_model(more: &str, url: &str, change: impl FnOnce(&mut oriel_server::Config)) -> Host {
    let url = url.to_owned();
    start(more, |config| {
        config.model_url = Some(url);
        config.model_api_key = Some(Secret::new(KEY));
        config.model_models = priced(&ALL);
        change(config);
    })
    .await
}

async fn ask(host: &Host, request: Value) -> Value {
    let path = "/api/v1/extensions/worker/programs/complete/call";
    host.post(path, json!({ "input": request })).await.ok()["outputData"].clone()
}

fn hi(model: &str) -> Value {
    json!({ "model": model, "messages": [["user", "hi"]], "maxTokens": 300 })
}

#[tokio::test]
async fn a_completion_is_asked_for_as_the_api_wants_it_and_counted() {
    let (url, asked) = endpoint().await;
    let host = with_model(MODEL, &url, |_| {}).await;
    let answer = ask(
        &host,
        json!({ "messages": [["system", "Be short."], ["user", "6 × 7?"], ["assistant", "41"], ["user", "Sure?"]],
            "maxTokens": 300, "temperature": 0.5, "stop": ["\n"], "jsonSchema": {"type": "object"} }),
    )
    .await;
    let wanted = json!({ "text": "{\"ok\": true}", "finish": "stop", "tokens": [1_000, 200], "model": "small-2026" });
    assert_eq!(answer, json!({ "ok": wanted }));
    let sent = asked.lock().unwrap()[0].clone();
    assert_eq!(
        sent,
        json!({
            "model": "small", "max_tokens": 300, "temperature": 0.5, "stop": ["\n"],
            "messages": [{"role": "system", "content": "Be short."}, {"role": "user", "content": "6 × 7?"},
                {"role": "assistant", "content": "41"}, {"role": "user", "content": "Sure?"}],
            "response_format": {"type": "json_schema", "json_schema": {"name": "answer", "schema": {"type": "object"}, "strict": true}},
        })
    );
    // What is left out is left out, but for the most tokens.
    ask(&host, json!({ "messages": [["user", "hi"]] })).await;
    assert_eq!(
        asked.lock().unwrap()[1],
        json!({ "model": "small", "max_tokens": 4_096, "messages": [{"role": "user", "content": "hi"}] })
    );
    assert_eq!(ask(&host, hi("cut")).await["ok"]["finish"], "length");
    // A thousand tokens at 1 a million and two hundred at 5: 0.002 each time.
    let usage = host.get("/api/v1/usage?groupBy=contribution").await.ok();
    let total = &usage["total"];
    assert_eq!(
        (&total["modelInputTokens"], &total["modelOutputTokens"], &total["modelCost"]),
        (&json!(3_000), &json!(600), &json!(0.006))
    );
    assert_eq!(total["cost"], json!(0.006));
    let audit = host.get("/api/v1/audit?limit=100").await.ok().to_string();
    assert!(audit.contains("model.used") && !audit.contains(KEY), "{audit}");
}

#[tokio::test]
async fn whatever_the_endpoint_does_becomes_a_clear_error_without_the_key() {
    let (url, _) = endpoint().await;
    let more = MODEL.replace("\"small\",", "\"small\", \"secret\", \"other\",");
    let host = with_model(
        &format!("{more}\n[limits]\nhttp_response = \"1MiB\"\ntimeout = \"20s\"\n"),
        &url,
        |config| {
            config.model_timeout = "700ms".parse().unwrap();
        },
    )
    .await;
    for (model, wanted) in [
        ("busy", "unavailable: the model is asked too often; try again in 17 s"),
        ("gone", "unavailable: the model's endpoint does not know the model"),
        ("broken", "unavailable: the model's endpoint failed with status 500"),
        ("wrong", "internal: the model's endpoint answered what is no completion (no choice)"),
        (
            "long",
            "limit-exceeded: http_response: the model's answer has more than 1048576 bytes",
        ),
        ("slow", "unavailable: the model did not answer within 700 ms"),
        ("closed", "unavailable: the model's endpoint went away in the middle of its answer"),
        ("away", "unavailable: the model's endpoint is not set up properly"),
        (
            "secret",
            "invalid-input: the model's endpoint refuses the request: The model `secret` ((key)) cannot do that",
        ),
        ("other", "unavailable: this server offers no model `other`"),
        ("not-granted", "denied: the grant does not cover model not-granted"),
    ] {
        let answer = ask(&host, hi(model)).await;
        assert_eq!(answer, json!({ "error": wanted }), "{model}");
        assert!(!answer.to_string().contains(KEY));
    }
    for (change, wanted) in [
        (json!({ "messages": [] }), "invalid-input: a request has 1 to 1000 messages, not 0"),
        (
            json!({ "temperature": 2.5 }),
            "invalid-input: the temperature is from 0 to 2, not 2.5",
        ),
        (json!({ "maxTokens": 0 }), "invalid-input: `max-tokens` is at least 1"),
        (
            json!({ "stop": ["a", "b", "c", "d", "e"] }),
            "invalid-input: there are at most 4 texts to stop at, of 1 to 256 bytes each",
        ),
        (json!({ "jsonSchema": true }), "invalid-input: the JSON Schema is not a JSON object"),
    ] {
        let mut request = hi("small");
        request.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        assert_eq!(ask(&host, request).await, json!({ "error": wanted }));
    }
}

#[tokio::test]
async fn a_wrong_key_a_closed_door_and_no_model_at_all() {
    let (url, _) = endpoint().await;
    let host = with_model(MODEL, &url, |config| config.model_api_key = Some(Secret::new("sk-wrong"))).await;
    let refused = json!({ "error": "unavailable: the model's endpoint refuses this server; its operator has to look at it" });
    assert_eq!(ask(&host, hi("small")).await, refused);
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let closed = format!("http://{}/v1", listener.local_addr().unwrap());
    drop(listener);
    let host = with_model(MODEL, &closed, |_| {}).await;
    assert_eq!(
        ask(&host, hi("small")).await,
        json!({ "error": "unavailable: the model's endpoint cannot be reached" })
    );
    let host = start(MODEL, |_| {}).await;
    let none = json!({ "error": "unavailable: this server has no model: its operator has not set `model.url`" });
    assert_eq!(ask(&host, hi("small")).await, none);
}

#[tokio::test]
async fn what_may_be_spent_is_a_hard_end_and_survives_the_server() {
    let (url, asked) = endpoint().await;
    // What one request can cost at most: 300 tokens out at 5 a million, and less than 100 in at 1: below 0.0016; it costs 0.002.
    let more = "[permissions.model]\nmodels = [\"small\", \"busy\", \"slow\"]\nspend_per_day = 0.009\n[limits]\ntimeout = \"20s\"\n";
    let data = Arc::new(tempfile::tempdir().unwrap());
    let set = |config: &mut oriel_server::Config| {
        config.model_url = Some(url.clone());
        config.model_api_key = Some(Secret::new(KEY));
        config.model_models = priced(&ALL);
    };
    let mut host = Host::start_in(data.clone(), set).await;
    host.upload("/api/v1/extensions?grant=true", super::jobs::worker(more)).await.ok();
    // What the endpoint refuses costs nothing, however often.
    for _ in 0..10 {
        assert!(ask(&host, hi("busy")).await["error"].as_str().unwrap().contains("too often"));
    }
    for _ in 0..2 {
        assert_eq!(ask(&host, hi("small")).await["ok"]["text"], "forty-two");
    }
    host.stop().await;
    drop(host);
    let host = Host::start_in(data, set).await;
    for _ in 0..2 {
        assert_eq!(ask(&host, hi("small")).await["ok"]["text"], "forty-two");
    }
    let before = asked.lock().unwrap().len();
    let refused = ask(&host, hi("small")).await;
    let words = refused["error"].as_str().unwrap();
    assert!(words.starts_with("limit-exceeded: spend_per_day: "), "{refused}");
    // Many at once change nothing.
    let many = futures::future::join_all((0..8).map(|_| ask(&host, hi("small")))).await;
    assert!(
        many.iter()
            .all(|answer| answer["error"].as_str().unwrap().starts_with("limit-exceeded")),
        "{many:?}"
    );
    assert_eq!(asked.lock().unwrap().len(), before, "nothing more went to the endpoint");
}

#[tokio::test]
async fn a_budget_of_spending_throttles_like_every_other() {
    let (url, _) = endpoint().await;
    let host = with_model(MODEL, &url, |_| {}).await;
    let extension = host.get("/api/v1/extensions/worker").await.ok();
    let set = host
        .request(reqwest::Method::PUT, "/api/v1/extensions/worker/budgets")
        .header("if-match", format!("\"{}\"", extension["revision"]))
        .json(&json!({ "modelSpend": {"limit": 0.004, "window": "1h", "action": "throttle"} }));
    host.send(set).await.ok();
    for _ in 0..2 {
        assert_eq!(ask(&host, hi("small")).await["ok"]["text"], "forty-two");
    }
    let path = "/api/v1/extensions/worker/programs/complete/call";
    let refused = host
        .post(path, json!({ "input": hi("small") }))
        .await
        .problem("extension.budget_exceeded");
    assert!(
        refused["detail"]
            .as_str()
            .unwrap()
            .contains("over the budget `modelSpend`: 0.004 of 0.004 within 1h"),
        "{refused}"
    );
}
