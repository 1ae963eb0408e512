//! Making a package.

use std::collections::BTreeMap;

use oriel_model::Digest;
use oriel_model::manifest::Manifest;
use serde::Serialize;

use crate::layout::{
    ASSET, ASSETS, BLOBS, Descriptor, EMPTY, EMPTY_JSON, IMAGE, INDEX, INDEX_PATH, Image, Index, MANIFEST, OCI_LAYOUT, OCI_LAYOUT_PATH,
    README, REF_NAME, REMOTE, SBOM, TITLE, VERSION, WASM, WASM_CONFIG, WasmConfig,
};
use crate::limits::within;
use crate::{Asset, Component, Package, PackageError, Packed, ReadLimits, archive, canonical, component, path, sbom};

/// Packs a package. The same content gives the same bytes, whatever the order of the assets.
///
/// The archive holds, in the order of their paths:
///
/// - `blobs/sha256/…`: the component, the configuration that describes its imports and exports, an image
///   manifest with that configuration and the component as its only layer, and for each of Oriel manifest,
///   README, assets and SBOM one image manifest whose `subject` is the component's and whose layers are the
///   content;
/// - `index.json`: the component's image manifest, tagged with the version, then its referrers;
/// - `oci-layout`.
///
/// # Errors
/// When the manifest has problems, the component is not valid, an asset's path cannot be used, or a part is
/// larger than [`ReadLimits`] allows by default.
pub fn pack(package: &Package) -> Result<Packed, PackageError> {
    let limits = ReadLimits::default();
    let manifest = &package.manifest;
    check_manifest(manifest)?;
    check_code(manifest, package.component.is_some())?;
    check_assets(&package.assets, &limits)?;

    let mut blobs = Blobs::default();
    let (outside, component, image) = match &package.component {
        Some(code) => {
            within("the component", code.len(), limits.component)?;
            let outside = component::inspect(code)?;
            component::validate(code)?;
            let layer = blobs.add(WASM, code.clone());
            let config = blobs.add_json(WASM_CONFIG, &WasmConfig::of(&outside, layer.digest))?;
            (outside, Some(layer.digest), (None, config, layer))
        }
        None => {
            let nothing = blobs.add(EMPTY, EMPTY_JSON.to_vec());
            (Component::default(), None, (Some(REMOTE.to_owned()), nothing.clone(), nothing))
        }
    };
    let (artifact_type, config, layer) = image;
    let image = Image {
        schema_version: 2,
        media_type: IMAGE.to_owned(),
        artifact_type,
        config,
        layers: vec![layer],
        subject: None,
        annotations: annotations(manifest),
    };
    let subject = blobs.add_json(IMAGE, &image)?;
    let mut referrers = Vec::new();

    let document = blobs.add_json(MANIFEST, manifest)?;
    within(
        "the manifest",
        usize::try_from(document.size).unwrap_or(usize::MAX),
        limits.manifest,
    )?;
    referrers.push(blobs.refer(&subject, MANIFEST, vec![document])?);

    if let Some(readme) = &package.readme {
        within("the README", readme.len(), limits.readme)?;
        let layer = blobs.add(README, readme.clone().into_bytes());
        referrers.push(blobs.refer(&subject, README, vec![layer])?);
    }
    if !package.assets.is_empty() {
        let mut assets: Vec<&Asset> = package.assets.iter().collect();
        assets.sort_by(|a, b| a.path.cmp(&b.path));
        let layers = assets
            .into_iter()
            .map(|asset| Descriptor {
                annotations: BTreeMap::from([(TITLE.to_owned(), asset.path.clone())]),
                ..blobs.add(ASSET, asset.bytes.clone())
            })
            .collect();
        referrers.push(blobs.refer(&subject, ASSETS, layers)?);
    }
    let bill = match &package.sbom {
        Some(bill) => blobs.add_json(SBOM, bill)?,
        None => blobs.add_json(SBOM, &sbom::generate(manifest, &outside, component))?,
    };
    within("the SBOM", usize::try_from(bill.size).unwrap_or(usize::MAX), limits.sbom)?;
    referrers.push(blobs.refer(&subject, SBOM, vec![bill])?);

    let tagged = Descriptor {
        annotations: BTreeMap::from([(REF_NAME.to_owned(), manifest.version.to_string())]),
        ..subject
    };
    let index = Index {
        schema_version: 2,
        media_type: INDEX.to_owned(),
        manifests: std::iter::once(tagged).chain(referrers).collect(),
    };
    let bytes = blobs.archive(&encode(&index)?)?;
    within("the package", bytes.len(), limits.file)?;
    Ok(Packed {
        digest: Digest::of(&bytes),
        component,
        bytes,
    })
}

pub(crate) fn check_manifest(manifest: &Manifest) -> Result<(), PackageError> {
    let problems = manifest.problems();
    if problems.is_empty() {
        Ok(())
    } else {
        Err(PackageError::Manifest { problems })
    }
}

/// A package holds a component, or its manifest names a service: one of the two.
pub(crate) fn check_code(manifest: &Manifest, component: bool) -> Result<(), PackageError> {
    match (manifest.remote.is_some(), component) {
        (true, true) => Err(PackageError::invalid(
            "the manifest says that the extension is remote, but there is a component",
        )),
        (false, false) => Err(PackageError::invalid(
            "there is no component, and the manifest does not say that the extension is remote",
        )),
        _ => Ok(()),
    }
}

fn check_assets(assets: &[Asset], limits: &ReadLimits) -> Result<(), PackageError> {
    // Besides assets there are at most: component, configuration, five image manifests, Oriel manifest, README,
    // SBOM, the empty configuration, index and layout.
    if assets.len() + 16 > limits.entries {
        return Err(PackageError::TooMany { limit: limits.entries });
    }
    for asset in assets {
        if let Some(problem) = path::problem(&asset.path) {
            return Err(PackageError::invalid(format!(
                "the asset `{}` cannot be packed: {problem}",
                asset.path.escape_debug()
            )));
        }
        within(&format!("the asset `{}`", asset.path), asset.bytes.len(), limits.asset)?;
    }
    match path::clash(assets.iter().map(|asset| asset.path.as_str())) {
        Some(path) => Err(PackageError::invalid(format!(
            "the asset `{path}` stands in the way of another one"
        ))),
        None => Ok(()),
    }
}

/// What registries and their tools show of an image.
fn annotations(manifest: &Manifest) -> BTreeMap<String, String> {
    let mut annotations = BTreeMap::from([
        (TITLE.to_owned(), manifest.name.to_string()),
        (VERSION.to_owned(), manifest.version.to_string()),
        ("org.opencontainers.image.description".to_owned(), manifest.description.clone()),
        ("org.opencontainers.image.licenses".to_owned(), manifest.license.clone()),
        ("org.opencontainers.image.vendor".to_owned(), manifest.publisher.to_string()),
    ]);
    for (link, key) in [("homepage", "url"), ("repository", "source"), ("documentation", "documentation")] {
        if let Some(url) = manifest.links.get(link) {
            annotations.insert(format!("org.opencontainers.image.{key}"), url.to_string());
        }
    }
    annotations
}

/// The blobs so far, by digest.
#[derive(Default)]
struct Blobs(BTreeMap<Digest, Vec<u8>>);

impl Blobs {
    fn add(&mut self, media_type: &str, content: Vec<u8>) -> Descriptor {
        let digest = Digest::of(&content);
        let size = content.len() as u64;
        self.0.insert(digest, content);
        Descriptor {
            media_type: media_type.to_owned(),
            digest,
            size,
            artifact_type: None,
            annotations: BTreeMap::new(),
        }
    }

    fn add_json<T: Serialize>(&mut self, media_type: &str, document: &T) -> Result<Descriptor, PackageError> {
        Ok(self.add(media_type, encode(document)?))
    }

    /// An artifact that refers to `subject`, as `index.json` lists it.
    fn refer(&mut self, subject: &Descriptor, artifact_type: &str, layers: Vec<Descriptor>) -> Result<Descriptor, PackageError> {
        let config = self.add(EMPTY, EMPTY_JSON.to_vec());
        let image = Image {
            schema_version: 2,
            media_type: IMAGE.to_owned(),
            artifact_type: Some(artifact_type.to_owned()),
            config,
            layers,
            subject: Some(subject.clone()),
            annotations: BTreeMap::new(),
        };
        let mut descriptor = self.add_json(IMAGE, &image)?;
        descriptor.artifact_type = Some(artifact_type.to_owned());
        Ok(descriptor)
    }

    fn archive(&self, index: &[u8]) -> Result<Vec<u8>, PackageError> {
        let paths: Vec<(String, &[u8])> = self
            .0
            .iter()
            .map(|(digest, content)| (format!("{BLOBS}{}", digest.hex()), content.as_slice()))
            .collect();
        let blobs = paths.iter().map(|(path, content)| (path.as_str(), *content));
        archive::write(blobs.chain([(INDEX_PATH, index), (OCI_LAYOUT_PATH, OCI_LAYOUT)]))
    }
}

fn encode<T: Serialize>(document: &T) -> Result<Vec<u8>, PackageError> {
    canonical::to_vec(document).map_err(|error| PackageError::invalid(format!("a document cannot be written: {error}")))
}
