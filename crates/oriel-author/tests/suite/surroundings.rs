//! What a program finds around it: time, chance, the log, and nothing of a system. `tests/asker/` evaluates what it is
//! asked, in each engine, with WASI and without.

use oriel_author::BuildReport;
use oriel_model::manifest::{Engine, Language};
use tempfile::TempDir;

use super::host::Running;
use super::support::{asker, built};

const NEEDS_WASI: &str = "needs WASI: set `wasi = true` under [build] in extension.toml and build again";

/// Asks each question. The answer must begin with what stands beside it, `…` standing for [`NEEDS_WASI`].
async fn check(running: &Running, cases: &[(&str, &str)]) {
    for (question, wanted) in cases {
        let wanted = wanted.replace('…', NEEDS_WASI);
        let answer = ask(running, question).await;
        assert!(answer.starts_with(&wanted), "{question}: {answer}");
    }
}

async fn ask(running: &Running, question: &str) -> String {
    let answer = running.call("ask", &format!("{question:?}")).await;
    // An answer is text in quotes, a failure is not.
    serde_json::from_str(&answer).unwrap_or(answer)
}

/// Each draws something else in each of two instances.
async fn differ(report: &BuildReport, draws: &[&str]) {
    let (one, other) = (Running::new(report), Running::new(report));
    for draw in draws {
        let (first, second) = (ask(&one, draw).await, ask(&other, draw).await);
        assert!(!first.contains("rror") && !first.starts_with("execution."), "{draw}: {first}");
        assert_ne!(first, second, "{draw} is the same in two instances");
        assert_ne!(first, ask(&one, draw).await, "{draw} is the same at the next call");
    }
}

#[tokio::test]
async fn python_without_wasi_says_what_it_lacks() {
    let (_temp, dir) = asker(Language::Python, Engine::default(), false);
    let running = Running::new(&built(&dir));
    check(
        &running,
        &[
            ("time.time()", "RuntimeError: time.time() …"),
            ("time.monotonic_ns()", "RuntimeError: time.monotonic_ns() …"),
            ("time.process_time()", "RuntimeError: time.process_time() …"),
            ("time.sleep(0)", "RuntimeError: time.sleep() …"),
            ("time.gmtime()", "RuntimeError: time.gmtime() …"),
            ("time.localtime(None)", "RuntimeError: time.localtime() …"),
            ("time.strftime('%Y')", "RuntimeError: time.strftime() …"),
            ("datetime.datetime.now()", "RuntimeError: datetime.now() …"),
            ("datetime.datetime.now(datetime.timezone.utc)", "RuntimeError: datetime.now() …"),
            ("datetime.datetime.utcnow()", "RuntimeError: datetime.utcnow() …"),
            ("datetime.datetime.today()", "RuntimeError: datetime.today() …"),
            ("datetime.date.today()", "RuntimeError: date.today() …"),
            ("random.random()", "RuntimeError: random.random() …"),
            ("random.Random()", "RuntimeError: random.Random() without a seed …"),
            ("random.SystemRandom().random()", "RuntimeError: os.urandom() …"),
            ("secrets.token_hex()", "RuntimeError: os.urandom() …"),
            ("uuid.uuid4()", "RuntimeError: os.urandom() …"),
            ("uuid.uuid1()", "RuntimeError: time.time_ns() …"),
            // What needs neither clock nor chance works.
            ("time.gmtime(0).tm_year", "1970"),
            ("time.strftime('%Y', time.gmtime(0))", "1970"),
            ("datetime.datetime.strptime('2020-02-29', '%Y-%m-%d').date()", "2020-02-29"),
            (
                "datetime.datetime.fromtimestamp(0, datetime.timezone.utc)",
                "1970-01-01 00:00:00+00:00",
            ),
            ("type(datetime.datetime(2020, 1, 1)) is datetime.datetime", "True"),
            ("datetime.date(2020, 1, 1) + datetime.timedelta(1)", "2020-01-02"),
            ("random.Random(7).random()", "0.32383276483316237"),
            ("uuid.uuid5(uuid.NAMESPACE_DNS, 'x')", "05b16a01-46c6-56dd-bd6e-c6dfb4a1427a"),
            // No system.
            ("dict(os.environ)", "{}"),
            ("sys.argv", "[]"),
            ("__import__('sqlite3')", "ModuleNotFoundError: No module named 'sqlite3'"),
            ("__import__('json.tool')", "ModuleNotFoundError: No module named 'json.tool'"),
        ],
    )
    .await;
    // What Python's own code in C asks for traps, and the trap says what it was.
    let trapped = "execution.trapped: the program crashed: it called `wasi:";
    for (question, import, cure) in [
        (
            "threading.Event().wait(0.001)",
            "clocks/monotonic-clock@0.2.0#now",
            "set `wasi = true` under",
        ),
        (
            "open('/etc/passwd')",
            "filesystem/preopens@0.2.0#get-directories",
            "no files and no sockets",
        ),
        (
            "pathlib.Path('/').exists()",
            "filesystem/preopens@0.2.0#get-directories",
            "no files and no sockets",
        ),
        ("sys.__stdin__.read()", "cli/stdin@0.2.0#get-stdin", "set `wasi = true` under"),
    ] {
        let answer = ask(&running, question).await;
        assert!(
            answer.starts_with(&format!("{trapped}{import}`, which it was built without: ")) && answer.contains(cure),
            "{question}: {answer}"
        );
    }
    running.log();
    assert_eq!(
        running.call("run", "\"import sqlite3\"").await,
        "execution.failed: ModuleNotFoundError: No module named 'sqlite3'; import it at the top of the module: the \
         component has what was imported while it was built"
    );
    assert_eq!(running.log().len(), 1);
    assert_eq!(
        running.call("run", "\"sys.exit(3)\"").await,
        "execution.failed: SystemExit: 3",
        "it is an error like any other"
    );
    assert_eq!(
        running.call("run", r#""print('a\\nb'); print('c', file=sys.stderr)""#).await,
        "null"
    );
    assert_eq!(running.log()[1..], ["Info a", "Info b", "Error c"]);
    stumbles(&running).await;
}

#[tokio::test]
async fn python_with_wasi_has_time_and_chance_and_nothing_else() {
    let (_temp, dir) = asker(Language::Python, Engine::default(), true);
    let report = built(&dir);
    let running = Running::new(&report);
    check(
        &running,
        &[
            ("time.time() > 1.7e9", "True"),
            ("datetime.datetime.now().year >= 2024", "True"),
            ("datetime.date.today().year >= 2024", "True"),
            ("time.monotonic() >= 0", "True"),
            ("time.sleep(0.001)", "None"),
            ("threading.Event().wait(0.001)", "False"),
            ("datetime.datetime.strptime('2020-02-29', '%Y-%m-%d').date()", "2020-02-29"),
            ("'ü.example'.encode('idna')", "b'xn--tda.example'"),
            ("len(secrets.token_hex(4))", "8"),
            ("dict(os.environ)", "{}"),
            ("sys.argv", "[]"),
            ("open('/etc/passwd')", "FileNotFoundError: "),
            ("open('new', 'w')", "FileNotFoundError: "),
            ("pathlib.Path('/').exists()", "False"),
            ("sys.__stdin__.read() == ''", "True"),
            ("__import__('sqlite3')", "ModuleNotFoundError: No module named 'sqlite3'"),
            ("socket.create_connection(('1.1.1.1', 80), 0.1)", "gaierror: "),
            ("threading.Thread(target=print).start()", "RuntimeError: can't start new thread"),
        ],
    )
    .await;
    assert_eq!(
        running.call("run", r#""print('a\\nb'); print('c', file=sys.stderr)""#).await,
        "null"
    );
    assert_eq!(running.log(), ["Info a", "Info b", "Error c"]);
    differ(
        &report,
        &["random.random()", "random.Random().random()", "uuid.uuid4()", "os.urandom(8)"],
    )
    .await;
}

/// A traceback shows places, without a look for files of source.
async fn stumbles(running: &Running) {
    running.log();
    let traceback = running.call("stumble", "null").await;
    let log = running.log();
    assert_eq!(log.len(), 1);
    assert!(log[0].starts_with("Error stumbled logger=legs traceback=Traceback "), "{log:?}");
    for text in [&traceback, &log[0]] {
        assert!(
            text.contains("main.py") && text.contains("in stumble") && text.contains("KeyError: 'nothing'"),
            "{text}"
        );
    }
}

/// The same in both engines.
const JAVASCRIPT_WITHOUT_WASI: &[(&str, &str)] = &[
    ("Date.now()", "Error: Date.now() …"),
    ("new Date()", "Error: the current time …"),
    ("Date()", "Error: the current time …"),
    ("performance.now()", "Error: performance.now() …"),
    ("Math.random()", "Error: Math.random() …"),
    ("crypto.randomUUID()", "Error: crypto.randomUUID() …"),
    ("crypto.getRandomValues(new Uint8Array(4))", "Error: crypto.getRandomValues() …"),
    ("console.time('a'); console.timeEnd('a')", "Error: performance.now() …"),
    ("new Date(0).toISOString()", "1970-01-01T00:00:00.000Z"),
    ("new Date(2020, 1, 29).getTimezoneOffset()", "0"),
];

const JAVASCRIPT_WITH_WASI: &[(&str, &str)] = &[
    ("Date.now() > 1.7e12", "true"),
    ("new Date().getFullYear() >= 2024", "true"),
    ("performance.now() >= 0", "true"),
    ("performance.now() <= performance.now()", "true"),
    ("crypto.getRandomValues(new Uint8Array(4)).length", "4"),
    (
        "/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/.test(crypto.randomUUID())",
        "true",
    ),
    ("console.time('a'); console.timeEnd('a')", "undefined"),
];

/// With WASI and without.
const JAVASCRIPT: &[(&str, &str)] = &[
    ("typeof process", "undefined"),
    ("typeof require", "undefined"),
    ("typeof XMLHttpRequest", "undefined"),
    ("typeof Intl", "undefined"),
    (
        "fetch('https://api.example.com/')",
        "Error: fetch() does not exist in an extension: use `http.fetch` of @oriel/extension",
    ),
    (
        "setTimeout(() => 1, 0)",
        "Error: setTimeout() does not exist in an extension: a program answers in one turn",
    ),
    ("setInterval(() => 1, 0)", "Error: setInterval() does not exist in an extension"),
    ("new TextDecoder().decode(new TextEncoder().encode('ü'))", "ü"),
    ("btoa('x')", "eA=="),
];

async fn javascript(engine: Engine, wasi: bool) -> (TempDir, BuildReport) {
    let (temp, dir) = asker(Language::Javascript, engine, wasi);
    let report = built(&dir);
    let running = Running::new(&report);
    check(&running, if wasi { JAVASCRIPT_WITH_WASI } else { JAVASCRIPT_WITHOUT_WASI }).await;
    check(&running, JAVASCRIPT).await;
    running.log();
    let everything = "console.log('a', { b: [1] }); console.debug('d'); console.warn('w'); console.error('e'); \
                      console.table([1]); console.count(); console.count(); console.assert(true); console.assert(false, 'x')";
    check(&running, &[(everything, "undefined")]).await;
    assert_eq!(
        running.log(),
        [
            r#"Info a {"b":[1]}"#,
            "Debug d",
            "Warn w",
            "Error e",
            "Info [1]",
            "Info default: 1",
            "Info default: 2",
            "Error assertion failed x"
        ]
    );
    (temp, report)
}

#[tokio::test]
async fn quickjs_without_wasi_says_what_it_lacks() {
    javascript(Engine::Quickjs, false).await;
}

#[tokio::test]
async fn quickjs_with_wasi_has_time_and_chance_and_nothing_else() {
    let (_temp, report) = javascript(Engine::Quickjs, true).await;
    differ(&report, &["Math.random()", "crypto.randomUUID()"]).await;
    let spread = "Array.from({ length: 1000 }, Math.random).every((n) => n >= 0 && n < 1)";
    check(&Running::new(&report), &[(spread, "true")]).await;
}

#[tokio::test]
async fn starlingmonkey_without_wasi_says_what_it_lacks() {
    javascript(Engine::Starlingmonkey, false).await;
}

#[tokio::test]
async fn starlingmonkey_with_wasi_has_time_and_chance_and_nothing_else() {
    let (_temp, report) = javascript(Engine::Starlingmonkey, true).await;
    differ(&report, &["Math.random()", "crypto.randomUUID()"]).await;
}
