//! The software bill of materials.

use oriel_model::Digest;
use oriel_package::{Package, ReadLimits, inspect, pack, read, sbom};
use serde_json::{Value, json};

use crate::fixture::{component, manifest, package};

fn bill(component: &[u8]) -> Value {
    sbom::generate(&manifest(), &inspect(component).unwrap(), Some(Digest::of(component)))
}

#[test]
fn the_bill_names_component_version_licence_and_tools() {
    let code = component();
    let bill = bill(&code);
    assert_eq!(
        bill["metadata"]["component"],
        json!({
            "type": "application",
            "bom-ref": "oriel:flight-delays@1.2.0",
            "name": "flight-delays",
            "version": "1.2.0",
            "description": "Classifies flight delays – für alle.",
            "publisher": "acme",
            "licenses": [{ "expression": "MIT OR Apache-2.0" }],
            "hashes": [{ "alg": "SHA-256", "content": Digest::of(&code).hex() }],
            "externalReferences": [
                { "type": "website", "url": "https://example.com/" },
                { "type": "vcs", "url": "https://example.com/git" },
            ],
        })
    );
    let tools: Vec<_> = bill["metadata"]["tools"]["components"]
        .as_array()
        .unwrap()
        .iter()
        .map(|tool| (&tool["name"], &tool["version"]))
        .collect();
    assert_eq!(tools, [(&json!("Rust"), &json!("2021")), (&json!("rustc"), &json!("1.95.0"))]);
    assert_eq!(bill["components"], json!([]));
}

/// A custom section at the end of a component.
fn with_section(name: &str, content: &[u8]) -> Vec<u8> {
    let mut body = vec![u8::try_from(name.len()).unwrap()];
    body.extend_from_slice(name.as_bytes());
    body.extend_from_slice(content);
    let mut out = component();
    out.push(0);
    let mut length = body.len();
    while length >= 0x80 {
        out.push(u8::try_from(length & 0x7f).unwrap() | 0x80);
        length >>= 7;
    }
    out.push(u8::try_from(length).unwrap());
    out.extend_from_slice(&body);
    out
}

#[test]
fn crates_that_cargo_auditable_recorded_are_listed_with_their_edges() {
    let audit = json!({"packages": [
        {"name": "itoa", "version": "1.0.18", "source": "crates.io"},
        {"name": "classify", "version": "1.2.0", "source": "local", "root": true, "dependencies": [0, 2, 3]},
        {"name": "helper", "version": "0.1.0", "source": "git"},
        {"name": "cc", "version": "1.0.0", "source": "crates.io", "kind": "build"},
    ]});
    let section = miniz_oxide::deflate::compress_to_vec_zlib(&serde_json::to_vec(&audit).unwrap(), 6);
    let bill = bill(&with_section(".dep-v0", &section));
    assert_eq!(
        bill["components"],
        json!([
            {"type": "library", "bom-ref": "pkg:cargo/itoa@1.0.18", "name": "itoa", "version": "1.0.18", "purl": "pkg:cargo/itoa@1.0.18"},
            {"type": "library", "bom-ref": "pkg:cargo/helper@0.1.0", "name": "helper", "version": "0.1.0"},
        ])
    );
    assert_eq!(
        bill["dependencies"][1],
        json!({"ref": "oriel:flight-delays@1.2.0", "dependsOn": ["pkg:cargo/helper@0.1.0", "pkg:cargo/itoa@1.0.18"]})
    );
}

#[test]
fn a_damaged_or_exploding_dependency_list_is_left_out() {
    let bomb = miniz_oxide::deflate::compress_to_vec_zlib(&vec![b' '; 64 << 20], 9);
    for section in [&b"garbage"[..], b"", &bomb] {
        assert_eq!(bill(&with_section(".dep-v0", section))["components"], json!([]));
    }
}

#[test]
fn an_own_bill_is_kept() {
    let own = json!({"bomFormat": "CycloneDX", "specVersion": "1.6", "version": 3});
    let packed = pack(&Package {
        sbom: Some(own.clone()),
        ..package()
    })
    .unwrap();
    assert_eq!(read(&packed.bytes, &ReadLimits::default()).unwrap().package.sbom, Some(own));
}
