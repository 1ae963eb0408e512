//! The way from the text of `extension.toml` to a [`Manifest`]: syntax, then structure, then meaning. Each stage
//! reports what it can and leaves the rest to be read on, so that one run shows every problem.

use toml::de::DeTable;

use super::document::bounded;
use super::read::Reader;
use super::report::Report;
use super::{Build, Diagnostics, MAX_BYTES, Manifest, structure};

/// Answers the text of a file that the manifest refers to. The path is relative to the manifest and never
/// climbs; the error is one line that says why there is no text.
pub type Resolve<'a> = &'a dyn Fn(&str) -> Result<String, String>;

/// Reads a manifest. `resolve` answers the text of a file that the manifest refers to by a path relative to
/// itself (schemas); pass one that refuses when there is no directory.
///
/// # Errors
/// Every problem found, with line and column in `text`.
pub fn parse(text: &str, resolve: Resolve<'_>) -> Result<Manifest, Diagnostics> {
    parse_project(text, resolve).map(|(manifest, _)| manifest)
}

/// Reads a manifest and its `[build]` table, for author tools.
///
/// # Errors
/// Every problem found, with line and column in `text`.
pub fn parse_project(text: &str, resolve: Resolve<'_>) -> Result<(Manifest, Build), Diagnostics> {
    let mut report = Report::new(text);
    if text.len() > MAX_BYTES {
        report.syntax(
            MAX_BYTES,
            format!("the manifest has {} bytes; at most {MAX_BYTES} are accepted", text.len()),
            Some("move schemas to files of their own and refer to them by path".to_owned()),
        );
        return Err(report.failed());
    }
    let (root, errors) = DeTable::parse_recoverable(text);
    for error in errors {
        let offset = error.span().map_or(text.len(), |span| span.start);
        report.syntax(offset, format!("syntax error: {}", lower(error.message())), None);
    }
    let root = match bounded(root.into_inner()) {
        Ok(root) => root,
        Err(place) => {
            report.syntax(place.start, "the document nests too deeply".to_owned(), None);
            return Err(report.failed());
        }
    };
    structure::check(&mut report, &root);
    let mut reader = Reader { report, resolve };
    let project = reader.project(&root);
    match (reader.report.finish(), project) {
        (None, Some(project)) => Ok(project),
        (Some(problems), _) => Err(problems),
        // Whatever keeps a manifest from being made was reported; this is the guard that it stays so.
        (None, None) => {
            let mut report = Report::new(text);
            report.syntax(0, "the manifest cannot be read".to_owned(), None);
            Err(report.failed())
        }
    }
}

/// Reads a manifest from bytes that may not be text.
///
/// # Errors
/// Every problem found; bytes that are not UTF-8 are one, at their place.
pub fn parse_bytes(bytes: &[u8], resolve: Resolve<'_>) -> Result<(Manifest, Build), Diagnostics> {
    match std::str::from_utf8(bytes) {
        Ok(text) => parse_project(text, resolve),
        Err(error) => {
            let (good, _) = bytes.split_at(error.valid_up_to());
            let good = std::str::from_utf8(good).unwrap_or_default();
            let mut report = Report::new(good);
            report.syntax(
                good.len(),
                "the file is not UTF-8 text here".to_owned(),
                Some("save the file as UTF-8".to_owned()),
            );
            Err(report.failed())
        }
    }
}

/// The parser's messages begin in upper case in places; ours never do.
fn lower(message: &str) -> String {
    let mut chars = message.chars();
    chars
        .next()
        .map_or_else(String::new, |first| first.to_lowercase().chain(chars).collect())
}
