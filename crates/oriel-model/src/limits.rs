//! Limits of a call and of an instance. Every axis has a default, and every axis is enforced by the sandbox.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// An amount of memory or data in bytes; written as a number or as `64MiB`, `512KiB`, `1GiB`, `10MB`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ByteSize(pub u64);

/// A span of time; written as `250ms`, `5s`, `2m`, `1h`. Whole milliseconds.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TimeSpan(pub Duration);

/// A text that is not an amount of the wanted kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AmountError {
    /// Not a size.
    #[error("`{0}` is not a size: write it as 512KiB, 64MiB, 1GiB or a number of bytes")]
    Size(String),
    /// Not a span of time.
    #[error("`{0}` is not a span of time: write it as 250ms, 5s, 2m or 1h")]
    Span(String),
}

fn amount(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let number: u64 = text[..digits].parse().ok()?;
    let unit = text[digits..].trim();
    units
        .iter()
        .find(|(name, _)| *name == unit)
        .and_then(|(_, factor)| number.checked_mul(*factor))
}

const SIZE_UNITS: [(&str, u64); 8] = [
    ("", 1),
    ("B", 1),
    ("kB", 1_000),
    ("KiB", 1 << 10),
    ("MB", 1_000_000),
    ("MiB", 1 << 20),
    ("GB", 1_000_000_000),
    ("GiB", 1 << 30),
];
const SPAN_UNITS: [(&str, u64); 4] = [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000)];

impl std::str::FromStr for ByteSize {
    type Err = AmountError;

    fn from_str(text: &str) -> Result<Self, AmountError> {
        amount(text, &SIZE_UNITS)
            .map(Self)
            .ok_or_else(|| AmountError::Size(text.chars().take(32).collect()))
    }
}

impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (unit, size) in [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)] {
            if self.0 >= size && self.0.is_multiple_of(size) {
                return write!(f, "{}{unit}", self.0 / size);
            }
        }
        write!(f, "{}", self.0)
    }
}

impl std::str::FromStr for TimeSpan {
    type Err = AmountError;

    fn from_str(text: &str) -> Result<Self, AmountError> {
        amount(text, &SPAN_UNITS)
            .map(|ms| Self(Duration::from_millis(ms)))
            .ok_or_else(|| AmountError::Span(text.chars().take(32).collect()))
    }
}

impl fmt::Display for TimeSpan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = self.0.as_millis();
        match ms {
            _ if ms != 0 && ms.is_multiple_of(3_600_000) => write!(f, "{}h", ms / 3_600_000),
            _ if ms != 0 && ms.is_multiple_of(60_000) => write!(f, "{}m", ms / 60_000),
            _ if ms != 0 && ms.is_multiple_of(1_000) => write!(f, "{}s", ms / 1_000),
            _ => write!(f, "{ms}ms"),
        }
    }
}

macro_rules! amount_serde {
    ($name:ident, $expects:literal, $types:tt, $pattern:literal, $example:literal, $from_number:expr) => {
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Visitor;
                impl serde::de::Visitor<'_> for Visitor {
                    type Value = $name;
                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        f.write_str($expects)
                    }
                    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<$name, E> {
                        text.parse().map_err(E::custom)
                    }
                    fn visit_u64<E: serde::de::Error>(self, number: u64) -> Result<$name, E> {
                        let turn: fn(u64) -> Option<$name> = $from_number;
                        turn(number).ok_or_else(|| E::invalid_type(serde::de::Unexpected::Unsigned(number), &self))
                    }
                    fn visit_i64<E: serde::de::Error>(self, number: i64) -> Result<$name, E> {
                        match u64::try_from(number) {
                            Ok(number) => self.visit_u64(number),
                            Err(_) => Err(E::invalid_value(serde::de::Unexpected::Signed(number), &self)),
                        }
                    }
                }
                deserializer.deserialize_any(Visitor)
            }
        }

        impl schemars::JsonSchema for $name {
            fn inline_schema() -> bool {
                true
            }
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }
            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({ "type": $types, "pattern": $pattern, "minimum": 0, "examples": [$example] })
            }
        }

        #[cfg(feature = "openapi")]
        impl utoipa::PartialSchema for $name {
            fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
                utoipa::openapi::ObjectBuilder::new()
                    .schema_type(utoipa::openapi::schema::Type::String)
                    .pattern(Some($pattern))
                    .examples([$example])
                    .into()
            }
        }

        #[cfg(feature = "openapi")]
        impl utoipa::ToSchema for $name {}
    };
}

amount_serde!(
    ByteSize,
    "a size such as \"64MiB\"",
    ["string", "integer"],
    "^[0-9]+ ?(B|kB|KiB|MB|MiB|GB|GiB)?$",
    "64MiB",
    |n| Some(ByteSize(n))
);
amount_serde!(
    TimeSpan,
    "a span of time such as \"5s\"",
    "string",
    "^[0-9]+ ?(ms|s|m|h)$",
    "5s",
    |_| None
);

macro_rules! limits {
    ($($(#[$doc:meta])* $field:ident: $type:ty = $default:expr, max $max:expr;)*) => {
        /// What a manifest asks for, or an administrator sets, per axis; an absent axis takes the default.
        #[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
        #[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
        #[serde(rename_all = "camelCase", deny_unknown_fields, default)]
        #[schemars(rename_all = "snake_case")]
        pub struct LimitsRequest {
            $($(#[$doc])* #[serde(skip_serializing_if = "Option::is_none")] pub $field: Option<$type>,)*
        }

        /// The limits in force: every axis has a value.
        #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
        #[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
        #[serde(rename_all = "camelCase")]
        pub struct Limits {
            $($(#[$doc])* pub $field: $type,)*
        }

        impl Default for Limits {
            fn default() -> Self {
                Self { $($field: $default,)* }
            }
        }

        impl Limits {
            /// The most that the platform allows anybody to set, unless its operator says otherwise.
            #[must_use]
            pub fn ceiling() -> Self {
                Self { $($field: $max,)* }
            }

            /// The limits that `asked` yields: defaults where it is silent, and never above `ceiling`.
            #[must_use]
            pub fn resolve(asked: &LimitsRequest, ceiling: &Self) -> Self {
                let default = Self::default();
                Self { $($field: asked.$field.unwrap_or(default.$field).min(ceiling.$field),)* }
            }

            /// These limits with the axes of `set` put in their place, never above `ceiling`.
            #[must_use]
            pub fn override_with(&self, set: &LimitsRequest, ceiling: &Self) -> Self {
                Self { $($field: set.$field.unwrap_or(self.$field).min(ceiling.$field),)* }
            }

            /// The names of the axes on which `asked` wants more than `ceiling` allows.
            #[must_use]
            pub fn above(asked: &LimitsRequest, ceiling: &Self) -> Vec<&'static str> {
                let mut names = Vec::new();
                $(if asked.$field.is_some_and(|value| value > ceiling.$field) {
                    names.push(stringify!($field));
                })*
                names
            }
        }
    };
}

const fn mib(n: u64) -> ByteSize {
    ByteSize(n << 20)
}
const fn ms(n: u64) -> TimeSpan {
    TimeSpan(Duration::from_millis(n))
}

limits! {
    /// Linear memory of one instance, all its core modules together.
    memory: ByteSize = mib(64), max mib(1_024);
    /// Wall time of one call, waiting included. After it host calls answer `deadline-exceeded`; 50 ms later
    /// the guest is stopped.
    timeout: TimeSpan = ms(5_000), max ms(300_000);
    /// Time that guest code itself may run in one call, waiting in host calls excluded.
    cpu: TimeSpan = ms(5_000), max ms(300_000);
    /// Time that `initialize` and instantiation may take together.
    start_timeout: TimeSpan = ms(10_000), max ms(60_000);
    /// Elements in all tables of one instance.
    table_elements: u32 = 100_000, max 1_000_000;
    /// Core instances inside one component instance (a Python component has about 40).
    core_instances: u32 = 100, max 200;
    /// Instances of one installation that live at once; further calls wait in a queue.
    instances: u32 = 64, max 1_000;
    /// Calls that may wait for an instance; beyond it a call is refused with `extension.overloaded`.
    queue: u32 = 10_000, max 100_000;
    /// Length of an input, in bytes of JSON.
    input: ByteSize = mib(8), max mib(64);
    /// Length of an output, in bytes of JSON.
    output: ByteSize = mib(8), max mib(64);
    /// Host calls in one call.
    host_calls: u32 = 100_000, max 10_000_000;
    /// Bytes that cross host calls in one call, both ways.
    host_call_bytes: ByteSize = mib(256), max mib(4_096);
    /// Log bytes in one call; further lines are dropped and counted.
    log: ByteSize = ByteSize(256 << 10), max mib(16);
    /// Outbound connections open at once in one call.
    connections: u32 = 8, max 64;
    /// Outbound HTTP requests in one call.
    http_requests: u32 = 100, max 10_000;
    /// Length of one outbound response body.
    http_response: ByteSize = mib(16), max mib(256);
    /// Wall time of one outbound HTTP request, connecting included.
    http_timeout: TimeSpan = ms(10_000), max ms(120_000);
    /// Keys that the key-value store keeps for one installation.
    kv_keys: u32 = 100_000, max 10_000_000;
    /// Length of one key-value value.
    kv_value: ByteSize = mib(1), max mib(16);
    /// All keys and values of one installation together.
    kv_total: ByteSize = mib(64), max mib(10_240);
    /// Documents that the collections of one installation keep together.
    collection_documents: u32 = 100_000, max 100_000_000;
    /// All documents of one installation together, their ids included.
    collection_bytes: ByteSize = mib(256), max mib(102_400);
    /// Length of one document, in bytes of JSON.
    document: ByteSize = mib(1), max mib(16);
    /// Runs of jobs that wait at once for one installation, whoever started them; one more is refused.
    job_queue: u32 = 10_000, max 1_000_000;
    /// Length of a job's input that the extension puts into its own queue, in bytes of JSON.
    job_input: ByteSize = ByteSize(256 << 10), max mib(8);
    /// Completions that one call may ask of the model.
    model_requests: u32 = 20, max 1_000;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts() {
        for (text, bytes) in [("0", 0), ("512KiB", 512 << 10), ("64 MiB", 64 << 20), ("10MB", 10_000_000)] {
            assert_eq!(text.parse(), Ok(ByteSize(bytes)), "{text}");
        }
        for bad in [
            "",
            "MiB",
            "-1",
            "1.5MiB",
            "64mib",
            "99999999999999999999",
            "18446744073709551615KiB",
        ] {
            assert!(bad.parse::<ByteSize>().is_err(), "{bad}");
        }
        for (text, ms) in [("250ms", 250), ("5s", 5_000), ("2m", 120_000), ("1h", 3_600_000)] {
            assert_eq!(text.parse(), Ok(TimeSpan(Duration::from_millis(ms))), "{text}");
            assert_eq!(TimeSpan(Duration::from_millis(ms)).to_string(), text);
        }
        for bad in ["5", "5 days", "s", ""] {
            assert!(bad.parse::<TimeSpan>().is_err(), "{bad}");
        }
    }

    #[test]
    fn resolving_takes_defaults_and_stops_at_the_ceiling() {
        let asked = LimitsRequest {
            memory: Some(mib(9_999)),
            queue: Some(7),
            ..Default::default()
        };
        let limits = Limits::resolve(&asked, &Limits::ceiling());
        assert_eq!((limits.memory, limits.queue, limits.timeout), (mib(1_024), 7, ms(5_000)));
        assert_eq!(Limits::above(&asked, &Limits::ceiling()), ["memory"]);
    }
}
