use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::path::FieldPath;

/// The longest name of a user, in bytes.
pub const MAX_USER: usize = 128;

/// Whether a text can name a user: 1 to [`MAX_USER`] bytes without control characters.
#[must_use]
pub fn is_user(text: &str) -> bool {
    (1..=MAX_USER).contains(&text.len()) && !text.chars().any(char::is_control)
}

/// Who sees and changes which document of a collection, in calls on behalf of a user. The host enforces it: to an extension that is
/// called for one user, the documents that the rule keeps from that user are as if they were not there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(rename_all = "snake_case")]
pub struct AccessRule {
    /// The field that names a document's owner. It is set when a user makes a document, and users cannot change it.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub owner: FieldPath,
    /// The field that lists the users with whom a document is shared. Only its owner changes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>))]
    pub shared: Option<FieldPath>,
    /// Who sees a document.
    #[serde(default)]
    pub read: AccessTo,
    /// Who changes and deletes a document, of those who see it.
    #[serde(default)]
    pub write: AccessTo,
    /// What a call on behalf of nobody sees and changes.
    #[serde(default)]
    pub without_user: WithoutUser,
}

/// Users, as far as they stand in a relation to a document.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum AccessTo {
    /// The owner alone.
    #[default]
    Owner,
    /// The owner and the users with whom it is shared.
    Shared,
    /// Every user.
    All,
}

/// What a call on behalf of nobody is allowed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum WithoutUser {
    /// Nothing: it is refused.
    #[default]
    None,
    /// Everything, as with no rule at all: for background work.
    All,
}

impl AccessRule {
    /// Whether a user owns a document.
    #[must_use]
    pub fn owns(&self, user: &str, body: &Value) -> bool {
        self.owner.of(body).and_then(Value::as_str) == Some(user)
    }

    fn allows(&self, to: AccessTo, user: &str, body: &Value) -> bool {
        match to {
            AccessTo::All => true,
            AccessTo::Owner => self.owns(user, body),
            AccessTo::Shared => {
                let shared = self.shared.as_ref().and_then(|shared| shared.of(body)).and_then(Value::as_array);
                self.owns(user, body) || shared.is_some_and(|users| users.iter().any(|other| other.as_str() == Some(user)))
            }
        }
    }

    /// Whether a user sees a document.
    #[must_use]
    pub fn may_read(&self, user: &str, body: &Value) -> bool {
        self.allows(self.read, user, body)
    }

    /// Whether a user may change a document.
    #[must_use]
    pub fn may_write(&self, user: &str, body: &Value) -> bool {
        self.may_read(user, body) && self.allows(self.write, user, body)
    }
}

/// For whom documents are read or written, in a collection with a rule.
#[derive(Debug, Clone, Copy)]
pub struct Viewer<'a> {
    /// The user.
    pub user: &'a str,
    /// The rule.
    pub rule: &'a AccessRule,
}

impl Viewer<'_> {
    /// Makes a new document the user's own.
    ///
    /// # Errors
    /// Why the user may not make it.
    pub fn adopt(&self, body: &mut Value) -> Result<(), &'static str> {
        match self.rule.owner.of(body) {
            None => {
                let set = self.rule.owner.put(body, Value::from(self.user));
                if set {
                    Ok(())
                } else {
                    Err("the owner's field has no place in the document")
                }
            }
            Some(owner) if owner.as_str() == Some(self.user) => Ok(()),
            Some(_) => Err("a user makes documents of their own only"),
        }
    }

    /// Whether the user, who may change `before`, may make `after` of it.
    ///
    /// # Errors
    /// Why not.
    pub fn check_change(&self, before: &Value, after: &Value) -> Result<(), &'static str> {
        if self.rule.owner.of(before) != self.rule.owner.of(after) {
            return Err("a user cannot change a document's owner");
        }
        let shared = |body| self.rule.shared.as_ref().and_then(|shared: &FieldPath| shared.of(body));
        if shared(before) != shared(after) && !self.rule.owns(self.user, before) {
            return Err("only a document's owner changes with whom it is shared");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn rule(read: AccessTo, write: AccessTo) -> AccessRule {
        AccessRule {
            owner: "/owner".parse().unwrap(),
            shared: Some("/with".parse().unwrap()),
            read,
            write,
            without_user: WithoutUser::None,
        }
    }

    #[test]
    fn a_rule_says_who_reads_and_writes() {
        let body = json!({"owner": "ann", "with": ["ben", 7]});
        let check = |read, write, user: &str, wanted: (bool, bool)| {
            let rule = rule(read, write);
            assert_eq!(
                (rule.may_read(user, &body), rule.may_write(user, &body)),
                wanted,
                "{read:?} {write:?} {user}"
            );
        };
        check(AccessTo::Owner, AccessTo::Owner, "ann", (true, true));
        check(AccessTo::Owner, AccessTo::Owner, "ben", (false, false));
        // Nobody changes what they do not see.
        check(AccessTo::Owner, AccessTo::All, "ben", (false, false));
        check(AccessTo::Shared, AccessTo::Owner, "ben", (true, false));
        check(AccessTo::Shared, AccessTo::Shared, "ben", (true, true));
        check(AccessTo::Shared, AccessTo::Shared, "7", (false, false));
        check(AccessTo::All, AccessTo::Owner, "eve", (true, false));
        check(AccessTo::All, AccessTo::Shared, "eve", (true, false));
        // Nobody owns what has no owner.
        for body in [
            json!({}),
            json!({"owner": null}),
            json!({"owner": ["ann"]}),
            json!({"owner": {"ann": 1}}),
        ] {
            assert!(!rule(AccessTo::Shared, AccessTo::Shared).may_read("ann", &body), "{body}");
        }
    }

    #[test]
    fn owners_stay() {
        let rule = rule(AccessTo::Shared, AccessTo::Shared);
        let ben = Viewer { user: "ben", rule: &rule };
        let mut body = json!({"text": "x"});
        ben.adopt(&mut body).unwrap();
        assert_eq!(body["owner"], "ben");
        for foreign in [json!({"owner": "ann"}), json!({"owner": null}), json!({"owner": ["ben"]})] {
            assert!(ben.adopt(&mut foreign.clone()).is_err(), "{foreign}");
        }
        let before = json!({"owner": "ann", "with": ["ben"]});
        assert!(ben.check_change(&before, &json!({"owner": "ben", "with": ["ben"]})).is_err());
        assert!(ben.check_change(&before, &json!({"owner": "ann", "with": ["ben", "eve"]})).is_err());
        assert!(
            ben.check_change(&before, &json!({"owner": "ann", "with": ["ben"], "text": "y"}))
                .is_ok()
        );
    }

    #[test]
    fn users_are_short_plain_texts() {
        assert!(is_user("ann@example.com") && is_user("Ännchen") && is_user(&"x".repeat(128)));
        assert!(!is_user("") && !is_user("a\nb") && !is_user("a\0") && !is_user(&"x".repeat(129)));
    }
}
