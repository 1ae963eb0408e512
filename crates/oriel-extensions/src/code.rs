//! How often compiled code was there when it was needed.

use std::sync::atomic::{AtomicU64, Ordering};

use oriel_model::installation::{Installation, InstallationState};

use crate::{Extensions, Shared};

/// How looking for compiled code ended: at each install and upgrade, and whenever a release is loaded from the store, which is
/// at its first call after the server started or after another node changed it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CodeLookups {
    /// It was there.
    pub hits: u64,
    /// It was not there, or was not usable, and was compiled.
    pub misses: u64,
}

/// Counts them.
#[derive(Debug, Default)]
pub(crate) struct Lookups {
    hits: AtomicU64,
    misses: AtomicU64,
}

impl Lookups {
    pub(crate) fn hit(&self) {
        self.hits.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn miss(&self) {
        self.misses.fetch_add(1, Ordering::Relaxed);
    }
}

impl Shared {
    /// Counts the code of a release that is about to be loaded, if it is there. If it is not, the sandbox asks for the
    /// component at the first call, which is counted then.
    pub(crate) fn look_for_code(&self, installation: &Installation) {
        let component = installation
            .release
            .component
            .filter(|_| installation.state == InstallationState::Enabled);
        if component.is_some_and(|component| self.sandbox.is_prepared(component)) {
            self.code.hit();
        }
    }
}

impl Extensions {
    /// How looking for compiled code has ended since the service started.
    #[must_use]
    pub fn code_lookups(&self) -> CodeLookups {
        let Lookups { hits, misses } = &*self.shared.code;
        CodeLookups {
            hits: hits.load(Ordering::Relaxed),
            misses: misses.load(Ordering::Relaxed),
        }
    }
}
