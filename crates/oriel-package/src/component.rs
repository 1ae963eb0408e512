//! What can be known of a component without compiling it.

use std::collections::BTreeMap;

use wasmparser::{Encoding, KnownCustom, Parser, Payload};

use crate::PackageError;

/// The outside of a component.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Component {
    /// Names of what it imports, such as `oriel:extension/log@0.1.0`, in ascending order.
    pub imports: Vec<String>,
    /// Names of what it exports, in ascending order.
    pub exports: Vec<String>,
    /// What it was made with, from its `producers` sections: field (`language`, `processed-by`, `sdk`) → name →
    /// version.
    pub(crate) producers: BTreeMap<String, BTreeMap<String, String>>,
    /// Its dependencies as `cargo auditable` records them: the `.dep-v0` section, still compressed.
    pub(crate) audit: Option<Vec<u8>>,
}

/// Reads the structure of a component and its type's names. Function bodies are not validated: the sandbox does
/// that when it compiles them.
///
/// # Errors
/// When the bytes are not a component, or are damaged.
pub fn inspect(bytes: &[u8]) -> Result<Component, PackageError> {
    let fail = |reason: String| PackageError::Component { reason };
    if !bytes.starts_with(b"\0asm") {
        return Err(fail("it does not start as WebAssembly does".to_owned()));
    }
    if Parser::is_core_wasm(bytes) {
        return Err(fail("it is a core module, not a component: build it with `oriel build`".to_owned()));
    }
    let damaged = |error: wasmparser::BinaryReaderError| fail(error.to_string());
    let mut found = Component::default();
    let mut depth = 0_usize;
    let mut ended = false;
    for payload in Parser::new(0).parse_all(bytes) {
        match payload.map_err(damaged)? {
            Payload::Version { encoding, .. } if depth == 0 && !ended && encoding != Encoding::Component => {
                return Err(fail("it is not a component".to_owned()));
            }
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
            Payload::End(_) if depth > 0 => depth -= 1,
            Payload::End(_) => ended = true,
            Payload::ComponentImportSection(section) if depth == 0 => {
                for import in section {
                    found.imports.push(import.map_err(damaged)?.name.name.to_owned());
                }
            }
            Payload::ComponentExportSection(section) if depth == 0 => {
                for export in section {
                    found.exports.push(export.map_err(damaged)?.name.name.to_owned());
                }
            }
            Payload::CustomSection(section) => match section.as_known() {
                KnownCustom::Producers(fields) => producers(fields, &mut found.producers),
                _ if section.name() == ".dep-v0" => found.audit = Some(section.data().to_vec()),
                _ => {}
            },
            _ => {}
        }
    }
    if !ended {
        return Err(fail("it is cut short".to_owned()));
    }
    found.imports.sort();
    found.exports.sort();
    Ok(found)
}

/// Validates a component whole, function bodies included.
pub(crate) fn validate(bytes: &[u8]) -> Result<(), PackageError> {
    wasmparser::Validator::new()
        .validate_all(bytes)
        .map(|_| ())
        .map_err(|error| PackageError::Component { reason: error.to_string() })
}

/// Adds the fields of one section; a damaged section is worth no refusal, since nothing depends on it.
fn producers(fields: wasmparser::ProducersSectionReader<'_>, found: &mut BTreeMap<String, BTreeMap<String, String>>) {
    for field in fields.into_iter().flatten() {
        let names = found.entry(field.name.to_owned()).or_default();
        for value in field.values.into_iter().flatten() {
            names.entry(value.name.to_owned()).or_insert_with(|| value.version.to_owned());
        }
    }
}
