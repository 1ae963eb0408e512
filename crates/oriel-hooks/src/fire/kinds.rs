//! What each kind of hook makes of its handlers' answers.

use std::time::Instant;

use futures::StreamExt;
use futures::stream;
use oriel_extensions::Bound;
use oriel_model::hook::Combine;
use serde_json::Value;
use serde_json::value::RawValue;

use super::{Broken, Fire, report};
use crate::FireResult;
use crate::report::{Outcome, Report};

impl Fire<'_> {
    /// One after the other, each with the payload that the one before passed on.
    pub(super) async fn filter(
        &self,
        handlers: &[&Bound],
        mut payload: Box<RawValue>,
        reports: &mut Vec<Report>,
    ) -> Result<FireResult, Broken> {
        for bound in handlers {
            let report = self.ask(bound, payload.get()).await;
            if let Outcome::Payload(next) = &report.outcome {
                payload = next.clone();
            }
            self.note(bound, report, reports)?;
        }
        Ok(FireResult::Payload(payload))
    }

    /// All of them, side by side; their verdicts combined.
    pub(super) async fn validate(&self, handlers: &[&Bound], payload: &RawValue, reports: &mut Vec<Report>) -> Result<FireResult, Broken> {
        self.side_by_side(handlers, payload, reports).await?;
        let mut verdicts = reports.iter().filter_map(|report| match &report.outcome {
            Outcome::Verdict(verdict) => Some(verdict.valid),
            _ => None,
        });
        let valid = match self.compiled.hook.combine {
            Some(Combine::Any) => verdicts.next().is_none_or(|first| first || verdicts.any(|valid| valid)),
            _ => verdicts.all(|valid| valid),
        };
        Ok(FireResult::Valid(valid))
    }

    /// The first decision in order, or the one with most votes.
    pub(super) async fn decide(&self, handlers: &[&Bound], payload: &RawValue, reports: &mut Vec<Report>) -> Result<FireResult, Broken> {
        if self.compiled.hook.combine == Some(Combine::Vote) {
            self.side_by_side(handlers, payload, reports).await?;
            return Ok(FireResult::Decision(vote(reports)));
        }
        for (at, bound) in handlers.iter().enumerate() {
            let answer = self.ask(bound, payload.get()).await;
            let decision = match &answer.outcome {
                Outcome::Decision(decision) => Some(decision.clone()),
                _ => None,
            };
            self.note(bound, answer, reports)?;
            if decision.is_some() {
                reports.extend(handlers[at + 1..].iter().map(|bound| report(bound, Outcome::Skipped)));
                return Ok(FireResult::Decision(decision));
            }
        }
        Ok(FireResult::Decision(None))
    }

    /// All of them, side by side; their items in the handlers' order.
    pub(super) async fn collect(&self, handlers: &[&Bound], payload: &RawValue, reports: &mut Vec<Report>) -> Result<FireResult, Broken> {
        self.side_by_side(handlers, payload, reports).await?;
        let items = reports.iter().filter_map(|report| match &report.outcome {
            Outcome::Item(item) => Some(item.clone()),
            _ => None,
        });
        Ok(FireResult::Items(items.collect()))
    }

    /// What observers would do, without queueing anything.
    pub(super) async fn rehearse(&self, handlers: &[&Bound], payload: &RawValue, reports: &mut Vec<Report>) -> Result<FireResult, Broken> {
        self.side_by_side(handlers, payload, reports).await?;
        Ok(FireResult::Queued(0))
    }

    async fn side_by_side(&self, handlers: &[&Bound], payload: &RawValue, reports: &mut Vec<Report>) -> Result<(), Broken> {
        let width = usize::from(self.compiled.hook.concurrency);
        let asked = handlers.iter().map(|bound| self.ask(bound, payload.get()));
        let answers: Vec<Report> = stream::iter(asked.collect::<Vec<_>>()).buffered(width).collect().await;
        let mut broken = None;
        // Whoever reads the reports of a broken fire wants to see all of them.
        for (bound, report) in handlers.iter().zip(answers) {
            if let Err(why) = self.note(bound, report, reports) {
                broken.get_or_insert(why);
            }
        }
        broken.map_or(Ok(()), Err)
    }

    /// Takes note of a report; fails when the whole fails with it.
    fn note(&self, bound: &Bound, report: Report, reports: &mut Vec<Report>) -> Result<(), Broken> {
        let failed = matches!(report.outcome, Outcome::Failed);
        reports.push(report);
        if !failed || !self.is_fatal(bound) {
            return Ok(());
        }
        if Instant::now() >= self.deadline {
            return Err(Broken::Timeout);
        }
        Err(Broken::Handler(reports.len() - 1))
    }
}

/// The decision that most handlers gave; of several with as many, the one that was given first. Decisions are the same when
/// they are the same JSON value.
fn vote(reports: &[Report]) -> Option<Box<RawValue>> {
    let mut ballots: Vec<(Value, &RawValue, usize)> = Vec::new();
    for report in reports {
        let Outcome::Decision(decision) = &report.outcome else { continue };
        let Ok(value) = serde_json::from_str::<Value>(decision.get()) else {
            continue;
        };
        match ballots.iter_mut().find(|(known, ..)| *known == value) {
            Some((.., count)) => *count += 1,
            None => ballots.push((value, decision, 1)),
        }
    }
    // The last of the largest is the first given, when looked at from behind.
    let most = ballots.iter().rev().max_by_key(|(.., count)| *count);
    most.map(|(_, decision, _)| (*decision).to_owned())
}
