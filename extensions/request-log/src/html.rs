//! The page. It has no script, and nothing that came with a request is ever markup.

use crate::record::{Kept, Record};

/// Text that is text wherever it stands in HTML. Control characters, which some terminals and readers obey, are shown.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            '\n' | '\t' => escaped.push(character),
            control if control.is_control() => escaped.extend(control.escape_unicode()),
            // What turns the direction of text round can make it say something else.
            '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => escaped.extend(character.escape_unicode()),
            other => escaped.push(other),
        }
    }
    escaped
}

pub(crate) fn page(base: &str, records: &[Record]) -> String {
    let base = escape(base);
    let none = if records.is_empty() { "<p>Nothing came yet.</p>\n" } else { "" };
    let items: String = records.iter().map(item).collect();
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" content=\"width=device-width\">\n\
         <title>Requests</title>\n<h1>Requests</h1>\n<p>Send some to <code>{base}/in</code>. <a href=\"{base}/log?format=json\">As JSON</a></p>\n\
         {none}{items}</html>\n"
    )
}

fn item(record: &Record) -> String {
    let headers: String = record
        .headers
        .iter()
        .map(|(name, value)| format!("{}: {}\n", escape(name), escape(value)))
        .collect();
    let (kind, body) = match &record.body {
        Kept::Text(text) => ("", text),
        Kept::Hex(text) => (", as hexadecimal digits", text),
    };
    format!(
        "<article><h2>#{number} <code>{method} {path}</code></h2>\n<p>{at} ms since 1970, {bytes} bytes{kind}</p>\n<pre>{headers}\n{body}</pre></article>\n",
        number = record.number,
        method = escape(&record.method),
        path = escape(&record.path),
        at = record.at_ms,
        bytes = record.body_bytes,
        body = escape(body),
    )
}
