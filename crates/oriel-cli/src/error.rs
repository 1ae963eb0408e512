//! The one shape of failure in this binary, made from whatever went wrong and printed in one place.

use std::fmt::Write as _;
use std::io;
use std::path::Path;

use oriel_model::{Coded, ErrorCode};
use serde_json::{Value, json};

use crate::exit::Exit;
use crate::ui::{Paint, Ui, clean};

/// What every command answers.
pub(crate) type Result<T> = std::result::Result<T, Failure>;

/// Why a command failed. Boxed, so that a `Result` stays small.
#[derive(Debug)]
pub(crate) struct Failure(Box<Parts>);

#[derive(Debug)]
struct Parts {
    /// The stable code as text: a newer server may send one that this binary does not know.
    code: String,
    exit: Exit,
    message: String,
    help: Option<String>,
    places: Vec<Value>,
    request_id: Option<String>,
    /// The reader of our output went away; nothing to say about it.
    broken_pipe: bool,
}

impl Failure {
    /// A failure with a known code; its help line is the code's cure.
    pub(crate) fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self(Box::new(Parts {
            code: code.as_str().to_owned(),
            exit: Exit::of(code),
            message: message.into(),
            help: Some(cure(code)),
            places: Vec::new(),
            request_id: None,
            broken_pipe: false,
        }))
    }

    /// A failure of one of our own libraries, with its causes.
    pub(crate) fn of(error: &dyn Coded) -> Self {
        let mut message = error.to_string();
        let mut source = error.source();
        while let Some(cause) = source {
            let text = cause.to_string();
            // Errors that already quote their source would say it twice.
            if !message.contains(&text) {
                let _ = write!(message, ": {text}");
            }
            source = cause.source();
        }
        let mut failure = Self::new(error.code(), message);
        if let Some(Value::Array(places)) = error.places() {
            failure.0.places = places;
        }
        failure
    }

    /// A failure that a server reported with a code that this binary may or may not know.
    pub(crate) fn reported(code: &str, status: u16, message: impl Into<String>) -> Self {
        match ErrorCode::from_text(code) {
            Some(known) => Self::new(known, message),
            None => {
                let mut failure = Self::new(ErrorCode::Internal, message);
                code.clone_into(&mut failure.0.code);
                failure.0.exit = Exit::of_status(status);
                failure.0.help = None;
                failure
            }
        }
    }

    /// The command's arguments do not make sense together.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::new(ErrorCode::ClientUsage, message)
    }

    /// A file that cannot be read or written.
    pub(crate) fn file(path: &Path, error: &io::Error) -> Self {
        Self::new(ErrorCode::ClientFile, format!("{}: {error}", path.display()))
    }

    /// The same failure with another help line than its code's cure.
    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        self.0.help = Some(help.into());
        self
    }

    /// The same failure with places in a document.
    pub(crate) fn places(mut self, places: Vec<Value>) -> Self {
        self.0.places = places;
        self
    }

    /// The same failure with the server's id of the request.
    pub(crate) fn request_id(mut self, id: Option<String>) -> Self {
        self.0.request_id = id;
        self
    }

    /// Its stable code.
    pub(crate) fn code(&self) -> &str {
        &self.0.code
    }

    /// Whether it has this code.
    pub(crate) fn is(&self, code: ErrorCode) -> bool {
        self.0.code == code.as_str()
    }

    /// What happened.
    pub(crate) fn message(&self) -> &str {
        &self.0.message
    }

    /// The exit status it becomes.
    pub(crate) fn exit(&self) -> Exit {
        if self.0.broken_pipe { Exit::Ok } else { self.0.exit }
    }

    /// Prints it on standard error: as text for people, as one JSON document with `--json`.
    pub(crate) fn print(&self, ui: &Ui) {
        let parts = &*self.0;
        if parts.broken_pipe {
            return;
        }
        if ui.json() {
            let mut error = json!({ "code": parts.code, "message": parts.message, "exitCode": parts.exit.status() });
            let mut put = |key: &str, value: Value| error[key] = value;
            if let Some(help) = &parts.help {
                put("help", json!(help));
            }
            if !parts.places.is_empty() {
                put("errors", json!(parts.places));
            }
            if let Some(id) = &parts.request_id {
                put("requestId", json!(id));
            }
            ui.error_line(&json!({ "error": error }).to_string());
            return;
        }
        let mut text = format!(
            "{}: {}",
            ui.paint_error(Paint::Bad, &format!("error[{}]", clean(&parts.code))),
            clean(&parts.message)
        );
        for place in &parts.places {
            let line = place_text(place);
            // Diagnostics of a file carry their places in the message too.
            if !parts.message.contains(&line) {
                let _ = write!(text, "\n  {}", clean(&line));
            }
        }
        if let Some(help) = &parts.help {
            let _ = write!(text, "\n{}: {}", ui.paint_error(Paint::Strong, "help"), clean(help));
        }
        // A request id helps only with faults of the server.
        if let (Some(id), Exit::Server) = (&parts.request_id, parts.exit) {
            let _ = write!(text, "\n{}: {}", ui.paint_error(Paint::Strong, "request"), clean(id));
        }
        ui.error_line(&text);
    }
}

/// A code's cure. What the API calls `detail` and `errors` is the message here, and the places below it.
fn cure(code: ErrorCode) -> String {
    code.cure()
        .replace("`detail`", "the message")
        .replace("places that `errors` lists", "named places")
}

/// `at /path: message` or `line:column: message`.
fn place_text(place: &Value) -> String {
    let text = |key: &str| place.get(key).and_then(Value::as_str).unwrap_or_default();
    let number = |key: &str| place.get(key).and_then(Value::as_u64);
    let mut line = match (number("line"), number("column"), place.get("path")) {
        (Some(line), Some(column), _) => format!("{line}:{column}: {}", text("message")),
        (_, _, Some(Value::String(path))) if !path.is_empty() => format!("at {path}: {}", text("message")),
        _ => text("message").to_owned(),
    };
    if !text("help").is_empty() {
        let _ = write!(line, " (help: {})", text("help"));
    }
    line
}

impl From<io::Error> for Failure {
    /// Failures of standard output and standard error; files go through [`Failure::file`].
    fn from(error: io::Error) -> Self {
        let mut failure = Self::new(ErrorCode::ClientFile, format!("the output cannot be written: {error}"));
        failure.0.broken_pipe = error.kind() == io::ErrorKind::BrokenPipe;
        failure
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cures_speak_of_what_the_terminal_shows() {
        for code in ErrorCode::ALL {
            let cure = cure(*code);
            assert!(!cure.contains("`detail`") && !cure.contains("`errors`"), "{code}: {cure}");
        }
        assert_eq!(
            cure(ErrorCode::AuthorToolchainMissing),
            "Install it as the message says. `oriel doctor` lists what is there."
        );
    }
}
