//! A server in a process of its own that a test may kill, and packages for it.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, ExitStatus, Stdio};

use oriel_package::{Package, pack};
use reqwest::{Client, Method, RequestBuilder};
use serde_json::{Value, json};

use super::support::Home;

/// The owner's key on every server of these tests.
pub(crate) const KEY: &str = "the-owner-key-of-these-tests";
/// The media type of packages.
const PACKAGE: &str = "application/vnd.oriel.package";

/// `oriel serve` on the directory `data` of a home.
pub(crate) struct Process {
    child: Child,
    pub(crate) base: String,
    client: Client,
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What a server answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Value,
}

impl Answer {
    /// The body of a success.
    #[track_caller]
    pub(crate) fn ok(self) -> Value {
        assert!((200..300).contains(&self.status), "{self:?}");
        self.body
    }

    /// The problem of this code.
    #[track_caller]
    pub(crate) fn problem(self, code: &str) -> Value {
        assert_eq!(self.body["code"], code, "{self:?}");
        assert_eq!(self.body["status"], self.status);
        self.body
    }
}

impl Process {
    /// Starts one and waits until it answers.
    pub(crate) fn start(home: &Home) -> Self {
        Self::start_with(home, &[])
    }

    /// Starts one with these environment variables.
    pub(crate) fn start_with(home: &Home, env: &[(&str, &str)]) -> Self {
        let mut command = home.command(&["serve", "--json", "--listen", "127.0.0.1:0", "--data-dir", "data"]);
        command.env("ORIEL_BOOTSTRAP_KEY", KEY).env("ORIEL_LOG_LEVEL", "off");
        let mut child = command
            .envs(env.iter().copied())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let about: Value = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: `{line}`"));
        Self {
            child,
            base: about["address"].as_str().unwrap().to_owned(),
            client: Client::new(),
        }
    }

    /// Ends it as a power cut would: nothing of it runs any more.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Asks it to end.
    pub(crate) fn terminate(&self) {
        let kill = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status();
        assert!(kill.unwrap().success());
    }

    /// Waits for its end.
    pub(crate) async fn ended(mut self) -> ExitStatus {
        tokio::task::spawn_blocking(move || self.child.wait().unwrap()).await.unwrap()
    }

    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.request_as(KEY, method, path)
    }

    pub(crate) fn request_as(&self, key: &str, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("{}/api/v1{path}", self.base)).bearer_auth(key)
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        answer(self.request(Method::GET, path)).await.unwrap()
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Answer {
        answer(self.request(Method::POST, path).json(&body)).await.unwrap()
    }

    pub(crate) async fn execute(&self, task: &str, input: Value) -> Answer {
        self.post("/tasks/execute", json!({"taskId": task, "input": input})).await
    }

    pub(crate) fn upload(&self, path: &str, package: Vec<u8>) -> RequestBuilder {
        let request = self.request(Method::POST, path).header("content-type", PACKAGE);
        request.query(&[("grant", "true")]).body(package)
    }

    /// Installs a package and makes a task of the same name for each of its `programs`.
    pub(crate) async fn install(&self, package: Vec<u8>, extension: &str, programs: &[&str]) {
        answer(self.upload("/extensions", package)).await.unwrap().ok();
        for program in programs {
            let task = json!({"name": program, "program": {"extension": extension, "name": program}});
            self.post("/tasks", task).await.ok();
        }
    }
}

/// Sends a request; fails when the server dies before it has answered.
pub(crate) async fn answer(request: RequestBuilder) -> reqwest::Result<Answer> {
    let response = request.send().await?;
    let status = response.status().as_u16();
    let text = response.text().await?;
    let body = if text.is_empty() {
        Value::Null
    } else {
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
    };
    Ok(Answer { status, body })
}

/// The guest `echo` under another name, with more in its manifest; `mark` makes its component unlike any other.
pub(crate) fn echo(name: &str, version: &str, mark: &str, more: &str) -> Vec<u8> {
    let programs = "\n[[programs]]\nname = \"echo\"\n[[programs]]\nname = \"upper\"\n";
    let mut component = oriel_test_guests::component("echo");
    // A custom section, as the binary format has it: id 0, length, then a name with its own length, then anything.
    let length = u8::try_from(mark.len()).unwrap();
    component.extend([0, length + 1, length]);
    component.extend(mark.as_bytes());
    packed(component, &format!("{}{programs}{more}", head(name, version)))
}

/// The guest `hostile` with these programs and this table of limits.
pub(crate) fn hostile(programs: &[&str], limits: &str) -> Vec<u8> {
    let programs: String = programs.iter().map(|name| format!("\n[[programs]]\nname = \"{name}\"\n")).collect();
    let permissions = "\n[permissions]\nkey_value = true\nnetwork = [\"example.com\"]\n";
    let manifest = format!(
        "{}lifecycle = true\n{programs}{permissions}[limits]\n{limits}\n",
        head("hostile", "1.0.0")
    );
    packed(oriel_test_guests::component("hostile"), &manifest)
}

fn head(name: &str, version: &str) -> String {
    format!(
        "name = \"{name}\"\nversion = \"{version}\"\ndescription = \"For tests.\"\npublisher = \"tests\"\nlicense = \"Apache-2.0\"\n\
         host_api = \"^0.1\"\n"
    )
}

pub(crate) fn packed(component: Vec<u8>, manifest: &str) -> Vec<u8> {
    let manifest = oriel_model::manifest::parse(manifest, &|path| Err(format!("no file {path}"))).unwrap();
    let package = Package {
        manifest,
        component: Some(component),
        readme: None,
        assets: Vec::new(),
        sbom: None,
    };
    pack(&package).unwrap().bytes
}
