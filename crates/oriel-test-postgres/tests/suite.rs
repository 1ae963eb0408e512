//! The server is real, its databases are apart, and nothing of it outlives its owner.

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
