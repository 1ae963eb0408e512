//! Documents of this extension in this tenant. Needs `collections = true` under `[permissions]`, and a `[[collections]]` for each.
//!
//! ```ignore
//! static NOTES: Collection<Note> = Collection::new("notes");
//!
//! let id = NOTES.insert(&note)?.id;
//! let page = NOTES.find().filter(json!({"/status": "open"})).order(["-/createdAt"]).page()?;
//! NOTES.patch(&id, &json!({"status": "done"}), Some(version))?;
//! ```
//!
//! Where a collection has an access rule and the call is made on behalf of a user, only what that user may see is there.

use std::fmt;
use std::marker::PhantomData;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::bindings::imports::oriel::extension::collections as host;
pub use crate::bindings::imports::oriel::extension::collections::{Problem, Written};
use crate::error::{Error, Result, from_wire};
use crate::json::write;

/// A collection whose documents are `T`s. `serde_json::Value` will do for any document.
pub struct Collection<T = Value> {
    name: &'static str,
    documents: PhantomData<fn(T) -> T>,
}

/// A document with what the host knows of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Stored<T> {
    /// Its id.
    pub id: String,
    /// 1 for a new document, and one more with each change.
    pub version: u64,
    /// When it was made, in milliseconds since the Unix epoch.
    pub created_ms: u64,
    /// When it was last changed, in milliseconds since the Unix epoch.
    pub updated_ms: u64,
    /// The document itself.
    pub body: T,
}

/// Some documents.
#[derive(Debug, Clone, PartialEq)]
pub struct Page<T> {
    /// The documents, in order.
    pub documents: Vec<Stored<T>>,
    /// Where the next page starts; absent on the last one.
    pub next_cursor: Option<String>,
}

/// Why something was not written. With `?` it becomes an [`Error`].
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum WriteError {
    /// There is no such document, or none that the user may see.
    NotFound,
    /// There is a document with this id already.
    Exists,
    /// Another version is there than was expected.
    Conflict {
        /// That one.
        actual: u64,
    },
    /// Another document has the same values in a unique index.
    Duplicate {
        /// Its fields.
        index: String,
    },
    /// The document does not fit its collection.
    Invalid(Vec<(String, String)>),
    /// Something else.
    Other(Error),
}

impl fmt::Display for WriteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotFound => f.write_str("there is no such document"),
            Self::Exists => f.write_str("there is such a document already"),
            Self::Conflict { actual } => write!(f, "the document has version {actual} now"),
            Self::Duplicate { index } => write!(f, "another document has the same values in the unique index of {index}"),
            Self::Invalid(problems) => {
                f.write_str("the document does not fit its collection")?;
                problems.iter().try_for_each(|(path, message)| write!(f, "; {path}: {message}"))
            }
            Self::Other(error) => error.fmt(f),
        }
    }
}

impl From<WriteError> for Error {
    fn from(error: WriteError) -> Self {
        match error {
            WriteError::Other(error) => error,
            WriteError::Conflict { .. } => Self::Unavailable(error.to_string()),
            error => Self::InvalidInput(error.to_string()),
        }
    }
}

impl From<Error> for WriteError {
    fn from(error: Error) -> Self {
        Self::Other(error)
    }
}

fn failed(failure: host::Failure) -> WriteError {
    match failure {
        host::Failure::NotFound => WriteError::NotFound,
        host::Failure::Exists => WriteError::Exists,
        host::Failure::Conflict(actual) => WriteError::Conflict { actual },
        host::Failure::Duplicate(index) => WriteError::Duplicate { index },
        host::Failure::Invalid(problems) => {
            WriteError::Invalid(problems.into_iter().map(|problem| (problem.path, problem.message)).collect())
        }
        host::Failure::Other(error) => WriteError::Other(from_wire(error)),
    }
}

fn stored<T: DeserializeOwned>(document: host::Document) -> Result<Stored<T>> {
    Ok(Stored {
        body: serde_json::from_str(&document.body)?,
        id: document.id,
        version: document.version,
        created_ms: document.created_ms,
        updated_ms: document.updated_ms,
    })
}

impl<T> Collection<T> {
    /// The collection that the manifest declares under this name.
    #[must_use]
    pub const fn new(name: &'static str) -> Self {
        Self {
            name,
            documents: PhantomData,
        }
    }

    fn operation(&self, id: Option<&str>, change: host::Change) -> host::Operation {
        host::Operation {
            collection: self.name.to_owned(),
            id: id.map(str::to_owned),
            change,
        }
    }

    /// Deletes a document; with `expected` only that version.
    ///
    /// # Errors
    /// When there is none, or another version.
    pub fn delete(&self, id: &str, expected: Option<u64>) -> Result<(), WriteError> {
        let operation = self.operation(Some(id), host::Change::Delete(expected));
        host::write(&operation).map(drop).map_err(failed)
    }

    /// Applies a JSON merge patch (RFC 7396): members that are null are removed. With `expected` only to that version.
    ///
    /// # Errors
    /// When there is no such document, another version, or what comes out does not fit.
    pub fn patch(&self, id: &str, patch: &impl Serialize, expected: Option<u64>) -> Result<Written, WriteError> {
        let operation = self.operation(Some(id), host::Change::Patch((write(patch)?, expected)));
        host::write(&operation).map_err(failed)
    }

    /// How many documents a filter means; [`Value::Null`] for all.
    ///
    /// # Errors
    /// When the filter is none, or too many documents would have to be looked at.
    pub fn count(&self, filter: Value) -> Result<u64> {
        let filter = (!filter.is_null()).then(|| filter.to_string());
        host::count(self.name, filter.as_deref()).map_err(from_wire)
    }

    /// Operations on this collection, for [`transact`].
    #[must_use]
    pub const fn operations(&self) -> Operations<'_, T> {
        Operations { collection: self }
    }
}

impl<T: DeserializeOwned> Collection<T> {
    /// One document.
    ///
    /// # Errors
    /// When the host does not answer, or the document is no `T`.
    pub fn get(&self, id: &str) -> Result<Option<Stored<T>>> {
        host::get(self.name, id).map_err(from_wire)?.map(stored).transpose()
    }

    /// A query, of all documents until something is said of them.
    #[must_use]
    pub const fn find(&self) -> Find<'_, T> {
        Find {
            collection: self,
            filter: None,
            order: Vec::new(),
            limit: 100,
            cursor: None,
        }
    }
}

impl<T: Serialize> Collection<T> {
    /// Makes a document, which gets its id now.
    ///
    /// # Errors
    /// When it does not fit, or a limit is reached.
    pub fn insert(&self, body: &T) -> Result<Written, WriteError> {
        let operation = self.operation(None, host::Change::Insert(write(body)?));
        host::write(&operation).map_err(failed)
    }

    /// Makes a document with this id, which must be free.
    ///
    /// # Errors
    /// When it is not, the document does not fit, or a limit is reached.
    pub fn insert_as(&self, id: &str, body: &T) -> Result<Written, WriteError> {
        let operation = self.operation(Some(id), host::Change::Insert(write(body)?));
        host::write(&operation).map_err(failed)
    }

    /// Makes or replaces a document.
    ///
    /// # Errors
    /// When it does not fit, or a limit is reached.
    pub fn put(&self, id: &str, body: &T) -> Result<Written, WriteError> {
        let operation = self.operation(Some(id), host::Change::Put(write(body)?));
        host::write(&operation).map_err(failed)
    }

    /// Replaces a document; with `expected` only that version.
    ///
    /// # Errors
    /// When there is none, another version, or the new one does not fit.
    pub fn replace(&self, id: &str, body: &T, expected: Option<u64>) -> Result<Written, WriteError> {
        let operation = self.operation(Some(id), host::Change::Replace((write(body)?, expected)));
        host::write(&operation).map_err(failed)
    }
}

/// A query.
pub struct Find<'c, T> {
    collection: &'c Collection<T>,
    filter: Option<String>,
    order: Vec<String>,
    limit: u32,
    cursor: Option<String>,
}

impl<T: DeserializeOwned> Find<'_, T> {
    /// Which documents, such as `json!({"/status": "open", "/total": {"gte": 10}})`.
    #[must_use]
    pub fn filter(mut self, filter: Value) -> Self {
        self.filter = Some(filter.to_string());
        self
    }

    /// By which fields of an index, such as `["/createdAt"]`, or `["-/createdAt"]` for the largest first.
    #[must_use]
    pub fn order<S: Into<String>>(mut self, fields: impl IntoIterator<Item = S>) -> Self {
        self.order = fields.into_iter().map(Into::into).collect();
        self
    }

    /// The most documents on a page, 1 to 1000; 100 when nothing is said.
    #[must_use]
    pub const fn limit(mut self, limit: u32) -> Self {
        self.limit = limit;
        self
    }

    /// Where the page before ended.
    #[must_use]
    pub fn after(mut self, cursor: impl Into<String>) -> Self {
        self.cursor = Some(cursor.into());
        self
    }

    /// One page.
    ///
    /// # Errors
    /// When filter, order or cursor cannot be used, too many documents would have to be looked at, or one is no `T`.
    pub fn page(self) -> Result<Page<T>> {
        let query = host::Query {
            filter: self.filter,
            order: self.order,
            limit: self.limit,
            cursor: self.cursor,
        };
        let page = host::find(self.collection.name, &query).map_err(from_wire)?;
        Ok(Page {
            documents: page.documents.into_iter().map(stored).collect::<Result<_>>()?,
            next_cursor: page.next_cursor,
        })
    }

    /// The first document.
    ///
    /// # Errors
    /// As for [`Find::page`].
    pub fn first(self) -> Result<Option<Stored<T>>> {
        Ok(self.limit(1).page()?.documents.into_iter().next())
    }

    /// Every document, page by page.
    ///
    /// # Errors
    /// As for [`Find::page`].
    pub fn all(self) -> Result<Vec<Stored<T>>> {
        let (collection, filter, order) = (self.collection, self.filter.clone(), self.order.clone());
        let mut page = self.limit(1_000).page()?;
        let mut all = page.documents;
        while let Some(cursor) = page.next_cursor {
            page = Find {
                collection,
                filter: filter.clone(),
                order: order.clone(),
                limit: 1_000,
                cursor: Some(cursor),
            }
            .page()?;
            all.append(&mut page.documents);
        }
        Ok(all)
    }
}

/// One operation of a transaction.
#[derive(Debug, Clone)]
pub struct Operation(host::Operation);

/// Makes the operations of a transaction.
pub struct Operations<'c, T> {
    collection: &'c Collection<T>,
}

impl<T: Serialize> Operations<'_, T> {
    /// A new document, with this id where one is given.
    ///
    /// # Errors
    /// When the document cannot be written as JSON.
    pub fn insert(&self, id: Option<&str>, body: &T) -> Result<Operation> {
        Ok(Operation(self.collection.operation(id, host::Change::Insert(write(body)?))))
    }

    /// A document, new or not.
    ///
    /// # Errors
    /// When the document cannot be written as JSON.
    pub fn put(&self, id: &str, body: &T) -> Result<Operation> {
        Ok(Operation(self.collection.operation(Some(id), host::Change::Put(write(body)?))))
    }

    /// A document in place of the one that is there.
    ///
    /// # Errors
    /// When the document cannot be written as JSON.
    pub fn replace(&self, id: &str, body: &T, expected: Option<u64>) -> Result<Operation> {
        Ok(Operation(
            self.collection.operation(Some(id), host::Change::Replace((write(body)?, expected))),
        ))
    }
}

impl<T> Operations<'_, T> {
    /// A JSON merge patch.
    ///
    /// # Errors
    /// When the patch cannot be written as JSON.
    pub fn patch(&self, id: &str, patch: &impl Serialize, expected: Option<u64>) -> Result<Operation> {
        Ok(Operation(
            self.collection.operation(Some(id), host::Change::Patch((write(patch)?, expected))),
        ))
    }

    /// No document any more.
    #[must_use]
    pub fn delete(&self, id: &str, expected: Option<u64>) -> Operation {
        Operation(self.collection.operation(Some(id), host::Change::Delete(expected)))
    }

    /// The document must have this version; `None`: there must be none.
    #[must_use]
    pub fn check(&self, id: &str, version: Option<u64>) -> Operation {
        Operation(self.collection.operation(Some(id), host::Change::Check(version)))
    }
}

/// Carries out 1 to 100 operations, all or none of them.
///
/// # Errors
/// Which operation was refused, counted from 0, and why.
pub fn transact(operations: Vec<Operation>) -> Result<Vec<Written>, (usize, WriteError)> {
    let operations: Vec<host::Operation> = operations.into_iter().map(|operation| operation.0).collect();
    host::transact(&operations).map_err(|refusal| (refusal.operation as usize, failed(refusal.reason)))
}
