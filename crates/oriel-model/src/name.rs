//! Names that people choose: of extensions, programs, tasks, tenants, publishers.

use std::borrow::Borrow;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A text that cannot be a name of the wanted kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{given}` is not a valid {what} name: use 1 to {max} characters of a-z, 0-9{extra} and single `-` inside, starting with a letter")]
pub struct NameError {
    /// The text as it came, cut to 64 characters.
    pub given: String,
    /// "extension", "task", …
    pub what: &'static str,
    /// The longest allowed name, in characters.
    pub max: usize,
    /// Further characters that this kind allows, for the message.
    pub extra: &'static str,
}

/// Lower-case words joined by single separators; what separates besides `-` differs by kind.
fn is_name(text: &str, max: usize, separators: &[u8]) -> bool {
    let bytes = text.as_bytes();
    let separator = |byte: u8| byte == b'-' || separators.contains(&byte);
    !bytes.is_empty()
        && bytes.len() <= max
        && bytes[0].is_ascii_lowercase()
        && !separator(bytes[bytes.len() - 1])
        && bytes.iter().all(|&b| b.is_ascii_lowercase() || b.is_ascii_digit() || separator(b))
        && !bytes.windows(2).any(|pair| separator(pair[0]) && separator(pair[1]))
}

macro_rules! name_type {
    ($(#[$doc:meta])* $name:ident, $what:literal, $max:literal, $separators:literal, $extra:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
        #[serde(transparent)]
        pub struct $name(Box<str>);

        impl $name {
            /// The longest allowed name, in characters.
            pub const MAX: usize = $max;

            /// The name as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = NameError;

            fn from_str(text: &str) -> Result<Self, NameError> {
                if is_name(text, $max, $separators) {
                    return Ok(Self(text.into()));
                }
                Err(NameError { given: text.chars().take(64).collect(), what: $what, max: $max, extra: $extra })
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
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
                schemars::json_schema!({
                    "type": "string",
                    "pattern": concat!("^[a-z][a-z0-9]*([-", $extra, "][a-z0-9]+)*$"),
                    "maxLength": $max,
                })
            }
        }

        #[cfg(feature = "openapi")]
        impl utoipa::PartialSchema for $name {
            fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
                utoipa::openapi::ObjectBuilder::new()
                    .schema_type(utoipa::openapi::schema::Type::String)
                    .pattern(Some(concat!("^[a-z][a-z0-9]*([-", $extra, "][a-z0-9]+)*$")))
                    .min_length(Some(1))
                    .max_length(Some($max))
                    .into()
            }
        }

        #[cfg(feature = "openapi")]
        impl utoipa::ToSchema for $name {}
    };
}

name_type!(
    /// The name of an extension, such as `flight-delays`.
    ExtensionName, "extension", 64, b"", ""
);
name_type!(
    /// The name of a contribution within its extension, such as `classify` or `triage.v2`.
    ContributionName, "contribution", 64, b"._", "._"
);
name_type!(
    /// The name of a task within its tenant, such as `flights.classify`.
    TaskName, "task", 128, b"._", "._"
);
name_type!(
    /// The name of a hook within its tenant, such as `order.pre-create`.
    HookName, "hook", 128, b"._", "._"
);
name_type!(
    /// The name of a policy within its tenant, such as `no-payments-at-night`.
    PolicyName, "policy", 64, b"._", "._"
);
name_type!(
    /// The name of a secret within its extension, such as `github-token`.
    SecretName, "secret", 64, b"._", "._"
);
name_type!(
    /// The short name of a tenant, such as `acme`.
    TenantName, "tenant", 64, b"", ""
);
name_type!(
    /// Who owns an extension's name, such as `acme`.
    PublisherName, "publisher", 64, b"", ""
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        for good in ["a", "flight-delays", "x9", "a1-b2-c3"] {
            assert!(good.parse::<ExtensionName>().is_ok(), "{good}");
        }
        for bad in ["", "-a", "a-", "a--b", "9a", "A", "a_b", "a.b", "ä", "a/b", "../a", &"a".repeat(65)] {
            assert!(bad.parse::<ExtensionName>().is_err(), "{bad}");
        }
        assert!("flights.classify_v2".parse::<TaskName>().is_ok());
        assert!("flights..classify".parse::<TaskName>().is_err());
    }
}
