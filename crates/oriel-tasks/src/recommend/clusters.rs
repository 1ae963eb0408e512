//! What inputs that fail (or are slow) have in common. Pure, and bounded in everything.
//!
//! Each input is taken apart into conditions: a field has this value, is of this type, is absent, is at least this large or long. For
//! each condition it is known which records meet it, as a set of bits, so that trying all of them, and pairs of them, is a matter of
//! counting bits. A cluster is the condition that tells hits from the rest best (by the log-likelihood ratio of the 2×2 table; Dunning,
//! *Accurate methods for the statistics of surprise and coincidence*, 1993), narrowed by a second one where that helps. It counts only when
//! the intervals of the rates inside and outside lie apart at 99.9 %, because many conditions are tried.

use std::collections::HashMap;

use oriel_model::canary::Rate;
use oriel_model::id::ExecutionId;
use oriel_model::recommendation::{ConditionKind, InputCluster, InputCondition};
use oriel_statistics::wilson;
use serde_json::Value;

/// Levels of an input that are looked at.
const DEPTH: usize = 4;
/// Elements of an array that are looked at.
const ELEMENTS: usize = 8;
/// Places of one input that are looked at.
const PLACES: usize = 64;
/// Conditions in all.
const CONDITIONS: usize = 4_000;
/// Different values of one place that become conditions.
const VALUES: usize = 40;
/// Bounds that are tried for the numbers of one place.
const CUTS: usize = 100;
/// The longest text that becomes a condition, in bytes.
const TEXT: usize = 64;
/// The fewest hits of a cluster.
const SUPPORT: u64 = 5;
/// Executions shown of a cluster.
const EXAMPLES: usize = 3;

/// One execution, as far as it matters here.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) id: ExecutionId,
    pub(super) input: Value,
}

/// A set of records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Bits(Vec<u64>);

impl Bits {
    pub(super) fn none(length: usize) -> Self {
        Self(vec![0; length.div_ceil(64)])
    }

    pub(super) fn of(hits: impl ExactSizeIterator<Item = bool>) -> Self {
        let mut bits = Self::none(hits.len());
        for (at, hit) in hits.enumerate() {
            if hit {
                bits.set(at);
            }
        }
        bits
    }

    fn set(&mut self, at: usize) {
        self.0[at / 64] |= 1 << (at % 64);
    }

    fn has(&self, at: usize) -> bool {
        self.0[at / 64] & (1 << (at % 64)) != 0
    }

    pub(super) fn count(&self) -> u64 {
        self.0.iter().map(|word| u64::from(word.count_ones())).sum()
    }

    fn common(&self, other: &Self) -> u64 {
        self.0.iter().zip(&other.0).map(|(a, b)| u64::from((a & b).count_ones())).sum()
    }

    fn and(&self, other: &Self) -> Self {
        Self(self.0.iter().zip(&other.0).map(|(a, b)| a & b).collect())
    }

    fn without(&self, other: &Self) -> Self {
        Self(self.0.iter().zip(&other.0).map(|(a, b)| a & !b).collect())
    }
}

/// All conditions, each with the records that meet it.
pub(super) struct Conditions {
    count: usize,
    all: Vec<(InputCondition, Bits)>,
}

/// What is at one place of the inputs.
#[derive(Default)]
struct Place {
    present: Vec<usize>,
    types: HashMap<&'static str, Vec<usize>>,
    values: HashMap<String, (Value, Vec<usize>)>,
    numbers: Vec<(usize, f64)>,
    lengths: Vec<(usize, f64)>,
}

impl Conditions {
    /// Takes the inputs apart.
    pub(super) fn of(rows: &[Row]) -> Self {
        let mut places: HashMap<String, Place> = HashMap::new();
        for (at, row) in rows.iter().enumerate() {
            let mut budget = PLACES;
            walk(&row.input, &mut String::new(), DEPTH, &mut budget, &mut |path, value| {
                if let Some(place) = places.get_mut(path) {
                    place.note(at, value);
                } else if places.len() < CONDITIONS {
                    let mut place = Place::default();
                    place.note(at, value);
                    places.insert(path.to_owned(), place);
                }
            });
        }
        let mut all = Vec::new();
        let mut places: Vec<_> = places.into_iter().collect();
        // The places that most inputs have first, so that the bound takes the rare ones.
        places.sort_by(|(a, one), (b, other)| other.present.len().cmp(&one.present.len()).then_with(|| a.cmp(b)));
        for (path, place) in places {
            if all.len() >= CONDITIONS {
                break;
            }
            place.conditions(&path, rows.len(), &mut all);
        }
        all.truncate(CONDITIONS);
        Self { count: rows.len(), all }
    }

    /// Clusters of `hits`, the best first, at most `most`.
    pub(super) fn clusters(&self, rows: &[Row], hits: &Bits, error_code: Option<&str>, most: usize) -> Vec<InputCluster> {
        let (total, base) = (hits.count(), self.count as u64);
        let everything = Bits::of((0..self.count).map(|_| true));
        let mut left = hits.clone();
        let mut found = Vec::new();
        while found.len() < most && left.count() >= SUPPORT {
            let Some((first, mut bits)) = self.best(&everything, &left) else {
                break;
            };
            let mut conditions = vec![self.all[first].0.clone()];
            if let Some((second, narrower)) = self.best(&bits, &left.and(&bits)) {
                conditions.push(self.all[second].0.clone());
                bits = narrower;
            }
            let inside = bits.common(&left);
            let size = bits.count();
            let interval = wilson(inside, size, 0.95);
            found.push(InputCluster {
                error_code: error_code.map(str::to_owned),
                conditions,
                executions: size,
                hits: inside,
                rate: Rate {
                    rate: part(inside, size),
                    low: interval.low,
                    high: interval.high,
                },
                base_rate: part(total, base),
                lift: part(inside, size) / part(total, base),
                explains: part(inside, total),
                examples: examples(rows, &left.and(&bits)),
            });
            left = left.without(&bits);
        }
        found
    }

    /// The condition that tells `hits` from the rest of `within` best, and the records of `within` that meet it.
    fn best(&self, within: &Bits, hits: &Bits) -> Option<(usize, Bits)> {
        let (all, hit) = (within.count(), hits.count());
        let mut best: Option<(usize, f64)> = None;
        for (at, (_, bits)) in self.all.iter().enumerate() {
            let inside = bits.common(hits);
            if inside < SUPPORT {
                continue;
            }
            let size = bits.common(within);
            if size == all || !apart(inside, size, hit - inside, all - size) {
                continue;
            }
            let ratio = likelihood_ratio(inside, size, hit - inside, all - size);
            // Ties go to the condition that came first, which is the one at the commoner place.
            if best.is_none_or(|(_, score)| ratio > score + 1e-9) {
                best = Some((at, ratio));
            }
        }
        best.map(|(at, _)| (at, self.all[at].1.and(within)))
    }
}

impl Place {
    fn note(&mut self, at: usize, value: &Value) {
        let push = |list: &mut Vec<usize>| {
            if list.last() != Some(&at) {
                list.push(at);
            }
        };
        push(&mut self.present);
        push(self.types.entry(kind(value)).or_default());
        match value {
            Value::Number(number) => self.numbers.extend(number.as_f64().map(|number| (at, number))),
            #[expect(clippy::cast_precision_loss, reason = "lengths of inputs")]
            Value::String(text) => self.lengths.push((at, text.chars().count() as f64)),
            #[expect(clippy::cast_precision_loss, reason = "lengths of inputs")]
            Value::Array(elements) => self.lengths.push((at, elements.len() as f64)),
            Value::Null | Value::Bool(_) | Value::Object(_) => {}
        }
        let simple = match value {
            Value::String(text) => text.len() <= TEXT,
            Value::Bool(_) | Value::Number(_) => true,
            Value::Null | Value::Array(_) | Value::Object(_) => false,
        };
        if simple {
            let key = value.to_string();
            if let Some((_, list)) = self.values.get_mut(&key) {
                push(list);
            } else if self.values.len() < VALUES {
                self.values.insert(key, (value.clone(), vec![at]));
            }
        }
    }

    fn conditions(self, path: &str, count: usize, out: &mut Vec<(InputCondition, Bits)>) {
        let bits = |list: &[usize]| {
            let mut bits = Bits::none(count);
            list.iter().for_each(|at| bits.set(*at));
            bits
        };
        let condition = |is, value| InputCondition {
            path: path.to_owned(),
            is,
            value,
        };
        let mut values: Vec<_> = self.values.into_values().filter(|(_, list)| list.len() as u64 >= SUPPORT).collect();
        values.sort_by(|(a, one), (b, other)| other.len().cmp(&one.len()).then_with(|| a.to_string().cmp(&b.to_string())));
        for (value, list) in values {
            out.push((condition(ConditionKind::Equals, Some(value)), bits(&list)));
        }
        if self.present.len() < count {
            let absent = Bits::of((0..count).map(|_| true)).without(&bits(&self.present));
            out.push((condition(ConditionKind::Absent, None), absent));
        }
        if self.types.len() > 1 {
            let mut types: Vec<_> = self.types.into_iter().collect();
            types.sort_unstable_by_key(|(name, _)| *name);
            for (name, list) in types {
                out.push((condition(ConditionKind::Type, Some(name.into())), bits(&list)));
            }
        }
        for (list, least, most) in [
            (self.numbers, ConditionKind::AtLeast, ConditionKind::AtMost),
            (self.lengths, ConditionKind::LengthAtLeast, ConditionKind::LengthAtMost),
        ] {
            for bound in bounds(&list) {
                let from: Vec<usize> = list.iter().filter(|(_, number)| *number >= bound).map(|(at, _)| *at).collect();
                let to: Vec<usize> = list.iter().filter(|(_, number)| *number <= bound).map(|(at, _)| *at).collect();
                out.push((condition(least, Some(number(bound))), bits(&from)));
                out.push((condition(most, Some(number(bound))), bits(&to)));
            }
        }
    }
}

/// Where a list of numbers is cut: at each of them, or, when they are many, at parts of equal size.
fn bounds(list: &[(usize, f64)]) -> Vec<f64> {
    let mut sorted: Vec<f64> = list.iter().map(|(_, number)| *number).collect();
    sorted.sort_by(f64::total_cmp);
    let mut different = sorted.clone();
    different.dedup();
    if different.len() <= CUTS {
        return different;
    }
    let mut bounds: Vec<f64> = (1..CUTS)
        .filter_map(|part| sorted.get(sorted.len() * part / CUTS).copied())
        .collect();
    bounds.extend(sorted.last());
    bounds.dedup();
    bounds
}

fn number(number: f64) -> Value {
    #[expect(clippy::cast_possible_truncation, reason = "checked: whole and small")]
    if number.fract() == 0.0 && number.abs() < 9e15 {
        Value::from(number as i64)
    } else {
        Value::from(number)
    }
}

/// Calls `each` with every place of a value.
fn walk(value: &Value, path: &mut String, depth: usize, budget: &mut usize, each: &mut impl FnMut(&str, &Value)) {
    if *budget == 0 {
        return;
    }
    *budget -= 1;
    each(path, value);
    if depth == 0 {
        return;
    }
    let length = path.len();
    match value {
        Value::Object(members) => {
            for (name, value) in members {
                path.push('/');
                path.push_str(&name.replace('~', "~0").replace('/', "~1"));
                walk(value, path, depth - 1, budget, each);
                path.truncate(length);
            }
        }
        Value::Array(elements) => {
            path.push_str("/*");
            for value in elements.iter().take(ELEMENTS) {
                walk(value, path, depth - 1, budget, each);
            }
            path.truncate(length);
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

const fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

fn examples(rows: &[Row], bits: &Bits) -> Vec<ExecutionId> {
    let hits = rows.iter().enumerate().filter(|(at, _)| bits.has(*at));
    let mut ids: Vec<ExecutionId> = hits.map(|(_, row)| row.id).collect();
    ids.sort_unstable_by_key(|id| std::cmp::Reverse(*id));
    ids.truncate(EXAMPLES);
    ids
}

/// Whether the rate inside is surely higher than the one outside.
fn apart(inside: u64, size: u64, outside: u64, rest: u64) -> bool {
    wilson(inside, size, 0.999).low > wilson(outside, rest, 0.999).high
}

/// Half of Dunning's G².
fn likelihood_ratio(inside: u64, size: u64, outside: u64, rest: u64) -> f64 {
    let term = |hits: u64, of: u64, rate: f64| {
        let entropy = |count: u64, p: f64| {
            #[expect(clippy::cast_precision_loss, reason = "counts")]
            if count == 0 { 0.0 } else { count as f64 * p.ln() }
        };
        entropy(hits, rate) + entropy(of - hits, 1.0 - rate)
    };
    let all = part(inside + outside, size + rest);
    term(inside, size, part(inside, size)) + term(outside, rest, part(outside, rest)) - term(inside, size, all) - term(outside, rest, all)
}

pub(super) fn part(hits: u64, of: u64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "counts")]
    let part = if of == 0 { 0.0 } else { hits as f64 / of as f64 };
    part
}

#[cfg(test)]
mod tests {
    use oriel_model::Timestamp;
    use serde_json::json;

    use super::*;

    fn rows(inputs: impl Iterator<Item = Value>) -> Vec<Row> {
        inputs
            .map(|input| Row {
                id: ExecutionId::new(Timestamp::from_millis(1)),
                input,
            })
            .collect()
    }

    /// The conditions of each cluster, in words.
    fn found(rows: &[Row], hits: impl Fn(&Value) -> bool) -> Vec<String> {
        let bits = Bits::of(rows.iter().map(|row| hits(&row.input)));
        let clusters = Conditions::of(rows).clusters(rows, &bits, None, 5);
        let words = |condition: &InputCondition| {
            let value = condition.value.as_ref().map_or_else(String::new, |value| format!(" {value}"));
            format!("{} {:?}{value}", condition.path, condition.is)
        };
        clusters
            .iter()
            .map(|cluster| cluster.conditions.iter().map(words).collect::<Vec<_>>().join(" and "))
            .collect()
    }

    #[test]
    fn the_field_that_explains_failures_is_found() {
        let countries = ["de", "fr", "it", "es"];
        let inputs = |n: i64| json!({"country": countries[n as usize % 4], "amount": n % 97, "tags": ["a"]});
        let rows = rows((0..2_000).map(inputs));
        assert_eq!(found(&rows, |input| input["country"] == "it"), ["/country Equals \"it\""]);
        assert_eq!(found(&rows, |input| input["amount"].as_i64() > Some(89)), ["/amount AtLeast 90"]);
        assert_eq!(
            found(&rows, |input| input["country"] == "fr" && input["amount"].as_i64() < Some(5)),
            ["/amount AtMost 4 and /country Equals \"fr\""]
        );
    }

    #[test]
    fn shapes_are_conditions_too() {
        let rows = rows((0..1_000).map(|n| match n % 10 {
            0 => json!({"name": "x", "items": vec![1; 30]}),
            1 => json!({"items": [1]}),
            2 => json!({"name": 7, "items": [1]}),
            _ => json!({"name": "y".repeat(n % 5 + 1), "items": [1, 2]}),
        }));
        assert_eq!(found(&rows, |input| input["name"].is_null()), ["/name Absent"]);
        assert_eq!(found(&rows, |input| input["name"].is_number()), ["/name Equals 7"]);
        assert_eq!(
            found(&rows, |input| input["items"].as_array().unwrap().len() > 5),
            ["/items LengthAtLeast 30"]
        );
    }

    #[test]
    fn failures_without_a_pattern_are_not_explained() {
        let rows = rows((0..3_000).map(|n| json!({"a": n % 7, "b": n % 11, "c": n % 13})));
        let hit = |input: &Value| {
            let sum = input["a"].as_i64().unwrap() * 143 + input["b"].as_i64().unwrap() * 13 + input["c"].as_i64().unwrap();
            (sum.wrapping_mul(2_654_435_761) >> 7) % 10 == 0
        };
        assert_eq!(found(&rows, hit), Vec::<String>::new());
        assert_eq!(found(&rows, |_| false), Vec::<String>::new());
        assert_eq!(found(&rows, |_| true), Vec::<String>::new());
    }

    #[test]
    fn two_causes_make_two_clusters_with_their_numbers() {
        let rows = rows((0..2_000).map(|n| json!({"kind": n % 10, "size": n % 50})));
        let bits = Bits::of(rows.iter().map(|row| row.input["kind"] == 3 || row.input["size"] == 49));
        let clusters = Conditions::of(&rows).clusters(&rows, &bits, Some("execution.failed"), 5);
        assert_eq!(clusters.len(), 2, "{clusters:#?}");
        assert_eq!((clusters[0].executions, clusters[0].hits), (200, 200));
        assert!(clusters[0].explains > 0.8 && clusters[0].lift > 4.0 && clusters[0].rate.low > 0.95);
        assert_eq!(clusters[0].examples.len(), EXAMPLES);
        assert_eq!(clusters[1].conditions[0].path, "/size");
    }

    #[test]
    fn hostile_inputs_cost_no_more_than_others() {
        let deep = (0..200).fold(json!(1), |inner, _| json!([inner, {"a": 1}]));
        let wide = |n: usize| Value::Object((0..500).map(|m| (format!("k{n}-{m}"), json!(m))).collect());
        let inputs = (0..300).map(|n| if n % 2 == 0 { wide(n) } else { deep.clone() });
        let rows = rows(inputs);
        let conditions = Conditions::of(&rows);
        assert!(conditions.all.len() <= CONDITIONS);
        let bits = Bits::of((0..rows.len()).map(|at| at % 2 == 0));
        assert!(!conditions.clusters(&rows, &bits, None, 5).is_empty());
    }
}
