//! Oriel inside a Rust program: load a package, call its programs. No server, no database.
//!
//! ```
//! # #[tokio::main]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let cache = tempfile::tempdir()?;
//! # let cache_dir = cache.path();
//! # let package = example_package()?;
//! use oriel::{Oriel, Setup};
//!
//! let oriel = Oriel::open(cache_dir)?;
//! let extension = oriel.load(&package, Setup::granting_what_is_asked()).await?;
//! let output = extension.call("upper", r#""good news""#).await?;
//! assert_eq!(output, r#""GOOD NEWS""#);
//! # Ok(())
//! # }
//! # fn example_package() -> Result<Vec<u8>, Box<dyn std::error::Error>> {
//! #     let manifest = oriel_model::manifest::Manifest {
//! #         name: "shout".parse()?,
//! #         programs: vec![oriel_model::manifest::ProgramManifest {
//! #             name: "upper".parse()?, description: String::new(), input_schema: None, output_schema: None,
//! #         }],
//! #         ..serde_json::from_str(r#"{"name":"x","version":"1.0.0","description":"Shouts.","publisher":"acme",
//! #             "license":"Apache-2.0","hostApi":"^0.1"}"#)?
//! #     };
//! #     let component = Some(oriel_test_guests::component("echo"));
//! #     let package = oriel_package::Package { manifest, component, readme: None, assets: vec![], sbom: None };
//! #     Ok(oriel_package::pack(&package)?.bytes)
//! # }
//! ```
//!
//! What it deliberately is not: a second platform. There are no tenants, tasks, records or upgrades here; who
//! needs them runs the server. Values and log lines live in memory unless the host brings its own services.
//!
//! Start reading at [`Oriel`].

mod error;
mod extension;
mod memory;

use std::path::PathBuf;
use std::sync::Arc;

use oriel_model::Digest;
use oriel_model::id::TenantId;
use oriel_model::limits::Limits;
use oriel_model::permissions::Permissions;
use oriel_model::schema::Schema;
use oriel_package::ReadLimits;
use oriel_sandbox::{Code, ComponentSource, HostServices, PoolSpec, Sandbox, SandboxOptions, SourceError};
use serde_json::{Value, json};
use ulid::Ulid;

pub use self::error::Error;
pub use self::extension::Extension;
pub use self::memory::{MemoryKeyValue, MemoryLog};
pub use oriel_model as model;
pub use oriel_sandbox as sandbox;

/// A sandbox that loads packages. Cheap to clone.
#[derive(Clone)]
pub struct Oriel {
    sandbox: Sandbox,
}

/// How an extension is loaded. By default it is granted nothing and configured with nothing.
#[derive(Default)]
pub struct Setup {
    grant: Option<Permissions>,
    grant_all: bool,
    config: Option<Value>,
    services: Option<HostServices>,
    ceiling: Option<Limits>,
}

impl Setup {
    /// Grants whatever the manifest asks for: for extensions that the host's own developers wrote.
    #[must_use]
    pub fn granting_what_is_asked() -> Self {
        Self {
            grant_all: true,
            ..Self::default()
        }
    }

    /// Grants these permissions. Loading fails when the manifest asks for more.
    #[must_use]
    pub fn granting(permissions: Permissions) -> Self {
        Self {
            grant: Some(permissions),
            ..Self::default()
        }
    }

    /// Configures the extension. The configuration must fit the manifest's schema.
    #[must_use]
    pub fn config(mut self, config: Value) -> Self {
        self.config = Some(config);
        self
    }

    /// Where host calls end, instead of in memory.
    #[must_use]
    pub fn services(mut self, services: HostServices) -> Self {
        self.services = Some(services);
        self
    }

    /// The most that the manifest's limits may ask for; the platform's ceiling when not said.
    #[must_use]
    pub fn ceiling(mut self, ceiling: Limits) -> Self {
        self.ceiling = Some(ceiling);
        self
    }
}

impl Oriel {
    /// A sandbox with default settings, which keeps compiled code in `cache_dir`. Nobody else may be able to write
    /// there.
    ///
    /// # Errors
    /// When the directory cannot be made or the engine cannot run here.
    pub fn open(cache_dir: impl Into<PathBuf>) -> Result<Self, Error> {
        Self::with_options(SandboxOptions::new(cache_dir))
    }

    /// A sandbox with these settings.
    ///
    /// # Errors
    /// As [`Oriel::open`].
    pub fn with_options(options: SandboxOptions) -> Result<Self, Error> {
        Ok(Self {
            sandbox: Sandbox::new(options)?,
        })
    }

    /// Reads a package, checks it, compiles it unless that was done before, and makes it ready to be called.
    ///
    /// # Errors
    /// When the package, its component, its permissions or the configuration will not do.
    pub async fn load(&self, package: &[u8], setup: Setup) -> Result<Extension, Error> {
        let package = oriel_package::read(package, &ReadLimits::default())?.package;
        let manifest = package.manifest;
        let grant = if setup.grant_all {
            manifest.permissions.clone()
        } else {
            setup.grant.unwrap_or_default()
        };
        let missing = manifest.permissions.beyond(&grant);
        if !missing.is_empty() {
            return Err(Error::NotGranted { missing });
        }
        let config = setup.config.unwrap_or_else(|| json!({}));
        if let Some(schema) = &manifest.config_schema {
            let schema = Schema::compile(schema).map_err(|error| Error::Config {
                problems: vec![error.to_string()],
            })?;
            schema.validate(&config).map_err(|problems| Error::Config {
                problems: problems
                    .iter()
                    .map(|problem| format!("{}: {}", problem.path, problem.message))
                    .collect(),
            })?;
        }
        let Some(code) = package.component else {
            let reason = "the extension is remote: its service is called by a server, not from here".to_owned();
            return Err(oriel_sandbox::SandboxError::Invalid { reason }.into());
        };
        let shape = Sandbox::inspect(&code)?;
        Sandbox::check(&shape, &manifest)?;
        let component = Digest::of(&code);
        self.sandbox.prepare(component, &code).await?;

        let limits = Limits::resolve(&manifest.limits, &setup.ceiling.unwrap_or_else(Limits::ceiling));
        let services = setup.services.unwrap_or_else(|| memory::services(&limits));
        let spec = PoolSpec {
            tenant: TenantId::from_ulid(Ulid::nil()),
            tenant_name: "default".parse().expect("it is a valid name"),
            extension: manifest.name.clone(),
            version: manifest.version.clone(),
            code: Code::Component {
                digest: component,
                source: Arc::new(Kept(code.into())),
            },
            limits,
            grant,
            reuse: manifest.reuse,
            lifecycle: manifest.lifecycle,
            config: config.to_string().into(),
            services,
            gate: None,
        };
        let extension = Extension::new(manifest, self.sandbox.pool(spec))?;
        extension.check_config(&config).await?;
        Ok(extension)
    }
}

/// The component's bytes, kept for when its native artifact is removed under a running program.
struct Kept(bytes::Bytes);

#[async_trait::async_trait]
impl ComponentSource for Kept {
    async fn load(&self) -> Result<bytes::Bytes, SourceError> {
        Ok(self.0.clone())
    }
}
