use oriel_author::{AuthorError, BuildOptions, build, check};
use oriel_model::manifest::Language;
use oriel_model::{Coded as _, ErrorCode};

use super::host::Running;
use super::support::{built, edit, project, write};

#[tokio::test]
async fn a_new_project_builds_without_wasi_and_runs() {
    let (_temp, dir) = project("field-counter", Language::Rust);
    let report = built(&dir);
    assert_eq!(report.exports, ["oriel:extension/program@0.1.0"]);
    assert_eq!(report.imports, ["oriel:extension/log@0.1.0", "oriel:extension/types@0.1.0"]);
    assert!(!report.unchanged);
    let again = built(&dir);
    assert!(again.unchanged && again.digest == report.digest);
    let findings = check(&dir).expect("checkable").findings;
    assert_eq!(findings, []);
    let running = Running::new(&report);
    let answer = running.call("summarise", r#"{"b":{},"ä":9007199254740991,"a":[[]]}"#).await;
    assert_eq!(
        answer.replace(": ", ":").replace(", ", ","),
        r#"{"count":3,"fields":["a","b","ä"]}"#
    );
    assert_eq!(running.call("summarise", "{}").await, r#"{"count":0,"fields":[]}"#);
    assert_eq!(running.log(), ["Info summarised count=3", "Info summarised count=0"]);

    edit(&dir.join("src/lib.rs"), "input.keys()", "input.nonsense()");
    let error = build(&dir, &BuildOptions::default()).expect_err("a type error");
    assert!(matches!(error, AuthorError::Build { .. }));
    let text = error.to_string();
    assert!(
        text.contains("no method named `nonsense`") && text.contains("src/lib.rs:5"),
        "{text}"
    );
}

#[tokio::test]
async fn with_wasi_there_is_a_clock() {
    let (_temp, dir) = project("field-clock", Language::Rust);
    edit(
        &dir.join("extension.toml"),
        "language = \"rust\"",
        "language = \"rust\"\nwasi = true",
    );
    let source = dir.join("src/lib.rs");
    edit(
        &source,
        "\"count\": fields.len(),",
        "\"later\": std::time::SystemTime::now() > std::time::UNIX_EPOCH,",
    );
    let report = built(&dir);
    assert!(
        report.imports.iter().any(|name| name.starts_with("wasi:clocks/wall-clock@0.2")),
        "{:?}",
        report.imports
    );
    let answer = Running::new(&report).call("summarise", r#"{"a":1}"#).await;
    assert_eq!(answer, r#"{"fields":["a"],"later":true}"#);
}

#[tokio::test]
async fn a_command_of_the_author_builds() {
    let (_temp, made) = project("field-copy", Language::Rust);
    let component = built(&made).component;
    let dir = made.with_file_name("given");
    let manifest = std::fs::read_to_string(made.join("extension.toml")).expect("a manifest");
    let with = |command: &[&str]| {
        let build = format!("language = \"component\"\ncommand = {command:?}");
        write(&dir.join("extension.toml"), &manifest.replace("language = \"rust\"", &build));
    };
    with(&["cp", component.to_str().expect("text"), "build/field-copy.wasm"]);
    let report = built(&dir);
    assert!(!dir.join(".oriel/kit").exists());
    assert_eq!(Running::new(&report).call("summarise", "{}").await, r#"{"count":0,"fields":[]}"#);

    let check = |command: &[&str], code: ErrorCode, parts: &[&str]| {
        with(command);
        let error = build(&dir, &BuildOptions::default()).expect_err("it fails");
        assert_eq!(error.code(), code, "{error}");
        let text = error.to_string();
        assert!(parts.iter().all(|part| text.contains(part)), "{text}");
    };
    check(
        &["sh", "-c", "echo no luck >&2; exit 3"],
        ErrorCode::AuthorBuildFailed,
        &["sh failed", "no luck"],
    );
    check(&["no-such-tool-here"], ErrorCode::AuthorToolchainMissing, &["no-such-tool-here"]);
    check(&["./no/such/tool"], ErrorCode::AuthorBuildFailed, &["could not be started"]);
    check(
        &["sh", "-c", "echo x > build/field-copy.wasm"],
        ErrorCode::ComponentInvalid,
        &["start like WebAssembly"],
    );
    check(
        &["rm", "build/field-copy.wasm"],
        ErrorCode::ComponentInvalid,
        &["`rm` ended well but"],
    );
    check(&[], ErrorCode::ManifestInvalid, &["names no program"]);
}
