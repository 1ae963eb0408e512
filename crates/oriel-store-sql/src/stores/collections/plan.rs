//! Where a query begins to look. It decides how much is read, never what is answered: each document is tested by the filter.

use oriel_model::collection::{CollectionIndex, Field, FieldPath, Test, key};
use oriel_store::DocumentQuery;
use oriel_store::collections::rows::Held;

/// What is gone through.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Source {
    /// All documents by id.
    Ids,
    /// A part of an index.
    Index {
        number: i64,
        /// The values of the fields that are fixed.
        prefix: Vec<u8>,
        /// The least key.
        low: Vec<u8>,
        /// Above the greatest key.
        high: Vec<u8>,
    },
}

/// A way through a collection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Walk {
    pub(super) source: Source,
    /// Whether documents come in the order that is wanted.
    pub(super) ordered: bool,
    pub(super) descending: bool,
}

impl Walk {
    pub(super) fn prefix(&self) -> &[u8] {
        match &self.source {
            Source::Ids => &[],
            Source::Index { prefix, .. } => prefix,
        }
    }

    /// The way with the most fields fixed; of two that are alike the one in the wanted order.
    pub(super) fn of(held: &Held, query: &DocumentQuery<'_>) -> Self {
        let by_id = query.order.fields.is_empty();
        let all = Self {
            source: Source::Ids,
            ordered: by_id,
            descending: query.order.descending,
        };
        let ways = held.indexes().into_iter().filter_map(|(number, index)| way(number, &index, query));
        // By id is better than nothing fixed, unless it is the wrong order.
        let first = ((0, false, by_id), all);
        ways.chain([first])
            .max_by_key(|((fixed, bounded, ordered), _)| (*fixed, *bounded, *ordered))
            .map_or_else(|| unreachable!("there is always the way by id"), |(_, walk)| walk)
    }
}

/// How well an index serves: fields fixed, whether the next one is bounded, whether it gives the order.
type Merit = (usize, bool, bool);

fn way(number: i64, index: &CollectionIndex, query: &DocumentQuery<'_>) -> Option<(Merit, Walk)> {
    let ordered = query.gives_order(index);
    // Fields of the order stay out of the prefix, because the place of a cursor begins with them.
    let most = if ordered {
        index.fields.len() - query.order.fields.len()
    } else {
        index.fields.len()
    };
    let fixed: Vec<Vec<u8>> = index.fields[..most].iter().map_while(|field| query.fixed(field)).collect();
    let next = index.fields.get(fixed.len());
    let prefix = fixed.concat();
    let bounds = next.and_then(|field| bounds(field, query));
    let bounded = bounds.is_some();
    let (from, to) = bounds.unwrap_or_default();
    let low = [prefix.as_slice(), &from].concat();
    let high = match to {
        Some(to) => [prefix.as_slice(), &to].concat(),
        None => key::after(&prefix).unwrap_or_else(|| vec![0xff]),
    };
    let orders = ordered && !query.order.fields.is_empty();
    if fixed.is_empty() && !bounded && !orders {
        return None;
    }
    let walk = Walk {
        source: Source::Index { number, prefix, low, high },
        ordered,
        descending: query.order.descending,
    };
    Some(((fixed.len(), bounded, ordered), walk))
}

/// Between which keys a field's values lie.
fn bounds(field: &FieldPath, query: &DocumentQuery<'_>) -> Option<(Vec<u8>, Option<Vec<u8>>)> {
    let mut low: Option<Vec<u8>> = None;
    let mut high: Option<Vec<u8>> = None;
    let mut least = |key: Vec<u8>| {
        if low.as_ref().is_none_or(|low| *low < key) {
            low = Some(key);
        }
    };
    let mut most = |key: Option<Vec<u8>>| {
        if let Some(key) = key
            && high.as_ref().is_none_or(|high| *high > key)
        {
            high = Some(key);
        }
    };
    for condition in query.filter.necessary() {
        if !matches!(&condition.field, Field::Of(path) if path == field) {
            continue;
        }
        // Only values of one type are compared: the first byte of a key is its type. The bounds may hold a little more than
        // what is wanted.
        match &condition.test {
            Test::Eq(value) => {
                least(value.clone());
                most(key::after(value));
            }
            Test::Gt(value) | Test::Gte(value) => {
                least(value.clone());
                most(key::after(&value[..1]));
            }
            Test::Lt(value) | Test::Lte(value) => {
                least(value[..1].to_vec());
                most(key::after(value));
            }
            Test::Prefix(text) => {
                let start = key::text_start(text);
                most(key::after(&start));
                least(start);
            }
            Test::Ne(_) | Test::In(_) | Test::Exists(_) | Test::Contains(_) => {}
        }
    }
    low.map(|low| (low, high))
}

#[cfg(test)]
mod tests {
    use oriel_model::collection::{CollectionManifest, DocumentOrder, Filter};
    use serde_json::{Value, json};

    use super::*;

    fn walk(indexes: &[&[&str]], filter: &Value, order: &[&str]) -> (Option<i64>, bool) {
        let manifest: CollectionManifest = serde_json::from_value(json!({
            "name": "c",
            "indexes": indexes.iter().map(|fields| json!({ "fields": fields })).collect::<Vec<_>>(),
        }))
        .unwrap();
        let held = Held {
            number: 0,
            manifest,
            declared: true,
            documents: 0,
            bytes: 0,
        };
        let order: Vec<String> = order.iter().map(|text| (*text).to_owned()).collect();
        let walk = Walk::of(
            &held,
            &DocumentQuery {
                collection: "c",
                filter: &Filter::from_value(filter).unwrap(),
                order: &DocumentOrder::parse(&order).unwrap(),
                limit: 10,
                cursor: None,
                viewer: None,
            },
        );
        let number = match walk.source {
            Source::Ids => None,
            Source::Index { number, .. } => Some(number - 1),
        };
        (number, walk.ordered)
    }

    #[test]
    fn the_narrowest_way_is_taken() {
        let indexes: &[&[&str]] = &[&["/status"], &["/status", "/at"], &["/at"]];
        assert_eq!(walk(indexes, &json!({}), &[]), (None, true));
        assert_eq!(walk(indexes, &json!({"/status": "open"}), &[]), (Some(0), true));
        assert_eq!(walk(indexes, &json!({"/status": "open"}), &["-/at"]), (Some(1), true));
        assert_eq!(walk(indexes, &json!({"/status": "open", "/at": {"gt": 5}}), &[]), (Some(1), false));
        assert_eq!(walk(indexes, &json!({}), &["/at"]), (Some(2), true));
        assert_eq!(walk(indexes, &json!({"/at": {"gt": 5}}), &["/at"]), (Some(2), true));
        assert_eq!(walk(indexes, &json!({"or": [{"/status": "open"}, {"/at": 1}]}), &[]), (None, true));
        assert_eq!(walk(indexes, &json!({"/other": 1}), &[]), (None, true));
    }
}
