//! Python: componentize-py puts CPython and the extension's modules, already loaded, into one component.

use std::ffi::OsStr;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use oriel_model::Digest;
use oriel_model::contribution::ContributionKind;
use oriel_model::manifest::HOST_API;

use super::{Built, Job, alias, stubs};
use crate::error::{AuthorError, Result};
use crate::files::{make_dir, write_changed};
use crate::process;
use crate::toolchain::{Python, text};
use crate::world::{self, WORLD};

const ENTRIES: [&str; 4] = ["main.py", "src/main.py", "app.py", "src/app.py"];
const REQUIREMENTS: &str = "requirements.txt";
/// The generated module that becomes the component.
const ENTRY: &str = "oriel_entry";

pub(super) fn build(job: &Job<'_>) -> Result<Built> {
    let entry = job.entry(&ENTRIES)?;
    let module = module_name(&entry)?;
    let source = entry.parent().unwrap_or(job.dir());
    let say = |line: &str| job.options.say(line);
    let python = Python::ready(&job.options.toolchains()?, &say)?;
    let folder = job.work.join("python");
    let code = entry_code(job, module);
    write_changed(&folder.join(format!("{ENTRY}.py")), code.as_bytes())?;
    let kit = job.dir().join(".oriel/kit/python/src");

    let mut inputs = format!("{} {} {}", env!("CARGO_PKG_VERSION"), python.id, job.wasi());
    for root in [source, &kit, &folder, &job.wit] {
        fingerprint(root, &mut inputs)?;
    }
    let packages = job.dir().join(REQUIREMENTS);
    if let Ok(bytes) = fs::read(&packages) {
        write!(inputs, " {}", Digest::of(&bytes)).expect("text");
    }
    let inputs = Digest::of(inputs.as_bytes()).to_string();
    if job.up_to_date(&inputs) {
        return Ok(Built {
            component: None,
            warnings: String::new(),
        });
    }

    let manifest = &job.project.manifest;
    let made = job.work.join("component.wasm");
    let mut command = python.componentize();
    command
        .current_dir(&folder)
        .arg("--quiet")
        .arg("--wit-path")
        .arg(&job.wit)
        .args(["--world", WORLD]);
    // Without these, names depend on what else the world imports.
    command.args(["--import-interface-name", &format!("oriel:extension/types@{HOST_API}=oriel_types")]);
    if manifest.has(ContributionKind::Validator) || manifest.has(ContributionKind::Sampler) {
        let name = format!("oriel:extension/executions@{HOST_API}=oriel_executions");
        command.args(["--import-interface-name", &name]);
    }
    if job.network() {
        command.args(["--import-interface-name", &format!("{}=http_types", alias::module("http/types"))]);
    }
    command.arg("componentize");
    if !job.wasi() {
        command.arg("--stub-wasi");
    }
    for path in [source, &kit, &folder] {
        command.arg("--python-path").arg(path);
    }
    if packages.is_file() {
        command.arg("--python-path").arg(dependencies(job, &python, &packages)?);
    }
    command.arg(ENTRY).arg("--output").arg(&made);
    process::run("componentize-py", &mut command).map_err(|error| plain(error, source))?;
    let mut component = alias::restore(fs::read(&made).map_err(AuthorError::file("read", &made))?)?;
    if !job.wasi() {
        component = stubs::name(&component)?;
    }
    job.remember(&inputs, &component)?;
    Ok(Built {
        component: Some(component),
        warnings: String::new(),
    })
}

/// The packages of `requirements.txt`, installed for the interpreter inside the component; pure Python only.
fn dependencies(job: &Job<'_>, python: &Python, requirements: &Path) -> Result<PathBuf> {
    let bytes = fs::read(requirements).map_err(AuthorError::file("read", requirements))?;
    let target = job.work.join("packages").join(&Digest::of(&bytes).hex()[..16]);
    let mark = target.join(".complete");
    if !mark.is_file() {
        job.options.say("installing the packages of requirements.txt");
        make_dir(&target)?;
        process::run("pip install", &mut python.install(requirements, &target))?;
        write_changed(&mark, b"")?;
    }
    Ok(target)
}

fn module_name(entry: &Path) -> Result<&str> {
    let name = entry.file_stem().and_then(OsStr::to_str).unwrap_or_default();
    let plain = name.chars().all(|c| c == '_' || c.is_ascii_alphanumeric()) && !name.starts_with(|c: char| c.is_ascii_digit());
    if !plain || name.is_empty() || [WORLD, ENTRY, "wit_world", "oriel_extension"].contains(&name) {
        return Err(AuthorError::Project {
            message: format!("`{name}` cannot be the entry module's name; call the file main.py"),
        });
    }
    Ok(name)
}

/// Adds the digests of all Python files below `root`, and of WIT files.
fn fingerprint(root: &Path, into: &mut String) -> Result<()> {
    let mut entries: Vec<_> = fs::read_dir(root)
        .map_err(AuthorError::file("read", root))?
        .filter_map(std::result::Result::ok)
        .map(|entry| entry.path())
        .collect();
    entries.sort();
    for path in entries {
        let name = path.file_name().and_then(OsStr::to_str).unwrap_or_default();
        if path.is_dir() {
            // Tests, caches and environments are not part of the component.
            if !name.starts_with('.') && !["__pycache__", "tests", "build", "node_modules", "target"].contains(&name) {
                fingerprint(&path, into)?;
            }
        } else if path.extension().is_some_and(|kind| kind == "py" || kind == "wit" || kind == "json") {
            let bytes = fs::read(&path).map_err(AuthorError::file("read", &path))?;
            write!(into, "\n{} {}", text(&path)?, Digest::of(&bytes)).expect("text");
        }
    }
    Ok(())
}

fn entry_code(job: &Job<'_>, module: &str) -> String {
    let manifest = &job.project.manifest;
    let mut code = String::from(
        "# Made by `oriel build`.\nfrom componentize_py_types import Err\nfrom oriel_extension import _host, _modules, log as _log\n\
         from wit_world.imports import config, context, log, metrics, oriel_types\n\n\
         _host.bind(config=config, context=context, log=log, metrics=metrics, types=oriel_types, Err=Err)\n",
    );
    if manifest.permissions.key_value {
        code.push_str("from wit_world.imports import key_value\n_host.bind(kv=key_value)\n");
    }
    for (name, wanted) in [
        ("collections", manifest.permissions.collections),
        ("call", !manifest.permissions.call.is_empty()),
        ("secrets", !manifest.permissions.secrets.is_empty()),
        ("queue", manifest.permissions.queue),
        ("model", manifest.permissions.model.is_some()),
    ] {
        if wanted {
            writeln!(code, "from wit_world.imports import {name}\n_host.bind({name}={name})").expect("text");
        }
    }
    if job.network() {
        code.push_str(
            "from types import SimpleNamespace\nfrom wit_world.imports import http_types, outgoing_handler\n\
             _host.bind(http=SimpleNamespace(types=http_types, handler=outgoing_handler))\n",
        );
    }
    if manifest.lifecycle {
        code.push_str("from wit_world.exports import lifecycle\n_host.bind(lifecycle=lifecycle)\n");
    }
    code.push_str("_log.install()\n_host.at_first_call(_modules.close)\n");
    if !job.wasi() {
        code.push_str("from oriel_extension import _sealed\n_sealed.install()\n");
    }
    // The types that exports are made of.
    for kind in world::exported(manifest).filter(|kind| *kind != ContributionKind::Program) {
        let name = kind.as_str().replace('-', "_");
        writeln!(code, "from wit_world.exports import {name}\n_host.bind({name}={name})").expect("text");
    }
    let declared = job.declared();
    writeln!(
        code,
        "import {module}\nfrom oriel_extension import _exports\n_exports.require({declared})"
    )
    .expect("text");
    for kind in world::exported(manifest) {
        writeln!(code, "from oriel_extension._exports import {}", class_name(kind)).expect("text");
    }
    if manifest.lifecycle {
        code.push_str("from oriel_extension._exports import Lifecycle\n");
    }
    code
}

/// The class of a kind's export, as componentize-py wants it: `EventHandler`.
fn class_name(kind: ContributionKind) -> String {
    let parts = kind.as_str().split('-').map(|part| part.split_at(1));
    parts.map(|(head, tail)| head.to_ascii_uppercase() + tail).collect()
}

/// The author's part of componentize-py's message: the Python traceback, without the tool's own, with real paths.
fn plain(error: AuthorError, source: &Path) -> AuthorError {
    let AuthorError::Build { tool, output } = error else { return error };
    let mut lines: Vec<String> = Vec::new();
    let mut generated = false;
    for line in output.lines() {
        if line.starts_with("Caused by:") || line.starts_with("Stack backtrace:") {
            break;
        }
        // The generated entry's frame says nothing to the author: its place, and its code below it.
        generated = line.contains(&format!("/{ENTRY}.py\"")) || generated && line.starts_with("    ");
        if !generated {
            let line = line.strip_prefix("AssertionError: ").unwrap_or(line);
            lines.push(line.replace("\"/0/", &format!("\"{}/", source.display())));
        }
    }
    // The tool's own frames stand first, up to the last line that begins a traceback.
    let start = lines
        .iter()
        .rposition(|line| line.contains("Traceback (most recent call last)"))
        .unwrap_or(0);
    let kept = lines[start..].join("\n").trim().to_owned();
    AuthorError::Build {
        tool,
        output: if kept.is_empty() { output } else { kept },
    }
}
