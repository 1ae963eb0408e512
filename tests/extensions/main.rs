//! The first-party extensions of `extensions/`: they build, their own cases hold, and they do their work in a real `oriel serve`, against
//! local servers that check requests as the real ones do.
#![expect(clippy::unwrap_used, reason = "in tests a panic is the way to fail")]

mod api;
mod cases;
mod desk;
mod github;
mod judges;
mod notes;
mod pagerduty;
mod project;
mod rates;
mod request_log;
mod slack;
