//! Rules about single source files.

use crate::workspace::SourceFile;

/// Past this many lines a file is listed.
const COMFORTABLE: usize = 500;
/// Past this many lines it is refused.
const TOO_LONG: usize = 1_000;

/// Where machine paths of somebody's checkout begin. Split so that this file does not hold what it looks for.
const MACHINE_PATHS: &[&str] = &[concat!("/wo", "rk/"), concat!("/ro", "ot/"), concat!("/ho", "me/")];

/// Files in which a machine path is the subject: what an attacker's archive or a guest might ask for.
const MAY_NAME_MACHINE_PATHS: &[&str] = &["tests/", "/tests.rs"];

fn is_source(path: &str) -> bool {
    [".rs", ".py", ".js", ".mjs", ".ts", ".sh", ".sql", ".wit"]
        .iter()
        .any(|ending| path.ends_with(ending))
}

/// Files that we did not write: made by codegen, or taken over as they are.
fn is_foreign(file: &SourceFile) -> bool {
    file.path.contains("/deps/") || file.text.lines().take(3).any(|line| line.contains(concat!("@gene", "rated")))
}

/// Files past the comfortable length, with their lines.
pub(super) fn long_files(files: &[SourceFile]) -> Vec<(&str, usize)> {
    let sources = files.iter().filter(|file| is_source(&file.path) && !is_foreign(file));
    sources
        .map(|file| (file.path.as_str(), file.text.lines().count()))
        .filter(|(_, lines)| *lines > COMFORTABLE)
        .collect()
}

/// The problems of all files.
pub(super) fn check(files: &[SourceFile]) -> Vec<String> {
    let mut problems: Vec<String> = long_files(files)
        .into_iter()
        .filter(|(_, lines)| *lines > TOO_LONG)
        .map(|(path, lines)| format!("{path} has {lines} lines; {TOO_LONG} is the most: cut it at its seam"))
        .collect();
    for file in files {
        let path = &file.path;
        // What `oriel new` lays out is the author's to describe.
        if path.ends_with("/lib.rs") && !path.contains("/templates/") && !file.text.starts_with("//!") {
            problems.push(format!(
                "{path} does not open with `//!`: say what the crate is for, what it is not, where to start"
            ));
        }
        if path.ends_with("/mod.rs") {
            problems.push(format!(
                "{path}: a module's file lies beside its directory, as {}.rs",
                path.trim_end_matches("/mod.rs")
            ));
        }
        for (number, line) in (1..).zip(file.text.lines()) {
            if path.ends_with(".rs") && line.trim_start().starts_with(concat!("#[", "ignore")) {
                problems.push(format!("{path}:{number}: a test runs or does not exist: no ignored tests"));
            }
            let named = MACHINE_PATHS.iter().find(|machine| names_path(line, machine));
            if let Some(machine) = named.filter(|_| !MAY_NAME_MACHINE_PATHS.iter().any(|allowed| path.contains(allowed))) {
                problems.push(format!("{path}:{number}: `{machine}` is a path of one machine"));
            }
        }
    }
    problems
}

/// Whether `line` holds the absolute path `machine`, not merely a longer path with such a part inside.
fn names_path(line: &str, machine: &str) -> bool {
    let inside = |c: char| c.is_alphanumeric() || "._-~}/*".contains(c);
    line.match_indices(machine).any(|(at, _)| !line[..at].ends_with(inside))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(path: &str, text: &str) -> Vec<String> {
        check(&[SourceFile {
            path: path.to_owned(),
            text: text.to_owned(),
        }])
    }

    #[test]
    fn length_is_listed_and_then_refused() {
        let file = |lines: usize, first: &str| SourceFile {
            path: "a.rs".to_owned(),
            text: format!("{first}\n{}", "x\n".repeat(lines - 1)),
        };
        assert!(long_files(&[file(500, "x")]).is_empty());
        assert_eq!(long_files(&[file(501, "x")]), [("a.rs", 501)]);
        assert_eq!(check(&[file(1_000, "x")]), [""; 0]);
        assert!(check(&[file(1_001, "x")])[0].contains("1001 lines"));
        assert_eq!(check(&[file(1_001, concat!("// @gene", "rated by codegen"))]), [""; 0]);
    }

    #[test]
    fn bad_files_are_refused() {
        for (path, text, told) in [
            ("crates/a/src/lib.rs", "mod b;", "does not open with `//!`"),
            ("crates/a/src/b/mod.rs", "", "crates/a/src/b.rs"),
            ("crates/a/src/b.rs", concat!("    #[", "ignore]\nfn a() {}"), "no ignored tests"),
            ("docs/a.md", concat!("run it in /wo", "rk/main"), "a path of one machine"),
            ("a.toml", concat!("path = \"/ro", "ot/a\""), "a path of one machine"),
        ] {
            let found = problems(path, text);
            assert!(found.len() == 1 && found[0].contains(told), "{path}: {found:?}");
        }
    }

    #[test]
    fn good_files_pass() {
        for (path, text) in [
            ("crates/a/src/lib.rs", "//! What it is for."),
            ("docs/a.md", concat!("see shared/wo", "rk/main and https://example.com/wo", "rk/")),
            ("crates/a/tests/suite.rs", concat!("unpack(\"/ro", "ot/x\")")),
        ] {
            assert_eq!(problems(path, text), [""; 0], "{path}");
        }
    }
}
