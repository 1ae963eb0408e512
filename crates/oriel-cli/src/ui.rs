//! What the user sees: tables, paint, questions. Standard output carries results only; everything else goes to
//! standard error.

use std::borrow::Cow;
use std::io::{self, BufRead as _, IsTerminal as _, Write as _};

use comfy_table::{Attribute, Cell, Color, ContentArrangement, Table, presets};
use oriel_model::ErrorCode;
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use serde::Serialize;

use crate::env_vars;
use crate::error::{Failure, Result};
use crate::input::aside;

/// A meaning that a colour carries. Text says the same without it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Paint {
    /// No colour.
    Plain,
    /// A heading or a name.
    Strong,
    /// Beside the point.
    Faint,
    /// It works.
    Good,
    /// Look at it.
    Warn,
    /// It failed.
    Bad,
}

impl Paint {
    const fn ansi(self) -> &'static str {
        match self {
            Self::Plain => "",
            Self::Strong => "\x1b[1m",
            Self::Faint => "\x1b[2m",
            Self::Good => "\x1b[32m",
            Self::Warn => "\x1b[33m",
            Self::Bad => "\x1b[1;31m",
        }
    }
}

/// When to paint.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum ColourChoice {
    /// On a terminal, unless `NO_COLOR` is set.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// The terminal, or whatever stands in its place.
#[derive(Debug, Clone)]
pub(crate) struct Ui {
    json: bool,
    quiet: bool,
    colour_out: bool,
    colour_error: bool,
}

impl Ui {
    /// With `json`, results are JSON and nothing is painted; with `quiet`, notes are left out.
    pub(crate) fn new(json: bool, quiet: bool, colour: ColourChoice) -> Self {
        let wanted = |terminal: bool| match colour {
            ColourChoice::Always => true,
            ColourChoice::Never => false,
            ColourChoice::Auto => {
                let set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
                terminal && !set(env_vars::NO_COLOR) && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
            }
        };
        Self {
            json,
            quiet,
            colour_out: !json && wanted(io::stdout().is_terminal()),
            colour_error: !json && wanted(io::stderr().is_terminal()),
        }
    }

    /// Whether results are JSON.
    pub(crate) const fn json(&self) -> bool {
        self.json
    }

    /// Whether somebody can answer a question.
    pub(crate) fn interactive() -> bool {
        io::stdin().is_terminal() && io::stderr().is_terminal()
    }

    /// Whether a progress bar makes sense.
    pub(crate) fn shows_progress(&self) -> bool {
        !self.json && !self.quiet && io::stderr().is_terminal()
    }

    /// `text`, painted for standard output.
    pub(crate) fn paint(&self, paint: Paint, text: &str) -> String {
        painted(self.colour_out, paint, text)
    }

    /// `text`, painted for standard error.
    pub(crate) fn paint_error(&self, paint: Paint, text: &str) -> String {
        painted(self.colour_error, paint, text)
    }

    /// One line of a result.
    pub(crate) fn line(&self, text: &str) -> Result<()> {
        let mut out = io::stdout().lock();
        out.write_all(text.as_bytes())?;
        out.write_all(b"\n")?;
        out.flush()?;
        Ok(())
    }

    /// A result as an indented JSON document.
    pub(crate) fn document(&self, value: &impl Serialize) -> Result<()> {
        let text = serde_json::to_string_pretty(value)
            .map_err(|error| Failure::new(ErrorCode::Internal, format!("the result cannot be written as JSON: {error}")))?;
        self.line(&escaped(&text))
    }

    /// A result as one line of JSON, for results that come one after the other.
    pub(crate) fn json_line(&self, value: &impl Serialize) -> Result<()> {
        let text = serde_json::to_string(value)
            .map_err(|error| Failure::new(ErrorCode::Internal, format!("the result cannot be written as JSON: {error}")))?;
        self.line(&escaped(&text))
    }

    /// A word on standard error about what happens; not with `--quiet` or `--json`.
    pub(crate) fn note(&self, text: &str) {
        if !self.quiet && !self.json {
            self.error_line(text);
        }
    }

    /// A line on standard error. That nobody may read it is no reason to fail.
    pub(crate) fn error_line(&self, text: &str) {
        let _ = writeln!(io::stderr().lock(), "{text}");
    }

    /// A table with a heading, or `empty` when there are no rows.
    pub(crate) fn table(&self, header: &[&str], rows: Vec<Vec<(Paint, String)>>, empty: &str) -> Result<()> {
        if rows.is_empty() {
            self.note(empty);
            return Ok(());
        }
        let mut table = self.bare_table();
        table.set_header(header.iter().map(|text| Cell::new(text).add_attribute(Attribute::Bold)));
        for row in rows {
            table.add_row(row.into_iter().map(|(paint, text)| cell(paint, &text)));
        }
        self.print_table(&mut table)
    }

    /// Names and values side by side.
    pub(crate) fn pairs(&self, rows: Vec<(&str, Paint, String)>) -> Result<()> {
        let mut table = self.bare_table();
        for (name, paint, value) in rows {
            table.add_row([cell(Paint::Faint, name), cell(paint, &value)]);
        }
        self.print_table(&mut table)
    }

    fn bare_table(&self) -> Table {
        let mut table = Table::new();
        table.load_style(presets::NOTHING);
        if io::stdout().is_terminal() {
            table.set_content_arrangement(ContentArrangement::Dynamic);
        }
        if self.colour_out {
            table.enforce_styling();
        } else {
            table.force_no_tty();
        }
        table
    }

    fn print_table(&self, table: &mut Table) -> Result<()> {
        for column in table.column_iter_mut() {
            column.set_padding((0, 2));
        }
        for line in table.lines() {
            self.line(line.trim_end())?;
        }
        Ok(())
    }

    /// Whether to do what cannot be undone. Asked only on a terminal, and not after `--yes`.
    pub(crate) async fn sure(&self, yes: bool, question: &str) -> Result<bool> {
        Ok(yes || self.json || !Self::interactive() || self.confirm(question).await?)
    }

    /// Asks for a yes. Only where [`Ui::interactive`]; an empty answer is a no.
    pub(crate) async fn confirm(&self, question: &str) -> Result<bool> {
        let answer = self.ask(&format!("{} [y/N] ", self.paint_error(Paint::Strong, question))).await?;
        Ok(matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes"))
    }

    /// Asks for something that must not be seen. Only where [`Ui::interactive`].
    pub(crate) async fn ask_secret(&self, question: &str) -> Result<String> {
        let hidden = Hidden::start()?;
        let answer = self.ask(&format!("{}: ", self.paint_error(Paint::Strong, question))).await;
        drop(hidden);
        // The line break was not seen either.
        self.error_line("");
        Ok(answer?.trim_end_matches(['\r', '\n']).to_owned())
    }

    /// One line of an answer.
    async fn ask(&self, question: &str) -> Result<String> {
        let mut error = io::stderr().lock();
        let _ = error.write_all(question.as_bytes());
        let _ = error.flush();
        drop(error);
        let answer = aside(|| {
            let mut answer = String::new();
            io::stdin().lock().read_line(&mut answer).map(|_| answer)
        });
        answer
            .await
            .map_err(|error| Failure::new(ErrorCode::ClientInput, format!("the terminal cannot be read: {error}")))
    }
}

/// The terminal does not show what is typed until this is dropped, by Ctrl-C too.
struct Hidden(Termios);

impl Hidden {
    fn start() -> io::Result<Self> {
        let before = tcgetattr(io::stdin())?;
        let mut hidden = before.clone();
        hidden.local_modes.remove(LocalModes::ECHO);
        tcsetattr(io::stdin(), OptionalActions::Flush, &hidden)?;
        Ok(Self(before))
    }
}

impl Drop for Hidden {
    fn drop(&mut self) {
        let _ = tcsetattr(io::stdin(), OptionalActions::Flush, &self.0);
    }
}

fn painted(on: bool, paint: Paint, text: &str) -> String {
    if on && paint != Paint::Plain {
        format!("{}{text}\x1b[0m", paint.ansi())
    } else {
        text.to_owned()
    }
}

fn cell(paint: Paint, text: &str) -> Cell {
    let cell = Cell::new(clean(text));
    match paint {
        Paint::Plain => cell,
        Paint::Strong => cell.add_attribute(Attribute::Bold),
        Paint::Faint => cell.add_attribute(Attribute::Dim),
        Paint::Good => cell.fg(Color::Green),
        Paint::Warn => cell.fg(Color::Yellow),
        Paint::Bad => cell.fg(Color::Red),
    }
}

/// Characters that could move the cursor, change colours or hide text.
fn is_harmful(c: char) -> bool {
    (c.is_control() && c != '\n' && c != '\t') || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// A JSON text of the same value in which such characters are escaped: in a correct one they stand in strings only.
fn escaped(json: &str) -> Cow<'_, str> {
    use std::fmt::Write as _;

    if !json.contains(is_harmful) {
        return Cow::Borrowed(json);
    }
    let mut text = String::with_capacity(json.len() + 64);
    for c in json.chars() {
        if is_harmful(c) {
            let _ = write!(text, "\\u{:04x}", u32::from(c));
        } else {
            text.push(c);
        }
    }
    Cow::Owned(text)
}

/// `text` without characters that could move the cursor, change colours or hide text: extensions and other
/// tenants' people write what we print.
pub(crate) fn clean(text: &str) -> Cow<'_, str> {
    if text.contains(is_harmful) {
        Cow::Owned(text.replace(is_harmful, "\u{fffd}"))
    } else {
        Cow::Borrowed(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escape_sequences_do_not_reach_the_terminal() {
        assert_eq!(clean("a\x1b[2Jb\r\u{202e}c\n\td"), "a\u{fffd}[2Jb\u{fffd}\u{fffd}c\n\td");
        assert!(matches!(clean("plain ü"), Cow::Borrowed(_)));
        let value = serde_json::json!({ "a\u{9b}": "\u{1b}[2J\u{7f}\u{202e}ü" });
        let text = serde_json::to_string(&value).unwrap();
        let shown = escaped(&text);
        assert_eq!(shown, r#"{"a\u009b":"\u001b[2J\u007f\u202eü"}"#);
        assert_eq!(serde_json::from_str::<serde_json::Value>(&shown).unwrap(), value);
    }
}
