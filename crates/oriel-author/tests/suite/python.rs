use oriel_author::{AuthorError, BuildOptions, build, check};
use oriel_model::manifest::Language;

use super::support::{built, edit, project};

#[test]
fn a_new_project_builds_without_wasi() {
    let (_temp, dir) = project(Language::Python);
    let report = built(&dir);
    assert!(
        report.imports.iter().all(|name| name.starts_with("oriel:extension/")),
        "{:?}",
        report.imports
    );
    assert!(report.exports.iter().any(|name| name == "oriel:extension/program@0.1.0"));
    assert!(built(&dir).unchanged);
    assert_eq!(check(&dir).expect("checkable").findings, []);

    edit(&dir.join("main.py"), "return {", "return }");
    let error = build(&dir, &BuildOptions::default()).expect_err("a syntax error");
    assert!(matches!(error, AuthorError::Build { .. }));
    let text = error.to_string();
    assert!(
        text.contains("main.py\", line 8") && text.contains("SyntaxError") && !text.contains("anyhow"),
        "{text}"
    );
}
