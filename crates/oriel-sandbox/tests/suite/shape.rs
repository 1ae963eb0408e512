//! What a component says of itself, against its manifest.

use oriel_model::manifest::Manifest;
use oriel_model::{Coded, ErrorCode};
use oriel_sandbox::{Sandbox, Shape};
use serde_json::json;

fn manifest(change: serde_json::Value) -> Manifest {
    let mut manifest = json!({
        "name": "specimen", "version": "1.0.0", "description": "A specimen.", "publisher": "acme", "license": "Apache-2.0",
        "hostApi": "^0.1", "programs": [{ "name": "run" }],
    });
    for (name, value) in change.as_object().unwrap() {
        manifest[name] = value.clone();
    }
    serde_json::from_value(manifest).unwrap()
}

fn shape(imports: &[&str], exports: &[&str]) -> Shape {
    let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    Shape {
        imports: owned(imports),
        exports: owned(exports),
    }
}

const PROGRAM: &str = "oriel:extension/program@0.1.0";

#[test]
fn real_guests_are_read() {
    let echo = Sandbox::inspect(&oriel_test_guests::component("echo")).unwrap();
    assert!(
        echo.imports.iter().all(|import| import == "oriel:extension/types@0.1.0"),
        "{echo:?}"
    );
    assert_eq!(echo.exports, [PROGRAM]);
    Sandbox::check(&echo, &manifest(json!({}))).unwrap();

    let hostile = Sandbox::inspect(&oriel_test_guests::component("hostile")).unwrap();
    assert!(
        hostile
            .imports
            .iter()
            .any(|import| import.starts_with("wasi:http/outgoing-handler@0.2.")),
        "{hostile:?}"
    );
    let all = json!({ "lifecycle": true, "permissions": { "keyValue": true, "network": ["example.com"] } });
    Sandbox::check(&hostile, &manifest(all)).unwrap();
}

#[test]
fn each_kind_of_contribution_has_its_export() {
    let points = Sandbox::inspect(&oriel_test_guests::component("points")).unwrap();
    let declared = json!({ "programs": [], "validators": [{ "name": "short" }], "samplers": [{ "name": "all" }], "jobs": [{ "name": "echo" }],
        "eventHandlers": [{ "name": "store", "types": ["*"] }], "hooks": [{ "name": "pass" }], "permissions": { "keyValue": true } });
    Sandbox::check(&points, &manifest(declared.clone())).unwrap();
    for (table, interface) in [
        ("validators", "validator"),
        ("samplers", "sampler"),
        ("jobs", "job"),
        ("eventHandlers", "event-handler"),
        ("hooks", "hook"),
    ] {
        let mut without = declared.clone();
        without[table] = json!([]);
        let error = Sandbox::check(&points, &manifest(without)).unwrap_err().to_string();
        let wanted = format!("the component exports `oriel:extension/{interface}@0.1.0`, but the manifest does not declare");
        assert!(error.contains(&wanted), "{error}");
        let error = Sandbox::check(&shape(&[], &[PROGRAM]), &manifest(json!({ table: declared[table] }))).unwrap_err();
        let wanted = format!("but the component does not export `oriel:extension/{interface}@0.1.0`");
        assert!(error.to_string().contains(&wanted), "{error}");
    }
    let routes = manifest(json!({ "programs": [], "routes": [{ "name": "rest", "path": "/" }] }));
    let served = shape(&["wasi:http/types@0.2.3"], &["wasi:http/incoming-handler@0.2.3"]);
    Sandbox::check(&served, &routes).unwrap();
    let asks = shape(&["wasi:http/outgoing-handler@0.2.3"], &["wasi:http/incoming-handler@0.2.3"]);
    // Handlers' tools leave the client in; what it asks for is checked at each request.
    Sandbox::check(&asks, &routes).unwrap();
    let error = Sandbox::check(&shape(&[], &["wasi:http/incoming-handler@0.2.0", PROGRAM]), &manifest(json!({}))).unwrap_err();
    assert!(error.to_string().contains("does not declare `[[routes]]`"), "{error}");
}

#[test]
fn what_is_no_component_is_refused() {
    let echo = oriel_test_guests::component("echo");
    let module = wat::parse_str("(module)").unwrap();
    let mut trailing = echo.clone();
    trailing.extend_from_slice(b"more");
    for (bytes, words) in [
        (&b""[..], "does not start like WebAssembly"),
        (b"PK\x03\x04 not wasm at all", "does not start like WebAssembly"),
        (&module, "core module"),
        (&echo[..9], ""),
        (&echo[..echo.len() / 2], ""),
        (&echo[..echo.len() - 1], ""),
        (&trailing, ""),
    ] {
        let error = Sandbox::inspect(bytes).unwrap_err();
        assert_eq!(error.code(), ErrorCode::ComponentInvalid);
        assert!(error.to_string().contains(words), "{error}");
    }
}

#[test]
fn imports_need_their_permission() {
    let check = |import: &str, permissions: serde_json::Value, words: &str| {
        let result = Sandbox::check(&shape(&[import], &[PROGRAM]), &manifest(json!({ "permissions": permissions })));
        if words.is_empty() {
            result.unwrap_or_else(|error| panic!("{import}: {error}"));
        } else {
            let error = result.expect_err(import);
            assert_eq!(error.code(), ErrorCode::ComponentImport);
            assert!(error.to_string().contains(words), "{error}");
        }
    };
    for free in [
        "oriel:extension/log@0.1.0",
        "oriel:extension/context@0.1.0",
        "oriel:extension/metrics@0.1.0",
        "wasi:cli/stderr@0.2.3",
        "wasi:io/poll@0.2.12",
    ] {
        check(free, json!({}), "");
    }
    check("oriel:extension/key-value@0.1.0", json!({}), "`key_value`");
    check("oriel:extension/key-value@0.1.0", json!({ "keyValue": true }), "");
    check("oriel:extension/call@0.1.0", json!({ "keyValue": true }), "`call`");
    check("oriel:extension/call@0.1.0", json!({ "call": [] }), "`call`");
    check("oriel:extension/call@0.1.0", json!({ "call": ["geo/lookup"] }), "");
    check("oriel:extension/secrets@0.1.0", json!({ "network": ["a.io"] }), "`secrets`");
    check("oriel:extension/secrets@0.1.0", json!({ "secrets": { "token": ["a.io"] } }), "");
    check("wasi:http/outgoing-handler@0.2.3", json!({}), "`network`");
    check("wasi:http/outgoing-handler@0.2.3", json!({ "network": ["example.com"] }), "");
    for (unknown, words) in [
        ("oriel:extension/log@0.2.0", "offers version 0.1.0"),
        ("oriel:extension/log@0.1.1", "offers version 0.1.0"),
        ("oriel:extension/log", "offers version 0.1.0"),
        ("oriel:extension/telepathy@0.1.0", "does not offer"),
        ("oriel:extension/call@0.2.0", "offers version 0.1.0"),
        ("wasi:cli/stdout@0.3.0", "does not offer"),
        ("wasi:nn/graph@0.2.0", "does not offer"),
        ("acme:database/query@1.0.0", "does not offer"),
        ("greet", "not an interface"),
    ] {
        check(unknown, json!({ "keyValue": true, "network": ["example.com"] }), words);
    }
}

#[test]
fn exports_match_the_contributions() {
    let check = |exports: &[&str], change: serde_json::Value, words: &str| {
        let result = Sandbox::check(&shape(&[], exports), &manifest(change));
        if words.is_empty() {
            result.unwrap_or_else(|error| panic!("{exports:?}: {error}"));
        } else {
            let error = result.expect_err(words);
            assert_eq!(error.code(), ErrorCode::ComponentExport);
            assert!(error.to_string().contains(words), "{error}");
        }
    };
    const LIFECYCLE: &str = "oriel:extension/lifecycle@0.1.0";
    check(&[PROGRAM], json!({}), "");
    check(&[PROGRAM, LIFECYCLE], json!({ "lifecycle": true }), "");
    check(&[PROGRAM, "init", "exports", "wasi:cli/run@0.2.0"], json!({}), "");
    check(&[], json!({}), "does not export `oriel:extension/program@0.1.0`");
    check(
        &["oriel:extension/program@0.2.0"],
        json!({}),
        "does not export `oriel:extension/program@0.1.0`",
    );
    check(
        &[PROGRAM],
        json!({ "programs": [] }),
        "the manifest does not declare `[[programs]]`",
    );
    check(
        &[PROGRAM],
        json!({ "lifecycle": true }),
        "does not export `oriel:extension/lifecycle@0.1.0`",
    );
    check(&[PROGRAM, LIFECYCLE], json!({}), "does not declare `lifecycle = true`");
    check(
        &[PROGRAM, "oriel:extension/validator@0.1.0"],
        json!({}),
        "does not declare `[[validators]]`",
    );
    check(&[PROGRAM, "oriel:extension/page@0.1.0"], json!({}), "not a contribution");
    check(&[PROGRAM, "acme:own/thing@1.0.0"], json!({}), "not a contribution");
}
