//! Links between pages: each relative link of a Markdown file leads to a file, and its fragment to a heading.

use std::collections::{BTreeMap, BTreeSet};

use crate::workspace::SourceFile;

/// The problems of all Markdown files. `exists` answers for paths relative to the root that are not among `files`
/// (directories, pictures).
pub(super) fn check(files: &[SourceFile], exists: &dyn Fn(&str) -> bool) -> Vec<String> {
    let pages: BTreeMap<&str, &SourceFile> = files.iter().map(|file| (file.path.as_str(), file)).collect();
    let mut problems = Vec::new();
    for page in files.iter().filter(|file| file.path.ends_with(".md")) {
        for (number, link) in links(&page.text) {
            let place = format!("{}:{number}", page.path);
            let (path, fragment) = link
                .split_once('#')
                .map_or((link.as_str(), None), |(path, fragment)| (path, Some(fragment)));
            let Some(target) = resolve(&page.path, path) else {
                problems.push(format!("{place}: the link {link} leads out of the repository"));
                continue;
            };
            match (pages.get(target.as_str()), fragment) {
                (None, _) if exists(&target) => {}
                (None, _) => problems.push(format!("{place}: the link {link} leads to nothing ({target})")),
                (Some(other), Some(fragment)) if other.path.ends_with(".md") && !headings(&other.text).contains(fragment) => {
                    problems.push(format!("{place}: {target} has no heading #{fragment}"));
                }
                (Some(_), _) => {}
            }
        }
    }
    problems
}

/// Pages of the book that its table of contents leaves out: mdBook would not render them.
pub(super) fn unlisted(files: &[SourceFile]) -> Vec<String> {
    let contents = files
        .iter()
        .find(|file| file.path == "docs/SUMMARY.md")
        .map_or("", |file| &file.text);
    let listed: BTreeSet<String> = links(contents).into_iter().map(|(_, link)| format!("docs/{link}")).collect();
    let pages = files
        .iter()
        .map(|file| &file.path)
        .filter(|path| path.starts_with("docs/") && path.ends_with(".md"));
    pages
        .filter(|path| !["docs/SUMMARY.md", "docs/adr/template.md"].contains(&path.as_str()) && !listed.contains(*path))
        .map(|path| format!("{path}: docs/SUMMARY.md does not list it, so the book does not show it"))
        .collect()
}

/// The path, relative to the root, that `link` names on the page at `page`.
fn resolve(page: &str, link: &str) -> Option<String> {
    if link.is_empty() {
        return Some(page.to_owned());
    }
    let mut parts: Vec<&str> = page.split('/').collect();
    parts.pop();
    for part in link.trim_end_matches('/').split('/') {
        match part {
            "." => {}
            ".." => {
                parts.pop()?;
            }
            _ => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

/// The lines of a page that are prose, numbered from 1, with inline code blanked.
fn prose(text: &str) -> impl Iterator<Item = (usize, String)> {
    let mut fence: Option<&str> = None;
    (1..).zip(text.lines()).filter_map(move |(number, line)| {
        let start = line.trim_start();
        let mark = ["```", "~~~"].into_iter().find(|mark| start.starts_with(mark));
        match (fence, mark) {
            (None, Some(mark)) => fence = Some(mark),
            (Some(open), Some(mark)) if open == mark => fence = None,
            (None, None) => {
                let without_code = line.split('`').step_by(2).collect::<Vec<_>>().join(" ");
                return Some((number, without_code));
            }
            _ => {}
        }
        None
    })
}

/// The relative targets of the links of a page, with their lines.
fn links(text: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for (number, line) in prose(text) {
        let inline = line.match_indices("](").filter_map(|(at, _)| {
            let rest = &line[at + 2..];
            rest.find(')').map(|end| rest[..end].to_owned())
        });
        let reference = line
            .strip_prefix('[')
            .and_then(|rest| rest.split_once("]: "))
            .map(|(_, target)| target.trim().to_owned());
        found.extend(inline.chain(reference).map(|target| (number, target)));
    }
    // Absolute URLs and absolute paths on a server are not ours to check.
    found.retain(|(_, target)| !target.contains("://") && !target.starts_with(['/', '<']) && !target.starts_with("mailto:"));
    found
}

/// The fragments of a page's headings, as both mdBook and code forges make them.
fn headings(text: &str) -> BTreeSet<String> {
    // Code in a heading is part of its fragment, so only fences are left out here.
    let fenced: BTreeSet<usize> = prose(text).map(|(number, _)| number).collect();
    let lines = (1..)
        .zip(text.lines())
        .filter(|(number, line)| fenced.contains(number) && line.starts_with('#'));
    lines
        .map(|(_, line)| {
            let title = line.trim_start_matches('#').trim().to_lowercase();
            let kept = title.chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c));
            kept.map(|c| if c == ' ' { '-' } else { c }).collect()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(text: &str) -> Vec<String> {
        let file = |path: &str, text: &str| SourceFile {
            path: path.to_owned(),
            text: text.to_owned(),
        };
        let files = [
            file("docs/a.md", text),
            file("docs/sub/b.md", "# A heading, with `code`\n"),
            file("README.md", ""),
        ];
        check(&files, &|path| path == "docs/sub")
    }

    #[test]
    fn links_that_lead_somewhere_pass() {
        for good in [
            "[b](sub/b.md)",
            "[b](./sub/b.md#a-heading-with-code)",
            "[up](../README.md)",
            "[directory](sub/)",
            "# Own\n[own](#own)",
            "[web](https://example.com/nothing)",
            "[b]: sub/b.md",
            "`[code](nothing.md)`",
            "```\n[code](nothing.md)\n```",
        ] {
            assert_eq!(problems(good), [""; 0], "{good}");
        }
    }

    #[test]
    fn pages_that_the_book_would_not_show_are_told() {
        let file = |path: &str, text: &str| SourceFile {
            path: path.to_owned(),
            text: text.to_owned(),
        };
        let files = [
            file("docs/SUMMARY.md", "- [A](a.md)\n  - [B](sub/b.md)"),
            file("docs/a.md", ""),
            file("docs/sub/b.md", ""),
            file("docs/c.md", ""),
            file("README.md", ""),
        ];
        let found = unlisted(&files);
        assert!(found.len() == 1 && found[0].starts_with("docs/c.md: "), "{found:?}");
    }

    #[test]
    fn links_that_lead_nowhere_are_refused() {
        for (bad, told) in [
            ("[b](b.md)", "leads to nothing (docs/b.md)"),
            ("text [b](sub/b.md) and [c](sub/c.md)", "leads to nothing (docs/sub/c.md)"),
            ("[b](sub/b.md#another)", "has no heading #another"),
            ("[own](#own)", "has no heading #own"),
            ("[out](../../x.md)", "leads out of the repository"),
            ("[b]: c.md", "leads to nothing (docs/c.md)"),
            ("```\n```\n[after](c.md)", "docs/a.md:3"),
        ] {
            let found = problems(bad);
            assert!(found.len() == 1 && found[0].contains(told), "{bad}: {found:?}");
        }
    }
}
