//! Who acts, for the audit log.

use oriel_model::Timestamp;
use oriel_model::access::Principal;
use oriel_model::id::AuditId;
use oriel_model::member::Member;
use oriel_store::NewAudit;
use serde_json::Value;

/// Who does something.
#[derive(Debug, Clone)]
pub enum Actor<'a> {
    /// Somebody with a key.
    Principal(&'a Principal),
    /// A member who signs in, and is no principal before that.
    Member(&'a Member),
    /// The platform itself: a watched directory, maintenance.
    System,
    /// An extension, by a host call.
    Extension(&'a str),
}

impl Actor<'_> {
    /// The audit entry "this actor did `action` to `subject`". `details` must not hold a secret.
    #[must_use]
    pub fn did(&self, at: Timestamp, action: &str, subject: impl Into<String>, details: Value) -> NewAudit {
        let actor = match self {
            Self::Principal(principal) => principal.id.to_string(),
            Self::Member(member) => member.id.to_string(),
            Self::System => "system".to_owned(),
            Self::Extension(name) => format!("extension:{name}"),
        };
        NewAudit {
            id: AuditId::new(at),
            at,
            actor,
            action: action.to_owned(),
            subject: subject.into(),
            details,
        }
    }
}
