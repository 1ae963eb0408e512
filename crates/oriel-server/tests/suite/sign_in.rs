//! Signing in, against a certified issuer that runs beside the test, with a browser that keeps cookies.

use std::collections::BTreeMap;
use std::io::BufRead as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use reqwest::header::{COOKIE, LOCATION, SET_COOKIE};
use reqwest::{Client, Method, Url};
use serde_json::json;

use super::host::{Host, Reply, check};

/// Where browsers find the server. No such host exists: the browser of these tests knows where it is.
const PUBLIC: &str = "http://oriel.test";

/// The issuer, until it is dropped.
struct Issuer {
    process: Child,
    url: String,
    /// Kept open, for it writes there now and then.
    _words: std::io::BufReader<std::process::ChildStdout>,
}

impl Drop for Issuer {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Issuer {
    fn start() -> Self {
        let directory = installed();
        let mut process = Command::new("node")
            .arg("issuer.mjs")
            .arg(format!("{PUBLIC}/api/v1/auth/callback"))
            .current_dir(directory)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("node runs: `cargo xtask setup` installs it");
        let mut port = String::new();
        let mut words = std::io::BufReader::new(process.stdout.take().unwrap());
        words.read_line(&mut port).unwrap();
        let url = format!("http://127.0.0.1:{}", port.trim());
        Self {
            process,
            url,
            _words: words,
        }
    }
}

/// The directory with the issuer and the packages that its lock file pins, fetched once.
fn installed() -> PathBuf {
    let source = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/issuer");
    let lock = std::fs::read(source.join("package-lock.json")).unwrap();
    let name = format!("issuer-{}", &oriel_model::Digest::of(&lock).hex()[..16]);
    let directory = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::create_dir_all(&directory).unwrap();
    // Test binaries may run at once.
    let alone = std::fs::File::create(directory.join("lock")).unwrap();
    alone.lock().unwrap();
    std::fs::copy(source.join("issuer.mjs"), directory.join("issuer.mjs")).unwrap();
    let done = directory.join("done");
    if !done.exists() {
        for file in ["package.json", "package-lock.json"] {
            std::fs::copy(source.join(file), directory.join(file)).unwrap();
        }
        let npm = Command::new("npm")
            .args(["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel", "error"])
            .current_dir(&directory)
            .status()
            .expect("npm runs: `cargo xtask setup` installs it");
        assert!(npm.success(), "npm could not fetch the issuer");
        std::fs::write(done, "").unwrap();
    }
    directory
}

/// A browser: keeps cookies by host, follows no redirect by itself.
struct Browser {
    client: Client,
    /// Where `PUBLIC` is.
    server: String,
    cookies: BTreeMap<String, BTreeMap<String, String>>,
}

impl Browser {
    fn of(host: &Host) -> Self {
        let client = Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
        Self {
            client,
            server: host.base.clone(),
            cookies: BTreeMap::new(),
        }
    }

    fn cookie(&self, name: &str) -> Option<&str> {
        self.cookies.get("oriel.test")?.get(name).map(String::as_str)
    }

    async fn send(&mut self, method: Method, url: &Url, form: Option<&str>, headers: &[(&str, &str)]) -> Reply {
        let host = url.host_str().unwrap().to_owned();
        let real = url.as_str().replacen(PUBLIC, &self.server, 1);
        let mut request = self.client.request(method.clone(), real);
        let jar = self.cookies.entry(host.clone()).or_default();
        if !jar.is_empty() {
            let all: Vec<String> = jar.iter().map(|(name, value)| format!("{name}={value}")).collect();
            request = request.header(COOKIE, all.join("; "));
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(form) = form {
            request = request
                .header("content-type", "application/x-www-form-urlencoded")
                .body(form.to_owned());
        }
        let response = request.send().await.unwrap();
        for cookie in response.headers().get_all(SET_COOKIE) {
            let (name, value) = cookie.to_str().unwrap().split(';').next().unwrap().split_once('=').unwrap();
            if value.is_empty() {
                jar.remove(name);
            } else {
                jar.insert(name.to_owned(), value.to_owned());
            }
        }
        let reply = Reply {
            status: response.status(),
            headers: response.headers().clone(),
            text: response.text().await.unwrap(),
        };
        if host == "oriel.test" {
            check(&method, url.path(), &reply);
        }
        reply
    }

    /// A request to the server.
    async fn call(&mut self, method: Method, path: &str, headers: &[(&str, &str)]) -> Reply {
        let url = Url::parse(&format!("{PUBLIC}{path}")).unwrap();
        self.send(method, &url, None, headers).await
    }

    /// Signs in as `login` and answers the last reply of the server: a redirect when all is well.
    async fn sign_in(&mut self, path: &str, login: &str) -> Reply {
        let callback = self.until_callback(path, login).await;
        self.send(Method::GET, &callback, None, &[]).await
    }

    /// The address at which the issuer sends the browser back.
    async fn until_callback(&mut self, path: &str, login: &str) -> Url {
        let mut url = Url::parse(&format!("{PUBLIC}{path}")).unwrap();
        for _ in 0..20 {
            if url.path() == "/api/v1/auth/callback" {
                return url;
            }
            let reply = self.send(Method::GET, &url, None, &[]).await;
            let reply = if reply.status.is_redirection() {
                reply
            } else {
                assert!(url.path().starts_with("/interaction/"), "{url}: {} {}", reply.status, reply.text);
                let form = if reply.text.contains("name=\"login\"") {
                    format!("prompt=login&login={}&password=x", login.replace('+', "%2B"))
                } else {
                    "prompt=consent".to_owned()
                };
                self.send(Method::POST, &url, Some(&form), &[]).await
            };
            url = url.join(reply.headers[LOCATION].to_str().unwrap()).unwrap();
        }
        panic!("the issuer goes in circles: {url}");
    }

    async fn csrf(&mut self) -> String {
        let info = self.call(Method::GET, "/api/v1/auth/session", &[]).await.ok();
        info["csrfToken"].as_str().unwrap().to_owned()
    }
}

async fn host(issuer: &Issuer) -> Host {
    let url = issuer.url.clone();
    Host::start_with(move |config| {
        config.public_url = Some(PUBLIC.to_owned());
        config.oidc_issuer = Some(url);
        config.oidc_client_id = Some("oriel".to_owned());
        config.oidc_client_secret = Some(oriel_server::config::Secret::new("a-secret-between-the-two"));
        let rule = |value: &str, role, tenant: &str| oriel_access::RoleRule {
            value: value.to_owned(),
            role,
            tenant: tenant.to_owned(),
        };
        config.oidc_roles.0 = vec![
            rule("ops", oriel_model::access::Role::Owner, "default"),
            rule("staff", oriel_model::access::Role::Developer, "default"),
        ];
    })
    .await
}

#[tokio::test]
async fn somebody_signs_in_works_and_signs_out() {
    let issuer = Issuer::start();
    let host = host(&issuer).await;
    let mut browser = Browser::of(&host);
    let back = browser.sign_in("/api/v1/auth/login?returnTo=/api/docs", "ann+staff").await;
    assert_eq!((back.status.as_u16(), back.header("location")), (303, "/api/docs"), "{}", back.text);
    let cookie = back
        .headers
        .get_all(SET_COOKIE)
        .iter()
        .map(|one| one.to_str().unwrap())
        .find(|one| one.starts_with("oriel-session"));
    let cookie = cookie.unwrap();
    assert!(
        cookie.contains("HttpOnly") && cookie.contains("SameSite=Lax") && cookie.contains("Path=/;"),
        "{cookie}"
    );
    assert!(browser.cookie("oriel-sign-in").is_none(), "what the flow needed is gone");

    let me = browser.call(Method::GET, "/api/v1/me", &[]).await.ok();
    assert_eq!((&me["role"], &me["keyId"]), (&json!("developer"), &json!(null)));
    let info = browser.call(Method::GET, "/api/v1/auth/session", &[]).await.ok();
    assert_eq!((&info["name"], &info["userId"]), (&json!("ann@example.com"), &me["userId"]));
    browser.call(Method::GET, "/api/v1/keys", &[]).await.problem("access.forbidden");
    let own = browser.call(Method::GET, "/api/v1/sessions", &[]).await.ok();
    assert_eq!(own["items"].as_array().unwrap().len(), 1);

    let token = browser.csrf().await;
    let signed_out = browser
        .call(
            Method::POST,
            "/api/v1/auth/logout",
            &[("x-oriel-csrf", &token), ("sec-fetch-site", "same-origin")],
        )
        .await;
    assert_eq!(signed_out.status, 204, "{}", signed_out.text);
    assert!(browser.cookie("oriel-session").is_none());
    browser.call(Method::GET, "/api/v1/me", &[]).await.problem("access.unauthenticated");
    let log = host.get("/api/v1/audit?limit=100").await.ok();
    for action in ["member.add", "session.begin", "session.end"] {
        let entry = log["items"].as_array().unwrap().iter().find(|entry| entry["action"] == action);
        assert_eq!(entry.unwrap_or_else(|| panic!("{action}: {log:#}"))["actor"], me["userId"]);
    }
}

#[tokio::test]
async fn changes_need_the_page_and_its_token() {
    let issuer = Issuer::start();
    let host = host(&issuer).await;
    let mut browser = Browser::of(&host);
    browser.sign_in("/api/v1/auth/login", "root+ops").await;
    let token = browser.csrf().await;
    let mut other = Browser::of(&host);
    other.sign_in("/api/v1/auth/login", "eve+ops").await;
    let others = other.csrf().await;
    let path = "/api/v1/sessions/ses_01jd3yq8m3v5n4x2c7b9k0r6ts";
    for (headers, passes) in [
        (vec![], false),
        (vec![("x-oriel-csrf", token.as_str())], false),
        (vec![("sec-fetch-site", "same-origin")], false),
        (vec![("x-oriel-csrf", token.as_str()), ("sec-fetch-site", "cross-site")], false),
        (vec![("x-oriel-csrf", token.as_str()), ("sec-fetch-site", "same-site")], false),
        (vec![("x-oriel-csrf", token.as_str()), ("sec-fetch-site", "none")], false),
        (vec![("x-oriel-csrf", token.as_str()), ("origin", "https://evil.example")], false),
        (vec![("x-oriel-csrf", token.as_str()), ("origin", "null")], false),
        (
            vec![
                ("x-oriel-csrf", token.as_str()),
                ("origin", PUBLIC),
                ("sec-fetch-site", "cross-site"),
            ],
            false,
        ),
        (vec![("x-oriel-csrf", others.as_str()), ("sec-fetch-site", "same-origin")], false),
        (vec![("x-oriel-csrf", ""), ("sec-fetch-site", "same-origin")], false),
        (vec![("x-oriel-csrf", token.as_str()), ("sec-fetch-site", "same-origin")], true),
        (vec![("x-oriel-csrf", token.as_str()), ("origin", PUBLIC)], true),
    ] {
        let reply = browser.call(Method::DELETE, path, &headers).await;
        reply.problem(if passes { "access.session_not_found" } else { "access.cross_site" });
    }
    // A key needs none of it, even beside the cookie.
    let key = format!("Bearer {}", host.key);
    browser
        .call(Method::DELETE, path, &[("authorization", &key)])
        .await
        .problem("access.session_not_found");
}

#[tokio::test]
async fn sessions_are_listed_revoked_and_bound_to_their_member() {
    let issuer = Issuer::start();
    let host = host(&issuer).await;
    let mut ann = Browser::of(&host);
    ann.sign_in("/api/v1/auth/login", "ann+staff").await;
    let mut elsewhere = Browser::of(&host);
    elsewhere.sign_in("/api/v1/auth/login", "ann+staff").await;
    let listed = host.get("/api/v1/sessions").await.ok();
    let sessions = listed["items"].as_array().unwrap();
    assert_eq!(
        (sessions.len(), &sessions[0]["user"]),
        (2, &sessions[1]["user"]),
        "one person twice"
    );
    assert!(
        !listed
            .to_string()
            .contains(ann.cookie("oriel-session").unwrap().split_once('_').unwrap().1)
    );
    let first = sessions[1]["id"].as_str().unwrap();
    let tenant = host.other_tenant("acme").await;
    tenant
        .delete(&format!("/api/v1/sessions/{first}"))
        .await
        .problem("access.session_not_found");
    assert_eq!(host.delete(&format!("/api/v1/sessions/{first}")).await.status, 204);
    ann.call(Method::GET, "/api/v1/me", &[]).await.problem("access.session_ended");
    elsewhere.call(Method::GET, "/api/v1/me", &[]).await.ok();
    // Somebody who is removed is out at once.
    assert_eq!(host.delete("/api/v1/members/ann@example.com").await.status, 204);
    elsewhere.call(Method::GET, "/api/v1/me", &[]).await.problem("access.session_ended");
    for nonsense in ["x", "01jd3yq8m3v5n4x2c7b9k0r6ts_x", "__"] {
        let jar = elsewhere.cookies.get_mut("oriel.test").unwrap();
        jar.insert("oriel-session".to_owned(), nonsense.to_owned());
        elsewhere.call(Method::GET, "/api/v1/me", &[]).await.problem("access.session_ended");
    }
}

#[tokio::test]
async fn members_are_those_who_were_invited_or_have_a_claim() {
    let issuer = Issuer::start();
    let host = host(&issuer).await;
    let sign_in = |login: &'static str, tenant: &'static str| {
        let mut browser = Browser::of(&host);
        async move {
            let reply = browser.sign_in(&format!("/api/v1/auth/login?tenant={tenant}"), login).await;
            (browser, reply)
        }
    };
    for (login, tenant) in [
        ("bob", "default"),
        ("bob+strangers", "default"),
        ("bob+ops", "acme"),
        ("bob+ops", "nobody"),
    ] {
        sign_in(login, tenant).await.1.problem("access.sign_in_refused");
    }
    let invite = |name: &str| json!({"kind": "user", "name": name, "role": "admin"});
    host.post("/api/v1/members", invite("bob@example.com")).await.ok();
    host.post("/api/v1/members", invite("unverified@example.com")).await.ok();
    // An address that the issuer has not verified takes nobody's place.
    sign_in("unverified", "default").await.1.problem("access.sign_in_refused");
    let (mut bob, _) = sign_in("bob", "default").await;
    assert_eq!(bob.call(Method::GET, "/api/v1/me", &[]).await.ok()["role"], "admin");
    // Another subject with the same address is another person.
    sign_in("bob+other", "default").await.1.problem("access.sign_in_refused");
    host.send(
        host.request(Method::PATCH, "/api/v1/members/bob@example.com")
            .json(&json!({"role": "viewer"})),
    )
    .await
    .ok();
    assert_eq!(bob.call(Method::GET, "/api/v1/me", &[]).await.ok()["role"], "viewer", "at once");
    let member = host.get("/api/v1/members/bob@example.com").await.ok();
    assert_eq!((&member["subject"], &member["byClaim"]), (&json!("bob"), &json!(false)));
}

#[tokio::test]
async fn an_answer_that_does_not_fit_its_question_is_refused() {
    let issuer = Issuer::start();
    let host = host(&issuer).await;
    let mut browser = Browser::of(&host);
    let callback = browser.until_callback("/api/v1/auth/login", "ann+staff").await;
    // Without the cookie of this browser: somebody slipped us a code.
    let mut stranger = Browser::of(&host);
    stranger
        .send(Method::GET, &callback, None, &[])
        .await
        .problem("access.sign_in_failed");
    let change = |name: &str, value: &str| {
        let mut url = callback.clone();
        let pairs: Vec<(String, String)> = callback.query_pairs().into_owned().collect();
        url.query_pairs_mut().clear().extend_pairs(pairs.into_iter().map(|(key, old)| {
            let new = if key == name { value.to_owned() } else { old };
            (key, new)
        }));
        url
    };
    for (name, value) in [("state", "another"), ("code", "another"), ("iss", "https://evil.example")] {
        let reply = browser.send(Method::GET, &change(name, value), None, &[]).await;
        reply.problem("access.sign_in_failed");
    }
    let path = "/api/v1/auth/callback?error=access_denied&error_description=no&state=x";
    let problem = browser.call(Method::GET, path, &[]).await.problem("access.sign_in_failed");
    assert!(problem["detail"].as_str().unwrap().contains("access_denied"), "{problem}");
    // The failed tries burnt nothing but, at the issuer, the code: a code is redeemed once.
    let good = browser.until_callback("/api/v1/auth/login", "ann+staff").await;
    assert_eq!(browser.send(Method::GET, &good, None, &[]).await.status, 303);
    browser.send(Method::GET, &good, None, &[]).await.problem("access.sign_in_failed");
    for bad in ["//evil.example", "https://evil.example", "/%5Cevil.example"] {
        let path = format!("/api/v1/auth/login?returnTo={bad}");
        browser.call(Method::GET, &path, &[]).await.problem("request.invalid");
    }
}

#[tokio::test]
async fn an_issuer_that_is_gone_is_told() {
    let issuer = Issuer::start();
    let host = host(&issuer).await;
    drop(issuer);
    let problem = host
        .send(host.anonymous(Method::GET, "/api/v1/auth/login"))
        .await
        .problem("access.issuer_unavailable");
    assert_eq!(problem["retryable"], true);
    host.get("/api/v1/me").await.ok();
}
