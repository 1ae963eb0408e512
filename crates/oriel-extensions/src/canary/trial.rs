//! Which release answers a call while a canary runs, and what is remembered of how both did.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use oriel_model::canary::{Canary, CanaryPolicy};
use oriel_model::id::{CanaryId, TenantId};
use oriel_model::installation::Installation;
use oriel_model::name::{ExtensionName, TenantName};
use oriel_model::{Digest, ErrorCode};
use oriel_sandbox::{Gate, Pass, Refused, Spent};
use oriel_statistics::Arm;
use parking_lot::Mutex;
use tokio::sync::Notify;

use super::tally::{Ending, Tally};
use crate::Active;
use crate::health::Health;

/// A canary that runs beside an active release.
#[derive(Debug)]
pub struct Trial {
    canary: Arc<Active>,
    /// Calls whose number of 64 bits is below this are the canary's.
    below: u64,
    watch: Arc<Watch>,
}

/// The release that a call is given to, and where its end is told.
#[derive(Debug, Clone)]
pub struct Chosen {
    /// The release.
    pub active: Arc<Active>,
    trial: Option<(Arc<Watch>, Arm)>,
}

impl Chosen {
    /// A release that nothing is compared with.
    #[must_use]
    pub const fn alone(active: Arc<Active>) -> Self {
        Self { active, trial: None }
    }

    /// The release for a call of a task: the canary for its share of calls, if one runs. With a key it is always the same release for
    /// the same key, and a larger share only adds keys.
    #[must_use]
    pub fn choose(active: Arc<Active>, key: Option<&str>) -> Self {
        match active.trial() {
            None => Self::alone(active),
            Some(trial) => trial.choose(&active, key),
        }
    }

    /// Tells how a call ended: with which code if it failed, and how long the release took, in microseconds. Without a canary
    /// nobody listens.
    pub fn ended(&self, failure: Option<ErrorCode>, wall_us: u64) {
        if let Some((watch, arm)) = &self.trial {
            watch.observe(*arm, failure, wall_us);
        }
    }
}

impl Trial {
    pub(crate) const fn new(canary: Arc<Active>, share: f64, watch: Arc<Watch>) -> Self {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "a share from 0 to 1 of all numbers; `as` saturates"
        )]
        let below = (share * u64::MAX as f64) as u64;
        Self { canary, below, watch }
    }

    /// The canary's release.
    #[must_use]
    pub const fn canary(&self) -> &Arc<Active> {
        &self.canary
    }

    fn choose(&self, running: &Arc<Active>, key: Option<&str>) -> Chosen {
        let number = match key {
            Some(key) => bucket(self.watch.id, key),
            None => scramble(self.watch.dice.fetch_add(GOLDEN, Ordering::Relaxed)),
        };
        let (active, arm) = if number <= self.below {
            (&self.canary, Arm::Canary)
        } else {
            (running, Arm::Running)
        };
        Chosen {
            active: active.clone(),
            trial: Some((self.watch.clone(), arm)),
        }
    }
}

/// The place of a key among all keys. It depends on the canary, so that it is not the same customers each time who try everything
/// out first, and on nothing else, so that all nodes and restarts agree.
fn bucket(canary: CanaryId, key: &str) -> u64 {
    let digest = Digest::of(format!("{canary}/{key}").as_bytes());
    let mut first = [0; 8];
    first.copy_from_slice(&digest.bytes()[..8]);
    u64::from_be_bytes(first)
}

/// 2^64 divided by the golden ratio: the step of SplitMix64 (Steele, Lea, Flood, *Fast splittable pseudorandom number generators*, 2014).
const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

/// The output function of SplitMix64.
const fn scramble(state: u64) -> u64 {
    let mut z = state.wrapping_add(GOLDEN);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// What this node remembers of one canary. It outlives changes of the installation that leave the canary alone.
#[derive(Debug)]
pub(crate) struct Watch {
    pub(crate) tenant: TenantId,
    pub(crate) tenant_name: TenantName,
    pub(crate) name: ExtensionName,
    pub(crate) id: CanaryId,
    running: semver::Version,
    canary: semver::Version,
    dice: AtomicU64,
    seen: Mutex<Seen>,
    /// Whether somebody has asked for a decision that was not made yet.
    asked: AtomicBool,
    wake: Arc<Notify>,
}

#[derive(Debug)]
struct Seen {
    policy: CanaryPolicy,
    /// Since this process began to look.
    tally: Tally,
    /// What was seen of the canary's calls elsewhere, when it was last looked.
    elsewhere: u64,
    /// What this node wrote down before it was started again; absent until the store was asked.
    before: Option<Tally>,
    /// Whether there is something that is not written down.
    dirty: bool,
}

impl Watch {
    /// Takes one call in, and wakes the judge when it may be the one that decides.
    fn observe(&self, arm: Arm, failure: Option<ErrorCode>, wall_us: u64) {
        if let Some(ending) = Ending::of(failure, wall_us) {
            self.change(|tally| tally.observe(arm, ending));
        }
    }

    fn change(&self, change: impl FnOnce(&mut Tally)) {
        let mut seen = self.seen.lock();
        change(&mut seen.tally);
        seen.dirty = true;
        if !self.asked.load(Ordering::Relaxed) && seen.policy.auto && seen.tally.may_decide(&seen.policy, seen.elsewhere) {
            self.asked.store(true, Ordering::Relaxed);
            self.wake.notify_one();
        }
    }

    /// Takes a score in, if it is of one of the two versions.
    fn score(&self, version: &semver::Version, score: f64) {
        let arm = if *version == self.canary {
            Arm::Canary
        } else if *version == self.running {
            Arm::Running
        } else {
            return;
        };
        self.change(|tally| tally.score(arm, score));
    }

    /// Whether the store was asked for what this node wrote down before.
    pub(crate) fn knows_its_past(&self) -> bool {
        self.seen.lock().before.is_some()
    }

    /// Learns what this node wrote down before.
    pub(crate) fn remember(&self, before: Option<Tally>) {
        let mut seen = self.seen.lock();
        let nothing = Tally::new(&seen.policy);
        seen.before.get_or_insert(before.unwrap_or(nothing));
    }

    /// All that this node has seen, and whether some of it is not written down.
    pub(crate) fn own(&self) -> (Tally, bool) {
        let seen = self.seen.lock();
        let mut own = seen.tally.clone();
        if let Some(before) = &seen.before {
            own.merge(before);
        }
        (own, seen.dirty)
    }

    /// Notes that it was written down, or that it was not after all.
    pub(crate) fn written(&self, written: bool) {
        self.seen.lock().dirty = !written;
    }

    /// Notes how many calls of the canary others have seen.
    pub(crate) fn judged(&self, elsewhere: u64) {
        self.seen.lock().elsewhere = elsewhere;
    }

    /// From now on a call may ask for a decision again. Once asked, a call does not ask again until somebody looks anyway, so that an
    /// undecided case does not ask at each call.
    pub(crate) fn listen(&self) {
        self.asked.store(false, Ordering::Relaxed);
    }
}

/// The canaries that have been called on this node, and what became of all since it started.
#[derive(Debug, Default)]
pub(crate) struct Registry {
    watches: Mutex<HashMap<(TenantId, ExtensionName), Arc<Watch>>>,
    pub(crate) wake: Arc<Notify>,
    pub(crate) promoted: AtomicU64,
    pub(crate) rolled_back: AtomicU64,
}

impl Registry {
    /// The watch of the installation's canary; what there was of another one is forgotten.
    pub(crate) fn watch(&self, installation: &Installation, canary: &Canary, tenant_name: &TenantName) -> Arc<Watch> {
        let mut watches = self.watches.lock();
        let place = (installation.tenant, installation.name.clone());
        if let Some(watch) = watches.get(&place).filter(|watch| watch.id == canary.id) {
            watch.seen.lock().policy = canary.policy;
            return watch.clone();
        }
        let watch = Arc::new(Watch {
            tenant: installation.tenant,
            tenant_name: tenant_name.clone(),
            name: installation.name.clone(),
            id: canary.id,
            running: installation.release.manifest.version.clone(),
            canary: canary.release.manifest.version.clone(),
            dice: AtomicU64::new(bucket(canary.id, "")),
            seen: Mutex::new(Seen {
                policy: canary.policy,
                tally: Tally::new(&canary.policy),
                elsewhere: 0,
                before: None,
                dirty: false,
            }),
            asked: AtomicBool::new(false),
            wake: self.wake.clone(),
        });
        watches.insert(place, watch.clone());
        watch
    }

    /// The watch of a canary, if it was called here.
    pub(crate) fn find(&self, tenant: TenantId, name: &ExtensionName) -> Option<Arc<Watch>> {
        self.watches.lock().get(&(tenant, name.clone())).cloned()
    }

    pub(crate) fn forget(&self, tenant: TenantId, name: &ExtensionName) {
        self.watches.lock().remove(&(tenant, name.clone()));
    }

    pub(crate) fn all(&self) -> Vec<Arc<Watch>> {
        self.watches.lock().values().cloned().collect()
    }

    pub(crate) fn score(&self, tenant: TenantId, name: &ExtensionName, version: &semver::Version, score: f64) {
        if let Some(watch) = self.find(tenant, name) {
            watch.score(version, score);
        }
    }
}

/// The installation's gate as a canary meets it: budgets and breakers of the installation hold for it too, and what it uses is billed, but
/// how its calls end is the comparison's business and makes the running release look neither ill nor well.
pub(crate) struct Aside(pub(crate) Arc<Health>);

impl Gate for Aside {
    fn open(&self) -> Result<(), Refused> {
        self.0.open()
    }

    fn enter(&self) -> Result<Pass, Refused> {
        self.0.enter()
    }

    fn leave(&self, pass: Pass, spent: &Spent<'_>) {
        self.0.left_aside(pass, spent);
    }

    fn abandon(&self, pass: Pass) {
        self.0.abandon(pass);
    }
}

#[cfg(test)]
mod tests {
    use oriel_model::Timestamp;

    use super::*;

    #[test]
    fn keys_fall_evenly_and_growing_the_share_only_adds_some() {
        let canary = CanaryId::new(Timestamp::from_millis(1));
        let below = |share: f64| -> Vec<bool> {
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                clippy::cast_precision_loss,
                reason = "a share"
            )]
            let bound = (share * u64::MAX as f64) as u64;
            (0..10_000).map(|key| bucket(canary, &format!("customer-{key}")) <= bound).collect()
        };
        let (tenth, third) = (below(0.1), below(0.33));
        let count = |taken: &[bool]| taken.iter().filter(|taken| **taken).count();
        assert!((900..1_100).contains(&count(&tenth)), "{}", count(&tenth));
        assert!(tenth.iter().zip(&third).all(|(small, large)| !small || *large));
        assert_eq!(count(&below(1.0)), 10_000);
    }

    #[test]
    fn calls_without_a_key_fall_evenly() {
        let mut state = 42u64;
        let hits = (0..10_000)
            .filter(|_| {
                state = state.wrapping_add(GOLDEN);
                scramble(state) <= u64::MAX / 5
            })
            .count();
        assert!((1_850..2_150).contains(&hits), "{hits}");
    }
}
