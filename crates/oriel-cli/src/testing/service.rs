//! The service of a remote extension under test: started by the manifest's command, or running already, and called over HTTP as a
//! server would call it. Its host calls come back to a listener here.

use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use oriel_model::permissions::Permissions;
use oriel_model::remote::RemoteUrl;
use oriel_model::time::SystemClock;
use oriel_model::{Coded as _, ErrorCode};
use oriel_remote::{HttpService, Signer, SigningSecret};
use oriel_sandbox::{Code, HostCallError, Sandbox, SystemResolver, TrustedRoots};
use serde_json::json;
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, Command};

use crate::error::{Failure, Result};
use crate::ui::Ui;

/// How long a service may take until it listens: the first start may compile it.
const START: Duration = Duration::from_secs(180);
/// How often it is looked for meanwhile.
const LOOK: Duration = Duration::from_millis(50);
/// The longest body of a host call.
const MAX_BODY: usize = 64 << 20;

/// A service that runs as long as this lives, when it was started here.
pub(crate) struct Service {
    url: RemoteUrl,
    secret: SigningSecret,
    child: Option<Child>,
}

/// Where a service under test is to be found.
pub(crate) enum Place<'a> {
    /// It runs there, and `ORIEL_SECRET` has its secret.
    Running(&'a str),
    /// It is started by this command.
    Started(&'a [String]),
}

impl Service {
    /// Finds or starts it.
    pub(crate) async fn at(ui: &Ui, dir: &Path, place: Place<'_>) -> Result<Self> {
        match place {
            Place::Running(url) => Self::running(url),
            Place::Started(command) => Self::started(ui, dir, command).await,
        }
    }

    fn running(url: &str) -> Result<Self> {
        let url = url
            .parse::<RemoteUrl>()
            .map_err(|error| Failure::new(ErrorCode::RemoteUrlInvalid, error.to_string()))?;
        let secret = std::env::var("ORIEL_SECRET").unwrap_or_default();
        let secret = secret.split_whitespace().next().unwrap_or_default().parse();
        let secret = secret.map_err(|error| Failure::usage(format!("`ORIEL_SECRET` must hold the service's secret: {error}")))?;
        Ok(Self { url, secret, child: None })
    }

    async fn started(ui: &Ui, dir: &Path, command: &[String]) -> Result<Self> {
        let Some((program, arguments)) = command.split_first() else {
            return Err(Failure::usage(
                "the extension is remote, and its manifest has no `dev` under [remote]: name a command there, or pass `--remote-url`",
            ));
        };
        let address = free_address().await?;
        let secret = SigningSecret::random();
        ui.note(&format!("starting the service: {}", crate::ui::clean(&command.join(" "))));
        let mut child = Command::new(program)
            .args(arguments)
            .current_dir(dir)
            .env("ORIEL_LISTEN", address.to_string())
            .env("ORIEL_SECRET", secret.reveal())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            // Compilers and launchers have children of their own, which end with the group.
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| Failure::new(ErrorCode::AuthorToolchainMissing, format!("`{program}` cannot be started: {error}")))?;
        let listening = async {
            loop {
                if TcpStream::connect(address).await.is_ok() {
                    return Ok(());
                }
                if let Ok(Some(status)) = child.try_wait() {
                    let message = format!("`{}` ended before it listened at {address} ({status})", command.join(" "));
                    return Err(Failure::new(ErrorCode::RemoteUnreachable, message));
                }
                tokio::time::sleep(LOOK).await;
            }
        };
        let listening = tokio::time::timeout(START, listening).await;
        let service = Self {
            url: format!("http://{address}").parse().expect("an address makes a URL"),
            secret,
            child: Some(child),
        };
        match listening {
            Ok(Ok(())) => Ok(service),
            Ok(Err(failure)) => Err(failure),
            Err(_) => {
                let message = format!("`{}` does not listen at `ORIEL_LISTEN` ({address})", command.join(" "));
                Err(Failure::new(ErrorCode::RemoteUnreachable, message))
            }
        }
    }

    /// What a pool needs to call it. Whoever tests may have it run anywhere.
    pub(crate) fn code(&self) -> Code {
        let allowed = Permissions {
            private_network: ["0.0.0.0/0", "::/0"].map(|net| net.parse().expect("it is a network")).to_vec(),
            ..Permissions::default()
        };
        Code::Remote(Arc::new(HttpService::new(
            self.url.clone(),
            Signer::new(vec![(self.secret.clone(), None)]),
            allowed,
            Arc::new(SystemResolver),
            &TrustedRoots::mozilla(),
            Arc::new(SystemClock),
        )))
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let group = self
            .child
            .as_ref()
            .and_then(|child| rustix::process::Pid::from_raw(i32::try_from(child.id()?).ok()?));
        if let Some(group) = group {
            // One that has ended already is not there to be told.
            let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
        }
    }
}

/// An address that nobody uses at present.
async fn free_address() -> Result<SocketAddr> {
    let (listener, _) = listen().await?;
    listener.local_addr().map_err(no_port)
}

/// A listener for host calls and its address.
pub(crate) async fn listen() -> Result<(TcpListener, String)> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.map_err(no_port)?;
    let address = listener.local_addr().map_err(no_port)?;
    Ok((listener, format!("http://{address}")))
}

#[expect(clippy::needless_pass_by_value, reason = "`map_err` hands it over")]
fn no_port(error: std::io::Error) -> Failure {
    Failure::new(ErrorCode::ServerListen, format!("no port of 127.0.0.1 is free: {error}"))
}

/// Answers host calls until the listener's task is aborted.
pub(crate) async fn answer_host_calls(listener: TcpListener, sandbox: Sandbox) {
    while let Ok((stream, _)) = listener.accept().await {
        let sandbox = sandbox.clone();
        let answer = service_fn(move |request| {
            let sandbox = sandbox.clone();
            async move { Ok::<_, Infallible>(host_call(&sandbox, request).await) }
        });
        tokio::spawn(async move {
            // A service that goes away in the middle hurts only itself.
            let _ = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), answer)
                .await;
        });
    }
}

async fn host_call(sandbox: &Sandbox, request: Request<Incoming>) -> Response<Full<Bytes>> {
    let (parts, body) = request.into_parts();
    let function = parts.uri.path().strip_prefix("/oriel/v1/host/").unwrap_or_default().to_owned();
    let token = parts
        .headers
        .get("authorization")
        .and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "));
    let token = token.unwrap_or_default().to_owned();
    let result = match Limited::new(body, MAX_BODY).collect().await {
        Ok(body) => sandbox.host_call(&token, &function, &body.to_bytes()).await,
        Err(error) => Err(HostCallError::Arguments { reason: error.to_string() }),
    };
    let (status, document) = match result {
        Ok(output) => (200, json!({ "output": output })),
        Err(error) => {
            let code = error.code();
            let problem = json!({ "status": code.status(), "code": code.as_str(), "detail": error.to_string() });
            (code.status(), problem)
        }
    };
    let mut response = Response::new(Full::new(Bytes::from(document.to_string())));
    *response.status_mut() = hyper::StatusCode::from_u16(status).unwrap_or_default();
    let media = hyper::header::HeaderValue::from_static("application/json");
    response.headers_mut().insert(hyper::header::CONTENT_TYPE, media);
    response
}
