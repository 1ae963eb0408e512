//! Server-sent events (<https://html.spec.whatwg.org/multipage/server-sent-events.html>), read as they come.

use std::collections::VecDeque;

use oriel_model::ErrorCode;
use reqwest::Response;
use reqwest::header::CONTENT_TYPE;
use url::Url;

use super::{EVENTS, reply, shown, unreachable};
use crate::error::{Failure, Result};

/// The longest event that is accepted. An output may have 64 MiB.
const MAX_EVENT: usize = 80 << 20;

/// One event.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Event {
    /// Its type; empty for the default type.
    pub(crate) event: String,
    /// Its data, lines joined by `\n`.
    pub(crate) data: String,
}

/// The events of one response.
#[derive(Debug)]
pub(crate) struct Events {
    server: Url,
    response: Response,
    parser: Parser,
}

impl Events {
    /// Reads this response, if it is a stream of events at all.
    pub(crate) fn of(server: &Url, response: Response) -> Result<Self> {
        let kind = response
            .headers()
            .get(CONTENT_TYPE)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default();
        if !kind.starts_with(EVENTS) {
            return Err(Failure::new(
                ErrorCode::ClientNotOriel,
                format!("{} does not answer like an Oriel server: it sent no event stream", shown(server)),
            ));
        }
        Ok(Self {
            server: server.clone(),
            response,
            parser: Parser::default(),
        })
    }

    /// The next event; nothing at the end of the stream.
    ///
    /// # Errors
    /// When the connection breaks, and when the server ends the stream with a problem.
    pub(crate) async fn next(&mut self) -> Result<Option<Event>> {
        loop {
            if let Some(event) = self.parser.ready.pop_front() {
                return match event.event.as_str() {
                    "problem" => Err(reply::problem(&self.server, event.data.as_bytes())),
                    _ => Ok(Some(event)),
                };
            }
            match self.response.chunk().await.map_err(|error| unreachable(&self.server, &error))? {
                None => return Ok(None),
                Some(chunk) => self.parser.feed(&chunk).map_err(|()| {
                    Failure::new(
                        ErrorCode::ClientNotOriel,
                        format!("{} sent an event longer than {MAX_EVENT} bytes", shown(&self.server)),
                    )
                })?,
            }
        }
    }
}

#[derive(Debug, Default)]
struct Parser {
    line: Vec<u8>,
    after_cr: bool,
    current: Event,
    has_data: bool,
    ready: VecDeque<Event>,
}

impl Parser {
    fn feed(&mut self, bytes: &[u8]) -> std::result::Result<(), ()> {
        let mut rest = bytes;
        while let Some(&first) = rest.first() {
            if self.after_cr && first == b'\n' {
                rest = &rest[1..];
            }
            self.after_cr = false;
            let Some(end) = rest.iter().position(|byte| matches!(byte, b'\n' | b'\r')) else {
                self.line.extend_from_slice(rest);
                break;
            };
            self.line.extend_from_slice(&rest[..end]);
            self.after_cr = rest[end] == b'\r';
            rest = &rest[end + 1..];
            let line = std::mem::take(&mut self.line);
            self.take_line(&String::from_utf8_lossy(&line));
        }
        if self.line.len() + self.current.data.len() > MAX_EVENT {
            Err(())
        } else {
            Ok(())
        }
    }

    fn take_line(&mut self, line: &str) {
        if line.is_empty() {
            let event = std::mem::take(&mut self.current);
            if std::mem::take(&mut self.has_data) {
                self.ready.push_back(event);
            }
            return;
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "event" => value.clone_into(&mut self.current.event),
            "data" => {
                if self.has_data {
                    self.current.data.push('\n');
                }
                self.has_data = true;
                self.current.data.push_str(value);
            }
            // Comments (an empty field name), ids and retry times do not matter here.
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_survive_any_cut() {
        let text = ": hello\r\n\r\nevent: progress\ndata: {\"a\":\ndata: 1}\n\ndata:x\r\n\r\nid: 4\n\ndata\n\ndata: unfinished";
        let expected = [("progress", "{\"a\":\n1}"), ("", "x"), ("", "")];
        for size in 1..text.len() {
            let mut parser = Parser::default();
            for chunk in text.as_bytes().chunks(size) {
                parser.feed(chunk).unwrap();
            }
            let got: Vec<_> = parser
                .ready
                .iter()
                .map(|event| (event.event.as_str(), event.data.as_str()))
                .collect();
            assert_eq!(got, expected, "in chunks of {size}");
        }
    }
}
