//! Packages: one `.oriel` file per release, in and out.
//!
//! A package is a tar archive of an OCI image layout in the CNCF Wasm artifact layout: one image manifest whose
//! only layer is the component (of a remote extension, an artifact without content), and beside it, as referrers, the Oriel
//! manifest, README, assets and SBOM. It is
//! reproducible: the same content gives the same bytes, and [`read`] takes nothing but the one form that
//! [`pack`] writes.
//!
//! There is deliberately no registry client, no signature and no extraction to disk here; [`read`] works on
//! bytes and answers values, so that a hostile file can at worst be refused. Only [`from_directory`] and
//! [`read_project`] touch the file system, to read what an author wrote.
//!
//! Start reading at [`pack`] for the layout, then at [`read`] for the checks.

mod archive;
mod canonical;
mod component;
mod directory;
mod error;
mod layout;
mod limits;
mod pack;
mod path;
mod read;
pub mod sbom;

use oriel_model::Digest;
use oriel_model::manifest::Manifest;

pub use self::component::{Component, inspect};
pub use self::directory::{from_directory, read_project};
pub use self::error::PackageError;
pub use self::limits::ReadLimits;
pub use self::pack::pack;
pub use self::read::read;

/// The media type of a package file.
pub const MEDIA_TYPE: &str = "application/vnd.oriel.package";

/// What a package holds.
#[derive(Debug, Clone, PartialEq)]
pub struct Package {
    /// The manifest.
    pub manifest: Manifest,
    /// The WebAssembly component; absent of a remote extension, whose code runs elsewhere.
    pub component: Option<Vec<u8>>,
    /// The README, in Markdown.
    pub readme: Option<String>,
    /// Files that the extension carries along, in any order.
    pub assets: Vec<Asset>,
    /// The software bill of materials, CycloneDX as JSON. When absent, [`pack`] makes one.
    pub sbom: Option<serde_json::Value>,
}

/// One file that the extension carries along.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asset {
    /// Relative path with `/` between names.
    pub path: String,
    /// Its content.
    pub bytes: Vec<u8>,
}

/// A packed file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packed {
    /// The file's content.
    pub bytes: Vec<u8>,
    /// The digest of the whole file.
    pub digest: Digest,
    /// The digest of the component inside, if there is one.
    pub component: Option<Digest>,
}

/// A package that was read, all its digests checked.
#[derive(Debug, Clone, PartialEq)]
pub struct Unpacked {
    /// Its content.
    pub package: Package,
    /// The digest of the whole file.
    pub digest: Digest,
    /// The digest of the component inside, if there is one.
    pub component_digest: Option<Digest>,
}
