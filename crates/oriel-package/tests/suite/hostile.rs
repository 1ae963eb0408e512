//! Packages that nobody should accept.

use oriel_model::{Coded, ErrorCode};
use oriel_package::{Asset, Package, PackageError, ReadLimits, pack, read};
use serde_json::{Value, json};

use crate::fixture::{Entry, Parts, archive, canonical, component, entries, header, manifest, package, packed, seal};

const MANIFEST: &str = "application/vnd.oriel.manifest.v1+json";
const README: &str = "text/markdown";
const ASSETS: &str = "application/vnd.oriel.assets.v1";
const SBOM: &str = "application/vnd.cyclonedx+json";
const TITLE: &str = "org.opencontainers.image.title";

/// Reading must fail with this code and a message that holds this text.
#[track_caller]
fn check(bytes: &[u8], code: ErrorCode, text: &str) {
    check_within(bytes, &ReadLimits::default(), code, text);
}

#[track_caller]
fn check_within(bytes: &[u8], limits: &ReadLimits, code: ErrorCode, text: &str) {
    let error = read(bytes, limits).map(|_| "a package").unwrap_err();
    assert_eq!(error.code(), code, "{error}");
    assert!(error.to_string().contains(text), "`{error}` does not hold `{text}`");
}

#[test]
fn a_file_cut_anywhere_is_refused() {
    let bytes = packed();
    let lengths = (0..bytes.len())
        .step_by(97)
        .chain((0..bytes.len()).step_by(512))
        .chain([bytes.len() - 1, bytes.len() - 512]);
    for length in lengths {
        check(&bytes[..length], ErrorCode::PackageInvalid, "");
    }
}

/// Every bit of headers, documents and padding counts: a change is refused, or (nowhere today) changes nothing.
#[test]
fn a_flipped_bit_is_refused_or_changes_nothing() {
    let bytes = packed();
    let good = read(&bytes, &ReadLimits::default()).unwrap();
    let mut refused = 0;
    for at in 0..bytes.len() {
        // All bits near the start of each block, where headers and documents lie, and one elsewhere.
        let bits = if at % 512 < 160 { 0..8 } else { at % 8..at % 8 + 1 };
        for bit in bits {
            let mut changed = bytes.clone();
            changed[at] ^= 1 << bit;
            match read(&changed, &ReadLimits::default()) {
                Ok(other) => assert_eq!(other.package, good.package, "bit {bit} of byte {at}"),
                Err(_) => refused += 1,
            }
        }
    }
    assert!(refused > bytes.len(), "{refused} of {}", bytes.len());
}

#[test]
fn what_follows_or_fills_is_refused() {
    let bytes = packed();
    for more in [&b"x"[..], &[0; 512], &[0; 10_240]] {
        check(&[&bytes, more].concat(), ErrorCode::PackageInvalid, "follows the end");
    }
    check(
        &[&bytes[..bytes.len() - 512], &[1; 512]].concat(),
        ErrorCode::PackageInvalid,
        "follows the end",
    );
    let first = entries(&bytes)[0].content.len();
    let mut padded = bytes.clone();
    padded[512 + first] = 1;
    check(&padded, ErrorCode::PackageInvalid, "padding");
    check(&[], ErrorCode::PackageInvalid, "cut short");
    check(&[0; 1024], ErrorCode::PackageInvalid, "oci-layout");
    check(&vec![0; 1 << 20], ErrorCode::PackageInvalid, "follows the end");
    check(
        b"PK\x03\x04 a zip file that is longer than a block",
        ErrorCode::PackageInvalid,
        "cut short",
    );
}

#[test]
fn injected_entries_are_refused() {
    let bytes = packed();
    let inject = |path: &str, content: &[u8]| {
        let mut all = entries(&bytes);
        all.push(Entry {
            path: path.to_owned(),
            content: content.to_vec(),
        });
        all.sort_by(|a, b| a.path.cmp(&b.path));
        archive(&all)
    };
    for path in [
        "/etc/passwd",
        "../evil",
        "blobs/../../evil",
        "./index.json",
        "blobs/sha256",
        "blobs/sha256/",
        "blobs/sha512/00",
        "zzz",
        "index.json/x",
        "blobs/sha256/ABCDEF",
        "C:\\evil",
    ] {
        check(&inject(path, b"x"), ErrorCode::PackageInvalid, "");
    }
    let orphan = oriel_model::Digest::of(b"x").hex();
    check(
        &inject(&format!("blobs/sha256/{orphan}"), b"x"),
        ErrorCode::PackageInvalid,
        "nothing refers to",
    );
    check(&inject(&format!("blobs/sha256/{orphan}"), b"y"), ErrorCode::PackageDigest, &orphan);
    check(&inject("index.json", b"{}"), ErrorCode::PackageInvalid, "there twice");
}

#[test]
fn reordered_missing_and_altered_entries_are_refused() {
    let all = entries(&packed());
    let mut reversed = all.clone();
    reversed.reverse();
    check(&archive(&reversed), ErrorCode::PackageInvalid, "out of order");
    for missing in 0..all.len() {
        let mut fewer = all.clone();
        let gone = fewer.remove(missing).path;
        check(&archive(&fewer), ErrorCode::PackageInvalid, "missing");
        let mut altered = all.clone();
        altered[missing].content.push(b' ');
        let code = if gone.starts_with("blobs/") {
            ErrorCode::PackageDigest
        } else {
            ErrorCode::PackageInvalid
        };
        check(&archive(&altered), code, "");
    }
}

/// Everything else that tar can say, placed where a plain file should be.
#[test]
fn special_entries_and_foreign_headers_are_refused() {
    use tar::EntryType;
    let bytes = packed();
    let (first, rest) = bytes.split_at(512);
    let path = entries(&bytes)[0].path.clone();
    let size = entries(&bytes)[0].content.len();
    let with = |change: &dyn Fn(&mut tar::Header)| {
        let mut own = header(&path, size);
        assert!(own.as_bytes() == first);
        change(&mut own);
        seal(&mut own);
        [own.as_bytes(), rest].concat()
    };
    for kind in [
        EntryType::Symlink,
        EntryType::Link,
        EntryType::Directory,
        EntryType::Char,
        EntryType::Block,
        EntryType::Fifo,
        EntryType::Continuous,
        EntryType::GNULongName,
        EntryType::GNULongLink,
        EntryType::GNUSparse,
        EntryType::XGlobalHeader,
        EntryType::XHeader,
    ] {
        check(&with(&|header| header.set_entry_type(kind)), ErrorCode::PackageInvalid, "");
    }
    check(
        &with(&|header| header.set_link_name_literal("/etc/passwd").unwrap()),
        ErrorCode::PackageInvalid,
        "links",
    );
    check(
        &with(&|header| header.as_old_mut().linkflag = [0]),
        ErrorCode::PackageInvalid,
        "one form",
    );
    check(&with(&|header| header.set_mode(0o4755)), ErrorCode::PackageInvalid, "one form");
    check(&with(&|header| header.set_mtime(1)), ErrorCode::PackageInvalid, "times");
    check(&with(&|header| header.set_uid(1)), ErrorCode::PackageInvalid, "one form");
    check(
        &with(&|header| header.as_ustar_mut().unwrap().prefix[0] = b'x'),
        ErrorCode::PackageInvalid,
        "one form",
    );
    check(
        &with(&|header| header.as_old_mut().name[0] = 0xff),
        ErrorCode::PackageInvalid,
        "not a plain file",
    );
    check(
        &with(&|header| header.as_old_mut().name = [b'x'; 100]),
        ErrorCode::PackageInvalid,
        "",
    );
    check(
        &with(&|header| header.as_old_mut().name = [0; 100]),
        ErrorCode::PackageInvalid,
        "not a plain file",
    );
    // Sizes that lie: shorter, longer than the file, base 256, beyond any file.
    check(&with(&|header| header.set_size(1)), ErrorCode::PackageInvalid, "");
    check(
        &with(&|header| header.set_size(0o77_777_777_777)),
        ErrorCode::PackageInvalid,
        "cut short",
    );
    check(
        &with(&|header| header.set_size(u64::MAX)),
        ErrorCode::PackageInvalid,
        "not a plain file",
    );
    check(
        &with(&|header| header.as_old_mut().size = *b"-0000000001\0"),
        ErrorCode::PackageInvalid,
        "not a plain file",
    );
    check(
        &with(&|header| header.as_old_mut().size = *b"+0000000001\0"),
        ErrorCode::PackageInvalid,
        "one form",
    );
    let gnu = with(&|header| {
        let mut other = tar::Header::new_gnu();
        other.as_old_mut().name = header.as_old().name;
        other.set_size(size as u64);
        *header = other;
    });
    check(&gnu, ErrorCode::PackageInvalid, "one form");
    let mut checksum = bytes.clone();
    checksum[148] ^= 1;
    check(&checksum, ErrorCode::PackageInvalid, "one form");
}

#[test]
fn limits_hold_on_every_axis() {
    let bytes = packed();
    let with = |change: &dyn Fn(&mut ReadLimits)| {
        let mut limits = ReadLimits::default();
        change(&mut limits);
        limits
    };
    let refused = |change: &dyn Fn(&mut ReadLimits), text: &str| check_within(&bytes, &with(change), ErrorCode::PackageTooLarge, text);
    refused(&|limits| limits.file = bytes.len() - 1, "the package has");
    refused(&|limits| limits.entries = 3, "more than 3 entries");
    refused(&|limits| limits.component = 10, "at most");
    refused(&|limits| limits.manifest = 10, "the manifest has");
    refused(&|limits| limits.readme = 3, "the README has");
    refused(&|limits| limits.asset = 3, "an asset has");
    refused(&|limits| limits.sbom = 3, "the SBOM has");
    refused(&|limits| limits.document = 3, "`index.json` has");
    let exact = with(&|limits| limits.file = bytes.len());
    assert!(read(&bytes, &exact).is_ok());
}

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
            component: code.to_vec(),
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
        component: code,
        ..package()
    })
    .unwrap_err();
    assert_eq!(error.code(), ErrorCode::ComponentInvalid);
}

/// Random edits, many at once, with digests left as they were or made right: never a panic, and whatever is
/// accepted packs to the very same file.
#[test]
fn random_edits_are_refused_or_harmless() {
    let bytes = packed();
    let all = entries(&bytes);
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut random = move |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state % u64::try_from(below.max(1)).unwrap()).unwrap()
    };
    for _ in 0..3_000 {
        let mut changed = all.clone();
        for _ in 0..=random(3) {
            let entry = random(changed.len());
            let content = &mut changed[entry].content;
            let at = random(content.len() + 1);
            match random(4) {
                0 => content.truncate(at),
                1 if at < content.len() => content[at] = content[at].wrapping_add(u8::try_from(random(255)).unwrap()),
                2 => drop(content.splice(at..at, [b'"', b'{', b'[', b'0', b','].into_iter().take(random(6)))),
                _ => drop(content.splice(at..(at + random(9)).min(content.len()), [])),
            }
            if random(2) == 0 && changed[entry].path.starts_with("blobs/") {
                changed[entry].path = format!("blobs/sha256/{}", oriel_model::Digest::of(&changed[entry].content).hex());
            }
        }
        changed.sort_by(|a, b| a.path.cmp(&b.path));
        let file = archive(&changed);
        if let Ok(unpacked) = read(&file, &ReadLimits::default()) {
            assert!(pack(&unpacked.package).unwrap().bytes == file);
        }
    }
}
