//! Archives in good form whose documents, manifest, assets or component nobody should accept.

use oriel_model::{Coded, ErrorCode};
use oriel_package::{Asset, Package, PackageError, pack};
use serde_json::{Value, json};

use crate::fixture::{Parts, canonical, component, manifest, package, packed};
use crate::hostile::check;

const MANIFEST: &str = "application/vnd.oriel.manifest.v1+json";
const README: &str = "text/markdown";
const ASSETS: &str = "application/vnd.oriel.assets.v1";
const SBOM: &str = "application/vnd.cyclonedx+json";
const TITLE: &str = "org.opencontainers.image.title";

/// A small blob that is listed as many assets is a bomb.
#[test]
fn assets_that_share_a_blob_are_bounded_together() {
    let mut parts = Parts::of(&packed());
    let blob = parts.blob("application/octet-stream", &[7; 200_000]);
    let layers: Vec<Value> = (0..1_000)
        .map(|index| {
            let mut layer = blob.clone();
            layer["annotations"] = json!({ TITLE: format!("{index:04}") });
            layer
        })
        .collect();
    parts.referrers.get_mut(ASSETS).unwrap()["layers"] = json!(layers);
    // The three assets of the good package are orphans now, and would be found after the bomb.
    check(&parts.build(), ErrorCode::PackageTooLarge, "all assets together");
}

#[test]
fn documents_that_say_something_else_are_refused() {
    let refuse = |change: &dyn Fn(&mut Parts), code: ErrorCode, text: &str| {
        let mut parts = Parts::of(&packed());
        change(&mut parts);
        check(&parts.build(), code, text);
    };
    let invalid = |change: &dyn Fn(&mut Parts), text: &str| refuse(change, ErrorCode::PackageInvalid, text);

    invalid(
        &|parts| parts.image["config"]["mediaType"] = json!("application/vnd.oci.image.config.v1+json"),
        "media type",
    );
    invalid(&|parts| parts.image["layers"] = json!([]), "0 layers");
    invalid(
        &|parts| {
            let layer = parts.image["layers"][0].clone();
            parts.image["layers"].as_array_mut().unwrap().push(layer);
        },
        "2 layers",
    );
    invalid(
        &|parts| parts.image["layers"][0]["mediaType"] = json!("application/octet-stream"),
        "media type",
    );
    invalid(&|parts| parts.image["layers"][0]["size"] = json!(1), "bytes, not 1");
    invalid(
        &|parts| parts.image["layers"][0]["urls"] = json!(["https://example.com/evil"]),
        "unknown field",
    );
    invalid(&|parts| parts.image["layers"][0]["digest"] = json!("sha512:00"), "not a digest");
    invalid(&|parts| parts.image["schemaVersion"] = json!(1), "first entry");
    invalid(&|parts| parts.image["artifactType"] = json!("application/wasm"), "first entry");
    invalid(&|parts| parts.image["surprise"] = json!(1), "unknown field");
    invalid(&|parts| parts.image["annotations"][TITLE] = json!("other"), "title and version");
    invalid(&|parts| parts.image["annotations"] = json!({}), "title and version");
    invalid(&|parts| parts.config["os"] = json!("linux"), "does not describe");
    invalid(&|parts| parts.config["component"]["imports"] = json!([]), "does not describe");
    invalid(&|parts| parts.config["layerDigests"] = json!([]), "does not describe");
    invalid(&|parts| parts.index["manifests"][0]["annotations"] = json!({}), "tag");
    invalid(&|parts| parts.index["schemaVersion"] = json!(3), "not an OCI image index");
    invalid(&|parts| parts.index["annotations"] = json!({"a": "b"}), "unknown field");

    for kind in [MANIFEST, SBOM] {
        invalid(&|parts| drop(parts.referrers.remove(kind)), "nothing refers to");
    }
    invalid(
        &|parts| parts.referrers.get_mut(README).unwrap()["subject"] = parts.index["manifests"][1].clone(),
        "subject",
    );
    invalid(
        &|parts| parts.referrers.get_mut(README).unwrap()["subject"] = Value::Null,
        "subject",
    );
    invalid(
        &|parts| parts.referrers.get_mut(README).unwrap()["subject"]["mediaType"] = json!("text/plain"),
        "subject",
    );
    invalid(
        &|parts| parts.referrers.get_mut(README).unwrap()["artifactType"] = json!(SBOM),
        "what `index.json` says",
    );
    invalid(
        &|parts| parts.referrers.get_mut(README).unwrap()["layers"] = json!([]),
        "exactly one layer",
    );
    invalid(
        &|parts| parts.referrers.get_mut(README).unwrap()["annotations"] = json!({"a": "b"}),
        "annotations",
    );
    invalid(
        &|parts| {
            let readme = parts.referrers[README].clone();
            parts.referrers.insert("text/x-unknown".to_owned(), {
                let mut other = readme;
                other["artifactType"] = json!("text/x-unknown");
                other
            });
        },
        "unknown type, `text/x-unknown`",
    );
    invalid(
        &|parts| {
            let config = parts.blob("application/vnd.oci.empty.v1+json", b"[]");
            parts.referrers.get_mut(README).unwrap()["config"] = config;
        },
        "not empty",
    );
    let layer = |parts: &mut Parts, kind: &str, content: &[u8]| {
        let former = serde_json::from_value(parts.referrers[kind]["layers"][0]["digest"].clone()).unwrap();
        parts.blobs.remove::<oriel_model::Digest>(&former);
        let blob = parts.blob(kind, content);
        parts.referrers.get_mut(kind).unwrap()["layers"] = json!([blob]);
    };
    invalid(&|parts| layer(parts, README, b"\xff"), "not UTF-8");
    invalid(&|parts| layer(parts, SBOM, b"{}"), "not CycloneDX");
    invalid(&|parts| layer(parts, SBOM, b"{ \"bomFormat\": \"CycloneDX\" }"), "canonical");

    let refuse_manifest = |content: &[u8], code: ErrorCode, text: &str| refuse(&|parts| layer(parts, MANIFEST, content), code, text);
    let changed = |change: &dyn Fn(&mut Value)| {
        let mut value = serde_json::to_value(manifest()).unwrap();
        change(&mut value);
        canonical(&value)
    };
    let bad = ErrorCode::ManifestInvalid;
    refuse_manifest(b"", bad, "not JSON");
    refuse_manifest(b"{}", bad, "missing field");
    refuse_manifest(&serde_json::to_vec_pretty(&manifest()).unwrap(), bad, "canonical");
    refuse_manifest(&changed(&|value| value["surprise"] = json!(1)), bad, "unknown field `surprise`");
    refuse_manifest(&changed(&|value| value["license"] = json!("Nope")), bad, "SPDX");
    refuse_manifest(&changed(&|value| value["programs"] = json!([])), bad, "contributes nothing");
    refuse_manifest(
        &changed(&|value| value["name"] = json!("../evil")),
        bad,
        "not a valid extension name",
    );
    refuse_manifest(
        &changed(&|value| value["limits"]["memory"] = json!("1000GiB")),
        bad,
        "more than the platform allows",
    );
    refuse_manifest(
        &changed(&|value| value["permissions"]["filesystem"] = json!(true)),
        bad,
        "unknown field `filesystem`",
    );
    refuse_manifest(
        &changed(&|value| value["links"]["evil"] = json!("javascript:alert(1)")),
        bad,
        "links.evil",
    );
    refuse_manifest(
        &changed(&|value| value["configSchema"] = json!({"$ref": "file:///etc/passwd"})),
        bad,
        "refers to",
    );
    refuse_manifest(
        &changed(&|value| value["hostApi"] = json!("^9")),
        ErrorCode::HostApiUnsupported,
        "guest API",
    );
    refuse_manifest(
        &changed(&|value| value["version"] = json!("9.9.9")),
        ErrorCode::PackageInvalid,
        "title and version",
    );
    let deep = format!("{{\"a\":{}{}}}", "[".repeat(200_000), "]".repeat(200_000));
    refuse_manifest(deep.as_bytes(), bad, "recursion limit");
}

#[test]
fn assets_with_dangerous_paths_are_refused_on_both_ways() {
    for path in [
        "../evil",
        "/etc/passwd",
        "a/../../b",
        "a\\b",
        "",
        "a//b",
        "c:evil",
        "a\0b",
        "nul\n",
        "a/.",
        &"x".repeat(300),
    ] {
        let mut parts = Parts::of(&packed());
        parts.referrers.get_mut(ASSETS).unwrap()["layers"][0]["annotations"][TITLE] = json!(path);
        check(&parts.build(), ErrorCode::PackageInvalid, "is refused");
        let with = Package {
            assets: vec![Asset {
                path: path.to_owned(),
                bytes: Vec::new(),
            }],
            ..package()
        };
        assert_eq!(pack(&with).unwrap_err().code(), ErrorCode::PackageInvalid, "{path}");
    }
    let swapped = |change: &dyn Fn(&mut Vec<Value>)| {
        let mut parts = Parts::of(&packed());
        change(parts.referrers.get_mut(ASSETS).unwrap()["layers"].as_array_mut().unwrap());
        parts.build()
    };
    check(&swapped(&|layers| layers.reverse()), ErrorCode::PackageInvalid, "out of order");
    check(
        &swapped(&|layers| layers[1] = layers[0].clone()),
        ErrorCode::PackageInvalid,
        "there twice",
    );
    check(
        &swapped(&|layers| layers[0]["annotations"] = json!({})),
        ErrorCode::PackageInvalid,
        "no path",
    );
    check(
        &swapped(&|layers| layers[0]["annotations"][TITLE] = json!("DATA")),
        ErrorCode::PackageInvalid,
        "in the way",
    );
}

#[test]
fn what_is_not_a_component_is_refused_on_both_ways() {
    let module = wat::parse_str("(module (func (export \"f\")))").unwrap();
    let good = component();
    let mut text = good.clone();
    text[0] = b'x';
    for (code, says) in [
        (module.as_slice(), "core module"),
        (b"", "does not start"),
        (b"#!/bin/sh\n", "does not start"),
        (&good[..good.len() / 2], ""),
        (&good[..8], ""),
        (&text, "does not start"),
        (&[&good[..], b"\x63"].concat(), ""),
    ] {
        // Only the header: an empty component is a component, which exports nothing.
        if code == &good[..8] {
            continue;
        }
        let package = Package {
            component: Some(code.to_vec()),
            ..package()
        };
        let error = pack(&package).unwrap_err();
        assert!(
            matches!(error, PackageError::Component { .. }) && error.to_string().contains(says),
            "{error}"
        );
        let mut parts = Parts::of(&packed());
        let blob = parts.blob("application/wasm", code);
        parts.image["layers"] = json!([blob]);
        check(&parts.build(), ErrorCode::ComponentInvalid, says);
    }
}

/// A component whose function bodies are wrong passes the structural look and is refused where it is made.
#[test]
fn packing_validates_function_bodies() {
    let mut code = component();
    let at = code.windows(2).position(|pair| pair == [0x41, 7]).unwrap();
    // `i32.const 7` becomes `f32.const`-like garbage.
    code[at] = 0x1a;
    code[at + 1] = 0x1a;
    let error = pack(&Package {
        component: Some(code),
        ..package()
    })
    .unwrap_err();
    assert_eq!(error.code(), ErrorCode::ComponentInvalid);
}
