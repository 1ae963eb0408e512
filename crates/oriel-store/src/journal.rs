//! The port of a node's own log.

use crate::Result;

/// What this node has promised and not yet written to the database, in parts that follow each other. One process at a
/// time uses it; what a process leaves behind is there for the next.
///
/// It is for records that nobody reads at once and that come faster than a database commits. Its methods block for
/// as long as a write to a file does.
pub trait Journal: Send + Sync {
    /// Adds a frame to the present part, whole or not at all. `Ok` means that it outlives this process, and a power
    /// loss where [`Journal::waits_for_disk`] says so.
    fn append(&self, frame: &[u8]) -> Result<()>;

    /// Whether `append` waits for the disk, which takes milliseconds instead of microseconds.
    fn waits_for_disk(&self) -> bool;

    /// Ends the present part and answers its number; later frames belong to the next one.
    fn cut(&self) -> Result<u64>;

    /// Forgets all parts up to and including `part`.
    fn forget(&self, part: u64) -> Result<()>;

    /// All parts but the present one, in order: after opening, those that an earlier process left.
    fn left(&self) -> Result<Vec<u64>>;

    /// The frames of a part, in order. A frame that a crash cut short was never promised and is not among them.
    fn read(&self, part: u64) -> Result<Vec<Vec<u8>>>;
}
