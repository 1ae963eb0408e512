//! A release that answers calls.

use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use oriel_model::installation::{Installation, Release};
use oriel_model::limits::{Limits, LimitsRequest};
use oriel_model::manifest::{Declaration, ProgramManifest};
use oriel_model::name::{ContributionName, TenantName};
use oriel_model::schema::{Schema, SchemaError};
use oriel_model::{Digest, ErrorCode, Timestamp};
use oriel_sandbox::{Code, ComponentSource, Gate, HostServices, Pool, PoolSpec, SourceError};
use oriel_store::{Blobs, StoreError};
use serde_json::Value;

use crate::canary::{self, Aside, Trial};
use crate::code::Lookups;
use crate::health::Health;
use crate::{ExtensionError, Shared, config, guest_calls, guest_collections, guest_store, jobs, models, remote, secrets};

/// One release of one installation with its pool of instances. Whoever holds it may finish on it, also after
/// the installation has moved on.
pub struct Active {
    pub(crate) installation: Installation,
    pub(crate) limits: Limits,
    pool: Pool,
    /// Which pool it is: a change that leaves a release as it is keeps its instances.
    mark: Arc<()>,
    programs: HashMap<ContributionName, Arc<Program>>,
    /// What hook handlers say of their payloads and answers, of those that say something.
    handlers: HashMap<ContributionName, Handler>,
    trial: Option<Trial>,
    looked_at: AtomicI64,
}

/// A program that an active release offers.
#[derive(Debug)]
pub struct Program {
    /// What the manifest says of it.
    pub manifest: ProgramManifest,
    /// Its schemas, compiled when another extension first calls it.
    pub(crate) input: OnceLock<Schema>,
    pub(crate) output: OnceLock<Schema>,
}

impl Program {
    const fn new(manifest: ProgramManifest) -> Self {
        Self {
            manifest,
            input: OnceLock::new(),
            output: OnceLock::new(),
        }
    }
}

/// What a hook handler itself says of the payloads that it takes and of its answers.
#[derive(Debug)]
pub struct HandlerSchemas {
    /// Of the payload.
    pub input: Schema,
    /// Of a payload, decision or item that it answers.
    pub output: Schema,
}

struct Handler {
    input: Value,
    output: Value,
    /// Compiled at the first fire.
    compiled: OnceLock<Result<HandlerSchemas, SchemaError>>,
}

fn handlers(release: &Release) -> HashMap<ContributionName, Handler> {
    let hooks = release.manifest.hooks.iter();
    let speaking = hooks.filter(|hook| hook.input_schema.is_some() || hook.output_schema.is_some());
    let handler = |hook: &Declaration| Handler {
        input: hook.input_schema.clone().unwrap_or(Value::Bool(true)),
        output: hook.output_schema.clone().unwrap_or(Value::Bool(true)),
        compiled: OnceLock::new(),
    };
    speaking.map(|hook| (hook.name.clone(), handler(hook))).collect()
}

impl std::fmt::Debug for Active {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Active")
            .field("installation", &self.installation.id)
            .finish_non_exhaustive()
    }
}

impl Active {
    pub(crate) fn new(
        shared: &Shared,
        installation: Installation,
        tenant_name: &TenantName,
        health: Option<Arc<Health>>,
        before: Option<&Self>,
    ) -> Result<Self, ExtensionError> {
        let config = config::open(&shared.sealer, &installation)?;
        let beside = installation.canary.as_ref().zip(canary::view(&installation)).map(|(canary, view)| {
            let gate = health.clone().map(|health| Arc::new(Aside(health)) as Arc<dyn Gate>);
            let before = before.and_then(|before| before.trial.as_ref()).map(Trial::canary);
            let active = match before.filter(|before| before.is_as(&view)) {
                Some(before) => before.clone(),
                None => Arc::new(Self::made(shared, view, tenant_name, &config, gate, None)),
            };
            let watch = shared.canaries.watch(&installation, canary, tenant_name);
            Trial::new(active, canary.share, watch)
        });
        let gate = health.map(|health| health as Arc<dyn Gate>);
        let before = before.filter(|before| before.is_as(&installation));
        let mut active = Self::made(shared, installation, tenant_name, &config, gate, before);
        active.trial = beside;
        Ok(active)
    }

    /// One release; with the instances of `before`, where that is the same.
    fn made(
        shared: &Shared,
        installation: Installation,
        tenant_name: &TenantName,
        config: &Value,
        gate: Option<Arc<dyn Gate>>,
        before: Option<&Self>,
    ) -> Self {
        let limits = limits(&installation.release, &installation.limits, &shared.options.ceiling);
        let (pool, mark) = match before {
            Some(before) => (before.pool.clone(), before.mark.clone()),
            None => {
                let pool = pool(shared, &installation, tenant_name, limits.clone(), config, gate);
                (pool, Arc::default())
            }
        };
        let programs = installation.release.manifest.programs.iter();
        let programs = programs
            .map(|program| (program.name.clone(), Arc::new(Program::new(program.clone()))))
            .collect();
        let looked_at = AtomicI64::new(shared.clock.now().millis());
        let handlers = handlers(&installation.release);
        Self {
            installation,
            limits,
            pool,
            mark,
            programs,
            handlers,
            trial: None,
            looked_at,
        }
    }

    /// Whether instances for `installation` would be just like those that there are.
    fn is_as(&self, installation: &Installation) -> bool {
        let this = &self.installation;
        this.id == installation.id
            && this.release.package == installation.release.package
            && this.grant == installation.grant
            && this.config == installation.config
            && this.secrets == installation.secrets
            && this.limits == installation.limits
            && this.remote == installation.remote
    }

    /// The canary that runs beside it, if one does.
    #[must_use]
    pub const fn trial(&self) -> Option<&Trial> {
        self.trial.as_ref()
    }

    /// The pools that `next` does not go on with.
    pub(crate) fn left_by(&self, next: Option<&Self>) -> Vec<Pool> {
        let all = |active: &Self| {
            let canary = active
                .trial
                .as_ref()
                .map(|trial| (trial.canary().mark.clone(), trial.canary().pool.clone()));
            std::iter::once((active.mark.clone(), active.pool.clone())).chain(canary)
        };
        let kept: Vec<_> = next.into_iter().flat_map(all).collect();
        let left = all(self).filter(|(mark, _)| !kept.iter().any(|(other, _)| Arc::ptr_eq(mark, other)));
        left.map(|(_, pool)| pool).collect()
    }

    /// The installation as it was when this release became active.
    #[must_use]
    pub const fn installation(&self) -> &Installation {
        &self.installation
    }

    /// The version that runs.
    #[must_use]
    pub const fn version(&self) -> &semver::Version {
        &self.installation.release.manifest.version
    }

    /// The limits in force.
    #[must_use]
    pub const fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Its instances.
    #[must_use]
    pub const fn pool(&self) -> &Pool {
        &self.pool
    }

    /// The program of this name.
    ///
    /// # Errors
    /// [`ExtensionError::ProgramNotFound`] with the names that there are.
    pub fn program(&self, name: &str) -> Result<&Arc<Program>, ExtensionError> {
        self.programs.get(name).ok_or_else(|| ExtensionError::ProgramNotFound {
            extension: self.installation.name.to_string(),
            program: name.chars().take(64).collect(),
            programs: self
                .installation
                .release
                .manifest
                .programs
                .iter()
                .map(|program| program.name.to_string())
                .collect(),
        })
    }

    /// What the hook handler of this name says of its payloads and answers; nothing when it says nothing.
    ///
    /// # Errors
    /// When its schemas cannot be used, which no release that was installed has.
    pub fn handler_schemas(&self, name: &str) -> Result<Option<&HandlerSchemas>, &SchemaError> {
        let Some(handler) = self.handlers.get(name) else { return Ok(None) };
        let compiled = handler.compiled.get_or_init(|| {
            Ok(HandlerSchemas {
                input: Schema::compile(&handler.input)?,
                output: Schema::compile(&handler.output)?,
            })
        });
        compiled.as_ref().map(Some)
    }

    /// When this was last compared with the store.
    pub(crate) fn looked_at(&self) -> Timestamp {
        Timestamp::from_millis(self.looked_at.load(Ordering::Relaxed))
    }

    /// Claims the next comparison with the store: true for one of several callers at once.
    pub(crate) fn claim_look(&self, before: Timestamp, now: Timestamp) -> bool {
        self.looked_at
            .compare_exchange(before.millis(), now.millis(), Ordering::Relaxed, Ordering::Relaxed)
            .is_ok()
    }
}

/// The limits of a release: what the administrator set, else what the manifest asks, else the defaults.
pub(crate) fn limits(release: &Release, set: &LimitsRequest, ceiling: &Limits) -> Limits {
    Limits::resolve(&release.manifest.limits, ceiling).override_with(set, ceiling)
}

/// A pool for this state of an installation; nothing is loaded yet.
pub(crate) fn pool(
    shared: &Shared,
    installation: &Installation,
    tenant_name: &TenantName,
    limits: Limits,
    config: &Value,
    gate: Option<Arc<dyn Gate>>,
) -> Pool {
    let release = &installation.release;
    let key_value = guest_store::GuestKeyValue::new(shared, installation.tenant, installation.name.clone(), &limits);
    shared.sandbox.pool(PoolSpec {
        tenant: installation.tenant,
        tenant_name: tenant_name.clone(),
        extension: installation.name.clone(),
        version: release.manifest.version.clone(),
        code: match release.component {
            Some(digest) => Code::Component {
                digest,
                source: Arc::new(PackageSource {
                    blobs: shared.stores.blobs.clone(),
                    package: release.package,
                    limits: shared.options.package.clone(),
                    lookups: shared.code.clone(),
                }),
            },
            None => remote::code(shared, installation),
        },
        services: services(shared, installation, tenant_name, key_value, &limits),
        limits,
        grant: installation.grant.clone(),
        reuse: release.manifest.reuse,
        lifecycle: release.manifest.lifecycle,
        config: config.to_string().into(),
        gate,
    })
}

/// Where its guests' host calls end.
fn services(
    shared: &Shared,
    installation: &Installation,
    tenant_name: &TenantName,
    key_value: guest_store::GuestKeyValue,
    limits: &Limits,
) -> HostServices {
    let Installation { tenant, name, .. } = installation;
    let log = shared.logs.sink(*tenant, name.clone());
    let opened = secrets::open(&shared.sealer, installation);
    HostServices {
        calls: Arc::new(guest_calls::GuestCalls::new(shared, *tenant, tenant_name)),
        collections: Arc::new(guest_collections::GuestCollections::new(shared, installation, limits)),
        secrets: Arc::new(secrets::GuestSecrets::new(opened, shared.refusals.clone())),
        metrics: shared.guest_metrics.of(*tenant, tenant_name, name),
        queue: Arc::new(jobs::GuestQueue::new(shared, *tenant, tenant_name, name, installation.id)),
        models: Arc::new(models::GuestModels::new(shared, *tenant, name)),
        contacts: shared.baselines.of(*tenant, name).hosts.clone(),
        ..HostServices::new(Arc::new(key_value), Arc::new(log), Arc::new(shared.refusals.clone()))
    }
}

/// The component inside a stored package, for when the native artifact is gone (another machine, another engine).
struct PackageSource {
    blobs: Arc<dyn Blobs>,
    package: Digest,
    limits: oriel_package::ReadLimits,
    lookups: Arc<Lookups>,
}

#[async_trait::async_trait]
impl ComponentSource for PackageSource {
    async fn load(&self) -> Result<Bytes, SourceError> {
        self.lookups.miss();
        let bytes = self.blobs.get(self.package).await.map_err(|error| SourceError::new(&error))?;
        let bytes = bytes.ok_or_else(|| SourceError {
            code: ErrorCode::StoreCorrupt,
            message: StoreError::Corrupt {
                what: format!("package {}", self.package),
            }
            .to_string(),
        })?;
        let unpacked = oriel_package::read(&bytes, &self.limits).map_err(|error| SourceError::new(&error))?;
        let component = unpacked.package.component.ok_or_else(|| SourceError {
            code: ErrorCode::StoreCorrupt,
            message: "the package has no component".to_owned(),
        })?;
        Ok(component.into())
    }
}
