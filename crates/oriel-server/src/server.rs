//! The composition root: opens the stores, builds the services, listens, and takes all of it down again in order.

mod accept;
mod bindings;
mod error;
mod files;
mod maintenance;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use oriel_access::{Access, AccessOptions, OidcOptions};
use oriel_extensions::{AnomalyOptions, Extensions, ExtensionsOptions, HealthOptions, JobOptions, ModelOptions, Watcher};
use oriel_hooks::{Hooks, HooksOptions};
use oriel_model::anomaly::AnomalyAction;
use oriel_model::health_policy::HealthPolicy;
use oriel_model::quota::{Quotas, RateLimit};
use oriel_model::time::{Clock, SystemClock};
use oriel_sandbox::{Sandbox, SandboxOptions};
use oriel_store::{Journal, Stores};
use oriel_store_fs::{FsBlobs, FsJournal};
use oriel_store_sql::{SqlOptions, SqlStores, Synchronous};
use oriel_tasks::{Tasks, TasksOptions};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use self::error::ServerError;
use crate::api;
use crate::app::App;
use crate::completions::Completions;
use crate::config::{Config, Durability, Secret};
use crate::edge::Edge;
use crate::metrics::Metrics;
use crate::operations::policy_actions;

/// Starts servers.
#[derive(Debug)]
pub struct Server;

/// A server that answers. Dropping it stops it without draining; call [`RunningServer::shutdown`].
pub struct RunningServer {
    addr: SocketAddr,
    bootstrap_key: Option<Secret>,
    app: Arc<App>,
    stop: CancellationToken,
    accepting: tokio::task::JoinHandle<()>,
    watcher: Option<Watcher>,
    sql: SqlStores,
    _lock: files::Lock,
}

impl std::fmt::Debug for RunningServer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RunningServer").field("addr", &self.addr).finish_non_exhaustive()
    }
}

impl Server {
    /// Starts a server and answers when it is ready.
    ///
    /// # Errors
    /// When the configuration, the data directory, the database or the address cannot be used. Nothing runs then.
    pub async fn start(config: Config) -> Result<RunningServer, ServerError> {
        let config = Arc::new(config);
        let lock = files::claim(&config.data_dir)?;
        let sealer = files::sealer(&config)?;
        let node = files::node_id(&config)?;
        let listener = listen(config.listen).await?;
        let addr = listener.local_addr().map_err(|source| ServerError::Listen {
            address: config.listen,
            source,
        })?;
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let sql = oriel_store_sql::open(&config.database_url(), sql_options(&config)).await?;
        let blobs = FsBlobs::open(config.data_dir.join("packages")).await?;
        let metrics = Metrics::new();
        let stores = metrics.timed(Stores {
            journal: journal(&config)?,
            ..sql.stores(Arc::new(blobs))
        });
        let public_url = config.public_url.clone().unwrap_or_else(|| format!("http://{addr}"));
        let public_url = public_url.trim_end_matches('/').to_owned();
        let access = Access::with_options(access_options(&config, &public_url)?, &stores, clock.clone())?;
        let bootstrap = access.bootstrap(config.bootstrap_key.as_ref().map(Secret::reveal)).await?;
        let sandbox = Sandbox::new(sandbox_options(&config, &public_url)?)?;
        let options = ExtensionsOptions {
            ceiling: config.limits.clone(),
            private_networks: config.private_networks.0.clone(),
            platform_hooks: oriel_hooks::platform_hooks(),
            health: health_options(&config),
            anomalies: AnomalyOptions {
                window: config.anomalies_window.0,
                learn: config.anomalies_learn.0,
                ..AnomalyOptions::default()
            },
            node: node.clone(),
            jobs: JobOptions {
                concurrent: config.jobs_concurrent,
                per_tenant: config.jobs_per_tenant,
            },
            model: model(&config)?,
            ..ExtensionsOptions::default()
        };
        let extensions = Extensions::new(
            options,
            stores.clone(),
            sandbox,
            access.clone(),
            files::sealer(&config)?,
            clock.clone(),
        );
        let hooks = Hooks::new(HooksOptions::default(), stores.clone(), extensions.clone(), clock.clone());
        let tasks = Tasks::new(
            TasksOptions {
                recording: config.recording,
                keep_executions: config.retention_executions.0,
                keep_batches: config.retention_batches.0,
                max_batch: config.max_batch_items as usize,
                node: node.clone(),
            },
            stores.clone(),
            extensions.clone(),
            hooks.clone(),
            clock.clone(),
        );
        tasks.recover().await?;
        bindings::declare(&config, &stores, &extensions).await?;
        let watcher = match &config.extensions_dir {
            Some(directory) => {
                Some(
                    extensions
                        .watch(directory.clone(), bootstrap.tenant.clone())
                        .map_err(|source| ServerError::Watch {
                            path: directory.clone(),
                            source: Box::new(source),
                        })?,
                )
            }
            None => None,
        };
        let app = Arc::new(App {
            config,
            clock,
            stores,
            access,
            extensions,
            hooks,
            tasks,
            sealer,
            metrics,
            public_url,
            background: TaskTracker::new(),
            ending: CancellationToken::new(),
            ready: AtomicBool::new(true),
        });
        let edge = Arc::new(Edge::new(app.clone(), api::router(app.clone())));
        maintenance::start(&app);
        app.background.spawn(app.hooks.clone().work(app.ending.clone()));
        app.background.spawn(app.hooks.clone().follow(app.ending.clone()));
        app.background.spawn(app.extensions.clone().run_jobs(app.ending.clone()));
        app.background.spawn(app.tasks.clone().judge_in_background(app.ending.clone()));
        let stop = CancellationToken::new();
        let accepting = tokio::spawn(accept::serve(listener, edge, stop.clone()));
        tracing::info!(%addr, version = env!("CARGO_PKG_VERSION"), node, "listening");
        Ok(RunningServer {
            addr,
            bootstrap_key: bootstrap.created.map(|created| Secret::new(created.secret)),
            app,
            stop,
            accepting,
            watcher,
            sql,
            _lock: lock,
        })
    }
}

impl RunningServer {
    /// Where it listens.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// The owner key that this start made, to be shown once.
    #[must_use]
    pub fn bootstrap_key(&self) -> Option<&str> {
        self.bootstrap_key.as_ref().map(Secret::reveal)
    }

    /// Serves until SIGTERM or SIGINT, then drains.
    ///
    /// # Errors
    /// When the signals cannot be waited for.
    pub async fn wait(self) -> Result<(), ServerError> {
        use tokio::signal::unix::{SignalKind, signal};
        let failed = |source| ServerError::Signals { source };
        let mut terminate = signal(SignalKind::terminate()).map_err(failed)?;
        let mut interrupt = signal(SignalKind::interrupt()).map_err(failed)?;
        tokio::select! {
            _ = terminate.recv() => tracing::info!("SIGTERM: draining"),
            _ = interrupt.recv() => tracing::info!("SIGINT: draining"),
        }
        self.shutdown().await;
        Ok(())
    }

    /// Says for `drain_grace` that it is not ready, stops taking work, lets what is in flight finish within
    /// `drain_timeout`, and flushes what is kept.
    pub async fn shutdown(mut self) {
        let app = self.app.clone();
        app.ready.store(false, Ordering::Relaxed);
        tokio::time::sleep(app.config.drain_grace.0).await;
        app.ending.cancel();
        self.stop.cancel();
        let patience = app.config.drain_timeout.0;
        if tokio::time::timeout(patience, &mut self.accepting).await.is_err() {
            tracing::warn!("requests were cut off at the end of `drain_timeout`");
            self.accepting.abort();
        }
        self.watcher = None;
        app.background.close();
        let _ = tokio::time::timeout(Duration::from_secs(10), app.background.wait()).await;
        app.tasks.flush().await;
        app.extensions.flush().await;
        app.access.flush().await;
        self.sql.close().await;
        tracing::info!("stopped");
    }
}

impl Drop for RunningServer {
    fn drop(&mut self) {
        self.app.ending.cancel();
        self.stop.cancel();
    }
}

fn sql_options(config: &Config) -> SqlOptions {
    let mut options = SqlOptions::default();
    options.synchronous = match config.durability {
        Durability::Normal => Synchronous::Normal,
        Durability::Full => Synchronous::Full,
    };
    options
}

/// What the access service is told.
fn access_options(config: &Config, public_url: &str) -> Result<AccessOptions, ServerError> {
    let oidc = match (&config.oidc_issuer, &config.oidc_client_id) {
        (Some(issuer), Some(client_id)) => {
            let options = OidcOptions {
                issuer: issuer.clone(),
                client_id: client_id.clone(),
                client_secret: config.oidc_client_secret.as_ref().map(|secret| secret.reveal().to_owned()),
                redirect_url: format!("{public_url}/api/v1/auth/callback"),
                scopes: config.oidc_scopes.0.clone(),
                role_claim: config.oidc_role_claim.clone(),
                roles: config.oidc_roles.0.clone(),
            };
            let roots = match &config.ca_certificates {
                Some(path) => vec![std::fs::read(path).map_err(|error| ServerError::Certificates {
                    path: path.clone(),
                    reason: error.to_string(),
                })?],
                None => Vec::new(),
            };
            Some((options, files::sealer(config)?, roots))
        }
        _ => None,
    };
    Ok(AccessOptions {
        actions: policy_actions(),
        quotas: Quotas {
            rate_limit: config.quota_requests_per_second.map(|requests_per_second| RateLimit {
                requests_per_second,
                burst: config.quota_burst,
            }),
            concurrent_requests: config.quota_concurrent_requests,
            extensions: config.quota_extensions,
            tasks: config.quota_tasks,
            keys: config.quota_keys,
            stored_bytes: config.quota_stored_bytes.map(|size| size.0),
        },
        oidc,
        session_ttl: config.session_ttl.0,
    })
}

/// The model that extensions may ask.
fn model(config: &Config) -> Result<Option<ModelOptions>, ServerError> {
    let Some(url) = &config.model_url else { return Ok(None) };
    let roots = match &config.ca_certificates {
        Some(path) => vec![std::fs::read(path).map_err(|error| ServerError::Certificates {
            path: path.clone(),
            reason: error.to_string(),
        })?],
        None => Vec::new(),
    };
    let endpoint = Completions::new(url, config.model_api_key.clone(), config.model_token_limit, &roots);
    let endpoint = endpoint.map_err(|reason| ServerError::Certificates {
        path: config.ca_certificates.clone().unwrap_or_default(),
        reason,
    })?;
    Ok(Some(ModelOptions {
        endpoint: Arc::new(endpoint),
        models: config.model_models.0.clone(),
        max_tokens: config.model_max_tokens,
        timeout: config.model_timeout.0,
    }))
}

/// This node's journal, where the database is this node's own file. Nodes that share a database write to it directly: what
/// one of them has answered for must not wait for that very node.
fn journal(config: &Config) -> Result<Option<Arc<dyn Journal>>, ServerError> {
    let directory = config.data_dir.join("journal");
    if !config.database_url().starts_with("sqlite:") {
        if directory.read_dir().is_ok_and(|mut left| left.next().is_some()) {
            tracing::warn!(
                path = %directory.display(),
                "this journal belongs to the SQLite database that was used before; start with that once, so that it gets its last records"
            );
        }
        return Ok(None);
    }
    let sync = config.durability == Durability::Full;
    Ok(Some(Arc::new(FsJournal::open(directory, sync)?)))
}

/// When extensions count as ill here.
fn health_options(config: &Config) -> HealthOptions {
    HealthOptions {
        crashes: config.health_crashes,
        window: config.health_window.0,
        min_calls: config.health_min_calls,
        error_rate: config.health_error_rate,
        degraded_rate: config.health_degraded_rate,
        backoff_min: config.health_backoff.0,
        backoff_max: config.health_backoff_max.0,
        probes: config.health_probes,
        quarantine_trips: config.health_quarantine_trips,
        quarantine_for: Some(config.health_quarantine_for.0).filter(|span| !span.is_zero()),
        check_interval: config.health_check_interval.0,
        by_extension: config.health_policies.clone(),
        policy: HealthPolicy {
            on_anomaly: config.anomalies_quarantine.then_some(AnomalyAction::Quarantine),
            ..HealthPolicy::default()
        },
        ..HealthOptions::default()
    }
}

/// How extensions run here.
fn sandbox_options(config: &Config, public_url: &str) -> Result<SandboxOptions, ServerError> {
    let mut options = SandboxOptions::new(config.code_dir());
    let callback_url = config.remote_callback_url.as_deref().unwrap_or(public_url);
    options.callback_url = Some(callback_url.trim_end_matches('/').to_owned());
    if let Some(path) = &config.ca_certificates {
        let failed = |reason: String| ServerError::Certificates {
            path: path.clone(),
            reason,
        };
        let pem = std::fs::read(path).map_err(|error| failed(error.to_string()))?;
        let roots = options.trusted_roots.and_pem(&pem);
        options.trusted_roots = roots.map_err(|error| failed(error.to_string()))?;
    }
    Ok(options)
}

async fn listen(address: SocketAddr) -> Result<TcpListener, ServerError> {
    TcpListener::bind(address)
        .await
        .map_err(|source| ServerError::Listen { address, source })
}
