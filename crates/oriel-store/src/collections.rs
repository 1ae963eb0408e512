//! The port of collections: documents of one extension for one tenant, apart from all others'.
//!
//! The rules by which documents are written ([`rows`]) are here once, over the few row operations in which stores differ.

pub mod rows;

use async_trait::async_trait;
use oriel_model::collection::{
    AccessTo, CollectionIndex, CollectionManifest, Condition, Document, DocumentOrder, Field, FieldPath, Filter, Test, Viewer, key,
};
use oriel_model::id::{InstallationId, TenantId};
use oriel_model::name::ExtensionName;
use oriel_model::schema::SchemaProblem;
use oriel_model::{Digest, Timestamp};
use serde_json::Value;

use crate::{Result, StoreError};

/// The most operations of one transaction.
pub const MAX_OPERATIONS: usize = 100;
/// The most documents on one page.
pub const MAX_PAGE: u32 = 1_000;
/// Documents that one query may look at; a query that would need more is refused, because its collection lacks an index.
pub const MAX_EXAMINED: usize = 20_000;
/// Bytes after which a page ends early.
pub const MAX_PAGE_BYTES: usize = 4 << 20;
/// The most documents that a refused change of a collection names.
pub const MAX_NAMED: usize = 10;

/// Whose documents. Nothing crosses a scope: each has a database (or schema) of its own.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CollectionScope {
    /// The tenant.
    pub tenant: TenantId,
    /// The extension.
    pub extension: ExtensionName,
}

/// What a scope shall hold.
#[derive(Debug, Clone, PartialEq)]
pub struct CollectionPlan {
    /// The installation. What another installation of the same name left behind is dropped.
    pub installation: InstallationId,
    /// The collections, as the release's manifest declares them.
    pub collections: Vec<CollectionManifest>,
}

impl CollectionPlan {
    /// Tells plans apart.
    #[must_use]
    pub fn digest(&self) -> Digest {
        let collections = serde_json::to_string(&self.collections).unwrap_or_default();
        Digest::of(format!("{}\n{collections}", self.installation).as_bytes())
    }
}

/// What the documents of one scope may be together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CollectionQuota {
    /// Documents in all collections.
    pub documents: u64,
    /// Bytes of ids and bodies in all collections.
    pub bytes: u64,
}

/// Says whether a document fits its collection's schema.
pub trait Judge: Send + Sync {
    /// Judges one document.
    ///
    /// # Errors
    /// Where it does not fit.
    fn judge(&self, collection: &str, body: &Value) -> std::result::Result<(), Vec<SchemaProblem>>;
}

/// Why a plan was not put in force: the documents of one collection do not fit it. Nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Misfits {
    /// The collection.
    pub collection: String,
    /// How many do not fit.
    pub count: u64,
    /// The ids of the first of them, at most [`MAX_NAMED`].
    pub first: Vec<String>,
    /// What is wrong with the first one.
    pub reason: String,
}

/// What a collection holds.
#[derive(Debug, Clone, PartialEq)]
pub struct CollectionState {
    /// As it was declared last.
    pub manifest: CollectionManifest,
    /// Whether the plan in force still has it. One that was dropped keeps its documents until the extension is uninstalled.
    pub declared: bool,
    /// Its documents.
    pub documents: u64,
    /// Bytes of their ids and bodies.
    pub bytes: u64,
}

/// Which documents are wanted.
#[derive(Debug, Clone, Copy)]
pub struct DocumentQuery<'a> {
    /// Of which collection.
    pub collection: &'a str,
    /// Which.
    pub filter: &'a Filter,
    /// In which order.
    pub order: &'a DocumentOrder,
    /// The longest page wanted, 1 to [`MAX_PAGE`].
    pub limit: u32,
    /// Where the page before ended.
    pub cursor: Option<&'a str>,
    /// For whom.
    pub viewer: Option<Viewer<'a>>,
}

/// Some documents.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct DocumentPage {
    /// In the order that was wanted. A page may be shorter than its limit when its documents are long.
    pub documents: Vec<Document>,
    /// Where the next page starts; absent on the last one.
    pub next_cursor: Option<String>,
}

/// One operation of a transaction.
#[derive(Debug, Clone)]
pub struct Operation<'a> {
    /// On which collection.
    pub collection: String,
    /// On which document; absent for one that gets its id now.
    pub id: Option<String>,
    /// What is done.
    pub change: DocumentChange,
    /// For whom.
    pub viewer: Option<Viewer<'a>>,
}

/// What is done to a document.
#[derive(Debug, Clone, PartialEq)]
pub enum DocumentChange {
    /// It is made.
    Insert {
        /// The document.
        body: Value,
    },
    /// It is made or replaced, whatever is there.
    Put {
        /// The document.
        body: Value,
    },
    /// It takes the place of the one that is there.
    Replace {
        /// The document.
        body: Value,
        /// The version that must be there.
        expected: Option<u64>,
    },
    /// A JSON merge patch is applied to it.
    Patch {
        /// The patch.
        patch: Value,
        /// The version that must be there.
        expected: Option<u64>,
    },
    /// It is deleted.
    Delete {
        /// The version that must be there.
        expected: Option<u64>,
    },
    /// Nothing: it is only looked whether this version is there.
    Check {
        /// The version; absent when there must be no such document.
        version: Option<u64>,
    },
}

/// What became of one operation.
#[derive(Debug, Clone, PartialEq)]
pub struct Written {
    /// The document's id; empty where it was looked that there is none.
    pub id: String,
    /// Its version now; 0 when there is none.
    pub version: u64,
}

/// Why a transaction was not carried out: nothing of it was.
#[derive(Debug, Clone, PartialEq)]
pub struct Refused {
    /// Which operation, counted from 0.
    pub operation: usize,
    /// Why.
    pub reason: Refusal,
}

/// Why an operation was not carried out.
#[derive(Debug, Clone, PartialEq)]
pub enum Refusal {
    /// There is no such collection.
    NoCollection,
    /// There is no such document, as far as the viewer may see.
    NotFound,
    /// There is one with this id already.
    Exists,
    /// Another version is there than was expected.
    Version {
        /// That one.
        actual: u64,
    },
    /// Another document has the same values in a unique index.
    Unique {
        /// The fields of the index, such as `/owner, /slug`.
        index: String,
    },
    /// It is no document of this collection.
    Invalid {
        /// Where and why.
        problems: Vec<SchemaProblem>,
    },
    /// The viewer may not.
    Denied {
        /// Why.
        reason: &'static str,
    },
    /// A quota is used up.
    Quota {
        /// Which one: `collection_documents`, `collection_bytes`, or `max_documents`, `max_bytes` of the collection itself.
        what: &'static str,
    },
}

/// A transaction.
pub struct DocumentWrites<'a> {
    /// The plan that its writer knows, as [`CollectionPlan::digest`] tells it; absent when any will do.
    pub plan: Option<Digest>,
    /// At most [`MAX_OPERATIONS`], in this order.
    pub operations: Vec<Operation<'a>>,
    /// Judges what would be written.
    pub judge: &'a dyn Judge,
    /// What the scope may hold.
    pub quota: CollectionQuota,
    /// The moment of the writes.
    pub now: Timestamp,
}

/// The port. A method that needs what is not prepared, or finds another plan in force than its caller's, answers
/// [`StoreError::Conflict`] with [`UNPREPARED`].
#[async_trait]
pub trait Collections: Send + Sync {
    /// Puts a plan in force: makes collections and indexes that are new, and looks whether documents that are there fit what is
    /// different. All of it or nothing, in one transaction. Quiet when the plan is in force.
    ///
    /// With `lenient`, documents that do not fit stay as they are: for going back to a plan under which they were written.
    ///
    /// # Errors
    /// Inside: which documents do not fit.
    async fn prepare(
        &self,
        scope: &CollectionScope,
        plan: &CollectionPlan,
        judge: &dyn Judge,
        lenient: bool,
    ) -> Result<std::result::Result<(), Misfits>>;

    /// What a scope holds, by name; empty when it is not prepared.
    async fn states(&self, scope: &CollectionScope) -> Result<Vec<CollectionState>>;

    /// One document, if there is one that the viewer sees.
    async fn get(&self, scope: &CollectionScope, collection: &str, id: &str, viewer: Option<Viewer<'_>>) -> Result<Option<Document>>;

    /// A page of documents.
    ///
    /// # Errors
    /// [`StoreError::Cursor`] for a cursor of another query; [`StoreError::WrongForm`] for an order that no index gives;
    /// [`StoreError::Quota`] when it would have to look at more than [`MAX_EXAMINED`] documents.
    async fn query(&self, scope: &CollectionScope, query: DocumentQuery<'_>) -> Result<DocumentPage>;

    /// How many documents there are.
    ///
    /// # Errors
    /// [`StoreError::Quota`] when it would have to look at more than ten times [`MAX_EXAMINED`] documents.
    async fn count(&self, scope: &CollectionScope, collection: &str, filter: &Filter, viewer: Option<Viewer<'_>>) -> Result<u64>;

    /// Carries out a transaction, whole or not at all. Transactions of one scope happen one after the other.
    ///
    /// # Errors
    /// Inside: which operation was refused.
    async fn write(&self, scope: &CollectionScope, writes: DocumentWrites<'_>) -> Result<std::result::Result<Vec<Written>, Refused>>;

    /// Drops all that a scope holds.
    async fn forget(&self, scope: &CollectionScope) -> Result<()>;
}

/// What [`StoreError::Conflict`] names when a scope is not as its caller believes.
pub const UNPREPARED: &str = "collections";

/// The error for what is not prepared.
#[must_use]
pub const fn unprepared() -> StoreError {
    StoreError::Conflict { what: UNPREPARED }
}

/// What [`StoreError::Quota`] names when a query would look at too many documents.
pub const EXAMINED: &str = "documents examined by one query";

/// What [`StoreError::WrongForm`] names when no index gives the order.
pub const ORDERED: &str = "in that order: no index gives it";

/// Where a page ended: the order's key of its last document, and that document's id.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The values of the order's fields; empty when ids are the order.
    pub key: Vec<u8>,
    /// The id.
    pub id: String,
}

impl DocumentQuery<'_> {
    /// What a cursor of this query is good for.
    fn mark(&self, scope: &CollectionScope) -> String {
        let order: Vec<&str> = self.order.fields.iter().map(FieldPath::as_str).collect();
        let viewer = self.viewer.map(|viewer| viewer.user);
        let whole = format!(
            "{}\n{}\n{}\n{order:?} {}\n{:?}\n{viewer:?}",
            scope.tenant, scope.extension, self.collection, self.order.descending, self.filter
        );
        Digest::of(whole.as_bytes()).to_string().chars().rev().take(16).collect()
    }

    /// The cursor after a place.
    #[must_use]
    pub fn cursor_after(&self, scope: &CollectionScope, place: &Place) -> String {
        let key: String = place.key.iter().map(|byte| format!("{byte:02x}")).collect();
        crate::cursor::encode(&self.mark(scope), &format!("{key} {}", place.id))
    }

    /// The place after which this page starts.
    ///
    /// # Errors
    /// [`StoreError::Cursor`] when the cursor is of another query or scope.
    pub fn start(&self, scope: &CollectionScope) -> Result<Option<Place>> {
        let request = oriel_model::page::PageRequest {
            limit: 1,
            cursor: self.cursor.map(str::to_owned),
        };
        let Some(text) = crate::cursor::decode(&self.mark(scope), &request)? else {
            return Ok(None);
        };
        let (hex, id) = text.split_once(' ').ok_or(StoreError::Cursor)?;
        let digits = hex.as_bytes().chunks(2);
        let byte = |pair: &[u8]| std::str::from_utf8(pair).ok().and_then(|pair| u8::from_str_radix(pair, 16).ok());
        let key: Option<Vec<u8>> = digits.map(byte).collect();
        Ok(Some(Place {
            key: key.ok_or(StoreError::Cursor)?,
            id: id.to_owned(),
        }))
    }

    /// Whether an index gives this order.
    #[must_use]
    pub fn is_ordered_by(&self, held: &rows::Held) -> bool {
        self.order.fields.is_empty() || held.indexes().iter().any(|(_, index)| self.gives_order(index))
    }

    /// Whether an index ends with the fields of the order, and the filter fixes those before to one value.
    #[must_use]
    pub fn gives_order(&self, index: &CollectionIndex) -> bool {
        let before = index.fields.strip_suffix(self.order.fields.as_slice());
        before.is_some_and(|before| before.iter().all(|field| self.fixed(field).is_some()))
    }

    /// The one value that the filter, or the viewer, allows a field to have.
    #[must_use]
    pub fn fixed(&self, field: &FieldPath) -> Option<Vec<u8>> {
        let viewer = self
            .viewer
            .filter(|viewer| viewer.rule.read == AccessTo::Owner && viewer.rule.owner == *field);
        if let Some(viewer) = viewer {
            return key::scalar(&Value::from(viewer.user));
        }
        self.filter.necessary().into_iter().find_map(|condition| match condition {
            Condition {
                field: Field::Of(path),
                test: Test::Eq(value),
            } if path == field => Some(value.clone()),
            _ => None,
        })
    }

    /// Whether a document is wanted.
    #[must_use]
    pub fn wants(&self, id: &str, body: &Value) -> bool {
        self.viewer.is_none_or(|viewer| viewer.rule.may_read(viewer.user, body)) && self.filter.matches(id, body)
    }

    /// Where a document stands in the order. Fields that cannot be compared stand first or last, by the order of keys.
    #[must_use]
    pub fn place(&self, id: &str, body: &Value) -> Place {
        let fields = self.order.fields.iter();
        Place {
            key: fields
                .flat_map(|field| key::of_field(field, body).map_or_else(|_| Vec::new(), |(key, _)| key))
                .collect(),
            id: id.to_owned(),
        }
    }

    /// Whether `place` comes after `start` in this order.
    #[must_use]
    pub fn is_after(&self, place: &Place, start: Option<&Place>) -> bool {
        start.is_none_or(|start| if self.order.descending { place < start } else { place > start })
    }
}

/// Ends a page when it is long enough: `documents` hold at most one more than the limit, in order.
#[must_use]
pub fn page(scope: &CollectionScope, query: &DocumentQuery<'_>, documents: Vec<(Place, Document, usize)>) -> DocumentPage {
    let mut page = DocumentPage::default();
    let mut last: Option<Place> = None;
    let mut left = MAX_PAGE_BYTES;
    for (place, document, bytes) in documents {
        let full = page.documents.len() >= query.limit as usize || (bytes > left && last.is_some());
        if full {
            page.next_cursor = last.as_ref().map(|place| query.cursor_after(scope, place));
            break;
        }
        left = left.saturating_sub(bytes);
        page.documents.push(document);
        last = Some(place);
    }
    page
}
