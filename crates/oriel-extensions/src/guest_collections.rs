//! The guest's `collections` interface on top of the storage port, bound to one release of one installation.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock, Weak};

use oriel_model::Digest;
use oriel_model::collection::{CollectionManifest, Document, Filter, Viewer, WithoutUser};
use oriel_model::id::InstallationId;
use oriel_model::installation::Installation;
use oriel_model::limits::Limits;
use oriel_model::schema::{Schema, SchemaProblem};
use oriel_model::time::Clock;
use oriel_sandbox::{CollectionChange, CollectionFailure, CollectionPage, CollectionQuery, CollectionWrite, Collections, GuestError};
use oriel_store::collections::UNPREPARED;
use oriel_store::{
    CollectionPlan, CollectionQuota, CollectionScope, DocumentChange, DocumentQuery, DocumentWrites, Judge, Operation, Refusal, Refused,
    StoreError, Written,
};
use serde_json::Value;

use crate::{Extensions, Shared};

/// The collections of one release: what a scope shall hold, and what fits into it.
pub struct Declared {
    pub(crate) scope: CollectionScope,
    pub(crate) plan: CollectionPlan,
    pub(crate) digest: Digest,
    pub(crate) quota: CollectionQuota,
    /// The longest document.
    document: u64,
    /// Compiled when a document is first written.
    schemas: HashMap<String, OnceLock<Schema>>,
}

impl Declared {
    pub(crate) fn new(installation: &Installation, limits: &Limits) -> Self {
        let scope = CollectionScope {
            tenant: installation.tenant,
            extension: installation.name.clone(),
        };
        Self::of(scope, installation.id, installation.release.manifest.collections.clone(), limits)
    }

    /// These collections, of an installation that need not be stored anywhere.
    #[must_use]
    pub fn of(scope: CollectionScope, installation: InstallationId, collections: Vec<CollectionManifest>, limits: &Limits) -> Self {
        let schemas = collections.iter().map(|collection| (collection.name.to_string(), OnceLock::new()));
        let schemas = schemas.collect();
        let plan = CollectionPlan { installation, collections };
        Self {
            scope,
            digest: plan.digest(),
            plan,
            quota: CollectionQuota {
                documents: limits.collection_documents.into(),
                bytes: limits.collection_bytes.0,
            },
            document: limits.document.0,
            schemas,
        }
    }

    pub(crate) fn collection(&self, name: &str) -> Option<&CollectionManifest> {
        self.plan.collections.iter().find(|collection| collection.name.as_str() == name)
    }
}

impl Judge for Declared {
    fn judge(&self, collection: &str, body: &Value) -> Result<(), Vec<SchemaProblem>> {
        let problem = |message: String| {
            Err(vec![SchemaProblem {
                path: String::new(),
                message,
            }])
        };
        let length = body.to_string().len() as u64;
        if length > self.document {
            return problem(format!(
                "the document has {length} bytes, the limit `document` is {}",
                self.document
            ));
        }
        let declared = self.collection(collection).and_then(|collection| collection.schema.as_ref());
        let (Some(declared), Some(compiled)) = (declared, self.schemas.get(collection)) else {
            return Ok(());
        };
        let schema = match compiled.get() {
            Some(schema) => schema,
            None => match Schema::compile(declared) {
                Ok(schema) => compiled.get_or_init(|| schema),
                Err(error) => return problem(format!("the collection's schema cannot be used: {error}")),
            },
        };
        schema.validate(body)
    }
}

/// The documents that guests of one release reach.
pub struct GuestCollections {
    store: Arc<dyn oriel_store::Collections>,
    clock: Arc<dyn Clock>,
    declared: Declared,
    /// The service, which holds the pools, and these hold this; nothing where there is no service.
    shared: Option<Weak<Shared>>,
}

impl std::fmt::Debug for Declared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Declared").field("scope", &self.scope).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for GuestCollections {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("GuestCollections")
            .field("declared", &self.declared)
            .finish_non_exhaustive()
    }
}

impl GuestCollections {
    pub(crate) fn new(shared: &Shared, installation: &Installation, limits: &Limits) -> Self {
        Self {
            store: shared.stores.collections.clone(),
            clock: shared.clock.clone(),
            declared: Declared::new(installation, limits),
            shared: Some(shared.this.clone()),
        }
    }

    /// Over a store of its own, with no service around it: for tests of extensions.
    #[must_use]
    pub fn alone(store: Arc<dyn oriel_store::Collections>, clock: Arc<dyn Clock>, declared: Declared) -> Self {
        Self {
            store,
            clock,
            declared,
            shared: None,
        }
    }

    /// Writes a document whoever it belongs to, as a test finds it.
    ///
    /// # Errors
    /// Why it cannot be there.
    pub async fn put(&self, collection: &str, id: &str, body: Value) -> Result<(), String> {
        let attempt = || {
            let operation = Operation {
                collection: collection.to_owned(),
                id: Some(id.to_owned()),
                change: DocumentChange::Put { body: body.clone() },
                viewer: None,
            };
            let writes = DocumentWrites {
                plan: Some(self.declared.digest),
                operations: vec![operation],
                judge: &self.declared,
                quota: self.declared.quota,
                now: self.clock.now(),
            };
            self.store.write(&self.declared.scope, writes)
        };
        match self.settled(attempt).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(Refused { reason, .. })) => Err(match failure(reason) {
                CollectionFailure::Invalid(problems) => {
                    let problems = problems.iter().map(|problem| format!("{} {}", problem.path, problem.message));
                    problems.collect::<Vec<_>>().join("; ")
                }
                CollectionFailure::Other(error) => error.to_string(),
                other => format!("{other:?}"),
            }),
            Err(error) => Err(error.to_string()),
        }
    }

    /// A document whoever it belongs to, if it is there.
    pub async fn peek(&self, collection: &str, id: &str) -> Option<Value> {
        let found = self.settled(|| self.store.get(&self.declared.scope, collection, id, None)).await;
        found.ok().flatten().map(|document| document.body)
    }

    /// For whom documents of a collection are read or written.
    fn viewer<'a>(&'a self, user: Option<&'a str>, collection: &str) -> Result<Option<Viewer<'a>>, GuestError> {
        let declared = self.declared.collection(collection).ok_or_else(|| {
            let shown: String = collection.chars().take(64).collect();
            GuestError::InvalidInput(format!("the manifest declares no collection `{shown}`"))
        })?;
        match (&declared.access, user) {
            (None, _) => Ok(None),
            (Some(rule), Some(user)) => Ok(Some(Viewer { user, rule })),
            (Some(rule), None) if rule.without_user == WithoutUser::All => Ok(None),
            (Some(_), None) => Err(GuestError::Denied(format!(
                "the collection `{collection}` belongs to users, and this call is made on behalf of nobody: the host says for whom it calls with the header Oriel-User"
            ))),
        }
    }

    /// Puts this release's collections in force, if it is the one that is installed: after a crash, or when the extension was
    /// installed before its scope was made.
    async fn settle(&self) -> Result<(), GuestError> {
        let scope = &self.declared.scope;
        let Some(shared) = &self.shared else {
            let prepared = self.store.prepare(scope, &self.declared.plan, &self.declared, true).await;
            return prepared.map(drop).map_err(guest_error);
        };
        let shared = shared.upgrade();
        let shared = shared.ok_or_else(|| GuestError::Unavailable("the server is shutting down".to_owned()))?;
        let extensions = Extensions { shared };
        // Whoever upgrades the extension holds this.
        let _alone = extensions.alone(scope.tenant, &scope.extension).await;
        let installed = extensions.find(scope.tenant, scope.extension.as_str()).await;
        let current = installed.is_ok_and(|installation| {
            let plan = CollectionPlan {
                installation: installation.id,
                collections: installation.release.manifest.collections,
            };
            plan.digest() == self.declared.digest
        });
        if !current {
            return Err(GuestError::Unavailable(
                "a release with other collections takes over; try again".to_owned(),
            ));
        }
        let prepared = self.store.prepare(scope, &self.declared.plan, &self.declared, true).await;
        prepared.map(drop).map_err(guest_error)
    }

    /// Tries once more when the scope was not as it should be.
    async fn settled<T, F: Future<Output = oriel_store::Result<T>>>(&self, attempt: impl Fn() -> F) -> Result<T, GuestError> {
        match attempt().await {
            Err(StoreError::Conflict { what: UNPREPARED }) => {
                self.settle().await?;
                attempt().await.map_err(guest_error)
            }
            done => done.map_err(guest_error),
        }
    }

    async fn write_once(
        &self,
        user: Option<&str>,
        writes: &[CollectionWrite],
    ) -> Result<Result<Vec<Written>, Refused>, (usize, CollectionFailure)> {
        let mut viewers = Vec::with_capacity(writes.len());
        for (number, write) in writes.iter().enumerate() {
            viewers.push(self.viewer(user, &write.collection).map_err(|error| (number, error.into()))?);
        }
        let attempt = || {
            let operations = writes.iter().zip(&viewers).map(|(write, viewer)| Operation {
                collection: write.collection.clone(),
                id: write.id.clone(),
                change: change(&write.change),
                viewer: *viewer,
            });
            self.store.write(
                &self.declared.scope,
                DocumentWrites {
                    plan: Some(self.declared.digest),
                    operations: operations.collect(),
                    judge: &self.declared,
                    quota: self.declared.quota,
                    now: self.clock.now(),
                },
            )
        };
        self.settled(attempt).await.map_err(|error| (0, error.into()))
    }
}

fn change(change: &CollectionChange) -> DocumentChange {
    match change.clone() {
        CollectionChange::Insert(body) => DocumentChange::Insert { body },
        CollectionChange::Put(body) => DocumentChange::Put { body },
        CollectionChange::Replace(body, expected) => DocumentChange::Replace { body, expected },
        CollectionChange::Patch(patch, expected) => DocumentChange::Patch { patch, expected },
        CollectionChange::Delete(expected) => DocumentChange::Delete { expected },
        CollectionChange::Check(version) => DocumentChange::Check { version },
    }
}

#[async_trait::async_trait]
impl Collections for GuestCollections {
    async fn get(&self, user: Option<&str>, collection: &str, id: &str) -> Result<Option<Document>, GuestError> {
        let viewer = self.viewer(user, collection)?;
        self.settled(|| self.store.get(&self.declared.scope, collection, id, viewer)).await
    }

    async fn find(&self, user: Option<&str>, collection: &str, query: CollectionQuery) -> Result<CollectionPage, GuestError> {
        let viewer = self.viewer(user, collection)?;
        let wanted = DocumentQuery {
            collection,
            filter: &query.filter,
            order: &query.order,
            limit: query.limit,
            cursor: query.cursor.as_deref(),
            viewer,
        };
        let page = self.settled(|| self.store.query(&self.declared.scope, wanted)).await?;
        Ok(CollectionPage {
            documents: page.documents,
            next_cursor: page.next_cursor,
        })
    }

    async fn count(&self, user: Option<&str>, collection: &str, filter: Filter) -> Result<u64, GuestError> {
        let viewer = self.viewer(user, collection)?;
        self.settled(|| self.store.count(&self.declared.scope, collection, &filter, viewer))
            .await
    }

    async fn write(&self, user: Option<&str>, writes: Vec<CollectionWrite>) -> Result<Vec<(String, u64)>, (usize, CollectionFailure)> {
        match self.write_once(user, &writes).await? {
            Ok(written) => Ok(written.into_iter().map(|written| (written.id, written.version)).collect()),
            Err(Refused { operation, reason }) => Err((operation, failure(reason))),
        }
    }
}

fn failure(reason: Refusal) -> CollectionFailure {
    match reason {
        Refusal::NoCollection => GuestError::InvalidInput("the manifest declares no such collection".to_owned()).into(),
        Refusal::NotFound => CollectionFailure::NotFound,
        Refusal::Exists => CollectionFailure::Exists,
        Refusal::Version { actual } => CollectionFailure::Conflict(actual),
        Refusal::Unique { index } => CollectionFailure::Duplicate(index),
        Refusal::Invalid { problems } => CollectionFailure::Invalid(problems),
        Refusal::Denied { reason } => GuestError::Denied(reason.to_owned()).into(),
        Refusal::Quota { what } => GuestError::LimitExceeded(format!("the limit `{what}` is used up")).into(),
    }
}

/// What a guest may learn of a storage error: what it did wrong, never what the database said.
fn guest_error(error: StoreError) -> GuestError {
    match error {
        StoreError::Cursor => GuestError::InvalidInput("the cursor is not one of this query's".to_owned()),
        StoreError::WrongForm { .. } => {
            GuestError::InvalidInput("no index gives that order: declare one that ends with these fields".to_owned())
        }
        StoreError::Quota { .. } => GuestError::LimitExceeded(
            "the query would look at too many documents: declare an index that begins with what the filter fixes".to_owned(),
        ),
        StoreError::Conflict { .. } => GuestError::Unavailable("a release with other collections takes over; try again".to_owned()),
        error => {
            tracing::warn!(error = &error as &dyn std::error::Error, "a guest's use of a collection failed");
            match error {
                StoreError::Unavailable { .. } | StoreError::Full | StoreError::ReadOnly => {
                    GuestError::Unavailable("the store of collections is unavailable".to_owned())
                }
                _ => GuestError::Internal("the store of collections failed".to_owned()),
            }
        }
    }
}
