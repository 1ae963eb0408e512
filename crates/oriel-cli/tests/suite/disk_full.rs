//! The disk of a real server runs full: what cannot be kept is refused whole, what needs no space goes on, and room is all
//! that it takes to go on as before.
//!
//! Each test runs itself once more where it may mount a small file system of its own; the mount ends with that process.

use std::io::{BufRead as _, BufReader, ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use reqwest::Method;
use serde_json::{Value, json};

use super::process::{Process, answer, echo};
use super::support::{Done, Home};

/// Set for the process that may mount.
const INSIDE: &str = "DISK_FULL_TEST_INSIDE";
/// Room for a database, a package or two and their compiled code.
const SIZE: &str = "size=32m";
/// More than the last page of a file can take, so that a full disk is noticed soon.
const LONG: usize = 2_000;

/// Ways to a place where file systems can be mounted: as anybody where the kernel allows it, as root, and through sudo.
const WAYS: [&[&str]; 3] = [
    &["unshare", "--user", "--mount", "--map-root-user"],
    &["unshare", "--mount"],
    &["sudo", "-n", "--preserve-env", "unshare", "--mount"],
];

/// Runs `scenario` where it may mount, in this test's process once more. Without any way there this is a failure: a test that
/// did nothing must not look like one that passed.
fn with_a_disk(test: &str, scenario: impl Future<Output = ()>) {
    if std::env::var_os(INSIDE).is_some() {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        return runtime.block_on(scenario);
    }
    // Built here, so that nothing in the build directory comes to belong to root.
    let _built = oriel_test_guests::component("echo");
    let probe = tempfile::tempdir().unwrap();
    let command = |way: &[&str]| {
        let mut command = Command::new(way[0]);
        command.args(&way[1..]).stdin(Stdio::null());
        command
    };
    let works = |way: &&&[&str]| {
        let mut mount = command(way);
        mount.args(["mount", "-t", "tmpfs", "tmpfs"]).arg(probe.path());
        mount.output().is_ok_and(|done| done.status.success())
    };
    let way = WAYS.iter().find(works).unwrap_or_else(|| {
        panic!(
            "a disk to be filled needs a mount: allow user namespaces (`unshare -Urm`), or run the tests as root or with passwordless sudo"
        )
    });
    let mut again = command(way);
    again.arg("env").arg(format!("{INSIDE}=1"));
    // sudo puts others in their place; the guests are looked for with these.
    for name in ["PATH", "HOME"] {
        again.args(std::env::var(name).ok().map(|value| format!("{name}={value}")));
    }
    again.arg(std::env::current_exe().unwrap());
    again.args(["--exact", test, "--nocapture", "--test-threads=1"]);
    let done = Done::of(again.output().unwrap());
    assert!(
        done.status == 0 && done.out.contains("1 passed"),
        "{way:?}: {}\n{}\n{}",
        done.status,
        done.out,
        done.err
    );
}

/// The data directory of a home as a small disk of its own.
struct Disk {
    data: PathBuf,
}

impl Disk {
    fn mount(home: &Home) -> Self {
        let data = home.path().join("data");
        std::fs::create_dir(&data).unwrap();
        let mount = Command::new("mount").args(["-t", "tmpfs", "-o", SIZE, "tmpfs"]).arg(&data).output();
        Done::of(mount.unwrap()).ok();
        Self { data }
    }

    fn ballast(&self) -> PathBuf {
        self.data.join("ballast")
    }

    /// Takes what is left of it, to the last byte; answers how much that was.
    fn fill(&self) -> usize {
        let mut file = std::fs::OpenOptions::new().create(true).append(true).open(self.ballast()).unwrap();
        let mut piece = vec![0u8; 1 << 16];
        let mut taken = 0;
        while !piece.is_empty() {
            match file.write(&piece) {
                Ok(written) => taken += written,
                Err(error) if error.kind() == ErrorKind::StorageFull => piece.truncate(piece.len() / 2),
                Err(error) => panic!("{error}"),
            }
        }
        taken
    }

    fn free(&self) {
        std::fs::remove_file(self.ballast()).unwrap();
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // So that the home can be removed; whoever still uses it keeps it until it ends.
        let _ = Command::new("umount").arg("--lazy").arg(&self.data).status();
    }
}

fn long(number: usize) -> Value {
    json!(format!("{number} {}", "x".repeat(LONG)))
}

/// Executes one and answers its id.
async fn one(server: &Process, number: usize) -> String {
    server.execute("echo", long(number)).await.ok()["id"].as_str().unwrap().to_owned()
}

/// Fills the disk and executes until nothing goes any more; answers the ids of those that went.
async fn until_full(disk: &Disk, server: &Process) -> Vec<String> {
    let mut kept = Vec::new();
    loop {
        let (taken, before) = (disk.fill(), kept.len());
        loop {
            let answer = server.execute("echo", long(kept.len())).await;
            if answer.status != 200 {
                answer.problem("store.full");
                break;
            }
            kept.push(answer.ok()["id"].as_str().unwrap().to_owned());
        }
        // A search brings to the database what the journal has. As long as the database finds room in its own files, the journal
        // gives some back, and the disk is not full for good.
        let searched = server.get("/executions").await;
        if searched.status != 200 {
            searched.problem("store.full");
            return kept;
        }
        if taken == 0 && before == kept.len() {
            return kept;
        }
    }
}

/// The ids of all executions, newest first.
async fn recorded(server: &Process) -> Vec<String> {
    let mut ids = Vec::new();
    let mut path = "/executions?limit=1000".to_owned();
    loop {
        let page = server.get(&path).await.ok();
        let items = page["items"].as_array().unwrap();
        ids.extend(items.iter().map(|item| item["id"].as_str().unwrap().to_owned()));
        let Some(cursor) = page["nextCursor"].as_str() else { return ids };
        path = format!("/executions?limit=1000&cursor={cursor}");
    }
}

/// Nothing but `kept` is recorded, and each of it once.
async fn check_records(server: &Process, kept: &[String]) {
    let mut found = recorded(server).await;
    found.sort_unstable();
    let mut kept = kept.to_vec();
    kept.sort_unstable();
    assert_eq!(found, kept);
}

/// The files below a directory.
fn files(directory: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    entries
        .flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] })
        .collect()
}

async fn start(home: &Home, env: &[(&str, &str)]) -> Process {
    let server = Process::start_with(home, env);
    server.install(echo("echo", "1.0.0", "disk", ""), "echo", &["echo"]).await;
    server
}

/// Everything that writes is refused, and what only reads goes on.
async fn check_full(server: &Process, disk: &Disk) {
    let items: Vec<Value> = (0..100).map(|at| json!({"id": at.to_string(), "input": long(at)})).collect();
    let batch = json!({"taskId": "echo", "items": items});
    let call = server.request(Method::POST, "/extensions/echo/programs/echo/call");
    let keyed = server.request(Method::POST, "/tasks/execute").header("idempotency-key", "full");
    let task = json!({"name": "second", "program": {"extension": "echo", "name": "upper"}});
    for request in [
        call.json(&json!({"input": long(0)})),
        keyed.json(&json!({"taskId": "echo", "input": long(0)})),
        server.request(Method::POST, "/tasks/batch/execute").json(&batch),
        server.request(Method::POST, "/tasks").json(&task),
        server
            .request(Method::POST, "/keys")
            .json(&json!({"name": "another", "role": "viewer"})),
        server.request(Method::POST, "/extensions/echo/disable"),
        server.upload("/extensions/echo/upgrade", echo("echo", "1.1.0", "disk", "")),
        server.upload("/extensions", echo("other", "1.0.0", "other", "")),
    ] {
        let refused = answer(request).await.unwrap();
        assert_eq!(refused.status, 507, "{refused:?}");
        refused.problem("store.full");
    }
    // An item of a stream that cannot be recorded is no success either.
    let line = format!("{}\n", json!({"id": "1", "input": long(0)}));
    let stream = server.request(Method::POST, "/tasks/stream/execute?taskId=echo");
    let stream = stream
        .header("content-type", "application/x-ndjson")
        .body(line)
        .send()
        .await
        .unwrap();
    let told = stream.text().await.unwrap();
    assert!(told.contains("store.full") && !told.contains("\"success\":true"), "{told}");

    // It lives and answers whatever it need not keep, so it is ready.
    let health = server.get("/health").await.ok();
    assert_eq!((&health["live"], &health["ready"]), (&json!(true), &json!(true)), "{health}");
    server.get("/me").await.ok();
    let shown = server.get("/extensions/echo").await.ok();
    assert_eq!((&shown["version"], &shown["state"]), (&json!("1.0.0"), &json!("enabled")));
    assert_eq!(server.get("/extensions").await.ok()["items"].as_array().unwrap().len(), 1);
    server.get("/tasks/second").await.problem("task.not_found");
    assert_eq!(server.get("/keys").await.ok()["items"].as_array().unwrap().len(), 1);
    let packages = files(&disk.data.join("packages"));
    assert_eq!(packages.len(), 1, "what was not installed leaves no file: {packages:?}");
}

#[test]
fn a_full_disk_refuses_what_it_cannot_keep_and_room_is_enough_to_go_on() {
    let scenario = async {
        for durability in ["normal", "full"] {
            let home = Home::new();
            let disk = Disk::mount(&home);
            let server = start(&home, &[("ORIEL_DURABILITY", durability)]).await;
            let mut kept = vec![one(&server, 0).await];
            // Twice: what the first time left behind must not break the second.
            for _ in 0..2 {
                kept.extend(until_full(&disk, &server).await);
                check_full(&server, &disk).await;
                disk.free();
                for number in 0..20 {
                    kept.push(one(&server, number).await);
                }
                check_records(&server, &kept).await;
            }

            // Whatever was refused can be done now.
            let other = server.upload("/extensions", echo("other", "1.0.0", "other", ""));
            assert_eq!(answer(other).await.unwrap().ok()["state"], "enabled");
            let upgrade = server.upload("/extensions/echo/upgrade", echo("echo", "1.1.0", "disk", ""));
            assert_eq!(answer(upgrade).await.unwrap().ok()["version"], "1.1.0");
            let keyed = server.request(Method::POST, "/tasks/execute").header("idempotency-key", "full");
            let keyed = answer(keyed.json(&json!({"taskId": "echo", "input": long(0)}))).await.unwrap().ok();
            kept.push(keyed["id"].as_str().unwrap().to_owned());
            assert_eq!(server.get("/audit/verify").await.ok()["intact"], true);
            server.terminate();
            assert_eq!(server.ended().await.code(), Some(0));
            let server = Process::start(&home);
            check_records(&server, &kept).await;
        }
    };
    with_a_disk(
        "suite::disk_full::a_full_disk_refuses_what_it_cannot_keep_and_room_is_enough_to_go_on",
        scenario,
    );
}

#[test]
fn a_server_that_dies_on_a_full_disk_has_all_that_it_answered() {
    let scenario = async {
        let home = Home::new();
        let disk = Disk::mount(&home);
        let server = start(&home, &[]).await;
        let mut kept = Vec::new();
        for number in 0..50 {
            kept.push(one(&server, number).await);
        }
        kept.extend(until_full(&disk, &server).await);
        server.kill();

        // It starts, or says in so many words why it does not.
        disk.fill();
        let mut again = home.command(&["serve", "--json", "--listen", "127.0.0.1:0", "--data-dir", "data"]);
        let mut child = again.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        if line.is_empty() {
            let done = Done::of(child.wait_with_output().unwrap());
            assert!(
                done.status != 0 && done.err.contains("\"store.full\""),
                "{}\n{}",
                done.status,
                done.err
            );
        } else {
            child.kill().unwrap();
            child.wait().unwrap();
        }

        disk.free();
        let server = Process::start(&home);
        check_records(&server, &kept).await;
        kept.push(one(&server, 0).await);
        check_records(&server, &kept).await;
        assert_eq!(server.get("/audit/verify").await.ok()["intact"], true);
    };
    with_a_disk(
        "suite::disk_full::a_server_that_dies_on_a_full_disk_has_all_that_it_answered",
        scenario,
    );
}

#[test]
fn calls_that_need_no_record_go_on_on_a_full_disk() {
    let scenario = async {
        let home = Home::new();
        let disk = Disk::mount(&home);
        let server = start(&home, &[("ORIEL_RECORDING", "false")]).await;
        disk.fill();
        for number in 0..100 {
            assert_eq!(server.execute("echo", long(number)).await.ok()["outputData"], long(number));
        }
    };
    with_a_disk("suite::disk_full::calls_that_need_no_record_go_on_on_a_full_disk", scenario);
}
