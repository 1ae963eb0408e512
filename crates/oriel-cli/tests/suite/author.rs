//! The author's commands: a new project builds, tests, packs; mistakes have a place.

use super::support::{Home, built_project, package};

#[test]
fn the_template_passes_its_own_tests() {
    let dir = built_project().to_str().unwrap();
    let home = Home::new();
    let done = home.run(&["test", dir, "--no-build"]).ok();
    assert!(done.out.contains("3 of 3 cases passed"), "{}", done.out);
    let done = home.run(&["test", dir, "--no-build", "--filter", "empty", "--json"]).ok().json();
    assert_eq!(
        (done["passed"].as_u64(), done["cases"][0]["output"]["count"].as_u64()),
        (Some(1), Some(0))
    );
    home.run(&["check", dir]).ok();
    home.run(&["check", package()]).ok();
}

#[test]
fn failing_cases_show_what_differs() {
    let project = built_project();
    let home = Home::new();
    for name in [
        "extension.toml",
        "build/field_counter.wasm",
        "build/field-counter.wasm",
        "Cargo.toml",
    ] {
        if let Ok(bytes) = std::fs::read(project.join(name)) {
            home.write(name, "");
            std::fs::write(home.path().join(name), bytes).unwrap();
        }
    }
    home.write(
        "tests/wrong.toml",
        "[[case]]\nname = \"miscounts\"\nprogram = \"summarise\"\ninput = { a = 1 }\nexpect.output = { count = 2, fields = [\"a\"] }\nexpect.logs = [\"summarised\"]\n\n\
         [[case]]\nname = \"wants an error\"\nprogram = \"summarise\"\nexpect.error = \"execution.rejected\"\n\n\
         [[case]]\nname = \"never asks\"\nprogram = \"summarise\"\nexpect.contains = { count = 0 }\nhttp = [{ url = \"https://api.example.com/\" }]\n",
    );
    let done = home.run(&["test", "--no-build"]).fails(1, "client.tests_failed");
    for words in [
        "-   \"count\": 2,",
        "+   \"count\": 1,",
        "it should fail with execution.rejected, and answered",
        "never asked: GET https://api.example.com/",
        "Info summarised count=1",
        "0 of 3 cases passed",
    ] {
        assert!(done.out.contains(words), "{words}: {}", done.out);
    }
    assert!(!done.out.contains("no log line"), "{}", done.out);
    home.write("tests/wrong.toml", "[[case]]\nname = \"x\"\nprogramme = \"y\"\n");
    let failed = home.run(&["test", "--no-build"]).fails(7, "client.input");
    assert!(failed.err.contains("wrong.toml:3:1: unknown field `programme`"), "{}", failed.err);
}

#[test]
fn bad_projects_and_packages() {
    let home = Home::new();
    home.write("extension.toml", "name = \"Bad Name\"\nversion = \"1\"\nlicence = \"MIT\"\n");
    let failed = home.run(&["check"]).fails(7, "manifest.invalid");
    assert!(failed.err.contains("extension.toml:1:8:"), "{}", failed.err);
    let failed = home.run(&["check", "--json"]);
    let error: serde_json::Value = serde_json::from_str(&failed.err).unwrap();
    assert_eq!(error["error"]["errors"][0]["line"], 1);

    home.write("x.oriel", "no package at all");
    home.run(&["check", "x.oriel"]).fails(7, "package.invalid");
    home.run(&["check", "missing.oriel"]).fails(7, "client.file");
    home.run(&["install", "missing.oriel"]).fails(7, "client.file");
    let empty = Home::new();
    assert_eq!(empty.run(&["build"]).status, 7);
    assert_eq!(empty.run(&["new", "Bad_Name", "--lang", "rust"]).status, 7);
    assert_eq!(empty.run(&["test"]).status, 7);
}

#[test]
fn packing_is_reproducible() {
    let dir = built_project().to_str().unwrap();
    let home = Home::new();
    let pack = |name: &str| home.run(&["pack", dir, "--no-build", "-o", name, "--json"]).ok().json()["digest"].clone();
    assert_eq!(pack("a.oriel"), pack("b.oriel"));
    assert_eq!(
        std::fs::read(home.path().join("a.oriel")).unwrap(),
        std::fs::read(home.path().join("b.oriel")).unwrap()
    );
}
