//! Outbound HTTP beside stubbed WASI.
//!
//! The compilers for Python and JavaScript either link all of WASI or stub every import of that namespace, and
//! `wasi:http` with it; QuickJS's cannot link it at all. So these components are built against the same WIT under
//! the namespace `wasx`, which the compilers leave alone, and the imports get their own name back afterwards.

use std::fmt::Display;
use std::ops::Range;

use wasmparser::{Parser, Payload, Validator, WasmFeatures};

use crate::error::{AuthorError, Result};
use crate::world::WASI;

/// As long as `wasi`, so that names can be changed in place.
const NAMESPACE: &[u8; 5] = b"wasx:";

/// A version beside the one that the compilers link, so that both can be imported by one component. Hosts treat all
/// of 0.2 alike.
const VERSION: &str = "0.2.11";

/// WIT text under the other name.
pub(super) fn rename(wit: &str) -> String {
    wit.replace("wasi:", "wasx:").replace(WASI, VERSION)
}

/// The module that the generated entry imports for an interface of WASI.
pub(super) fn module(interface: &str) -> String {
    format!("wasx:{interface}@{VERSION}")
}

/// Gives the component's imports their own name back.
pub(super) fn restore(mut component: Vec<u8>) -> Result<Vec<u8>> {
    let broken = |error: &dyn Display| AuthorError::Component { detail: error.to_string() };
    let mut sections: Vec<Range<usize>> = Vec::new();
    let mut names: Vec<String> = Vec::new();
    let mut depth = 0_usize;
    for payload in Parser::new(0).parse_all(&component) {
        match payload.map_err(|error| broken(&error))? {
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
            Payload::End(_) => depth = depth.saturating_sub(1),
            Payload::ComponentImportSection(section) if depth == 0 => {
                sections.push(section.range());
                for import in section {
                    names.push(import.map_err(|error| broken(&error))?.name.name.to_owned());
                }
            }
            _ => {}
        }
    }
    for name in names.iter().filter(|name| name.as_bytes().starts_with(NAMESPACE)) {
        for range in &sections {
            let bytes = &mut component[range.clone()];
            let found = bytes.windows(name.len()).position(|window| window == name.as_bytes());
            if let Some(at) = found {
                bytes[at..at + NAMESPACE.len()].copy_from_slice(b"wasi:");
                break;
            }
        }
    }
    Validator::new_with_features(WasmFeatures::all())
        .validate_all(&component)
        .map_err(|error| broken(&error))?;
    Ok(component)
}
