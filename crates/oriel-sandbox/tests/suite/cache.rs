//! Native artifacts: made once, believed only when whole, made again otherwise.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use oriel_model::{Coded, Digest, ErrorCode};
use oriel_sandbox::{Code, PoolSpec, Sandbox, SandboxOptions};

use super::support::*;

fn set_source(spec: &mut PoolSpec, source: &Arc<Source>) {
    let Code::Component { digest, .. } = spec.code else {
        panic!("the pool runs a component")
    };
    spec.code = Code::Component {
        digest,
        source: source.clone(),
    };
}

fn artifact(dir: &Path) -> PathBuf {
    let engine = std::fs::read_dir(dir).unwrap().next().unwrap().unwrap().path();
    let mut files = std::fs::read_dir(engine).unwrap().map(|file| file.unwrap().path());
    let found = files.next().expect("there is an artifact");
    assert!(files.next().is_none(), "and nothing beside it");
    found
}

#[tokio::test]
async fn a_component_is_compiled_once() {
    let dir = tempfile::tempdir().unwrap();
    let sandbox = Sandbox::new(SandboxOptions::new(dir.path())).unwrap();
    let wasm = oriel_test_guests::component("echo");
    let digest = Digest::of(&wasm);
    assert!(!sandbox.is_prepared(digest));
    let (first, second) = tokio::join!(sandbox.prepare(digest, &wasm), sandbox.prepare(digest, &wasm));
    assert_eq!([first.unwrap(), second.unwrap()].iter().filter(|compiled| **compiled).count(), 1);
    assert!(sandbox.is_prepared(digest));
    // Another process finds it.
    let later = Sandbox::new(SandboxOptions::new(dir.path())).unwrap();
    assert!(later.is_prepared(digest));
    assert!(!later.prepare(digest, &wasm).await.unwrap());
}

#[tokio::test]
async fn a_damaged_or_foreign_artifact_is_made_again() {
    let dir = tempfile::tempdir().unwrap();
    let wasm = oriel_test_guests::component("echo");
    let digest = Digest::of(&wasm);
    Sandbox::new(SandboxOptions::new(dir.path()))
        .unwrap()
        .prepare(digest, &wasm)
        .await
        .unwrap();
    let path = artifact(dir.path());
    let whole = std::fs::read(&path).unwrap();
    let mut altered = whole.clone();
    altered[whole.len() / 2] ^= 1;
    for bad in [
        &whole[..whole.len() / 2],
        &altered,
        b"",
        b"something else entirely, from somewhere else",
    ] {
        std::fs::write(&path, bad).unwrap();
        let sandbox = Sandbox::new(SandboxOptions::new(dir.path())).unwrap();
        let source = Arc::new(Source(wasm.clone(), AtomicU64::new(0)));
        let (pool, _) = Setup::wasm(wasm.clone()).with(|spec| set_source(spec, &source)).pool_in(&sandbox);
        assert_eq!(answer(&pool, "echo", "1").await, "1");
        assert_eq!(source.1.load(Relaxed), 1, "the bytes were asked for again");
        drop((pool, sandbox));
        let sandbox = Sandbox::new(SandboxOptions::new(dir.path())).unwrap();
        let (pool, _) = Setup::wasm(wasm.clone()).with(|spec| set_source(spec, &source)).pool_in(&sandbox);
        assert_eq!(answer(&pool, "echo", "1").await, "1");
        assert_eq!(source.1.load(Relaxed), 1, "and not once more");
    }
}

#[tokio::test]
async fn only_the_promised_bytes_are_compiled() {
    let dir = tempfile::tempdir().unwrap();
    let sandbox = Sandbox::new(SandboxOptions::new(dir.path())).unwrap();
    let wasm = oriel_test_guests::component("echo");
    let error = sandbox.prepare(Digest::of(b"something else"), &wasm).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::PackageDigest);
    let broken = &wasm[..wasm.len() - 100];
    let error = sandbox.prepare(Digest::of(broken), broken).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::ComponentInvalid);
    let module = wat::parse_str("(module)").unwrap();
    let error = sandbox.prepare(Digest::of(&module), &module).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::ComponentInvalid);
    let unknown = wat::parse_str(r#"(component (import "acme:own/thing@1.0.0" (instance (export "f" (func)))))"#).unwrap();
    let error = sandbox.prepare(Digest::of(&unknown), &unknown).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::ComponentImport);
}

#[test]
fn a_directory_that_cannot_be_made_is_an_error() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let error = Sandbox::new(SandboxOptions::new(file.path())).err().unwrap();
    assert!(error.to_string().contains("code cache"), "{error}");
}
