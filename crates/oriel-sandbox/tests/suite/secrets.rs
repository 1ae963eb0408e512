//! Secrets in outbound requests: where they go, and everywhere that they must not.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use oriel_model::name::SecretName;
use oriel_model::permissions::{Permissions, Scheme};
use oriel_sandbox::*;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::support::*;

const TOKEN: &str = "ghp_the-secret-itself";

/// Stands in for the network: keeps where connections went, and answers requests with themselves. A path `/to/URL` redirects there.
#[derive(Default)]
struct Wire(Mutex<Vec<String>>);

#[async_trait::async_trait]
impl Connect for Wire {
    async fn connect(&self, scheme: Scheme, host: &str, addresses: &[SocketAddr]) -> std::io::Result<Box<dyn Stream>> {
        let (ours, theirs) = tokio::io::duplex(64 << 10);
        let place = format!("{}://{host}:{}", scheme.text(), addresses[0].port());
        let (sent, mut answered) = tokio::io::split(theirs);
        tokio::spawn(async move {
            let text = request(sent).await;
            let answer = match text.split(' ').nth(1).and_then(|path| path.strip_prefix("/to/")) {
                Some(location) => format!("HTTP/1.1 302 Found\r\nlocation: {location}\r\ncontent-length: 0\r\n\r\n"),
                None => format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{text}", text.len()),
            };
            let _ = answered.write_all(answer.as_bytes()).await;
        });
        self.0.lock().unwrap().push(place);
        Ok(Box::new(ours))
    }
}

/// Head and body of a request; chunks are left as they are.
async fn request(mut stream: impl tokio::io::AsyncRead + Unpin) -> String {
    let mut text = head(&mut stream).await.unwrap_or_default();
    let length = text
        .lines()
        .find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse::<usize>().ok());
    if let Some(length) = length {
        let mut body = vec![0; length];
        stream.read_exact(&mut body).await.unwrap();
        text.push_str(&String::from_utf8(body).unwrap());
    } else if text.contains("chunked") {
        while !text.ends_with("0\r\n\r\n") {
            text.push(char::from(stream.read_u8().await.unwrap()));
        }
    }
    text
}

struct Names;

#[async_trait::async_trait]
impl Resolve for Names {
    async fn resolve(&self, _: &str, port: u16) -> std::io::Result<Vec<SocketAddr>> {
        Ok(vec![SocketAddr::from(([8, 8, 8, 8], port))])
    }
}

#[derive(Default)]
struct Safe {
    values: BTreeMap<SecretName, SecretValue>,
    uses: Mutex<Vec<String>>,
}

impl Secrets for Safe {
    fn value(&self, name: &SecretName) -> Option<&SecretValue> {
        self.values.get(name)
    }

    fn used(&self, used: SecretUse) {
        self.uses.lock().unwrap().push(format!("{} {}", used.secret, used.host));
    }
}

struct World {
    pool: Pool,
    traces: Arc<Traces>,
    safe: Arc<Safe>,
    wire: Arc<Wire>,
}

impl World {
    fn new() -> Self {
        let wire = Arc::<Wire>::default();
        let mut options = options();
        options.connector = Some(wire.clone());
        options.resolver = Arc::new(Names);
        let sandbox = Sandbox::new(options).unwrap();
        let values = [("token", TOKEN), ("other", "the-other-secret"), ("unset-elsewhere", "x")];
        let values = values.map(|(name, value)| (name.parse().unwrap(), SecretValue::new(value.to_owned())));
        let safe = Arc::new(Safe {
            values: BTreeMap::from(values),
            uses: Mutex::default(),
        });
        let grant: Permissions = serde_json::from_value(json!({
            "network": ["api.example.com", "http://api.example.com", "evil.example.com", "api.example.com:8443", "http://local.example.com:8080"],
            "secrets": {
                "token": ["api.example.com", "http://local.example.com:8080"],
                "other": ["evil.example.com"],
                "empty": ["api.example.com"],
                "unset-elsewhere": [],
            },
        }))
        .unwrap();
        let secrets: Arc<dyn Secrets> = safe.clone();
        let setup = Setup::guest("caller").with(|spec| (spec.grant, spec.services.secrets) = (grant, secrets));
        let (pool, traces) = setup.pool_in(&sandbox);
        Self { pool, traces, safe, wire }
    }

    async fn send(&self, request: Value) -> Value {
        let text = answer(&self.pool, "send", &request.to_string()).await;
        serde_json::from_str(&text).unwrap_or_else(|_| panic!("{text}"))
    }

    fn uses(&self) -> Vec<String> {
        self.safe.uses.lock().unwrap().clone()
    }
}

fn with_token(url: &str) -> Value {
    json!({ "url": url, "secret": "token", "headers": { "authorization": "Bearer {secret}" } })
}

#[tokio::test]
async fn the_secret_goes_out_in_a_header_to_its_host() {
    let world = World::new();
    let answer = world.send(with_token("https://api.example.com/user")).await;
    let got = answer["hops"][0]["body"].as_str().unwrap();
    assert!(got.contains(&format!("authorization: Bearer {TOKEN}\r\n")), "{got}");
    let placeholder = answer["placeholder"].as_str().unwrap();
    assert!(placeholder.starts_with("oriel-secret-") && !got.contains(placeholder), "{answer}");
    // Over plain HTTP only where the grant says so.
    let answer = world.send(with_token("http://local.example.com:8080/")).await;
    assert!(answer["hops"][0]["body"].as_str().unwrap().contains(TOKEN), "{answer}");
    // More than one, in more than one header.
    let mut both = with_token("https://api.example.com/");
    both["headers"]["x-api-key"] = json!("{secret}");
    both["headers"]["x-twice"] = json!("{secret} {secret}");
    let answer = world.send(both).await;
    assert_eq!(answer["hops"][0]["body"].as_str().unwrap().matches(TOKEN).count(), 4, "{answer}");
    assert_eq!(
        world.uses(),
        [
            "token https://api.example.com:443",
            "token http://local.example.com:8080",
            "token https://api.example.com:443"
        ]
    );
    assert_eq!(world.traces.refused(), Vec::<String>::new());
}

#[tokio::test]
async fn a_request_that_would_carry_it_elsewhere_is_refused_before_it_connects() {
    let world = World::new();
    for url in [
        "https://evil.example.com/",
        "http://api.example.com/",
        "https://api.example.com:8443/",
        "http://local.example.com:8081/",
        "https://api.example.com.evil.example.com/",
    ] {
        let answer = world.send(with_token(url)).await;
        assert_eq!(answer["hops"][0]["error"], "ErrorCode::HttpRequestDenied", "{url}: {answer}");
    }
    // Another secret's host is not this one's.
    let mut mixed = with_token("https://evil.example.com/");
    mixed["headers"]["x-other"] = json!("plain");
    world.send(mixed).await;
    assert!(world.wire.0.lock().unwrap().is_empty(), "nothing connects");
    assert_eq!(world.uses(), Vec::<String>::new());
    let refused = world.traces.refused();
    assert!(
        refused.contains(&"secrets token for https://evil.example.com:443".to_owned()),
        "{refused:?}"
    );
    assert!(
        refused.contains(&"secrets token for http://api.example.com:80".to_owned()),
        "{refused:?}"
    );
}

#[tokio::test]
async fn a_redirect_is_a_request_of_its_own() {
    let world = World::new();
    let mut request = with_token("https://api.example.com/to/https://evil.example.com/steal");
    request["follow"] = json!(true);
    let answer = world.send(request).await;
    assert_eq!(answer["hops"][0]["status"], 302, "{answer}");
    assert_eq!(answer["hops"][1]["error"], "ErrorCode::HttpRequestDenied", "{answer}");
    assert_eq!(*world.wire.0.lock().unwrap(), ["https://api.example.com:443"]);
}

#[tokio::test]
async fn anywhere_but_in_a_headers_value_the_placeholder_stays() {
    let world = World::new();
    for request in [
        json!({ "url": "https://api.example.com/{secret}", "secret": "token" }),
        json!({ "url": "https://api.example.com/?token={secret}", "secret": "token" }),
        json!({ "url": "https://api.example.com/", "secret": "token", "body": "{secret}" }),
        json!({ "url": "https://evil.example.com/{secret}", "secret": "token", "body": "{secret}" }),
    ] {
        let answer = world.send(request.clone()).await;
        let (placeholder, got) = (answer["placeholder"].as_str().unwrap(), answer["hops"][0]["body"].as_str());
        let got = got.unwrap_or_else(|| panic!("{request}: {answer}"));
        assert!(got.contains(placeholder) && !got.contains(TOKEN), "{request}: {answer}");
    }
    // A name of a header is no value: it goes out as it is, or the guest cannot even make it.
    let answer = world
        .send(json!({ "url": "https://api.example.com/", "secret": "token", "headers": { "{secret}": "x" } }))
        .await;
    assert!(!answer.to_string().contains(TOKEN), "{answer}");
    assert_eq!(world.uses(), Vec::<String>::new());
    let warned = world.traces.lines().iter().filter(|line| line.contains("stays as it is")).count();
    assert_eq!(warned, 3, "the guest's log says why a path is of no use");
    // Nor does a log line ever hold more than the placeholder.
    let placeholder: String = serde_json::from_str(&answer_of(&world, "leak", "\"token\"").await).unwrap();
    let logged = format!("{:?}", world.traces.log.lock().unwrap());
    assert!(logged.contains(&placeholder) && !logged.contains(TOKEN), "{logged}");
}

async fn answer_of(world: &World, program: &str, input: &str) -> String {
    answer(&world.pool, program, input).await
}

#[tokio::test]
async fn a_placeholder_needs_the_grant_and_a_value() {
    let world = World::new();
    let check = async |name: &str, wanted: &str| {
        let answer = answer_of(&world, "placeholder", &json!(name).to_string()).await;
        assert!(answer.starts_with(wanted), "{name}: {answer}");
    };
    check("token", "\"oriel-secret-").await;
    check("elsewhere", "execution.denied: the grant does not cover secrets elsewhere").await;
    check("unset-elsewhere", "execution.denied: ").await;
    check("empty", "execution.unavailable: nobody has set the secret `empty` yet").await;
    check("No Name", "execution.rejected: ").await;
    check(&"x".repeat(1_000), "execution.rejected: ").await;
    assert_eq!(world.traces.refused(), ["secrets elsewhere", "secrets unset-elsewhere"]);
}

#[tokio::test]
async fn a_placeholder_means_nothing_in_another_instance() {
    let world = World::new();
    let foreign: String = serde_json::from_str(&answer_of(&world, "placeholder", "\"token\"").await).unwrap();
    let other = World::new();
    other.send(with_token("https://api.example.com/")).await;
    let answer = other
        .send(json!({ "url": "https://api.example.com/", "headers": { "authorization": foreign } }))
        .await;
    let got = answer["hops"][0]["body"].as_str().unwrap();
    assert!(got.contains(&foreign) && !got.contains(TOKEN), "{answer}");
    // It stays the same as long as the instance lives.
    let again: String = serde_json::from_str(&answer_of(&world, "placeholder", "\"token\"").await).unwrap();
    assert_eq!(foreign, again);
}
