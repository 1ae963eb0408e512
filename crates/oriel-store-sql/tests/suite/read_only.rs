//! A directory or file that may not be written is told as such, by name.

use std::fs::{Permissions, set_permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use oriel_store::StoreError;
use oriel_store_sql::{SqlOptions, open};

/// The child: tries to open what it is told and says how that ended. Does nothing in an ordinary run.
#[tokio::test]
async fn child_that_opens() {
    if let Ok(url) = std::env::var("ORIEL_TEST_READ_ONLY_URL") {
        let refused = open(&url, SqlOptions::default()).await;
        assert!(matches!(refused, Err(StoreError::ReadOnly)), "{refused:?}");
        println!("refused as read-only");
    }
}

/// Root may write anywhere, so the child is nobody then; it runs a copy of this program where nobody may read it.
fn open_as_somebody_else(directory: &Path, database: &Path) {
    let program = directory.join("program");
    std::fs::copy(std::env::current_exe().unwrap(), &program).unwrap();
    let mut child = Command::new(program);
    child
        .args(["--exact", "suite::read_only::child_that_opens", "--nocapture"])
        .current_dir("/");
    child.env("ORIEL_TEST_READ_ONLY_URL", format!("sqlite:{}", database.display()));
    if std::fs::metadata("/proc/self").unwrap().uid() == 0 {
        child.uid(65_534).gid(65_534);
    }
    let output = child.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.contains("refused as read-only"), "{said}");
}

#[tokio::test]
async fn a_read_only_directory_or_file_is_told() {
    let directory = tempfile::tempdir().unwrap();
    set_permissions(directory.path(), Permissions::from_mode(0o755)).unwrap();
    let data = directory.path().join("data");
    std::fs::create_dir(&data).unwrap();
    let existing = data.join("existing.db");
    open(&format!("sqlite:{}", existing.display()), SqlOptions::default())
        .await
        .unwrap()
        .close()
        .await;
    set_permissions(&existing, Permissions::from_mode(0o444)).unwrap();
    set_permissions(&data, Permissions::from_mode(0o555)).unwrap();
    open_as_somebody_else(directory.path(), &data.join("new.db"));
    open_as_somebody_else(directory.path(), &existing);
    // So that the directory can be removed by whoever runs the tests.
    set_permissions(&data, Permissions::from_mode(0o755)).unwrap();
}
