//! Decimal numbers of any length, compared exactly: `0.1` is a tenth, and `9007199254740993` is not its neighbour.

use std::cmp::Ordering;

use serde_json::Value;

/// A number as its sign, its digits and where its point is: `digits × 10^exponent`, without zeros at either end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Decimal {
    negative: bool,
    digits: String,
    exponent: i64,
}

/// Beyond this nothing is a number that anybody means.
const MOST_EXPONENT: i64 = 100_000;

impl Decimal {
    /// Reads `-12.50` or `1.25e1`; `None` for whatever else.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (negative, rest) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
        let (mantissa, exponent) = match rest.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, exponent.strip_prefix('+').unwrap_or(exponent).parse::<i64>().ok()?),
            None => (rest, 0),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, "0"));
        let all_digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        if !all_digits(whole) || !all_digits(fraction) || exponent.abs() > MOST_EXPONENT {
            return None;
        }
        let all = format!("{whole}{fraction}");
        let exponent = exponent - i64::try_from(fraction.len()).ok()?;
        let kept = all.trim_end_matches('0');
        let exponent = exponent + i64::try_from(all.len() - kept.len()).ok()?;
        let digits = kept.trim_start_matches('0');
        if digits.is_empty() {
            return Some(Self {
                negative: false,
                digits: String::new(),
                exponent: 0,
            });
        }
        Some(Self {
            negative,
            digits: digits.to_owned(),
            exponent,
        })
    }

    /// A JSON number, or a text that is a decimal.
    pub(crate) fn of(value: &Value) -> Option<Self> {
        match value {
            Value::Number(number) => Self::parse(&number.to_string()),
            // As people write amounts: no exponent.
            Value::String(text) if !text.contains(['e', 'E']) => Self::parse(text),
            _ => None,
        }
    }

    /// Whether it has no fraction.
    pub(crate) const fn is_integer(&self) -> bool {
        self.exponent >= 0
    }

    /// The power of ten just above the number's size.
    fn size(&self) -> i64 {
        self.exponent + i64::try_from(self.digits.len()).unwrap_or(i64::MAX / 2)
    }

    fn compare_sizes(&self, other: &Self) -> Ordering {
        match (self.digits.is_empty(), other.digits.is_empty()) {
            (true, true) => return Ordering::Equal,
            (true, false) => return Ordering::Less,
            (false, true) => return Ordering::Greater,
            (false, false) => {}
        }
        // Digits begin at the same place when the sizes are equal: the texts then compare like the numbers.
        self.size().cmp(&other.size()).then_with(|| self.digits.cmp(&other.digits))
    }
}

impl PartialOrd for Decimal {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Decimal {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self.negative, other.negative) {
            (false, true) => Ordering::Greater,
            (true, false) => Ordering::Less,
            (false, false) => self.compare_sizes(other),
            (true, true) => other.compare_sizes(self),
        }
    }
}
