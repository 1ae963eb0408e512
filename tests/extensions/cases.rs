//! Each extension's own cases, and what all of them have in common.

use std::fs;

use crate::project::{ALL, built, oriel, root};

#[track_caller]
fn passes(name: &str) {
    let (_, cases) = ALL.iter().find(|(other, _)| *other == name).unwrap();
    let dir = built(name);
    let dir = dir.to_str().unwrap();
    // Routes have no cases; `notes.rs` and `request_log.rs` ask them over HTTP.
    if *cases > 0 {
        let out = oriel(&["test", dir, "--no-build"]);
        assert!(out.contains(&format!("{cases} of {cases} cases passed")), "{out}");
    }
    let out = oriel(&["check", dir]);
    assert!(out.contains("nothing to mend"), "{out}");
}

#[test]
fn adaptive_sampler() {
    passes("adaptive-sampler");
}

#[test]
fn exchange_rates() {
    passes("exchange-rates");
}

#[test]
fn github_issue_handler() {
    passes("github-issue-handler");
}

#[test]
fn json_schema_validator() {
    passes("json-schema-validator");
}

#[test]
fn notes() {
    passes("notes");
}

#[test]
fn pagerduty_handler() {
    passes("pagerduty-handler");
}

#[test]
fn pii_validator() {
    passes("pii-validator");
}

#[test]
fn range_validator() {
    passes("range-validator");
}

#[test]
fn request_log() {
    passes("request-log");
}

#[test]
fn reservoir_sampler() {
    passes("reservoir-sampler");
}

#[test]
fn slack_handler() {
    passes("slack-handler");
}

#[test]
fn time_sampler() {
    passes("time-sampler");
}

/// One that is not tested here is not there.
#[test]
fn every_extension_is_tested() {
    let entries = fs::read_dir(root()).unwrap().map(|entry| entry.unwrap().path());
    let mut names: Vec<String> = entries
        .filter(|path| path.join("extension.toml").is_file())
        .map(|path| path.file_name().unwrap().to_str().unwrap().to_owned())
        .collect();
    names.sort();
    assert_eq!(names, ALL.map(|(name, _)| name));
}

/// What users see as the model of a good extension says what it is, what it may and how it is configured.
#[test]
fn each_says_what_it_is() {
    for (name, _) in ALL {
        let dir = root().join(name);
        let manifest: toml::Table = fs::read_to_string(dir.join("extension.toml")).unwrap().parse().unwrap();
        assert_eq!(
            (manifest["license"].as_str(), manifest["publisher"].as_str()),
            (Some("Apache-2.0"), Some("oriel")),
            "{name}"
        );
        let readme = fs::read_to_string(dir.join("README.md")).unwrap();
        for part in ["## Configuration", "## Permissions", "## Tests"] {
            assert!(readme.contains(part), "{name}/README.md has no `{part}`");
        }
        let index = fs::read_to_string(root().join("README.md")).unwrap();
        assert!(
            index.contains(&format!("({name}/README.md)")),
            "extensions/README.md does not name {name}"
        );
        for schema in fs::read_dir(dir.join("schemas")).into_iter().flatten() {
            let path = schema.unwrap().path();
            let schema: serde_json::Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
            let described = |property: &serde_json::Value| property.get("description").is_some() || property.get("$ref").is_some();
            let configures = !["shown.json", "converted.json"].contains(&path.file_name().unwrap().to_str().unwrap());
            for (property, schema) in schema["properties"].as_object().into_iter().flatten().filter(|_| configures) {
                assert!(described(schema), "{}: `{property}` has no description", path.display());
            }
        }
    }
}
