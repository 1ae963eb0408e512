//! The gate itself: what each call passes.

use std::sync::atomic::Ordering;

use oriel_model::ErrorCode;
use oriel_sandbox::{Gate, Pass, Refused, Spent};

use super::{BUDGETED, Core, GUARDED, Health, UNSETTLED};
use crate::circuit::{PLAIN, Shut, Verdict};

impl Health {
    fn shut(&self, shut: Shut) -> Refused {
        self.common.hub.refused.fetch_add(1, Ordering::Relaxed);
        match shut {
            Shut::Tripped { retry_after } => Refused {
                code: ErrorCode::ExtensionTripped,
                message: "the extension failed too often and is left alone for a while".to_owned(),
                retry_after: Some(retry_after),
            },
            Shut::Quarantined => Refused {
                code: ErrorCode::ExtensionQuarantined,
                message: "the extension kept failing and is in quarantine".to_owned(),
                retry_after: None,
            },
        }
    }

    /// Whether a call would be let in; with `enter` it is.
    fn ask(&self, enter: bool) -> Result<Pass, Refused> {
        let now = self.now();
        let mut core = self.core.lock();
        let before = core.circuit.state();
        if let Some(budgets) = &mut core.budgets {
            let room = if enter { budgets.enter(now) } else { budgets.check(now) };
            if let Err(used_up) = room {
                self.look_at_budgets(&mut core, now, before);
                return Err(Refused {
                    code: ErrorCode::ExtensionBudgetExceeded,
                    message: used_up.reason,
                    retry_after: Some(used_up.retry_after),
                });
            }
        }
        let Core { circuit, options, .. } = &mut *core;
        let asked = if enter {
            circuit.enter(now, options)
        } else {
            circuit.open(now, options).map(|()| PLAIN)
        };
        if enter {
            self.turned(&mut core, before, Some("the back-off has passed".to_owned()));
        }
        asked.map(Pass).map_err(|shut| self.shut(shut))
    }
}

impl Gate for Health {
    fn open(&self) -> Result<(), Refused> {
        if self.flags.load(Ordering::Acquire) & (GUARDED | BUDGETED) == 0 {
            return Ok(());
        }
        self.ask(false).map(|_| ())
    }

    fn enter(&self) -> Result<Pass, Refused> {
        if self.flags.load(Ordering::Acquire) & (GUARDED | BUDGETED) == 0 {
            return Ok(Pass(PLAIN));
        }
        self.ask(true)
    }

    fn leave(&self, pass: Pass, spent: &Spent<'_>) {
        self.left(pass, Verdict::of(spent.error, spent.hurried), spent);
    }

    fn abandon(&self, Pass(pass): Pass) {
        if pass != PLAIN {
            self.core.lock().circuit.abandon(pass);
        }
    }
}

impl Health {
    /// A call of another release that the same installation tries out ended: it is billed and uses budgets up, and says nothing of how
    /// this release does, whichever way it ended.
    pub(crate) fn left_aside(&self, pass: Pass, spent: &Spent<'_>) {
        self.left(pass, Verdict::Neutral, spent);
    }

    fn left(&self, Pass(pass): Pass, verdict: Verdict, spent: &Spent<'_>) {
        let slow = spent.resources.wall_us > self.slow_us.load(Ordering::Relaxed) && verdict == Verdict::Good;
        let now = self.common.stopwatch.measured(spent.ended);
        self.feed.add(now, self.era.load(Ordering::Relaxed), verdict, slow, spent);
        let settled = self.flags.load(Ordering::Acquire) & (UNSETTLED | BUDGETED) == 0;
        if settled && verdict == Verdict::Good && !slow {
            if self.streak.load(Ordering::Relaxed) != 0 {
                self.streak.store(0, Ordering::Relaxed);
            }
        } else if !settled || verdict != Verdict::Neutral {
            self.judge(now, pass, verdict, spent);
        }
    }
}
