//! Watches the budgets of one installation: what was used in the window of each, and which are used up.
//!
//! A window is a ring of parts that move out of sight one by one, by a clock that nobody sets: a jump of the time of day
//! neither empties a budget nor fills it.

use std::time::Duration;

use oriel_model::budget::{BudgetAction, BudgetAxis, Budgets};
use oriel_model::limits::{ByteSize, TimeSpan};
use oriel_model::money::Money;
use serde::Serialize;

use crate::moment::nanos;

/// Parts of a window.
const PARTS: u64 = 30;
/// Calls below which no share of them means anything.
const ENOUGH: u64 = 20;
/// One in so many calls may take longer than 95 of 100 do.
const TAIL: u64 = 20;

/// What one call uses.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Use {
    /// Whether its end tells something of the extension.
    pub(crate) judged: bool,
    pub(crate) failed: bool,
    pub(crate) wall_us: u64,
    pub(crate) cpu_us: u64,
    pub(crate) memory: u64,
    pub(crate) outbound_bytes: u64,
    /// In millionths.
    pub(crate) model_spend: u64,
}

/// A budget that was crossed, or is kept again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Crossing {
    pub(crate) action: BudgetAction,
    pub(crate) reason: String,
}

/// How much of a budget is used.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BudgetUse {
    /// Which.
    pub axis: BudgetAxis,
    /// What is used, in the unit of the axis: milliseconds, bytes, calls, units of the currency, or a share from 0 to 1. Of `latencyP95` it is the share
    /// of calls that took longer than the limit; more than 0.05 is over.
    pub used: f64,
    /// Whether it is used up.
    pub over: bool,
    /// What happens then.
    pub action: BudgetAction,
}

#[derive(Debug)]
pub(crate) struct BudgetWatch {
    of: Budgets,
    watches: Vec<Watch>,
}

#[derive(Debug)]
struct Watch {
    axis: BudgetAxis,
    action: BudgetAction,
    /// In microseconds, bytes, calls, millionths of the currency or parts of a million.
    limit: u64,
    window: Duration,
    part: u64,
    ring: [Part; PARTS as usize],
    over: bool,
}

#[derive(Debug, Clone, Copy, Default)]
struct Part {
    number: u64,
    /// Calls.
    calls: u64,
    /// What is added up: microseconds, bytes, failures, calls that took long; of memory the highest.
    sum: u64,
}

/// A budget that lets nothing through.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct UsedUp {
    pub(crate) reason: String,
    pub(crate) retry_after: Duration,
}

impl BudgetWatch {
    pub(crate) fn new(of: &Budgets) -> Self {
        let micros = |span: TimeSpan| u64::try_from(span.0.as_micros()).unwrap_or(u64::MAX);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share from 0 to 1")]
        let millionths = |share: f64| (share * 1e6) as u64;
        let watches = of.all().into_iter().map(|(axis, window, action)| {
            let limit = match axis {
                BudgetAxis::LatencyP95 => of.latency_p95.map(|budget| micros(budget.limit)),
                BudgetAxis::ErrorRate => of.error_rate.map(|budget| millionths(budget.limit)),
                BudgetAxis::Cpu => of.cpu.map(|budget| micros(budget.limit)),
                BudgetAxis::Memory => of.memory.map(|budget| budget.limit.0),
                BudgetAxis::Calls => of.calls.map(|budget| budget.limit),
                BudgetAxis::OutboundBytes => of.outbound_bytes.map(|budget| budget.limit.0),
                BudgetAxis::ModelSpend => of.model_spend.map(|budget| budget.limit.0),
            };
            Watch {
                axis,
                action,
                limit: limit.unwrap_or(u64::MAX),
                window: window.0,
                part: (nanos(window.0) / PARTS).max(1),
                ring: [Part::default(); PARTS as usize],
                over: false,
            }
        });
        Self {
            of: of.clone(),
            watches: watches.collect(),
        }
    }

    /// Whether these are the budgets that it watches.
    pub(crate) fn is_of(&self, budgets: &Budgets) -> bool {
        self.of == *budgets
    }

    /// Lets a call through and counts it, unless a budget that throttles is used up.
    pub(crate) fn enter(&mut self, now: u64) -> Result<(), UsedUp> {
        self.check(now)?;
        if let Some(watch) = self.watches.iter_mut().find(|watch| watch.axis == BudgetAxis::Calls) {
            let part = watch.part_at(now);
            part.calls += 1;
            part.sum += 1;
        }
        Ok(())
    }

    /// Whether a call would be let through.
    pub(crate) fn check(&mut self, now: u64) -> Result<(), UsedUp> {
        let throttling = self.watches.iter().filter(|watch| watch.action == BudgetAction::Throttle);
        let mut used_up: Option<(u64, &Watch)> = None;
        for watch in throttling {
            let left = watch.left_at(now);
            if let Some(left) = left
                && used_up.is_none_or(|(longest, _)| left > longest)
            {
                used_up = Some((left, watch));
            }
        }
        used_up.map_or(Ok(()), |(left, watch)| {
            Err(UsedUp {
                reason: watch.describe(now),
                retry_after: Duration::from_nanos(left),
            })
        })
    }

    /// Counts what a call used.
    pub(crate) fn add(&mut self, now: u64, used: Use) {
        for watch in &mut self.watches {
            let limit = watch.limit;
            let (counts, amount) = match watch.axis {
                BudgetAxis::LatencyP95 => (used.judged, u64::from(used.wall_us > limit)),
                BudgetAxis::ErrorRate => (used.judged, u64::from(used.failed)),
                BudgetAxis::Cpu => (true, used.cpu_us),
                BudgetAxis::Memory => (true, used.memory),
                BudgetAxis::OutboundBytes => (true, used.outbound_bytes),
                BudgetAxis::ModelSpend => (true, used.model_spend),
                // Counted when it began.
                BudgetAxis::Calls => continue,
            };
            if counts {
                let highest = watch.axis == BudgetAxis::Memory;
                let part = watch.part_at(now);
                part.calls += 1;
                part.sum = if highest { part.sum.max(amount) } else { part.sum + amount };
            }
        }
    }

    /// The budgets that were crossed since the last time.
    pub(crate) fn crossed(&mut self, now: u64) -> Vec<Crossing> {
        let mut crossings = Vec::new();
        for watch in &mut self.watches {
            let over = watch.is_over(now);
            if over && !watch.over {
                crossings.push(Crossing {
                    action: watch.action,
                    reason: watch.describe(now),
                });
            }
            watch.over = over;
            if over && matches!(watch.action, BudgetAction::Trip) {
                // It has had its effect: what is tried later must not trip over what was used before.
                watch.ring = [Part::default(); PARTS as usize];
                watch.over = false;
            }
        }
        crossings
    }

    /// Whether any is used up, as far as [`BudgetWatch::crossed`] has seen.
    pub(crate) fn is_over(&self) -> bool {
        self.watches.iter().any(|watch| watch.over)
    }

    /// How much of each is used.
    pub(crate) fn used(&self, now: u64) -> Vec<BudgetUse> {
        let used = self.watches.iter().map(|watch| BudgetUse {
            axis: watch.axis,
            used: watch.used(now),
            over: watch.is_over(now),
            action: watch.action,
        });
        used.collect()
    }
}

impl Watch {
    fn part_at(&mut self, now: u64) -> &mut Part {
        let number = now / self.part;
        let part = &mut self.ring[(number % PARTS) as usize];
        if part.number != number {
            *part = Part { number, ..Part::default() };
        }
        part
    }

    fn recent(&self, now: u64) -> impl Iterator<Item = &Part> {
        let number = now / self.part;
        self.ring
            .iter()
            .filter(move |part| part.number <= number && number - part.number < PARTS)
    }

    /// Calls, and what is added up.
    fn total(&self, now: u64) -> (u64, u64) {
        self.recent(now).fold((0, 0), |(calls, sum), part| {
            let sum = if self.axis == BudgetAxis::Memory {
                sum.max(part.sum)
            } else {
                sum + part.sum
            };
            (calls + part.calls, sum)
        })
    }

    fn is_over(&self, now: u64) -> bool {
        let (calls, sum) = self.total(now);
        self.exceeds(calls, sum)
    }

    fn exceeds(&self, calls: u64, sum: u64) -> bool {
        match self.axis {
            BudgetAxis::LatencyP95 => calls >= ENOUGH && sum * TAIL > calls,
            BudgetAxis::ErrorRate => calls >= ENOUGH && sum * 1_000_000 > calls * self.limit,
            // The call that would be one too many is not let through.
            BudgetAxis::Calls if self.action == BudgetAction::Throttle => sum >= self.limit,
            // What is spent cannot be taken back: a budget that throttles is used up when nothing is left of it.
            BudgetAxis::ModelSpend if self.action == BudgetAction::Throttle => sum >= self.limit,
            BudgetAxis::Calls | BudgetAxis::Cpu | BudgetAxis::Memory | BudgetAxis::OutboundBytes | BudgetAxis::ModelSpend => {
                sum > self.limit
            }
        }
    }

    /// Nanoseconds until enough has moved out of the window; nothing when there is room.
    fn left_at(&self, now: u64) -> Option<u64> {
        if !self.is_over(now) {
            return None;
        }
        let number = now / self.part;
        let moves = (1..=PARTS).find(|moves| !self.is_over((number + moves) * self.part));
        Some((number + moves.unwrap_or(PARTS)) * self.part - now)
    }

    #[expect(clippy::cast_precision_loss, reason = "for people")]
    fn used(&self, now: u64) -> f64 {
        let (calls, sum) = self.total(now);
        match self.axis {
            BudgetAxis::LatencyP95 | BudgetAxis::ErrorRate => sum as f64 / calls.max(1) as f64,
            BudgetAxis::Cpu => sum as f64 / 1e3,
            BudgetAxis::Memory | BudgetAxis::Calls | BudgetAxis::OutboundBytes => sum as f64,
            BudgetAxis::ModelSpend => Money(sum).units(),
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "for people")]
    fn describe(&self, now: u64) -> String {
        let window = TimeSpan(self.window);
        let (calls, sum) = self.total(now);
        let (axis, limit) = (self.axis, self.limit);
        let percent = |share: f64| format!("{:.1} %", share * 100.0);
        match self.axis {
            BudgetAxis::LatencyP95 => {
                let limit = limit as f64 / 1e3;
                format!("over the budget `{axis}`: {sum} of {calls} calls took longer than {limit} ms within {window}")
            }
            BudgetAxis::ErrorRate => {
                let (share, limit) = (percent(self.used(now)), percent(limit as f64 / 1e6));
                format!("over the budget `{axis}`: {share} of {calls} calls failed within {window}, {limit} may")
            }
            BudgetAxis::Cpu => {
                let (used, limit) = (sum / 1_000, limit / 1_000);
                format!("over the budget `{axis}`: {used} ms of {limit} ms within {window}")
            }
            BudgetAxis::ModelSpend => {
                let (used, limit) = (Money(sum), Money(limit));
                format!("over the budget `{axis}`: {used} of {limit} within {window}")
            }
            BudgetAxis::Calls => format!("over the budget `{axis}`: {sum} of {limit} within {window}"),
            BudgetAxis::Memory | BudgetAxis::OutboundBytes => {
                let limit = ByteSize(limit);
                format!("over the budget `{axis}`: {sum} bytes of {limit} within {window}")
            }
        }
    }
}

#[cfg(test)]
mod tests;
