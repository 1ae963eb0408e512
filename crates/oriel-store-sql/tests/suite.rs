//! Both engines pass the suite of the ports, and what is theirs alone holds.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

mod suite {
    mod adapters;
    mod crash;
    mod migrations;
    mod read_only;
}
