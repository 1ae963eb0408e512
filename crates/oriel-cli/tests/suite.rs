//! The real binary against a real server: what people type, and what they see.

mod suite {
    mod author;
    mod batch;
    mod client;
    mod help;
    mod serve;
    pub(crate) mod support;
}
