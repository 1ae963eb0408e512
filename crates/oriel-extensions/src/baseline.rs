//! What is usual of an installation, learned from what it does, so that what is not usual can be told.
//!
//! Nothing happens on the way of a call: what is learned from is what the bill is made of anyway ([`crate::usage`]), taken out every few
//! seconds, and the hosts of outbound requests, which cost a look into a set. About once a minute a *window* closes. Each quantity
//! of it is first judged by what is usual ([`judge`]) and then learned itself, whatever it was: what stays becomes usual, what does
//! not cannot move a median. Nothing is judged before enough was seen.
//!
//! Windows are measured by a clock that nobody sets; only the hour of the week comes from the time of day.

mod judge;
mod keep;
mod learned;
mod window;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use oriel_model::id::TenantId;
use oriel_model::name::ExtensionName;
use oriel_statistics::{Enough, Tolerance};
use parking_lot::Mutex;

pub use self::keep::{AnomalyEvent, AnomalyEvents, BaselineReport, BaselineSeries};
pub(crate) use self::window::{Sums, Watch};

/// How baselines are learned, and what is far from them.
#[derive(Debug, Clone, PartialEq)]
pub struct AnomalyOptions {
    /// How long a window is; zero: nothing is learned.
    pub window: Duration,
    /// For how long it is learned before anything is flagged.
    pub learn: Duration,
    /// Calls below which averages of them mean little: such a window is joined with the next.
    pub min_calls: u64,
    /// How far off a warning is.
    pub tolerance: Tolerance,
    /// How long the like of an anomaly counts as the same one.
    pub quiet: Duration,
}

impl Default for AnomalyOptions {
    fn default() -> Self {
        Self {
            window: Duration::from_secs(60),
            learn: Duration::from_secs(24 * 3_600),
            min_calls: 20,
            tolerance: Tolerance { spreads: 6.0, factor: 3.0 },
            quiet: Duration::from_secs(24 * 3_600),
        }
    }
}

impl AnomalyOptions {
    /// Windows that are learned from before rates are judged, and of one hour before that is judged by itself: two hours' worth.
    fn enough(&self) -> Enough {
        let windows = |span: Duration| u64::try_from(span.as_nanos() / self.window.as_nanos().max(1)).unwrap_or(u64::MAX);
        Enough {
            overall: windows(self.learn).max(20),
            hour: windows(Duration::from_secs(7_200)).max(20),
        }
    }

    /// Averages that are learned from before averages are judged: there are fewer of them where few calls come.
    fn enough_averages(&self) -> u64 {
        (self.enough().overall / 6).max(20)
    }
}

/// The watches of all installations on this node.
#[derive(Debug, Default)]
pub(crate) struct Watches {
    by_place: Mutex<HashMap<(TenantId, ExtensionName), Arc<Watch>>>,
    /// One looks at a time.
    pub(crate) looking: tokio::sync::Mutex<()>,
}

impl Watches {
    /// The watch of an extension, made when there is none.
    pub(crate) fn of(&self, tenant: TenantId, extension: &ExtensionName) -> Arc<Watch> {
        let mut all = self.by_place.lock();
        all.entry((tenant, extension.clone())).or_default().clone()
    }

    /// It is uninstalled.
    pub(crate) fn forget(&self, tenant: TenantId, extension: &ExtensionName) {
        self.by_place.lock().remove(&(tenant, extension.clone()));
    }
}
