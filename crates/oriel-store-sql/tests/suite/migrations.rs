//! Migrations run once, also among nodes that start together, and never backwards.

use oriel_store::StoreError;
use oriel_store_sql::{SqlOptions, open};
use oriel_test_postgres::Postgres;
use sqlx::Connection;

async fn open_at_once(url: &str) {
    let nodes: Vec<_> = (0..8)
        .map(|_| {
            let url = url.to_owned();
            tokio::spawn(async move { open(&url, SqlOptions::default()).await })
        })
        .collect();
    for node in nodes {
        let stores = node.await.unwrap().unwrap();
        stores.ping().await.unwrap();
        stores.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn eight_nodes_start_together_on_sqlite() {
    let directory = tempfile::tempdir().unwrap();
    open_at_once(&format!("sqlite:{}", directory.path().join("oriel.db").display())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn eight_nodes_start_together_on_postgres() {
    open_at_once(&Postgres::shared().create_database().unwrap()).await;
}

async fn refused(url: &str) -> String {
    match open(url, SqlOptions::default()).await {
        Err(StoreError::Migration { what }) => what,
        other => panic!("{other:?}"),
    }
}

const NEWER: &str = "INSERT INTO oriel_migrations (version, name, checksum) VALUES (1000, 'from_the_future', 'sha256:00')";
const ALTERED: &str = "UPDATE oriel_migrations SET checksum = 'sha256:00' WHERE version = 1";

#[tokio::test]
async fn newer_and_altered_databases_are_refused_on_sqlite() {
    for (change, word) in [(NEWER, "from_the_future"), (ALTERED, "base")] {
        let directory = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", directory.path().join("oriel.db").display());
        open(&url, SqlOptions::default()).await.unwrap().close().await;
        let mut connection = sqlx::SqliteConnection::connect(&url).await.unwrap();
        sqlx::query(change).execute(&mut connection).await.unwrap();
        connection.close().await.unwrap();
        let what = refused(&url).await;
        assert!(what.contains(word), "{what}");
    }
}

#[tokio::test]
async fn newer_and_altered_databases_are_refused_on_postgres() {
    for (change, word) in [(NEWER, "from_the_future"), (ALTERED, "base")] {
        let url = Postgres::shared().create_database().unwrap();
        open(&url, SqlOptions::default()).await.unwrap().close().await;
        let mut connection = sqlx::PgConnection::connect(&url).await.unwrap();
        sqlx::query(change).execute(&mut connection).await.unwrap();
        connection.close().await.unwrap();
        let what = refused(&url).await;
        assert!(what.contains(word), "{what}");
    }
}

#[tokio::test]
async fn other_urls_are_refused_without_repeating_them() {
    for url in ["mysql://u:secret@h/d", "oriel.db", "", "postgres://u:secret@h:notaport/d"] {
        let error = open(url, SqlOptions::default()).await.unwrap_err();
        let source = std::error::Error::source(&error).unwrap().to_string();
        assert!(
            matches!(error, StoreError::Unavailable { .. }) && !source.contains("secret"),
            "{source}"
        );
    }
}
