//! Policies that a tenant adds to what roles allow.

use serde::{Deserialize, Serialize};

use crate::name::PolicyName;
use crate::time::Timestamp;

/// One policy of a tenant, in Cedar.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Policy {
    /// Its name, unique in the tenant; answers of the access check name it.
    #[cfg_attr(feature = "openapi", schema(value_type = String, example = "no-payments-at-night"))]
    pub id: PolicyName,
    /// What it is for, for people.
    pub description: String,
    /// One `permit` or `forbid`.
    #[cfg_attr(
        feature = "openapi",
        schema(example = "forbid(principal, action, resource == Oriel::Task::\"payments.refund\");")
    )]
    pub text: String,
    /// Whether it counts.
    pub enabled: bool,
    /// Grows with each change.
    pub revision: u64,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it was changed last.
    pub updated_at: Timestamp,
}
