//! How documents are written and plans put in force, over the few row operations in which stores differ.

use async_trait::async_trait;
use oriel_model::collection::{self, CollectionIndex, CollectionManifest, Document, key, merge_patch};
use oriel_model::schema::SchemaProblem;
use serde_json::Value;

use super::{CollectionPlan, DocumentChange, DocumentWrites, Judge, MAX_NAMED, Misfits, Operation, Refusal, Refused, Written};
use crate::Result;

/// Documents that are read at once when all of a collection are looked at.
const BATCH: u32 = 256;

/// A collection inside a transaction.
#[derive(Debug, Clone, PartialEq)]
pub struct Held {
    /// The store's number for it.
    pub number: i64,
    /// As it was declared last.
    pub manifest: CollectionManifest,
    /// Whether the plan in force has it.
    pub declared: bool,
    /// Its documents.
    pub documents: u64,
    /// Their bytes.
    pub bytes: u64,
}

impl Held {
    /// The indexes that are kept, each with its number: those that are declared, and the owner's.
    #[must_use]
    pub fn indexes(&self) -> Vec<(i64, CollectionIndex)> {
        indexes(self.number, &self.manifest)
    }
}

/// The number of a collection's index of owners.
#[must_use]
pub const fn owners(collection: i64) -> i64 {
    collection * 64
}

/// The indexes of a collection with their numbers.
#[must_use]
pub fn indexes(collection: i64, manifest: &CollectionManifest) -> Vec<(i64, CollectionIndex)> {
    let owner = manifest.access.as_ref().map(|rule| {
        let index = CollectionIndex {
            fields: vec![rule.owner.clone()],
            unique: false,
        };
        (owners(collection), index)
    });
    let declared = manifest.indexes.iter().enumerate();
    let declared = declared.map(|(place, index)| (owners(collection) + 1 + place as i64, index.clone()));
    owner.into_iter().chain(declared).collect()
}

/// What an index holds of a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The index's number.
    pub index: i64,
    /// The values.
    pub key: Vec<u8>,
    /// What nobody else may have: the key, after the owner's where there is one.
    pub unique: Option<Vec<u8>>,
}

/// One transaction in one scope. Whoever holds it is alone.
#[async_trait]
pub trait Rows: Send {
    /// The collections of the scope.
    async fn collections(&mut self) -> Result<Vec<Held>>;
    /// Writes down a collection: one that is new gets its number now.
    async fn keep(&mut self, held: &mut Held, is_new: bool) -> Result<()>;
    /// One document and its bytes.
    async fn find(&mut self, collection: i64, id: &str) -> Result<Option<Document>>;
    /// Documents by id, from the one after `after` on.
    async fn after(&mut self, collection: i64, after: &str, limit: u32) -> Result<Vec<Document>>;
    /// Who has these values in a unique index.
    async fn holder(&mut self, index: i64, unique: &[u8]) -> Result<Option<String>>;
    /// Writes a document, new or not.
    async fn store(&mut self, collection: i64, document: &Document, text: String, is_new: bool) -> Result<()>;
    /// Removes a document.
    async fn remove(&mut self, collection: i64, id: &str) -> Result<()>;
    /// Adds what indexes hold of a document.
    async fn enter(&mut self, id: &str, entries: Vec<Entry>) -> Result<()>;
    /// Takes it out again.
    async fn strike(&mut self, id: &str, entries: Vec<Entry>) -> Result<()>;
    /// Empties all indexes of a collection.
    async fn clear(&mut self, collection: i64) -> Result<()>;
}

/// The entries of a document.
///
/// # Errors
/// Which field cannot be indexed.
pub fn entries(
    indexes: &[(i64, CollectionIndex)],
    manifest: &CollectionManifest,
    body: &Value,
) -> std::result::Result<Vec<Entry>, SchemaProblem> {
    let too_long = |field: &collection::FieldPath| SchemaProblem {
        path: field.to_string(),
        message: format!("an indexed text has at most {} bytes", key::MAX_INDEXED_TEXT),
    };
    let owner = match &manifest.access {
        Some(rule) => key::of_field(&rule.owner, body).map_err(too_long)?.0,
        None => Vec::new(),
    };
    let entry = |(number, index): &(i64, CollectionIndex)| {
        let key = key::of_index(index, body).map_err(too_long)?;
        let unique = (index.unique && key.whole).then(|| [owner.as_slice(), &key.bytes].concat());
        Ok(Entry {
            index: *number,
            key: key.bytes,
            unique,
        })
    };
    indexes.iter().map(entry).collect()
}

/// How many bytes a document counts.
#[must_use]
pub fn size(id: &str, text: &str) -> u64 {
    (id.len() + text.len()) as u64
}

/// Puts a plan in force. The transaction is to be undone when documents do not fit.
///
/// # Errors
/// When the store fails; inside, which documents do not fit.
pub async fn prepare(
    rows: &mut dyn Rows,
    plan: &CollectionPlan,
    judge: &dyn Judge,
    lenient: bool,
) -> Result<std::result::Result<(), Misfits>> {
    let there = rows.collections().await?;
    for manifest in &plan.collections {
        let Some(held) = there.iter().find(|held| held.manifest.name == manifest.name) else {
            let mut held = Held {
                number: 0,
                manifest: manifest.clone(),
                declared: true,
                documents: 0,
                bytes: 0,
            };
            rows.keep(&mut held, true).await?;
            continue;
        };
        let mut next = Held {
            manifest: manifest.clone(),
            declared: true,
            ..held.clone()
        };
        let indexed_otherwise = held.manifest.indexes != manifest.indexes || held.manifest.access != manifest.access;
        if (indexed_otherwise || held.manifest.schema != manifest.schema)
            && let Err(misfits) = look_through(rows, &next, judge, indexed_otherwise, lenient).await?
        {
            return Ok(Err(misfits));
        }
        if next != *held {
            rows.keep(&mut next, false).await?;
        }
    }
    for held in &there {
        if held.declared && !plan.collections.iter().any(|manifest| manifest.name == held.manifest.name) {
            let mut next = Held {
                declared: false,
                ..held.clone()
            };
            rows.keep(&mut next, false).await?;
        }
    }
    Ok(Ok(()))
}

/// Looks whether all documents of a collection fit, and fills its indexes anew.
async fn look_through(
    rows: &mut dyn Rows,
    next: &Held,
    judge: &dyn Judge,
    index: bool,
    lenient: bool,
) -> Result<std::result::Result<(), Misfits>> {
    let name = next.manifest.name.as_str();
    let indexes = next.indexes();
    let mut misfits = Misfits {
        collection: name.to_owned(),
        count: 0,
        first: Vec::new(),
        reason: String::new(),
    };
    if index {
        rows.clear(next.number).await?;
    }
    let mut after = String::new();
    loop {
        let documents = rows.after(next.number, &after, BATCH).await?;
        let Some(last) = documents.last() else { break };
        after.clone_from(&last.id);
        for document in documents {
            let entries = entries(&indexes, &next.manifest, &document.body);
            let mut wrong = match judge.judge(name, &document.body) {
                Ok(()) => None,
                Err(problems) => problems.into_iter().next(),
            };
            match entries {
                Err(problem) => wrong = wrong.or(Some(problem)),
                Ok(mut entries) if index => {
                    for entry in &mut entries {
                        let Some(unique) = &entry.unique else { continue };
                        if let Some(other) = rows.holder(entry.index, unique).await? {
                            let fields = indexes.iter().find(|(number, _)| *number == entry.index);
                            let fields = fields.map(|(_, index)| index.describe()).unwrap_or_default();
                            wrong = wrong.or_else(|| {
                                Some(SchemaProblem {
                                    path: String::new(),
                                    message: format!("it has the same values as `{other}` in the unique index of {fields}"),
                                })
                            });
                            entry.unique = None;
                        }
                    }
                    rows.enter(&document.id, entries).await?;
                }
                Ok(_) => {}
            }
            if let Some(problem) = wrong {
                if misfits.count == 0 {
                    let SchemaProblem { path, message } = problem;
                    misfits.reason = if path.is_empty() { message } else { format!("{path}: {message}") };
                }
                misfits.count += 1;
                if misfits.first.len() < MAX_NAMED {
                    misfits.first.push(document.id);
                }
            }
        }
    }
    Ok(if misfits.count == 0 || lenient { Ok(()) } else { Err(misfits) })
}

/// Carries out a transaction. It is to be undone when an operation is refused.
///
/// # Errors
/// When the store fails; inside, which operation was refused.
pub async fn write(rows: &mut dyn Rows, writes: DocumentWrites<'_>) -> Result<std::result::Result<Vec<Written>, Refused>> {
    let before = rows.collections().await?;
    let mut work = Work {
        held: before.clone(),
        judge: writes.judge,
        now: writes.now,
    };
    let mut written = Vec::with_capacity(writes.operations.len());
    for (number, operation) in writes.operations.into_iter().enumerate() {
        match work.carry_out(rows, operation).await? {
            Ok(done) => written.push(done),
            Err(reason) => return Ok(Err(Refused { operation: number, reason })),
        }
        if let Some(what) = work.over(&before, writes.quota) {
            let reason = Refusal::Quota { what };
            return Ok(Err(Refused { operation: number, reason }));
        }
    }
    for (held, before) in work.held.iter_mut().zip(&before) {
        if held != before {
            rows.keep(held, false).await?;
        }
    }
    Ok(Ok(written))
}

struct Work<'j> {
    held: Vec<Held>,
    judge: &'j dyn Judge,
    now: oriel_model::Timestamp,
}

type Answer<T> = Result<std::result::Result<T, Refusal>>;

/// How much of something a collection holds.
type Amount = fn(&Held) -> u64;

impl Work<'_> {
    /// The quota that is passed. What was too much before (a limit was lowered) may become less.
    fn over(&self, before: &[Held], quota: super::CollectionQuota) -> Option<&'static str> {
        let sum = |held: &[Held], of: Amount| held.iter().map(of).sum::<u64>();
        let documents: Amount = |held| held.documents;
        let bytes: Amount = |held| held.bytes;
        let grew = |of: Amount, most: u64| sum(&self.held, of) > most && sum(&self.held, of) > sum(before, of);
        if grew(documents, quota.documents) {
            return Some("collection_documents");
        }
        if grew(bytes, quota.bytes) {
            return Some("collection_bytes");
        }
        self.held.iter().zip(before).find_map(|(held, before)| {
            let manifest = &held.manifest;
            let above = |now: u64, was: u64, most: Option<u64>| most.is_some_and(|most| now > most) && now > was;
            if above(held.documents, before.documents, manifest.max_documents.map(u64::from)) {
                return Some("max_documents");
            }
            above(held.bytes, before.bytes, manifest.max_bytes.map(|size| size.0)).then_some("max_bytes")
        })
    }

    async fn carry_out(&mut self, rows: &mut dyn Rows, operation: Operation<'_>) -> Answer<Written> {
        let place = self
            .held
            .iter()
            .position(|held| held.declared && held.manifest.name.as_str() == operation.collection);
        let Some(place) = place else {
            return Ok(Err(Refusal::NoCollection));
        };
        let collection = self.held[place].number;
        let Operation { id, change, viewer, .. } = operation;
        let chosen = id.is_some();
        let present = match &id {
            Some(id) => rows.find(collection, id).await?,
            None => None,
        };
        let seen = present.filter(|document| viewer.is_none_or(|viewer| viewer.rule.may_read(viewer.user, &document.body)));
        if let Some(document) = &seen
            && !matches!(change, DocumentChange::Check { .. } | DocumentChange::Insert { .. })
            && viewer.is_some_and(|viewer| !viewer.rule.may_write(viewer.user, &document.body))
        {
            let reason = "the user may read this document and not change it";
            return Ok(Err(Refusal::Denied { reason }));
        }
        let expected = match &change {
            DocumentChange::Replace { expected, .. } | DocumentChange::Patch { expected, .. } | DocumentChange::Delete { expected } => {
                *expected
            }
            DocumentChange::Check { version } => *version,
            DocumentChange::Insert { .. } | DocumentChange::Put { .. } => None,
        };
        if let (Some(expected), Some(document)) = (expected, &seen)
            && expected != document.version
        {
            let actual = document.version;
            return Ok(Err(Refusal::Version { actual }));
        }
        match (change, seen) {
            (DocumentChange::Insert { .. } | DocumentChange::Check { version: None }, Some(_)) => Ok(Err(Refusal::Exists)),
            (DocumentChange::Check { version: None }, None) => Ok(Ok(Written {
                id: id.unwrap_or_default(),
                version: 0,
            })),
            (DocumentChange::Check { .. }, Some(document)) => Ok(Ok(Written {
                id: document.id,
                version: document.version,
            })),
            (DocumentChange::Insert { mut body } | DocumentChange::Put { mut body }, None) => {
                if let Some(viewer) = viewer {
                    // An id that is taken by a document which the user does not see would tell of it.
                    if chosen {
                        let reason = "a user cannot choose the id of a new document: leave it out";
                        return Ok(Err(Refusal::Denied { reason }));
                    }
                    if let Err(reason) = viewer.adopt(&mut body) {
                        return Ok(Err(Refusal::Denied { reason }));
                    }
                }
                let document = Document {
                    id: id.unwrap_or_else(|| collection::new_document_id(self.now)),
                    version: 1,
                    created_at: self.now,
                    updated_at: self.now,
                    body,
                };
                self.put(rows, place, None, document).await
            }
            (_, None) => Ok(Err(Refusal::NotFound)),
            (DocumentChange::Delete { .. }, Some(document)) => self.take_out(rows, place, document).await,
            (DocumentChange::Put { body } | DocumentChange::Replace { body, .. }, Some(before)) => {
                let next = Document { body, ..before.clone() };
                self.change(rows, place, viewer, before, next).await
            }
            (DocumentChange::Patch { patch, .. }, Some(before)) => {
                let mut next = before.clone();
                merge_patch(&mut next.body, patch);
                self.change(rows, place, viewer, before, next).await
            }
        }
    }

    async fn change(
        &mut self,
        rows: &mut dyn Rows,
        place: usize,
        viewer: Option<collection::Viewer<'_>>,
        before: Document,
        mut next: Document,
    ) -> Answer<Written> {
        if let Some(viewer) = viewer {
            // Who replaces a document need not repeat whose it is.
            if viewer.rule.owner.of(&next.body).is_none()
                && let Some(owner) = viewer.rule.owner.of(&before.body)
            {
                viewer.rule.owner.put(&mut next.body, owner.clone());
            }
            if let Err(reason) = viewer.check_change(&before.body, &next.body) {
                return Ok(Err(Refusal::Denied { reason }));
            }
        }
        next.version = before.version + 1;
        next.updated_at = self.now.max(before.updated_at);
        self.put(rows, place, Some(before), next).await
    }

    async fn put(&mut self, rows: &mut dyn Rows, place: usize, before: Option<Document>, next: Document) -> Answer<Written> {
        let held = &mut self.held[place];
        let name = held.manifest.name.as_str();
        let invalid = |problems| Ok(Err(Refusal::Invalid { problems }));
        if let Some(message) = collection::unfit(&next.body) {
            let path = String::new();
            return invalid(vec![SchemaProblem { path, message }]);
        }
        if let Err(problems) = self.judge.judge(name, &next.body) {
            return invalid(problems);
        }
        let indexes = held.indexes();
        let added = match entries(&indexes, &held.manifest, &next.body) {
            Ok(entries) => entries,
            Err(problem) => return invalid(vec![problem]),
        };
        let gone = before
            .as_ref()
            .and_then(|before| entries(&indexes, &held.manifest, &before.body).ok())
            .unwrap_or_default();
        for entry in &added {
            let Some(unique) = &entry.unique else { continue };
            if rows.holder(entry.index, unique).await?.is_some_and(|other| other != next.id) {
                let fields = indexes.iter().find(|(number, _)| *number == entry.index);
                let index = fields.map(|(_, index)| index.describe()).unwrap_or_default();
                return Ok(Err(Refusal::Unique { index }));
            }
        }
        let text = next.body.to_string();
        let bytes = size(&next.id, &text);
        match &before {
            Some(before) => held.bytes = (held.bytes + bytes).saturating_sub(size(&before.id, &before.body.to_string())),
            None => {
                held.documents += 1;
                held.bytes += bytes;
            }
        }
        rows.store(held.number, &next, text, before.is_none()).await?;
        let (stale, fresh) = (differing(&gone, &added), differing(&added, &gone));
        if !stale.is_empty() {
            rows.strike(&next.id, stale).await?;
        }
        if !fresh.is_empty() {
            rows.enter(&next.id, fresh).await?;
        }
        Ok(Ok(Written {
            id: next.id,
            version: next.version,
        }))
    }

    async fn take_out(&mut self, rows: &mut dyn Rows, place: usize, document: Document) -> Answer<Written> {
        let held = &mut self.held[place];
        let entries = entries(&held.indexes(), &held.manifest, &document.body).unwrap_or_default();
        rows.strike(&document.id, entries).await?;
        rows.remove(held.number, &document.id).await?;
        held.documents = held.documents.saturating_sub(1);
        held.bytes = held.bytes.saturating_sub(size(&document.id, &document.body.to_string()));
        Ok(Ok(Written {
            id: document.id,
            version: 0,
        }))
    }
}

/// The entries of the one that the other does not have.
fn differing(of: &[Entry], other: &[Entry]) -> Vec<Entry> {
    of.iter().filter(|entry| !other.contains(entry)).cloned().collect()
}
