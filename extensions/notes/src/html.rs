//! The page. It has no script, and nothing of a note is ever markup.

use crate::note::Kept;

/// Text that is text wherever it stands in HTML.
pub(crate) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
    }
    escaped
}

/// `base` is the path of the extension's address.
pub(crate) fn page(title: &str, base: &str, notes: &[Kept], more: bool) -> String {
    let title = escape(title);
    let base = escape(base);
    let items: String = notes
        .iter()
        .map(|Kept { note, .. }| {
            format!(
                "<article><h2><a href=\"{base}/notes/{id}\">{title}</a></h2><pre>{text}</pre></article>\n",
                id = escape(&note.id),
                title = escape(&note.title),
                text = escape(&note.text),
            )
        })
        .collect();
    let none = if notes.is_empty() { "<p>There is none yet.</p>\n" } else { "" };
    let rest = if more {
        format!("<p>There are more: <a href=\"{base}/notes\">all as JSON</a>.</p>\n")
    } else {
        String::new()
    };
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" content=\"width=device-width\">\n\
         <title>{title}</title>\n<h1>{title}</h1>\n{none}{items}{rest}</html>\n"
    )
}
