//! The extension's documents: grant, forms, lengths and deadline are checked here, the rest is the store's.

use std::sync::Arc;
use std::time::Duration;

use oriel_model::Timestamp;
use oriel_model::collection::{self, DocumentOrder, Filter, FilterError};
use serde_json::Value;

use crate::bindings::collections::{Change, Document, Failure, Host, Operation, Page, Problem, Query, Refusal, Written};
use crate::bindings::types::Error;
use crate::ports::{CollectionChange, CollectionFailure, CollectionQuery, CollectionWrite, Collections, GuestError};
use crate::state::{DRY_RUN, State};

/// The most operations of one transaction.
const MAX_OPERATIONS: usize = 100;
/// The most documents on one page.
const MAX_PAGE: u32 = 1_000;

impl From<FilterError> for Error {
    fn from(error: FilterError) -> Self {
        Self::InvalidInput(error.to_string())
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Other(error)
    }
}

impl From<CollectionFailure> for Failure {
    fn from(failure: CollectionFailure) -> Self {
        match failure {
            CollectionFailure::NotFound => Self::NotFound,
            CollectionFailure::Exists => Self::Exists,
            CollectionFailure::Conflict(actual) => Self::Conflict(actual),
            CollectionFailure::Duplicate(index) => Self::Duplicate(index),
            CollectionFailure::Invalid(problems) => Self::Invalid(
                problems
                    .into_iter()
                    .map(|problem| Problem {
                        path: problem.path,
                        message: problem.message,
                    })
                    .collect(),
            ),
            CollectionFailure::Other(error) => Self::Other(error.into()),
        }
    }
}

fn document(document: collection::Document) -> Document {
    let millis = |at: Timestamp| u64::try_from(at.millis()).unwrap_or(0);
    Document {
        id: document.id,
        version: document.version,
        created_ms: millis(document.created_at),
        updated_ms: millis(document.updated_at),
        body: document.body.to_string(),
    }
}

async fn within<T, E: From<GuestError>>(left: Duration, work: impl Future<Output = Result<T, E>>) -> Result<T, E> {
    match tokio::time::timeout(left, work).await {
        Ok(result) => result,
        Err(_) => Err(GuestError::DeadlineExceeded.into()),
    }
}

/// A document or patch as the guest gave it.
fn parsed(text: &str, limit: u64) -> Result<Value, Failure> {
    if text.len() as u64 > limit {
        let message = format!("document: the document has {} bytes, the limit is {limit}", text.len());
        return Err(Error::LimitExceeded(message).into());
    }
    serde_json::from_str(text).map_err(|error| Error::InvalidInput(format!("the document is not JSON: {error}")).into())
}

fn filter(text: Option<&str>) -> Result<Filter, Error> {
    Ok(text.map(Filter::parse).transpose()?.unwrap_or_else(Filter::everything))
}

fn checked_id(id: &str) -> Result<(), Error> {
    if collection::is_document_id(id) {
        return Ok(());
    }
    let most = collection::MAX_DOCUMENT_ID;
    Err(Error::InvalidInput(format!(
        "an id has 1 to {most} characters of A-Z, a-z, 0-9, `.`, `_`, `~`, `:`, `@` and `-`"
    )))
}

/// The bytes with which an operation enters.
fn length(operation: &Operation) -> usize {
    let change = match &operation.change {
        Change::Insert(body) | Change::Put(body) | Change::Replace((body, _)) | Change::Patch((body, _)) => body.len(),
        Change::Delete(_) | Change::Check(_) => 0,
    };
    operation.collection.len() + operation.id.as_ref().map_or(0, String::len) + change
}

impl State {
    /// Where documents are kept and the time that is left, if grant and deadline allow it.
    fn documents(&self, writing: bool) -> Result<(Arc<dyn Collections>, Duration), Error> {
        if !self.spec.grant.collections {
            self.refuse("collections".to_owned());
            return Err(Error::Denied("the grant does not cover collections".to_owned()));
        }
        if writing && self.call.dry_run {
            return Err(Error::Denied(DRY_RUN.to_owned()));
        }
        let left = self.left().ok_or(Error::DeadlineExceeded)?;
        Ok((Arc::clone(&self.spec.services.collections), left))
    }

    /// An operation that the store can carry out.
    fn operation(&self, operation: Operation) -> Result<CollectionWrite, Failure> {
        let limit = self.spec.limits.document.0;
        if let Some(id) = &operation.id {
            checked_id(id)?;
        } else if !matches!(operation.change, Change::Insert(_)) {
            return Err(Error::InvalidInput("only an insert goes without an id".to_owned()).into());
        }
        let change = match operation.change {
            Change::Insert(body) => CollectionChange::Insert(parsed(&body, limit)?),
            Change::Put(body) => CollectionChange::Put(parsed(&body, limit)?),
            Change::Replace((body, expected)) => CollectionChange::Replace(parsed(&body, limit)?, expected),
            Change::Patch((patch, expected)) => CollectionChange::Patch(parsed(&patch, limit)?, expected),
            Change::Delete(expected) => CollectionChange::Delete(expected),
            Change::Check(version) => CollectionChange::Check(version),
        };
        Ok(CollectionWrite {
            collection: operation.collection,
            id: operation.id,
            change,
        })
    }

    /// Operations that may be carried out. Nothing of the state is borrowed while the store answers.
    fn ready(&self, operations: Vec<Operation>) -> Result<Ready, Refusal> {
        let (store, left) = self.documents(true).map_err(|error| refusal(0, error.into()))?;
        if !(1..=MAX_OPERATIONS).contains(&operations.len()) {
            let message = format!(
                "a transaction has 1 to {MAX_OPERATIONS} operations, this one has {}",
                operations.len()
            );
            return Err(refusal(0, Error::InvalidInput(message).into()));
        }
        let numbered = operations.into_iter().enumerate();
        let writes = numbered.map(|(number, operation)| self.operation(operation).map_err(|reason| refusal(number, reason)));
        let writes = writes.collect::<Result<Vec<_>, _>>()?;
        Ok(Ready {
            store,
            left,
            user: self.call.user.clone(),
            writes,
        })
    }
}

/// Operations that may be carried out.
struct Ready {
    store: Arc<dyn Collections>,
    left: Duration,
    user: Option<Arc<str>>,
    writes: Vec<CollectionWrite>,
}

impl Ready {
    async fn carry_out(self) -> Result<Vec<Written>, Refusal> {
        let work = self.store.write(self.user.as_deref(), self.writes);
        let done = match tokio::time::timeout(self.left, work).await {
            Ok(done) => done.map_err(|(operation, failure)| refusal(operation, failure.into()))?,
            Err(_) => return Err(refusal(0, Error::DeadlineExceeded.into())),
        };
        Ok(done.into_iter().map(|(id, version)| Written { id, version }).collect())
    }
}

fn refusal(operation: usize, reason: Failure) -> Refusal {
    Refusal {
        operation: u32::try_from(operation).unwrap_or(u32::MAX),
        reason,
    }
}

/// Answers the guest with the error of a `Result`, where `?` would trap it.
macro_rules! or_answer {
    ($result:expr) => {
        match $result {
            Ok(value) => value,
            Err(error) => return Ok(Err(error.into())),
        }
    };
}

impl Host for State {
    async fn get(&mut self, collection: String, id: String) -> wasmtime::Result<Result<Option<Document>, Error>> {
        self.host_call(collection.len() + id.len())?;
        let (store, left) = or_answer!(self.documents(false));
        or_answer!(checked_id(&id));
        let user = self.call.user.clone();
        let found = or_answer!(within(left, store.get(user.as_deref(), &collection, &id)).await);
        let found = found.map(document);
        self.host_bytes(found.as_ref().map_or(0, |found| found.body.len()))?;
        Ok(Ok(found))
    }

    async fn find(&mut self, collection: String, query: Query) -> wasmtime::Result<Result<Page, Error>> {
        let order: usize = query.order.iter().map(String::len).sum();
        let (filter_bytes, cursor) = (
            query.filter.as_ref().map_or(0, String::len),
            query.cursor.as_ref().map_or(0, String::len),
        );
        self.host_call(collection.len() + order + filter_bytes + cursor)?;
        let (store, left) = or_answer!(self.documents(false));
        if !(1..=MAX_PAGE).contains(&query.limit) {
            let message = format!("the limit is 1 to {MAX_PAGE} documents, not {}", query.limit);
            return Ok(Err(Error::InvalidInput(message)));
        }
        let wanted = CollectionQuery {
            filter: or_answer!(filter(query.filter.as_deref())),
            order: or_answer!(DocumentOrder::parse(&query.order).map_err(Error::from)),
            limit: query.limit,
            cursor: query.cursor,
        };
        let user = self.call.user.clone();
        let page = or_answer!(within(left, store.find(user.as_deref(), &collection, wanted)).await);
        let documents: Vec<Document> = page.documents.into_iter().map(document).collect();
        self.host_bytes(documents.iter().map(|document| document.id.len() + document.body.len()).sum())?;
        Ok(Ok(Page {
            documents,
            next_cursor: page.next_cursor,
        }))
    }

    async fn count(&mut self, collection: String, wanted: Option<String>) -> wasmtime::Result<Result<u64, Error>> {
        self.host_call(collection.len() + wanted.as_ref().map_or(0, String::len))?;
        let (store, left) = or_answer!(self.documents(false));
        let wanted = or_answer!(filter(wanted.as_deref()));
        let user = self.call.user.clone();
        Ok(within(left, store.count(user.as_deref(), &collection, wanted))
            .await
            .map_err(Error::from))
    }

    async fn write(&mut self, operation: Operation) -> wasmtime::Result<Result<Written, Failure>> {
        self.host_call(length(&operation))?;
        let ready = or_answer!(self.ready(vec![operation]).map_err(|refusal| refusal.reason));
        Ok(match ready.carry_out().await {
            Ok(mut written) => written
                .pop()
                .ok_or_else(|| Error::Internal("nothing was answered".to_owned()).into()),
            Err(refusal) => Err(refusal.reason),
        })
    }

    async fn transact(&mut self, operations: Vec<Operation>) -> wasmtime::Result<Result<Vec<Written>, Refusal>> {
        self.host_call(operations.iter().map(length).sum())?;
        let ready = or_answer!(self.ready(operations));
        Ok(ready.carry_out().await)
    }
}
