//! A component's own type, read without compiling it, and its agreement with a manifest.

use oriel_model::contribution::ContributionKind;
use oriel_model::manifest::{HOST_API, Manifest};
use oriel_model::permissions::Permissions;
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
const FREE: [&str; 6] = ["types", "executions", "context", "log", "config", "metrics"];
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
                ("oriel:extension", name) if FREE.contains(&name) || permission(name, &manifest.permissions).is_some() => {
                    if !import.served_by(&HOST_API) {
                        return fail(format!("the component imports `{full}`, but this host offers version {HOST_API}"));
                    }
                    if let Some((permission, false)) = permission(name, &manifest.permissions) {
                        return needs(permission);
                    }
                }
                ("wasi:http", "types" | "outgoing-handler") if import.is_wasi_02() => {
                    // The world of HTTP handlers imports the client too, and many tools leave it in whether or not it is used.
                    // Each request that it makes is checked against the grant.
                    let answers = manifest.has(ContributionKind::Route);
                    if manifest.permissions.network.is_empty() && !answers {
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
        let lifecycle = ("lifecycle", manifest.lifecycle, "`lifecycle = true`".to_owned());
        let kinds = ContributionKind::ALL.into_iter().filter(|kind| kind.has_interface());
        let kinds = kinds.map(|kind| (kind.as_str(), manifest.has(kind), format!("`[[{}]]`", kind.table())));
        for (interface, declared, how) in kinds.chain([lifecycle]) {
            self.check_export(
                &format!("oriel:extension/{interface}@{HOST_API}"),
                self.exports_interface(interface),
                declared,
                &how,
            )?;
        }
        let handles = self.exports.iter().any(|full| is_incoming_handler(full));
        self.check_export(INCOMING_HANDLER, handles, manifest.has(ContributionKind::Route), "`[[routes]]`")?;
        for full in &self.exports {
            let known = match Interface::parse(full) {
                None => LEFTOVERS.contains(&full.as_str()),
                Some(export) => match export.package {
                    "oriel:extension" => {
                        let kind = ContributionKind::from_text(export.name);
                        (export.name == "lifecycle" || kind.is_some_and(ContributionKind::has_interface)) && export.served_by(&HOST_API)
                    }
                    "wasi:http" => is_incoming_handler(full),
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

    fn check_export(&self, full: &str, exported: bool, declared: bool, how: &str) -> Result<(), SandboxError> {
        let reason = match (declared, exported) {
            (true, false) => format!("the manifest declares {how}, but the component does not export `{full}`"),
            (false, true) => format!("the component exports `{full}`, but the manifest does not declare {how}"),
            _ => return Ok(()),
        };
        Err(SandboxError::Export {
            interface: full.to_owned(),
            reason,
        })
    }
}

/// The permission that an interface of the guest API needs, and whether it is asked for.
fn permission(interface: &str, asked: &Permissions) -> Option<(&'static str, bool)> {
    Some(match interface {
        "key-value" => ("key_value", asked.key_value),
        "collections" => ("collections", asked.collections),
        "call" => ("call", !asked.call.is_empty()),
        "secrets" => ("secrets", !asked.secrets.is_empty()),
        "queue" => ("queue", asked.queue),
        "model" => ("model", asked.model.is_some()),
        _ => return None,
    })
}

/// What answers routes, of any version of WASI 0.2.
const INCOMING_HANDLER: &str = "wasi:http/incoming-handler@0.2.0";

fn is_incoming_handler(full: &str) -> bool {
    Interface::parse(full).is_some_and(|export| export.package == "wasi:http" && export.name == "incoming-handler" && export.is_wasi_02())
}
