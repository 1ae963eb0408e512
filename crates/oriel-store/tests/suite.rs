//! The in-memory adapter passes the suite that every adapter passes.

async fn make() -> ((), oriel_store::Stores) {
    ((), oriel_store::memory::stores())
}

oriel_store::conformance!(make);
