use oriel_author::{AuthorError, BuildOptions, build, check};
use oriel_model::manifest::Language;

use super::host::Running;
use super::support::{built, edit, is_ours, project};

#[tokio::test]
async fn a_new_project_builds_without_wasi_and_runs() {
    let (_temp, dir) = project("field-counter", Language::Python);
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

    edit(&dir.join("main.py"), "return {", "return }");
    let error = build(&dir, &BuildOptions::default()).expect_err("a syntax error");
    assert!(matches!(error, AuthorError::Build { .. }));
    let text = error.to_string();
    assert!(
        text.starts_with("componentize-py failed\nTraceback")
            && text.contains("field-counter/main.py\", line 8")
            && text.contains("SyntaxError"),
        "{text}"
    );
    for noise in ["anyhow", "oriel_entry", "bin/componentize-py"] {
        assert!(!text.contains(noise), "{text}");
    }
}
