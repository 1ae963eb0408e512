//! The items of a batch, read line by line.

use std::collections::HashSet;
use std::fs::File;
use std::io::{BufRead, BufReader, Seek as _};
use std::path::Path;

use oriel_model::ErrorCode;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::error::{Failure, Result};
use crate::input::bad_json;

/// The longest line.
const MAX_LINE: usize = 64 << 20;

/// One item, as the API takes it.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Item {
    /// The caller's id; the line's number when it has none.
    #[serde(default)]
    pub(super) id: String,
    /// The input, passed on as it is.
    pub(super) input: Box<RawValue>,
    /// Its own time limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) timeout_ms: Option<u64>,
}

/// The same with an id that may be a number.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Line<'a> {
    #[serde(borrow, default)]
    id: Option<&'a RawValue>,
    #[serde(borrow)]
    input: &'a RawValue,
    #[serde(default)]
    timeout_ms: Option<u64>,
}

/// A file of items.
pub(super) struct Items {
    reader: Box<dyn BufRead + Send>,
    name: String,
    raw: bool,
    line: usize,
    skip: HashSet<String>,
    expected: Option<u64>,
    skipped: u64,
}

impl Items {
    /// Opens the file and checks every line of it; standard input is checked while it is read. Items with an id in
    /// `skip` are left out.
    pub(super) fn open(argument: &str, raw: bool, skip: HashSet<String>) -> Result<Self> {
        if argument == "-" {
            let reader = Box::new(BufReader::new(std::io::stdin()));
            return Ok(Self {
                reader,
                name: "standard input".to_owned(),
                raw,
                line: 0,
                skip,
                expected: None,
                skipped: 0,
            });
        }
        let path = Path::new(argument);
        let failed = |error: &std::io::Error| Failure::file(path, error);
        let mut file = File::open(path).map_err(|error| failed(&error))?;
        let regular = file.metadata().map_err(|error| failed(&error))?.is_file();
        let (mut expected, mut skipped) = (None, 0);
        if regular {
            let reader = Box::new(BufReader::new(file.try_clone().map_err(|error| failed(&error))?));
            let mut first = Self {
                reader,
                name: argument.to_owned(),
                raw,
                line: 0,
                skip: HashSet::new(),
                expected: None,
                skipped: 0,
            };
            let (mut ids, mut count) = (HashSet::new(), 0_u64);
            while let Some(item) = first.next()? {
                if skip.contains(&item.id) {
                    skipped += 1;
                } else {
                    count += 1;
                }
                if !ids.insert(item.id) {
                    return Err(first.bad("the id was used by an earlier line"));
                }
            }
            expected = Some(count);
            file.rewind().map_err(|error| failed(&error))?;
        }
        Ok(Self {
            reader: Box::new(BufReader::new(file)),
            name: argument.to_owned(),
            raw,
            line: 0,
            skip,
            expected,
            skipped,
        })
    }

    /// How many items there are to send, when that is known.
    pub(super) const fn expected(&self) -> Option<u64> {
        self.expected
    }

    /// How many were done before.
    pub(super) const fn skipped(&self) -> u64 {
        self.skipped
    }

    /// The next item.
    pub(super) fn next(&mut self) -> Result<Option<Item>> {
        loop {
            let Some(text) = self.read_line()? else { return Ok(None) };
            let item = self.parse(&text)?;
            if !self.skip.contains(&item.id) {
                return Ok(Some(item));
            }
        }
    }

    fn read_line(&mut self) -> Result<Option<String>> {
        loop {
            let mut bytes = Vec::new();
            let limit = MAX_LINE as u64 + 1;
            let read = std::io::Read::take(&mut self.reader, limit).read_until(b'\n', &mut bytes);
            let read = read.map_err(|error| Failure::file(Path::new(&self.name), &error))?;
            if read == 0 {
                return Ok(None);
            }
            self.line += 1;
            if bytes.len() > MAX_LINE {
                return Err(self.bad("the line is longer than 64 MiB"));
            }
            let text = String::from_utf8(bytes).map_err(|_| self.bad("the line is not UTF-8"))?;
            let text = if self.line == 1 {
                text.trim_start_matches('\u{feff}').to_owned()
            } else {
                text
            };
            if !text.trim().is_empty() {
                return Ok(Some(text));
            }
        }
    }

    fn parse(&self, text: &str) -> Result<Item> {
        let place = |error: &serde_json::Error| {
            let failure = bad_json(&self.name, error);
            // The parser counts lines within the line.
            let message = failure
                .message()
                .replacen(&format!("{}:1:", self.name), &format!("{}:{}:", self.name, self.line), 1);
            Failure::new(ErrorCode::ClientInput, message)
        };
        if self.raw {
            let input: Box<RawValue> = serde_json::from_str(text.trim()).map_err(|error| place(&error))?;
            return Ok(Item {
                id: self.line.to_string(),
                input,
                timeout_ms: None,
            });
        }
        let hint = |failure: Failure| {
            failure.help("write each line as {\"id\": \"1\", \"input\": …}, or pass `--raw` when each line is an input itself")
        };
        let line: Line<'_> = serde_json::from_str(text.trim()).map_err(|error| hint(place(&error)))?;
        let id = match line.id.map(RawValue::get) {
            None | Some("null") => self.line.to_string(),
            Some(id) if id.starts_with('"') => serde_json::from_str(id).map_err(|error| place(&error))?,
            Some(id) if id.starts_with(['{', '[', 't', 'f']) => return Err(hint(self.bad("the id must be a text or a number"))),
            Some(number) => number.to_owned(),
        };
        Ok(Item {
            id,
            input: line.input.to_owned(),
            timeout_ms: line.timeout_ms,
        })
    }

    fn bad(&self, what: &str) -> Failure {
        Failure::new(ErrorCode::ClientInput, format!("{}:{}:1: {what}", self.name, self.line))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, raw: bool, skip: &[&str]) -> std::result::Result<Vec<(String, String)>, String> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        let path = file.path().to_str().unwrap().to_owned();
        let skip = skip.iter().map(|id| (*id).to_owned()).collect();
        let collect = || {
            let mut items = Items::open(&path, raw, skip)?;
            let mut all = Vec::new();
            while let Some(item) = items.next()? {
                all.push((item.id, item.input.get().to_owned()));
            }
            assert_eq!(items.expected(), Some(all.len() as u64));
            Ok(all)
        };
        collect().map_err(|failure: Failure| failure.message().replace(&path, "F"))
    }

    #[test]
    fn lines_become_items() {
        let pair = |id: &str, input: &str| (id.to_owned(), input.to_owned());
        let text = "{\"id\": \"a\", \"input\": 1}\n\n{\"id\": 7, \"input\": {\"x\": 1e400}}\r\n{\"input\": null}";
        assert_eq!(
            read(text, false, &[]).unwrap(),
            [pair("a", "1"), pair("7", "{\"x\": 1e400}"), pair("4", "null")]
        );
        assert_eq!(read(text, false, &["7"]).unwrap(), [pair("a", "1"), pair("4", "null")]);
        assert_eq!(read("1\n\"x\"\n", true, &["1"]).unwrap(), [pair("2", "\"x\"")]);
        assert_eq!(read("", false, &[]).unwrap(), []);
    }

    #[test]
    fn a_bad_line_is_named() {
        for (text, message) in [
            ("{\"input\": 1}\n{\"input\": }\n", "F:2:11: expected value"),
            (
                "{\"input\": 1}\n{\"inputs\": 1}\n",
                "F:2:9: unknown field `inputs`, expected one of `id`, `input`, `timeoutMs`",
            ),
            (
                "{\"id\": \"a\", \"input\": 1}\n{\"id\": \"a\", \"input\": 1}\n",
                "F:2:1: the id was used by an earlier line",
            ),
            ("{\"id\": [], \"input\": 1}", "F:1:1: the id must be a text or a number"),
        ] {
            assert_eq!(read(text, false, &[]).unwrap_err(), message);
        }
    }
}
