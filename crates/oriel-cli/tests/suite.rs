//! The real binary against a real server: what people type, and what they see.
#![expect(clippy::unwrap_used, reason = "in tests a panic is the way to fail")]

mod suite {
    mod abuse;
    mod author;
    mod batch;
    mod client;
    mod configure;
    mod corpus;
    mod crash;
    mod dev;
    mod disk_full;
    mod examples;
    mod guide;
    mod help;
    mod incidents;
    mod jobs;
    mod kinds;
    mod logs;
    mod neighbours;
    mod network;
    mod postgres;
    pub(crate) mod process;
    mod prompt;
    mod remote;
    mod secret;
    mod serve;
    mod start;
    pub(crate) mod support;
    mod telemetry;
    mod upgrade;
}
