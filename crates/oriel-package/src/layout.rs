//! The OCI documents of a package, with exactly the fields that packages use: whatever else a document says is
//! refused. See <https://github.com/opencontainers/image-spec> and
//! <https://tag-runtime.cncf.io/wgs/wasm/deliverables/wasm-oci-artifact/>.

use std::collections::BTreeMap;

use oriel_model::Digest;
use serde::{Deserialize, Serialize};

use crate::Component;

/// `oci-layout`, always the same.
pub(crate) const OCI_LAYOUT: &[u8] = br#"{"imageLayoutVersion":"1.0.0"}"#;
pub(crate) const OCI_LAYOUT_PATH: &str = "oci-layout";
pub(crate) const INDEX_PATH: &str = "index.json";
pub(crate) const BLOBS: &str = "blobs/sha256/";

pub(crate) const INDEX: &str = "application/vnd.oci.image.index.v1+json";
pub(crate) const IMAGE: &str = "application/vnd.oci.image.manifest.v1+json";
pub(crate) const EMPTY: &str = "application/vnd.oci.empty.v1+json";
/// What the image of a remote extension is, which has nothing to run.
pub(crate) const REMOTE: &str = "application/vnd.oriel.remote.v1";
pub(crate) const WASM_CONFIG: &str = "application/vnd.wasm.config.v0+json";
pub(crate) const WASM: &str = "application/wasm";
pub(crate) const MANIFEST: &str = "application/vnd.oriel.manifest.v1+json";
pub(crate) const README: &str = "text/markdown";
pub(crate) const ASSETS: &str = "application/vnd.oriel.assets.v1";
pub(crate) const ASSET: &str = "application/octet-stream";
pub(crate) const SBOM: &str = "application/vnd.cyclonedx+json";

/// Annotation keys of the OCI specification.
pub(crate) const REF_NAME: &str = "org.opencontainers.image.ref.name";
pub(crate) const TITLE: &str = "org.opencontainers.image.title";
pub(crate) const VERSION: &str = "org.opencontainers.image.version";

/// The content of the empty descriptor.
pub(crate) const EMPTY_JSON: &[u8] = b"{}";

/// Points at a blob.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Descriptor {
    pub(crate) media_type: String,
    pub(crate) digest: Digest,
    pub(crate) size: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) artifact_type: Option<String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) annotations: BTreeMap<String, String>,
}

/// `index.json`: the image first, then its referrers.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Index {
    pub(crate) schema_version: u32,
    pub(crate) media_type: String,
    pub(crate) manifests: Vec<Descriptor>,
}

/// An image manifest: the component's, or a referrer's.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Image {
    pub(crate) schema_version: u32,
    pub(crate) media_type: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) artifact_type: Option<String>,
    pub(crate) config: Descriptor,
    pub(crate) layers: Vec<Descriptor>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) subject: Option<Descriptor>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) annotations: BTreeMap<String, String>,
}

/// The configuration of a Wasm artifact.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct WasmConfig {
    /// Fixed, since a package is a function of its content; clients refuse a configuration without it.
    pub(crate) created: String,
    pub(crate) architecture: String,
    pub(crate) os: String,
    pub(crate) layer_digests: Vec<Digest>,
    pub(crate) component: WasmComponent,
}

/// What the component's type says.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct WasmComponent {
    pub(crate) exports: Vec<String>,
    pub(crate) imports: Vec<String>,
    #[serde(default)]
    pub(crate) target: Option<String>,
}

impl WasmConfig {
    /// The configuration of this component.
    pub(crate) fn of(component: &Component, digest: Digest) -> Self {
        Self {
            created: "1970-01-01T00:00:00Z".to_owned(),
            architecture: "wasm".to_owned(),
            os: "wasip2".to_owned(),
            layer_digests: vec![digest],
            component: WasmComponent {
                exports: component.exports.clone(),
                imports: component.imports.clone(),
                target: None,
            },
        }
    }
}
