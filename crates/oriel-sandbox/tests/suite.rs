//! Behaviour of the sandbox, seen from outside, with real guests.

#![expect(
    clippy::unwrap_used,
    clippy::needless_pass_by_value,
    reason = "helpers of tests may panic and take what is at hand"
)]

mod suite {
    mod cache;
    mod calls;
    mod contributions;
    mod coverage;
    mod http;
    mod https;
    mod imports;
    mod key_value;
    mod lane;
    mod lifecycle;
    mod limits;
    mod neighbours;
    mod pools;
    mod routes;
    mod secrets;
    mod shape;
    mod support;
    mod wasi;
}
