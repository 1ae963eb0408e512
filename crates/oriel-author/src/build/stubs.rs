//! Names for the functions that stand in for WASI.
//!
//! A compiler that is told to stub WASI puts a function that traps in the place of each import. The trap says
//! `unreachable` and nothing else, so that an author who asks for the time has nothing to go by. Here such functions are
//! given the name of the import that they stand for; the sandbox finds it on the stack and tells it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;
use std::ops::Range;

use wasmparser::{ExternalKind, Instance, Operator, Parser, Payload, Validator, WasmFeatures};

use crate::error::{AuthorError, Result};

/// A module of a component that has nothing but stubs.
struct Stubs {
    /// Its bytes in the component, without the section's head.
    range: Range<usize>,
    /// Each function with the name under which it is exported.
    functions: Vec<(u32, String)>,
}

/// Gives the stubs of a component their names.
pub(super) fn name(component: &[u8]) -> Result<Vec<u8>> {
    let (modules, interfaces) = read(component).map_err(|error| broken(&error))?;
    let mut named = Vec::with_capacity(component.len() + 4096);
    let mut copied = 0;
    for stubs in &modules {
        // A stub does not say what it stands for, but it exports exactly the functions that others import.
        let exports: BTreeSet<&str> = stubs.functions.iter().map(|(_, name)| name.as_str()).collect();
        let stands_for = |functions: &BTreeSet<String>| functions.iter().map(String::as_str).eq(exports.iter().copied());
        let Some((interface, _)) = interfaces.iter().find(|(_, functions)| stands_for(functions)) else {
            continue;
        };
        let section = name_section(interface, &stubs.functions);
        let Range { start, end } = stubs.range;
        let length = leb(end - start);
        let head = start - length.len();
        if component.get(head..start) != Some(&length) {
            // The length is padded: rewriting it would be guessing, and the component works without names.
            continue;
        }
        named.extend_from_slice(&component[copied..head]);
        named.extend(leb(end - start + section.len()));
        named.extend_from_slice(&component[start..end]);
        named.extend(section);
        copied = end;
    }
    named.extend_from_slice(&component[copied..]);
    Validator::new_with_features(WasmFeatures::all())
        .validate_all(&named)
        .map_err(|error| broken(&error))?;
    Ok(named)
}

fn broken(error: &dyn Display) -> AuthorError {
    AuthorError::Component { detail: error.to_string() }
}

/// The modules of a component that are stubs, and the functions of each interface of WASI that its other modules import.
type Found = (Vec<Stubs>, BTreeMap<String, BTreeSet<String>>);

fn read(component: &[u8]) -> wasmparser::Result<Found> {
    let mut modules = Vec::new();
    let mut interfaces = BTreeMap::<String, BTreeSet<String>>::new();
    // What each instance exports; nothing of those that are made of modules.
    let mut instances: Vec<Vec<String>> = Vec::new();
    let mut depth = 0_usize;
    for payload in Parser::new(0).parse_all(component) {
        match payload? {
            Payload::ModuleSection {
                unchecked_range: range, ..
            } => {
                if depth == 0
                    && let Some(functions) = stubs(&component[range.clone()])?
                {
                    modules.push(Stubs { range, functions });
                }
                depth += 1;
            }
            Payload::ComponentSection { .. } => depth += 1,
            Payload::End(_) => depth = depth.saturating_sub(1),
            Payload::InstanceSection(section) if depth == 0 => {
                for instance in section {
                    let exports = match instance? {
                        Instance::FromExports(exports) => exports.iter().map(|export| export.name.to_owned()).collect(),
                        Instance::Instantiate { args, .. } => {
                            for argument in args.iter().filter(|argument| argument.name.starts_with("wasi:")) {
                                let functions = instances.get(argument.index as usize).into_iter().flatten().cloned();
                                interfaces.entry(argument.name.to_owned()).or_default().extend(functions);
                            }
                            Vec::new()
                        }
                    };
                    instances.push(exports);
                }
            }
            _ => {}
        }
    }
    Ok((modules, interfaces))
}

/// The exported functions of a module, if it imports nothing and each of its functions does nothing but trap.
fn stubs(module: &[u8]) -> wasmparser::Result<Option<Vec<(u32, String)>>> {
    let mut functions = Vec::new();
    for payload in Parser::new(0).parse_all(module) {
        match payload? {
            Payload::ImportSection(section) if section.count() > 0 => return Ok(None),
            Payload::CustomSection(section) if section.name() == "name" => return Ok(None),
            Payload::ExportSection(section) => {
                for export in section {
                    let export = export?;
                    if export.kind == ExternalKind::Func {
                        functions.push((export.index, export.name.to_owned()));
                    }
                }
            }
            Payload::CodeSectionEntry(body) => {
                let first = body.get_operators_reader()?.read()?;
                if !matches!(first, Operator::Unreachable) {
                    return Ok(None);
                }
            }
            _ => {}
        }
    }
    functions.sort();
    Ok((!functions.is_empty()).then_some(functions))
}

/// A custom section `name` that calls each function `INTERFACE#FUNCTION`
/// (<https://webassembly.github.io/spec/core/appendix/custom.html>).
fn name_section(interface: &str, functions: &[(u32, String)]) -> Vec<u8> {
    const CUSTOM: u8 = 0;
    const FUNCTION_NAMES: u8 = 1;
    let text = |text: &str| [leb(text.len()), text.as_bytes().to_vec()].concat();
    let mut map = leb(functions.len());
    for (index, name) in functions {
        map.extend(leb(*index as usize));
        map.extend(text(&format!("{interface}#{name}")));
    }
    let content = [text("name"), vec![FUNCTION_NAMES], leb(map.len()), map].concat();
    [vec![CUSTOM], leb(content.len()), content].concat()
}

/// A number as WebAssembly writes it: seven bits a byte, the lowest first.
fn leb(mut number: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let low = (number & 0x7f) as u8;
        number >>= 7;
        if number == 0 {
            bytes.push(low);
            return bytes;
        }
        bytes.push(low | 0x80);
    }
}
