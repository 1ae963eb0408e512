//! Rates, as replies tell of them: `RateLimit-Policy` and `RateLimit` as in draft-ietf-httpapi-ratelimit-headers-10, and `Retry-After`.

use std::fmt::Write as _;
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};
use oriel_access::{AccessError, Pass, RateState};

use crate::problem::Problem;

const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
const STATE: HeaderName = HeaderName::from_static("ratelimit");

/// Adds how the limits stand, where there are any.
pub(super) fn tell(headers: &mut HeaderMap, pass: &Pass) {
    if pass.states.iter().any(Option::is_some) {
        write(headers, pass.states.iter().flatten());
    }
}

fn write<'a>(headers: &mut HeaderMap, states: impl Iterator<Item = &'a RateState>) {
    let (mut policies, mut standing) = (String::new(), String::new());
    for state in states {
        let comma = if policies.is_empty() { "" } else { ", " };
        let _ = write!(policies, "{comma}\"{}\";q={};w={}", state.name, state.limit.burst(), state.window());
        let _ = write!(standing, "{comma}\"{}\";r={};t={}", state.name, state.remaining, seconds(state));
    }
    for (name, value) in [(POLICY, policies), (STATE, standing)] {
        if let Ok(value) = HeaderValue::from_str(&value) {
            headers.insert(name, value);
        }
    }
}

/// Seconds until there is more: until the next request when none is left, else until the whole burst is there again.
fn seconds(state: &RateState) -> u64 {
    if state.remaining == 0 {
        return state.wait_ms.div_ceil(1_000).max(1);
    }
    let missing = state.limit.burst() - state.remaining;
    u64::from(missing.div_ceil(state.limit.requests_per_second))
}

/// The problem of somebody who asks too often.
pub(super) fn refused(error: AccessError) -> Problem {
    let state = match &error {
        AccessError::TooOften { state } => Some(*state),
        _ => None,
    };
    let mut problem = Problem::from(error);
    if let Some(state) = state {
        problem.retry_after = Some(Duration::from_secs(seconds(&state)));
        let mut headers = HeaderMap::new();
        write(&mut headers, std::iter::once(&state));
        problem.headers = Some(Box::new(headers));
    }
    problem
}
