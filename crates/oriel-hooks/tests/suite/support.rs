//! A platform in memory with the guest `points` installed, and bindings to its hook handlers.

use std::sync::Arc;
use std::time::Duration;

use oriel_access::{Access, Principal, Sealer};
use oriel_extensions::{Consent, Extensions, ExtensionsOptions, NewBinding};
use oriel_hooks::{FireRequest, FireResult, Fired, HookError, Hooks, HooksOptions, NewHook};
use oriel_model::Coded;
use oriel_model::binding::{BindingKind, OnError, Terms};
use oriel_model::hook::{HookKind, HookOrder};
use oriel_model::id::BindingId;
use oriel_model::time::{Clock, SystemClock};
use oriel_sandbox::{Sandbox, SandboxOptions};
use oriel_store::{KvScope, Stores};
use serde_json::value::RawValue;
use serde_json::{Value, json};

/// Every hook handler of the guest.
const HANDLERS: [&str; 14] = [
    "wrap", "pass", "yes", "no", "decide", "opine", "item", "number", "garbled", "count", "flaky", "slow", "refuse", "trap",
];

pub(crate) struct World {
    pub hooks: Hooks,
    pub extensions: Extensions,
    pub stores: Stores,
    pub owner: Arc<Principal>,
    pub stranger: Arc<Principal>,
    _cache: tempfile::TempDir,
}

impl World {
    pub(crate) async fn new() -> Self {
        let settings = HooksOptions {
            observe_backoff: Duration::from_millis(1),
            observe_attempts: 3,
            ..HooksOptions::default()
        };
        let stores = oriel_store::memory::stores();
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
        let sandbox = Sandbox::new(SandboxOptions::new(cache.path())).unwrap();
        let sealer = Sealer::new(&[7; 32]);
        let options = ExtensionsOptions {
            platform_hooks: oriel_hooks::platform_hooks(),
            ..ExtensionsOptions::default()
        };
        let extensions = Extensions::new(options, stores.clone(), sandbox, access, sealer, clock.clone());
        for principal in [&owner, &stranger] {
            extensions.install(principal, points("1.0.0"), Consent::All, true).await.unwrap();
        }
        let hooks = Hooks::new(settings, stores.clone(), extensions.clone(), clock);
        Self {
            hooks,
            extensions,
            stores,
            owner,
            stranger,
            _cache: cache,
        }
    }

    /// Declares the hook `h`.
    pub(crate) async fn declare(&self, kind: HookKind, change: impl FnOnce(&mut NewHook)) {
        let mut new = hook(kind);
        change(&mut new);
        self.hooks.put(&self.owner, "h".parse().unwrap(), new, None).await.unwrap();
    }

    /// Binds a handler to `h`.
    pub(crate) async fn bind(&self, handler: &str, terms: Value) -> BindingId {
        self.bind_to("h", handler, terms).await
    }

    pub(crate) async fn bind_to(&self, hook: &str, handler: &str, terms: Value) -> BindingId {
        let new = NewBinding {
            kind: BindingKind::Hook,
            point: hook.to_owned(),
            contribution: serde_json::from_value(json!({ "extension": "points", "name": handler })).unwrap(),
            terms: serde_json::from_value::<Terms>(terms).unwrap(),
        };
        self.extensions.create_binding(&self.owner, new).await.unwrap().binding.id
    }

    /// Moves the guest to another release.
    pub(crate) async fn upgrade(&self, version: &str) {
        let upgraded = self.extensions.upgrade(&self.owner, "points", points(version), Consent::All, None);
        upgraded.await.unwrap();
    }

    /// The same with these schemas of the handler's own.
    pub(crate) async fn upgrade_saying(&self, version: &str, handler: &str, input: Value, output: Value) {
        let package = points_with(version, |manifest| {
            let hooks = manifest["hooks"].as_array_mut().unwrap();
            let hook = hooks.iter_mut().find(|hook| hook["name"] == handler).unwrap();
            hook["inputSchema"] = input;
            hook["outputSchema"] = output;
        });
        let upgraded = self.extensions.upgrade(&self.owner, "points", package, Consent::All, None);
        upgraded.await.unwrap();
    }

    pub(crate) async fn fire(&self, payload: Value) -> Result<Fired, HookError> {
        self.hooks.fire(&self.owner, "h", request(payload)).await
    }

    /// What a fire of `h` comes to, in short: the result and each handler's outcome, or the code of the error.
    pub(crate) async fn fired(&self, payload: Value) -> Value {
        shown(self.fire(payload).await)
    }

    /// What the guest wrote under a key for the owner's tenant.
    pub(crate) async fn value(&self, key: &str) -> Option<String> {
        let scope = KvScope {
            tenant: self.owner.tenant,
            extension: "points".parse().unwrap(),
        };
        let found = self.stores.key_value.get(&scope, key, SystemClock.now()).await.unwrap();
        found.map(|entry| String::from_utf8(entry.value.to_vec()).unwrap())
    }
}

pub(crate) fn hook(kind: HookKind) -> NewHook {
    NewHook {
        kind,
        description: String::new(),
        input_schema: None,
        output_schema: None,
        order: HookOrder::default(),
        timeout_ms: Some(30_000),
        on_error: OnError::Closed,
        concurrency: None,
        combine: None,
    }
}

pub(crate) fn request(payload: Value) -> FireRequest<'static> {
    FireRequest {
        payload: RawValue::from_string(payload.to_string()).unwrap(),
        dry_run: false,
        timeout: None,
        traceparent: None,
    }
}

pub(crate) fn shown(fired: Result<Fired, HookError>) -> Value {
    let fired = match fired {
        Ok(fired) => fired,
        Err(error) => return json!(error.code().as_str()),
    };
    let parse = |raw: &RawValue| serde_json::from_str::<Value>(raw.get()).unwrap();
    let result = match &fired.result {
        FireResult::Payload(payload) => parse(payload),
        FireResult::Valid(valid) => json!(valid),
        FireResult::Decision(decision) => decision.as_deref().map_or(Value::Null, parse),
        FireResult::Items(items) => items.iter().map(|item| parse(item)).collect(),
        FireResult::Queued(count) => json!(count),
    };
    let handlers: Vec<Value> = fired
        .handlers
        .iter()
        .map(|report| match &report.error {
            Some(failure) => json!(format!("{} {} {}", report.contribution.name, report.outcome.as_str(), failure.code)),
            None => json!(format!("{} {}", report.contribution.name, report.outcome.as_str())),
        })
        .collect();
    json!([result, handlers])
}

fn points(version: &str) -> bytes::Bytes {
    points_with(version, |_| {})
}

fn points_with(version: &str, change: impl FnOnce(&mut Value)) -> bytes::Bytes {
    let mut manifest = json!({
        "name": "points", "version": version, "description": "A guest of the tests.", "publisher": "tests", "license": "Apache-2.0",
        "hostApi": "^0.1", "permissions": { "keyValue": true }, "limits": { "cpu": "200ms" },
        "validators": [{ "name": "short" }], "samplers": [{ "name": "all" }], "jobs": [{ "name": "echo" }],
        "eventHandlers": [{ "name": "store", "types": ["*"] }],
        "hooks": HANDLERS.map(|name| json!({ "name": name, "configSchema": { "type": "object" } })),
    });
    change(&mut manifest);
    let package = oriel_package::Package {
        manifest: serde_json::from_value(manifest).unwrap(),
        component: Some(oriel_test_guests::component("points")),
        readme: None,
        assets: Vec::new(),
        sbom: None,
    };
    oriel_package::pack(&package).unwrap().bytes.into()
}
