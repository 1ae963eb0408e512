//! Where documents are kept.

use oriel_model::collection::{Document, DocumentOrder, Filter};
use oriel_model::schema::SchemaProblem;
use serde_json::Value;

use super::GuestError;

/// Which documents are wanted.
#[derive(Debug, Clone)]
pub struct CollectionQuery {
    /// Which.
    pub filter: Filter,
    /// In which order.
    pub order: DocumentOrder,
    /// The most, 1 to 1000.
    pub limit: u32,
    /// Where the page before ended.
    pub cursor: Option<String>,
}

/// Some documents.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct CollectionPage {
    /// The documents.
    pub documents: Vec<Document>,
    /// Where the next page starts; absent on the last one.
    pub next_cursor: Option<String>,
}

/// What is done to a document.
#[derive(Debug, Clone, PartialEq)]
pub enum CollectionChange {
    /// It is made.
    Insert(Value),
    /// It is made or replaced.
    Put(Value),
    /// It takes the place of the one that is there, if that has the expected version.
    Replace(Value, Option<u64>),
    /// A JSON merge patch is applied to it, if it has the expected version.
    Patch(Value, Option<u64>),
    /// It is deleted, if it has the expected version.
    Delete(Option<u64>),
    /// It is looked whether it has this version, or is not there.
    Check(Option<u64>),
}

/// One operation.
#[derive(Debug, Clone, PartialEq)]
pub struct CollectionWrite {
    /// On which collection.
    pub collection: String,
    /// On which document; absent for one that gets its id now.
    pub id: Option<String>,
    /// What.
    pub change: CollectionChange,
}

/// Why something was not written.
#[derive(Debug, Clone, PartialEq)]
pub enum CollectionFailure {
    /// There is no such document, as far as the user may see.
    NotFound,
    /// There is one with this id.
    Exists,
    /// Another version is there.
    Conflict(u64),
    /// Another document has the same values in this unique index.
    Duplicate(String),
    /// It does not fit its collection.
    Invalid(Vec<SchemaProblem>),
    /// Something else.
    Other(GuestError),
}

impl From<GuestError> for CollectionFailure {
    fn from(error: GuestError) -> Self {
        Self::Other(error)
    }
}

/// The `collections` interface, bound to one tenant and extension. The sandbox checks the grant, the forms and lengths of what is given,
/// and the deadline; rules, schemas and quotas are checked here. `user` is on whose behalf the call is made.
#[async_trait::async_trait]
pub trait Collections: Send + Sync {
    /// One document, if there is one that the user may see.
    async fn get(&self, user: Option<&str>, collection: &str, id: &str) -> Result<Option<Document>, GuestError>;
    /// A page of documents.
    async fn find(&self, user: Option<&str>, collection: &str, query: CollectionQuery) -> Result<CollectionPage, GuestError>;
    /// How many documents there are.
    async fn count(&self, user: Option<&str>, collection: &str, filter: Filter) -> Result<u64, GuestError>;
    /// Carries out operations, all or none of them. Answers ids and versions, or which operation was refused.
    async fn write(&self, user: Option<&str>, writes: Vec<CollectionWrite>) -> Result<Vec<(String, u64)>, (usize, CollectionFailure)>;
}

/// Keeps nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoCollections;

fn nowhere() -> GuestError {
    GuestError::Unavailable("no documents are kept here".to_owned())
}

#[async_trait::async_trait]
impl Collections for NoCollections {
    async fn get(&self, _: Option<&str>, _: &str, _: &str) -> Result<Option<Document>, GuestError> {
        Err(nowhere())
    }

    async fn find(&self, _: Option<&str>, _: &str, _: CollectionQuery) -> Result<CollectionPage, GuestError> {
        Err(nowhere())
    }

    async fn count(&self, _: Option<&str>, _: &str, _: Filter) -> Result<u64, GuestError> {
        Err(nowhere())
    }

    async fn write(&self, _: Option<&str>, _: Vec<CollectionWrite>) -> Result<Vec<(String, u64)>, (usize, CollectionFailure)> {
        Err((0, nowhere().into()))
    }
}
