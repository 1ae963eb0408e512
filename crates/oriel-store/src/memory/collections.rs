use std::collections::BTreeMap;

use async_trait::async_trait;
use oriel_model::Digest;
use oriel_model::collection::{Document, Filter, Viewer};
use oriel_model::id::InstallationId;

use crate::collections::rows::{self, Entry, Held, Rows};
use crate::collections::{
    CollectionPlan, CollectionScope, CollectionState, DocumentPage, DocumentQuery, DocumentWrites, Judge, Misfits, ORDERED, Refused,
    Written, page, unprepared,
};
use crate::{Collections, Result, StoreError};

/// All that one scope holds. A transaction works on a copy.
#[derive(Clone, Default)]
struct Shelf {
    installation: Option<InstallationId>,
    plan: Option<Digest>,
    collections: Vec<Held>,
    documents: BTreeMap<(i64, String), (Document, usize)>,
    unique: BTreeMap<(i64, Vec<u8>), String>,
}

/// Keeps no indexes: it looks at everything and sorts.
#[derive(Default)]
pub(super) struct MemoryCollections {
    /// A transaction keeps the lock from its beginning to its end.
    scopes: tokio::sync::Mutex<BTreeMap<CollectionScope, Shelf>>,
}

impl Shelf {
    fn collection(&self, name: &str) -> Option<&Held> {
        self.collections.iter().find(|held| held.manifest.name.as_str() == name)
    }

    fn of(&self, collection: i64) -> impl Iterator<Item = &(Document, usize)> {
        let range = (collection, String::new())..(collection + 1, String::new());
        self.documents.range(range).map(|(_, document)| document)
    }
}

#[async_trait]
impl Rows for Shelf {
    async fn collections(&mut self) -> Result<Vec<Held>> {
        Ok(self.collections.clone())
    }

    async fn keep(&mut self, held: &mut Held, is_new: bool) -> Result<()> {
        if is_new {
            held.number = self.collections.iter().map(|held| held.number).max().unwrap_or(0) + 1;
            self.collections.push(held.clone());
            self.collections.sort_by(|a, b| a.manifest.name.cmp(&b.manifest.name));
        } else if let Some(there) = self.collections.iter_mut().find(|there| there.number == held.number) {
            *there = held.clone();
        }
        Ok(())
    }

    async fn find(&mut self, collection: i64, id: &str) -> Result<Option<Document>> {
        let found = self.documents.get(&(collection, id.to_owned()));
        Ok(found.map(|(document, _)| document.clone()))
    }

    async fn after(&mut self, collection: i64, after: &str, limit: u32) -> Result<Vec<Document>> {
        let above = self.of(collection).filter(|(document, _)| document.id.as_str() > after);
        Ok(above.take(limit as usize).map(|(document, _)| document.clone()).collect())
    }

    async fn holder(&mut self, index: i64, unique: &[u8]) -> Result<Option<String>> {
        Ok(self.unique.get(&(index, unique.to_vec())).cloned())
    }

    async fn store(&mut self, collection: i64, document: &Document, text: String, _: bool) -> Result<()> {
        self.documents
            .insert((collection, document.id.clone()), (document.clone(), text.len()));
        Ok(())
    }

    async fn remove(&mut self, collection: i64, id: &str) -> Result<()> {
        self.documents.remove(&(collection, id.to_owned()));
        Ok(())
    }

    async fn enter(&mut self, id: &str, entries: Vec<Entry>) -> Result<()> {
        for entry in entries {
            if let Some(unique) = entry.unique {
                self.unique.insert((entry.index, unique), id.to_owned());
            }
        }
        Ok(())
    }

    async fn strike(&mut self, id: &str, entries: Vec<Entry>) -> Result<()> {
        for entry in entries {
            let place = entry.unique.map(|unique| (entry.index, unique));
            if let Some(place) = place
                && self.unique.get(&place).is_some_and(|holder| holder == id)
            {
                self.unique.remove(&place);
            }
        }
        Ok(())
    }

    async fn clear(&mut self, collection: i64) -> Result<()> {
        let numbers = rows::owners(collection)..rows::owners(collection + 1);
        self.unique.retain(|(index, _), _| !numbers.contains(index));
        Ok(())
    }
}

#[async_trait]
impl Collections for MemoryCollections {
    async fn prepare(
        &self,
        scope: &CollectionScope,
        plan: &CollectionPlan,
        judge: &dyn Judge,
        lenient: bool,
    ) -> Result<std::result::Result<(), Misfits>> {
        let mut scopes = self.scopes.lock().await;
        let mut shelf = scopes.get(scope).cloned().unwrap_or_default();
        if shelf.installation != Some(plan.installation) {
            shelf = Shelf::default();
        }
        if shelf.plan == Some(plan.digest()) {
            return Ok(Ok(()));
        }
        let done = rows::prepare(&mut shelf, plan, judge, lenient).await?;
        if done.is_ok() {
            shelf.installation = Some(plan.installation);
            shelf.plan = Some(plan.digest());
            scopes.insert(scope.clone(), shelf);
        }
        Ok(done)
    }

    async fn states(&self, scope: &CollectionScope) -> Result<Vec<CollectionState>> {
        let scopes = self.scopes.lock().await;
        let held = scopes.get(scope).into_iter().flat_map(|shelf| &shelf.collections);
        Ok(held
            .map(|held| CollectionState {
                manifest: held.manifest.clone(),
                declared: held.declared,
                documents: held.documents,
                bytes: held.bytes,
            })
            .collect())
    }

    async fn get(&self, scope: &CollectionScope, collection: &str, id: &str, viewer: Option<Viewer<'_>>) -> Result<Option<Document>> {
        let scopes = self.scopes.lock().await;
        let shelf = scopes.get(scope).ok_or_else(unprepared)?;
        let held = shelf.collection(collection).ok_or_else(unprepared)?;
        let found = shelf.documents.get(&(held.number, id.to_owned())).map(|(document, _)| document);
        let seen = found.filter(|document| viewer.is_none_or(|viewer| viewer.rule.may_read(viewer.user, &document.body)));
        Ok(seen.cloned())
    }

    async fn query(&self, scope: &CollectionScope, query: DocumentQuery<'_>) -> Result<DocumentPage> {
        let start = query.start(scope)?;
        let scopes = self.scopes.lock().await;
        let shelf = scopes.get(scope).ok_or_else(unprepared)?;
        let held = shelf.collection(query.collection).ok_or_else(unprepared)?;
        if !query.is_ordered_by(held) {
            return Err(StoreError::WrongForm { expected: ORDERED });
        }
        let mut wanted: Vec<_> = shelf
            .of(held.number)
            .filter(|(document, _)| query.wants(&document.id, &document.body))
            .map(|(document, bytes)| (query.place(&document.id, &document.body), document, *bytes))
            .filter(|(place, ..)| query.is_after(place, start.as_ref()))
            .collect();
        wanted.sort_by(|(a, ..), (b, ..)| if query.order.descending { b.cmp(a) } else { a.cmp(b) });
        let first = wanted.into_iter().take(query.limit as usize + 1);
        let documents = first.map(|(place, document, bytes)| (place, document.clone(), bytes)).collect();
        Ok(page(scope, &query, documents))
    }

    async fn count(&self, scope: &CollectionScope, collection: &str, filter: &Filter, viewer: Option<Viewer<'_>>) -> Result<u64> {
        let scopes = self.scopes.lock().await;
        let shelf = scopes.get(scope).ok_or_else(unprepared)?;
        let held = shelf.collection(collection).ok_or_else(unprepared)?;
        let counted = shelf.of(held.number).filter(|(document, _)| {
            let seen = viewer.is_none_or(|viewer| viewer.rule.may_read(viewer.user, &document.body));
            seen && filter.matches(&document.id, &document.body)
        });
        Ok(counted.count() as u64)
    }

    async fn write(&self, scope: &CollectionScope, writes: DocumentWrites<'_>) -> Result<std::result::Result<Vec<Written>, Refused>> {
        let mut scopes = self.scopes.lock().await;
        let shelf = scopes.get_mut(scope).ok_or_else(unprepared)?;
        if writes.plan.is_some() && writes.plan != shelf.plan {
            return Err(unprepared());
        }
        let mut copy = shelf.clone();
        let done = rows::write(&mut copy, writes).await?;
        if done.is_ok() {
            *shelf = copy;
        }
        Ok(done)
    }

    async fn forget(&self, scope: &CollectionScope) -> Result<()> {
        self.scopes.lock().await.remove(scope);
        Ok(())
    }
}
