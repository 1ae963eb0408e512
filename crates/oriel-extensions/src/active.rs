//! A release that answers calls.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use bytes::Bytes;
use oriel_model::installation::{Installation, Release};
use oriel_model::limits::{Limits, LimitsRequest};
use oriel_model::manifest::ProgramManifest;
use oriel_model::name::{ContributionName, TenantName};
use oriel_model::{Digest, ErrorCode, Timestamp};
use oriel_sandbox::{ComponentSource, HostServices, Pool, PoolSpec, SourceError};
use oriel_store::{Blobs, StoreError};
use serde_json::Value;

use crate::code::Lookups;
use crate::{ExtensionError, Shared, config, guest_store};

/// One release of one installation with its pool of instances. Whoever holds it may finish on it, also after
/// the installation has moved on.
pub struct Active {
    pub(crate) installation: Installation,
    pub(crate) limits: Limits,
    pool: Pool,
    programs: HashMap<ContributionName, Arc<Program>>,
    looked_at: AtomicI64,
}

/// A program that an active release offers.
#[derive(Debug)]
pub struct Program {
    /// What the manifest says of it.
    pub manifest: ProgramManifest,
}

impl std::fmt::Debug for Active {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Active")
            .field("installation", &self.installation.id)
            .finish_non_exhaustive()
    }
}

impl Active {
    pub(crate) fn new(shared: &Shared, installation: Installation, tenant_name: &TenantName) -> Result<Self, ExtensionError> {
        let config = config::open(&shared.sealer, &installation)?;
        let limits = limits(&installation.release, &installation.limits, &shared.options.ceiling);
        let pool = pool(shared, &installation, tenant_name, limits.clone(), &config);
        let programs = installation.release.manifest.programs.iter();
        let programs = programs
            .map(|program| (program.name.clone(), Arc::new(Program { manifest: program.clone() })))
            .collect();
        let looked_at = AtomicI64::new(shared.clock.now().millis());
        Ok(Self {
            installation,
            limits,
            pool,
            programs,
            looked_at,
        })
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
pub(crate) fn pool(shared: &Shared, installation: &Installation, tenant_name: &TenantName, limits: Limits, config: &Value) -> Pool {
    let release = &installation.release;
    let key_value = guest_store::GuestKeyValue::new(shared, installation.tenant, installation.name.clone(), &limits);
    shared.sandbox.pool(PoolSpec {
        tenant: installation.tenant,
        tenant_name: tenant_name.clone(),
        extension: installation.name.clone(),
        version: release.manifest.version.clone(),
        component: release.component,
        source: Arc::new(PackageSource {
            blobs: shared.stores.blobs.clone(),
            package: release.package,
            limits: shared.options.package.clone(),
            lookups: shared.code.clone(),
        }),
        limits,
        grant: installation.grant.clone(),
        reuse: release.manifest.reuse,
        lifecycle: release.manifest.lifecycle,
        config: config.to_string().into(),
        services: HostServices {
            key_value: Arc::new(key_value),
            log: Arc::new(shared.logs.sink(installation.tenant, installation.name.clone())),
            refusals: Arc::new(shared.refusals.clone()),
        },
    })
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
        Ok(unpacked.package.component.into())
    }
}
