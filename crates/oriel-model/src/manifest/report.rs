//! Collecting problems while a document is read.

use std::ops::Range;

use super::check::Complaint;
use super::diagnostic::{Diagnostic, Diagnostics, place};
use crate::error_code::ErrorCode;

/// More problems than this are not listed: a file with so many has one cause.
const MAX_PROBLEMS: usize = 100;

/// The problems found so far in one text.
pub(super) struct Report<'t> {
    pub(super) text: &'t str,
    found: Vec<Found>,
    /// Where the first syntax error is: what was read from there on is guesswork.
    broken: Option<usize>,
}

struct Found {
    offset: usize,
    message: String,
    help: Option<String>,
    code: ErrorCode,
    kind: Kind,
}

#[derive(PartialEq, Eq)]
enum Kind {
    Syntax,
    Missing,
    Other,
}

impl<'t> Report<'t> {
    pub(super) const fn new(text: &'t str) -> Self {
        Self {
            text,
            found: Vec::new(),
            broken: None,
        }
    }

    pub(super) fn add(&mut self, span: Range<usize>, message: String, help: Option<String>) {
        self.push(span.start, message, help, ErrorCode::ManifestInvalid, Kind::Other);
    }

    pub(super) fn missing(&mut self, span: Range<usize>, message: String, help: String) {
        self.push(span.start, message, Some(help), ErrorCode::ManifestInvalid, Kind::Missing);
    }

    pub(super) fn syntax(&mut self, offset: usize, message: String, help: Option<String>) {
        self.broken = Some(self.broken.map_or(offset, |first| first.min(offset)));
        self.push(offset, message, help, ErrorCode::ManifestInvalid, Kind::Syntax);
    }

    /// A complaint about the value at `span`. When it is about a part of a text, and the text stands there as
    /// it is (no escapes), the place is that part's.
    pub(super) fn complain(&mut self, span: Range<usize>, complaint: Complaint) {
        let mut offset = span.start;
        if let (Some(at), Some(raw)) = (complaint.at, self.text.get(span))
            && matches!(raw.as_bytes(), [b'"' | b'\'', ..])
            && !raw.contains(['\\', '\n'])
        {
            offset += 1 + at;
        }
        self.push(offset, complaint.message, complaint.help, complaint.code, Kind::Other);
    }

    fn push(&mut self, offset: usize, message: String, help: Option<String>, code: ErrorCode, kind: Kind) {
        self.found.push(Found {
            offset,
            message: one_line(message),
            help: help.filter(|help| !help.is_empty()).map(one_line),
            code,
            kind,
        });
    }

    /// A complaint that something is not there.
    pub(super) fn complain_missing(&mut self, complaint: Complaint) {
        self.push(0, complaint.message, complaint.help, complaint.code, Kind::Missing);
    }

    /// The problems of a text that ends the reading.
    pub(super) fn failed(self) -> Diagnostics {
        self.finish().unwrap_or_else(|| Diagnostics {
            file: super::FILE_NAME.to_owned(),
            items: Vec::new(),
            code: ErrorCode::ManifestInvalid,
        })
    }

    /// The problems in the order of their places, or nothing. After a syntax error only what stands before it
    /// is reported besides, and nothing as missing: the rest may be there and unreadable.
    pub(super) fn finish(self) -> Option<Diagnostics> {
        let Self { text, mut found, broken } = self;
        if let Some(broken) = broken {
            found.retain(|item| item.kind == Kind::Syntax || (item.kind == Kind::Other && item.offset < broken));
        }
        found.sort_by_key(|item| item.offset);
        let host_api_alone = found.iter().all(|item| item.code == ErrorCode::HostApiUnsupported);
        let mut items: Vec<Diagnostic> = found
            .into_iter()
            .map(|item| {
                let (line, column) = place(text, item.offset);
                Diagnostic {
                    line,
                    column,
                    message: item.message,
                    help: item.help,
                }
            })
            .collect();
        items.dedup();
        items.truncate(MAX_PROBLEMS);
        (!items.is_empty()).then(|| Diagnostics {
            file: super::FILE_NAME.to_owned(),
            items,
            code: if host_api_alone {
                ErrorCode::HostApiUnsupported
            } else {
                ErrorCode::ManifestInvalid
            },
        })
    }
}

/// Messages quote the author's text, which may hold anything; a message is one line without control characters.
fn one_line(text: String) -> String {
    if !text.chars().any(char::is_control) {
        return text;
    }
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() {
            shown.extend(c.escape_debug());
        } else {
            shown.push(c);
        }
    }
    shown
}
