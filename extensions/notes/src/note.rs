//! Notes, as they are sent and as they are kept.

use oriel_extension::{Result, kv};
use serde::{Deserialize, Serialize};

/// Keys of notes begin so.
const PREFIX: &str = "note:";
const MOST_TITLE: usize = 200;
const MOST_TEXT: usize = 65_536;
const MOST_ID: usize = 64;
/// A note that was deleted leaves a mark for a moment, so that deleting is one step, too.
const DELETED: &[u8] = b"deleted";
const DELETED_FOR: std::time::Duration = std::time::Duration::from_secs(1);

/// What a client writes.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Draft {
    title: String,
    #[serde(default)]
    text: String,
}

/// A note as it is kept and shown.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Note {
    pub(crate) id: String,
    pub(crate) title: String,
    pub(crate) text: String,
    pub(crate) created_ms: u64,
    pub(crate) updated_ms: u64,
}

/// A note with the version of its entry.
pub(crate) struct Kept {
    pub(crate) note: Note,
    pub(crate) version: u64,
}

/// What stands under a note's key.
pub(crate) enum Found {
    Note(Kept),
    /// Nothing, or the mark of a note that is gone, with its version.
    Nothing(Option<u64>),
}

impl Draft {
    /// What is wrong with it, if anything.
    pub(crate) fn problem(&self) -> Option<String> {
        let title = self.title.chars().count();
        if self.title.trim().is_empty() || title > MOST_TITLE {
            return Some(format!("`title` must have 1 to {MOST_TITLE} characters that are not all blank"));
        }
        (self.text.len() > MOST_TEXT).then(|| format!("`text` must have at most {MOST_TEXT} bytes"))
    }

    pub(crate) fn into_note(self, id: &str, created_ms: u64, now_ms: u64) -> Note {
        Note {
            id: id.to_owned(),
            title: self.title,
            text: self.text,
            created_ms,
            // A clock may have been set back.
            updated_ms: now_ms.max(created_ms),
        }
    }
}

/// Whether a text can be a note's id: lower-case letters, digits and `-`.
pub(crate) fn is_id(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=MOST_ID).contains(&text.len()) && text.bytes().all(allowed)
}

fn key(id: &str) -> String {
    format!("{PREFIX}{id}")
}

/// # Errors
/// When the store cannot be read, or holds what is no note.
pub(crate) fn find(id: &str) -> Result<Found> {
    let Some(entry) = kv::entry(&key(id))? else {
        return Ok(Found::Nothing(None));
    };
    if entry.value == DELETED {
        return Ok(Found::Nothing(Some(entry.version)));
    }
    let note = serde_json::from_slice(&entry.value)?;
    Ok(Found::Note(Kept {
        note,
        version: entry.version,
    }))
}

/// Writes the note where `expected` still stands; `None` when somebody was faster.
pub(crate) fn write(note: &Note, expected: Option<u64>) -> Result<Option<u64>> {
    kv::compare_and_swap(&key(&note.id), expected, serde_json::to_vec(note)?, None)
}

/// Deletes the note of this version; false when somebody was faster.
pub(crate) fn delete(id: &str, version: u64) -> Result<bool> {
    Ok(kv::compare_and_swap(&key(id), Some(version), DELETED, Some(DELETED_FOR))?.is_some())
}

/// Up to `limit` notes in the order of their ids, from `cursor` on, and where the next page starts.
pub(crate) fn page(limit: u32, cursor: Option<&str>) -> Result<(Vec<Kept>, Option<String>)> {
    let page = kv::page(PREFIX, limit, cursor)?;
    let mut notes = Vec::with_capacity(page.keys.len());
    for key in page.keys {
        if let Found::Note(kept) = find(key.trim_start_matches(PREFIX))? {
            notes.push(kept);
        }
    }
    Ok((notes, page.next_cursor))
}
