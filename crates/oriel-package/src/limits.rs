//! How much of a package is accepted.

use crate::PackageError;

const MIB: usize = 1 << 20;

/// Bounds on a package. All sizes are in bytes and are checked before anything is allocated for the part.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ReadLimits {
    /// The whole file. 128 MiB.
    pub file: usize,
    /// Entries in the archive. 4,096.
    pub entries: usize,
    /// The component. 96 MiB: about five times a Python component with its interpreter.
    pub component: usize,
    /// The Oriel manifest, schemas included. 1 MiB.
    pub manifest: usize,
    /// The README. 1 MiB.
    pub readme: usize,
    /// One asset. 16 MiB.
    pub asset: usize,
    /// The SBOM. 4 MiB.
    pub sbom: usize,
    /// One OCI document (index, image manifest, configuration). 2 MiB: an image manifest that lists 4,000
    /// assets has about 1 MiB.
    pub document: usize,
}

impl Default for ReadLimits {
    fn default() -> Self {
        Self {
            file: 128 * MIB,
            entries: 4_096,
            component: 96 * MIB,
            manifest: MIB,
            readme: MIB,
            asset: 16 * MIB,
            sbom: 4 * MIB,
            document: 2 * MIB,
        }
    }
}

/// Refuses a part that is over its limit.
pub(crate) fn within(what: &str, size: usize, limit: usize) -> Result<(), PackageError> {
    if size <= limit {
        return Ok(());
    }
    Err(PackageError::TooLarge {
        what: what.to_owned(),
        size: size as u64,
        limit: limit as u64,
    })
}
