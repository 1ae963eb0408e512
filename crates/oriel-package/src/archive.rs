//! The tar archive: POSIX ustar with regular files only, in one canonical form.
//!
//! An entry's header is a function of its path and size: fixed owner, mode and time, no links, no extensions.
//! The reader rebuilds each header and compares it whole, so that sparse files, pax and GNU records, links,
//! devices, lying checksums and odd encodings of numbers are all refused by one comparison. Entries stand in
//! ascending order of their paths, which refuses duplicates too.

use crate::PackageError;
use crate::limits::{ReadLimits, within};

const BLOCK: usize = 512;
/// The longest path: what fits into the header's name field with no prefix.
const MAX_PATH: usize = 100;

/// An entry: its path and content.
pub(crate) type Entry<'b> = (&'b str, &'b [u8]);

/// The header of an entry, or nothing when path or size do not fit into one.
fn header(path: &str, size: usize) -> Option<[u8; BLOCK]> {
    // Eleven octal digits hold 8 GiB.
    if path.is_empty() || path.len() > MAX_PATH || size >= 1 << 33 {
        return None;
    }
    let mut header = [0; BLOCK];
    let mut put = |at: usize, bytes: &[u8]| header[at..at + bytes.len()].copy_from_slice(bytes);
    put(0, path.as_bytes());
    put(100, b"0000644\0");
    put(108, b"0000000\0");
    put(116, b"0000000\0");
    put(124, format!("{size:011o}\0").as_bytes());
    put(136, b"00000000000\0");
    // The checksum is computed with its own field as spaces.
    put(148, b"        ");
    put(156, b"0");
    put(257, b"ustar\x0000");
    put(329, b"0000000\0");
    put(337, b"0000000\0");
    let sum: u32 = header.iter().map(|&byte| u32::from(byte)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    Some(header)
}

/// Writes an archive of entries that are in ascending order of their paths.
pub(crate) fn write<'e>(entries: impl IntoIterator<Item = Entry<'e>>) -> Result<Vec<u8>, PackageError> {
    let mut out = Vec::new();
    for (path, content) in entries {
        let header = header(path, content.len()).ok_or_else(|| PackageError::invalid(format!("`{path}` does not fit into an archive")))?;
        out.extend_from_slice(&header);
        out.extend_from_slice(content);
        out.resize(out.len().next_multiple_of(BLOCK), 0);
    }
    out.resize(out.len() + 2 * BLOCK, 0);
    Ok(out)
}

/// Reads an archive. Nothing is copied.
pub(crate) fn read<'b>(bytes: &'b [u8], limits: &ReadLimits) -> Result<Vec<Entry<'b>>, PackageError> {
    within("the package", bytes.len(), limits.file)?;
    let cut = || PackageError::invalid("the archive is cut short");
    let mut entries: Vec<Entry<'b>> = Vec::new();
    let mut rest = bytes;
    loop {
        let (given, after) = rest.split_at_checked(BLOCK).ok_or_else(cut)?;
        if given.iter().all(|&byte| byte == 0) {
            return match after.split_at_checked(BLOCK) {
                None => Err(cut()),
                Some((last, [])) if last.iter().all(|&byte| byte == 0) => Ok(entries),
                Some(_) => Err(PackageError::invalid("something follows the end of the archive")),
            };
        }
        if entries.len() >= limits.entries {
            return Err(PackageError::TooMany { limit: limits.entries });
        }
        let (path, size) = fields(given)
            .ok_or_else(|| PackageError::invalid(format!("entry {} is not a plain file of an OCI image layout", entries.len() + 1)))?;
        if header(path, size).is_none_or(|own| own != given) {
            return Err(PackageError::invalid(format!(
                "the header of `{path}` is not in the one form that packages have (links, special files, extensions and times are refused)"
            )));
        }
        if entries.last().is_some_and(|(last, _)| *last >= path) {
            return Err(PackageError::invalid(format!("`{path}` is out of order or there twice")));
        }
        // The file's length was checked, so a size that lies can at most run past its end.
        let (content, after) = after.split_at_checked(size).ok_or_else(cut)?;
        let (padding, after) = after.split_at_checked(size.next_multiple_of(BLOCK) - size).ok_or_else(cut)?;
        if padding.iter().any(|&byte| byte != 0) {
            return Err(PackageError::invalid(format!("the padding after `{path}` is not empty")));
        }
        entries.push((path, content));
        rest = after;
    }
}

/// Path and size out of a header, as far as they can be read.
fn fields(header: &[u8]) -> Option<(&str, usize)> {
    let name = header.get(..MAX_PATH)?;
    let name = &name[..name.iter().position(|&byte| byte == 0).unwrap_or(name.len())];
    let path = std::str::from_utf8(name).ok()?;
    let good = !path.is_empty() && path.bytes().all(|byte| byte.is_ascii_graphic());
    let size = std::str::from_utf8(header.get(124..135)?).ok()?;
    Some((path, usize::from_str_radix(size, 8).ok()?)).filter(|_| good)
}
