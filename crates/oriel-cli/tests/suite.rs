//! The real binary against a real server: what people type, and what they see.
#![expect(clippy::unwrap_used, reason = "in tests a panic is the way to fail")]

mod suite {
    mod abuse;
    mod author;
    mod batch;
    mod client;
    mod crash;
    mod examples;
    mod help;
    mod neighbours;
    mod postgres;
    pub(crate) mod process;
    mod serve;
    mod start;
    pub(crate) mod support;
}
