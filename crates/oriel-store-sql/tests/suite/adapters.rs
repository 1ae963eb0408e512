//! The suite that every adapter passes, over SQLite in a file and in memory, and over a real PostgreSQL.

use oriel_store::{Stores, memory};
use oriel_store_sql::{SqlOptions, SqlStores, open};

async fn stores(url: &str) -> Stores {
    let sql: SqlStores = open(url, SqlOptions::default()).await.unwrap();
    sql.stores(memory::stores().blobs)
}

mod sqlite {
    async fn make() -> (tempfile::TempDir, oriel_store::Stores) {
        let directory = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", directory.path().join("oriel.db").display());
        (directory, super::stores(&url).await)
    }
    oriel_store::conformance!(make);
}

mod sqlite_in_memory {
    async fn make() -> ((), oriel_store::Stores) {
        ((), super::stores("sqlite::memory:").await)
    }
    oriel_store::conformance!(make);
}

mod postgres {
    use oriel_test_postgres::Postgres;

    async fn make() -> ((), oriel_store::Stores) {
        let url = Postgres::shared().create_database().unwrap();
        ((), super::stores(&url).await)
    }
    oriel_store::conformance!(make);
}
