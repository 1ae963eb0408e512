//! Which programs of other extensions an extension may call.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::name::{ContributionName, ExtensionName};

/// One entry of `call`: `extension/program`, or `extension/*` for every program of that extension.
///
/// An extension is always named: there is no pattern for programs of every extension, because those that are installed later
/// would be meant, too.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct ProgramPattern {
    extension: ExtensionName,
    /// Absent for `*`.
    program: Option<ContributionName>,
}

/// A text that is not a program pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{given}` is not a program that can be granted: {reason}")]
pub struct ProgramPatternError {
    /// The text as it came, cut to 128 characters.
    pub given: String,
    /// What is wrong with it.
    pub reason: &'static str,
}

impl ProgramPattern {
    /// The extension that it names.
    #[must_use]
    pub const fn extension(&self) -> &ExtensionName {
        &self.extension
    }

    /// Whether this program of this extension is meant.
    #[must_use]
    pub fn matches(&self, extension: &str, program: &str) -> bool {
        self.extension.as_str() == extension && self.program.as_ref().is_none_or(|own| own.as_str() == program)
    }

    /// Whether everything that `other` means is meant by this pattern too.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        self.extension == other.extension && (self.program.is_none() || self.program == other.program)
    }
}

impl std::str::FromStr for ProgramPattern {
    type Err = ProgramPatternError;

    fn from_str(text: &str) -> Result<Self, ProgramPatternError> {
        let fail = |reason| ProgramPatternError {
            given: text.chars().take(128).collect(),
            reason,
        };
        let (extension, program) = text
            .split_once('/')
            .ok_or_else(|| fail("name an extension and a program with `/` between them, or `*` for all programs of that extension"))?;
        if extension == "*" {
            return Err(fail("name the extension; there is no pattern for programs of every extension"));
        }
        let extension = extension
            .parse()
            .map_err(|_| fail("what stands before the `/` is not an extension's name"))?;
        let program = match program {
            "*" => None,
            name => Some(
                name.parse()
                    .map_err(|_| fail("what stands after the `/` is neither a program's name nor `*`"))?,
            ),
        };
        Ok(Self { extension, program })
    }
}

impl fmt::Display for ProgramPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}/{}",
            self.extension,
            self.program.as_ref().map_or("*", ContributionName::as_str)
        )
    }
}

impl fmt::Debug for ProgramPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for ProgramPattern {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ProgramPattern {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl schemars::JsonSchema for ProgramPattern {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "ProgramPattern".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "examples": ["geo/lookup", "geo/*"] })
    }
}

#[cfg(feature = "openapi")]
impl utoipa::PartialSchema for ProgramPattern {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
        utoipa::openapi::ObjectBuilder::new()
            .schema_type(utoipa::openapi::schema::Type::String)
            .examples(["geo/lookup"])
            .into()
    }
}

#[cfg(feature = "openapi")]
impl utoipa::ToSchema for ProgramPattern {}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(text: &str) -> ProgramPattern {
        text.parse().unwrap()
    }

    #[test]
    fn patterns_match_what_they_say_and_nothing_else() {
        let check = |p: &str, extension: &str, program: &str, wanted: bool| {
            assert_eq!(pattern(p).matches(extension, program), wanted, "{p} on {extension}/{program}");
        };
        check("geo/lookup", "geo", "lookup", true);
        check("geo/lookup", "geo", "lookup.v2", false);
        check("geo/lookup", "geo", "Lookup", false);
        check("geo/lookup", "geo", "*", false);
        check("geo/lookup", "geo2", "lookup", false);
        check("geo/lookup", "ge", "o/lookup", false);
        check("geo/*", "geo", "anything", true);
        check("geo/*", "geo", "", true);
        check("geo/*", "geology", "lookup", false);
        check("geo/*", "", "geo/lookup", false);
    }

    #[test]
    fn bad_patterns_are_refused_with_a_reason() {
        for bad in [
            "",
            "/",
            "*",
            "*/*",
            "*/lookup",
            "geo",
            "geo/",
            "/lookup",
            "geo/look up",
            "geo/*x",
            "geo/x*",
            "geo/**",
            "geo/a/b",
            "geo/a/*",
            "Geo/x",
            "geo /x",
            "geo/../x",
            "ge*o/x",
            " geo/x",
            "geo/x ",
            "geo\n/x",
            "geo//x",
        ] {
            let error = bad.parse::<ProgramPattern>().unwrap_err();
            assert!(!error.reason.is_empty(), "{bad}");
        }
        let long = format!("{}/x", "a".repeat(300));
        assert_eq!(long.parse::<ProgramPattern>().unwrap_err().given.len(), 128);
        for good in ["geo/lookup", "geo/*", "a/b.c_d-e"] {
            assert_eq!(pattern(good).to_string(), good);
        }
    }

    #[test]
    fn a_grant_covers_only_what_is_within_it() {
        let check = |given: &str, wanted: &str, covered: bool| {
            assert_eq!(pattern(given).covers(&pattern(wanted)), covered, "{given} covers {wanted}");
        };
        check("geo/*", "geo/lookup", true);
        check("geo/*", "geo/*", true);
        check("geo/lookup", "geo/lookup", true);
        check("geo/lookup", "geo/*", false);
        check("geo/lookup", "geo/reverse", false);
        check("geo/*", "maps/lookup", false);
    }
}
