//! What a package looks like, judged by other people's readers.

use oci_spec::image::{ImageIndex, ImageManifest, MediaType, OciLayout};
use oriel_model::Digest;
use oriel_package::{Package, ReadLimits, pack, read};
use serde_json::{Value, json};

use crate::fixture::{Parts, entries, header, package, packed};

#[test]
fn a_package_survives_packing_and_reading() {
    let packed = pack(&package()).unwrap();
    let unpacked = read(&packed.bytes, &ReadLimits::default()).unwrap();
    assert_eq!((unpacked.digest, unpacked.component_digest), (packed.digest, packed.component));
    assert_eq!(unpacked.component_digest, package().component.map(|code| Digest::of(&code)));
    let mut expected = package();
    expected.assets.sort_by(|a, b| a.path.cmp(&b.path));
    expected.sbom.clone_from(&unpacked.package.sbom);
    assert_eq!(unpacked.package, expected);
    assert!(
        pack(&unpacked.package).unwrap() == packed,
        "packing what was read gives the same file"
    );

    let bare = Package {
        readme: None,
        assets: Vec::new(),
        ..package()
    };
    let unpacked = read(&pack(&bare).unwrap().bytes, &ReadLimits::default()).unwrap();
    assert_eq!((unpacked.package.readme, unpacked.package.assets), (None, Vec::new()));
}

#[test]
fn the_same_content_gives_the_same_bytes() {
    let mut other = package();
    other.assets.reverse();
    assert!(pack(&other).unwrap() == pack(&package()).unwrap());
    check_digest(&pack(&package()).unwrap().digest.to_string());
}

/// A golden digest: published files keep theirs, so it changes only with a reason that a decision record tells.
fn check_digest(digest: &str) {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/package.digest");
    if std::env::var_os("UPDATE_EXPECTED").is_some() {
        std::fs::write(&path, format!("{digest}\n")).unwrap();
    }
    assert_eq!(digest, std::fs::read_to_string(&path).unwrap().trim());
}

#[test]
fn headers_are_what_the_tar_crate_would_write() {
    let bytes = packed();
    let mut at = 0;
    for entry in entries(&bytes) {
        assert!(
            &bytes[at..at + 512] == header(&entry.path, entry.content.len()).as_bytes(),
            "{}",
            entry.path
        );
        at += 512 + entry.content.len().next_multiple_of(512);
    }
    assert_eq!(bytes.len(), at + 1024);
}

#[test]
fn the_documents_are_valid_oci() {
    let bytes = packed();
    let entries = entries(&bytes);
    let content = |path: &str| entries.iter().find(|entry| entry.path == path).unwrap().content.as_slice();
    let blob = |digest: &str| content(&format!("blobs/{}", digest.replace(':', "/")));
    OciLayout::from_reader(content("oci-layout")).unwrap();
    let index = ImageIndex::from_reader(content("index.json")).unwrap();
    assert_eq!(index.media_type(), &Some(MediaType::ImageIndex));
    let mut types = Vec::new();
    for (position, descriptor) in index.manifests().iter().enumerate() {
        assert_eq!(descriptor.media_type(), &MediaType::ImageManifest);
        let image = ImageManifest::from_reader(blob(descriptor.digest().as_ref())).unwrap();
        assert_eq!(image.artifact_type(), descriptor.artifact_type());
        for part in image.layers().iter().chain([image.config()]) {
            assert_eq!(blob(part.digest().as_ref()).len() as u64, part.size());
        }
        if position == 0 {
            assert_eq!(
                image.config().media_type(),
                &MediaType::Other("application/vnd.wasm.config.v0+json".to_owned())
            );
            assert_eq!(image.layers().len(), 1);
            assert_eq!(image.layers()[0].media_type(), &MediaType::Other("application/wasm".to_owned()));
        } else {
            assert_eq!(image.config().media_type(), &MediaType::EmptyJSON);
            assert_eq!(image.subject().as_ref().unwrap().digest(), index.manifests()[0].digest());
            types.push(descriptor.artifact_type().as_ref().unwrap().to_string());
        }
    }
    assert_eq!(
        types,
        [
            "application/vnd.oriel.manifest.v1+json",
            "text/markdown",
            "application/vnd.oriel.assets.v1",
            "application/vnd.cyclonedx+json"
        ]
    );
}

#[test]
fn the_configuration_says_what_the_component_is() {
    let parts = Parts::of(&packed());
    let component = parts.image["layers"][0]["digest"].clone();
    assert_eq!(
        parts.config,
        json!({
            "created": "1970-01-01T00:00:00Z",
            "architecture": "wasm",
            "os": "wasip2",
            "layerDigests": [component],
            "component": {
                "exports": ["oriel:extension/program@0.1.0"],
                "imports": ["oriel:extension/log@0.1.0"],
                "target": Value::Null,
            },
        })
    );
    assert_eq!(parts.image["annotations"]["org.opencontainers.image.title"], "flight-delays");
    assert_eq!(
        parts.image["annotations"]["org.opencontainers.image.source"],
        "https://example.com/git"
    );
}

#[test]
fn a_package_put_together_again_is_the_same_file() {
    let bytes = packed();
    let again = Parts::of(&bytes).build_with(|index| {
        // The referrers' order in the index is not their types' alphabetical order.
        let original: Value = Parts::of(&bytes).index;
        *index = original;
    });
    assert!(again == bytes, "the tests' own tool for taking apart works");
}

/// The package of a remote extension has everything but a component, and one of the two must be there.
#[test]
fn a_remote_extension_has_no_component() {
    let mut remote = package();
    remote.component = None;
    let told = pack(&remote).unwrap_err().to_string();
    assert!(told.contains("there is no component"), "{told}");
    remote.manifest.remote = Some(oriel_model::manifest::RemoteManifest {
        protocol: 1,
        url: Some("https://orders.example.com".parse().unwrap()),
    });
    let packed = pack(&remote).unwrap();
    assert_eq!((packed.component, &packed), (None, &pack(&remote).unwrap()));
    let unpacked = read(&packed.bytes, &ReadLimits::default()).unwrap();
    assert_eq!((unpacked.digest, unpacked.component_digest), (packed.digest, None));
    assert_eq!((&unpacked.package.manifest, &unpacked.package.component), (&remote.manifest, &None));
    let bill = unpacked.package.sbom.unwrap();
    assert!(bill["metadata"]["component"]["hashes"].is_null(), "{bill}");
    remote.component = package().component;
    let told = pack(&remote).unwrap_err().to_string();
    assert!(told.contains("there is a component"), "{told}");
    remote.manifest.remote.as_mut().unwrap().protocol = 2;
    assert!(pack(&remote).unwrap_err().to_string().contains("version 2 of the protocol"));
}
