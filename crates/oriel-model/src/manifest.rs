//! The manifest: what an author says of an extension in `extension.toml`.
//!
//! [`Manifest`] is the checked, normalised form: it travels inside the package as canonical JSON, so that a
//! file reference in the author's TOML (a schema in its own file) is already resolved. [`parse`] reads the TOML
//! and answers every problem at once, each with its line, column and mend.

mod build;
mod check;
mod collections;
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
use crate::collection::CollectionManifest;
use crate::contribution::{Contribution, ContributionKind, RouteAccess};
use crate::limits::{LimitsRequest, TimeSpan};
use crate::name::{ContributionName, ExtensionName, HookName, PublisherName};
use crate::permissions::Permissions;
use crate::remote::RemoteUrl;

/// The guest API's version that this build speaks. A manifest's `host_api` must accept it.
pub const HOST_API: semver::Version = semver::Version::new(0, 1, 0);

/// The name of the manifest's file.
pub const FILE_NAME: &str = "extension.toml";
/// The longest manifest text that is read, in bytes.
pub const MAX_BYTES: usize = 64 << 10;
/// The longest description, in characters.
pub const MAX_DESCRIPTION: usize = 500;
/// The most contributions of one kind in one extension.
pub const MAX_CONTRIBUTIONS: usize = 256;
/// The most event types that one handler declares.
pub const MAX_TYPES: usize = 64;
/// The longest path of a route, in bytes.
pub const MAX_PATH: usize = 256;
/// The most tags.
pub const MAX_TAGS: usize = 10;
/// The longest tag, in characters.
pub const MAX_TAG: usize = 32;
/// The most hosts or networks that a manifest may ask for.
pub const MAX_HOSTS: usize = 256;
/// The most programs, or patterns of them, that a manifest may ask to call.
pub const MAX_CALLS: usize = 64;
/// The most secrets that a manifest may ask for.
pub const MAX_SECRETS: usize = 32;
/// The most hosts of one secret.
pub const MAX_SECRET_HOSTS: usize = 32;
/// The most models that a manifest may name.
pub const MAX_MODELS: usize = 32;
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
    /// Its validators.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub validators: Vec<Declaration>,
    /// Its samplers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub samplers: Vec<Declaration>,
    /// Its event handlers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub event_handlers: Vec<Declaration>,
    /// Its hook handlers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hooks: Vec<Declaration>,
    /// Its jobs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub jobs: Vec<Declaration>,
    /// Its routes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub routes: Vec<Declaration>,
    /// Its collections.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub collections: Vec<CollectionManifest>,
    /// What it wants to reach.
    #[serde(default)]
    pub permissions: Permissions,
    /// Limits that differ from the defaults.
    #[serde(default)]
    pub limits: LimitsRequest,
    /// How instances are reused.
    #[serde(default)]
    pub reuse: Reuse,
    /// Present when the extension is an HTTP service and the package holds no component.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remote: Option<RemoteManifest>,
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

/// One contribution of another kind in a manifest. Which fields a kind has, says [`Declaration::fields`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Declaration {
    /// Its name, given to the guest with each call.
    pub name: ContributionName,
    /// One line for people.
    #[serde(default)]
    pub description: String,
    /// JSON Schema 2020-12 of what it takes: a hook's payload, a job's input.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input_schema: Option<Value>,
    /// JSON Schema 2020-12 of what it answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output_schema: Option<Value>,
    /// JSON Schema 2020-12 of a binding's configuration.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config_schema: Option<Value>,
    /// Event types, or globs over types, that an event handler is written for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub types: Vec<String>,
    /// The hook that a hook handler is written for; absent when it fits many.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hook: Option<HookName>,
    /// The path of a route below the extension's address, such as `/notes`; what lies below the path is meant too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Who may call a route.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access: Option<RouteAccess>,
    /// How often a run of a job is tried, 1 to 20; 3 when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempts: Option<u32>,
    /// The pause before a job's second attempt, up to an hour; 5 s when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backoff: Option<TimeSpan>,
}

impl Declaration {
    /// The fields that a kind has beside `name` and `description`, by their names in the manifest.
    #[must_use]
    pub const fn fields(kind: ContributionKind) -> &'static [&'static str] {
        match kind {
            ContributionKind::Program => &["input_schema", "output_schema"],
            ContributionKind::Job => &["input_schema", "output_schema", "attempts", "backoff"],
            ContributionKind::Validator | ContributionKind::Sampler => &["config_schema"],
            ContributionKind::EventHandler => &["types", "config_schema"],
            ContributionKind::Hook => &["hook", "input_schema", "output_schema", "config_schema"],
            ContributionKind::Route => &["path", "access"],
            // They have a type of their own.
            ContributionKind::Collection => &[],
        }
    }

    fn contribution(&self, kind: ContributionKind) -> Contribution {
        Contribution {
            kind,
            name: self.name.clone(),
            description: self.description.clone(),
            input_schema: self.input_schema.clone(),
            output_schema: self.output_schema.clone(),
            config_schema: self.config_schema.clone(),
            types: self.types.clone(),
            hook: self.hook.clone(),
            collection: None,
            path: self.path.clone(),
            access: match kind {
                ContributionKind::Route => Some(self.access.unwrap_or_default()),
                _ => None,
            },
        }
    }
}

/// What the manifest of a remote extension says of its service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RemoteManifest {
    /// The version of the protocol that it speaks.
    pub protocol: u32,
    /// Where the service runs unless the administrator says otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<RemoteUrl>,
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
    /// The declarations of a kind; none of programs and collections, which have types of their own.
    #[must_use]
    pub fn declared(&self, kind: ContributionKind) -> &[Declaration] {
        match kind {
            ContributionKind::Program | ContributionKind::Collection => &[],
            ContributionKind::Validator => &self.validators,
            ContributionKind::Sampler => &self.samplers,
            ContributionKind::EventHandler => &self.event_handlers,
            ContributionKind::Hook => &self.hooks,
            ContributionKind::Job => &self.jobs,
            ContributionKind::Route => &self.routes,
        }
    }

    /// Whether it contributes anything of a kind.
    #[must_use]
    pub fn has(&self, kind: ContributionKind) -> bool {
        match kind {
            ContributionKind::Program => !self.programs.is_empty(),
            ContributionKind::Collection => !self.collections.is_empty(),
            other => !self.declared(other).is_empty(),
        }
    }

    /// Everything the extension contributes, kind by kind in the manifest's order.
    #[must_use]
    pub fn contributions(&self) -> Vec<Contribution> {
        let programs = self.programs.iter().map(|program| Contribution {
            description: program.description.clone(),
            input_schema: program.input_schema.clone(),
            output_schema: program.output_schema.clone(),
            ..Contribution::new(ContributionKind::Program, program.name.clone())
        });
        let others = ContributionKind::ALL
            .into_iter()
            .flat_map(|kind| self.declared(kind).iter().map(move |declaration| declaration.contribution(kind)));
        let collections = self.collections.iter().map(|collection| Contribution {
            description: collection.description.clone(),
            collection: Some(collection.clone()),
            ..Contribution::new(ContributionKind::Collection, collection.name.clone())
        });
        programs.chain(others).chain(collections).collect()
    }

    /// One contribution by its kind and name.
    #[must_use]
    pub fn contribution(&self, kind: ContributionKind, name: &str) -> Option<Contribution> {
        self.contributions()
            .into_iter()
            .find(|contribution| contribution.kind == kind && contribution.name.as_str() == name)
    }

    /// The package's file name, `NAME-VERSION.oriel`.
    #[must_use]
    pub fn file_name(&self) -> String {
        format!("{}-{}.oriel", self.name, self.version)
    }
}

/// The JSON name of a field: the author's TOML is in snake case, JSON is in camel case throughout.
fn camel_case(name: &str) -> String {
    let mut parts = name.split('_');
    let mut camel = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let mut letters = part.chars();
        camel.extend(letters.next().map(|first| first.to_ascii_uppercase()));
        camel.push_str(letters.as_str());
    }
    camel
}
