//! What a confined process can and cannot do. Each probe runs in a process of its own: this binary, started again for one test.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::print_stderr, reason = "tests may")]

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::unix::net::{UnixListener, UnixStream};
use std::process::{Command, Output, Stdio};

use oriel_confine::Confinement;

/// Tells the process that it is the one to be confined: which probe, and what it needs to know.
const PROBE: &str = "CONFINE_PROBE";
/// The answer of a probe, on a line of its own among what the test harness prints.
const ANSWER: &str = "answer: ";

const CONFINEMENT: Confinement = Confinement {
    memory: 256 << 20,
    descriptors: 32,
};

/// Runs one probe in a confined process.
fn run(probe: &str, argument: &str, input: &str) -> Output {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "confined", "--nocapture", "--test-threads=1"])
        .env(PROBE, format!("{probe} {argument}"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

/// What a probe answered.
fn answer(probe: &str, argument: &str) -> String {
    let output = run(probe, argument, "hello");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let found = text
        .lines()
        .find_map(|line| line.split_once(ANSWER))
        .map(|(_, answer)| answer.to_owned());
    found.unwrap_or_else(|| panic!("{probe}: no answer: {text}\n{}", String::from_utf8_lossy(&output.stderr)))
}

fn kind<T>(result: std::io::Result<T>) -> String {
    result.map_or_else(|error| format!("{:?}", error.kind()), |_| "done".to_owned())
}

/// The process that is confined. Without a probe to run it is a test that has nothing to do.
#[test]
fn confined() {
    let Ok(probe) = std::env::var(PROBE) else { return };
    let (name, argument) = probe.split_once(' ').unwrap();
    let _ = CONFINEMENT.enter().unwrap();
    let answer = match name {
        "read" => kind(std::fs::read(argument)),
        "write" => kind(std::fs::write(argument, "x")),
        "list" => kind(std::fs::read_dir(argument)),
        "delete" => kind(std::fs::remove_file(argument)),
        "about" => kind(std::fs::metadata(argument)),
        "tcp" => kind(TcpStream::connect(argument)),
        "listen" => kind(TcpListener::bind(argument)),
        "udp" => kind(UdpSocket::bind(argument)),
        "unix" => kind(UnixStream::connect(argument)),
        "start" => kind(Command::new(argument).status()),
        "signal" => {
            let parent = rustix::process::Pid::from_raw(argument.parse().unwrap()).unwrap();
            kind(rustix::process::test_kill_process(parent).map_err(Into::into))
        }
        "limit" => {
            let more = rustix::process::Rlimit {
                current: Some(1 << 20),
                maximum: Some(1 << 20),
            };
            kind(rustix::process::setrlimit(rustix::process::Resource::Nofile, more).map_err(Into::into))
        }
        "memory" => {
            let mut vec: Vec<u8> = Vec::new();
            let reserved = vec.try_reserve_exact(argument.parse().unwrap());
            if reserved.is_ok() { "done" } else { "OutOfMemory" }.to_owned()
        }
        "compute" => {
            // What is left: threads, clocks, randomness, descriptors that are open.
            let sum: u64 = (0..4)
                .map(|n| std::thread::spawn(move || n * 10))
                .map(|thread| thread.join().unwrap())
                .sum();
            let mut input = String::new();
            std::io::stdin().read_to_string(&mut input).unwrap();
            std::thread::sleep(std::time::Duration::from_millis(1));
            let _ = (std::time::SystemTime::now(), std::time::Instant::now());
            // Each map is seeded with random bytes.
            let map = std::collections::HashMap::from([(sum, input)]);
            let caught = std::panic::catch_unwind(|| std::hint::black_box(&[1, 2][..])[std::hint::black_box(2)]).is_err();
            format!("{:?} {caught}", map.get(&60))
        }
        other => panic!("no probe is called {other}"),
    };
    println!("\n{ANSWER}{answer}");
}

#[test]
fn files_are_out_of_reach() {
    let directory = std::env::temp_dir().join(format!("confine-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    let file = directory.join("file");
    std::fs::write(&file, "secret").unwrap();
    let file = file.to_str().unwrap();
    for probe in ["read", "write", "delete", "about"] {
        assert_eq!(answer(probe, file), "PermissionDenied", "{probe}");
    }
    for path in ["/proc/self/environ", "/proc/self/mem", "/dev/urandom", "/etc/passwd", "."] {
        assert_eq!(answer("read", path), "PermissionDenied", "{path}");
    }
    assert_eq!(answer("list", "/"), "PermissionDenied");
    assert_eq!(std::fs::read_to_string(file).unwrap(), "secret");
    std::fs::remove_dir_all(&directory).unwrap();
}

#[test]
fn the_network_is_out_of_reach() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    assert!(TcpStream::connect(&address).is_ok(), "the listener is there");
    assert_eq!(answer("tcp", &address), "PermissionDenied");
    assert_eq!(answer("listen", "127.0.0.1:0"), "PermissionDenied");
    assert_eq!(answer("udp", "127.0.0.1:0"), "PermissionDenied");
    let path = std::env::temp_dir().join(format!("confine-{}.sock", std::process::id()));
    let _listener = UnixListener::bind(&path).unwrap();
    assert_eq!(answer("unix", path.to_str().unwrap()), "PermissionDenied");
    std::fs::remove_file(&path).unwrap();
}

#[test]
fn other_processes_are_out_of_reach() {
    assert_eq!(answer("start", "/bin/true"), "PermissionDenied");
    assert_eq!(answer("signal", &std::process::id().to_string()), "PermissionDenied");
}

#[test]
fn limits_hold_and_cannot_be_raised() {
    assert_eq!(answer("limit", ""), "PermissionDenied");
    assert_eq!(answer("memory", &(64 << 20).to_string()), "done");
    assert_eq!(answer("memory", &(512 << 20).to_string()), "OutOfMemory");
}

#[test]
fn computing_goes_on() {
    assert_eq!(answer("compute", ""), "Some(\"hello\") true");
}

/// A layer that is missing is told, so that nobody believes in what is not there.
#[test]
fn what_cannot_be_had_is_an_error() {
    let output = run("no-such-probe", "", "");
    assert!(!output.status.success());
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(text.contains("no probe is called"), "the process was confined and went on: {text}");
    assert_eq!(ErrorKind::PermissionDenied, std::io::Error::from_raw_os_error(1).kind());
}
