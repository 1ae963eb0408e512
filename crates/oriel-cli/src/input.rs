//! Values given as text, as `@file`, or as `-` for standard input.

use std::io::{self, Read as _};
use std::path::Path;

use oriel_model::ErrorCode;
use serde_json::Value;

use crate::error::{Failure, Result};

/// Reads where it keeps nobody waiting: on the thread of the command, a read that blocks would be deaf to Ctrl-C.
pub(crate) async fn aside<T: Send + 'static>(read: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    tokio::task::spawn_blocking(read).await.map_err(io::Error::other)?
}

/// The text behind an argument, and what to call it in messages.
pub(crate) async fn text(argument: &str) -> Result<(String, String)> {
    if argument == "-" {
        let text = aside(|| {
            let mut text = String::new();
            io::stdin().lock().read_to_string(&mut text).map(|_| text)
        });
        let text = text
            .await
            .map_err(|error| Failure::new(ErrorCode::ClientInput, format!("standard input cannot be read: {error}")))?;
        return Ok((text, "standard input".to_owned()));
    }
    match argument.strip_prefix('@') {
        None => Ok((argument.to_owned(), "the input".to_owned())),
        Some(path) => Ok((read(Path::new(path))?, path.to_owned())),
    }
}

/// A file's text.
pub(crate) fn read(path: &Path) -> Result<String> {
    std::fs::read_to_string(path).map_err(|error| Failure::file(path, &error))
}

/// The JSON document behind an argument.
pub(crate) async fn json(argument: &str) -> Result<Value> {
    let (text, name) = text(argument).await?;
    parse_json(&text, &name)
}

/// Reads JSON; a mistake is named with its place.
pub(crate) fn parse_json(text: &str, name: &str) -> Result<Value> {
    serde_json::from_str(text).map_err(|error| bad_json(name, &error))
}

/// JSON with a mistake, at its place.
pub(crate) fn bad_json(name: &str, error: &serde_json::Error) -> Failure {
    let message = error.to_string();
    // serde_json puts the place last; people look for it first.
    let message = message.split(" at line ").next().unwrap_or(&message).to_owned();
    Failure::new(
        ErrorCode::ClientInput,
        format!("{name}:{}:{}: {message}", error.line(), error.column()),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mistake_in_json_has_a_place() {
        let failure = parse_json("{\n  \"a\": }", "in.json").unwrap_err();
        assert_eq!(failure.message(), "in.json:2:8: expected value");
    }
}
