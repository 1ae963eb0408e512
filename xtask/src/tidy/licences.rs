//! Licences, sources and bans of third-party packages, by the policy in `deny.toml`.
//!
//! cargo-deny reads the same file and does more; this part of it runs everywhere, with nothing to install.

use anyhow::{Context as _, Result};
use serde_json::Value;
use spdx::{Expression, ParseMode};

/// The only registry that packages may come from.
const REGISTRY: &str = "registry+https://github.com/rust-lang/crates.io-index";

/// The problems of all packages that `cargo metadata` resolved.
///
/// # Errors
/// When the policy lacks a list that it needs.
pub(super) fn check(metadata: &Value, policy: &toml::Table) -> Result<Vec<String>> {
    let allowed = names(policy, "licenses", "allow").context("deny.toml: licenses.allow is missing")?;
    let exceptions = tables(policy, "licenses", "exceptions");
    let bans = tables(policy, "bans", "deny");
    let mut problems = Vec::new();
    for package in metadata["packages"].as_array().into_iter().flatten() {
        let name = package["name"].as_str().unwrap_or_default();
        if let Some(ban) = bans.iter().find(|ban| crate_name(ban) == Some(name)) {
            let reason = ban.get("reason").and_then(toml::Value::as_str).unwrap_or("no reason given");
            problems.push(format!("package {name} is banned by deny.toml: {reason}"));
        }
        let Some(source) = package["source"].as_str() else { continue };
        if source != REGISTRY {
            problems.push(format!("package {name} comes from {source}, not from crates.io"));
        }
        let mut accepted = allowed.clone();
        let own = exceptions.iter().filter(|exception| crate_name(exception) == Some(name));
        accepted.extend(
            own.filter_map(|exception| exception.get("allow")?.as_array())
                .flatten()
                .filter_map(toml::Value::as_str),
        );
        problems.extend(licence_problem(name, package["license"].as_str(), &accepted));
    }
    Ok(problems)
}

fn licence_problem(name: &str, licence: Option<&str>, accepted: &[&str]) -> Option<String> {
    let Some(licence) = licence else {
        return Some(format!("package {name} states no licence"));
    };
    // Old packages write `MIT/Apache-2.0`.
    let Ok(expression) = Expression::parse_mode(licence, ParseMode::LAX) else {
        return Some(format!("package {name}: `{licence}` is not an SPDX expression"));
    };
    let fits = expression.evaluate(|requirement| accepted.contains(&requirement.to_string().as_str()));
    (!fits).then(|| format!("package {name}: deny.toml does not allow its licence, {licence}"))
}

fn names<'a>(policy: &'a toml::Table, section: &str, list: &str) -> Option<Vec<&'a str>> {
    Some(
        policy
            .get(section)?
            .get(list)?
            .as_array()?
            .iter()
            .filter_map(toml::Value::as_str)
            .collect(),
    )
}

fn tables<'a>(policy: &'a toml::Table, section: &str, list: &str) -> Vec<&'a toml::Table> {
    let found = policy
        .get(section)
        .and_then(|section| section.get(list))
        .and_then(toml::Value::as_array);
    found.into_iter().flatten().filter_map(toml::Value::as_table).collect()
}

fn crate_name(entry: &toml::Table) -> Option<&str> {
    entry.get("crate")?.as_str()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn problems(package: &Value) -> Vec<String> {
        let policy: toml::Table = toml::from_str(
            r#"
            [licenses]
            allow = ["MIT", "Apache-2.0", "Apache-2.0 WITH LLVM-exception"]
            exceptions = [{ crate = "roots", allow = ["CDLA-Permissive-2.0"] }]
            [bans]
            deny = [{ crate = "openssl", reason = "rustls is enough" }]
            "#,
        )
        .unwrap();
        check(&json!({ "packages": [package] }), &policy).unwrap()
    }

    #[test]
    fn allowed_licences_pass() {
        for (name, licence) in [
            ("a", "MIT"),
            ("a", "MIT OR GPL-3.0-only"),
            ("a", "MIT/Apache-2.0"),
            ("a", "Apache-2.0 WITH LLVM-exception"),
            ("roots", "CDLA-Permissive-2.0"),
        ] {
            assert_eq!(
                problems(&json!({ "name": name, "license": licence, "source": REGISTRY })),
                [""; 0],
                "{licence}"
            );
        }
        assert_eq!(problems(&json!({ "name": "ours", "license": null, "source": null })), [""; 0]);
    }

    #[test]
    fn everything_else_is_refused() {
        for (package, told) in [
            (
                json!({ "name": "a", "license": "GPL-3.0-only", "source": REGISTRY }),
                "does not allow its licence",
            ),
            (
                json!({ "name": "a", "license": "MIT AND GPL-3.0-only", "source": REGISTRY }),
                "does not allow its licence",
            ),
            (
                json!({ "name": "a", "license": "CDLA-Permissive-2.0", "source": REGISTRY }),
                "does not allow its licence",
            ),
            (json!({ "name": "a", "license": null, "source": REGISTRY }), "states no licence"),
            (
                json!({ "name": "a", "license": "do what you like", "source": REGISTRY }),
                "not an SPDX expression",
            ),
            (
                json!({ "name": "a", "license": "MIT", "source": "git+https://example.com/a" }),
                "not from crates.io",
            ),
            (
                json!({ "name": "openssl", "license": "Apache-2.0", "source": REGISTRY }),
                "rustls is enough",
            ),
        ] {
            let found = problems(&package);
            assert!(found.len() == 1 && found[0].contains(told), "{package}: {found:?}");
        }
    }

    #[test]
    fn a_policy_without_a_list_is_an_error() {
        assert!(check(&json!({ "packages": [] }), &toml::Table::new()).is_err());
    }
}
