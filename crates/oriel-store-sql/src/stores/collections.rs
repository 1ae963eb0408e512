//! Collections: each scope is a database of its own, on SQLite a file and on PostgreSQL a schema.
//!
//! The statements are the same in both, with the name of the scope's schema in place of `{s}`. A document's indexed values are bytes
//! that sort as the values do (see `oriel_model::collection::key`), so what a guest asks for is never part of a statement.

mod plan;
mod shelf;
mod transaction;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use oriel_model::collection::{CollectionManifest, Document, DocumentOrder, Filter, Viewer};
use oriel_store::collections::rows::{self, Held};
use oriel_store::collections::{EXAMINED, MAX_EXAMINED, MAX_PAGE_BYTES, ORDERED, Place, page, unprepared};
use oriel_store::{
    CollectionPlan, CollectionScope, CollectionState, Collections, DocumentPage, DocumentQuery, DocumentWrites, Judge, Misfits, Refused,
    Result, StoreError, Written,
};

use self::plan::{Source, Walk};
use self::shelf::{Shelf, Shelves};
use self::transaction::Inside;
use crate::SqlOptions;
use crate::db::{Db, Row, params};

/// The port over a database.
pub(crate) struct SqlCollections {
    shelves: Shelves,
}

impl std::fmt::Debug for SqlCollections {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SqlCollections")
    }
}

impl SqlCollections {
    /// Scopes beside a database: in files below `directory`, or with it.
    pub(crate) fn new(db: &Db, directory: Option<PathBuf>, options: &SqlOptions) -> Self {
        Self {
            shelves: Shelves::new(db, directory, options),
        }
    }

    /// Closes what is open of its own.
    pub(crate) async fn close(&self) {
        self.shelves.close().await;
    }

    async fn shelf(&self, scope: &CollectionScope) -> Result<Arc<Shelf>> {
        self.shelves.open(scope, false).await?.ok_or_else(unprepared)
    }
}

const COLLECTION: &str = "SELECT number, manifest, declared, documents, bytes FROM {s}.collections";

fn held(row: &Row) -> Result<Held> {
    Ok(Held {
        number: row.int(0)?,
        manifest: row.json::<CollectionManifest>(1)?,
        declared: row.int(2)? != 0,
        documents: row.count(3)?,
        bytes: row.count(4)?,
    })
}

/// The columns `id, version, created_at, updated_at, body` from `first` on.
fn document(row: &Row, first: usize) -> Result<(Document, usize)> {
    let document = Document {
        id: row.text(first)?.to_owned(),
        version: row.count(first + 1)?,
        created_at: row.moment(first + 2)?,
        updated_at: row.moment(first + 3)?,
        body: row.json(first + 4)?,
    };
    Ok((document, row.text(first + 4)?.len()))
}

impl Shelf {
    async fn collection(&self, name: &str) -> Result<Held> {
        let one = self.sql(&format!("{COLLECTION} WHERE name = $1"));
        let row = self.db.row(one, params![name]).await?;
        held(&row.ok_or_else(unprepared)?)
    }

    /// Calls `each` with the documents of a walk until it answers false.
    async fn walk(
        &self,
        held: &Held,
        walk: &Walk,
        start: Option<&Place>,
        most: usize,
        mut each: impl FnMut(Document, usize) -> bool,
    ) -> Result<()> {
        let (after, direction) = if walk.descending { ("<", "DESC") } else { (">", "ASC") };
        // What is before everything, in the direction of the walk.
        let edge = if walk.descending {
            (vec![0xff], "\u{7f}".to_owned())
        } else {
            (Vec::new(), String::new())
        };
        let (mut key, mut id) = match start {
            Some(place) if walk.ordered => ([walk.prefix(), &place.key].concat(), place.id.clone()),
            _ => edge,
        };
        let (mut examined, mut batch) = (0_usize, 32_usize);
        loop {
            let rows = match &walk.source {
                Source::Ids => {
                    let text = format!(
                        "SELECT id, version, created_at, updated_at, body FROM {{s}}.documents
                        WHERE collection = $1 AND id {after} $2 ORDER BY id {direction} LIMIT $3"
                    );
                    self.db.rows(self.sql(&text), params![held.number, id.as_str(), batch]).await?
                }
                Source::Index { number, low, high, .. } => {
                    let text = format!(
                        "SELECT d.id, d.version, d.created_at, d.updated_at, d.body, e.key
                        FROM {{s}}.entries e JOIN {{s}}.documents d ON d.collection = $1 AND d.id = e.id
                        WHERE e.index_number = $2 AND e.key >= $3 AND e.key < $4 AND (e.key, e.id) {after} ($5, $6)
                        ORDER BY e.key {direction}, e.id {direction} LIMIT $7"
                    );
                    let params = params![held.number, *number, low.clone(), high.clone(), key.clone(), id.as_str(), batch];
                    self.db.rows(self.sql(&text), params).await?
                }
            };
            for row in &rows {
                examined += 1;
                if examined > most {
                    return Err(StoreError::Quota { what: EXAMINED });
                }
                let (document, bytes) = document(row, 0)?;
                id.clone_from(&document.id);
                if matches!(walk.source, Source::Index { .. }) {
                    key = row.blob(5)?.to_vec();
                }
                if !each(document, bytes) {
                    return Ok(());
                }
            }
            if rows.len() < batch {
                return Ok(());
            }
            batch = (batch * 4).min(1_024);
        }
    }
}

/// The documents of a page while they are looked for: of all that are wanted the first ones, in order.
struct Gathered {
    found: BTreeMap<Place, (Document, usize)>,
    descending: bool,
    most: usize,
    /// Of all that was found.
    bytes: usize,
}

impl Gathered {
    fn add(&mut self, place: Place, document: Document, bytes: usize) {
        self.found.insert(place, (document, bytes));
        self.bytes += bytes;
        // What comes after the end of the page is not kept, but for one that tells that there is more.
        while let Some(last) = self.last()
            && self.found.len() > 1
            && (self.found.len() > self.most || self.bytes - last > MAX_PAGE_BYTES)
        {
            if self.descending {
                self.found.pop_first()
            } else {
                self.found.pop_last()
            };
            self.bytes -= last;
        }
    }

    /// The bytes of the last document.
    fn last(&self) -> Option<usize> {
        let last = if self.descending {
            self.found.first_key_value()
        } else {
            self.found.last_key_value()
        };
        last.map(|(_, (_, bytes))| *bytes)
    }

    fn in_order(self) -> Vec<(Place, Document, usize)> {
        let descending = self.descending;
        let mut all: Vec<_> = self
            .found
            .into_iter()
            .map(|(place, (document, bytes))| (place, document, bytes))
            .collect();
        if descending {
            all.reverse();
        }
        all
    }
}

#[async_trait]
impl Collections for SqlCollections {
    async fn prepare(
        &self,
        scope: &CollectionScope,
        plan: &CollectionPlan,
        judge: &dyn Judge,
        lenient: bool,
    ) -> Result<std::result::Result<(), Misfits>> {
        let shelf = self.shelves.open(scope, true).await?.ok_or_else(unprepared)?;
        let mut inside = Inside::begin(&shelf).await?;
        let (installation, digest) = (plan.installation.to_string(), plan.digest().to_string());
        let there = inside.plan().await?;
        if there.as_ref() == Some(&(installation.clone(), digest.clone())) {
            return Ok(Ok(()));
        }
        if there.is_some_and(|(of, _)| of != installation) {
            inside.empty().await?;
        }
        let done = rows::prepare(&mut inside, plan, judge, lenient).await?;
        if done.is_ok() {
            inside.set_plan(&installation, &digest).await?;
            inside.commit().await?;
        }
        Ok(done)
    }

    async fn states(&self, scope: &CollectionScope) -> Result<Vec<CollectionState>> {
        let Some(shelf) = self.shelves.open(scope, false).await? else {
            return Ok(Vec::new());
        };
        // Every name is greater than nothing: found by the index, in its order.
        let all = shelf.sql(&format!("{COLLECTION} WHERE name > $1 ORDER BY name"));
        let rows = shelf.db.rows(all, params![""]).await?;
        let state = |row| {
            let held = held(row)?;
            Ok(CollectionState {
                manifest: held.manifest,
                declared: held.declared,
                documents: held.documents,
                bytes: held.bytes,
            })
        };
        rows.iter().map(state).collect()
    }

    async fn get(&self, scope: &CollectionScope, collection: &str, id: &str, viewer: Option<Viewer<'_>>) -> Result<Option<Document>> {
        let shelf = self.shelf(scope).await?;
        let held = shelf.collection(collection).await?;
        let one = shelf.sql("SELECT id, version, created_at, updated_at, body FROM {s}.documents WHERE collection = $1 AND id = $2");
        let Some(row) = shelf.db.row(one, params![held.number, id]).await? else {
            return Ok(None);
        };
        let (document, _) = document(&row, 0)?;
        Ok(Some(document).filter(|document| viewer.is_none_or(|viewer| viewer.rule.may_read(viewer.user, &document.body))))
    }

    async fn query(&self, scope: &CollectionScope, query: DocumentQuery<'_>) -> Result<DocumentPage> {
        let start = query.start(scope)?;
        let shelf = self.shelf(scope).await?;
        let held = shelf.collection(query.collection).await?;
        if !query.is_ordered_by(&held) {
            return Err(StoreError::WrongForm { expected: ORDERED });
        }
        let walk = Walk::of(&held, &query);
        let mut gathered = Gathered {
            found: BTreeMap::new(),
            descending: query.order.descending,
            most: query.limit as usize + 1,
            bytes: 0,
        };
        let mut bytes_left = MAX_PAGE_BYTES;
        let each = |document: Document, bytes: usize| {
            let place = query.place(&document.id, &document.body);
            if query.wants(&document.id, &document.body) && query.is_after(&place, start.as_ref()) {
                // One more than fits tells that there is a next page.
                let fits = bytes <= bytes_left || gathered.found.is_empty();
                bytes_left = bytes_left.saturating_sub(bytes);
                gathered.add(place, document, bytes);
                return !walk.ordered || (fits && gathered.found.len() < gathered.most);
            }
            true
        };
        shelf.walk(&held, &walk, start.as_ref(), MAX_EXAMINED, each).await?;
        Ok(page(scope, &query, gathered.in_order()))
    }

    async fn count(&self, scope: &CollectionScope, collection: &str, filter: &Filter, viewer: Option<Viewer<'_>>) -> Result<u64> {
        let shelf = self.shelf(scope).await?;
        let held = shelf.collection(collection).await?;
        if filter.is_everything() && viewer.is_none() {
            return Ok(held.documents);
        }
        let order = DocumentOrder::default();
        let query = DocumentQuery {
            collection,
            filter,
            order: &order,
            limit: 1,
            cursor: None,
            viewer,
        };
        let mut count = 0;
        let each = |document: Document, _| {
            count += u64::from(query.wants(&document.id, &document.body));
            true
        };
        let walk = Walk::of(&held, &query);
        shelf.walk(&held, &walk, None, MAX_EXAMINED * 10, each).await?;
        Ok(count)
    }

    async fn write(&self, scope: &CollectionScope, writes: DocumentWrites<'_>) -> Result<std::result::Result<Vec<Written>, Refused>> {
        let shelf = self.shelf(scope).await?;
        let mut inside = Inside::begin(&shelf).await?;
        let there = inside.plan().await?;
        let expected = writes.plan.map(|plan| plan.to_string());
        match there {
            Some((_, plan)) if expected.is_none_or(|expected| expected == plan) => {}
            _ => return Err(unprepared()),
        }
        let done = rows::write(&mut inside, writes).await?;
        if done.is_ok() {
            inside.commit().await?;
        }
        Ok(done)
    }

    async fn forget(&self, scope: &CollectionScope) -> Result<()> {
        self.shelves.forget(scope).await
    }
}
