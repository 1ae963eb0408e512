//! The statistics behind canaries, recommendations and anomalies: pure functions and small accumulators.
//!
//! - [`wilson`] and [`sample_size`]: how sure a rate is, and how much must be looked at to be as sure as wanted.
//! - [`OddsTest`]: does an event (a failure, a slow call) happen more often in one of two streams?
//! - [`MeanTest`]: is the mean of a score from 0 to 1 lower in one of two streams?
//! - [`Histogram`]: quantiles of durations in constant memory.
//! - [`Baseline`] and [`Seasonal`]: what is usual, by medians, so that what is not can be told.
//!
//! Both tests are **always valid**: they keep *evidence*, a number that stays below `1/α` for ever with a probability of at
//! least `1 - α` when nothing is wrong, so that it may be looked at after every single call and acted on at once. A usual
//! p-value that is looked at that often cries wolf sooner or later. Both work on *blocks* of neighbouring calls and compare
//! only within a block: a bad hour that hits both streams alike proves nothing, whatever share of the calls each has then.
//!
//! What it is not: a library for all of statistics. No I/O, no clock, no random numbers. Start reading at `odds.rs`.

mod baseline;
mod evidence;
mod histogram;
mod interval;
mod means;
mod odds;

pub use self::baseline::{Baseline, Enough, Seasonal, Tolerance, Usual};
pub use self::evidence::{Arm, threshold};
pub use self::histogram::Histogram;
pub use self::interval::{Interval, normal_quantile, of_population, sample_size, wilson};
pub use self::means::MeanTest;
pub use self::odds::OddsTest;
