//! The reference of all settings, for the book.

use std::fmt::Write as _;

use super::settings;

/// Every setting as Markdown: one table a section. The book's page holds exactly this text, and a test compares.
#[must_use]
pub fn reference() -> String {
    let mut text = String::new();
    let mut section = None;
    for setting in settings() {
        let (own, name) = setting.key.split_once('.').unwrap_or(("", &setting.key));
        if section.as_deref() != Some(own) {
            let heading = if own.is_empty() {
                "Top level".to_owned()
            } else {
                format!("`[{own}]`")
            };
            let _ = write!(
                text,
                "{}### {heading}\n\n| key | flag | environment | default | meaning |\n|---|---|---|---|---|\n",
                if section.is_some() { "\n" } else { "" }
            );
            section = Some(own.to_owned());
        }
        let flag = setting.flag.as_ref().map_or_else(|| "—".to_owned(), |flag| format!("`--{flag}`"));
        let default = if setting.default.is_empty() {
            "—".to_owned()
        } else {
            format!("`{}`", setting.default)
        };
        let help = setting.help.split_whitespace().collect::<Vec<_>>().join(" ").replace('|', "\\|");
        let _ = writeln!(text, "| `{name}` | {flag} | `{}` | {default} | {help} |", setting.env);
    }
    text
}
