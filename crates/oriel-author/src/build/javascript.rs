//! JavaScript and TypeScript: esbuild bundles, then an engine is put around the bundle.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use oriel_model::Digest;
use oriel_model::contribution::ContributionKind;
use oriel_model::manifest::Engine;

use super::{Built, Job, alias};
use crate::error::{AuthorError, Result};
use crate::files::write_changed;
use crate::process;
use crate::toolchain::{Node, text};
use crate::world::{self, WORLD};

const ENTRIES: [&str; 6] = ["src/main.ts", "src/main.js", "src/index.ts", "src/index.js", "main.ts", "main.js"];

pub(super) fn build(job: &Job<'_>) -> Result<Built> {
    let entry = job.entry(&ENTRIES)?;
    let say = |line: &str| job.options.say(line);
    let node = Node::ready(&job.options.toolchains()?, job.engine(), &say)?;
    let folder = job.work.join("javascript");
    write_changed(&folder.join("bind.js"), binding(job).as_bytes())?;
    write_changed(&folder.join("entry.js"), exports(job, &entry)?.as_bytes())?;
    let kit = job.dir().join(".oriel/kit/javascript/src");
    let bundle = folder.join("bundle.js");
    let mut esbuild = node.script("esbuild/bin/esbuild");
    esbuild
        .arg(folder.join("entry.js"))
        .args([
            "--bundle",
            "--format=esm",
            "--platform=neutral",
            "--target=es2023",
            "--main-fields=module,main",
        ])
        .args([
            "--external:oriel:*",
            "--external:wasx:*",
            "--log-level=warning",
            "--color=false",
            "--legal-comments=none",
        ])
        .arg(format!("--alias:@oriel/extension={}", text(&kit.join("index.js"))?))
        .arg(format!("--outfile={}", text(&bundle)?))
        // Relative to the project, the compiler's messages read as the author's own paths.
        .current_dir(job.dir());
    let output = process::run("esbuild", &mut esbuild).map_err(plain)?;
    let warnings = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    let source = fs::read(&bundle).map_err(AuthorError::file("read", &bundle))?;
    let world = fs::read(job.wit.join("world.wit")).map_err(AuthorError::file("read", &job.wit))?;
    let version = env!("CARGO_PKG_VERSION");
    let inputs = format!(
        "{version} {} {} {} {}",
        node.id,
        Digest::of(&source),
        Digest::of(&world),
        job.wasi()
    );
    if job.up_to_date(&inputs) {
        return Ok(Built { component: None, warnings });
    }
    let made = folder.join("component.wasm");
    match job.engine() {
        Engine::Quickjs => {
            let mut command = node.script("componentize-qjs/bin/componentize-qjs");
            command
                .arg("-w")
                .arg(&job.wit)
                .args(["-n", WORLD, "--sync", "-j"])
                .arg(&bundle)
                .arg("-o")
                .arg(&made);
            if !job.wasi() {
                command.arg("--stub-wasi");
            }
            process::run("componentize-qjs", command.current_dir(job.dir()))?;
        }
        Engine::Starlingmonkey => {
            let mut command = node.script("@bytecodealliance/componentize-js/src/cli.js");
            command
                .arg(&bundle)
                .arg("--wit")
                .arg(&job.wit)
                .args(["-n", WORLD])
                .arg("-o")
                .arg(&made);
            // The engine's own fetch and its listener are not what Oriel grants; the kit's `http` is.
            let off: &[&str] = if job.wasi() {
                &["http", "fetch-event"]
            } else {
                &["stdio", "random", "clocks", "http", "fetch-event"]
            };
            command.arg("-d").args(off);
            process::run("componentize-js", command.current_dir(job.dir()))?;
        }
    }
    let component = alias::restore(fs::read(&made).map_err(AuthorError::file("read", &made))?)?;
    job.remember(&inputs, &component)?;
    Ok(Built {
        component: Some(component),
        warnings,
    })
}

/// esbuild's message without what its launcher adds about itself.
fn plain(error: AuthorError) -> AuthorError {
    let AuthorError::Build { tool, mut output } = error else {
        return error;
    };
    if let Some(at) = output.find("\nnode:child_process") {
        output.truncate(at);
    }
    AuthorError::Build {
        tool,
        output: output.trim_end().to_owned(),
    }
}

/// The module that runs first: it hands the host's modules to the kit.
fn binding(job: &Job<'_>) -> String {
    let mut code = String::from("// Made by `oriel build`.\n");
    let mut names = vec!["context", "log", "config", "metrics"];
    let api = |name: &str| format!("oriel:extension/{name}@{}", oriel_model::manifest::HOST_API);
    for name in &names {
        writeln!(code, "import * as {name} from {:?};", api(name)).expect("text");
    }
    if job.project.manifest.permissions.key_value {
        writeln!(code, "import * as kv from {:?};", api("key-value")).expect("text");
        names.push("kv");
    }
    for (name, wanted) in [
        ("collections", job.project.manifest.permissions.collections),
        ("call", !job.project.manifest.permissions.call.is_empty()),
        ("secrets", !job.project.manifest.permissions.secrets.is_empty()),
        ("queue", job.project.manifest.permissions.queue),
        ("model", job.project.manifest.permissions.model.is_some()),
    ] {
        if wanted {
            writeln!(code, "import * as {name} from {:?};", api(name)).expect("text");
            names.push(name);
        }
    }
    if job.network() {
        writeln!(code, "import * as handler from {:?};", alias::module("http/outgoing-handler")).expect("text");
        writeln!(code, "import * as types from {:?};", alias::module("http/types")).expect("text");
        names.push("http: { handler, types }");
    }
    if job.randomness() {
        writeln!(code, "import * as random from {:?};", alias::module("random/random")).expect("text");
        names.push("random");
    }
    let bigint = job.engine() == Engine::Starlingmonkey;
    write!(
        code,
        "import {{ bind }} from \"../../kit/javascript/src/host.js\";\n\
         import {{ install }} from \"../../kit/javascript/src/globals.js\";\n\n\
         bind({{ {}, bigint: {bigint} }});\ninstall({{ wasi: {} }});\n",
        names.join(", "),
        job.wasi(),
    )
    .expect("text");
    code
}

/// The module that becomes the component.
fn exports(job: &Job<'_>, entry: &Path) -> Result<String> {
    let relative = entry.strip_prefix(job.dir()).unwrap_or(entry);
    let mut code = format!(
        "// Made by `oriel build`.\nimport \"./bind.js\";\nimport app from {:?};\n\
         import {{ exportsOf }} from \"../../kit/javascript/src/extension.js\";\n\n\
         const made = exportsOf(app, {});\n",
        format!("../../../{}", text(relative)?.replace('\\', "/")),
        job.declared(),
    );
    for kind in world::exported(&job.project.manifest) {
        let name = export_name(kind);
        writeln!(code, "export const {name} = made.{name};").expect("text");
    }
    if job.project.manifest.lifecycle {
        code.push_str("export const lifecycle = made.lifecycle;\n");
    }
    Ok(code)
}

/// The export of a kind, as the engines want it: `eventHandler`.
fn export_name(kind: ContributionKind) -> String {
    let mut parts = kind.as_str().split('-');
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |mut name, part| {
        let (head, tail) = part.split_at(1);
        name.push_str(&head.to_ascii_uppercase());
        name.push_str(tail);
        name
    })
}
