//! Old extensions on this version: packages that were built against earlier versions of the guest API lie in `tests/corpus`, are never
//! built again, and must be taken and answer as they did. See `tests/corpus/README.md`.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::process::{Process, answer};
use super::support::Home;

/// Every version of the guest API that has a corpus.
const VERSIONS: [&str; 1] = ["0.1.0"];

fn dir(version: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/corpus").join(version)
}

fn package(version: &str, name: &str) -> Vec<u8> {
    let path = dir(version).join(format!("{name}.oriel.zst"));
    let bytes = std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    zstd::decode_all(&bytes[..]).unwrap()
}

/// Whether `told` holds what `wanted` says: all of its members, and text that begins alike where it ends in `…`.
fn fits(told: &Value, wanted: &Value) -> bool {
    match (told, wanted) {
        (Value::Object(told), Value::Object(wanted)) => wanted
            .iter()
            .all(|(name, wanted)| told.get(name).is_some_and(|told| fits(told, wanted))),
        (Value::Array(told), Value::Array(wanted)) => {
            told.len() == wanted.len() && told.iter().zip(wanted).all(|(told, wanted)| fits(told, wanted))
        }
        (Value::String(told), Value::String(wanted)) => match wanted.strip_suffix('…') {
            Some(begin) => told.starts_with(begin),
            None => told == wanted,
        },
        (told, wanted) => told == wanted,
    }
}

/// On a server: installed as it is, called with what `calls.json` recorded, and answering that.
#[tokio::test(flavor = "multi_thread")]
async fn old_packages_are_taken_and_answer_as_recorded() {
    for version in VERSIONS {
        let home = Home::new();
        let server = Process::start(&home);
        let recorded = std::fs::read_to_string(dir(version).join("calls.json")).unwrap();
        let recorded: Value = serde_json::from_str(&recorded).unwrap();
        let mut packages = 0;
        for entry in std::fs::read_dir(dir(version)).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            let Some(name) = name.strip_suffix(".oriel.zst") else { continue };
            answer(server.upload("/extensions", package(version, name))).await.unwrap().ok();
            packages += 1;
        }
        assert_eq!(
            packages,
            recorded["packages"].as_u64().unwrap(),
            "a package is missing or not told of"
        );
        for call in recorded["calls"].as_array().unwrap() {
            let (extension, program) = call["program"].as_str().unwrap().split_once('/').unwrap();
            let path = format!("/extensions/{extension}/programs/{program}/call");
            let told = server.post(&path, json!({ "input": call["input"] })).await;
            match call["code"].as_str() {
                Some(code) => _ = told.problem(code),
                None => {
                    let output = told.ok()["outputData"].clone();
                    assert!(fits(&output, &call["output"]), "{version} {call}: {output}");
                }
            }
        }
        for look in recorded["routes"].as_array().unwrap() {
            let response = reqwest::get(format!("{}{}", server.base, look["path"].as_str().unwrap()))
                .await
                .unwrap();
            let (status, text) = (response.status().as_u16(), response.text().await.unwrap());
            assert_eq!(look["status"], status, "{version} {look}: {text}");
            for line in look["lines"].as_array().unwrap() {
                assert!(text.lines().any(|told| told == line), "{version} {look}: {text}");
            }
        }
    }
}

/// In the sandbox alone: every kind of contribution, by the cases that the extension's author wrote then.
#[test]
fn old_components_pass_the_cases_of_their_time() {
    for version in VERSIONS {
        for name in ["orders-rust", "orders-javascript"] {
            let home = Home::new();
            let from = dir(version).join("orders");
            for file in ["extension.toml", "schemas/order.json", "schemas/priced.json", "tests/orders.toml"] {
                let text = std::fs::read_to_string(from.join(file)).unwrap_or_else(|error| panic!("{file}: {error}"));
                home.write(&format!("old/{file}"), &text);
            }
            let package = oriel_package::read(&package(version, name), &oriel_package::ReadLimits::default()).unwrap();
            let component = package.package.component.unwrap();
            home.write("old/build/placeholder", "");
            std::fs::write(home.path().join("old/build/orders.wasm"), component).unwrap();
            let done = home.run(&["test", "old", "--no-build"]).ok();
            assert!(done.out.contains("16 of 16 cases passed"), "{version} {name}: {}", done.out);
        }
    }
}
