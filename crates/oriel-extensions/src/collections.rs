//! Collections as administrators meet them: made with an installation, checked at an upgrade, looked into.

use oriel_access::{Access, Actor};
use oriel_model::access::{Principal, Scope};
use oriel_model::collection::{self, Document, DocumentOrder, Filter};
use oriel_model::installation::{Installation, InstallationState, Release};
use oriel_model::name::TenantName;
use oriel_model::schema::SchemaProblem;
use oriel_store::collections::{EXAMINED, UNPREPARED};
use oriel_store::{
    CollectionState, DocumentChange, DocumentPage, DocumentQuery, DocumentWrites, Misfits, NewAudit, Operation, Refusal, Refused,
    StoreError, Written,
};
use serde_json::{Value, json};

use crate::guest_collections::Declared;
use crate::{ExtensionError, Extensions, active};

impl Extensions {
    fn declared(&self, installation: &Installation) -> Declared {
        let limits = active::limits(&installation.release, &installation.limits, &self.shared.options.ceiling);
        Declared::new(installation, &limits)
    }

    /// Makes the collections of an installation that is about to run as `next`, in place of `present` when there is one. What was done
    /// has to be taken back with [`Extensions::return_collections`] when the change is not committed after all.
    pub(crate) async fn move_collections(
        &self,
        present: Option<&Installation>,
        next: &Installation,
        lenient: bool,
    ) -> Result<(), ExtensionError> {
        let declares = |installation: &Installation| !installation.release.manifest.collections.is_empty();
        let waits = next.state == InstallationState::PendingConsent;
        if waits || !(declares(next) || present.is_some_and(declares)) {
            return Ok(());
        }
        let declared = self.declared(next);
        let prepared = self
            .shared
            .stores
            .collections
            .prepare(&declared.scope, &declared.plan, &declared, lenient)
            .await?;
        prepared.map_err(|misfits| ExtensionError::Misfits {
            name: next.name.to_string(),
            misfits,
        })
    }

    /// Goes back to the collections of `present`, or to none when there is no installation.
    pub(crate) async fn return_collections(&self, present: Option<&Installation>, next: &Installation) {
        let result = match present {
            Some(present) => self.move_collections(Some(next), present, true).await,
            None if next.release.manifest.collections.is_empty() => Ok(()),
            None => self.forget_collections(next).await,
        };
        if let Err(error) = result {
            // The former release puts its own in force when it next writes.
            tracing::warn!(extension = %next.name, error = &error as &dyn std::error::Error, "collections are not back yet");
        }
    }

    /// Makes the collections of `next`, and tries it out where that is wanted (with its configuration, or without).
    pub(crate) async fn set_up(
        &self,
        present: Option<&Installation>,
        next: &Installation,
        tenant_name: &TenantName,
        rehearse: Option<bool>,
    ) -> Result<(), ExtensionError> {
        // Boxed: what is rare need not make every change's future longer.
        Box::pin(self.move_collections(present, next, false)).await?;
        let Some(check_config) = rehearse else { return Ok(()) };
        let rehearsed = Box::pin(self.rehearse(next, tenant_name, check_config)).await;
        if rehearsed.is_err() {
            Box::pin(self.return_collections(present, next)).await;
        }
        rehearsed
    }

    /// What was committed; or back to the former collections.
    pub(crate) async fn or_return<T>(
        &self,
        committed: Result<T, ExtensionError>,
        present: &Installation,
        next: &Installation,
    ) -> Result<T, ExtensionError> {
        if committed.is_err() {
            Box::pin(self.return_collections(Some(present), next)).await;
        }
        committed
    }

    /// Two releases that run side by side have the same collections: the documents of one are the other's.
    pub(crate) fn same_collections(present: &Installation, release: &Release) -> Result<(), ExtensionError> {
        if present.release.manifest.collections == release.manifest.collections {
            return Ok(());
        }
        Err(ExtensionError::CanaryCollections {
            name: present.name.to_string(),
        })
    }

    /// Drops all documents of what was uninstalled.
    pub(crate) async fn forget_collections(&self, gone: &Installation) -> Result<(), ExtensionError> {
        let declared = self.declared(gone);
        Ok(self.shared.stores.collections.forget(&declared.scope).await?)
    }

    /// The installation's collections with what they hold, those included that the running release has dropped.
    ///
    /// # Errors
    /// When the principal may not, or there is no such extension.
    pub async fn collections(&self, principal: &Principal, name: &str) -> Result<Vec<CollectionState>, ExtensionError> {
        Access::require(principal, Scope::ExtensionsRead)?;
        let installation = self.find(principal.tenant, name).await?;
        let declared = self.declared(&installation);
        let mut states = self.shared.stores.collections.states(&declared.scope).await?;
        for manifest in &declared.plan.collections {
            if !states.iter().any(|state| state.manifest.name == manifest.name) {
                states.push(CollectionState {
                    manifest: manifest.clone(),
                    declared: true,
                    documents: 0,
                    bytes: 0,
                });
            }
        }
        states.sort_by(|a, b| a.manifest.name.cmp(&b.manifest.name));
        Ok(states)
    }

    async fn opened(&self, principal: &Principal, name: &str, collection: &str) -> Result<Declared, ExtensionError> {
        Access::require(principal, Scope::ExtensionsWrite)?;
        let declared = self.declared(&self.find(principal.tenant, name).await?);
        let missing = || ExtensionError::CollectionNotFound {
            extension: name.to_owned(),
            collection: collection.chars().take(64).collect(),
        };
        if declared.collection(collection).is_none() {
            let states = self.shared.stores.collections.states(&declared.scope).await?;
            if !states.iter().any(|state| state.manifest.name.as_str() == collection) {
                return Err(missing());
            }
        }
        Ok(declared)
    }

    /// A page of a collection's documents, whoever owns them.
    ///
    /// # Errors
    /// When the principal may not, there is no such collection, or the query cannot be answered.
    pub async fn documents(
        &self,
        principal: &Principal,
        name: &str,
        collection: &str,
        filter: &Filter,
        order: &DocumentOrder,
        (limit, cursor): (u32, Option<&str>),
    ) -> Result<DocumentPage, ExtensionError> {
        let declared = self.opened(principal, name, collection).await?;
        let query = DocumentQuery {
            collection,
            filter,
            order,
            limit: limit.clamp(1, oriel_store::collections::MAX_PAGE),
            cursor,
            viewer: None,
        };
        match self.shared.stores.collections.query(&declared.scope, query).await {
            Err(StoreError::Conflict { what: UNPREPARED }) => Ok(DocumentPage::default()),
            done => done.map_err(unanswerable),
        }
    }

    /// How many of a collection's documents a filter means.
    ///
    /// # Errors
    /// When the principal may not, there is no such collection, or there are too many documents to look at.
    pub async fn count_documents(
        &self,
        principal: &Principal,
        name: &str,
        collection: &str,
        filter: &Filter,
    ) -> Result<u64, ExtensionError> {
        let declared = self.opened(principal, name, collection).await?;
        match self
            .shared
            .stores
            .collections
            .count(&declared.scope, collection, filter, None)
            .await
        {
            Err(StoreError::Conflict { what: UNPREPARED }) => Ok(0),
            done => done.map_err(unanswerable),
        }
    }

    /// One document.
    ///
    /// # Errors
    /// When the principal may not, or there is none.
    pub async fn document(&self, principal: &Principal, name: &str, collection: &str, id: &str) -> Result<Document, ExtensionError> {
        let declared = self.opened(principal, name, collection).await?;
        let found = match self.shared.stores.collections.get(&declared.scope, collection, id, None).await {
            Err(StoreError::Conflict { what: UNPREPARED }) => None,
            done => done?,
        };
        found.ok_or_else(|| missing(collection, id))
    }

    /// Writes a document, new or not; with `if_match` only over that version. Answers it as it is now.
    ///
    /// # Errors
    /// When the principal may not, the document does not fit, or another version is there.
    pub async fn put_document(
        &self,
        principal: &Principal,
        name: &str,
        (collection, id): (&str, &str),
        body: Value,
        if_match: Option<u64>,
    ) -> Result<Document, ExtensionError> {
        if !collection::is_document_id(id) {
            let message = format!(
                "an id has 1 to {} characters of A-Z, a-z, 0-9, `.`, `_`, `~`, `:`, `@` and `-`",
                collection::MAX_DOCUMENT_ID
            );
            let path = String::new();
            return Err(ExtensionError::DocumentInvalid {
                problems: vec![SchemaProblem { path, message }],
            });
        }
        let change = match if_match {
            None => DocumentChange::Put { body },
            expected => DocumentChange::Replace { body, expected },
        };
        self.change_document(principal, name, (collection, id), change, "document.put")
            .await?;
        self.document(principal, name, collection, id).await
    }

    /// Deletes a document; with `if_match` only that version.
    ///
    /// # Errors
    /// When the principal may not, there is none, or another version is there.
    pub async fn delete_document(
        &self,
        principal: &Principal,
        name: &str,
        (collection, id): (&str, &str),
        if_match: Option<u64>,
    ) -> Result<(), ExtensionError> {
        let change = DocumentChange::Delete { expected: if_match };
        self.change_document(principal, name, (collection, id), change, "document.delete")
            .await
            .map(drop)
    }

    async fn change_document(
        &self,
        principal: &Principal,
        name: &str,
        (collection, id): (&str, &str),
        change: DocumentChange,
        action: &str,
    ) -> Result<Written, ExtensionError> {
        let declared = self.opened(principal, name, collection).await?;
        let attempt = || {
            let operation = Operation {
                collection: collection.to_owned(),
                id: Some(id.to_owned()),
                change: change.clone(),
                viewer: None,
            };
            let writes = DocumentWrites {
                plan: Some(declared.digest),
                operations: vec![operation],
                judge: &declared,
                quota: declared.quota,
                now: self.shared.clock.now(),
            };
            self.shared.stores.collections.write(&declared.scope, writes)
        };
        let done = match attempt().await {
            Err(StoreError::Conflict { what: UNPREPARED }) => {
                // Under the lock of whoever upgrades the extension, so that its former collections are not brought back meanwhile.
                let (_alone, installation) = self.hold(principal.tenant, name, None).await?;
                self.move_collections(Some(&installation), &installation, true).await?;
                attempt().await
            }
            done => done,
        };
        let written = match done {
            Ok(Ok(written)) => written,
            Ok(Err(Refused { reason, .. })) => return Err(refused(reason, name, collection, id)),
            Err(StoreError::Conflict { what: UNPREPARED }) => return Err(ExtensionError::CollectionsBusy { name: name.to_owned() }),
            Err(error) => return Err(error.into()),
        };
        let written = written.into_iter().next().ok_or_else(|| missing(collection, id))?;
        // Documents lie in a database of their own, so this entry is written after the change and not with it.
        let audit = self.document_audit(principal, action, name, collection, &written);
        self.shared.stores.audit.append(principal.tenant, audit).await?;
        Ok(written)
    }

    fn document_audit(&self, principal: &Principal, action: &str, name: &str, collection: &str, written: &Written) -> NewAudit {
        let details = json!({ "extension": name, "collection": collection, "version": written.version });
        Actor::Principal(principal).did(self.shared.clock.now(), action, written.id.clone(), details)
    }
}

fn missing(collection: &str, id: &str) -> ExtensionError {
    ExtensionError::DocumentNotFound {
        collection: collection.to_owned(),
        id: id.chars().take(collection::MAX_DOCUMENT_ID).collect(),
    }
}

fn unanswerable(error: StoreError) -> ExtensionError {
    match error {
        StoreError::WrongForm { .. } => ExtensionError::DocumentQuery {
            reason: "no index gives that order".to_owned(),
        },
        StoreError::Quota { what: EXAMINED } => ExtensionError::DocumentQuery {
            reason: "the query would look at too many documents; an index that begins with what the filter fixes would help".to_owned(),
        },
        error => error.into(),
    }
}

fn refused(reason: Refusal, name: &str, collection: &str, id: &str) -> ExtensionError {
    match reason {
        Refusal::NoCollection => ExtensionError::CollectionNotFound {
            extension: name.to_owned(),
            collection: collection.to_owned(),
        },
        Refusal::NotFound => missing(collection, id),
        Refusal::Exists => ExtensionError::DocumentExists {
            what: format!("a document `{id}`"),
        },
        Refusal::Unique { index } => ExtensionError::DocumentExists {
            what: format!("a document with the same values in the unique index of {index}"),
        },
        Refusal::Version { actual } => ExtensionError::DocumentVersion { id: id.to_owned(), actual },
        Refusal::Invalid { problems } => ExtensionError::DocumentInvalid { problems },
        Refusal::Denied { reason } => ExtensionError::DocumentInvalid {
            problems: vec![SchemaProblem {
                path: String::new(),
                message: reason.to_owned(),
            }],
        },
        Refusal::Quota { what } => ExtensionError::CollectionQuota {
            collection: collection.to_owned(),
            what,
        },
    }
}

/// In words, for the error.
pub(crate) fn describe(misfits: &Misfits) -> String {
    let Misfits {
        collection,
        count,
        first,
        reason,
    } = misfits;
    let more = if *count > first.len() as u64 { ", …" } else { "" };
    let named: Vec<String> = first.iter().map(|id| format!("`{id}`")).collect();
    let documents = if *count == 1 {
        "1 document does"
    } else {
        &format!("{count} documents do")
    };
    format!(
        "{documents} not fit ({}{more}): {reason} (collection `{collection}`)",
        named.join(", ")
    )
}
