//! The real binary against a real server: what people type, and what they see.
#![expect(clippy::unwrap_used, reason = "in tests a panic is the way to fail")]

mod suite {
    mod author;
    mod batch;
    mod client;
    mod examples;
    mod help;
    mod serve;
    pub(crate) mod support;
}
