//! Values as bytes that sort as the values do: null < false < true < numbers < texts.
//!
//! Numbers sort as 64-bit floating point numbers, texts by their code points. No key is the beginning of another one, so keys of
//! several fields may be put one after the other.

use serde_json::Value;

use super::{CollectionIndex, FieldPath};

/// The longest text that an indexed field may hold, in bytes: PostgreSQL takes keys of 2,704 bytes.
pub const MAX_INDEXED_TEXT: usize = 256;

const MISSING: u8 = 0x00;
const NULL: u8 = 0x01;
const FALSE: u8 = 0x02;
const TRUE: u8 = 0x03;
pub(super) const NUMBER: u8 = 0x04;
pub(super) const TEXT: u8 = 0x05;
/// Arrays and objects, which have no order: they are there, and that is all.
const OTHER: u8 = 0x06;

/// The key of a null, boolean, number or text; nothing of an array or object.
#[must_use]
pub fn scalar(value: &Value) -> Option<Vec<u8>> {
    match value {
        Value::Null => Some(vec![NULL]),
        Value::Bool(value) => Some(vec![if *value { TRUE } else { FALSE }]),
        Value::Number(number) => number.as_f64().map(of_number),
        Value::String(text) => {
            let mut key = text_start(text);
            key.extend([0, 0]);
            Some(key)
        }
        Value::Array(_) | Value::Object(_) => None,
    }
}

fn of_number(number: f64) -> Vec<u8> {
    // 0 and -0 are one number.
    let bits = if number == 0.0 { 0 } else { number.to_bits() };
    // Positive numbers sort by their bits; of negative ones the bits are turned round.
    let ordered = if bits >> 63 == 0 { bits | 1 << 63 } else { !bits };
    let mut key = vec![NUMBER];
    key.extend(ordered.to_be_bytes());
    key
}

/// What the keys of all texts that start with `prefix` start with.
#[must_use]
pub fn text_start(prefix: &str) -> Vec<u8> {
    let mut key = Vec::with_capacity(prefix.len() + 3);
    key.push(TEXT);
    for byte in prefix.bytes() {
        key.push(byte);
        if byte == 0 {
            key.push(0xff);
        }
    }
    key
}

/// What an index holds of a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IndexKey {
    /// The values of its fields, one after the other.
    pub bytes: Vec<u8>,
    /// Whether a unique index compares it.
    pub whole: bool,
}

/// The key of a document in an index.
///
/// # Errors
/// The field whose text is longer than [`MAX_INDEXED_TEXT`].
pub fn of_index<'i>(index: &'i CollectionIndex, body: &Value) -> Result<IndexKey, &'i FieldPath> {
    let mut key = IndexKey {
        bytes: Vec::new(),
        whole: true,
    };
    for field in &index.fields {
        let (bytes, whole) = of_field(field, body)?;
        key.bytes.extend(bytes);
        key.whole &= whole;
    }
    Ok(key)
}

/// The key of one field of a document, and whether it can be compared.
///
/// # Errors
/// The field, when its text is longer than [`MAX_INDEXED_TEXT`].
pub fn of_field<'f>(field: &'f FieldPath, body: &Value) -> Result<(Vec<u8>, bool), &'f FieldPath> {
    match field.of(body) {
        None => Ok((vec![MISSING], false)),
        Some(Value::String(text)) if text.len() > MAX_INDEXED_TEXT => Err(field),
        Some(value) => Ok(scalar(value).map_or((vec![OTHER], false), |key| (key, !value.is_null()))),
    }
}

/// The least bytes above all that start with `prefix`; nothing when there are none.
#[must_use]
pub fn after(prefix: &[u8]) -> Option<Vec<u8>> {
    let mut end = prefix.to_vec();
    while let Some(last) = end.pop() {
        if last < 0xff {
            end.push(last + 1);
            return Some(end);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn keys_sort_as_values_do() {
        let ascending = [
            json!(null),
            json!(false),
            json!(true),
            json!(-1e300),
            json!(-2),
            json!(-1.5),
            json!(-1e-300),
            json!(0),
            json!(1e-300),
            json!(1),
            json!(1.5),
            json!(2),
            json!(9_007_199_254_740_991_i64),
            json!(1e300),
            json!(""),
            json!("\u{0}"),
            json!("\u{0}a"),
            json!("\u{1}"),
            json!("a"),
            json!("a\u{0}"),
            json!("aa"),
            json!("b"),
            json!("é"),
            json!("😀"),
        ];
        let keys: Vec<_> = ascending.iter().map(|value| scalar(value).unwrap()).collect();
        for (pair, values) in keys.windows(2).zip(ascending.windows(2)) {
            assert!(pair[0] < pair[1], "{} and {}", values[0], values[1]);
        }
        for (number, key) in keys.iter().enumerate() {
            let others = keys.iter().enumerate().filter(|(other, _)| *other != number);
            assert!(others.clone().all(|(_, other)| !other.starts_with(key)), "{}", ascending[number]);
        }
        assert_eq!(scalar(&json!(-0.0)), scalar(&json!(0)));
        assert_eq!(scalar(&json!(1.0)), scalar(&json!(1)));
        assert_eq!(scalar(&json!([1])), None);
    }

    #[test]
    fn an_index_tells_what_it_can_compare() {
        let index = CollectionIndex {
            fields: vec!["/a".parse().unwrap(), "/b".parse().unwrap()],
            unique: true,
        };
        let whole = |body| of_index(&index, &body).unwrap().whole;
        assert!(whole(json!({"a": 1, "b": "x"})));
        assert!(!whole(json!({"a": 1})) && !whole(json!({"a": null, "b": 1})) && !whole(json!({"a": [], "b": 1})));
        let long = json!({"a": 1, "b": "x".repeat(MAX_INDEXED_TEXT + 1)});
        assert_eq!(of_index(&index, &long).unwrap_err().as_str(), "/b");
    }

    #[test]
    fn ranges_end_after_their_prefix() {
        assert_eq!(after(&[1, 2]), Some(vec![1, 3]));
        assert_eq!(after(&[1, 0xff]), Some(vec![2]));
        assert_eq!(after(&[0xff]), None);
    }
}
