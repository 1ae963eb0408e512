//! Projects in temporary directories.

use std::fs;
use std::path::{Path, PathBuf};

use oriel_author::{BuildOptions, BuildReport, NewProject, build, new_project};
use oriel_model::manifest::{Engine, Language};
use tempfile::TempDir;

/// A new project in its own directory.
pub(super) fn project(name: &str, language: Language) -> (TempDir, PathBuf) {
    let temp = tempfile::tempdir().expect("a temporary directory");
    let dir = temp.path().join(name);
    new_project(&NewProject {
        name: name.to_owned(),
        language,
        kinds: Vec::new(),
        dir: Some(dir.clone()),
        publisher: None,
    })
    .expect("a project");
    if language == Language::Rust {
        // One place for what Cargo makes of the kit and its dependencies.
        let target = concat!(env!("CARGO_TARGET_TMPDIR"), "/extensions");
        write(&dir.join(".cargo/config.toml"), &format!("[build]\ntarget-dir = {target:?}\n"));
    }
    (temp, dir)
}

/// The project of `tests/probe/`, whose programs use all that a kit offers, in one of its languages.
pub(super) fn probe(language: Language) -> (TempDir, PathBuf) {
    let (temp, dir) = project("probe", language);
    let (name, file, source) = match language {
        Language::Rust => ("rust", "src/lib.rs", include_str!("../probe/lib.rs")),
        Language::Python => ("python", "main.py", include_str!("../probe/main.py")),
        _ => ("javascript", "src/main.ts", include_str!("../probe/main.ts")),
    };
    let manifest = include_str!("../probe/extension.toml").replace("{{language}}", name);
    write(&dir.join("extension.toml"), &manifest);
    write(&dir.join(file), source);
    if language == Language::Rust {
        edit(
            &dir.join("Cargo.toml"),
            "\".oriel/kit/rust\"",
            "\".oriel/kit/rust\", features = [\"http\"]",
        );
    }
    (temp, dir)
}

/// The project of `tests/asker/`, whose program evaluates what it is asked.
pub(super) fn asker(language: Language, engine: Engine, wasi: bool) -> (TempDir, PathBuf) {
    let (temp, dir) = project("asker", language);
    let (name, file, source) = match language {
        Language::Python => ("python", "main.py", include_str!("../asker/main.py")),
        _ => ("javascript", "src/main.js", include_str!("../asker/main.js")),
    };
    let engine = match engine {
        Engine::Quickjs => "",
        Engine::Starlingmonkey => "engine = \"starlingmonkey\"",
    };
    let manifest = include_str!("../asker/extension.toml")
        .replace("{{language}}", name)
        .replace("{{engine}}", engine)
        .replace("{{wasi}}", &wasi.to_string());
    // The other programs are Python's.
    let manifest = match language {
        Language::Python => manifest.as_str(),
        _ => manifest.split("[[programs]]\nname = \"run\"").next().unwrap_or_default(),
    };
    write(&dir.join("extension.toml"), manifest);
    write(&dir.join(file), source);
    (temp, dir)
}

/// The project of `tests/points/`, which contributes something of every kind that a kit knows.
pub(super) fn points(language: Language, engine: Engine) -> (TempDir, PathBuf) {
    let (temp, dir) = project("points", language);
    let (name, file, source) = match language {
        Language::Rust => ("rust", "src/lib.rs", include_str!("../points/lib.rs")),
        Language::Python => ("python", "main.py", include_str!("../points/main.py")),
        _ => ("javascript", "src/main.ts", include_str!("../points/main.ts")),
    };
    let engine = match engine {
        Engine::Quickjs => "",
        Engine::Starlingmonkey => "\nengine = \"starlingmonkey\"",
    };
    let manifest = include_str!("../points/extension.toml")
        .replace("{{language}}", name)
        .replace("{{engine}}", engine);
    write(&dir.join("extension.toml"), &manifest);
    write(&dir.join(file), source);
    (temp, dir)
}

/// Builds the project in `dir`, which must succeed without a word from the compiler.
pub(super) fn built(dir: &Path) -> BuildReport {
    let report = build(dir, &BuildOptions::default()).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(report.warnings, "");
    report
}

/// Whether a name is of the guest API.
pub(super) fn is_ours(name: &str) -> bool {
    name.starts_with("oriel:extension/")
}

/// Replaces `from`, which must be there, by `to` in a file of the project.
pub(super) fn edit(file: &Path, from: &str, to: &str) {
    let text = fs::read_to_string(file).expect("the file");
    assert!(text.contains(from), "{} lacks `{from}`", file.display());
    fs::write(file, text.replace(from, to)).expect("written");
}

/// Writes a file of the project.
pub(super) fn write(file: &Path, text: &str) {
    fs::create_dir_all(file.parent().expect("a parent")).expect("a directory");
    fs::write(file, text).expect("written");
}
