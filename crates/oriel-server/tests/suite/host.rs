//! A server in a temporary directory, a client that trusts no reply before the document allows it, and packages.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use oriel_package::{Package, pack};
use oriel_server::{Config, RunningServer, Server};
use reqwest::{Client, Method, StatusCode};
use serde_json::{Value, json};

/// A running server with its data.
pub(crate) struct Host {
    pub(crate) server: Option<RunningServer>,
    pub(crate) base: String,
    pub(crate) key: String,
    pub(crate) data: Arc<tempfile::TempDir>,
    client: Client,
}

/// A reply, checked.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: reqwest::header::HeaderMap,
    pub(crate) text: String,
}

impl Reply {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// The body of a success.
    #[track_caller]
    pub(crate) fn ok(&self) -> Value {
        assert!(self.status.is_success(), "{} {}", self.status, self.text);
        if self.text.is_empty() { Value::Null } else { self.json() }
    }

    /// Checks that it is the problem `code`.
    #[track_caller]
    pub(crate) fn problem(&self, code: &str) -> Value {
        assert_eq!(
            self.header("content-type"),
            "application/problem+json",
            "{} {}",
            self.status,
            self.text
        );
        let body = self.json();
        assert_eq!(body["code"], code, "{body:#}");
        assert_eq!(body["status"], self.status.as_u16());
        assert_eq!(body["requestId"], self.header("x-request-id"));
        body
    }
}

impl Host {
    pub(crate) async fn start() -> Self {
        Self::start_with(|_| {}).await
    }

    pub(crate) async fn start_with(change: impl FnOnce(&mut Config)) -> Self {
        Self::start_in(Arc::new(tempfile::tempdir().unwrap()), change).await
    }

    pub(crate) async fn start_in(data: Arc<tempfile::TempDir>, change: impl FnOnce(&mut Config)) -> Self {
        let mut config = Config {
            listen: ([127, 0, 0, 1], 0).into(),
            data_dir: data.path().to_owned(),
            bootstrap_key: Some(oriel_server::config::Secret::new("the-owner-key-of-these-tests")),
            ..Config::default()
        };
        change(&mut config);
        let server = Server::start(config).await.unwrap();
        Self {
            base: format!("http://{}", server.addr()),
            key: "the-owner-key-of-these-tests".to_owned(),
            server: Some(server),
            data,
            client: Client::new(),
        }
    }

    /// Stops it in order; what it kept stays.
    pub(crate) async fn stop(&mut self) {
        if let Some(server) = self.server.take() {
            server.shutdown().await;
        }
    }

    pub(crate) fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        self.client.request(method, format!("{}{path}", self.base)).bearer_auth(&self.key)
    }

    /// A request without a key.
    pub(crate) fn anonymous(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        self.client.request(method, format!("{}{path}", self.base))
    }

    /// Sends a request and checks the reply against the document.
    #[track_caller]
    pub(crate) fn send(&self, request: reqwest::RequestBuilder) -> impl Future<Output = Reply> + use<> {
        let request = request.build().unwrap();
        let (client, method, path) = (self.client.clone(), request.method().clone(), request.url().path().to_owned());
        async move {
            let response = client.execute(request).await.unwrap();
            let reply = Reply {
                status: response.status(),
                headers: response.headers().clone(),
                text: response.text().await.unwrap(),
            };
            check(&method, &path, &reply);
            reply
        }
    }

    pub(crate) async fn get(&self, path: &str) -> Reply {
        self.send(self.request(Method::GET, path)).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Reply {
        self.send(self.request(Method::DELETE, path)).await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Reply {
        self.send(self.request(Method::POST, path).json(&body)).await
    }

    pub(crate) async fn upload(&self, path: &str, package: Vec<u8>) -> Reply {
        let request = self
            .request(Method::POST, path)
            .header("content-type", "application/vnd.oriel.package");
        self.send(request.body(package)).await
    }

    /// The same server with another key.
    pub(crate) fn with_key(&self, key: &str) -> Self {
        Self {
            server: None,
            base: self.base.clone(),
            key: key.to_owned(),
            data: self.data.clone(),
            client: self.client.clone(),
        }
    }

    /// A key of this tenant.
    pub(crate) async fn new_key(&self, role: &str, scopes: &[&str]) -> String {
        let created = self
            .post("/api/v1/keys", json!({"name": role, "role": role, "scopes": scopes}))
            .await
            .ok();
        created["secret"].as_str().unwrap().to_owned()
    }

    /// An owner of another tenant.
    pub(crate) async fn other_tenant(&self, name: &str) -> Self {
        let created = self.post("/api/v1/tenants", json!({"name": name})).await.ok();
        self.with_key(created["ownerKey"]["secret"].as_str().unwrap())
    }

    /// Installs the guest `echo` and makes the task `echo` over it.
    pub(crate) async fn with_echo(self) -> Self {
        self.upload("/api/v1/extensions?grant=true", echo("1.0.0")).await.ok();
        let task = json!({"name": "echo", "program": {"extension": "echo", "name": "echo"}});
        self.post("/api/v1/tasks", task).await.ok();
        self
    }

    /// Installs the guest `hostile` with a task for each of `programs`.
    pub(crate) async fn with_hostile(self, programs: &[&str]) -> Self {
        self.upload("/api/v1/extensions?grant=true", hostile(programs)).await.ok();
        for program in programs {
            let task = json!({"name": program, "program": {"extension": "hostile", "name": program}});
            self.post("/api/v1/tasks", task).await.ok();
        }
        self
    }

    pub(crate) async fn execute(&self, task: &str, input: Value) -> Reply {
        self.post("/api/v1/tasks/execute", json!({"taskId": task, "input": input})).await
    }
}

/// A package of the guest `echo` in this version.
pub(crate) fn echo(version: &str) -> Vec<u8> {
    package(
        "echo",
        &format!("name = \"echo\"\nversion = \"{version}\"\n{COMMON}{}", programs(&["echo", "upper"])),
    )
}

/// A package of the guest `hostile` with these programs.
pub(crate) fn hostile(offered: &[&str]) -> Vec<u8> {
    let more = "lifecycle = true\n";
    let limits = "\n[permissions]\nkey_value = true\nnetwork = [\"example.com\"]\n[limits]\ntimeout = \"300ms\"\nmemory = \"32MiB\"\n";
    package(
        "hostile",
        &format!(
            "name = \"hostile\"\nversion = \"1.0.0\"\n{COMMON}{more}{}{limits}",
            programs(offered)
        ),
    )
}

const COMMON: &str = "description = \"For tests.\"\npublisher = \"tests\"\nlicense = \"Apache-2.0\"\nhost_api = \"^0.1\"\n";

fn programs(names: &[&str]) -> String {
    names.iter().map(|name| format!("\n[[programs]]\nname = \"{name}\"\n")).collect()
}

/// A package of a guest with this manifest.
pub(crate) fn package(guest: &str, manifest: &str) -> Vec<u8> {
    let manifest = oriel_model::manifest::parse(manifest, &|path| Err(format!("no file {path}"))).unwrap();
    let package = Package {
        manifest,
        component: Some(oriel_test_guests::component(guest)),
        readme: None,
        assets: Vec::new(),
        sbom: None,
    };
    pack(&package).unwrap().bytes
}

/// Checks a reply against the document: the status is one that the operation names, with a body of a form that it names.
#[track_caller]
pub(crate) fn check(method: &Method, path: &str, reply: &Reply) {
    let document = document();
    let Some((template, operation)) = operation(document, method, path) else {
        assert!(
            matches!(reply.status.as_u16(), 404 | 405 | 200 | 307),
            "{method} {path} answered {}",
            reply.status
        );
        return;
    };
    let status = reply.status.as_u16().to_string();
    let described = &operation["responses"][&status];
    assert!(
        described.is_object(),
        "{method} {template} answered {status}, which is not documented: {}",
        reply.text
    );
    let media = reply.header("content-type").split(';').next().unwrap_or_default().to_owned();
    let Some(content) = described["content"].as_object() else {
        assert!(
            reply.text.is_empty(),
            "{method} {template}: {status} has no body in the document, but {}",
            reply.text
        );
        return;
    };
    let known = content.keys().find(|known| known.split(';').next() == Some(&media));
    let known = known.unwrap_or_else(|| {
        panic!(
            "{method} {template}: {status} came as `{media}`; documented are {:?}",
            content.keys()
        )
    });
    if !media.ends_with("json") || media.ends_with("x-ndjson") {
        return;
    }
    let pointer = [
        "paths",
        template,
        &method.as_str().to_ascii_lowercase(),
        "responses",
        &status,
        "content",
        known,
        "schema",
    ]
    .map(|part| {
        part.replace('~', "~0")
            .replace('/', "~1")
            .replace('{', "%7B")
            .replace('}', "%7D")
            .replace(' ', "%20")
    })
    .join("/");
    let body: Value = serde_json::from_str(&reply.text).unwrap();
    let mut schema = document.clone();
    schema["$ref"] = format!("#/{pointer}").into();
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema".into();
    let validator = jsonschema::validator_for(&schema).unwrap_or_else(|error| panic!("{pointer}: {error}"));
    let problems: Vec<String> = validator
        .iter_errors(&body)
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect();
    assert!(
        problems.is_empty(),
        "{method} {template} {status}: {}\n{body:#}",
        problems.join("\n")
    );
}

/// The document, once.
pub(crate) fn document() -> &'static Value {
    static DOCUMENT: OnceLock<Value> = OnceLock::new();
    DOCUMENT.get_or_init(oriel_server::openapi_document)
}

/// The operation that `method` on `path` is; exact paths win over templates.
fn operation<'a>(document: &'a Value, method: &Method, path: &str) -> Option<(&'a str, &'a Value)> {
    let parts: Vec<&str> = path.split('/').collect();
    let fits: BTreeMap<usize, &String> = document["paths"]
        .as_object()
        .unwrap()
        .keys()
        .filter_map(|template| {
            let wanted: Vec<&str> = template.split('/').collect();
            let variable = wanted.iter().filter(|part| part.starts_with('{')).count();
            let same = wanted.len() == parts.len()
                && wanted
                    .iter()
                    .zip(&parts)
                    .all(|(w, p)| w == p || (w.starts_with('{') && !p.is_empty()));
            same.then_some((variable, template))
        })
        .collect();
    let template = fits.into_values().next()?;
    let operation = document["paths"][template].get(method.as_str().to_ascii_lowercase())?;
    Some((template, operation))
}
