//! The extensions' projects, built in place: what has not changed since the last run is not built again.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use oriel_package::{Package, pack};

/// Every extension, with the number of its cases.
pub(crate) const ALL: [(&str, usize); 12] = [
    ("adaptive-sampler", 9),
    ("exchange-rates", 24),
    ("github-issue-handler", 24),
    ("json-schema-validator", 22),
    ("notes", 0),
    ("pagerduty-handler", 20),
    ("pii-validator", 25),
    ("range-validator", 22),
    ("request-log", 0),
    ("reservoir-sampler", 10),
    ("slack-handler", 26),
    ("time-sampler", 13),
];

pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../extensions")
}

/// The binary with these arguments; what it prints.
#[track_caller]
pub(crate) fn oriel(args: &[&str]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_oriel"));
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("ORIEL_") && name != "ORIEL_TOOLCHAINS") {
        command.env_remove(name);
    }
    let output = command.args(args).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.status.success(),
        "{args:?}: {text}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    text
}

/// The project's directory, after it was built.
pub(crate) fn built(name: &str) -> PathBuf {
    static BUILT: [OnceLock<()>; ALL.len()] = [const { OnceLock::new() }; ALL.len()];
    let at = ALL.iter().position(|(other, _)| *other == name).unwrap();
    let dir = root().join(name);
    BUILT[at].get_or_init(|| {
        oriel(&["build", dir.to_str().unwrap()]);
    });
    dir
}

/// The package, with a manifest in which `change` has replaced texts. The component is the one that users get: only where it may reach
/// differs.
pub(crate) fn package(name: &str, change: &[(&str, &str)]) -> Vec<u8> {
    let dir = built(name);
    let mut text = std::fs::read_to_string(dir.join("extension.toml")).unwrap();
    for (old, new) in change {
        assert!(text.contains(old), "{name} has no `{old}`");
        text = text.replace(old, new);
    }
    let read = |path: &str| std::fs::read_to_string(dir.join(path)).map_err(|error| error.to_string());
    let manifest = oriel_model::manifest::parse(&text, &read).unwrap();
    let package = Package {
        manifest,
        component: Some(std::fs::read(dir.join("build").join(format!("{name}.wasm"))).unwrap()),
        readme: None,
        assets: Vec::new(),
        sbom: None,
    };
    pack(&package).unwrap().bytes
}
