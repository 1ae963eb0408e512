//! Bindings: which contribution is attached to which point, and on what terms.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::contribution::ContributionKind;
use crate::id::BindingId;
use crate::name::{ContributionName, ExtensionName};
use crate::time::Timestamp;

/// The point that means every task of the tenant.
pub const EVERY_TASK: &str = "*";
/// The most bindings in one tenant.
pub const MAX_BINDINGS: usize = 10_000;
/// The longest text of a point, in bytes.
pub const MAX_POINT: usize = 256;
/// The most attempts of a handler that is retried, the first one included.
pub const MAX_ATTEMPTS: u8 = 10;

/// A contribution of an installed extension.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ContributionRef {
    /// The installed extension.
    pub extension: ExtensionName,
    /// The contribution's name within it.
    pub name: ContributionName,
}

impl std::fmt::Display for ContributionRef {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.extension, self.name)
    }
}

/// What kind of contribution is bound, and so what its point is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub enum BindingKind {
    /// Judges executions; its point is a task (id or name), or [`EVERY_TASK`].
    Validator,
    /// Picks executions to be judged; its point is a task (id or name), or [`EVERY_TASK`].
    Sampler,
    /// Takes events; its point is an event type or a glob over types.
    EventHandler,
    /// Answers a hook; its point is the hook's name.
    Hook,
}

impl BindingKind {
    /// Every kind.
    pub const ALL: [Self; 4] = [Self::Validator, Self::Sampler, Self::EventHandler, Self::Hook];

    /// The kind of contribution that such a binding connects.
    #[must_use]
    pub const fn contribution(self) -> ContributionKind {
        match self {
            Self::Validator => ContributionKind::Validator,
            Self::Sampler => ContributionKind::Sampler,
            Self::EventHandler => ContributionKind::EventHandler,
            Self::Hook => ContributionKind::Hook,
        }
    }

    /// The text of the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        self.contribution().as_str()
    }
}

impl std::fmt::Display for BindingKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What a handler's own failure (a trap, a time-out, an error that it answers) means for what it is bound to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum OnError {
    /// Fail open: go on as if the handler were not there; the failure is reported.
    Open,
    /// Fail closed: the whole fails.
    #[default]
    Closed,
    /// Try again, [`Terms::attempts`] times in all, then fail closed.
    Retry,
}

/// What an inline validator's `valid: false` means for the call.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum OnInvalid {
    /// The verdict is reported beside the output.
    #[default]
    Report,
    /// The call fails with `execution.invalid`.
    Reject,
}

/// Who made a binding.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum Origin {
    /// Somebody, by the API.
    #[default]
    Api,
    /// The operator's configuration file; replaced at each start, and not changed by the API.
    File,
    /// The platform itself (hooks of its own vocabulary).
    Platform,
}

/// On what terms a contribution is bound.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Terms {
    /// Whether it takes part.
    pub enabled: bool,
    /// Higher comes first. Ties are settled by extension, contribution and id.
    pub priority: i32,
    /// What the handler reads as its binding's configuration; an object.
    pub config: Map<String, Value>,
    /// Less time than the extension's limit, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout_ms: Option<u64>,
    /// What the handler's own failure means; without it, what the hook says, and for validators and samplers `open`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on_error: Option<OnError>,
    /// With `onError: "retry"`, how often in all it is tried, 2 to 10.
    pub attempts: u8,
    /// Of a validator: whether it judges every call before the reply, instead of sampled ones in the background.
    pub inline: bool,
    /// Of an inline validator: what `valid: false` means for the call.
    pub on_invalid: OnInvalid,
}

impl Default for Terms {
    fn default() -> Self {
        Self {
            enabled: true,
            priority: 0,
            config: Map::new(),
            timeout_ms: None,
            on_error: None,
            attempts: 3,
            inline: false,
            on_invalid: OnInvalid::default(),
        }
    }
}

impl Terms {
    /// What the handler's own failure means, where the point has a `default`, and how often the handler is tried in all.
    #[must_use]
    pub const fn on_error(&self, default: OnError) -> (OnError, u8) {
        let on_error = match self.on_error {
            Some(own) => own,
            None => default,
        };
        match on_error {
            OnError::Retry => (on_error, self.attempts),
            OnError::Open | OnError::Closed => (on_error, 1),
        }
    }
}

/// A contribution attached to a point.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Binding {
    /// Its id.
    pub id: BindingId,
    /// What is bound.
    pub kind: BindingKind,
    /// Where; see [`BindingKind`].
    pub point: String,
    /// Which contribution.
    pub contribution: ContributionRef,
    /// On what terms.
    #[serde(flatten)]
    pub terms: Terms,
    /// Who made it.
    pub origin: Origin,
    /// Counts changes; the ETag of the API.
    pub revision: u64,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

impl Binding {
    /// The order in which bindings of one point take part.
    #[must_use]
    pub fn order(&self, other: &Self) -> std::cmp::Ordering {
        other
            .terms
            .priority
            .cmp(&self.terms.priority)
            .then_with(|| self.contribution.cmp(&other.contribution))
            .then_with(|| self.id.cmp(&other.id))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn binding(priority: i32, name: &str, id: u128) -> Binding {
        Binding {
            id: BindingId::from_ulid(ulid::Ulid(id)),
            kind: BindingKind::Hook,
            point: "order.pre-create".to_owned(),
            contribution: ContributionRef {
                extension: "checks".parse().unwrap(),
                name: name.parse().unwrap(),
            },
            terms: Terms {
                priority,
                ..Terms::default()
            },
            origin: Origin::Api,
            revision: 1,
            created_at: Timestamp::from_millis(0),
            updated_at: Timestamp::from_millis(0),
        }
    }

    #[test]
    fn order_is_by_priority_then_name_then_id() {
        let mut bound = [
            binding(0, "b", 1),
            binding(0, "a", 3),
            binding(5, "z", 9),
            binding(0, "a", 2),
            binding(-1, "a", 0),
        ];
        bound.sort_by(Binding::order);
        let shown: Vec<_> = bound
            .iter()
            .map(|b| (b.terms.priority, b.contribution.name.to_string(), b.id.ulid().0))
            .collect();
        let wanted = [(5, "z", 9), (0, "a", 2), (0, "a", 3), (0, "b", 1), (-1, "a", 0)];
        assert_eq!(shown, wanted.map(|(priority, name, id)| (priority, name.to_owned(), id)));
    }

    #[test]
    fn terms_stand_beside_the_rest_in_json() {
        let value = serde_json::to_value(binding(7, "a", 1)).unwrap();
        assert_eq!(value["priority"], json!(7));
        assert_eq!(value.get("onError"), None);
        assert_eq!(value["contribution"], json!({"extension": "checks", "name": "a"}));
        assert_eq!(serde_json::from_value::<Binding>(value).unwrap(), binding(7, "a", 1));
    }
}
