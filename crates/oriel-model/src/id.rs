//! Prefixed ids: `exec_01jd…`, `task_01jd…`. The prefix says what an id names, so that a key pasted where a
//! task belongs is refused with a sentence instead of "not found".
//!
//! The body is a ULID (48 bits of milliseconds, 80 random bits, 26 characters of lower-case Crockford
//! base 32; <https://github.com/ulid/spec>), so ids sort by the time they were made.

use std::cell::Cell;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use ulid::Ulid;

use crate::time::Timestamp;

/// A text that is not an id of the wanted kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{given}` is not {expected} id: it should look like `{prefix}_01jd3y…`")]
pub struct IdError {
    /// The text as it came, cut to 64 characters.
    pub given: String,
    /// What was wanted, with its article: "a task".
    pub expected: &'static str,
    /// The prefix of the wanted kind, without the underscore.
    pub prefix: &'static str,
}

/// A new ULID for `now`. Within one thread ULIDs of one millisecond count up, so that they sort in the order in
/// which they were made; between threads only the millisecond orders them. Not a secret.
#[must_use]
pub fn next_ulid(now: Timestamp) -> Ulid {
    thread_local! {
        static LAST: Cell<Ulid> = const { Cell::new(Ulid::nil()) };
    }
    let ms = u64::try_from(now.millis()).unwrap_or(0);
    let last = LAST.get();
    let next = match last.increment() {
        // A clock that stands still or steps back a little must not break the order.
        Ok(next) if last.timestamp_ms() >= ms && last.timestamp_ms() < ms + 10_000 => next,
        _ => Ulid::from_parts(ms, random_80_bits()),
    };
    LAST.set(next);
    next
}

fn random_80_bits() -> u128 {
    let (high, low): (u16, u64) = (rand::random(), rand::random());
    // The top bit stays clear so that there is room to count up.
    (u128::from(high >> 1) << 64) | u128::from(low)
}

macro_rules! id_type {
    ($(#[$doc:meta])* $name:ident, $prefix:literal, $what:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Ulid);

        impl $name {
            /// The text before the underscore.
            pub const PREFIX: &'static str = $prefix;

            /// A new id for `now`; see [`next_ulid`].
            #[must_use]
            pub fn new(now: Timestamp) -> Self {
                Self(next_ulid(now))
            }

            /// Wraps a ULID made elsewhere.
            #[must_use]
            pub const fn from_ulid(ulid: Ulid) -> Self {
                Self(ulid)
            }

            /// The bare ULID, for storage keys and ordering.
            #[must_use]
            pub const fn ulid(self) -> Ulid {
                self.0
            }

            /// Whether `text` has this kind's prefix, valid or not: tells an id from a name.
            #[must_use]
            pub fn looks_like(text: &str) -> bool {
                text.strip_prefix($prefix).is_some_and(|rest| rest.starts_with('_'))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let mut buffer = [0u8; ulid::ULID_LEN];
                let text = self.0.array_to_str(&mut buffer);
                text.make_ascii_lowercase();
                f.write_str(concat!($prefix, "_"))?;
                f.write_str(text)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                text.strip_prefix(concat!($prefix, "_"))
                    .filter(|body| !body.bytes().any(|byte| byte.is_ascii_uppercase()))
                    .and_then(|body| Ulid::from_string(body).ok())
                    .map(Self)
                    .ok_or_else(|| IdError {
                        given: text.chars().take(64).collect(),
                        expected: $what,
                        prefix: $prefix,
                    })
            }
        }

        impl Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }

        #[cfg(feature = "openapi")]
        impl utoipa::PartialSchema for $name {
            fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
                utoipa::openapi::ObjectBuilder::new()
                    .schema_type(utoipa::openapi::schema::Type::String)
                    .pattern(Some(concat!("^", $prefix, "_[0-7][0-9a-hjkmnp-tv-z]{25}$")))
                    .examples([concat!($prefix, "_01jd3yq8m3v5n4x2c7b9k0r6ts")])
                    .into()
            }
        }

        #[cfg(feature = "openapi")]
        impl utoipa::ToSchema for $name {}
    };
}

id_type!(
    /// A tenant: the wall between customers.
    TenantId, "ten", "a tenant"
);
id_type!(
    /// An API key (its public half; the secret is shown once).
    KeyId, "key", "an API key"
);
id_type!(
    /// A person who signs in.
    UserId, "usr", "a user"
);
id_type!(
    /// A service account: owns keys.
    ServiceAccountId, "svc", "a service account"
);
id_type!(
    /// A signed-in browser.
    SessionId, "ses", "a session"
);
id_type!(
    /// A release installed for a tenant.
    InstallationId, "inst", "an installation"
);
id_type!(
    /// A task.
    TaskId, "task", "a task"
);
id_type!(
    /// One call and its record.
    ExecutionId, "exec", "an execution"
);
id_type!(
    /// One batch request.
    BatchId, "batch", "a batch"
);
id_type!(
    /// A release tried out beside the running one.
    CanaryId, "can", "a canary"
);
id_type!(
    /// A contribution attached to a point.
    BindingId, "bind", "a binding"
);
id_type!(
    /// A unit of durable work.
    WorkId, "work", "a unit of work"
);
id_type!(
    /// A worker's hold on units of work.
    LeaseId, "lease", "a lease"
);
id_type!(
    /// One run of a job.
    JobRunId, "jrun", "a job run"
);
id_type!(
    /// One fire of a hook.
    FireId, "fire", "a fire"
);
id_type!(
    /// Something that an installation never did before.
    AnomalyId, "anom", "an anomaly"
);
id_type!(
    /// One line of the audit log.
    AuditId, "aud", "an audit entry"
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_survives_its_text() {
        let id = TaskId::from_ulid(Ulid::from_parts(1_700_000_000_000, 42));
        let text = id.to_string();
        assert!(text.starts_with("task_01"), "{text}");
        assert_eq!(text.parse(), Ok(id));
        assert_eq!(serde_json::to_value(id).unwrap(), serde_json::json!(text));
    }

    #[test]
    fn other_kinds_upper_case_and_garbage_are_refused() {
        let id = TaskId::from_ulid(Ulid::from_parts(1, 2)).to_string();
        for bad in [
            "",
            "task_",
            "task",
            &id.replace("task", "exec"),
            &id.to_uppercase(),
            &id[..20],
            &format!("{id}0"),
        ] {
            let error = bad.parse::<TaskId>().unwrap_err();
            assert!(error.to_string().contains("is not a task id"), "{error}");
        }
    }
}
