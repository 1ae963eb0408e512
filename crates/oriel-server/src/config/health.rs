//! Health policies that the file declares by extension: `[health.extensions.NAME]`.

use oriel_model::health_policy::HealthPolicy;
use oriel_model::name::ExtensionName;
use serde_json::{Map, Value};
use toml::Spanned;
use toml::de::DeValue;

use super::hint;

/// The table of the file.
pub(super) const TABLE: &str = "health.extensions";

/// The fields, as the file and as the API spell them.
const FIELDS: [(&str, &str); 12] = [
    ("crashes", "crashes"),
    ("min_calls", "minCalls"),
    ("error_rate", "errorRate"),
    ("degraded_rate", "degradedRate"),
    ("latency", "latency"),
    ("backoff", "backoff"),
    ("backoff_max", "backoffMax"),
    ("probes", "probes"),
    ("quarantine_trips", "quarantineTrips"),
    ("quarantine_for", "quarantineFor"),
    ("release_role", "releaseRole"),
    ("on_anomaly", "onAnomaly"),
];

/// What is wrong, and the byte of the file where.
type Problem = (usize, String);

/// All policies of the table, or all problems.
pub(super) fn read(table: &Spanned<DeValue<'_>>) -> Result<Vec<(ExtensionName, HealthPolicy)>, Vec<Problem>> {
    let Some(extensions) = table.get_ref().as_table() else {
        let message = format!("write each policy as `[{TABLE}.NAME]`");
        return Err(vec![(table.span().start, message)]);
    };
    let (mut found, mut problems) = (Vec::new(), Vec::new());
    for (name, value) in extensions {
        let at = name.span().start;
        match (name.get_ref().parse::<ExtensionName>(), value.get_ref().as_table()) {
            (Err(error), _) => problems.push((at, format!("`{TABLE}`: {error}"))),
            (_, None) => problems.push((at, format!("write each policy as `[{TABLE}.NAME]`"))),
            (Ok(name), Some(fields)) => match policy(fields, at) {
                Ok(policy) => found.push((name, policy)),
                Err(more) => problems.extend(more),
            },
        }
    }
    if problems.is_empty() { Ok(found) } else { Err(problems) }
}

fn policy(fields: &toml::de::DeTable<'_>, start: usize) -> Result<HealthPolicy, Vec<Problem>> {
    let mut problems = Vec::new();
    let mut whole = Map::new();
    for (name, value) in fields {
        let field = name.get_ref().as_ref();
        let Some((_, known)) = FIELDS.iter().find(|(spelling, _)| *spelling == field) else {
            let help = hint(field, FIELDS.iter().map(|(spelling, _)| *spelling));
            problems.push((name.span().start, format!("a health policy has no `{field}`{help}")));
            continue;
        };
        let at = value.span().start;
        let value = match value.get_ref() {
            DeValue::String(text) => Value::from(text.as_ref()),
            DeValue::Integer(number) if number.radix() == 10 => number.as_str().parse::<u32>().map_or(Value::Null, Value::from),
            _ => Value::Null,
        };
        // Each by itself, so that the place is the field's.
        let alone = Map::from_iter([((*known).to_owned(), value.clone())]);
        match (&value, serde_json::from_value::<HealthPolicy>(Value::Object(alone))) {
            (Value::Null, _) => problems.push((at, format!("`{field}`: it is a number or a text in quotes"))),
            (_, Err(error)) => problems.push((at, format!("`{field}`: {error}"))),
            (_, Ok(_)) => drop(whole.insert((*known).to_owned(), value)),
        }
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    let policy: HealthPolicy = serde_json::from_value(Value::Object(whole)).map_err(|error| vec![(start, error.to_string())])?;
    policy.check().map_err(|error| vec![(start, error.to_string())])?;
    Ok(policy)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::path::Path;

    use oriel_model::access::Role;
    use oriel_model::anomaly::AnomalyAction;
    use oriel_model::name::ExtensionName;

    use crate::config::Config;

    fn load(text: &str) -> Result<Config, String> {
        let none = BTreeMap::new();
        Config::from_sources(&none, &none, Some((Path::new("oriel.toml"), text))).map_err(|error| error.to_string())
    }

    #[test]
    fn policies_stand_beside_the_settings_of_all() {
        let config = load(
            "[health]\ncrashes = 7\n[health.extensions.flights]\nerror_rate = 20\nbackoff = \"10s\"\nrelease_role = \"owner\"\n\
             on_anomaly = \"quarantine\"\n[health.extensions.trains]\ncrashes = 0\n",
        )
        .unwrap();
        assert_eq!(config.health_crashes, 7);
        let flights = &config.health_policies[&"flights".parse::<ExtensionName>().unwrap()];
        assert_eq!((flights.error_rate, flights.release_role), (Some(20), Some(Role::Owner)));
        assert_eq!(flights.on_anomaly, Some(AnomalyAction::Quarantine));
        assert_eq!(config.health_policies[&"trains".parse::<ExtensionName>().unwrap()].crashes, Some(0));
    }

    #[test]
    fn each_problem_has_its_place() {
        for (text, problem) in [
            (
                "[health.extensions.flights]\nerror_rat = 20\n",
                "2:1: a health policy has no `error_rat`; did you mean `error_rate`?",
            ),
            ("[health.extensions.flights]\nerror_rate = \"x\"\n", "2:14: `error_rate`"),
            (
                "[health.extensions.flights]\nerror_rate = true\n",
                "2:14: `error_rate`: it is a number",
            ),
            (
                "[health.extensions.flights]\nerror_rate = 101\n",
                "1:20: `errorRate`: it is a percentage",
            ),
            ("[health.extensions.flights]\nbackoff = \"soon\"\n", "2:11: `backoff`"),
            ("[health.extensions.Flights]\n", "1:20: `health.extensions`"),
            ("[health]\nextensions = 7\n", "2:14: write each policy as"),
        ] {
            let error = load(text).unwrap_err();
            assert!(error.contains(problem), "{text}: {error}");
        }
    }
}
