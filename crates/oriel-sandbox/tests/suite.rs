//! Behaviour of the sandbox, seen from outside, with real guests.

mod suite {
    mod cache;
    mod calls;
    mod coverage;
    mod http;
    mod key_value;
    mod lifecycle;
    mod limits;
    mod neighbours;
    mod pools;
    mod shape;
    mod support;
    mod wasi;
}
