//! Small helpers on the TOML document.

use std::ops::Range;

use serde_json::{Map, Number, Value};
use serde_spanned::Spanned;
use toml::de::{DeTable, DeValue};

/// The deepest nesting that is read. The parser's own bound does not multiply dotted keys with inline tables.
pub(super) const MAX_DEPTH: usize = 96;

/// A field's value.
pub(super) fn get<'d, 't>(table: &'d DeTable<'t>, name: &str) -> Option<&'d Spanned<DeValue<'t>>> {
    table.iter().find(|(key, _)| key.get_ref() == name).map(|(_, value)| value)
}

/// A field that is a text, with its place.
pub(super) fn text<'d>(table: &'d DeTable<'_>, name: &str) -> Option<(&'d str, Range<usize>)> {
    let value = get(table, name)?;
    Some((value.get_ref().as_str()?, value.span()))
}

/// A field that is a table.
pub(super) fn table<'d, 't>(parent: &'d DeTable<'t>, name: &str) -> Option<&'d DeTable<'t>> {
    match get(parent, name)?.get_ref() {
        DeValue::Table(table) => Some(table),
        _ => None,
    }
}

/// The items of a field that is an array; nothing when it is absent or no array.
pub(super) fn items<'d, 't>(parent: &'d DeTable<'t>, name: &str) -> impl Iterator<Item = &'d Spanned<DeValue<'t>>> + use<'d, 't> {
    let array = get(parent, name).and_then(|value| match value.get_ref() {
        DeValue::Array(array) => Some(array),
        _ => None,
    });
    array.into_iter().flat_map(|array| array.iter())
}

/// The texts of a field that is an array of texts, with their places.
pub(super) fn texts<'d>(parent: &'d DeTable<'_>, name: &str) -> Vec<(&'d str, Range<usize>)> {
    items(parent, name)
        .filter_map(|item| Some((item.get_ref().as_str()?, item.span())))
        .collect()
}

/// The value as JSON. What JSON cannot say (dates, infinities, integers beyond 64 bits) becomes null and is
/// noted in `problems`.
pub(super) fn json(value: &Spanned<DeValue<'_>>, problems: &mut Vec<(Range<usize>, &'static str)>) -> Value {
    let mut fail = |message| {
        problems.push((value.span(), message));
        Value::Null
    };
    match value.get_ref() {
        DeValue::String(text) => Value::from(&**text),
        DeValue::Boolean(value) => Value::from(*value),
        DeValue::Integer(integer) => {
            let signed = i64::from_str_radix(integer.as_str(), integer.radix()).map(Value::from);
            let unsigned = || u64::from_str_radix(integer.as_str(), integer.radix()).map(Value::from);
            signed
                .or_else(|_| unsigned())
                .unwrap_or_else(|_| fail("the integer does not fit into 64 bits"))
        }
        DeValue::Float(float) => {
            let number = float.as_str().parse().ok().and_then(Number::from_f64);
            number.map_or_else(|| fail("JSON has no such number"), Value::Number)
        }
        DeValue::Datetime(_) => fail("JSON has no dates: write it as a string"),
        DeValue::Array(items) => Value::Array(items.iter().map(|item| json(item, problems)).collect()),
        DeValue::Table(table) => {
            let mut map = Map::new();
            for (key, item) in table {
                map.insert(key.get_ref().to_string(), json(item, problems));
            }
            Value::Object(map)
        }
    }
}

/// The place of what a JSON pointer leads to, or of the nearest value above it.
pub(super) fn at_pointer(value: &Spanned<DeValue<'_>>, pointer: &str) -> Range<usize> {
    let mut place = value;
    for step in pointer.split('/').skip(1) {
        let step = step.replace("~1", "/").replace("~0", "~");
        let below = match place.get_ref() {
            DeValue::Table(table) => get(table, &step),
            DeValue::Array(items) => step.parse::<usize>().ok().and_then(|index| items.get(index)),
            _ => None,
        };
        let Some(below) = below else { break };
        place = below;
    }
    place.span()
}

/// Refuses a document that nests deeper than [`MAX_DEPTH`]; answers the place where it does. Neither measuring
/// nor dropping the refused document recurses, so that no text can exhaust the stack.
pub(super) fn bounded(root: DeTable<'_>) -> Result<DeTable<'_>, Range<usize>> {
    let Some(place) = too_deep(&root) else { return Ok(root) };
    let mut pieces: Vec<DeValue<'_>> = root.into_iter().map(|(_, value)| value.into_inner()).collect();
    while let Some(piece) = pieces.pop() {
        match piece {
            DeValue::Table(table) => pieces.extend(table.into_iter().map(|(_, value)| value.into_inner())),
            DeValue::Array(items) => pieces.extend(items.into_iter().map(Spanned::into_inner)),
            _ => {}
        }
    }
    Err(place)
}

fn too_deep(root: &DeTable<'_>) -> Option<Range<usize>> {
    let mut open: Vec<(usize, &Spanned<DeValue<'_>>)> = root.iter().map(|(_, value)| (1, value)).collect();
    while let Some((depth, value)) = open.pop() {
        if depth > MAX_DEPTH {
            return Some(value.span());
        }
        match value.get_ref() {
            DeValue::Table(table) => open.extend(table.iter().map(|(_, below)| (depth + 1, below))),
            DeValue::Array(items) => open.extend(items.iter().map(|below| (depth + 1, below))),
            _ => {}
        }
    }
    None
}
