//! A problem in a text file, with its place and its mend.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::error_code::{Coded, ErrorCode};

/// One problem at one place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Diagnostic {
    /// Line in the file, from 1.
    pub line: usize,
    /// Column in the line, from 1, in characters.
    pub column: usize,
    /// What is wrong, in lower case with no full stop.
    pub message: String,
    /// What to write instead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
}

/// All problems of one file, in the order of their places; never empty.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct Diagnostics {
    /// The file's name for messages, such as `extension.toml`.
    pub file: String,
    /// The problems.
    pub items: Vec<Diagnostic>,
    /// [`ErrorCode::HostApiUnsupported`] when the guest API's version is all that is wrong, otherwise
    /// [`ErrorCode::ManifestInvalid`].
    pub code: ErrorCode,
}

impl Coded for Diagnostics {
    fn code(&self) -> ErrorCode {
        self.code
    }

    fn places(&self) -> Option<serde_json::Value> {
        serde_json::to_value(&self.items).ok()
    }
}

impl fmt::Display for Diagnostics {
    /// One line per problem: `extension.toml:3:11: unknown field `licence` (help: …)`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, item) in self.items.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{}:{}:{}: {}", self.file, item.line, item.column, item.message)?;
            if let Some(help) = &item.help {
                write!(f, " (help: {help})")?;
            }
        }
        Ok(())
    }
}

/// Line and column, both from 1, of a byte offset in `text`.
#[must_use]
pub(super) fn place(text: &str, offset: usize) -> (usize, usize) {
    let mut offset = offset.min(text.len());
    while !text.is_char_boundary(offset) {
        offset -= 1;
    }
    let before = &text[..offset];
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
}
