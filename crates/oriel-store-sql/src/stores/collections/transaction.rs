//! One transaction in a scope. Transactions of one scope happen one after the other: on SQLite there is one writer, on PostgreSQL each
//! begins by locking the scope's row.

use async_trait::async_trait;
use oriel_model::collection::Document;
use oriel_store::Result;
use oriel_store::collections::rows::{Entry, Held, Rows, owners};

use super::shelf::Shelf;
use super::{COLLECTION, document, held};
use crate::db::{Db, Transaction, params};
use crate::error::corrupt;

pub(super) struct Inside<'s> {
    shelf: &'s Shelf,
    transaction: Transaction,
}

impl<'s> Inside<'s> {
    pub(super) async fn begin(shelf: &'s Shelf) -> Result<Self> {
        let transaction = shelf.db.begin().await?;
        let mut inside = Self { shelf, transaction };
        if matches!(shelf.db, Db::Postgres(_)) {
            let lock =
                shelf.sql("INSERT INTO {s}.scope (one, installation, plan) VALUES (1, '', '') ON CONFLICT (one) DO UPDATE SET one = 1");
            inside.transaction.execute(lock, params![]).await?;
        }
        Ok(inside)
    }

    /// The installation and the plan in force.
    pub(super) async fn plan(&mut self) -> Result<Option<(String, String)>> {
        let read = self.shelf.sql("SELECT installation, plan FROM {s}.scope WHERE one = 1");
        let Some(row) = self.transaction.row(read, params![]).await? else {
            return Ok(None);
        };
        let plan = (row.text(0)?.to_owned(), row.text(1)?.to_owned());
        Ok(Some(plan).filter(|(installation, _)| !installation.is_empty()))
    }

    pub(super) async fn set_plan(&mut self, installation: &str, plan: &str) -> Result<()> {
        let write = self.shelf.sql(
            "INSERT INTO {s}.scope (one, installation, plan) VALUES (1, $1, $2)
            ON CONFLICT (one) DO UPDATE SET installation = excluded.installation, plan = excluded.plan",
        );
        self.transaction.execute(write, params![installation, plan]).await.map(drop)
    }

    /// Drops what another installation left behind.
    pub(super) async fn empty(&mut self) -> Result<()> {
        // Numbers begin at 1.
        for (table, number) in [
            ("collections", "number"),
            ("documents", "collection"),
            ("entries", "index_number"),
            ("unique_keys", "index_number"),
        ] {
            let delete = self.shelf.sql(&format!("DELETE FROM {{s}}.{table} WHERE {number} > $1"));
            self.transaction.execute(delete, params![0_i64]).await?;
        }
        Ok(())
    }

    pub(super) async fn commit(self) -> Result<()> {
        self.transaction.commit().await
    }
}

#[async_trait]
impl Rows for Inside<'_> {
    async fn collections(&mut self) -> Result<Vec<Held>> {
        let all = self.shelf.sql(&format!("{COLLECTION} WHERE name > $1 ORDER BY name"));
        self.transaction.rows(all, params![""]).await?.iter().map(held).collect()
    }

    async fn keep(&mut self, held: &mut Held, is_new: bool) -> Result<()> {
        let manifest = serde_json::to_string(&held.manifest).map_err(corrupt)?;
        if is_new {
            let next = self.shelf.sql("SELECT coalesce(max(number), 0) + 1 FROM {s}.collections");
            let row = self.transaction.row(next, params![]).await?;
            held.number = row.map_or(Ok(1), |row| row.int(0))?;
        }
        let write = self.shelf.sql(
            "INSERT INTO {s}.collections (number, name, manifest, declared, documents, bytes) VALUES ($1, $2, $3, $4, $5, $6)
            ON CONFLICT (number) DO UPDATE SET manifest = excluded.manifest, declared = excluded.declared,
                documents = excluded.documents, bytes = excluded.bytes",
        );
        let name = held.manifest.name.as_str();
        let params = params![held.number, name, manifest, i64::from(held.declared), held.documents, held.bytes];
        self.transaction.execute(write, params).await.map(drop)
    }

    async fn find(&mut self, collection: i64, id: &str) -> Result<Option<Document>> {
        let one = "SELECT id, version, created_at, updated_at, body FROM {s}.documents WHERE collection = $1 AND id = $2";
        let row = self.transaction.row(self.shelf.sql(one), params![collection, id]).await?;
        row.map(|row| document(&row, 0).map(|(document, _)| document)).transpose()
    }

    async fn after(&mut self, collection: i64, after: &str, limit: u32) -> Result<Vec<Document>> {
        let some =
            "SELECT id, version, created_at, updated_at, body FROM {s}.documents WHERE collection = $1 AND id > $2 ORDER BY id LIMIT $3";
        let rows = self
            .transaction
            .rows(self.shelf.sql(some), params![collection, after, limit])
            .await?;
        rows.iter().map(|row| document(row, 0).map(|(document, _)| document)).collect()
    }

    async fn holder(&mut self, index: i64, unique: &[u8]) -> Result<Option<String>> {
        let one = self
            .shelf
            .sql("SELECT id FROM {s}.unique_keys WHERE index_number = $1 AND key = $2");
        let row = self.transaction.row(one, params![index, unique]).await?;
        row.map(|row| row.text(0).map(str::to_owned)).transpose()
    }

    async fn store(&mut self, collection: i64, document: &Document, text: String, is_new: bool) -> Result<()> {
        let write = if is_new {
            "INSERT INTO {s}.documents (collection, id, version, created_at, updated_at, body) VALUES ($1, $2, $3, $4, $5, $6)"
        } else {
            "UPDATE {s}.documents SET version = $3, created_at = $4, updated_at = $5, body = $6 WHERE collection = $1 AND id = $2"
        };
        let params = params![
            collection,
            document.id.as_str(),
            document.version,
            document.created_at,
            document.updated_at,
            text
        ];
        self.transaction.execute(self.shelf.sql(write), params).await.map(drop)
    }

    async fn remove(&mut self, collection: i64, id: &str) -> Result<()> {
        let delete = self.shelf.sql("DELETE FROM {s}.documents WHERE collection = $1 AND id = $2");
        self.transaction.execute(delete, params![collection, id]).await.map(drop)
    }

    async fn enter(&mut self, id: &str, entries: Vec<Entry>) -> Result<()> {
        for entry in entries {
            let insert = "INSERT INTO {s}.entries (index_number, key, id) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING";
            self.transaction
                .execute(self.shelf.sql(insert), params![entry.index, entry.key, id])
                .await?;
            if let Some(unique) = entry.unique {
                let insert = "INSERT INTO {s}.unique_keys (index_number, key, id) VALUES ($1, $2, $3)";
                self.transaction
                    .execute(self.shelf.sql(insert), params![entry.index, unique, id])
                    .await?;
            }
        }
        Ok(())
    }

    async fn strike(&mut self, id: &str, entries: Vec<Entry>) -> Result<()> {
        for entry in entries {
            let delete = "DELETE FROM {s}.entries WHERE index_number = $1 AND key = $2 AND id = $3";
            self.transaction
                .execute(self.shelf.sql(delete), params![entry.index, entry.key, id])
                .await?;
            if let Some(unique) = entry.unique {
                let delete = "DELETE FROM {s}.unique_keys WHERE index_number = $1 AND key = $2 AND id = $3";
                self.transaction
                    .execute(self.shelf.sql(delete), params![entry.index, unique, id])
                    .await?;
            }
        }
        Ok(())
    }

    async fn clear(&mut self, collection: i64) -> Result<()> {
        for table in ["entries", "unique_keys"] {
            let delete = self
                .shelf
                .sql(&format!("DELETE FROM {{s}}.{table} WHERE index_number >= $1 AND index_number < $2"));
            self.transaction
                .execute(delete, params![owners(collection), owners(collection + 1)])
                .await?;
        }
        Ok(())
    }
}
