//! A server in a process of its own with three tenants: `default`, which the operator owns, `acme`, the victim, and `evil`.

use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use reqwest::{Client, Method, RequestBuilder};
use serde_json::{Value, json};

use crate::packages::Maker;

/// The owner's key of the tenant `default`.
const OPERATOR: &str = "the-owner-key-of-these-tests";
/// How long something is waited for that comes in the background.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) struct World {
    child: Child,
    dir: tempfile::TempDir,
    pub(crate) base: String,
    pub(crate) operator: Actor,
    pub(crate) acme: Actor,
    pub(crate) evil: Actor,
}

impl Drop for World {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Somebody with a key.
#[derive(Clone)]
pub(crate) struct Actor {
    pub(crate) base: String,
    pub(crate) key: String,
    pub(crate) client: Client,
}

/// What a server answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: reqwest::header::HeaderMap,
    pub(crate) text: String,
}

impl Answer {
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
    pub(crate) fn refused(&self, code: &str) -> Value {
        assert!(self.status >= 400, "{self:?}");
        let body = self.json();
        assert_eq!(body["code"], code, "{self:?}");
        body
    }

    /// The code of a problem; nothing of a success.
    pub(crate) fn code(&self) -> Option<String> {
        let body: Value = serde_json::from_str(&self.text).ok()?;
        (self.status >= 400).then(|| body["code"].as_str().unwrap_or_default().to_owned())
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

impl World {
    pub(crate) async fn start() -> Self {
        Self::start_with(&[]).await
    }

    /// Starts one with these settings.
    pub(crate) async fn start_with(env: &[(&str, &str)]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let log = File::create(dir.path().join("server.log")).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_oriel"));
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("ORIEL_")) {
            command.env_remove(name);
        }
        command
            .args(["serve", "--json", "--listen", "127.0.0.1:0", "--data-dir", "data"])
            .current_dir(dir.path())
            .env("ORIEL_BOOTSTRAP_KEY", OPERATOR)
            .env("ORIEL_LOG_LEVEL", "debug,sqlx=warn")
            .env("ORIEL_LOG_FORMAT", "json")
            .envs(env.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log);
        let mut child = command.spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let about: Value = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: `{line}`"));
        let base = about["address"].as_str().unwrap().to_owned();
        let operator = Actor {
            base: base.clone(),
            key: OPERATOR.to_owned(),
            // Redirects are looked at, not followed. A connection is not used again: the server may close one whose request it
            // refused before its body was there.
            client: Client::builder()
                .redirect(reqwest::redirect::Policy::none())
                .pool_max_idle_per_host(0)
                .build()
                .unwrap(),
        };
        let acme = operator.tenant("acme").await;
        let evil = operator.tenant("evil").await;
        Self {
            child,
            dir,
            base,
            operator,
            acme,
            evil,
        }
    }

    pub(crate) fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// What the server has written to its own log so far.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("server.log")).unwrap()
    }

    /// The address without its scheme.
    pub(crate) fn authority(&self) -> &str {
        self.base.strip_prefix("http://").unwrap()
    }

    /// The command line as this actor's terminal would run it.
    pub(crate) fn cli(&self, actor: &Actor, args: &[&str]) -> std::process::Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_oriel"));
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("ORIEL_")) {
            command.env_remove(name);
        }
        command
            .args(args)
            .current_dir(self.dir.path())
            .env("XDG_CONFIG_HOME", self.dir.path().join("config"))
            .env("ORIEL_URL", &self.base)
            .env("ORIEL_API_KEY", &actor.key)
            .stdin(Stdio::null());
        command.output().unwrap()
    }

    /// What every attack leaves behind: a server that is ready, a victim who is served, and audit logs whose chains hold.
    pub(crate) async fn stands(&self) {
        assert_eq!(self.operator.get("/health").await.ok()["ready"], true);
        for actor in [&self.operator, &self.acme, &self.evil] {
            let verdict = actor.get("/audit/verify").await.ok();
            assert_eq!(verdict["intact"], true, "{verdict}");
        }
        self.acme.get("/me").await.ok();
    }
}

impl Actor {
    /// A new tenant's owner; for the operator.
    pub(crate) async fn tenant(&self, name: &str) -> Self {
        let made = self.post("/tenants", json!({ "name": name })).await.ok();
        self.with_key(made["ownerKey"]["secret"].as_str().unwrap())
    }

    pub(crate) fn with_key(&self, key: &str) -> Self {
        Self {
            key: key.to_owned(),
            ..self.clone()
        }
    }

    /// A new key of this tenant.
    pub(crate) async fn new_key(&self, role: &str, scopes: &[&str]) -> Self {
        let made = self
            .post("/keys", json!({ "name": role, "role": role, "scopes": scopes }))
            .await
            .ok();
        self.with_key(made["secret"].as_str().unwrap())
    }

    /// A request to the API.
    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.at(method, &format!("/api/v1{path}"))
    }

    /// A request to anything on the server.
    pub(crate) fn at(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("{}{path}", self.base)).bearer_auth(&self.key)
    }

    /// A request without a key.
    pub(crate) fn unnamed(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("{}{path}", self.base))
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        answer(self.request(Method::GET, path)).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Answer {
        answer(self.request(Method::DELETE, path)).await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Answer {
        answer(self.request(Method::POST, path).json(&body)).await
    }

    pub(crate) async fn put(&self, path: &str, body: Value) -> Answer {
        answer(self.request(Method::PUT, path).json(&body)).await
    }

    pub(crate) async fn patch(&self, path: &str, body: Value) -> Answer {
        answer(self.request(Method::PATCH, path).json(&body)).await
    }

    /// Uploads a package without granting anything by it.
    pub(crate) async fn upload(&self, package: Vec<u8>) -> Answer {
        let request = self
            .request(Method::POST, "/extensions")
            .header("content-type", "application/vnd.oriel.package");
        answer(request.body(package)).await
    }

    /// Installs what asks for little and grants all of it.
    pub(crate) async fn install(&self, maker: Maker) {
        let request = self
            .request(Method::POST, "/extensions?grant=true")
            .header("content-type", "application/vnd.oriel.package");
        answer(request.body(maker.pack())).await.ok();
    }

    /// Makes the task `name` over a program.
    pub(crate) async fn task(&self, name: &str, extension: &str, program: &str) -> Value {
        let task = json!({ "name": name, "program": { "extension": extension, "name": program } });
        self.post("/tasks", task).await.ok()
    }

    pub(crate) async fn execute(&self, task: &str, input: Value) -> Answer {
        self.post("/tasks/execute", json!({ "taskId": task, "input": input })).await
    }

    /// Calls a program by its name.
    pub(crate) async fn call(&self, extension: &str, program: &str, input: Value) -> Answer {
        let path = format!("/extensions/{extension}/programs/{program}/call");
        self.post(&path, json!({ "input": input })).await
    }

    /// What a program answered.
    pub(crate) async fn told(&self, extension: &str, program: &str, input: Value) -> Value {
        self.call(extension, program, input).await.ok()["outputData"].clone()
    }

    /// The whole audit log, newest first.
    pub(crate) async fn audit(&self) -> Vec<Value> {
        let page = self.get("/audit?limit=1000").await.ok();
        page["items"].as_array().unwrap().clone()
    }

    /// Waits until the audit log holds an entry of this action whose details contain this text, and answers it. Refusals are written
    /// behind the call that was refused.
    pub(crate) async fn audited(&self, action: &str, text: &str) -> Value {
        let begun = Instant::now();
        loop {
            let entries = self.audit().await;
            let found = entries
                .iter()
                .find(|entry| entry["action"] == action && entry["details"].to_string().contains(text));
            if let Some(found) = found {
                return found.clone();
            }
            assert!(begun.elapsed() < PATIENCE, "no `{action}` with `{text}`: {entries:#?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Log lines of an extension, oldest first, once there are at least so many.
    pub(crate) async fn lines(&self, extension: &str, least: usize) -> Vec<Value> {
        let begun = Instant::now();
        loop {
            let page = self.get(&format!("/extensions/{extension}/logs?limit=1000")).await.ok();
            let items = page["items"].as_array().unwrap().clone();
            if items.len() >= least {
                return items;
            }
            assert!(begun.elapsed() < PATIENCE, "only {} lines: {items:#?}", items.len());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

pub(crate) async fn answer(request: RequestBuilder) -> Answer {
    let response = request.send().await.unwrap();
    Answer {
        status: response.status().as_u16(),
        headers: response.headers().clone(),
        text: response.text().await.unwrap(),
    }
}
