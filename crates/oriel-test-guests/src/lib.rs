//! Builds the guests of `tests/guests/` for tests, and hands out the components.
//!
//! What it deliberately is not: part of the platform. Tests depend on it, nothing else does. It panics where a
//! library would answer an error, because a test without its guest has nothing to say.
//!
//! Start reading at [`component`].

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// The guests, each with the target that it is built for. Those for `wasm32-unknown-unknown` import nothing of
/// WASI; the core module is turned into a component here.
const GUESTS: [(&str, &str); 11] = [
    ("echo", PLAIN),
    ("flaky", PLAIN),
    ("keeper", PLAIN),
    ("kv", PLAIN),
    ("points", PLAIN),
    ("mallory", PLAIN),
    ("hostile", WASI),
    ("caller", WASI),
    ("web", WASI),
    ("worker", WASI),
    ("tutorial", WASI),
];
const PLAIN: &str = "wasm32-unknown-unknown";
const WASI: &str = "wasm32-wasip2";

/// The component of the guest `name`: `echo` (programs `echo`, `upper`), `flaky` (the same, worse), `kv` (`count`, `get`, `set`, …), `points` (validators,
/// samplers, event handlers, hook handlers, jobs), `caller` (calls other extensions, sends secrets, measures), `worker` (its own queue, jobs, the model), `keeper` (documents), `mallory` (whatever the hostile suite tries) or `hostile` (one
/// program per evil; exports `lifecycle` too). See `tests/guests/NAME/src/lib.rs`.
///
/// # Panics
/// When there is no such guest or it does not build.
#[must_use]
pub fn component(name: &str) -> Vec<u8> {
    let path = path(name);
    fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The file that holds it.
///
/// # Panics
/// As [`component`].
#[must_use]
pub fn path(name: &str) -> PathBuf {
    assert!(
        GUESTS.iter().any(|(guest, _)| *guest == name),
        "there is no guest `{name}` in tests/guests"
    );
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(build).join(format!("{name}.wasm"))
}

/// Builds all guests once per process, one process at a time; cargo finds out quickly when nothing changed.
fn build() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let target = root.join("target/guests");
    let components = target.join("components");
    fs::create_dir_all(&components).expect("the target directory can be written");
    let lock = File::create(target.join(".oriel-lock")).expect("the target directory can be written");
    lock.lock().expect("the lock file can be locked");
    for wanted in [PLAIN, WASI] {
        let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        cargo.args(["build", "--release", "--locked", "--quiet", "--target", wanted]);
        cargo.arg("--manifest-path").arg(root.join("tests/guests/Cargo.toml"));
        cargo.arg("--target-dir").arg(&target);
        for (guest, _) in GUESTS.iter().filter(|(_, target)| *target == wanted) {
            cargo.args(["--package", &format!("guest-{guest}")]);
        }
        // Flags meant for the tests themselves (coverage, sanitisers) do not fit the guests.
        for name in [
            "RUSTFLAGS",
            "CARGO_ENCODED_RUSTFLAGS",
            "CARGO_BUILD_TARGET",
            "RUSTC_WRAPPER",
            "RUSTC_WORKSPACE_WRAPPER",
        ] {
            cargo.env_remove(name);
        }
        let output = cargo.output().expect("cargo can be run");
        assert!(
            output.status.success(),
            "the guests do not build (is the target installed? `rustup target add {wanted}`):\n{}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
    for (guest, wanted) in GUESTS {
        let built = target.join(wanted).join(format!("release/guest_{guest}.wasm"));
        let built = fs::read(&built).unwrap_or_else(|error| panic!("{}: {error}", built.display()));
        let component = if wanted == PLAIN { encode(&built) } else { built };
        let path = components.join(format!("{guest}.wasm"));
        if fs::read(&path).ok().as_deref() != Some(&component) {
            let temporary = components.join(format!("{guest}.tmp"));
            fs::write(&temporary, &component).expect("the target directory can be written");
            fs::rename(&temporary, &path).expect("the target directory can be written");
        }
    }
    components
}

/// Turns a core module with embedded component type into a component.
///
/// # Panics
/// When it has none.
#[must_use]
pub fn encode(module: &[u8]) -> Vec<u8> {
    wit_component::ComponentEncoder::default()
        .validate(true)
        .module(module)
        .and_then(|mut encoder| encoder.encode())
        .expect("the guest is a module with an embedded component type")
}

#[cfg(test)]
mod tests {
    #[test]
    fn each_guest_builds_to_a_component() {
        for (guest, _) in super::GUESTS {
            let component = super::component(guest);
            assert!(component.starts_with(b"\0asm\x0d\x00\x01\x00"), "{guest} is not a component");
        }
    }
}
