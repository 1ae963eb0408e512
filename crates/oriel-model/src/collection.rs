//! Collections: documents that an extension keeps for a tenant, with a schema, indexes and a rule of who sees which.
//!
//! What lives here is pure: what a manifest declares, which documents a filter means ([`Filter`]), the order of values
//! ([`key`]), and what a user may see ([`AccessRule`]). Every store answers alike, because all of them ask this module.

mod filter;
pub mod key;
mod patch;
mod path;
mod rule;

use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use self::filter::{Condition, Field, Filter, FilterError, MAX_CONDITIONS, MAX_FILTER_BYTES, MAX_FILTER_DEPTH, MAX_VALUES, Test};
pub use self::patch::merge_patch;
pub use self::path::{FieldPath, FieldPathError};
pub use self::rule::{AccessRule, AccessTo, MAX_USER, Viewer, WithoutUser, is_user};
use crate::Timestamp;
use crate::limits::ByteSize;
use crate::name::ContributionName;

/// The most collections of one extension.
pub const MAX_COLLECTIONS: usize = 64;
/// The most indexes of one collection.
pub const MAX_INDEXES: usize = 16;
/// The most fields of one index.
pub const MAX_INDEX_FIELDS: usize = 4;
/// The longest id of a document, in bytes.
pub const MAX_DOCUMENT_ID: usize = 128;
/// The deepest nesting of a document.
pub const MAX_DOCUMENT_DEPTH: usize = 64;

/// A collection as a manifest declares it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CollectionManifest {
    /// Its name within the extension.
    pub name: ContributionName,
    /// One line for people.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// JSON Schema 2020-12 of a document; absent when any JSON object will do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schema: Option<Value>,
    /// By what it can be ordered, and searched without reading all of it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub indexes: Vec<CollectionIndex>,
    /// Who sees and changes which document in calls on behalf of a user; absent when all do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access: Option<AccessRule>,
    /// The most documents that it holds; absent when only the installation's own limit counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_documents: Option<u32>,
    /// The most bytes that its documents have together; absent when only the installation's own limit counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>))]
    pub max_bytes: Option<ByteSize>,
}

/// Fields by which documents are ordered and found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CollectionIndex {
    /// One field, or several of which an earlier one weighs more.
    #[cfg_attr(feature = "openapi", schema(value_type = Vec<String>))]
    pub fields: Vec<FieldPath>,
    /// Whether no two documents may have the same values. Documents in which one of the fields is missing, null, an array or an
    /// object are not compared. With an access rule, only the documents of one owner are compared.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unique: bool,
}

impl CollectionIndex {
    /// Its fields as one text, such as `/owner, /createdAt`.
    #[must_use]
    pub fn describe(&self) -> String {
        let fields: Vec<&str> = self.fields.iter().map(FieldPath::as_str).collect();
        fields.join(", ")
    }
}

/// A document as it is stored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Document {
    /// Its id within its collection.
    pub id: String,
    /// 1 when it is new, and one more with each change.
    pub version: u64,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
    /// The document itself, a JSON object.
    pub body: Value,
}

/// In which order documents are wanted: by the fields of an index, or by their ids when there are none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DocumentOrder {
    /// The fields, the weightiest one first.
    pub fields: Vec<FieldPath>,
    /// Whether the largest comes first.
    pub descending: bool,
}

impl DocumentOrder {
    /// Reads `/createdAt` (ascending) and `-/createdAt` (descending).
    ///
    /// # Errors
    /// When a text is no field, or some ascend and others descend.
    pub fn parse(texts: &[String]) -> Result<Self, FilterError> {
        let mut order = Self::default();
        if texts.len() > MAX_INDEX_FIELDS {
            return Err(FilterError::new("", format!("an order has at most {MAX_INDEX_FIELDS} fields")));
        }
        for (number, text) in texts.iter().enumerate() {
            let (descending, path) = text.strip_prefix('-').map_or((false, text.as_str()), |path| (true, path));
            let path = path
                .parse()
                .map_err(|error: FieldPathError| FilterError::new("", error.to_string()))?;
            if number > 0 && descending != order.descending {
                return Err(FilterError::new("", "either all fields of an order descend or none does"));
            }
            order.descending = descending;
            order.fields.push(path);
        }
        Ok(order)
    }
}

/// Whether a text can be the id of a document: 1 to [`MAX_DOCUMENT_ID`] characters of `A-Z a-z 0-9 . _ ~ : @ -`, and neither `.` nor `..`.
#[must_use]
pub fn is_document_id(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'~' | b':' | b'@' | b'-');
    (1..=MAX_DOCUMENT_ID).contains(&text.len()) && text.bytes().all(allowed) && text != "." && text != ".."
}

/// An id for a document whose writer gave none. Ids sort by the time they were made.
#[must_use]
pub fn new_document_id(now: Timestamp) -> String {
    crate::id::next_ulid(now).to_string().to_lowercase()
}

/// Why a value cannot be a document, before its schema is asked.
#[must_use]
pub fn unfit(body: &Value) -> Option<String> {
    if !body.is_object() {
        return Some("a document is a JSON object".to_owned());
    }
    (!within_depth(body, MAX_DOCUMENT_DEPTH)).then(|| format!("a document nests at most {MAX_DOCUMENT_DEPTH} levels"))
}

fn within_depth(value: &Value, left: usize) -> bool {
    match value {
        Value::Array(items) => left > 0 && items.iter().all(|item| within_depth(item, left - 1)),
        Value::Object(map) => left > 0 && map.values().all(|item| within_depth(item, left - 1)),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn ids_are_plain() {
        for good in ["a", "A.b_c~d:e@f-1", &new_document_id(Timestamp::from_millis(5)), &"x".repeat(128)] {
            assert!(is_document_id(good), "{good}");
        }
        for bad in [
            "",
            ".",
            "..",
            "a/b",
            "a b",
            "a\0",
            "ä",
            "a%2f",
            "'; DROP TABLE documents; --",
            &"x".repeat(129),
        ] {
            assert!(!is_document_id(bad), "{bad}");
        }
    }

    #[test]
    fn an_order_goes_one_way() {
        let order = |texts: &[&str]| DocumentOrder::parse(&texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>());
        assert!(order(&["-/a", "-/b"]).unwrap().descending);
        assert!(!order(&["/a", "/b"]).unwrap().descending);
        for bad in [
            &["/a", "-/b"][..],
            &["a"],
            &["--/a"],
            &["/a; DROP"],
            &["/a", "/b", "/c", "/d", "/e"],
        ] {
            assert!(order(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn documents_are_objects_of_bounded_depth() {
        assert_eq!(unfit(&json!({"a": [1]})), None);
        assert!(unfit(&json!([])).is_some() && unfit(&json!("x")).is_some() && unfit(&json!(null)).is_some());
        let mut deep = json!({});
        for _ in 0..MAX_DOCUMENT_DEPTH {
            deep = json!({ "in": deep });
        }
        assert!(unfit(&deep).is_some());
    }
}
