//! What an operator can set, declared once: flags, `ORIEL_*` environment variables, `oriel.toml`, their documentation
//! and their defaults all come from the list in this file.
//!
//! A flag wins over an environment variable, that over the file, that over the default. Whatever is not in the list is
//! an error, in the file as in the environment: a misspelt limit must not be a limit that is not there.

mod docs;
mod error;
mod file;
mod value;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use oriel_model::limits::{ByteSize, Limits, LimitsRequest, TimeSpan};

pub use self::docs::reference;
pub use self::error::ConfigError;
use self::value::SettingValue;
pub use self::value::{Durability, LogFormat, Networks, Origins, Secret};

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
        }

        impl Default for Config {
            fn default() -> Self {
                Self { $($field: $default,)* limits: Limits::ceiling() }
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
    /// Whether `/metrics` answers without a key.
    public_metrics "public_metrics" plain: bool = true;
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
                Ok(values) => {
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
        for (key, zero) in [
            ("max_in_flight", self.max_in_flight == 0),
            ("max_connections", self.max_connections == 0),
            ("max_batch_items", self.max_batch_items == 0),
            ("max_body", self.max_body.0 == 0),
            ("header_timeout", self.header_timeout.0.is_zero()),
            ("body_timeout", self.body_timeout.0.is_zero()),
        ] {
            if zero {
                problems.push(format!("`{key}`: it must not be 0"));
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
