//! A platform in memory: real sandbox, real guests, in-memory stores.
#![allow(dead_code, reason = "each suite uses a part")]

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use oriel_access::{Access, NewKey, Principal, Sealer};
use oriel_extensions::{Consent, Extensions, ExtensionsOptions};
use oriel_model::access::Role;
use oriel_model::time::{Clock, SystemClock};
use oriel_sandbox::{Sandbox, SandboxOptions};
use oriel_store::Stores;
use serde_json::{Value, json};

pub(crate) struct World {
    pub access: Access,
    pub extensions: Extensions,
    pub stores: Stores,
    pub owner: Arc<Principal>,
    pub stranger: Arc<Principal>,
    _cache: tempfile::TempDir,
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::with(ExtensionsOptions::default(), |stores| stores).await
    }

    pub(crate) async fn with(options: ExtensionsOptions, change: impl FnOnce(Stores) -> Stores) -> Self {
        let stores = change(oriel_store::memory::stores());
        let clock = Arc::new(SystemClock);
        let access = Access::new(&stores, clock.clone());
        let owner = access.bootstrap(None).await.unwrap().created.unwrap();
        let owner = access.authenticate(&owner.secret).await.unwrap();
        let stranger = access
            .create_tenant(&owner, "stranger".parse().unwrap(), String::new())
            .await
            .unwrap();
        let stranger = access.authenticate(&stranger.owner.secret).await.unwrap();
        let cache = tempfile::tempdir().unwrap();
        let extensions = service(options, &stores, &access, cache.path());
        Self {
            access,
            extensions,
            stores,
            owner,
            stranger,
            _cache: cache,
        }
    }

    /// Another node on the same stores, with its compiled code in this directory.
    pub(crate) fn node(&self, cache: &Path) -> Extensions {
        service(ExtensionsOptions::default(), &self.stores, &self.access, cache)
    }

    /// The same with other options.
    pub(crate) fn node_with(&self, options: ExtensionsOptions, cache: &Path) -> Extensions {
        service(options, &self.stores, &self.access, cache)
    }

    /// Another node that goes by this clock.
    pub(crate) fn node_at(&self, cache: &Path, clock: Arc<dyn Clock>) -> Extensions {
        let sandbox = Sandbox::new(SandboxOptions::new(cache)).unwrap();
        let (options, sealer) = (ExtensionsOptions::default(), Sealer::new(&[7; 32]));
        Extensions::new(options, self.stores.clone(), sandbox, self.access.clone(), sealer, clock)
    }

    /// A principal of the owner's tenant with another role.
    pub(crate) async fn principal(&self, role: Role) -> Arc<Principal> {
        let key = NewKey {
            name: role.to_string(),
            role,
            scopes: Vec::new(),
            expires_at: None,
            service_account: None,
            rate_limit: None,
        };
        let key = self.access.create_key(&self.owner, key).await.unwrap();
        self.access.authenticate(&key.secret).await.unwrap()
    }

    pub(crate) async fn install(&self, package: Bytes) {
        self.extensions.install(&self.owner, package, Consent::All, true).await.unwrap();
    }

    /// The actions in the owner's audit log, oldest first.
    pub(crate) async fn audited(&self) -> Vec<String> {
        let entries = self.stores.audit.scan(self.owner.tenant, 1, 1_000).await.unwrap();
        entries.into_iter().map(|entry| entry.action).collect()
    }
}

fn service(options: ExtensionsOptions, stores: &Stores, access: &Access, cache: &Path) -> Extensions {
    let sandbox = Sandbox::new(SandboxOptions::new(cache)).unwrap();
    let (sealer, clock) = (Sealer::new(&[7; 32]), Arc::new(SystemClock));
    Extensions::new(options, stores.clone(), sandbox, access.clone(), sealer, clock)
}

/// The manifest of a guest with these programs, as JSON to be changed by tests.
pub(crate) fn manifest(name: &str, version: &str, programs: &[&str]) -> Value {
    json!({
        "name": name,
        "version": version,
        "description": "A guest of the tests.",
        "publisher": "tests",
        "license": "Apache-2.0",
        "hostApi": "^0.1",
        "programs": programs.iter().map(|name| json!({ "name": name })).collect::<Vec<_>>(),
    })
}

/// A package of a guest of `tests/guests` under a manifest.
pub(crate) fn package(guest: &str, manifest: Value) -> Bytes {
    let package = oriel_package::Package {
        manifest: serde_json::from_value(manifest).unwrap(),
        component: Some(oriel_test_guests::component(guest)),
        readme: None,
        assets: Vec::new(),
        sbom: None,
    };
    oriel_package::pack(&package).unwrap().bytes.into()
}

pub(crate) fn echo(version: &str) -> Bytes {
    package("echo", manifest("echo", version, &["echo", "upper"]))
}

pub(crate) fn kv(version: &str) -> Bytes {
    let mut manifest = manifest("kv", version, &["count", "get", "set"]);
    manifest["permissions"] = json!({ "keyValue": true });
    package("kv", manifest)
}
