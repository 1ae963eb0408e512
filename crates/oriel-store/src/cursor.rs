//! Cursors of lists, the same in every adapter: the place of a page's last item, wrapped so that another list's
//! cursor or a made-up one is refused instead of answered with a wrong page.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use oriel_model::page::{Page, PageRequest};

use crate::{Result, StoreError};

/// The cursor after `place` in the list named `list`.
#[must_use]
pub fn encode(list: &str, place: &str) -> String {
    URL_SAFE_NO_PAD.encode(format!("{list}\n{place}"))
}

/// The place that a cursor of `list` names; nothing on the first page.
///
/// # Errors
/// [`StoreError::Cursor`] when the cursor is not one of this list's.
pub fn decode(list: &str, request: &PageRequest) -> Result<Option<String>> {
    let Some(cursor) = &request.cursor else { return Ok(None) };
    let bytes = URL_SAFE_NO_PAD.decode(cursor).map_err(|_| StoreError::Cursor)?;
    let text = String::from_utf8(bytes).map_err(|_| StoreError::Cursor)?;
    match text.split_once('\n') {
        Some((name, place)) if name == list => Ok(Some(place.to_owned())),
        _ => Err(StoreError::Cursor),
    }
}

/// How many items the page holds at most: what was asked, kept between 1 and [`PageRequest::MAX_LIMIT`].
#[must_use]
pub fn limit(request: &PageRequest) -> usize {
    request.limit.clamp(1, PageRequest::MAX_LIMIT) as usize
}

/// A page of `items`, which hold one more than [`limit`] when there is more to read.
#[must_use]
pub fn page<T>(list: &str, request: &PageRequest, mut items: Vec<T>, place: impl Fn(&T) -> String) -> Page<T> {
    let limit = limit(request);
    let more = items.len() > limit;
    items.truncate(limit);
    let next_cursor = items.last().filter(|_| more).map(|last| encode(list, &place(last)));
    Page { items, next_cursor }
}
