//! A node's own log in files that are only ever appended to.
//!
//! A part is the file `DIRECTORY/NUMBER.journal`; a frame in it is `[length: u32 LE] [CRC-32 of length and content:
//! u32 LE] [content]`. A frame that ends beyond the file was being written when the process died, and so were zeros at
//! the end, which some file systems leave after a power loss. Any other frame that does not hold together was damaged:
//! those around it are read, and the part is also kept as `NUMBER.damaged` for whoever can make more of it.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use oriel_store::{Journal, Result};

use crate::{map, sync_directory};

const ENDING: &str = "journal";
/// The ending of a copy that nobody reads again.
const DAMAGED: &str = "damaged";
/// Length and checksum.
const HEAD: usize = 8;

/// The log of this node in one directory.
#[derive(Debug)]
pub struct FsJournal {
    directory: PathBuf,
    sync: bool,
    present: Mutex<Present>,
}

/// The part that is written.
#[derive(Debug)]
struct Present {
    number: u64,
    /// Made with its first frame.
    file: Option<File>,
    /// Bytes of whole frames in it.
    length: u64,
    buffer: Vec<u8>,
}

impl FsJournal {
    /// Opens a directory and makes it when it is not there. With `sync` each frame is on the disk before it is
    /// promised.
    ///
    /// # Errors
    /// `ReadOnly` when it cannot be written, `Full` when no space is left, `Unavailable` for what else stands against it.
    pub fn open(directory: impl Into<PathBuf>, sync: bool) -> Result<Self> {
        let directory = directory.into();
        fs::create_dir_all(&directory).map_err(map)?;
        let number = parts(&directory).map_err(map)?.last().map_or(1, |last| last + 1);
        let present = Mutex::new(Present {
            number,
            file: None,
            length: 0,
            buffer: Vec::new(),
        });
        Ok(Self { directory, sync, present })
    }

    fn present(&self) -> MutexGuard<'_, Present> {
        // A panic while it was held leaves at most a frame cut short, which `append` cuts off.
        self.present.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn path(&self, number: u64) -> PathBuf {
        self.directory.join(format!("{number:016}.{ENDING}"))
    }

    fn write(&self, present: &mut Present, frame: &[u8]) -> io::Result<()> {
        let length = u32::try_from(frame.len()).map_err(|_| io::Error::from(ErrorKind::FileTooLarge))?;
        if present.file.is_none() {
            let path = self.path(present.number);
            present.file = Some(OpenOptions::new().append(true).create_new(true).open(path)?);
            present.length = 0;
            if self.sync {
                sync_directory(&self.directory)?;
            }
        }
        present.buffer.clear();
        present.buffer.extend_from_slice(&length.to_le_bytes());
        present.buffer.extend_from_slice(&checksum(length, frame).to_le_bytes());
        present.buffer.extend_from_slice(frame);
        let Some(file) = &mut present.file else { return Ok(()) };
        let mut written = file.write_all(&present.buffer);
        if self.sync && written.is_ok() {
            written = file.sync_data();
        }
        match written {
            Ok(()) => present.length += present.buffer.len() as u64,
            Err(_) => {
                // Half a frame would hide those after it. If it cannot be cut off, they go into another part.
                if file.set_len(present.length).is_err() {
                    present.file = None;
                    present.number += 1;
                }
            }
        }
        written
    }
}

impl Journal for FsJournal {
    fn append(&self, frame: &[u8]) -> Result<()> {
        self.write(&mut self.present(), frame).map_err(map)
    }

    fn waits_for_disk(&self) -> bool {
        self.sync
    }

    fn cut(&self) -> Result<u64> {
        let mut present = self.present();
        let ended = present.number;
        if present.file.take().is_some() {
            present.number += 1;
        }
        Ok(ended)
    }

    fn forget(&self, part: u64) -> Result<()> {
        let present = self.present();
        for number in parts(&self.directory).map_err(map)? {
            if number <= part && !(number == present.number && present.file.is_some()) {
                fs::remove_file(self.path(number)).map_err(map)?;
            }
        }
        Ok(())
    }

    fn left(&self) -> Result<Vec<u64>> {
        let present = self.present();
        let mut left = parts(&self.directory).map_err(map)?;
        left.retain(|number| *number != present.number);
        Ok(left)
    }

    fn read(&self, part: u64) -> Result<Vec<Vec<u8>>> {
        read(&self.path(part)).map_err(map)
    }
}

/// The numbers of the parts in a directory, ascending.
fn parts(directory: &Path) -> io::Result<Vec<u64>> {
    let mut numbers = Vec::new();
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        if path.extension().is_some_and(|ending| ending == ENDING)
            && let Some(number) = path.file_stem().and_then(|stem| stem.to_str()?.parse().ok())
        {
            numbers.push(number);
        }
    }
    numbers.sort_unstable();
    Ok(numbers)
}

/// The length counts too: otherwise zeros would be a frame.
fn checksum(length: u32, content: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&length.to_le_bytes());
    hasher.update(content);
    hasher.finalize()
}

fn read(path: &Path) -> io::Result<Vec<Vec<u8>>> {
    let content = fs::read(path)?;
    let (mut frames, mut rest, mut damaged) = (Vec::new(), &content[..], 0);
    while let Some((frame, tail)) = next(rest) {
        match frame {
            Some(frame) => frames.push(frame.to_vec()),
            None => damaged += 1,
        }
        rest = tail;
    }
    if damaged > 0 {
        let aside = path.with_extension(DAMAGED);
        fs::copy(path, &aside)?;
        tracing::error!(
            path = %aside.display(),
            frames = damaged,
            "a part of the journal is damaged: the records in those frames are lost, the file is kept"
        );
    } else if !rest.is_empty() {
        tracing::warn!(path = %path.display(), bytes = rest.len(), "the end of a journal was cut short by a crash");
    }
    Ok(frames)
}

/// The first frame, or nothing in its place when it is damaged, and what follows it. Nothing at the end.
fn next(bytes: &[u8]) -> Option<(Option<&[u8]>, &[u8])> {
    let (head, rest) = bytes.split_first_chunk::<HEAD>()?;
    let [a, b, c, d, e, f, g, h] = *head;
    let length = u32::from_le_bytes([a, b, c, d]);
    let (frame, rest) = rest.split_at_checked(usize::try_from(length).ok()?)?;
    let holds = checksum(length, frame) == u32::from_le_bytes([e, f, g, h]);
    if !holds && bytes.iter().all(|byte| *byte == 0) {
        return None;
    }
    Some((holds.then_some(frame), rest))
}
