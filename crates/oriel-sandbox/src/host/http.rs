//! Outbound HTTP: only to hosts of the grant, only to addresses that were checked, within size and time limits.
//!
//! A host name is resolved once, here, and the connection goes to an address of that answer: a name that answers
//! differently the second time (DNS rebinding) gains nothing. Redirects come back to the guest as they are, so
//! each hop is a request of its own and is checked like the first. There are no proxies.

mod body;
mod codes;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use http::{Method, Request, Response, Uri};
use http_body_util::BodyExt;
use oriel_model::id::ExecutionId;
use oriel_model::limits::Limits;
use oriel_model::log::LogLevel;
use oriel_model::permissions::Scheme;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout_at};
use wasmtime_wasi_http::io::TokioIo;
use wasmtime_wasi_http::p2::bindings::http::types::ErrorCode;
use wasmtime_wasi_http::{Error, RequestOptions, WasiBody, WasiHttpHooks};

use self::body::ResponseBody;
use super::log::Lines;
use super::secrets::{Destination, Forbidden, Placeholders};
use crate::meter::{self, Meter};
use crate::options::SandboxOptions;
use crate::pool::PoolSpec;
use crate::ports::{Refusal, SecretUse};
use crate::state::{DRY_RUN, InCall, State};

type Driver = Box<dyn Future<Output = Result<(), Error>> + Send>;
type Sent = Result<(Response<WasiBody>, Driver), Error>;

/// What outbound requests of one instance share.
pub(super) struct Outbound {
    spec: Arc<PoolSpec>,
    options: Arc<SandboxOptions>,
    meter: Arc<Meter>,
    connections: Arc<Semaphore>,
    lines: Arc<Lines>,
    placeholders: Arc<Placeholders>,
    /// Made for the first request over TLS.
    tls: Option<Arc<rustls::ClientConfig>>,
    requests_left: u32,
    dry_run: bool,
    execution: Option<ExecutionId>,
    /// The call's soft deadline, as [`meter::now`] counts.
    deadline: u64,
}

impl Outbound {
    pub(super) fn new(state: &State, lines: Arc<Lines>) -> Self {
        Self {
            spec: Arc::clone(&state.spec),
            options: Arc::clone(&state.options),
            meter: Arc::clone(&state.meter),
            connections: Arc::new(Semaphore::new(state.spec.limits.connections as usize)),
            lines,
            placeholders: Arc::clone(&state.placeholders),
            tls: None,
            requests_left: 0,
            dry_run: false,
            execution: None,
            deadline: 0,
        }
    }

    pub(super) fn begin(&mut self, call: &InCall, limits: &Limits) {
        self.requests_left = limits.http_requests;
        self.dry_run = call.dry_run;
        self.execution = call.execution;
        self.deadline = call.soft;
    }

    /// Everything that can be judged before the network is touched. Afterwards the headers hold the secrets that they asked for.
    fn admit(&mut self, request: &mut Request<WasiBody>) -> Result<Exchange, Error> {
        let Some(left) = self.requests_left.checked_sub(1) else {
            let limit = self.spec.limits.http_requests;
            return Err(Error::InternalError(Some(format!(
                "http_requests: one call may make {limit} requests"
            ))));
        };
        self.requests_left = left;
        if request.method() == Method::CONNECT {
            return Err(Error::HttpRequestMethodInvalid);
        }
        let target = Target::of(request.uri())?;
        let roots = &self.options.trusted_roots;
        let tls = (target.scheme == Scheme::Https).then(|| Arc::clone(self.tls.get_or_insert_with(|| roots.client())));
        let exchange = Exchange {
            spec: Arc::clone(&self.spec),
            options: Arc::clone(&self.options),
            meter: Arc::clone(&self.meter),
            execution: self.execution,
            deadline: Instant::now()
                + self
                    .spec
                    .limits
                    .http_timeout
                    .0
                    .min(Duration::from_nanos(self.deadline.saturating_sub(meter::now()))),
            target,
            lines: Arc::clone(&self.lines),
            tls,
        };
        let Target { scheme, host, port } = &exchange.target;
        if !self.spec.grant.allows_host(*scheme, host, *port) {
            exchange.refuse(format!("network {host}:{port}"));
            return Err(Error::HttpRequestDenied);
        }
        if self.dry_run {
            return Err(Error::InternalError(Some(DRY_RUN.to_owned())));
        }
        self.put_secrets(request, &exchange)?;
        let Target { scheme, host, port } = &exchange.target;
        self.spec.services.contacts.contacted(*scheme, host, *port);
        Ok(exchange)
    }

    /// Puts secrets where their placeholders stand in the headers, if they may go where the request goes.
    fn put_secrets(&self, request: &mut Request<WasiBody>, exchange: &Exchange) -> Result<(), Error> {
        let Target { scheme, host, port } = &exchange.target;
        let to = Destination {
            scheme: *scheme,
            host,
            port: *port,
        };
        let secrets = &*self.spec.services.secrets;
        match self.placeholders.fill(request.headers_mut(), to, &self.spec.grant, secrets) {
            Ok(used) => {
                for secret in used {
                    secrets.used(SecretUse {
                        tenant: self.spec.tenant,
                        extension: self.spec.extension.clone(),
                        execution: self.execution,
                        secret,
                        host: format!("{}://{host}:{port}", scheme.text()),
                    });
                }
            }
            Err(Forbidden(secret)) => {
                exchange.refuse(format!("secrets {secret} for {}://{host}:{port}", scheme.text()));
                return Err(Error::HttpRequestDenied);
            }
        }
        if request
            .uri()
            .path_and_query()
            .is_some_and(|path| self.placeholders.stand_in(path.as_str()))
        {
            self.lines.write(
                LogLevel::Warn,
                "outbound HTTP: a placeholder of a secret in the path or query stays as it is; secrets are put into header values only"
                    .to_owned(),
                Vec::new(),
            );
        }
        Ok(())
    }
}

impl WasiHttpHooks for Outbound {
    fn send_request(
        &mut self,
        mut request: Request<WasiBody>,
        options: Option<RequestOptions>,
        _done: Box<dyn Future<Output = Result<(), Error>> + Send>,
    ) -> Box<dyn Future<Output = Sent> + Send> {
        let exchange = match self.admit(&mut request) {
            Ok(exchange) => exchange,
            Err(error) => return Box::new(async { Err(error) }),
        };
        let Ok(permit) = Arc::clone(&self.connections).try_acquire_owned() else {
            return Box::new(async { Err(Error::ConnectionLimitReached) });
        };
        Box::new(exchange.run(request, options.unwrap_or_default(), permit))
    }

    fn p2_error_from_hyper(&mut self, error: &hyper::Error) -> ErrorCode {
        codes::of_hyper(error)
    }

    fn p2_error_from_connect(&mut self, error: &std::io::Error) -> ErrorCode {
        codes::of_connect(error)
    }

    fn p2_error_from_tls(&mut self, error: &std::io::Error) -> ErrorCode {
        codes::of_tls(error)
    }
}

/// Where a request goes.
struct Target {
    scheme: Scheme,
    /// Without the brackets of an IPv6 address.
    host: String,
    port: u16,
}

impl Target {
    fn of(uri: &Uri) -> Result<Self, Error> {
        let authority = uri.authority().ok_or(Error::HttpRequestUriInvalid)?;
        if authority.as_str().contains('@') {
            return Err(Error::HttpRequestUriInvalid);
        }
        let scheme = match uri.scheme_str() {
            Some("http") => Scheme::Http,
            Some("https") => Scheme::Https,
            _ => return Err(Error::HttpProtocolError),
        };
        let host = authority.host();
        let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        if host.is_empty() {
            return Err(Error::HttpRequestUriInvalid);
        }
        let port = match authority.port() {
            Some(_) => authority.port_u16().filter(|port| *port != 0).ok_or(Error::HttpRequestUriInvalid)?,
            None => scheme.default_port(),
        };
        Ok(Self {
            scheme,
            host: host.to_owned(),
            port,
        })
    }
}

/// One request on its way.
struct Exchange {
    spec: Arc<PoolSpec>,
    options: Arc<SandboxOptions>,
    meter: Arc<Meter>,
    execution: Option<ExecutionId>,
    deadline: Instant,
    target: Target,
    lines: Arc<Lines>,
    /// Present for `https`.
    tls: Option<Arc<rustls::ClientConfig>>,
}

impl Exchange {
    async fn run(self, request: Request<WasiBody>, options: RequestOptions, permit: OwnedSemaphorePermit) -> Sent {
        let connect_by = earlier(self.deadline, options.connect_timeout);
        let addresses = timeout_at(connect_by, self.resolve()).await.map_err(|_| Error::DnsTimeout)??;
        if let Some(connector) = &self.options.connector {
            let connecting = connector.connect(self.target.scheme, &self.target.host, &addresses);
            let stream = timeout_at(connect_by, connecting)
                .await
                .map_err(|_| Error::ConnectionTimeout)?
                .map_err(Error::Connect)?;
            return self.send(request, options, permit, stream).await;
        }
        let stream = timeout_at(connect_by, connect(&addresses))
            .await
            .map_err(|_| Error::ConnectionTimeout)??;
        let Some(tls) = &self.tls else {
            return self.send(request, options, permit, stream).await;
        };
        let name = server_name(&self.target.host)?;
        let connector = tokio_rustls::TlsConnector::from(Arc::clone(tls));
        let stream = timeout_at(connect_by, connector.connect(name, stream))
            .await
            .map_err(|_| Error::ConnectionTimeout)?
            .map_err(|error| self.distrust(error))?;
        self.send(request, options, permit, stream).await
    }

    /// TLS was not agreed upon. The guest's error has no room for a reason (an unknown authority, another name, a date
    /// that has passed), so its log says it.
    fn distrust(&self, error: std::io::Error) -> Error {
        let Target { host, port, .. } = &self.target;
        self.lines.write(
            LogLevel::Warn,
            format!("outbound HTTP: TLS with {host}:{port} failed: {error}"),
            Vec::new(),
        );
        Error::Tls(error)
    }

    /// The addresses behind the host, all of them allowed.
    async fn resolve(&self) -> Result<Vec<SocketAddr>, Error> {
        let Target { host, port, .. } = &self.target;
        let addresses = match host.parse::<IpAddr>() {
            Ok(address) => vec![SocketAddr::new(address, *port)],
            Err(_) => self.options.resolver.resolve(host, *port).await.map_err(|error| Error::DnsError {
                rcode: Some(error.to_string()),
                info_code: None,
            })?,
        };
        if addresses.is_empty() {
            return Err(Error::DestinationNotFound);
        }
        // One forbidden address spoils the answer: choosing among them would let a name mix public and private.
        if let Some(forbidden) = addresses.iter().find(|address| !self.spec.grant.allows_address(address.ip())) {
            self.refuse(format!("private_network {} (behind {host})", forbidden.ip()));
            return Err(Error::DestinationIpProhibited);
        }
        Ok(addresses.into_iter().map(|address| SocketAddr::new(address.ip(), *port)).collect())
    }

    async fn send<S>(self, mut request: Request<WasiBody>, options: RequestOptions, permit: OwnedSemaphorePermit, stream: S) -> Sent
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let (mut sender, connection) = hyper::client::conn::http1::Builder::new()
            .handshake(TokioIo::new(stream))
            .await
            .map_err(Error::from)?;
        // Scheme and authority are written on the wire for proxies only.
        let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
        *request.uri_mut() = Uri::builder()
            .path_and_query(path)
            .build()
            .map_err(|_| Error::HttpRequestUriInvalid)?;
        let counter = Arc::clone(&self.meter);
        let request = request.map(|body| {
            body.map_frame(move |frame| {
                counter.count_outbound(frame.data_ref().map_or(0, |data| data.len() as u64));
                frame
            })
        });

        let first_byte_by = earlier(self.deadline, options.first_byte_timeout);
        let mut connection = Box::pin(connection);
        let answer = {
            let mut sending = std::pin::pin!(sender.send_request(request));
            let mut open = true;
            timeout_at(
                first_byte_by,
                std::future::poll_fn(|context| {
                    if open && connection.as_mut().poll(context).is_ready() {
                        open = false;
                    }
                    sending.as_mut().poll(context)
                }),
            )
            .await
            .map_err(|_| Error::HttpResponseTimeout)?
            .map_err(Error::from)?
        };
        let limit = self.spec.limits.http_response.0;
        let length = answer.headers().get(http::header::CONTENT_LENGTH);
        let length = length
            .and_then(|value| value.to_str().ok())
            .and_then(|text| text.parse::<u64>().ok());
        if length.is_some_and(|length| length > limit) && request_has_body(&answer) {
            return Err(Error::HttpResponseBodySize(length));
        }
        let response = answer.map(|incoming| {
            ResponseBody::new(incoming, limit, self.deadline, options.between_bytes_timeout, self.meter, permit).boxed_unsync()
        });
        let driver: Driver = Box::new(async move {
            // Keeps the sending half until the body has been read, or the connection would be closed under it.
            let _sender = sender;
            connection.await.map_err(Error::from)
        });
        Ok((response, driver))
    }

    fn refuse(&self, what: String) {
        self.spec.services.refusals.refused(Refusal {
            tenant: self.spec.tenant,
            extension: self.spec.extension.clone(),
            execution: self.execution,
            what,
        });
    }
}

/// Whether a declared length means bytes to come (an answer to HEAD declares and sends none).
fn request_has_body(answer: &Response<hyper::body::Incoming>) -> bool {
    !http_body::Body::is_end_stream(answer.body())
}

fn earlier(deadline: Instant, asked: Option<Duration>) -> Instant {
    asked
        .and_then(|asked| Instant::now().checked_add(asked))
        .map_or(deadline, |asked| asked.min(deadline))
}

async fn connect(addresses: &[SocketAddr]) -> Result<TcpStream, Error> {
    let mut last = Error::DestinationNotFound;
    for address in addresses {
        match TcpStream::connect(address).await {
            Ok(stream) => {
                // Requests are written whole; waiting for more to send helps nobody.
                let _ = stream.set_nodelay(true);
                return Ok(stream);
            }
            Err(error) => last = Error::Connect(error),
        }
    }
    Err(last)
}

fn server_name(host: &str) -> Result<rustls::pki_types::ServerName<'static>, Error> {
    match host.parse::<IpAddr>() {
        Ok(address) => Ok(address.into()),
        Err(_) => rustls::pki_types::ServerName::try_from(host.to_owned()).map_err(|_| Error::HttpRequestUriInvalid),
    }
}
