//! From an author's directory to a package.

use std::fs;
use std::path::Path;

use oriel_model::{Coded, ErrorCode};
use oriel_package::{ReadLimits, from_directory, pack, read, read_project};

use crate::fixture::component;

const MANIFEST: &str = r#"
name = "notes"
version = "0.1.0"
description = "Keeps notes."
publisher = "acme"
license = "MIT"
host_api = "^0.1"

[build]
component = "out/notes.wasm"
assets = ["assets", "LICENSE"]

[[programs]]
name = "note"
input_schema = "schemas/note.json"
"#;

fn project() -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    let write = |path: &str, content: &[u8]| {
        let path = directory.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    };
    write("extension.toml", MANIFEST.as_bytes());
    write("out/notes.wasm", &component());
    write("README.md", b"# Notes\n");
    write("LICENSE", b"MIT\n");
    write("assets/b/c.txt", b"c");
    write("assets/a.txt", b"a");
    write("schemas/note.json", br#"{"type": "string"}"#);
    directory
}

fn error(directory: &Path) -> (ErrorCode, String) {
    let error = from_directory(directory).and_then(|package| pack(&package)).unwrap_err();
    (error.code(), error.to_string())
}

#[test]
fn a_directory_becomes_a_package() {
    let directory = project();
    let package = from_directory(directory.path()).unwrap();
    let paths: Vec<&str> = package.assets.iter().map(|asset| asset.path.as_str()).collect();
    assert_eq!(paths, ["LICENSE", "assets/a.txt", "assets/b/c.txt"]);
    assert_eq!(package.readme.as_deref(), Some("# Notes\n"));
    assert_eq!(
        package.manifest.programs[0].input_schema,
        Some(serde_json::json!({"type": "string"}))
    );
    let packed = pack(&package).unwrap();
    assert_eq!(
        read(&packed.bytes, &ReadLimits::default()).unwrap().package.manifest.name.as_str(),
        "notes"
    );
    assert!(
        pack(&from_directory(project().path()).unwrap()).unwrap() == packed,
        "the directory's place and times do not count"
    );

    fs::remove_file(directory.path().join("README.md")).unwrap();
    assert_eq!(from_directory(directory.path()).unwrap().readme, None);
}

#[test]
fn what_is_missing_is_named() {
    let directory = project();
    fs::remove_file(directory.path().join("out/notes.wasm")).unwrap();
    let (code, text) = error(directory.path());
    assert!(code == ErrorCode::PackageInvalid && text.contains("out/notes.wasm"), "{text}");

    let directory = project();
    fs::remove_file(directory.path().join("extension.toml")).unwrap();
    assert!(error(directory.path()).1.contains("extension.toml"));

    let directory = project();
    fs::remove_file(directory.path().join("schemas/note.json")).unwrap();
    let problems = read_project(directory.path()).unwrap_err();
    assert_eq!(problems.code(), ErrorCode::ManifestInvalid);
    assert!(
        problems
            .to_string()
            .contains("extension.toml:15:16: `schemas/note.json` cannot be read: there is no such file"),
        "{problems}"
    );
    assert!(problems.places().is_some());
}

#[cfg(unix)]
#[test]
fn links_do_not_lead_out() {
    use std::os::unix::fs::symlink;
    let outside = tempfile::tempdir().unwrap();
    fs::write(outside.path().join("secret"), b"{}").unwrap();

    let directory = project();
    symlink(outside.path().join("secret"), directory.path().join("assets/secret")).unwrap();
    assert!(error(directory.path()).1.contains("is a link"));

    let directory = project();
    fs::remove_file(directory.path().join("schemas/note.json")).unwrap();
    symlink(outside.path().join("secret"), directory.path().join("schemas/note.json")).unwrap();
    assert!(error(directory.path()).1.contains("outside"));

    let directory = project();
    fs::remove_file(directory.path().join("README.md")).unwrap();
    symlink("/dev/zero", directory.path().join("README.md")).unwrap();
    assert!(error(directory.path()).1.contains("outside"));

    let directory = project();
    fs::remove_dir_all(directory.path().join("assets")).unwrap();
    symlink(outside.path(), directory.path().join("assets")).unwrap();
    assert!(error(directory.path()).1.contains("is a link"));
}

#[test]
fn files_that_are_too_large_or_not_text_are_refused() {
    let directory = project();
    fs::write(directory.path().join("README.md"), vec![b'x'; (1 << 20) + 1]).unwrap();
    assert_eq!(error(directory.path()).0, ErrorCode::PackageTooLarge);
    fs::write(directory.path().join("README.md"), b"\xff").unwrap();
    assert_eq!(error(directory.path()).0, ErrorCode::PackageInvalid);

    let directory = project();
    fs::write(directory.path().join("extension.toml"), vec![b'#'; 1 << 20]).unwrap();
    assert_eq!(error(directory.path()).0, ErrorCode::ManifestInvalid);

    let directory = project();
    fs::write(directory.path().join("out/notes.wasm"), b"not wasm").unwrap();
    assert_eq!(error(directory.path()).0, ErrorCode::ComponentInvalid);
}
