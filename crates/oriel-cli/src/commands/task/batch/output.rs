//! Where the results of a batch go: one line of JSON each.

use std::collections::HashSet;
use std::fs::{File, OpenOptions};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::{Value, json};

use crate::error::{Failure, Result};

/// What an earlier run left.
#[derive(Debug, Default)]
pub(super) struct Done {
    /// Ids of items that succeeded.
    pub(super) ids: HashSet<String>,
    /// Their lines, which are kept; lines of failed items give way to new ones.
    pub(super) keep: Option<Vec<u8>>,
}

/// Reads the results of an earlier run. A last line cut short by a crash does not count.
pub(super) fn succeeded(path: &Path) -> Result<Done> {
    #[derive(Deserialize)]
    struct Line {
        id: String,
        success: bool,
    }
    let bytes = match std::fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Done::default()),
        Err(error) => return Err(Failure::file(path, &error)),
    };
    let mut done = Done::default();
    let mut keep = Vec::with_capacity(bytes.len());
    for line in bytes.split_inclusive(|byte| *byte == b'\n').filter(|line| line.ends_with(b"\n")) {
        if let Ok(Line { id, success: true }) = serde_json::from_slice(line)
            && done.ids.insert(id)
        {
            keep.extend_from_slice(line);
        }
    }
    done.keep = Some(keep);
    Ok(done)
}

/// The place where results go.
pub(super) struct Output {
    to: To,
}

enum To {
    Stdout,
    File(BufWriter<File>, PathBuf),
}

impl Output {
    /// Standard output, or a file that starts with the lines of `keep`.
    pub(super) fn open(path: Option<&Path>, keep: Option<Vec<u8>>) -> Result<Self> {
        let Some(path) = path else { return Ok(Self { to: To::Stdout }) };
        let failed = |error: &std::io::Error| Failure::file(path, error);
        if let Some(keep) = keep {
            // Never a moment at which what was done before is lost.
            let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
            let mut file = tempfile::NamedTempFile::new_in(dir).map_err(|error| failed(&error))?;
            file.write_all(&keep).map_err(|error| failed(&error))?;
            file.persist(path).map_err(|error| failed(&error.error))?;
            let file = OpenOptions::new().append(true).open(path).map_err(|error| failed(&error))?;
            return Ok(Self {
                to: To::File(BufWriter::new(file), path.to_owned()),
            });
        }
        let file = File::create(path).map_err(|error| failed(&error))?;
        Ok(Self {
            to: To::File(BufWriter::new(file), path.to_owned()),
        })
    }

    /// Writes one result.
    pub(super) fn write(&mut self, result: &Value) -> Result<()> {
        match &mut self.to {
            To::Stdout => {
                let mut out = std::io::stdout().lock();
                writeln!(out, "{result}")?;
            }
            To::File(file, path) => writeln!(file, "{result}").map_err(|error| Failure::file(path, &error))?,
        }
        Ok(())
    }

    /// Makes sure that what was written is seen.
    pub(super) fn flush(&mut self) -> Result<()> {
        match &mut self.to {
            To::Stdout => std::io::stdout().lock().flush()?,
            To::File(file, path) => file.flush().map_err(|error| Failure::file(path, &error))?,
        }
        Ok(())
    }
}

/// A result of the batch operation and one of the stream operation in one form: that of the batch.
pub(super) fn uniform(result: &Value) -> Value {
    let field = |names: &[&str]| {
        names
            .iter()
            .find_map(|name| result.get(*name))
            .filter(|value| !value.is_null())
            .cloned()
    };
    let mut out = json!({ "id": result.get("id"), "success": result.get("success") });
    let error = field(&["errorMessage", "error"]).map(|error| match &error {
        Value::Object(error) => error.get("message").or_else(|| error.get("detail")).cloned().unwrap_or(Value::Null),
        _ => error,
    });
    let code = field(&["errorCode", "error_code", "code"]).or_else(|| result.get("error")?.get("code").cloned());
    // `null` is a proper output: it is kept when the item succeeded.
    let output = ["outputData", "output"].iter().find_map(|name| result.get(*name)).cloned();
    for (key, value) in [
        ("outputData", output.filter(|_| result.get("success") == Some(&Value::Bool(true)))),
        ("errorMessage", error),
        ("errorCode", code),
        ("durationMs", field(&["durationMs", "duration_ms"])),
    ] {
        if let Some(value) = value {
            out[key] = value;
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_of_both_operations_look_alike() {
        let batch = json!({"id": "a", "success": true, "outputData": null, "durationMs": 1.5});
        assert_eq!(uniform(&batch), batch);
        let stream = json!({"id": "a", "success": false, "error": {"code": "execution.failed", "message": "no"}, "duration_ms": 2});
        let expected = json!({"id": "a", "success": false, "errorMessage": "no", "errorCode": "execution.failed", "durationMs": 2});
        assert_eq!(uniform(&stream), expected);
        assert_eq!(uniform(&json!({"id": "a", "success": false, "error": "no"}))["errorMessage"], "no");
    }

    #[test]
    fn only_whole_successes_count_as_done() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(
            file.path(),
            "{\"id\":\"a\",\"success\":true}\n{\"id\":\"b\",\"success\":false}\nnoise\n{\"id\":\"c\",\"success\":true}",
        )
        .unwrap();
        let done = succeeded(file.path()).unwrap();
        assert_eq!(done.ids, HashSet::from(["a".to_owned()]));
        let mut output = Output::open(Some(file.path()), done.keep).unwrap();
        output.write(&json!({"id": "b"})).unwrap();
        output.flush().unwrap();
        assert_eq!(
            std::fs::read_to_string(file.path()).unwrap(),
            "{\"id\":\"a\",\"success\":true}\n{\"id\":\"b\"}\n"
        );
    }
}
