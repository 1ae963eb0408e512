//! Hooks: extension points that a host declares and fires, and those that the platform fires itself.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::binding::{OnError, Origin};
use crate::name::HookName;
use crate::time::Timestamp;

/// The most hooks that one tenant declares.
pub const MAX_HOOKS: usize = 1_000;
/// How long one fire may take unless its hook says otherwise, in milliseconds.
pub const DEFAULT_TIMEOUT_MS: u64 = 5_000;
/// The longest that one fire may take, in milliseconds.
pub const MAX_TIMEOUT_MS: u64 = 300_000;
/// The most handlers of one fire that run at a time.
pub const MAX_CONCURRENCY: u16 = 64;

/// What handlers of a hook do, and what becomes of their answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum HookKind {
    /// Each handler gets the payload and may pass on a changed one; the last payload is the result.
    Filter,
    /// Each handler gives a verdict; [`Combine::All`] or [`Combine::Any`] of them make the result.
    Validate,
    /// Handlers decide one question: the [`Combine::First`] decision, or the one with most votes ([`Combine::Vote`]).
    Decide,
    /// Handlers run at the same time; the result is the list of their answers, in order of the bindings.
    Collect,
    /// Handlers are told afterwards, each until it succeeded; the fire does not wait for them.
    Observe,
}

impl HookKind {
    /// The text of the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Filter => "filter",
            Self::Validate => "validate",
            Self::Decide => "decide",
            Self::Collect => "collect",
            Self::Observe => "observe",
        }
    }

    /// How answers are combined when the hook does not say; absent for kinds that do not combine.
    #[must_use]
    pub const fn default_combine(self) -> Option<Combine> {
        match self {
            Self::Validate => Some(Combine::All),
            Self::Decide => Some(Combine::First),
            Self::Filter | Self::Collect | Self::Observe => None,
        }
    }

    /// Whether answers of this kind can be combined so.
    #[must_use]
    pub const fn combines(self, combine: Combine) -> bool {
        matches!(
            (self, combine),
            (Self::Validate, Combine::All | Combine::Any) | (Self::Decide, Combine::First | Combine::Vote)
        )
    }
}

impl std::fmt::Display for HookKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How several answers become one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum Combine {
    /// `validate`: valid when every verdict is.
    All,
    /// `validate`: valid when at least one verdict is, or nobody gave one.
    Any,
    /// `decide`: the first decision in order; later handlers are not asked.
    First,
    /// `decide`: the decision that most handlers gave; a tie goes to the one given first.
    Vote,
}

/// In which order handlers take part.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum HookOrder {
    /// By the bindings' priority, then by name.
    #[default]
    Priority,
    /// By extension and contribution alone: priorities are ignored, so that nobody can push ahead.
    Name,
}

/// A declared hook.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Hook {
    /// Its name, unique in the tenant.
    pub name: HookName,
    /// What its handlers do.
    pub kind: HookKind,
    /// For people.
    #[serde(default)]
    pub description: String,
    /// JSON Schema 2020-12 of the payload; `true` accepts everything.
    pub input_schema: Value,
    /// JSON Schema 2020-12 of what a handler may answer: of the payload it passes on (`filter`), its decision (`decide`), its
    /// item (`collect`). `true` accepts everything.
    pub output_schema: Value,
    /// In which order handlers take part.
    #[serde(default)]
    pub order: HookOrder,
    /// How long one fire may take in all, in milliseconds.
    pub timeout_ms: u64,
    /// What a handler's failure means where its binding does not say.
    #[serde(default)]
    pub on_error: OnError,
    /// How many handlers of one fire run at a time (`validate`, `collect`, `decide` by vote).
    pub concurrency: u16,
    /// How answers are combined (`validate`, `decide`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub combine: Option<Combine>,
    /// Who declared it.
    pub origin: Origin,
    /// Counts changes; the ETag of the API.
    pub revision: u64,
    /// When it was declared.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}
