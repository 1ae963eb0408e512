//! The WIT world of one extension: exactly what its manifest declares.

use std::fmt::Write as _;
use std::path::Path;

use oriel_model::contribution::ContributionKind;
use oriel_model::manifest::{HOST_API, Manifest};

use crate::embedded::WIT;
use crate::error::Result;
use crate::files::write_changed;

/// The world's name in the file that [`world`] writes.
pub(crate) const WORLD: &str = "extension";

/// The version of `wasi:http` and `wasi:random` that components are built against; hosts accept any 0.2 they know.
pub(crate) const WASI: &str = "0.2.12";

/// The text of the world: exports for each kind of contribution, imports for each permission, and randomness if asked
/// for.
#[must_use]
pub fn world(manifest: &Manifest, randomness: bool) -> String {
    let mut text = format!("// Made from extension.toml by `oriel build`.\npackage oriel:project;\n\nworld {WORLD} {{\n");
    let mut line = |word: &str, interface: &str| {
        writeln!(text, "  {word} oriel:extension/{interface}@{HOST_API};").expect("writing to text");
    };
    for interface in ["context", "log", "config", "metrics"] {
        line("import", interface);
    }
    for (interface, wanted) in [
        ("key-value", manifest.permissions.key_value),
        ("collections", manifest.permissions.collections),
        ("call", !manifest.permissions.call.is_empty()),
        ("secrets", !manifest.permissions.secrets.is_empty()),
        ("queue", manifest.permissions.queue),
        ("model", manifest.permissions.model.is_some()),
    ] {
        if wanted {
            line("import", interface);
        }
    }
    if manifest.lifecycle {
        line("export", "lifecycle");
    }
    for kind in exported(manifest) {
        line("export", kind.as_str());
    }
    if needs_network(manifest) {
        writeln!(text, "  import wasi:http/outgoing-handler@{WASI};").expect("writing to text");
    }
    if randomness {
        writeln!(text, "  import wasi:random/random@{WASI};").expect("writing to text");
    }
    text.push_str("}\n");
    text
}

/// The kinds of contribution that the manifest declares and that have an interface of the guest API, which is named like the kind.
/// Routes have none: they are `wasi:http/incoming-handler`.
pub(crate) fn exported(manifest: &Manifest) -> impl Iterator<Item = ContributionKind> {
    let kinds = ContributionKind::ALL.into_iter().filter(|kind| kind.has_interface());
    kinds.filter(|kind| manifest.has(*kind))
}

/// Whether the manifest asks for outbound HTTP.
pub(crate) fn needs_network(manifest: &Manifest) -> bool {
    !manifest.permissions.network.is_empty()
}

/// Writes the world and what it refers to into `folder`, each text as `rename` turns it.
pub(crate) fn write(folder: &Path, manifest: &Manifest, randomness: bool, rename: &dyn Fn(&str) -> String) -> Result<()> {
    write_changed(&folder.join("world.wit"), rename(&world(manifest, randomness)).as_bytes())?;
    for (path, content) in WIT {
        let name = path.strip_prefix("deps/").unwrap_or(path);
        let text = rename(&String::from_utf8_lossy(content));
        write_changed(&folder.join("deps").join(name), text.as_bytes())?;
    }
    Ok(())
}
