//! Native artifacts on disk, addressed by the component's digest and the engine's settings.
//!
//! A file is the artifact as the engine serialised it, then a trailer: length, checksum and a magic word. The
//! trailer tells a file that was cut short or damaged from a whole one; it is no defence against somebody who may
//! write to the directory, which is why nobody else may.

use std::fs::{self, File};
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use oriel_model::Digest;

use crate::error::SandboxError;

const MAGIC: &[u8; 8] = b"oriel/1\n";
const TRAILER: u64 = 24;
/// A temporary file this old belongs to a process that died while writing it.
const STALE: Duration = Duration::from_secs(3_600);

/// The directory of one engine's artifacts.
#[derive(Debug)]
pub(crate) struct Cache {
    dir: PathBuf,
}

impl Cache {
    /// Opens `root`'s part for the engine with this fingerprint.
    pub(crate) fn open(root: &Path, fingerprint: &Digest) -> Result<Self, SandboxError> {
        let dir = root.join(&fingerprint.hex()[..16]);
        fs::create_dir_all(&dir).map_err(|error| SandboxError::cache(&dir, error))?;
        let cache = Self { dir };
        cache.sweep();
        Ok(cache)
    }

    fn sweep(&self) {
        let Ok(entries) = fs::read_dir(&self.dir) else { return };
        for entry in entries.flatten() {
            let age = || SystemTime::now().duration_since(entry.metadata().ok()?.modified().ok()?).ok();
            if entry.file_name().to_string_lossy().contains(".tmp") && age().is_some_and(|age| age > STALE) {
                // Whoever may read the directory may not be allowed to tidy it; nothing depends on it.
                let _ = fs::remove_file(entry.path());
            }
        }
    }

    pub(crate) fn path(&self, component: Digest) -> PathBuf {
        self.dir.join(format!("{}.native", component.hex()))
    }

    /// Whether there is an artifact, whole or not.
    pub(crate) fn contains(&self, component: Digest) -> bool {
        self.path(component).exists()
    }

    /// Writes an artifact so that it is there wholly or not at all, whatever happens meanwhile.
    pub(crate) fn store(&self, component: Digest, native: &[u8]) -> Result<(), SandboxError> {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let temporary = self.dir.join(format!("{}.tmp-{}-{count}", component.hex(), std::process::id()));
        let write = || {
            let mut file = File::create(&temporary)?;
            file.write_all(native)?;
            let mut sum = Checksum::default();
            sum.update(native);
            file.write_all(&(native.len() as u64).to_le_bytes())?;
            file.write_all(&sum.finish().to_le_bytes())?;
            file.write_all(MAGIC)?;
            file.sync_all()?;
            fs::rename(&temporary, self.path(component))?;
            File::open(&self.dir)?.sync_all()
        };
        write().map_err(|error| {
            let _ = fs::remove_file(&temporary);
            SandboxError::cache(&temporary, error)
        })
    }

    /// The path of a whole artifact, if there is one.
    pub(crate) fn verified(&self, component: Digest) -> Option<PathBuf> {
        let path = self.path(component);
        match verify(&path) {
            Ok(true) => Some(path),
            Ok(false) => {
                tracing::warn!(path = %path.display(), "a native artifact is damaged and will be made again");
                None
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
            Err(error) => {
                tracing::warn!(path = %path.display(), %error, "a native artifact cannot be read and will be made again");
                None
            }
        }
    }
}

fn verify(path: &Path) -> std::io::Result<bool> {
    let mut file = File::open(path)?;
    let total = file.metadata()?.len();
    let Some(length) = total.checked_sub(TRAILER) else {
        return Ok(false);
    };
    file.seek(SeekFrom::Start(length))?;
    let mut trailer = [0; TRAILER as usize];
    file.read_exact(&mut trailer)?;
    let word = |at: usize| u64::from_le_bytes(std::array::from_fn(|i| trailer[at + i]));
    if &trailer[16..] != MAGIC || word(0) != length {
        return Ok(false);
    }
    file.seek(SeekFrom::Start(0))?;
    let mut content = file.take(length);
    let mut sum = Checksum::default();
    let mut buffer = vec![0; 1 << 18];
    loop {
        // Whole buffers, so that the sum does not depend on how the reads fall.
        let mut filled = 0;
        while filled < buffer.len() {
            match content.read(&mut buffer[filled..])? {
                0 => break,
                read => filled += read,
            }
        }
        if filled == 0 {
            break;
        }
        sum.update(&buffer[..filled]);
    }
    Ok(sum.finish() == word(8))
}

/// FNV-1a over 64-bit words in four lanes: finds damage at the speed of memory. Feed it in multiples of 32 bytes,
/// except for the last piece.
struct Checksum {
    lanes: [u64; 4],
    length: u64,
}

impl Default for Checksum {
    fn default() -> Self {
        const BASIS: u64 = 0xcbf2_9ce4_8422_2325;
        Self {
            lanes: [BASIS, BASIS ^ 1, BASIS ^ 2, BASIS ^ 3],
            length: 0,
        }
    }
}

impl Checksum {
    const PRIME: u64 = 0x0000_0100_0000_01b3;

    fn update(&mut self, bytes: &[u8]) {
        self.length += bytes.len() as u64;
        let mut chunks = bytes.chunks_exact(32);
        let mut take = |chunk: &[u8]| {
            for (lane, word) in self.lanes.iter_mut().zip(chunk.chunks_exact(8)) {
                let word = u64::from_le_bytes(std::array::from_fn(|i| word[i]));
                *lane = (*lane ^ word).wrapping_mul(Self::PRIME).rotate_left(23);
            }
        };
        for chunk in chunks.by_ref() {
            take(chunk);
        }
        let rest = chunks.remainder();
        if !rest.is_empty() {
            let mut last = [0; 32];
            last[..rest.len()].copy_from_slice(rest);
            take(&last);
        }
    }

    fn finish(&self) -> u64 {
        self.lanes
            .iter()
            .fold(self.length, |sum, lane| (sum ^ lane).wrapping_mul(Self::PRIME).rotate_left(31))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_whole_artifact_is_believed() {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::open(dir.path(), &Digest::of(b"engine")).unwrap();
        let component = Digest::of(b"component");
        assert!(cache.verified(component).is_none());
        let native: Vec<u8> = (0..600_001u32).map(|i| (i % 251) as u8).collect();
        cache.store(component, &native).unwrap();
        let path = cache.verified(component).unwrap();
        let whole = fs::read(&path).unwrap();

        for cut in [0, 10, 24, 1_000, whole.len() - 1] {
            fs::write(&path, &whole[..cut]).unwrap();
            assert!(cache.verified(component).is_none(), "cut to {cut}");
        }
        for at in [0, 31, 300_000, native.len() - 1, native.len(), native.len() + 8, whole.len() - 1] {
            let mut altered = whole.clone();
            altered[at] ^= 0x40;
            fs::write(&path, &altered).unwrap();
            assert!(cache.verified(component).is_none(), "altered at {at}");
        }
        fs::write(&path, &whole).unwrap();
        assert!(cache.verified(component).is_some());
    }
}
