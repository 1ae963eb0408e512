//! Hooks from declaration to result, with a real guest behind them.

#![expect(
    clippy::unwrap_used,
    clippy::needless_pass_by_value,
    reason = "helpers of tests may panic and take what is at hand"
)]

mod suite {
    mod declare;
    mod fire;
    mod observe;
    mod support;
}
