//! A server in a process of its own, and what an administrator does on it.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use reqwest::{Client, Method, RequestBuilder};
use serde_json::{Value, json};

use crate::api::PATIENCE;
use crate::project::package;

const KEY: &str = "the-owner-key-of-these-tests";

pub(crate) struct Desk {
    child: Child,
    _dir: tempfile::TempDir,
    pub(crate) base: String,
    client: Client,
}

impl Drop for Desk {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What a server answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: reqwest::header::HeaderMap,
    pub(crate) text: String,
}

impl Answer {
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The body of a success.
    #[track_caller]
    pub(crate) fn ok(&self) -> Value {
        assert!((200..300).contains(&self.status), "{self:?}");
        if self.text.is_empty() { Value::Null } else { self.json() }
    }

    /// The problem of this code.
    #[track_caller]
    pub(crate) fn problem(&self, code: &str) -> Value {
        let body = self.json();
        assert_eq!(body["code"], code, "{self:?}");
        body
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

pub(crate) async fn send(request: RequestBuilder) -> Answer {
    let response = request.send().await.unwrap();
    Answer {
        status: response.status().as_u16(),
        headers: response.headers().clone(),
        text: response.text().await.unwrap(),
    }
}

/// Sends what is too long. The server answers before it has read all of it, and the client may find the connection closed first.
pub(crate) async fn too_long(request: RequestBuilder) {
    if let Ok(response) = request.send().await {
        assert_eq!(response.status(), 413);
    }
}

impl Desk {
    /// Starts one whose operator allows loopback, where the other servers of these tests are.
    pub(crate) fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_oriel"));
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("ORIEL_")) {
            command.env_remove(name);
        }
        let mut child = command
            .args(["serve", "--json", "--listen", "127.0.0.1:0", "--data-dir", "data"])
            .current_dir(dir.path())
            .env("ORIEL_BOOTSTRAP_KEY", KEY)
            .env("ORIEL_LOG_LEVEL", "off")
            .env("ORIEL_PRIVATE_NETWORKS", "127.0.0.0/8")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let about: Value = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: `{line}`"));
        Self {
            child,
            _dir: dir,
            base: about["address"].as_str().unwrap().to_owned(),
            // Builds stand between requests: a connection that waited so long is closed by then.
            client: Client::builder().pool_max_idle_per_host(0).build().unwrap(),
        }
    }

    /// A request with the owner's key; `path` begins with `/api/v1` or `/x`.
    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.anonymous(method, path).bearer_auth(KEY)
    }

    pub(crate) fn anonymous(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("{}{path}", self.base))
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        send(self.request(Method::GET, &format!("/api/v1{path}"))).await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Answer {
        send(self.request(Method::POST, &format!("/api/v1{path}")).json(&body)).await
    }

    pub(crate) async fn put(&self, path: &str, body: Value) -> Answer {
        send(self.request(Method::PUT, &format!("/api/v1{path}")).json(&body)).await
    }

    /// Installs an extension with all that it asks for; see [`package`].
    pub(crate) async fn install(&self, name: &str, change: &[(&str, &str)]) {
        self.upload(package(name, change)).await.ok();
    }

    pub(crate) async fn upload(&self, package: Vec<u8>) -> Answer {
        let request = self.request(Method::POST, "/api/v1/extensions").query(&[("grant", "true")]);
        send(request.header("content-type", "application/vnd.oriel.package").body(package)).await
    }

    pub(crate) async fn configure(&self, extension: &str, config: Value) {
        self.try_to_configure(extension, config).await.ok();
    }

    pub(crate) async fn try_to_configure(&self, extension: &str, config: Value) -> Answer {
        self.put(&format!("/extensions/{extension}/config"), json!({ "config": config }))
            .await
    }

    /// Binds a contribution.
    pub(crate) async fn bind(&self, kind: &str, point: &str, contribution: &str, config: Value) -> Value {
        let (extension, name) = contribution.split_once('/').unwrap();
        let body = json!({ "kind": kind, "point": point, "contribution": { "extension": extension, "name": name }, "config": config });
        self.post("/bindings", body).await.ok()
    }

    /// Declares a hook of observers and binds the handler to it.
    pub(crate) async fn observe(&self, hook: &str, handler: &str, config: Value) {
        self.put(&format!("/hooks/{hook}"), json!({ "kind": "observe", "timeoutMs": 30_000 }))
            .await
            .ok();
        self.bind("hook", hook, handler, config).await;
    }

    /// Fires a hook that has one observer.
    pub(crate) async fn fire(&self, hook: &str, payload: Value) {
        let fired = self.post(&format!("/hooks/{hook}/fire"), json!({ "payload": payload })).await.ok();
        assert_eq!(fired["queued"], 1, "{fired}");
    }

    /// Waits until so many observers were told in vain; answers why, the newest first.
    pub(crate) async fn undelivered(&self, count: usize) -> Vec<String> {
        let begun = Instant::now();
        loop {
            let found = self.get("/undelivered").await.ok();
            let items = found["items"].as_array().unwrap();
            if items.len() >= count {
                return items.iter().map(Value::to_string).collect();
            }
            assert!(begun.elapsed() < PATIENCE, "{found}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// All that the extension has logged, and the audit log: where nothing secret may be.
    pub(crate) async fn papers(&self, extension: &str) -> String {
        let mut papers = String::new();
        for path in [
            "/extensions/NAME/logs",
            "/extensions/NAME",
            "/extensions/NAME/config",
            "/audit",
            "/undelivered",
        ] {
            papers.push_str(&self.get(&path.replace("NAME", extension)).await.text);
        }
        papers
    }
}
