//! A component's own type, read without compiling it, and its agreement with a manifest.

use oriel_model::manifest::{HOST_API, Manifest};
use wasmparser::{Encoding, Parser, Payload};

use crate::error::SandboxError;

/// The names of what a component imports and exports at its top level.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Shape {
    /// In the component's order, such as `oriel:extension/log@0.1.0`.
    pub imports: Vec<String>,
    /// In the component's order.
    pub exports: Vec<String>,
}

/// Interfaces of the guest API that need no permission.
const FREE: [&str; 4] = ["types", "context", "log", "config"];
/// WASI packages that every extension may import.
const WASI: [&str; 6] = ["cli", "clocks", "filesystem", "io", "random", "sockets"];
/// Exports that some toolchains leave behind without meaning anything by them.
const LEFTOVERS: [&str; 2] = ["init", "exports"];

/// `package/interface@version`, as far as a name has that form.
struct Interface<'a> {
    package: &'a str,
    name: &'a str,
    version: Option<semver::Version>,
}

impl<'a> Interface<'a> {
    fn parse(full: &'a str) -> Option<Self> {
        let (path, version) = full
            .split_once('@')
            .map_or((full, None), |(path, version)| (path, version.parse().ok()));
        let (package, name) = path.split_once('/')?;
        Some(Self { package, name, version })
    }

    /// Whether this host's `wanted` version serves it, by semantic versioning.
    fn served_by(&self, wanted: &semver::Version) -> bool {
        let Some(own) = &self.version else { return false };
        own.major == wanted.major
            && if own.major == 0 {
                own.minor == wanted.minor && own.patch <= wanted.patch
            } else {
                own <= wanted
            }
    }

    /// WASI 0.2 grows by patch versions only, and newer ones serve older guests.
    fn is_wasi_02(&self) -> bool {
        self.version
            .as_ref()
            .is_some_and(|version| version.major == 0 && version.minor == 2)
    }
}

impl Shape {
    pub(crate) fn read(wasm: &[u8]) -> Result<Self, SandboxError> {
        let invalid = |reason: String| SandboxError::Invalid { reason };
        if wasm.len() < 8 || !wasm.starts_with(b"\0asm") {
            return Err(invalid("it does not start like WebAssembly".to_owned()));
        }
        let mut shape = Self::default();
        let mut parser = Parser::new(0);
        let mut rest = wasm;
        let mut ended = false;
        while !ended {
            let (payload, consumed) = match parser.parse(rest, true).map_err(|error| invalid(error.to_string()))? {
                wasmparser::Chunk::NeedMoreData(_) => return Err(invalid("it is cut short".to_owned())),
                wasmparser::Chunk::Parsed { payload, consumed } => (payload, consumed),
            };
            match payload {
                Payload::Version {
                    encoding: Encoding::Module,
                    ..
                } => {
                    return Err(invalid("it is a core module, not a component".to_owned()));
                }
                Payload::ComponentImportSection(section) => {
                    for import in section {
                        let import = import.map_err(|error| invalid(error.to_string()))?;
                        shape.imports.push(import.name.name.to_owned());
                    }
                }
                Payload::ComponentExportSection(section) => {
                    for export in section {
                        let export = export.map_err(|error| invalid(error.to_string()))?;
                        shape.exports.push(export.name.name.to_owned());
                    }
                }
                // Nested modules and components are stepped over: their imports are the component's own business.
                Payload::ModuleSection { unchecked_range, .. } | Payload::ComponentSection { unchecked_range, .. } => {
                    let length = unchecked_range.end - unchecked_range.start;
                    rest = rest
                        .get(consumed..)
                        .and_then(|rest| rest.get(length..))
                        .ok_or_else(|| invalid("it is cut short".to_owned()))?;
                    continue;
                }
                Payload::End(_) => ended = true,
                _ => {}
            }
            rest = &rest[consumed..];
        }
        if !rest.is_empty() {
            return Err(invalid("there are bytes after its end".to_owned()));
        }
        Ok(shape)
    }

    pub(crate) fn check(&self, manifest: &Manifest) -> Result<(), SandboxError> {
        self.check_imports(manifest)?;
        self.check_exports(manifest)
    }

    /// Whether it exports an interface of the guest API, in any version that this host serves.
    pub(crate) fn exports_interface(&self, wanted: &str) -> bool {
        self.exports.iter().any(|full| {
            Interface::parse(full)
                .is_some_and(|export| export.package == "oriel:extension" && export.name == wanted && export.served_by(&HOST_API))
        })
    }

    fn check_imports(&self, manifest: &Manifest) -> Result<(), SandboxError> {
        for full in &self.imports {
            let fail = |reason: String| {
                Err(SandboxError::Import {
                    interface: full.clone(),
                    reason,
                })
            };
            let Some(import) = Interface::parse(full) else {
                return fail(format!("the component imports `{full}`, which is not an interface of this host"));
            };
            let needs = |permission: &str| {
                fail(format!(
                    "the component imports `{full}`, but the manifest's [permissions] do not ask for `{permission}`: add it, or build without that import"
                ))
            };
            match (import.package, import.name) {
                ("oriel:extension", name) if name == "key-value" || FREE.contains(&name) => {
                    if !import.served_by(&HOST_API) {
                        return fail(format!("the component imports `{full}`, but this host offers version {HOST_API}"));
                    }
                    if name == "key-value" && !manifest.permissions.key_value {
                        return needs("key_value");
                    }
                }
                ("wasi:http", "types" | "outgoing-handler") if import.is_wasi_02() => {
                    if manifest.permissions.network.is_empty() {
                        return needs("network");
                    }
                }
                (package, _) if package.strip_prefix("wasi:").is_some_and(|name| WASI.contains(&name)) && import.is_wasi_02() => {}
                _ => return fail(format!("the component imports `{full}`, which this host does not offer")),
            }
        }
        Ok(())
    }

    fn check_exports(&self, manifest: &Manifest) -> Result<(), SandboxError> {
        for (interface, declared, how) in [
            ("program", !manifest.programs.is_empty(), "`[[programs]]`"),
            ("lifecycle", manifest.lifecycle, "`lifecycle = true`"),
        ] {
            let full = format!("oriel:extension/{interface}@{HOST_API}");
            if declared && !self.exports_interface(interface) {
                let reason = format!("the manifest declares {how}, but the component does not export `{full}`");
                return Err(SandboxError::Export { interface: full, reason });
            }
            if !declared && self.exports_interface(interface) {
                let reason = format!("the component exports `{full}`, but the manifest does not declare {how}");
                return Err(SandboxError::Export { interface: full, reason });
            }
        }
        for full in &self.exports {
            let known = match Interface::parse(full) {
                None => LEFTOVERS.contains(&full.as_str()),
                Some(export) => match export.package {
                    "oriel:extension" => matches!(export.name, "program" | "lifecycle") && export.served_by(&HOST_API),
                    package => package == "wasi:cli",
                },
            };
            if !known {
                let reason = format!("the component exports `{full}`, which is not a contribution that this host knows");
                return Err(SandboxError::Export {
                    interface: full.clone(),
                    reason,
                });
            }
        }
        Ok(())
    }
}
