//! Dependency arrows only point down, and some libraries stay behind one crate. The two tables below are the rule;
//! ARCHITECTURE.md explains it.

use serde_json::Value;

/// A crate of ours, its floor and the crates of ours that it may use.
struct Crate {
    name: &'static str,
    floor: Floor,
    uses: &'static [&'static str],
}

/// The floors of the house, lowest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Floor {
    Ground,
    Ports,
    Mechanisms,
    Services,
    Edges,
    /// Tools of the repository, which no product crate may use outside of its tests.
    Tools,
}

const CRATES: &[Crate] = &[
    Crate {
        name: "oriel-model",
        floor: Floor::Ground,
        uses: &[],
    },
    Crate {
        name: "oriel-statistics",
        floor: Floor::Ground,
        uses: &[],
    },
    Crate {
        name: "oriel-cesql",
        floor: Floor::Ground,
        uses: &[],
    },
    Crate {
        name: "oriel-store",
        floor: Floor::Ports,
        uses: &["oriel-model"],
    },
    Crate {
        name: "oriel-confine",
        floor: Floor::Mechanisms,
        uses: &[],
    },
    Crate {
        name: "oriel-sandbox",
        floor: Floor::Mechanisms,
        uses: &["oriel-model"],
    },
    Crate {
        name: "oriel-remote",
        floor: Floor::Mechanisms,
        uses: &["oriel-model", "oriel-sandbox"],
    },
    Crate {
        name: "oriel-package",
        floor: Floor::Mechanisms,
        uses: &["oriel-model"],
    },
    Crate {
        name: "oriel-store-sql",
        floor: Floor::Mechanisms,
        uses: &["oriel-model", "oriel-store"],
    },
    Crate {
        name: "oriel-store-fs",
        floor: Floor::Mechanisms,
        uses: &["oriel-model", "oriel-store"],
    },
    Crate {
        name: "oriel-access",
        floor: Floor::Services,
        uses: &["oriel-model", "oriel-store"],
    },
    Crate {
        name: "oriel-extensions",
        floor: Floor::Services,
        uses: &[
            "oriel-model",
            "oriel-statistics",
            "oriel-store",
            "oriel-sandbox",
            "oriel-remote",
            "oriel-package",
            "oriel-access",
        ],
    },
    Crate {
        name: "oriel-hooks",
        floor: Floor::Services,
        uses: &["oriel-model", "oriel-store", "oriel-sandbox", "oriel-access", "oriel-extensions"],
    },
    Crate {
        name: "oriel-tasks",
        floor: Floor::Services,
        uses: &[
            "oriel-hooks",
            "oriel-model",
            "oriel-statistics",
            "oriel-store",
            "oriel-sandbox",
            "oriel-access",
            "oriel-extensions",
        ],
    },
    Crate {
        name: "oriel-author",
        floor: Floor::Services,
        uses: &["oriel-model", "oriel-sandbox", "oriel-package"],
    },
    Crate {
        name: "oriel",
        floor: Floor::Edges,
        uses: &["oriel-model", "oriel-sandbox", "oriel-package"],
    },
    Crate {
        name: "oriel-server",
        floor: Floor::Edges,
        uses: &[
            "oriel-model",
            "oriel-store",
            "oriel-store-sql",
            "oriel-store-fs",
            "oriel-sandbox",
            "oriel-package",
            "oriel-access",
            "oriel-extensions",
            "oriel-hooks",
            "oriel-tasks",
        ],
    },
    Crate {
        name: "oriel-cli",
        floor: Floor::Edges,
        uses: &[
            "oriel-model",
            "oriel-store",
            "oriel-sandbox",
            "oriel-remote",
            "oriel-package",
            "oriel-access",
            "oriel-extensions",
            "oriel-hooks",
            "oriel-tasks",
            "oriel-author",
            "oriel-server",
        ],
    },
    Crate {
        name: "oriel-test-guests",
        floor: Floor::Tools,
        uses: &[],
    },
    Crate {
        name: "oriel-test-postgres",
        floor: Floor::Tools,
        uses: &[],
    },
    Crate {
        name: "xtask",
        floor: Floor::Tools,
        uses: &[],
    },
    Crate {
        name: "xtask-codegen",
        floor: Floor::Tools,
        uses: &["oriel-model", "oriel-server", "oriel-cli"],
    },
];

/// Helpers that any crate's tests may use.
const TEST_HELPERS: &[&str] = &["oriel-test-guests", "oriel-test-postgres"];

/// Libraries that only the named crates may depend on; a name that ends in `*` stands for all that start so.
/// Tests are free of this: they may need a client for what they test.
const BEHIND: &[(&str, &[&str])] = &[
    ("wasmtime*", &["oriel-sandbox"]),
    ("sqlx*", &["oriel-store-sql"]),
    ("axum*", &["oriel-server"]),
    ("tower*", &["oriel-server"]),
    ("utoipa-*", &["oriel-server"]),
    ("utoipa", &["oriel-model", "oriel-server"]),
    ("clap*", &["oriel-cli", "xtask", "xtask-codegen"]),
    ("comfy-table", &["oriel-cli"]),
    ("indicatif", &["oriel-cli"]),
    ("reqwest", &["oriel-cli", "oriel-access", "oriel-server"]),
    ("cedar-policy*", &["oriel-access"]),
    ("openidconnect", &["oriel-access"]),
    ("oci-spec", &["oriel-package"]),
    ("tar", &["oriel-package"]),
];

/// What the ground floor, which does no I/O and knows no time, may not depend on.
const NOT_ON_THE_GROUND: &[&str] = &[
    "tokio",
    "futures",
    "async-trait",
    "hyper",
    "tracing",
    "tempfile",
    "getrandom",
    "rustix",
];

/// The problems in the direct dependencies of our crates, as `cargo metadata` tells them.
pub(super) fn check(metadata: &Value) -> Vec<String> {
    let own: Vec<&str> = metadata["workspace_members"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    let packages = metadata["packages"].as_array().into_iter().flatten();
    let mut problems = Vec::new();
    for package in packages.filter(|package| package["id"].as_str().is_some_and(|id| own.contains(&id))) {
        let name = package["name"].as_str().unwrap_or_default();
        let Some(krate) = CRATES.iter().find(|krate| krate.name == name) else {
            problems.push(format!(
                "crate {name} has no place in the house: add it to the table in xtask/src/tidy/arrows.rs and to ARCHITECTURE.md"
            ));
            continue;
        };
        for dependency in package["dependencies"].as_array().into_iter().flatten() {
            let on = dependency["name"].as_str().unwrap_or_default();
            problems.extend(wrong(krate, on, dependency["kind"] == "dev"));
        }
    }
    problems
}

/// Why `krate` may not depend on `on`, if it may not.
fn wrong(krate: &Crate, on: &str, for_tests: bool) -> Option<String> {
    let name = krate.name;
    if let Some(other) = CRATES.iter().find(|other| other.name == on) {
        let allowed = krate.uses.contains(&on)
            // A crate may name itself to switch its own features on, and its tests may use what lies below.
            || (for_tests && (other.floor < krate.floor || on == name || TEST_HELPERS.contains(&on)));
        return (!allowed).then(|| {
            format!(
                "{name} ({:?}) may not depend on {on} ({:?}): arrows only point down",
                krate.floor, other.floor
            )
        });
    }
    if for_tests {
        return None;
    }
    if krate.floor == Floor::Ground && NOT_ON_THE_GROUND.contains(&on) {
        return Some(format!(
            "{name} may not depend on {on}: the ground floor is plain data with pure functions"
        ));
    }
    let fits = |pattern: &str| pattern.strip_suffix('*').map_or(pattern == on, |start| on.starts_with(start));
    let (_, owners) = BEHIND.iter().find(|(pattern, _)| fits(pattern))?;
    (!owners.contains(&name)).then(|| format!("{name} may not depend on {on}: only {} may", owners.join(", ")))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn problems(name: &str, on: &str, kind: Option<&str>) -> Vec<String> {
        check(&json!({
            "workspace_members": ["own"],
            "packages": [
                { "id": "own", "name": name, "dependencies": [{ "name": on, "kind": kind }] },
                { "id": "theirs", "name": "somebody-else", "dependencies": [{ "name": "sqlx", "kind": null }] },
            ],
        }))
    }

    #[test]
    fn arrows_that_point_down_are_fine() {
        for (name, on, kind) in [
            ("oriel-store", "oriel-model", None),
            ("oriel-tasks", "oriel-extensions", None),
            ("oriel-tasks", "oriel-store-sql", Some("dev")),
            ("oriel-store-sql", "oriel-test-postgres", Some("dev")),
            ("oriel-sandbox", "wasmtime-wasi-http", None),
            ("oriel-server", "axum", None),
            ("oriel-model", "serde", None),
            ("oriel-extensions", "axum", Some("dev")),
        ] {
            assert_eq!(problems(name, on, kind), [""; 0], "{name} on {on}");
        }
    }

    #[test]
    fn arrows_that_point_up_or_aside_are_refused() {
        for (name, on, kind, told) in [
            ("oriel-model", "oriel-store", None, "arrows only point down"),
            ("oriel-extensions", "oriel-tasks", None, "arrows only point down"),
            ("oriel-extensions", "oriel-tasks", Some("dev"), "arrows only point down"),
            ("oriel-access", "oriel-sandbox", None, "arrows only point down"),
            ("oriel-tasks", "oriel-store-sql", None, "arrows only point down"),
            ("oriel-store-sql", "oriel-test-postgres", None, "arrows only point down"),
            ("oriel-unknown", "serde", None, "no place in the house"),
        ] {
            let found = problems(name, on, kind);
            assert!(found.len() == 1 && found[0].contains(told), "{name} on {on}: {found:?}");
        }
    }

    #[test]
    fn libraries_stay_where_they_belong() {
        for (name, on, told) in [
            ("oriel-tasks", "wasmtime", "only oriel-sandbox may"),
            ("oriel-access", "sqlx", "only oriel-store-sql may"),
            ("oriel-extensions", "axum", "only oriel-server may"),
            ("oriel-server", "clap", "only oriel-cli"),
            ("oriel-model", "tokio", "ground floor"),
        ] {
            let found = problems(name, on, None);
            assert!(found.len() == 1 && found[0].contains(told), "{name} on {on}: {found:?}");
        }
    }

    #[test]
    fn the_table_itself_points_down() {
        for krate in CRATES {
            for used in krate.uses {
                let other = CRATES.iter().find(|other| other.name == *used).expect("a crate of the table");
                assert!(other.floor <= krate.floor && used != &krate.name, "{} on {used}", krate.name);
            }
        }
    }
}
