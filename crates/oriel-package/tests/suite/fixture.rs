//! A good package, and a way to take one apart and put it together wrongly.

use std::collections::BTreeMap;

use oriel_model::Digest;
use oriel_model::manifest::{self, Manifest};
use oriel_package::{Asset, Package, pack};
use serde_json::{Value, json};

/// A component with the exports and imports of a real one, a core module inside and a `producers` section.
pub(crate) fn component() -> Vec<u8> {
    wat::parse_str(
        r#"(component
            (import "oriel:extension/log@0.1.0" (instance))
            (core module $m
                (func (export "f") (result i32) i32.const 7)
                (@producers (language "Rust" "2021") (processed-by "rustc" "1.95.0")))
            (core instance $i (instantiate $m))
            (func $f (result u32) (canon lift (core func $i "f")))
            (instance $p (export "f" (func $f)))
            (export "oriel:extension/program@0.1.0" (instance $p)))"#,
    )
    .unwrap()
}

pub(crate) fn manifest() -> Manifest {
    let text = r#"
        name = "flight-delays"
        version = "1.2.0"
        description = "Classifies flight delays – für alle."
        publisher = "acme"
        license = "MIT OR Apache-2.0"
        host_api = "^0.1"
        links = { homepage = "https://example.com/", repository = "https://example.com/git" }
        config.schema = { type = "object", properties = { ratio = { type = "number", maximum = 0.5 } } }
        [[programs]]
        name = "classify"
        input_schema = { type = "object" }
    "#;
    manifest::parse(text, &|_| Err("no files".to_owned())).unwrap()
}

pub(crate) fn package() -> Package {
    let asset = |path: &str, bytes: &[u8]| Asset {
        path: path.to_owned(),
        bytes: bytes.to_vec(),
    };
    Package {
        manifest: manifest(),
        component: Some(component()),
        readme: Some("# Flight delays\n".to_owned()),
        assets: vec![
            asset("data/airports.csv", b"code,name\n"),
            asset("data/empty", b""),
            asset("LICENSE", b"code,name\n"),
        ],
        sbom: None,
    }
}

pub(crate) fn packed() -> Vec<u8> {
    pack(&package()).unwrap().bytes
}

/// One entry of an archive, for archives that are put together by hand.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Entry {
    pub(crate) path: String,
    pub(crate) content: Vec<u8>,
}

/// The entries of a package, read by the `tar` crate: a judge of its own.
pub(crate) fn entries(package: &[u8]) -> Vec<Entry> {
    let mut archive = tar::Archive::new(package);
    archive
        .entries()
        .unwrap()
        .map(|entry| {
            let mut entry = entry.unwrap();
            let path = entry.path().unwrap().to_str().unwrap().to_owned();
            let mut content = Vec::new();
            std::io::Read::read_to_end(&mut entry, &mut content).unwrap();
            Entry { path, content }
        })
        .collect()
}

/// The header that packages use, made by the `tar` crate.
pub(crate) fn header(path: &str, size: usize) -> tar::Header {
    let mut header = tar::Header::new_ustar();
    header.set_entry_type(tar::EntryType::Regular);
    // `set_path` refuses what a hostile archive wants to say.
    header.as_old_mut().name[..path.len()].copy_from_slice(path.as_bytes());
    header.set_size(size as u64);
    header.set_mode(0o644);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header.set_device_major(0).unwrap();
    header.set_device_minor(0).unwrap();
    seal(&mut header);
    header
}

/// Sets the checksum as POSIX, GNU tar, Python and Go write it: six digits, NUL, space. The `tar` crate writes
/// seven digits and NUL.
pub(crate) fn seal(header: &mut tar::Header) {
    header.set_cksum();
    let sum = header.cksum().unwrap();
    header.as_old_mut().cksum.copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
}

/// An archive of these entries, as they are.
pub(crate) fn archive(entries: &[Entry]) -> Vec<u8> {
    let mut out = Vec::new();
    for entry in entries {
        out.extend_from_slice(header(&entry.path, entry.content.len()).as_bytes());
        out.extend_from_slice(&entry.content);
        out.resize(out.len().next_multiple_of(512), 0);
    }
    out.resize(out.len() + 1024, 0);
    out
}

/// A package taken apart: its documents can be changed and it can be put together again with right digests
/// everywhere, so that only the change itself can be what is refused.
pub(crate) struct Parts {
    pub(crate) image: Value,
    pub(crate) config: Value,
    /// Artifact type → image manifest.
    pub(crate) referrers: BTreeMap<String, Value>,
    /// Content by what it is, for layers.
    pub(crate) blobs: BTreeMap<Digest, Vec<u8>>,
    pub(crate) index: Value,
}

impl Parts {
    pub(crate) fn of(package: &[u8]) -> Self {
        let mut blobs: BTreeMap<Digest, Vec<u8>> = BTreeMap::new();
        let mut index = Value::Null;
        for entry in entries(package) {
            if entry.path == "index.json" {
                index = serde_json::from_slice(&entry.content).unwrap();
            } else if entry.path.starts_with("blobs/") {
                blobs.insert(Digest::of(&entry.content), entry.content);
            }
        }
        let mut take = |descriptor: &Value| -> Value {
            let digest: Digest = serde_json::from_value(descriptor["digest"].clone()).unwrap();
            serde_json::from_slice(&blobs.remove(&digest).unwrap()).unwrap()
        };
        let image = take(&index["manifests"][0]);
        let config = take(&image["config"]);
        let referrers = index["manifests"].as_array().unwrap()[1..]
            .iter()
            .map(|descriptor| (descriptor["artifactType"].as_str().unwrap().to_owned(), take(descriptor)))
            .collect();
        Self {
            image,
            config,
            referrers,
            blobs,
            index,
        }
    }

    /// Adds a blob and answers its descriptor.
    pub(crate) fn blob(&mut self, media_type: &str, content: &[u8]) -> Value {
        self.blobs.insert(Digest::of(content), content.to_vec());
        json!({ "mediaType": media_type, "digest": Digest::of(content), "size": content.len() })
    }

    /// Puts the package together: the digests of configuration, image and referrers follow their content.
    pub(crate) fn build(self) -> Vec<u8> {
        self.build_with(|_| {})
    }

    pub(crate) fn build_with(mut self, change_index: impl FnOnce(&mut Value)) -> Vec<u8> {
        let config = canonical(&self.config);
        let descriptor = self.blob("application/vnd.wasm.config.v0+json", &config);
        if self.image["config"]["mediaType"] == descriptor["mediaType"] {
            self.image["config"] = descriptor;
        }
        let image = canonical(&self.image);
        let subject = self.blob("application/vnd.oci.image.manifest.v1+json", &image);
        let original = self.index["manifests"][0]["digest"].clone();
        let mut tagged = subject.clone();
        tagged["annotations"] = self.index["manifests"][0]["annotations"].clone();
        let mut manifests = vec![tagged];
        for (kind, mut referrer) in std::mem::take(&mut self.referrers) {
            if referrer["subject"]["digest"] == original {
                referrer["subject"]["digest"] = subject["digest"].clone();
                referrer["subject"]["size"] = subject["size"].clone();
            }
            let mut descriptor = self.blob("application/vnd.oci.image.manifest.v1+json", &canonical(&referrer));
            descriptor["artifactType"] = json!(kind);
            manifests.push(descriptor);
        }
        self.index["manifests"] = Value::Array(manifests);
        change_index(&mut self.index);
        let mut entries: Vec<Entry> = self
            .blobs
            .into_iter()
            .map(|(digest, content)| Entry {
                path: format!("blobs/sha256/{}", digest.hex()),
                content,
            })
            .collect();
        entries.push(Entry {
            path: "index.json".to_owned(),
            content: canonical(&self.index),
        });
        entries.push(Entry {
            path: "oci-layout".to_owned(),
            content: br#"{"imageLayoutVersion":"1.0.0"}"#.to_vec(),
        });
        archive(&entries)
    }
}

/// Sorted and without white space; enough for documents whose keys are ASCII.
pub(crate) fn canonical(value: &Value) -> Vec<u8> {
    fn sorted(value: &Value) -> Value {
        match value {
            Value::Object(map) => {
                let fields: BTreeMap<&String, Value> = map.iter().map(|(key, value)| (key, sorted(value))).collect();
                fields.into_iter().map(|(key, value)| (key.clone(), value)).collect()
            }
            Value::Array(items) => items.iter().map(sorted).collect(),
            scalar => scalar.clone(),
        }
    }
    serde_json::to_vec(&sorted(value)).unwrap()
}
