//! The software bill of materials: CycloneDX 1.6, made from the manifest and what the component says of itself.
//!
//! It has neither a time nor a random serial number, so that it is a function of its input. An author with
//! better knowledge puts an own one into [`Package::sbom`](crate::Package::sbom).

use std::collections::BTreeSet;

use oriel_model::Digest;
use oriel_model::manifest::Manifest;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::Component;

/// The longest dependency list that is unpacked, in bytes.
const MAX_AUDIT: usize = 8 << 20;

/// The dependency list that `cargo auditable` leaves in a binary (`.dep-v0`, zlib over JSON), as far as it is
/// needed. See <https://github.com/rust-secure-code/cargo-auditable/blob/master/PARSING.md>.
#[derive(Deserialize)]
struct Audit {
    packages: Vec<AuditPackage>,
}

#[derive(Deserialize)]
struct AuditPackage {
    name: String,
    version: String,
    #[serde(default)]
    source: String,
    /// `build` or `runtime`, the default.
    #[serde(default)]
    kind: String,
    #[serde(default)]
    root: bool,
    #[serde(default)]
    dependencies: Vec<usize>,
}

/// Makes the bill of a component; of a remote extension, which has none, `component` is empty and there is no digest.
#[must_use]
pub fn generate(manifest: &Manifest, component: &Component, digest: Option<Digest>) -> Value {
    let root = format!("oriel:{}@{}", manifest.name, manifest.version);
    let mut subject = json!({
        "type": "application",
        "bom-ref": root,
        "name": manifest.name,
        "version": manifest.version,
        "description": manifest.description,
        "publisher": manifest.publisher,
        "licenses": [{ "expression": manifest.license }],
    });
    if let Some(digest) = digest {
        subject["hashes"] = json!([{ "alg": "SHA-256", "content": digest.hex() }]);
    }
    let references: Vec<Value> = manifest
        .links
        .iter()
        .map(|(name, url)| json!({ "type": reference_type(name), "url": url }))
        .collect();
    if !references.is_empty() {
        subject["externalReferences"] = Value::Array(references);
    }
    let mut bill = json!({
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": { "component": subject },
    });
    let tools = tools(component);
    if !tools.is_empty() {
        bill["metadata"]["tools"] = json!({ "components": tools });
    }
    let (components, dependencies) = component
        .audit
        .as_deref()
        .and_then(audit)
        .map_or_else(Default::default, |audit| contents(&audit, &root));
    bill["components"] = Value::Array(components);
    if !dependencies.is_empty() {
        bill["dependencies"] = Value::Array(dependencies);
    }
    bill
}

/// CycloneDX's own words for the manifest's links.
fn reference_type(link: &str) -> &'static str {
    match link {
        "homepage" => "website",
        "repository" => "vcs",
        "documentation" => "documentation",
        "issues" => "issue-tracker",
        _ => "other",
    }
}

fn tools(component: &Component) -> Vec<Value> {
    let mut tools = Vec::new();
    for (field, names) in &component.producers {
        for (name, version) in names {
            let mut tool = json!({
                "type": "application",
                "name": name,
                "properties": [{ "name": "oriel:producers-field", "value": field }],
            });
            if !version.is_empty() {
                tool["version"] = json!(version);
            }
            tools.push(tool);
        }
    }
    tools
}

fn audit(section: &[u8]) -> Option<Audit> {
    let text = miniz_oxide::inflate::decompress_to_vec_zlib_with_limit(section, MAX_AUDIT).ok()?;
    serde_json::from_slice(&text).ok()
}

/// Components and dependency edges of the crates that are linked in.
fn contents(audit: &Audit, root: &str) -> (Vec<Value>, Vec<Value>) {
    let reference = |package: &AuditPackage| match package.root {
        true => root.to_owned(),
        false => format!("pkg:cargo/{}@{}", package.name, package.version),
    };
    let mut seen = BTreeSet::new();
    let mut components = Vec::new();
    let mut dependencies = Vec::new();
    for package in audit.packages.iter().filter(|package| package.kind != "build") {
        let own = reference(package);
        if !seen.insert(own.clone()) {
            continue;
        }
        if !package.root {
            let mut component = Map::new();
            component.insert("type".to_owned(), json!("library"));
            component.insert("bom-ref".to_owned(), json!(own));
            component.insert("name".to_owned(), json!(package.name));
            component.insert("version".to_owned(), json!(package.version));
            if matches!(package.source.as_str(), "crates.io" | "registry") {
                component.insert("purl".to_owned(), json!(own));
            }
            components.push(Value::Object(component));
        }
        let on: BTreeSet<String> = package
            .dependencies
            .iter()
            .filter_map(|&index| audit.packages.get(index))
            .filter(|other| other.kind != "build")
            .map(reference)
            .collect();
        dependencies.push(json!({ "ref": own, "dependsOn": on }));
    }
    (components, dependencies)
}
