//! Embeds the kits, the guest API's WIT and the project templates: every file that an author's project gets.
//! Written out here rather than with a whole-directory macro, because the source trees also hold what tools leave
//! behind (`target`, `node_modules`, caches), which must not end up in the binary.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs};

/// What tools leave in a source tree, and what only the repository needs.
const LEFT_OUT: [&str; 8] = [
    "target",
    "node_modules",
    "__pycache__",
    "tests",
    "test",
    "Cargo.lock",
    "package-lock.json",
    "dist",
];

fn main() {
    let here = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").expect("Cargo sets it"));
    let root = here.join("../..");
    let mut code = String::new();
    for (name, folder) in [
        ("KIT_RUST", root.join("kits/rust")),
        ("KIT_PYTHON", root.join("kits/python")),
        ("KIT_JAVASCRIPT", root.join("kits/javascript")),
        ("WIT", root.join("wit")),
        ("TEMPLATE_RUST", here.join("templates/rust")),
        ("TEMPLATE_PYTHON", here.join("templates/python")),
        ("TEMPLATE_JAVASCRIPT", here.join("templates/javascript")),
        ("TEMPLATE_KINDS", here.join("templates/kinds")),
    ] {
        println!("cargo::rerun-if-changed={}", folder.display());
        // A template keeps everything; a kit only what builds need.
        let whole = name.starts_with("TEMPLATE");
        let mut files = Vec::new();
        collect(&folder, &folder, whole, &mut files);
        files.sort();
        writeln!(code, "/// Files of `{}`, by path.", name.to_lowercase()).expect("text");
        writeln!(code, "pub(crate) static {name}: &[(&str, &[u8])] = &[").expect("text");
        for (path, file) in files {
            writeln!(code, "    ({path:?}, include_bytes!({:?})),", file.display().to_string()).expect("text");
        }
        code.push_str("];\n");
    }
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("Cargo sets it"));
    fs::write(out.join("embedded.rs"), code).expect("the output directory can be written");
}

fn collect(root: &Path, folder: &Path, whole: bool, files: &mut Vec<(String, PathBuf)>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let path = entry.path();
        let name = entry.file_name().to_string_lossy().into_owned();
        if !whole && (name.starts_with('.') || LEFT_OUT.contains(&name.as_str()) || name.ends_with(".egg-info")) {
            continue;
        }
        if path.is_dir() {
            collect(root, &path, whole, files);
        } else {
            let inside = path.strip_prefix(root).expect("below the root");
            let inside = inside.iter().map(|part| part.to_string_lossy()).collect::<Vec<_>>().join("/");
            files.push((inside, path.canonicalize().expect("it exists")));
        }
    }
}
