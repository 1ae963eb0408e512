//! A guest's standard output and error, line by line into its log.

use std::sync::Arc;

use bytes::Bytes;
use oriel_model::log::LogLevel;
use parking_lot::Mutex;
use tokio::io::AsyncWrite;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamResult};

use super::log::Lines;

/// A line is cut here: a guest that never ends its line must not make the host collect it.
const MAX_LINE: usize = 8 << 10;
/// Bytes that a guest may write at once.
const WRITE_AT_ONCE: usize = 64 << 10;

/// One standard stream. Clones write to the same line.
#[derive(Clone)]
pub(crate) struct LineStream {
    level: LogLevel,
    lines: Arc<Lines>,
    line: Arc<Mutex<Vec<u8>>>,
}

impl LineStream {
    pub(crate) fn new(level: LogLevel, lines: Arc<Lines>) -> Self {
        Self {
            level,
            lines,
            line: Arc::default(),
        }
    }

    /// Logs what stands in an unfinished line.
    pub(crate) fn finish_line(&self) {
        let mut line = self.line.lock();
        if !line.is_empty() {
            self.emit(&mut line);
        }
    }

    fn emit(&self, line: &mut Vec<u8>) {
        let text = String::from_utf8_lossy(line.strip_suffix(b"\r").unwrap_or(line)).into_owned();
        line.clear();
        if !text.is_empty() {
            self.lines.write(self.level, text, Vec::new());
        }
    }

    fn take(&self, mut bytes: &[u8]) {
        let mut line = self.line.lock();
        while !bytes.is_empty() {
            let room = MAX_LINE - line.len();
            let end = bytes.iter().position(|byte| *byte == b'\n').unwrap_or(bytes.len());
            if end < bytes.len() && end <= room {
                line.extend_from_slice(&bytes[..end]);
                bytes = &bytes[end + 1..];
                self.emit(&mut line);
            } else {
                let taken = end.min(room);
                line.extend_from_slice(&bytes[..taken]);
                bytes = &bytes[taken..];
                if line.len() >= MAX_LINE {
                    self.emit(&mut line);
                }
            }
        }
    }
}

impl IsTerminal for LineStream {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for LineStream {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        // Asked for by WASI 0.3 only, which this host does not offer.
        Box::new(tokio::io::sink())
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }
}

#[async_trait::async_trait]
impl Pollable for LineStream {
    async fn ready(&mut self) {}
}

impl OutputStream for LineStream {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.take(&bytes);
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(WRITE_AT_ONCE)
    }
}
