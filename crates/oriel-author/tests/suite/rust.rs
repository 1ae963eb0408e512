use oriel_author::{AuthorError, BuildOptions, build, check};
use oriel_model::manifest::Language;

use super::support::{built, edit, project};

#[test]
fn a_new_project_builds_without_wasi() {
    let (_temp, dir) = project(Language::Rust);
    let report = built(&dir);
    assert_eq!(report.exports, ["oriel:extension/program@0.1.0"]);
    assert_eq!(report.imports, ["oriel:extension/log@0.1.0", "oriel:extension/types@0.1.0"]);
    assert!(!report.unchanged);
    let again = built(&dir);
    assert!(again.unchanged && again.digest == report.digest);
    let findings = check(&dir).expect("checkable").findings;
    assert_eq!(findings, []);

    edit(&dir.join("src/lib.rs"), "input.keys()", "input.nonsense()");
    let error = build(&dir, &BuildOptions::default()).expect_err("a type error");
    assert!(matches!(error, AuthorError::Build { .. }));
    let text = error.to_string();
    assert!(
        text.contains("no method named `nonsense`") && text.contains("src/lib.rs:5"),
        "{text}"
    );
}
