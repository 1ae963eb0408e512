//! Amounts of money, exact to a millionth of the currency that the operator's prices are in.

use std::fmt;

use serde::{Deserialize, Serialize};

/// An amount of money: millionths of the operator's currency. Written as a plain number, such as `2.5`.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Money(pub u64);

/// A number that is no amount of money.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("an amount of money is a number from 0 to 1000000000")]
pub struct MoneyError;

impl Money {
    /// The most that is counted.
    pub const MAX: Self = Self(1_000_000_000 * 1_000_000);

    /// The amount, rounded to a millionth.
    ///
    /// # Errors
    /// When it is negative, not a number, or above [`Money::MAX`].
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "checked to be between 0 and the most"
    )]
    pub fn new(amount: f64) -> Result<Self, MoneyError> {
        let micros = (amount * 1e6).round();
        if micros.is_finite() && (0.0..=Self::MAX.0 as f64).contains(&micros) {
            Ok(Self(micros as u64))
        } else {
            Err(MoneyError)
        }
    }

    /// The amount in units of the currency.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "exact up to the most that is counted")]
    pub fn units(self) -> f64 {
        self.0 as f64 / 1e6
    }
}

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.units())
    }
}

impl fmt::Debug for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::str::FromStr for Money {
    type Err = MoneyError;

    fn from_str(text: &str) -> Result<Self, MoneyError> {
        Self::new(text.parse().map_err(|_| MoneyError)?)
    }
}

impl Serialize for Money {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // Whole amounts without a fraction, as people write them.
        if self.0.is_multiple_of(1_000_000) {
            serializer.serialize_u64(self.0 / 1_000_000)
        } else {
            serializer.serialize_f64(self.units())
        }
    }
}

impl<'de> Deserialize<'de> for Money {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::new(f64::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

impl schemars::JsonSchema for Money {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Money".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": ["number", "integer"], "minimum": 0, "maximum": 1_000_000_000, "examples": [20] })
    }
}

#[cfg(feature = "openapi")]
impl utoipa::PartialSchema for Money {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
        utoipa::openapi::ObjectBuilder::new()
            .schema_type(utoipa::openapi::schema::Type::Number)
            .minimum(Some(0))
            .examples([20])
            .into()
    }
}

#[cfg(feature = "openapi")]
impl utoipa::ToSchema for Money {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_exact_to_a_millionth_and_bounded() {
        for (text, micros) in [
            ("0", 0),
            ("20", 20_000_000),
            ("0.15", 150_000),
            ("0.000001", 1),
            ("1e9", Money::MAX.0),
        ] {
            assert_eq!(serde_json::from_str::<Money>(text).unwrap(), Money(micros), "{text}");
            assert_eq!(text.parse(), Ok(Money(micros)), "{text}");
        }
        for bad in ["-1", "1000000001", "\"5\"", "null"] {
            assert!(serde_json::from_str::<Money>(bad).is_err(), "{bad}");
        }
        assert_eq!((Money::new(f64::NAN), "NaN".parse::<Money>()), (Err(MoneyError), Err(MoneyError)));
        let back = serde_json::to_string(&Money(1_250_000)).unwrap();
        assert_eq!((back.as_str(), serde_json::from_str(&back).ok()), ("1.25", Some(Money(1_250_000))));
        assert_eq!(serde_json::to_string(&Money(20_000_000)).unwrap(), "20");
    }
}
