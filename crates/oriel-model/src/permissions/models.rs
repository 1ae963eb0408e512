//! What an extension may ask of the model that the operator has set up.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::money::Money;

/// The longest name of a model, in bytes.
const MAX_NAME: usize = 128;

/// The name of a model as its endpoint knows it, such as `gpt-4o-mini` or `llama3:8b`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ModelName(Box<str>);

/// A text that is no name of a model.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{given}` is no name of a model: it has 1 to {MAX_NAME} letters, digits and the characters `._:/@+-`")]
pub struct ModelNameError {
    /// The text as it came, cut to 64 characters.
    pub given: String,
}

impl ModelName {
    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::str::FromStr for ModelName {
    type Err = ModelNameError;

    fn from_str(text: &str) -> Result<Self, ModelNameError> {
        let good = |c: u8| c.is_ascii_alphanumeric() || b"._:/@+-".contains(&c);
        if (1..=MAX_NAME).contains(&text.len()) && text.bytes().all(good) {
            Ok(Self(text.into()))
        } else {
            Err(ModelNameError {
                given: text.chars().take(64).collect(),
            })
        }
    }
}

impl fmt::Display for ModelName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for ModelName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for ModelName {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for ModelName {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl schemars::JsonSchema for ModelName {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "ModelName".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "pattern": "^[A-Za-z0-9._:/@+-]{1,128}$", "examples": ["gpt-4o-mini"] })
    }
}

#[cfg(feature = "openapi")]
impl utoipa::PartialSchema for ModelName {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
        utoipa::openapi::ObjectBuilder::new()
            .schema_type(utoipa::openapi::schema::Type::String)
            .examples(["gpt-4o-mini"])
            .into()
    }
}

#[cfg(feature = "openapi")]
impl utoipa::ToSchema for ModelName {}

/// Ask the operator's model for completions.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[schemars(rename_all = "snake_case")]
pub struct ModelPermission {
    /// Models that it may name. Without any it gets the operator's default model.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub models: Vec<ModelName>,
    /// The most that it may spend in one day (UTC), in the operator's currency.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub spend_per_day: Option<Money>,
    /// The most that it may spend in one month (UTC), in the operator's currency.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub spend_per_month: Option<Money>,
}

impl ModelPermission {
    /// Whether it may name this model.
    #[must_use]
    pub fn allows(&self, model: &str) -> bool {
        self.models.iter().any(|allowed| allowed.as_str() == model)
    }

    /// What this asks for beyond `grant`, in words.
    pub(super) fn beyond(&self, grant: Option<&Self>) -> Vec<String> {
        let mut wider = Vec::new();
        if grant.is_none() && self.models.is_empty() {
            wider.push("model".to_owned());
        }
        let none = Self::default();
        let given = grant.unwrap_or(&none);
        wider.extend(
            self.models
                .iter()
                .filter(|model| !given.allows(model.as_str()))
                .map(|model| format!("model {model}")),
        );
        let spans = [
            ("day", self.spend_per_day, given.spend_per_day),
            ("month", self.spend_per_month, given.spend_per_month),
        ];
        for (span, wanted, given) in spans {
            let covered = match (wanted, given) {
                (_, None) => grant.is_some(),
                (Some(wanted), Some(given)) => wanted <= given,
                (None, Some(_)) => false,
            };
            match wanted {
                Some(wanted) if !covered => wider.push(format!("model for up to {wanted} a {span}")),
                None if !covered && grant.is_some() => wider.push(format!("model without a limit for the {span}")),
                _ => {}
            }
        }
        wider
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn permission(text: &str) -> ModelPermission {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn names_are_bounded() {
        for good in ["gpt-4o-mini", "llama3:8b", "meta-llama/Llama-3.1-8B", "a"] {
            assert_eq!(good.parse::<ModelName>().unwrap().as_str(), good);
        }
        for bad in ["", "a b", "a\n", "modèle", "a\"b", &"x".repeat(129)] {
            assert!(bad.parse::<ModelName>().is_err(), "{bad}");
        }
    }

    #[test]
    fn more_models_and_more_money_are_more() {
        let asked = permission(r#"{"models": ["a", "b"], "spendPerMonth": 20}"#);
        assert_eq!(asked.beyond(None), ["model a", "model b", "model for up to 20 a month"]);
        assert_eq!(asked.beyond(Some(&asked)), [""; 0]);
        let wider = permission(r#"{"models": ["a", "b", "c"]}"#);
        assert_eq!(asked.beyond(Some(&wider)), [""; 0]);
        assert_eq!(wider.beyond(Some(&asked)), ["model c", "model without a limit for the month"]);
        let less = permission(r#"{"models": ["a", "b"], "spendPerMonth": 19.999999}"#);
        assert_eq!(asked.beyond(Some(&less)), ["model for up to 20 a month"]);
        assert_eq!(permission("{}").beyond(None), ["model"]);
        assert!(serde_json::from_str::<ModelPermission>(r#"{"spend": 1}"#).is_err());
    }
}
