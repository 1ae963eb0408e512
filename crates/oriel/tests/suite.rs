//! The facade, from package to answer.

#![expect(
    clippy::unwrap_used,
    clippy::needless_pass_by_value,
    reason = "helpers of tests may panic and take what is at hand"
)]

use oriel::model::manifest::{Manifest, ProgramManifest};
use oriel::model::permissions::Permissions;
use oriel::model::{Coded as _, ErrorCode};
use oriel::{Error, Oriel, Setup};
use serde_json::{Value, json};

fn package(guest: &str, change: Value) -> Vec<u8> {
    let mut manifest = json!({
        "name": guest, "version": "1.0.0", "description": "A specimen.", "publisher": "acme", "license": "Apache-2.0",
        "hostApi": "^0.1",
    });
    for (name, value) in change.as_object().unwrap() {
        manifest[name] = value.clone();
    }
    let manifest: Manifest = serde_json::from_value(manifest).unwrap();
    let component = oriel_test_guests::component(guest);
    let package = oriel_package::Package {
        manifest,
        component: Some(component),
        readme: None,
        assets: Vec::new(),
        sbom: None,
    };
    oriel_package::pack(&package).unwrap().bytes
}

fn program(name: &str) -> Value {
    let program = ProgramManifest {
        name: name.parse().unwrap(),
        description: String::new(),
        input_schema: None,
        output_schema: None,
    };
    serde_json::to_value(program).unwrap()
}

fn oriel() -> Oriel {
    let mut options = oriel::sandbox::SandboxOptions::new(concat!(env!("CARGO_TARGET_TMPDIR"), "/native"));
    options.max_instances = 20;
    Oriel::with_options(options).unwrap()
}

#[tokio::test]
async fn values_are_validated_both_ways() {
    let mut upper = program("upper");
    upper["inputSchema"] = json!({ "type": "string" });
    upper["outputSchema"] = json!({ "enum": ["ABC"] });
    let package = package("echo", json!({ "programs": [upper] }));
    let extension = oriel().load(&package, Setup::default()).await.unwrap();
    assert_eq!(extension.call_json::<_, String>("upper", &"abc").await.unwrap(), "ABC");
    let code = async |input: Value| extension.call_json::<_, Value>("upper", &input).await.unwrap_err().code();
    assert_eq!(code(json!(7)).await, ErrorCode::InputInvalid);
    assert_eq!(code(json!("xyz")).await, ErrorCode::OutputInvalid);
    let error = extension.call("lower", "1").await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::ProgramNotFound);
    extension.close().await;
    assert!(extension.call("upper", "1").await.is_err());
}

#[tokio::test]
async fn what_is_asked_must_be_granted() {
    let package = package("kv", json!({ "programs": [program("count")], "permissions": { "keyValue": true } }));
    let oriel = oriel();
    let error = oriel.load(&package, Setup::default()).await.err().unwrap();
    assert!(
        matches!(&error, Error::NotGranted { missing } if missing == &["key_value"]),
        "{error}"
    );
    let granted = Permissions {
        key_value: true,
        ..Permissions::default()
    };
    let extension = oriel.load(&package, Setup::granting(granted)).await.unwrap();
    for expected in ["1", "2", "3"] {
        assert_eq!(extension.call("count", "null").await.unwrap(), expected);
    }
}

#[tokio::test]
async fn configurations_are_judged_before_the_first_call() {
    let change = json!({
        "programs": [program("config")], "lifecycle": true,
        "permissions": { "keyValue": true, "network": ["example.com"] },
        "configSchema": { "type": "object", "properties": { "colour": { "type": "string" } } },
    });
    let package = package("hostile", change);
    let oriel = oriel();
    let load = async |config: Value| oriel.load(&package, Setup::granting_what_is_asked().config(config)).await;
    let extension = load(json!({ "colour": "green" })).await.unwrap();
    assert_eq!(extension.call("config", "null").await.unwrap(), r#"{"colour":"green"}"#);
    for bad in [json!({ "colour": 7 }), json!({ "bad": true })] {
        assert_eq!(load(bad).await.err().unwrap().code(), ErrorCode::ConfigInvalid);
    }
}

#[tokio::test]
async fn the_store_in_memory_keeps_its_quotas() {
    use oriel::sandbox::KeyValue as _;
    let limits = oriel::model::limits::Limits {
        kv_keys: 2,
        kv_total: oriel::model::limits::ByteSize(20),
        ..Default::default()
    };
    let store = oriel::MemoryKeyValue::new(&limits);
    store.set("a", b"1".to_vec(), None).await.unwrap();
    store.set("b", b"2".to_vec(), None).await.unwrap();
    assert!(store.set("c", b"3".to_vec(), None).await.is_err(), "too many keys");
    assert!(store.set("a", vec![0; 20], None).await.is_err(), "too many bytes");
    assert_eq!(store.increment("a", 5, None).await.unwrap(), 6);
    let page = store.list_keys("", 1, None).await.unwrap();
    assert_eq!(
        (page.keys.as_slice(), page.next_cursor.as_deref()),
        (&["a".to_owned()][..], Some("b"))
    );
    let page = store.list_keys("", 1, page.next_cursor.as_deref()).await.unwrap();
    assert_eq!((page.keys.as_slice(), page.next_cursor), (&["b".to_owned()][..], None));
    assert_eq!(store.compare_and_swap("a", Some(99), b"x".to_vec(), None).await.unwrap(), None);
    let gone = std::time::Duration::ZERO;
    store.set("b", b"2".to_vec(), Some(gone)).await.unwrap();
    assert_eq!(store.get("b").await.unwrap(), None);
    assert!(store.set("c", b"3".to_vec(), None).await.is_ok(), "what has expired makes room");
}
