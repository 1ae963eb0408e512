//! The files that travel in the binary; see this crate's `build.rs`.

include!(concat!(env!("OUT_DIR"), "/embedded.rs"));

/// Embedded files: path with `/`, content.
pub(crate) type Files = &'static [(&'static str, &'static [u8])];
