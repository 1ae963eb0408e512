//! Decision records: numbered once each, well formed, and listed in their index.

use std::collections::BTreeMap;

use crate::workspace::SourceFile;

const DIRECTORY: &str = "docs/adr/";

/// The sections that each record has.
const SECTIONS: &[&str] = &["## Context", "## Choice", "## Rejected"];

/// The problems of `docs/adr/`.
pub(super) fn check(files: &[SourceFile]) -> Vec<String> {
    let mut problems = Vec::new();
    let mut numbers = BTreeMap::<&str, &str>::new();
    let index = files
        .iter()
        .find(|file| file.path == format!("{DIRECTORY}README.md"))
        .map_or("", |file| &file.text);
    for file in files {
        let Some(name) = file.path.strip_prefix(DIRECTORY).filter(|name| name.ends_with(".md")) else {
            continue;
        };
        if ["README.md", "template.md"].contains(&name) {
            continue;
        }
        let number = name.split('-').next().unwrap_or_default();
        if number.len() != 4 || !number.bytes().all(|byte| byte.is_ascii_digit()) {
            problems.push(format!("{}: a record is named NNNN-title.md", file.path));
            continue;
        }
        if let Some(other) = numbers.insert(number, name) {
            problems.push(format!("{}: {other} has the number {number} already", file.path));
        }
        if !index.contains(&format!("({name})")) {
            problems.push(format!("{}: {DIRECTORY}README.md does not link to it", file.path));
        }
        if !file.text.starts_with(&format!("# {number}. ")) {
            problems.push(format!("{}: its title starts with `# {number}. `", file.path));
        }
        for section in SECTIONS {
            if !file.text.lines().any(|line| line == *section) {
                problems.push(format!("{}: the section `{section}` is missing", file.path));
            }
        }
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "# 0001. A title\n\n## Context\n\n## Choice\n\n## Rejected\n";

    fn problems(files: &[(&str, &str)]) -> Vec<String> {
        let file = |(name, text): &(&str, &str)| SourceFile {
            path: format!("docs/adr/{name}"),
            text: (*text).to_owned(),
        };
        check(&files.iter().map(file).collect::<Vec<_>>())
    }

    #[test]
    fn a_good_record_passes() {
        assert_eq!(
            problems(&[("README.md", "[one](0001-one.md)"), ("0001-one.md", GOOD), ("template.md", "")]),
            [""; 0]
        );
    }

    #[test]
    fn bad_records_are_refused() {
        let both = "[one](0001-one.md) [two](0001-two.md)";
        for (files, told) in [
            (
                &[("README.md", both), ("0001-one.md", GOOD), ("0001-two.md", GOOD)][..],
                "has the number 0001 already",
            ),
            (&[("README.md", ""), ("0001-one.md", GOOD)], "does not link to it"),
            (&[("README.md", ""), ("one.md", GOOD)], "is named NNNN-title.md"),
            (&[("README.md", both), ("0001-one.md", &GOOD[..40])], "`## Rejected` is missing"),
            (
                &[("README.md", both), ("0001-one.md", &GOOD.replace("0001", "0002"))],
                "starts with `# 0001. `",
            ),
        ] {
            let found = problems(files);
            assert!(found.len() == 1 && found[0].contains(told), "{files:?}: {found:?}");
        }
    }
}
