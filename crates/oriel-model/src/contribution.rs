//! What one extension adds to the platform.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::collection::CollectionManifest;
use crate::name::{ContributionName, HookName};

/// The kinds of contribution that this version of the platform knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum ContributionKind {
    /// A named function from JSON to JSON.
    Program,
    /// Judges an execution.
    Validator,
    /// Picks the executions that are judged.
    Sampler,
    /// Takes events of declared types.
    EventHandler,
    /// Answers a hook.
    Hook,
    /// Work that is started by a schedule, an event, a queue or a person.
    Job,
    /// Answers HTTP requests below a path.
    Route,
    /// Keeps documents.
    Collection,
}

impl ContributionKind {
    /// Every kind.
    pub const ALL: [Self; 8] = [
        Self::Program,
        Self::Validator,
        Self::Sampler,
        Self::EventHandler,
        Self::Hook,
        Self::Job,
        Self::Route,
        Self::Collection,
    ];

    /// Whether the component exports an interface of the guest API for it. Routes are answered by WASI's, and collections are kept by
    /// the host.
    #[must_use]
    pub const fn has_interface(self) -> bool {
        !matches!(self, Self::Route | Self::Collection)
    }

    /// The text of the API, such as `event-handler`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Program => "program",
            Self::Validator => "validator",
            Self::Sampler => "sampler",
            Self::EventHandler => "event-handler",
            Self::Hook => "hook",
            Self::Job => "job",
            Self::Route => "route",
            Self::Collection => "collection",
        }
    }

    /// The table of the manifest that declares it, such as `event_handlers`.
    #[must_use]
    pub const fn table(self) -> &'static str {
        match self {
            Self::Program => "programs",
            Self::Validator => "validators",
            Self::Sampler => "samplers",
            Self::EventHandler => "event_handlers",
            Self::Hook => "hooks",
            Self::Job => "jobs",
            Self::Route => "routes",
            Self::Collection => "collections",
        }
    }

    /// The kind whose [`ContributionKind::as_str`] this is.
    #[must_use]
    pub fn from_text(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }
}

impl std::fmt::Display for ContributionKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One contribution: what its kind does not have is absent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Contribution {
    /// What it is.
    pub kind: ContributionKind,
    /// Its name within the extension and kind.
    pub name: ContributionName,
    /// One line for people.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// JSON Schema 2020-12 of what it takes; absent when it takes anything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input_schema: Option<Value>,
    /// JSON Schema 2020-12 of what it answers; absent when it may answer anything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output_schema: Option<Value>,
    /// JSON Schema 2020-12 of a binding's configuration; absent when a binding has none to give.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config_schema: Option<Value>,
    /// Of an event handler: the event types, or globs over types, that it is written for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub types: Vec<String>,
    /// Of a hook handler: the hook that it is written for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hook: Option<HookName>,
    /// Of a route: the path below the extension's address, such as `/notes`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Of a route: who may call it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access: Option<RouteAccess>,
    /// Of a collection: its schema, indexes, rule and limits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub collection: Option<CollectionManifest>,
}

impl Contribution {
    /// A contribution that says nothing but its kind and name.
    #[must_use]
    pub fn new(kind: ContributionKind, name: ContributionName) -> Self {
        Self {
            kind,
            name,
            description: String::new(),
            input_schema: None,
            output_schema: None,
            config_schema: None,
            types: Vec::new(),
            hook: None,
            path: None,
            access: None,
            collection: None,
        }
    }
}

/// Who may call a route.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum RouteAccess {
    /// Whoever has a key of the tenant that may execute; the route learns who it is.
    #[default]
    Key,
    /// Anybody; the route does its own checking.
    Public,
}
