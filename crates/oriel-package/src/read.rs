//! Reading a package that anybody may have made.
//!
//! The order of the checks is the order of trust: sizes, then the archive's form, then every digest, and only
//! then what the documents say. All that is in the archive must be referred to, exactly once by role.

use std::collections::{BTreeMap, BTreeSet};

use oriel_model::Digest;
use oriel_model::manifest::Manifest;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::layout::{
    ASSET, ASSETS, BLOBS, Descriptor, EMPTY, EMPTY_JSON, IMAGE, INDEX, INDEX_PATH, Image, Index, MANIFEST, OCI_LAYOUT, OCI_LAYOUT_PATH,
    README, REF_NAME, REMOTE, SBOM, TITLE, VERSION, WASM, WASM_CONFIG, WasmConfig,
};
use crate::limits::within;
use crate::pack::{check_code, check_manifest};
use crate::{Asset, Package, PackageError, ReadLimits, Unpacked, archive, canonical, component, path};

/// Reads a package. Nothing is written anywhere, and only what is returned is copied.
///
/// The component is checked in its structure; its functions are validated when the sandbox compiles it.
///
/// # Errors
/// When anything about the file is not as [`pack`](crate::pack()) makes it, or larger than `limits`.
pub fn read(bytes: &[u8], limits: &ReadLimits) -> Result<Unpacked, PackageError> {
    let entries = archive::read(bytes, limits)?;
    let mut layout = Layout::new(&entries, limits)?;
    let index: Index = layout.index()?;
    let (tagged, referrers) = index
        .manifests
        .split_first()
        .ok_or_else(|| invalid("`index.json` lists no image manifest"))?;

    let subject = Descriptor {
        annotations: BTreeMap::new(),
        ..tagged.clone()
    };
    let image: Image = layout.document(&subject, IMAGE, "the image manifest")?;
    let layer = check_image(&image)?;
    let component = if image.artifact_type.is_some() {
        layout.empty(layer)?;
        layout.empty(&image.config)?;
        None
    } else {
        let code = layout.blob(layer, WASM, "the component", limits.component)?;
        let outside = component::inspect(code)?;
        let config: WasmConfig = layout.document(&image.config, WASM_CONFIG, "the image configuration")?;
        if config != WasmConfig::of(&outside, layer.digest) {
            return Err(invalid("the image configuration does not describe the component"));
        }
        Some(code)
    };

    let mut parts = Parts::default();
    for referrer in referrers {
        let kind = referrer.artifact_type.clone().unwrap_or_default();
        let artifact: Image = layout.document(referrer, IMAGE, "a referrer")?;
        check_referrer(&artifact, referrer, &subject)?;
        layout.empty(&artifact.config)?;
        parts.take(&mut layout, &kind, &artifact.layers, limits)?;
    }
    layout.all_used()?;

    let manifest = parts.manifest.ok_or_else(|| invalid("it has no Oriel manifest"))?;
    check_manifest(&manifest)?;
    check_code(&manifest, component.is_some())?;
    check_names(&manifest, &image.annotations, &tagged.annotations)?;
    Ok(Unpacked {
        digest: Digest::of(bytes),
        component_digest: component.map(|_| layer.digest),
        package: Package {
            manifest,
            component: component.map(<[u8]>::to_vec),
            readme: parts.readme,
            assets: parts.assets.unwrap_or_default(),
            sbom: Some(parts.sbom.ok_or_else(|| invalid("it has no SBOM"))?),
        },
    })
}

fn invalid(reason: impl Into<String>) -> PackageError {
    PackageError::invalid(reason)
}

/// Answers the only layer.
fn check_image(image: &Image) -> Result<&Descriptor, PackageError> {
    let kind = image.artifact_type.as_deref();
    if image.schema_version != 2 || image.media_type != IMAGE || !matches!(kind, None | Some(REMOTE)) || image.subject.is_some() {
        return Err(invalid("the first entry of `index.json` is not the image manifest of a component"));
    }
    match image.layers.as_slice() {
        [layer] => Ok(layer),
        layers => Err(invalid(format!(
            "the image has {} layers; a package has exactly one, the component",
            layers.len()
        ))),
    }
}

fn check_referrer(artifact: &Image, listed: &Descriptor, subject: &Descriptor) -> Result<(), PackageError> {
    if artifact.schema_version != 2 || artifact.media_type != IMAGE || artifact.artifact_type != listed.artifact_type {
        return Err(invalid("a referrer is not what `index.json` says of it"));
    }
    if artifact.subject.as_ref() != Some(subject) {
        return Err(invalid("a referrer's subject is not the component's image manifest"));
    }
    if !artifact.annotations.is_empty() || !listed.annotations.is_empty() {
        return Err(invalid("a referrer has annotations"));
    }
    Ok(())
}

/// Registries show the annotations, hosts obey the manifest: they must not tell different stories.
fn check_names(manifest: &Manifest, image: &BTreeMap<String, String>, tag: &BTreeMap<String, String>) -> Result<(), PackageError> {
    let version = manifest.version.to_string();
    if image.get(TITLE).map(String::as_str) != Some(manifest.name.as_str()) || image.get(VERSION) != Some(&version) {
        return Err(invalid("the image's title and version are not the manifest's name and version"));
    }
    if tag.len() != 1 || tag.get(REF_NAME) != Some(&version) {
        return Err(invalid("the tag in `index.json` is not the manifest's version"));
    }
    Ok(())
}

/// What the referrers bring.
#[derive(Default)]
struct Parts {
    manifest: Option<Manifest>,
    readme: Option<String>,
    assets: Option<Vec<Asset>>,
    sbom: Option<Value>,
}

impl Parts {
    fn take(&mut self, layout: &mut Layout<'_>, kind: &str, layers: &[Descriptor], limits: &ReadLimits) -> Result<(), PackageError> {
        let single = || match layers {
            [layer] => Ok(layer),
            _ => Err(invalid(format!("the referrer of type `{kind}` does not have exactly one layer"))),
        };
        let taken = match kind {
            MANIFEST => {
                let content = layout.blob(single()?, MANIFEST, "the manifest", limits.manifest)?;
                let manifest = canonical::from_slice(content).map_err(|reason| PackageError::ManifestDocument { reason })?;
                self.manifest.replace(manifest).is_some()
            }
            README => {
                let content = layout.blob(single()?, README, "the README", limits.readme)?;
                let text = std::str::from_utf8(content).map_err(|_| invalid("the README is not UTF-8"))?;
                self.readme.replace(text.to_owned()).is_some()
            }
            SBOM => {
                let content = layout.blob(single()?, SBOM, "the SBOM", limits.sbom)?;
                let bill: Value = canonical::from_slice(content).map_err(|reason| invalid(format!("the SBOM cannot be used: {reason}")))?;
                if bill["bomFormat"] != "CycloneDX" {
                    return Err(invalid("the SBOM is not CycloneDX"));
                }
                self.sbom.replace(bill).is_some()
            }
            ASSETS => {
                let assets = read_assets(layout, layers, limits)?;
                self.assets.replace(assets).is_some()
            }
            other => return Err(invalid(format!("there is a referrer of an unknown type, `{}`", shown(other)))),
        };
        if taken {
            Err(invalid(format!("there are two referrers of type `{kind}`")))
        } else {
            Ok(())
        }
    }
}

fn read_assets(layout: &mut Layout<'_>, layers: &[Descriptor], limits: &ReadLimits) -> Result<Vec<Asset>, PackageError> {
    let mut assets: Vec<Asset> = Vec::new();
    let mut total = 0_usize;
    for layer in layers {
        let path = match layer.annotations.get(TITLE) {
            Some(path) if layer.annotations.len() == 1 => path.clone(),
            _ => return Err(invalid("an asset has no path")),
        };
        if let Some(problem) = path::problem(&path) {
            return Err(invalid(format!("the asset `{}` is refused: {problem}", shown(&path))));
        }
        if assets.last().is_some_and(|last| last.path >= path) {
            return Err(invalid(format!("the asset `{path}` is out of order or there twice")));
        }
        let named = Descriptor {
            annotations: BTreeMap::new(),
            ..layer.clone()
        };
        let content = layout.blob(&named, ASSET, "an asset", limits.asset)?;
        // Assets may share a blob, so their sum is not bounded by the file's size.
        total = total.saturating_add(content.len());
        within("all assets together", total, limits.file)?;
        assets.push(Asset {
            path,
            bytes: content.to_vec(),
        });
    }
    if assets.is_empty() {
        return Err(invalid("the referrer of assets holds none"));
    }
    match path::clash(assets.iter().map(|asset| asset.path.as_str())) {
        Some(path) => Err(invalid(format!("the asset `{path}` stands in the way of another one"))),
        None => Ok(assets),
    }
}

/// A text from the file in a message.
fn shown(text: &str) -> String {
    text.chars().take(80).flat_map(char::escape_debug).collect()
}

/// The archive's entries by role.
struct Layout<'b> {
    blobs: BTreeMap<Digest, &'b [u8]>,
    index: &'b [u8],
    used: BTreeSet<Digest>,
    document: usize,
}

impl<'b> Layout<'b> {
    /// Sorts the entries and checks every digest.
    fn new(entries: &[archive::Entry<'b>], limits: &ReadLimits) -> Result<Self, PackageError> {
        let (mut blobs, mut index, mut layout) = (BTreeMap::new(), None, None);
        for &(path, content) in entries {
            match path {
                INDEX_PATH => index = Some(content),
                OCI_LAYOUT_PATH => layout = Some(content),
                _ => {
                    let digest: Digest = path
                        .strip_prefix(BLOBS)
                        .and_then(|hex| format!("sha256:{hex}").parse().ok())
                        .ok_or_else(|| invalid(format!("`{path}` does not belong into a package")))?;
                    within(&format!("`{path}`"), content.len(), limits.component.max(limits.asset))?;
                    if Digest::of(content) != digest {
                        return Err(PackageError::DigestMismatch { entry: path.to_owned() });
                    }
                    blobs.insert(digest, content);
                }
            }
        }
        if layout.ok_or_else(|| invalid("`oci-layout` is missing"))? != OCI_LAYOUT {
            return Err(invalid("`oci-layout` is not of version 1.0.0"));
        }
        Ok(Self {
            blobs,
            index: index.ok_or_else(|| invalid("`index.json` is missing"))?,
            used: BTreeSet::new(),
            document: limits.document,
        })
    }

    fn index(&self) -> Result<Index, PackageError> {
        within("`index.json`", self.index.len(), self.document)?;
        let index: Index = canonical::from_slice(self.index).map_err(|reason| invalid(format!("`index.json` cannot be used: {reason}")))?;
        if index.schema_version != 2 || index.media_type != INDEX {
            return Err(invalid("`index.json` is not an OCI image index"));
        }
        Ok(index)
    }

    /// The content that a descriptor points at.
    fn blob(&mut self, at: &Descriptor, media_type: &str, what: &str, limit: usize) -> Result<&'b [u8], PackageError> {
        if at.media_type != media_type {
            return Err(invalid(format!(
                "{what} has the media type `{}`, not `{media_type}`",
                shown(&at.media_type)
            )));
        }
        let content = *self
            .blobs
            .get(&at.digest)
            .ok_or_else(|| invalid(format!("{what}, {}, is missing", at.digest)))?;
        if content.len() as u64 != at.size {
            return Err(invalid(format!("{what} has {} bytes, not {}", content.len(), at.size)));
        }
        if !at.annotations.is_empty() && media_type != IMAGE {
            return Err(invalid(format!("{what} has annotations")));
        }
        within(what, content.len(), limit)?;
        self.used.insert(at.digest);
        Ok(content)
    }

    fn document<T: DeserializeOwned>(&mut self, at: &Descriptor, media_type: &str, what: &str) -> Result<T, PackageError> {
        let limit = self.document;
        let content = self.blob(at, media_type, what, limit)?;
        canonical::from_slice(content).map_err(|reason| invalid(format!("{what} cannot be used: {reason}")))
    }

    fn empty(&mut self, at: &Descriptor) -> Result<(), PackageError> {
        let content = self.blob(at, EMPTY, "a referrer's configuration", EMPTY_JSON.len())?;
        if content == EMPTY_JSON {
            Ok(())
        } else {
            Err(invalid("a referrer's configuration is not empty"))
        }
    }

    fn all_used(&self) -> Result<(), PackageError> {
        match self.blobs.keys().find(|digest| !self.used.contains(digest)) {
            Some(digest) => Err(invalid(format!("nothing refers to the blob {digest}"))),
            None => Ok(()),
        }
    }
}
