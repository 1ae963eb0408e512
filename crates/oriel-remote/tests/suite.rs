//! Services that do well, and services that are slow, lie or vanish, called through a pool as a server calls them.

#![expect(clippy::unwrap_used, reason = "helpers of tests may panic")]

mod suite {
    mod answers;
    mod host_calls;
    mod network;
    mod support;
}
