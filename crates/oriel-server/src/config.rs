//! What an operator can set, declared once: flags, `ORIEL_*` environment variables, `oriel.toml`, their documentation
//! and their defaults all come from the list in this file.
//!
//! A flag wins over an environment variable, that over the file, that over the default. Whatever is not in the list is
//! an error, in the file as in the environment: a misspelt limit must not be a limit that is not there.

mod bindings;
mod docs;
mod error;
mod file;
mod health;
mod origin;
mod value;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use oriel_extensions::Prices;
use oriel_model::health_policy::HealthPolicy;
use oriel_model::limits::{ByteSize, Limits, LimitsRequest, TimeSpan};
use oriel_model::name::ExtensionName;

pub use self::bindings::FileBinding;
pub use self::docs::reference;
pub use self::error::ConfigError;
pub use self::origin::RoutesOrigin;
use self::value::SettingValue;
pub use self::value::{Durability, LogFormat, ModelPrices, Networks, Origins, Price, RoleRules, Secret, TokenLimit, Words};

/// One thing that can be set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// Its place in `oriel.toml`: `listen`, `retention.logs`.
    pub key: String,
    /// The flag without its dashes; nothing for secrets, which do not belong on a command line that others can read.
    pub flag: Option<String>,
    /// The environment variable.
    pub env: String,
    /// What stands for the value in help texts.
    pub value_name: &'static str,
    /// The default, as text; empty when there is none.
    pub default: String,
    /// What it means.
    pub help: String,
}

impl Setting {
    fn new(key: &str, secret: bool, value_name: &'static str, default: String, help: &str) -> Self {
        Self {
            flag: (!secret).then(|| key.replace(['.', '_'], "-")),
            env: format!("ORIEL_{}", key.replace('.', "_").to_ascii_uppercase()),
            key: key.to_owned(),
            value_name,
            default,
            help: help.to_owned(),
        }
    }
}

macro_rules! settings {
    ($($(#[doc = $doc:literal])+ $field:ident $key:literal $kind:ident: $type:ty = $default:expr;)*) => {
        /// The configuration of a server. [`Config::default`] is what a server without any setting does.
        #[derive(Debug, Clone)]
        pub struct Config {
            $($(#[doc = $doc])+ pub $field: $type,)*
            /// The most that an extension's limits may be set to on this server.
            pub limits: Limits,
            /// The bindings that the file declares.
            pub bindings: Vec<FileBinding>,
            /// The health policies that the file declares for extensions of these names, in all tenants.
            pub health_policies: BTreeMap<ExtensionName, HealthPolicy>,
        }

        impl Default for Config {
            fn default() -> Self {
                Self { $($field: $default,)* limits: Limits::ceiling(), bindings: Vec::new(), health_policies: BTreeMap::new() }
            }
        }

        /// The settings that are declared here; those of `[limits]` come from the list of limits.
        fn declared() -> Vec<Setting> {
            let config = Config::default();
            vec![$(Setting::new(
                $key,
                stringify!($kind) == "secret",
                <$type as SettingValue>::VALUE_NAME,
                config.$field.show(),
                concat!($($doc, "\n"),+),
            ),)*]
        }

        impl Config {
            fn assign(&mut self, key: &str, text: &str) -> Result<(), String> {
                match key {
                    $($key => self.$field = SettingValue::read(text)?,)*
                    _ => return self.assign_limit(key, text),
                }
                Ok(())
            }
        }
    };
}

settings! {
    /// The address on which the server listens for HTTP. Port 0 takes a free one.
    listen "listen" plain: SocketAddr = SocketAddr::from(([127, 0, 0, 1], 7070));
    /// Where the server keeps its data: the SQLite database, packages, compiled code, its secret key.
    data_dir "data_dir" plain: PathBuf = PathBuf::from("oriel-data");
    /// The database: `sqlite:PATH` or `postgres://USER:PASSWORD@HOST/NAME`. Without it, `sqlite:DATA_DIR/oriel.db`.
    database "database" plain: Option<Secret> = None;
    /// A directory that is watched: packages and extension directories that appear in it are installed, with their
    /// permissions granted, in the tenant `default`.
    extensions_dir "extensions_dir" plain: Option<PathBuf> = None;
    /// The owner key that the tenant `default` shall have: 24 to 256 visible characters. Without it, the first start
    /// makes one and prints it once.
    bootstrap_key "bootstrap_key" secret: Option<Secret> = None;
    /// The key that seals secrets at rest: 32 bytes in base64. Without it, the file `DATA_DIR/secret.key`, which the
    /// first start makes. Several nodes on one database need the same key.
    master_key "master_key" secret: Option<Secret> = None;
    /// The name of this node among the nodes of one database. Without it, the file `DATA_DIR/node.id`, which the first
    /// start makes.
    node_id "node_id" plain: Option<String> = None;
    /// Log lines for people (`text`) or for machines (`json`).
    log_format "log_format" plain: LogFormat = LogFormat::Text;
    /// Which log lines are written, as `level` or `target=level,…`.
    log_level "log_level" plain: String = "info".to_owned();
    /// What a committed write means to SQLite: `full` survives a power loss; `normal` survives a crash of the server,
    /// and a power loss can take the last moments, but never the order or the integrity.
    durability "durability" plain: Durability = Durability::Normal;
    /// Whether executions are recorded.
    recording "recording" plain: bool = true;
    /// Requests that are worked on at once; beyond it a request is refused with `server.busy`.
    max_in_flight "max_in_flight" plain: u32 = 4_096;
    /// Connections that are open at once; beyond it a new one waits to be accepted.
    max_connections "max_connections" plain: u32 = 10_000;
    /// The longest request body where nothing else is said.
    max_body "max_body" plain: ByteSize = ByteSize(1 << 20);
    /// The longest body of a batch.
    max_batch_body "max_batch_body" plain: ByteSize = ByteSize(64 << 20);
    /// Items that one batch may carry.
    max_batch_items "max_batch_items" plain: u32 = 250_000;
    /// The longest package.
    max_package "max_package" plain: ByteSize = ByteSize(64 << 20);
    /// How long a client may take to send the head of a request.
    header_timeout "header_timeout" plain: TimeSpan = TimeSpan(Duration::from_secs(10));
    /// How long a client may take to send a body, streams excepted.
    body_timeout "body_timeout" plain: TimeSpan = TimeSpan(Duration::from_secs(60));
    /// For how long after SIGTERM the server still takes requests, while it says that it is not ready: as long as a
    /// load balancer in front of it needs to notice.
    drain_grace "drain_grace" plain: TimeSpan = TimeSpan(Duration::ZERO);
    /// How long requests in flight may take to finish after SIGTERM and `drain_grace`.
    drain_timeout "drain_timeout" plain: TimeSpan = TimeSpan(Duration::from_secs(30));
    /// For how long a reply is kept for its `Idempotency-Key`.
    idempotency_ttl "idempotency_ttl" plain: TimeSpan = TimeSpan(Duration::from_secs(24 * 3_600));
    /// Web origins that browsers may call the API from, separated by commas; `*` for all.
    cors_origins "cors_origins" plain: Origins = Origins(Vec::new());
    /// Private, loopback and link-local networks that grants may reach at all, as `10.0.0.0/8,fd00::/8`. Any other is
    /// refused, whatever a tenant's administrator approves.
    private_networks "private_networks" plain: Networks = Networks(Vec::new());
    /// A file of certificate authorities in PEM that outbound HTTPS of extensions trusts beside those that Mozilla
    /// trusts, such as a company's own. The system's store is not read.
    ca_certificates "ca_certificates" plain: Option<PathBuf> = None;
    /// Proxies in front of the server, as `10.0.0.0/8`: from them, and only from them, `X-Forwarded-For` is believed.
    trusted_proxies "trusted_proxies" plain: Networks = Networks(Vec::new());
    /// The address under which browsers reach this server, such as `https://oriel.example.com`. Needed to sign in; without it,
    /// the address on which the server listens.
    public_url "public_url" plain: Option<String> = None;
    /// An origin of their own for routes of extensions: `https://ext.example.com` for all together, `https://*.ext.example.com`
    /// for one each, as `https://NAME--TENANT.ext.example.com`. Routes are then served there and nothing else is. Without it they are
    /// served under `/x/` beside the API, and browsers treat their pages as sandboxed.
    routes_origin "routes_origin" plain: Option<RoutesOrigin> = None;
    /// Whether `/metrics` answers without a key.
    public_metrics "public_metrics" plain: bool = true;
    /// Crashes of an extension in a row that trip its circuit breaker; where it is called very often, one in a hundred of the
    /// calls of the window. 0: crashes in a row do not trip it.
    health_crashes "health.crashes" plain: u32 = 5;
    /// The time over which the calls of an extension are counted.
    health_window "health.window" plain: TimeSpan = TimeSpan(Duration::from_secs(10));
    /// Calls in that time below which a share of them means nothing.
    health_min_calls "health.min_calls" plain: u32 = 20;
    /// The share of calls, in percent, that may fail by the extension's fault before the breaker trips; 100: it never does.
    health_error_rate "health.error_rate" plain: u32 = 50;
    /// The share of calls, in percent, that may fail before the extension shows as degraded.
    health_degraded_rate "health.degraded_rate" plain: u32 = 10;
    /// How long a tripped extension is left alone at first. Each further time it is twice as long.
    health_backoff "health.backoff" plain: TimeSpan = TimeSpan(Duration::from_secs(1));
    /// The longest that a tripped extension is left alone.
    health_backoff_max "health.backoff_max" plain: TimeSpan = TimeSpan(Duration::from_secs(300));
    /// Calls that a tripped extension must answer, one after the other, before all calls are let through.
    health_probes "health.probes" plain: u32 = 3;
    /// Trips in a row, or within an hour, after which an extension is put in quarantine. 0: none is.
    health_quarantine_trips "health.quarantine_trips" plain: u32 = 8;
    /// After what time quarantine ends by itself; 0ms: only somebody ends it.
    health_quarantine_for "health.quarantine_for" plain: TimeSpan = TimeSpan(Duration::ZERO);
    /// How often an extension that is called is asked for its own health check; 0ms: never.
    health_check_interval "health.check_interval" plain: TimeSpan = TimeSpan(Duration::from_secs(30));
    /// The time over which it is looked at what an extension does, to learn what is usual of it; 0ms: nothing is learned.
    anomalies_window "anomalies.window" plain: TimeSpan = TimeSpan(Duration::from_secs(60));
    /// For how long it is learned what is usual of an extension before anything counts as unusual.
    anomalies_learn "anomalies.learn" plain: TimeSpan = TimeSpan(Duration::from_secs(24 * 3_600));
    /// Whether a critical anomaly puts an extension in quarantine, where its health policy does not say it.
    anomalies_quarantine "anomalies.quarantine" plain: bool = false;
    /// Default for tenants: requests in a second, in the long run, on each node.
    quota_requests_per_second "quotas.requests_per_second" plain: Option<u32> = None;
    /// Default for tenants: requests at once after a rest. Without it, as many as a second allows.
    quota_burst "quotas.burst" plain: Option<u32> = None;
    /// Default for tenants: requests that are worked on at once, on each node.
    quota_concurrent_requests "quotas.concurrent_requests" plain: Option<u32> = None;
    /// Default for tenants: extensions that are installed.
    quota_extensions "quotas.extensions" plain: Option<u32> = None;
    /// Default for tenants: tasks.
    quota_tasks "quotas.tasks" plain: Option<u32> = None;
    /// Default for tenants: keys that are neither revoked nor expired.
    quota_keys "quotas.keys" plain: Option<u32> = None;
    /// Default for tenants: what their extensions keep in key-value stores.
    quota_stored_bytes "quotas.stored_bytes" plain: Option<ByteSize> = None;
    /// The OpenID Connect issuer that people sign in with, such as `https://id.example.com`. Without it nobody signs in.
    oidc_issuer "oidc.issuer" plain: Option<String> = None;
    /// Who this server is to the issuer.
    oidc_client_id "oidc.client_id" plain: Option<String> = None;
    /// How this server proves to the issuer who it is. Without it, it is a public client.
    oidc_client_secret "oidc.client_secret" secret: Option<Secret> = None;
    /// Scopes that are asked for beside `openid`.
    oidc_scopes "oidc.scopes" plain: Words = Words(vec!["email".to_owned(), "profile".to_owned()]);
    /// The claim that holds somebody's roles or groups.
    oidc_role_claim "oidc.role_claim" plain: String = "groups".to_owned();
    /// Which value of that claim means which role, as `VALUE=ROLE` for the tenant `default` or `VALUE=ROLE@TENANT`. The first
    /// that fits counts. People without one sign in when somebody has added their e-mail address.
    oidc_roles "oidc.roles" plain: RoleRules = RoleRules(Vec::new());
    /// For how long somebody stays signed in.
    session_ttl "session_ttl" plain: TimeSpan = TimeSpan(Duration::from_secs(8 * 3_600));
    /// Where the services of remote extensions reach this very node for their host calls, such as `https://node-1.example.com`.
    /// Without it, `public_url`.
    remote_callback_url "remote.callback_url" plain: Option<String> = None;
    /// What a second of an extension's CPU time costs, for `GET /api/v1/usage`.
    prices_cpu_second "prices.cpu_second" plain: Price = Price(0.0);
    /// What a million calls of extensions cost.
    prices_million_calls "prices.million_calls" plain: Price = Price(0.0);
    /// What a GiB costs that extensions send and get over HTTP.
    prices_outbound_gib "prices.outbound_gib" plain: Price = Price(0.0);
    /// The currency of the prices, as it shall be shown.
    prices_currency "prices.currency" plain: Option<String> = None;
    /// The endpoint whose model extensions may ask, if they are granted that: the address below which `chat/completions` lies, as
    /// OpenAI's API has it, such as `https://api.openai.com/v1` or `http://127.0.0.1:11434/v1`. Without it there is no model.
    model_url "model.url" plain: Option<String> = None;
    /// The key that the endpoint wants. No extension sees it.
    model_api_key "model.api_key" secret: Option<Secret> = None;
    /// The models that extensions may ask for, each with what a million tokens that go in and that come out cost, as
    /// `gpt-4o-mini=0.15/0.60`. The first one is for extensions whose permission names none.
    model_models "model.models" plain: ModelPrices = ModelPrices(Vec::new());
    /// The most tokens of one answer.
    model_max_tokens "model.max_tokens" plain: u32 = 4_096;
    /// The field in which the endpoint is told so. OpenAI's reasoning models want `max_completion_tokens`; many other servers know
    /// `max_tokens` only.
    model_token_limit "model.token_limit" plain: TokenLimit = TokenLimit::MaxTokens;
    /// The longest that the endpoint may take for one answer. The time that the extension's call has left counts, too.
    model_timeout "model.timeout" plain: TimeSpan = TimeSpan(Duration::from_secs(60));
    /// Jobs that run at once on this node.
    jobs_concurrent "jobs.concurrent" plain: u32 = 32;
    /// Jobs of one tenant that run at once, on all nodes together.
    jobs_per_tenant "jobs.per_tenant" plain: u32 = 8;
    /// For how long runs of jobs are kept after their end.
    retention_jobs "retention.jobs" plain: TimeSpan = TimeSpan(Duration::from_secs(168 * 3_600));
    /// For how long anomalies are kept after they were last seen.
    retention_anomalies "retention.anomalies" plain: TimeSpan = TimeSpan(Duration::from_secs(2_160 * 3_600));
    /// For how long usage by the hour is kept.
    retention_usage "retention.usage" plain: TimeSpan = TimeSpan(Duration::from_secs(9_600 * 3_600));
    /// For how long executions are kept.
    retention_executions "retention.executions" plain: TimeSpan = TimeSpan(Duration::from_secs(720 * 3_600));
    /// For how long log lines of extensions are kept.
    retention_logs "retention.logs" plain: TimeSpan = TimeSpan(Duration::from_secs(168 * 3_600));
    /// For how long the progress of batches is kept.
    retention_batches "retention.batches" plain: TimeSpan = TimeSpan(Duration::from_secs(720 * 3_600));
}

/// The flag and the environment variable that name the file; it cannot be named in the file itself.
const CONFIG: &str = "config";

/// Everything that can be set, in the order of the documentation. The first is `config`, the file itself.
#[must_use]
pub fn settings() -> Vec<Setting> {
    let mut all = vec![Setting::new(
        CONFIG,
        false,
        "FILE",
        String::new(),
        "The configuration file. Without it, `oriel.toml` in the working directory, if there is one.",
    )];
    all.extend(declared());
    let axes = serde_json::to_value(Limits::ceiling()).unwrap_or_default();
    let schema = serde_json::to_value(schemars::schema_for!(LimitsRequest)).unwrap_or_default();
    for (axis, property) in schema["properties"].as_object().into_iter().flatten() {
        // The ceilings are shown in camel case by the API and in snake case wherever people write them.
        let ceiling = match &axes[camel_case(axis)] {
            serde_json::Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        let help = property["description"].as_str().unwrap_or_default();
        all.push(Setting::new(
            &format!("limits.{axis}"),
            false,
            "LIMIT",
            ceiling,
            &format!("Ceiling: {help}"),
        ));
    }
    all
}

fn camel_case(snake: &str) -> String {
    let mut words = snake.split('_');
    let first = words.next().unwrap_or_default().to_owned();
    words.fold(first, |mut text, word| {
        let mut letters = word.chars();
        text.extend(letters.next().map(|c| c.to_ascii_uppercase()));
        text.push_str(letters.as_str());
        text
    })
}

impl Config {
    /// Reads the configuration of this process: `flags` (by [`Setting::key`]), the environment, and the file that they
    /// name or `oriel.toml` in the working directory.
    ///
    /// # Errors
    /// Everything that is wrong, each with its place.
    pub fn load(flags: impl IntoIterator<Item = (String, String)>) -> Result<Self, ConfigError> {
        let flags: BTreeMap<String, String> = flags.into_iter().collect();
        let env: BTreeMap<String, String> = std::env::vars().filter(|(name, _)| name.starts_with("ORIEL_")).collect();
        let named = flags.get(CONFIG).or_else(|| env.get("ORIEL_CONFIG")).map(PathBuf::from);
        let file = match &named {
            Some(path) => Some((path.clone(), read(path)?)),
            None => {
                let path = PathBuf::from("oriel.toml");
                path.is_file().then(|| read(&path)).transpose()?.map(|text| (path, text))
            }
        };
        Self::from_sources(&flags, &env, file.as_ref().map(|(path, text)| (path.as_path(), text.as_str())))
    }

    /// The configuration that these sources yield. Environment variables that belong to clients (`ORIEL_URL`,
    /// `ORIEL_API_KEY`, `ORIEL_PROFILE`) are passed over.
    ///
    /// # Errors
    /// Everything that is wrong, each with its place.
    pub fn from_sources(
        flags: &BTreeMap<String, String>,
        env: &BTreeMap<String, String>,
        file: Option<(&Path, &str)>,
    ) -> Result<Self, ConfigError> {
        let settings = settings();
        let mut config = Self::default();
        let mut problems = Vec::new();
        if let Some((path, text)) = file {
            let name = path.display().to_string();
            match file::read(text, &settings) {
                Ok((values, bindings, health)) => {
                    config.health_policies.extend(health);
                    config.bindings.extend(bindings.into_iter().map(|mut binding| {
                        binding.declared.place = format!("{name}:{}", binding.declared.place);
                        binding
                    }));
                    for value in values {
                        if let Err(message) = config.assign(&value.key, &value.text) {
                            problems.push(format!("{name}:{}:{}: `{}`: {message}", value.line, value.column, value.key));
                        }
                    }
                }
                Err(found) => problems.extend(found.into_iter().map(|problem| format!("{name}:{problem}"))),
            }
        }
        for (name, text) in env {
            if CLIENT_VARIABLES.contains(&name.as_str()) || name == "ORIEL_CONFIG" {
                continue;
            }
            match settings.iter().find(|setting| setting.env == *name) {
                Some(setting) => {
                    if let Err(message) = config.assign(&setting.key, text) {
                        problems.push(format!("{name}: {message}"));
                    }
                }
                None => problems.push(format!(
                    "{name}: there is no such setting{}",
                    hint(name, settings.iter().map(|setting| setting.env.as_str()))
                )),
            }
        }
        for (key, text) in flags {
            if key != CONFIG
                && let Err(message) = config.assign(key, text)
            {
                problems.push(format!("--{}: {message}", key.replace(['.', '_'], "-")));
            }
        }
        if problems.is_empty() {
            config.check()
        } else {
            Err(ConfigError::Invalid { problems })
        }
    }

    /// The database's address.
    #[must_use]
    pub fn database_url(&self) -> String {
        self.database.as_ref().map_or_else(
            || format!("sqlite:{}", self.data_dir.join("oriel.db").display()),
            |url| url.reveal().to_owned(),
        )
    }

    /// What extensions' usage costs.
    pub(crate) fn prices(&self) -> Prices {
        Prices {
            cpu_second: self.prices_cpu_second.0,
            million_calls: self.prices_million_calls.0,
            outbound_gib: self.prices_outbound_gib.0,
        }
    }

    /// Where compiled code lies.
    pub(crate) fn code_dir(&self) -> PathBuf {
        self.data_dir.join("code")
    }

    fn assign_limit(&mut self, key: &str, text: &str) -> Result<(), String> {
        let axis = key.strip_prefix("limits.").ok_or("there is no such setting")?;
        let mut all = serde_json::to_value(&self.limits).map_err(|error| error.to_string())?;
        let name = camel_case(axis);
        let slot = all.get_mut(&name).ok_or("there is no such limit")?;
        *slot = match slot {
            serde_json::Value::Number(_) => text.parse::<u32>().map_err(|_| format!("`{text}` is not a number"))?.into(),
            _ => text.into(),
        };
        self.limits = serde_json::from_value(all).map_err(|error| error.to_string())?;
        Ok(())
    }

    /// What no single setting shows.
    fn check(self) -> Result<Self, ConfigError> {
        let mut problems = Vec::new();
        let url = self.database_url();
        if !["sqlite:", "postgres://", "postgresql://"]
            .iter()
            .any(|scheme| url.starts_with(scheme))
        {
            problems.push("`database`: it must start with `sqlite:` or `postgres://`".to_owned());
        }
        if self.oidc_issuer.is_some() != self.oidc_client_id.is_some() {
            problems.push("`oidc.issuer` and `oidc.client_id`: both or none".to_owned());
        }
        if self.model_url.is_some() == self.model_models.0.is_empty() {
            problems.push("`model.url` and `model.models`: both or none".to_owned());
        }
        for (key, url) in [
            ("model.url", &self.model_url),
            ("oidc.issuer", &self.oidc_issuer),
            ("public_url", &self.public_url),
            ("remote.callback_url", &self.remote_callback_url),
        ] {
            let web = |url: &String| url.starts_with("https://") || url.starts_with("http://");
            if url.as_ref().is_some_and(|url| !web(url)) {
                problems.push(format!("`{key}`: it must start with `https://`"));
            }
        }
        if self.quota_burst.is_some() && self.quota_requests_per_second.is_none() {
            problems.push("`quotas.burst`: it needs `quotas.requests_per_second`".to_owned());
        }
        for (key, zero) in [
            ("quotas.requests_per_second", self.quota_requests_per_second == Some(0)),
            ("quotas.burst", self.quota_burst == Some(0)),
            ("quotas.concurrent_requests", self.quota_concurrent_requests == Some(0)),
            ("quotas.keys", self.quota_keys == Some(0)),
            ("session_ttl", self.session_ttl.0.is_zero()),
            ("max_in_flight", self.max_in_flight == 0),
            ("max_connections", self.max_connections == 0),
            ("max_batch_items", self.max_batch_items == 0),
            ("max_body", self.max_body.0 == 0),
            ("header_timeout", self.header_timeout.0.is_zero()),
            ("body_timeout", self.body_timeout.0.is_zero()),
            ("health.window", self.health_window.0.is_zero()),
            ("health.backoff", self.health_backoff.0.is_zero()),
            ("health.probes", self.health_probes == 0),
            ("model.max_tokens", self.model_max_tokens == 0),
            ("model.timeout", self.model_timeout.0.is_zero()),
            ("jobs.concurrent", self.jobs_concurrent == 0),
            ("jobs.per_tenant", self.jobs_per_tenant == 0),
        ] {
            if zero {
                problems.push(format!("`{key}`: it must not be 0"));
            }
        }
        for (key, share) in [
            ("health.error_rate", self.health_error_rate),
            ("health.degraded_rate", self.health_degraded_rate),
        ] {
            if share > 100 {
                problems.push(format!("`{key}`: it is a percentage, at most 100"));
            }
        }
        if problems.is_empty() {
            Ok(self)
        } else {
            Err(ConfigError::Invalid { problems })
        }
    }
}

/// Variables of the same prefix that clients and test tools read.
const CLIENT_VARIABLES: [&str; 4] = ["ORIEL_URL", "ORIEL_API_KEY", "ORIEL_PROFILE", "ORIEL_TOOLCHAINS"];

fn read(path: &Path) -> Result<String, ConfigError> {
    std::fs::read_to_string(path).map_err(|source| ConfigError::Read {
        path: path.to_owned(),
        source,
    })
}

/// "; did you mean `x`?" when one of `names` is close to `given`.
fn hint<'a>(given: &str, names: impl Iterator<Item = &'a str>) -> String {
    names
        .map(|name| (distance(given, name), name))
        .min()
        .filter(|(distance, _)| *distance <= 3)
        .map_or_else(String::new, |(_, name)| format!("; did you mean `{name}`?"))
}

/// Levenshtein's distance.
fn distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (i, a) in left.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, b) in right.iter().enumerate() {
            let cost = if a == *b {
                diagonal
            } else {
                1 + diagonal.min(row[j]).min(row[j + 1])
            };
            diagonal = std::mem::replace(&mut row[j + 1], cost);
        }
    }
    row[right.len()]
}

#[cfg(test)]
mod tests;
