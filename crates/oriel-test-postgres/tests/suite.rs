//! The server is real, its databases are apart, and nothing of it outlives its owner.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::os::unix::fs::MetadataExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use oriel_test_postgres::{Error, Options, Postgres};

#[test]
fn databases_are_apart_and_nothing_remains() {
    let server = Postgres::start().unwrap();
    let (first, second) = (server.create_database().unwrap(), server.create_database().unwrap());
    assert_ne!(first, second);
    server
        .execute("test_0", "CREATE TABLE t (n int); INSERT INTO t VALUES (7)")
        .unwrap();
    assert_eq!(server.execute("test_0", "SELECT n FROM t").unwrap(), "7");
    assert!(matches!(server.execute("test_1", "SELECT n FROM t"), Err(Error::Failed { log, .. }) if log.contains("does not exist")));
    assert_eq!(server.execute("postgres", "SHOW fsync").unwrap(), "off");

    let directory = server.execute("postgres", "SHOW unix_socket_directories").unwrap();
    assert!(
        server.url().ends_with(&directory.replace('/', "%2F")),
        "{} in {directory}",
        server.url()
    );
    let pid = std::fs::read_to_string(format!("{directory}/data/postmaster.pid")).unwrap();
    drop(server);
    assert!(!std::path::Path::new(&directory).exists());
    let pid = pid.lines().next().unwrap();
    assert!(!std::path::Path::new(&format!("/proc/{pid}")).exists(), "server {pid} still runs");
}

#[test]
fn options_reach_the_server_and_bad_ones_are_told() {
    let durable = Options {
        fsync: true,
        settings: vec!["max_connections=7".into()],
    };
    let server = Postgres::start_with(&durable).unwrap();
    assert_eq!(server.execute("postgres", "SHOW fsync").unwrap(), "on");
    assert_eq!(server.execute("postgres", "SHOW max_connections").unwrap(), "7");

    let wrong = Options {
        settings: vec!["no_such_setting=1".into()],
        ..Options::default()
    };
    let error = Postgres::start_with(&wrong).unwrap_err().to_string();
    assert!(error.contains("no_such_setting"), "{error}");
}

#[test]
fn a_shared_server_is_one_server() {
    assert_eq!(Postgres::shared().url(), Postgres::shared().url());
}

/// What the supervisor does when nobody reads its answer any more, as after `kill -9` of the tests while they start.
#[test]
fn a_server_whose_owner_died_while_it_started_goes_too() {
    let root = Postgres::start().unwrap();
    let bin = root
        .execute("postgres", "SELECT setting FROM pg_config WHERE name = 'BINDIR'")
        .unwrap();
    let parent = tempfile::tempdir().unwrap();
    let mut shell = Command::new("sh");
    shell.args(["-c", include_str!("../src/supervise.sh"), "supervise"]);
    shell.arg(bin).arg(parent.path()).arg("").current_dir("/");
    shell.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut shell = as_the_owner_of(&root, shell, parent.path()).spawn().unwrap();
    drop((shell.stdin.take(), shell.stdout.take()));
    assert!(shell.wait().unwrap().code().is_some(), "it ends by itself, not by a signal");
    assert_eq!(std::fs::read_dir(parent.path()).unwrap().count(), 0, "its directory is gone");
}

/// PostgreSQL does not run as root: runs `command` as whoever runs `server`, and gives that user `directory`.
fn as_the_owner_of(server: &Postgres, mut command: Command, directory: &Path) -> Command {
    let data = server.execute("postgres", "SHOW data_directory").unwrap();
    let owner = std::fs::metadata(data).unwrap();
    std::os::unix::fs::chown(directory, Some(owner.uid()), Some(owner.gid())).unwrap();
    if owner.uid() != std::fs::metadata("/proc/self").unwrap().uid() {
        command.uid(owner.uid()).gid(owner.gid());
    }
    command
}
