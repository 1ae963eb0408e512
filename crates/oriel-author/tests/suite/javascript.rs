use oriel_author::{AuthorError, BuildOptions, build, check};
use oriel_model::manifest::Language;

use super::host::Running;
use super::support::{built, edit, is_ours, project};

#[tokio::test]
async fn a_new_project_builds_without_wasi_and_runs() {
    let (_temp, dir) = project("field-counter", Language::Javascript);
    let report = built(&dir);
    assert!(report.imports.iter().all(|name| is_ours(name)), "{:?}", report.imports);
    assert!(report.exports.iter().any(|name| name == "oriel:extension/program@0.1.0"));
    assert!(built(&dir).unchanged);
    assert_eq!(check(&dir).expect("checkable").findings, []);
    let running = Running::new(&report);
    let answer = running.call("summarise", r#"{"b":{},"ä":9007199254740991,"a":[[]]}"#).await;
    assert_eq!(
        answer.replace(": ", ":").replace(", ", ","),
        r#"{"count":3,"fields":["a","b","ä"]}"#
    );
    assert_eq!(running.call("summarise", "{}").await, r#"{"count":0,"fields":[]}"#);
    assert_eq!(running.log(), ["Info summarised count=3", "Info summarised count=0"]);

    edit(&dir.join("src/main.js"), "return {", "return {{");
    let error = build(&dir, &BuildOptions::default()).expect_err("a syntax error");
    assert!(matches!(error, AuthorError::Build { .. }));
    let text = error.to_string();
    assert!(text.contains("src/main.js:6") && !text.contains("node:"), "{text}");
}

#[tokio::test]
async fn with_wasi_there_is_a_clock() {
    let (_temp, dir) = project("field-clock", Language::Javascript);
    edit(
        &dir.join("extension.toml"),
        "language = \"javascript\"",
        "language = \"javascript\"\nwasi = true",
    );
    edit(
        &dir.join("src/main.js"),
        "count: fields.length, fields }",
        "later: new Date() > new Date(0), fields }",
    );
    let report = built(&dir);
    assert!(
        report.imports.iter().any(|name| name.starts_with("wasi:clocks/wall-clock@0.2")),
        "{:?}",
        report.imports
    );
    let answer = Running::new(&report).call("summarise", r#"{"a":1}"#).await;
    assert_eq!(answer, r#"{"later":true,"fields":["a"]}"#);
}
