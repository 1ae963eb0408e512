//! From package bytes to a checked, compiled release.

use bytes::Bytes;
use oriel_access::Access;
use oriel_model::access::{Principal, Scope};
use oriel_model::id::TenantId;
use oriel_model::installation::Release;
use oriel_model::limits::Limits;
use oriel_model::manifest::{HOST_API, Manifest};
use oriel_model::permissions::Permissions;
use oriel_model::remote::RemoteUrl;
use oriel_sandbox::{Sandbox, Shape};
use oriel_store::StoreError;

use crate::{ExtensionError, Extensions};

/// What an administrator agrees to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Consent {
    /// Nothing new: permissions beyond the present grant wait.
    Withheld,
    /// All that the release asks for.
    All,
    /// These, which the release must ask for; it then runs with less than it wants.
    Exactly(Permissions),
}

/// How a package is installed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InstallOptions {
    /// What the administrator agrees to.
    pub consent: Consent,
    /// Whether it shall answer calls at once.
    pub enable: bool,
    /// Where the service of a remote extension runs; absent: where the manifest says.
    pub remote_url: Option<RemoteUrl>,
}

impl InstallOptions {
    /// As the manifest says where a service runs.
    #[must_use]
    pub const fn new(consent: Consent, enable: bool) -> Self {
        Self {
            consent,
            enable,
            remote_url: None,
        }
    }
}

/// What a package is, before anything is kept of it.
#[derive(Debug, Clone)]
pub struct Inspection {
    /// The release that installing it would make.
    pub release: Release,
    /// What the component imports and exports; nothing of a remote extension.
    pub shape: Shape,
}

/// A release whose component is compiled, and the bytes to keep.
pub(crate) struct Prepared {
    pub(crate) release: Release,
    pub(crate) bytes: Bytes,
}

impl Extensions {
    /// Reads and checks a package; keeps nothing and compiles nothing.
    ///
    /// # Errors
    /// When the principal may not, or the package, its manifest or its component is not valid.
    pub async fn inspect(&self, principal: &Principal, bytes: Bytes) -> Result<Inspection, ExtensionError> {
        Access::require(principal, Scope::ExtensionsRead)?;
        let (release, shape, _) = self.read(bytes).await?;
        Ok(Inspection { release, shape })
    }

    /// Reads, checks and compiles a package. What it leaves behind when a later step fails is a cache entry.
    pub(crate) async fn prepare(&self, bytes: Bytes) -> Result<Prepared, ExtensionError> {
        let (release, _, component) = self.read(bytes.clone()).await?;
        if let (Some(digest), Some(component)) = (release.component, component) {
            if self.shared.sandbox.prepare(digest, &component).await? {
                self.shared.code.miss();
            } else {
                self.shared.code.hit();
            }
        }
        Ok(Prepared { release, bytes })
    }

    async fn read(&self, bytes: Bytes) -> Result<(Release, Shape, Option<Vec<u8>>), ExtensionError> {
        let options = self.shared.options.clone();
        let work = move || {
            let size = bytes.len() as u64;
            let unpacked = oriel_package::read(&bytes, &options.package)?;
            let manifest = unpacked.package.manifest;
            check_host(&manifest, &options.ceiling)?;
            let shape = match &unpacked.package.component {
                Some(component) => {
                    let shape = Sandbox::inspect(component)?;
                    Sandbox::check(&shape, &manifest)?;
                    shape
                }
                None => Shape::default(),
            };
            let release = Release {
                manifest,
                package: unpacked.digest,
                component: unpacked.component_digest,
                size,
            };
            Ok((release, shape, unpacked.package.component))
        };
        tokio::task::spawn_blocking(work).await.unwrap_or_else(|panic| {
            let source = format!("reading a package panicked: {panic}").into();
            Err(StoreError::Unavailable { source }.into())
        })
    }

    /// Keeps a prepared release's bytes and makes its version immutable for the tenant. The caller holds `packages` until
    /// something refers to the bytes, and forgets them when nothing will.
    pub(crate) async fn keep(&self, tenant: TenantId, prepared: &Prepared) -> Result<(), ExtensionError> {
        let release = &prepared.release;
        self.shared.stores.blobs.put(release.package, prepared.bytes.clone()).await?;
        let recorded = self.shared.stores.installations.record_release(tenant, release).await;
        recorded.map_err(|error| match error {
            StoreError::Exists { .. } => ExtensionError::VersionExists {
                name: release.manifest.name.to_string(),
                version: release.manifest.version.to_string(),
            },
            error => error.into(),
        })
    }

    /// Deletes a package that no installation uses. A failure costs disk space, not correctness.
    pub(crate) async fn forget_package(&self, package: oriel_model::Digest) {
        // Whoever keeps the same package just now has to refer to it first.
        let _alone = self.shared.packages.write().await;
        let result = match self.shared.stores.installations.uses_package(package).await {
            Ok(false) => self.shared.stores.blobs.delete(package).await,
            Ok(true) => Ok(()),
            Err(error) => Err(error),
        };
        if let Err(error) = result {
            tracing::warn!(%package, error = &error as &dyn std::error::Error, "an unused package stays on disk");
        }
    }

    /// What a release is allowed, given the present grant and the administrator's consent; `None` when it has to
    /// wait for consent.
    pub(crate) fn decide(
        &self,
        release: &Release,
        present: &Permissions,
        consent: &Consent,
    ) -> Result<Option<Permissions>, ExtensionError> {
        let asked = &release.manifest.permissions;
        let granted = match consent {
            Consent::All => asked.clone(),
            Consent::Exactly(given) => {
                let foreign = given.beyond(asked);
                if !foreign.is_empty() {
                    let reason = format!("the release does not ask for: {}", foreign.join(", "));
                    return Err(ExtensionError::ConsentInvalid { reason });
                }
                given.clone()
            }
            // What a release no longer asks for is taken from its grant.
            Consent::Withheld if asked.beyond(present).is_empty() => asked.clone(),
            Consent::Withheld => return Ok(None),
        };
        let allowed = &self.shared.options.private_networks;
        let outside = granted
            .private_network
            .iter()
            .find(|net| !allowed.iter().any(|allowed| allowed.contains(*net)));
        match outside {
            Some(network) => Err(ExtensionError::NetworkForbidden {
                network: network.to_string(),
            }),
            None => Ok(Some(granted)),
        }
    }
}

fn check_host(manifest: &Manifest, ceiling: &Limits) -> Result<(), ExtensionError> {
    if !manifest.host_api.matches(&HOST_API) {
        return Err(ExtensionError::HostApi {
            name: manifest.name.to_string(),
            wanted: manifest.host_api.to_string(),
            spoken: HOST_API.to_string(),
        });
    }
    let axes = Limits::above(&manifest.limits, ceiling);
    if axes.is_empty() {
        Ok(())
    } else {
        Err(ExtensionError::LimitsInvalid { axes })
    }
}
