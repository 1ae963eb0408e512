//! What was seen since the last look.

use std::collections::HashMap;
use std::sync::Arc;

use oriel_model::contribution::ContributionKind;
use oriel_model::permissions::Scheme;
use oriel_sandbox::Contacts;
use oriel_store::Used;
use parking_lot::Mutex;

use super::keep::Found;
use super::learned::Learned;

/// Hosts that are told apart of one extension. A grant that allows more than that allows everything.
const HOSTS: usize = 1_000;
/// Contributions that are told apart.
const CONTRIBUTIONS: usize = 256;

/// What one installation does, on this node.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    pub(crate) hosts: Arc<Hosts>,
    pub(super) window: Mutex<Window>,
    /// Could not be raised yet.
    pub(super) pending: Mutex<Vec<Found>>,
    /// Taken from the store at the first look.
    pub(super) learned: Mutex<Option<Learned>>,
}

impl Watch {
    /// Takes in what calls of a contribution took.
    pub(crate) fn count(&self, kind: ContributionKind, name: &str, more: Sums) {
        self.window.lock().count(kind, name, more);
    }
}

/// What calls took, with what is not billed.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Sums {
    pub(crate) used: Used,
    pub(crate) input_bytes: u64,
    pub(crate) output_bytes: u64,
}

impl Sums {
    pub(crate) fn plus(self, more: Self) -> Self {
        Self {
            used: self.used.plus(more.used),
            input_bytes: self.input_bytes.saturating_add(more.input_bytes),
            output_bytes: self.output_bytes.saturating_add(more.output_bytes),
        }
    }
}

/// Sums since the window began.
#[derive(Debug, Default)]
pub(super) struct Window {
    /// By the stopwatch; nothing before the first look.
    pub(super) began: Option<u64>,
    calls: u64,
    outbound_bytes: u64,
    /// Of each contribution, kept from window to window until there are enough calls to speak of.
    by_contribution: Vec<(ContributionKind, Box<str>, Sums)>,
}

/// What a window that closed comes to.
#[derive(Debug, Default)]
pub(super) struct Closed {
    /// How many windows' worth of time it lasted.
    pub(super) windows: f64,
    pub(super) calls: u64,
    pub(super) outbound_bytes: u64,
    /// Contributions with enough calls.
    pub(super) by_contribution: Vec<(ContributionKind, Box<str>, Sums)>,
}

impl Window {
    fn count(&mut self, kind: ContributionKind, name: &str, more: Sums) {
        self.calls = self.calls.saturating_add(more.used.calls);
        self.outbound_bytes = self.outbound_bytes.saturating_add(more.used.outbound_bytes);
        let all = &mut self.by_contribution;
        match all.iter().position(|(of, known, _)| *of == kind && **known == *name) {
            Some(at) => all[at].2 = all[at].2.plus(more),
            None if all.len() < CONTRIBUTIONS => all.push((kind, name.into(), more)),
            None => {}
        }
    }

    /// What was seen, if the window is over at `now`; another one begins.
    pub(super) fn close(&mut self, now: u64, length: u64, min_calls: u64) -> Option<Closed> {
        let began = *self.began.get_or_insert(now);
        let elapsed = now.saturating_sub(began);
        if elapsed < length.max(1) {
            return None;
        }
        self.began = Some(now);
        let (enough, rest) = std::mem::take(&mut self.by_contribution)
            .into_iter()
            .partition(|(_, _, sums)| sums.used.calls >= min_calls.max(1));
        self.by_contribution = rest;
        #[expect(clippy::cast_precision_loss, reason = "a ratio of spans of time")]
        let windows = elapsed as f64 / length.max(1) as f64;
        Some(Closed {
            windows,
            calls: std::mem::take(&mut self.calls),
            outbound_bytes: std::mem::take(&mut self.outbound_bytes),
            by_contribution: enough,
        })
    }
}

/// The hosts that an extension has contacted since this node started.
#[derive(Debug, Default)]
pub(crate) struct Hosts {
    inner: Mutex<Met>,
}

#[derive(Debug, Default)]
struct Met {
    known: HashMap<Box<str>, Vec<(Scheme, u16)>>,
    /// Not told yet.
    fresh: Vec<String>,
    count: usize,
}

impl Hosts {
    /// The hosts that were met since the last time.
    pub(super) fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.inner.lock().fresh)
    }

    /// They could not be told: they are fresh still.
    pub(super) fn again(&self, hosts: Vec<String>) {
        self.inner.lock().fresh.extend(hosts);
    }
}

impl Contacts for Hosts {
    fn contacted(&self, scheme: Scheme, host: &str, port: u16) {
        let mut met = self.inner.lock();
        if met.known.get(host).is_some_and(|places| places.contains(&(scheme, port))) || met.count >= HOSTS {
            return;
        }
        met.count += 1;
        met.known.entry(host.into()).or_default().push((scheme, port));
        let host = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
        met.fresh.push(format!("{}://{host}:{port}", scheme.text()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_told_once_and_bounded() {
        let hosts = Hosts::default();
        for _ in 0..3 {
            hosts.contacted(Scheme::Https, "a.example", 443);
            hosts.contacted(Scheme::Http, "a.example", 80);
            hosts.contacted(Scheme::Https, "::1", 443);
        }
        let met = hosts.take();
        assert_eq!(met, ["https://a.example:443", "http://a.example:80", "https://[::1]:443"]);
        assert!(hosts.take().is_empty());
        hosts.again(met);
        assert_eq!(hosts.take().len(), 3);
        for at in 0..2 * HOSTS {
            hosts.contacted(Scheme::Https, &format!("h{at}"), 443);
        }
        assert_eq!(hosts.take().len(), HOSTS - 3);
    }

    #[test]
    fn a_window_lasts_as_long_as_it_lasts_and_small_counts_wait() {
        let mut window = Window::default();
        let calls = |calls| Sums {
            used: Used { calls, ..Used::default() },
            ..Sums::default()
        };
        window.count(ContributionKind::Program, "a", calls(15));
        assert!(window.close(1_000, 100, 20).is_none(), "it begins at the first look");
        assert!(window.close(1_099, 100, 20).is_none());
        let closed = window.close(1_300, 100, 20).unwrap();
        assert_eq!((closed.windows, closed.calls, closed.by_contribution.len()), (3.0, 15, 0));
        window.count(ContributionKind::Program, "a", calls(6));
        let closed = window.close(1_400, 100, 20).unwrap();
        assert_eq!((closed.calls, closed.by_contribution[0].2.used.calls), (6, 21));
        // A stopwatch never goes back; if one did, nothing would be seen for a while.
        assert!(window.close(10, 100, 20).is_none());
    }
}
