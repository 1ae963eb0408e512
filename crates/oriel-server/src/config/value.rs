//! The kinds of value that a setting can have, each read from text.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;

use ipnet::IpNet;
use oriel_access::RoleRule;
use oriel_extensions::ModelPrice;
use oriel_model::access::Role;
use oriel_model::limits::{ByteSize, TimeSpan};

/// Read from text, shown as text.
pub(super) trait SettingValue: Sized {
    /// What stands for it in help texts.
    const VALUE_NAME: &'static str;
    fn read(text: &str) -> Result<Self, String>;
    /// The text that [`SettingValue::read`] takes back; empty for "not set".
    fn show(&self) -> String;
}

/// A value that no log and no debug output shows.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Keeps `text` from being shown.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(secret)")
    }
}

/// How log lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// What a committed write means to SQLite.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// Survives a crash of the server.
    Normal,
    /// Survives a power loss too.
    Full,
}

/// Web origins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origins(pub Vec<String>);

/// Networks in CIDR form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Networks(pub Vec<IpNet>);

/// Words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Words(pub Vec<String>);

/// Which value of a claim means which role in which tenant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoleRules(pub Vec<RoleRule>);

impl SettingValue for Words {
    const VALUE_NAME: &'static str = "WORD,…";
    fn read(text: &str) -> Result<Self, String> {
        let words = text.split([',', ' ']).map(str::trim).filter(|word| !word.is_empty());
        Ok(Self(words.map(str::to_owned).collect()))
    }
    fn show(&self) -> String {
        self.0.join(",")
    }
}

impl SettingValue for RoleRules {
    const VALUE_NAME: &'static str = "VALUE=ROLE,…";
    fn read(text: &str) -> Result<Self, String> {
        let rule = |part: &str| {
            let wrong = || format!("`{part}` is not a rule such as `engineers=developer` or `acme-staff=viewer@acme`");
            // Values may hold `=`, as distinguished names do; roles and tenants do not.
            let (value, role) = part.rsplit_once('=').ok_or_else(wrong)?;
            let (role, tenant) = role.split_once('@').unwrap_or((role, "default"));
            let role = match role {
                "viewer" => Role::Viewer,
                "developer" => Role::Developer,
                "admin" => Role::Admin,
                "owner" => Role::Owner,
                _ => return Err(wrong()),
            };
            if value.is_empty() || tenant.is_empty() {
                return Err(wrong());
            }
            Ok(RoleRule {
                value: value.to_owned(),
                role,
                tenant: tenant.to_owned(),
            })
        };
        let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
        parts.map(rule).collect::<Result<_, _>>().map(Self)
    }
    fn show(&self) -> String {
        let rules = self.0.iter().map(|rule| format!("{}={}@{}", rule.value, rule.role, rule.tenant));
        rules.collect::<Vec<_>>().join(",")
    }
}

/// A price, zero or more.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Price(pub f64);

impl SettingValue for Price {
    const VALUE_NAME: &'static str = "PRICE";
    fn read(text: &str) -> Result<Self, String> {
        match text.trim().parse::<f64>() {
            Ok(price) if price.is_finite() && price >= 0.0 => Ok(Self(price)),
            _ => Err(format!("`{text}` is not a price such as 0.00002")),
        }
    }
    fn show(&self) -> String {
        self.0.to_string()
    }
}

macro_rules! words {
    ($type:ident, $name:literal, $($variant:ident = $word:literal),+) => {
        impl SettingValue for $type {
            const VALUE_NAME: &'static str = $name;
            fn read(text: &str) -> Result<Self, String> {
                match text {
                    $($word => Ok(Self::$variant),)+
                    _ => Err(format!(concat!("`{}` should be one of", $(" `", $word, "`"),+), text)),
                }
            }
            fn show(&self) -> String {
                match self { $(Self::$variant => $word.to_owned(),)+ }
            }
        }
    };
}

/// The field in which an endpoint is told the most tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenLimit {
    /// The one that nearly everybody knows.
    MaxTokens,
    /// The one that OpenAI's reasoning models insist on.
    MaxCompletionTokens,
}

impl TokenLimit {
    /// Its name in requests.
    #[must_use]
    pub const fn field(self) -> &'static str {
        match self {
            Self::MaxTokens => "max_tokens",
            Self::MaxCompletionTokens => "max_completion_tokens",
        }
    }
}

/// Models and what a million of their tokens costs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelPrices(pub Vec<ModelPrice>);

impl SettingValue for ModelPrices {
    const VALUE_NAME: &'static str = "MODEL=INPUT/OUTPUT,…";
    fn read(text: &str) -> Result<Self, String> {
        let price = |part: &str| {
            let wrong = || format!("`{part}` is not a model with its prices such as `gpt-4o-mini=0.15/0.60`");
            let (name, prices) = part.rsplit_once('=').ok_or_else(wrong)?;
            let (input, output) = prices.split_once('/').ok_or_else(wrong)?;
            Ok(ModelPrice {
                name: name.parse().map_err(|_| wrong())?,
                input: input.trim().parse().map_err(|_| wrong())?,
                output: output.trim().parse().map_err(|_| wrong())?,
            })
        };
        let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
        let prices: Vec<ModelPrice> = parts.map(price).collect::<Result<_, String>>()?;
        for (index, price) in prices.iter().enumerate() {
            if prices[..index].iter().any(|other| other.name == price.name) {
                return Err(format!("`{}` is there twice", price.name));
            }
        }
        Ok(Self(prices))
    }
    fn show(&self) -> String {
        let prices = self
            .0
            .iter()
            .map(|price| format!("{}={}/{}", price.name, price.input, price.output));
        prices.collect::<Vec<_>>().join(",")
    }
}

words!(
    TokenLimit,
    "max_tokens|max_completion_tokens",
    MaxTokens = "max_tokens",
    MaxCompletionTokens = "max_completion_tokens"
);
words!(LogFormat, "text|json", Text = "text", Json = "json");
words!(Durability, "normal|full", Normal = "normal", Full = "full");

macro_rules! parsed {
    ($type:ty, $name:literal, $what:literal) => {
        impl SettingValue for $type {
            const VALUE_NAME: &'static str = $name;
            fn read(text: &str) -> Result<Self, String> {
                text.trim().parse().map_err(|_| format!(concat!("`{}` is not ", $what), text))
            }
            fn show(&self) -> String {
                self.to_string()
            }
        }
    };
}

parsed!(SocketAddr, "ADDRESS:PORT", "an address such as 127.0.0.1:7070");
parsed!(u32, "NUMBER", "a number");
parsed!(bool, "true|false", "`true` or `false`");
parsed!(ByteSize, "SIZE", "a size such as 512KiB or 64MiB");
parsed!(TimeSpan, "TIME", "a span of time such as 250ms, 5s, 2m or 1h");

impl SettingValue for String {
    const VALUE_NAME: &'static str = "TEXT";
    fn read(text: &str) -> Result<Self, String> {
        if text.is_empty() {
            Err("it must not be empty".to_owned())
        } else {
            Ok(text.to_owned())
        }
    }
    fn show(&self) -> String {
        self.clone()
    }
}

impl SettingValue for PathBuf {
    const VALUE_NAME: &'static str = "PATH";
    fn read(text: &str) -> Result<Self, String> {
        String::read(text).map(Self::from)
    }
    fn show(&self) -> String {
        self.display().to_string()
    }
}

impl SettingValue for Secret {
    const VALUE_NAME: &'static str = "SECRET";
    fn read(text: &str) -> Result<Self, String> {
        String::read(text).map(Self)
    }
    fn show(&self) -> String {
        String::new()
    }
}

impl<T: SettingValue> SettingValue for Option<T> {
    const VALUE_NAME: &'static str = T::VALUE_NAME;
    fn read(text: &str) -> Result<Self, String> {
        T::read(text).map(Some)
    }
    fn show(&self) -> String {
        self.as_ref().map_or_else(String::new, SettingValue::show)
    }
}

impl SettingValue for Networks {
    const VALUE_NAME: &'static str = "NETWORK,…";
    fn read(text: &str) -> Result<Self, String> {
        let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
        let networks: Result<Vec<IpNet>, String> = parts
            .map(|part| part.parse().map_err(|_| format!("`{part}` is not a network such as 10.0.0.0/8")))
            .collect();
        networks.map(Self)
    }
    fn show(&self) -> String {
        self.0.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
    }
}

impl SettingValue for Origins {
    const VALUE_NAME: &'static str = "ORIGIN,…";
    fn read(text: &str) -> Result<Self, String> {
        let origins: Vec<String> = text
            .split(',')
            .map(|part| part.trim().to_owned())
            .filter(|part| !part.is_empty())
            .collect();
        for origin in &origins {
            let host = origin.strip_prefix("https://").or_else(|| origin.strip_prefix("http://"));
            if origin != "*" && host.is_none_or(|host| host.is_empty() || host.contains(['/', ' '])) {
                return Err(format!("`{origin}` is not an origin such as https://app.example.com"));
            }
        }
        Ok(Self(origins))
    }
    fn show(&self) -> String {
        self.0.join(",")
    }
}
