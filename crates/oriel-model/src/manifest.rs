//! The manifest: what an author says of an extension in `extension.toml`.
//!
//! [`Manifest`] is the checked, normalised form: it travels inside the package as canonical JSON, so that a
//! file reference in the author's TOML (a schema in its own file) is already resolved. [`parse`] reads the TOML
//! and answers every problem at once, each with its line, column and mend.

mod build;
mod check;
mod diagnostic;
mod document;
mod hint;
mod parse;
mod read;
mod report;
mod shape;
mod structure;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use self::build::{Build, Engine, Language};
pub use self::check::Problem;
pub use self::diagnostic::{Diagnostic, Diagnostics};
pub use self::parse::{Resolve, parse, parse_bytes, parse_project};
pub use self::shape::json_schema;
use crate::contribution::{Contribution, ContributionKind};
use crate::limits::LimitsRequest;
use crate::name::{ContributionName, ExtensionName, PublisherName};
use crate::permissions::Permissions;

/// The guest API's version that this build speaks. A manifest's `host_api` must accept it.
pub const HOST_API: semver::Version = semver::Version::new(0, 1, 0);

/// The name of the manifest's file.
pub const FILE_NAME: &str = "extension.toml";
/// The longest manifest text that is read, in bytes.
pub const MAX_BYTES: usize = 64 << 10;
/// The longest description, in characters.
pub const MAX_DESCRIPTION: usize = 500;
/// The most programs in one extension.
pub const MAX_PROGRAMS: usize = 256;
/// The most tags.
pub const MAX_TAGS: usize = 10;
/// The longest tag, in characters.
pub const MAX_TAG: usize = 32;
/// The most hosts or networks that a manifest may ask for.
pub const MAX_HOSTS: usize = 256;
/// The most dependencies.
pub const MAX_DEPENDENCIES: usize = 64;
/// The links that a manifest may give.
pub const LINKS: [&str; 4] = ["homepage", "repository", "documentation", "issues"];

/// A checked manifest.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Manifest {
    /// The extension's name.
    pub name: ExtensionName,
    /// The release's semantic version.
    pub version: semver::Version,
    /// One or two sentences for people.
    pub description: String,
    /// Who owns the name.
    pub publisher: PublisherName,
    /// SPDX licence expression, such as `Apache-2.0`.
    pub license: String,
    /// The guest API versions that the extension was written for.
    pub host_api: semver::VersionReq,
    /// Whether the component exports `lifecycle`.
    #[serde(default)]
    pub lifecycle: bool,
    /// The programs it offers.
    #[serde(default)]
    pub programs: Vec<ProgramManifest>,
    /// What it wants to reach.
    #[serde(default)]
    pub permissions: Permissions,
    /// Limits that differ from the defaults.
    #[serde(default)]
    pub limits: LimitsRequest,
    /// How instances are reused.
    #[serde(default)]
    pub reuse: Reuse,
    /// JSON Schema 2020-12 of its configuration. Properties with `"writeOnly": true` are secrets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config_schema: Option<Value>,
    /// Other extensions that must be installed in the tenant, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub dependencies: BTreeMap<ExtensionName, semver::VersionReq>,
    /// Where people read more: `homepage`, `repository`, `documentation`, `issues`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub links: BTreeMap<String, url::Url>,
    /// Words for search.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
}

/// One program in a manifest.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ProgramManifest {
    /// Its name, given to the guest's `execute`.
    pub name: ContributionName,
    /// One line for people.
    #[serde(default)]
    pub description: String,
    /// JSON Schema 2020-12 of its input.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input_schema: Option<Value>,
    /// JSON Schema 2020-12 of its output.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output_schema: Option<Value>,
}

/// Whether an instance may serve more than one call.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Reuse {
    /// One call at a time, many calls per instance; recycled after a number of calls or when its memory grew.
    #[default]
    Reuse,
    /// A new instance for each call: nothing that a call leaves in memory is seen by the next.
    Fresh,
}

impl Manifest {
    /// Everything the extension contributes, in the manifest's order.
    #[must_use]
    pub fn contributions(&self) -> Vec<Contribution> {
        self.programs
            .iter()
            .map(|program| Contribution {
                kind: ContributionKind::Program,
                name: program.name.clone(),
                description: program.description.clone(),
                input_schema: program.input_schema.clone(),
                output_schema: program.output_schema.clone(),
            })
            .collect()
    }

    /// The package's file name, `NAME-VERSION.oriel`.
    #[must_use]
    pub fn file_name(&self) -> String {
        format!("{}-{}.oriel", self.name, self.version)
    }
}
