//! The three layers, from the mildest to the strictest: each next one takes away what the one before needs.

use landlock::{
    ABI, Access as _, AccessFs, AccessNet, CompatLevel, Compatible as _, RestrictSelfAttr as _, Ruleset, RulesetAttr as _, RulesetStatus,
    Scope,
};
use rustix::process::{DumpableBehavior, Resource, Rlimit};
use seccompiler::BpfProgram;

use crate::{ConfineError, Confinement, Held, Landlock, calls};

pub(crate) fn enter(confinement: &Confinement) -> Result<Held, ConfineError> {
    limits(confinement)?;
    let landlock = files().map_err(|error| ConfineError::Landlock { reason: error.to_string() })?;
    for filter in [calls::without_clone3()?, calls::allowed()?] {
        filtered(&filter)?;
    }
    Ok(Held { landlock })
}

fn limits(confinement: &Confinement) -> Result<(), ConfineError> {
    let limit = |what, resource, most| {
        let limit = Rlimit {
            current: Some(most),
            maximum: Some(most),
        };
        rustix::process::setrlimit(resource, limit).map_err(|error| ConfineError::Limit {
            what,
            source: error.into(),
        })
    };
    limit("core dumps", Resource::Core, 0)?;
    limit("descriptors", Resource::Nofile, confinement.descriptors)?;
    limit("memory", Resource::Data, confinement.memory)?;
    rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable).map_err(|error| ConfineError::Limit {
        what: "tracing",
        source: error.into(),
    })
}

/// Keeps every path and every port away: a rule set that handles all of them and allows none.
fn files() -> Result<Landlock, landlock::RulesetError> {
    let all = ABI::V6;
    let status = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(all))?
        .handle_access(AccessNet::from_all(all))?
        .scope(Scope::from_all(all))?
        .create()?
        .all_threads(true)?
        .restrict_self()?;
    Ok(match status.ruleset {
        RulesetStatus::FullyEnforced => Landlock::Full,
        RulesetStatus::PartiallyEnforced => Landlock::Partial,
        RulesetStatus::NotEnforced => Landlock::Absent,
    })
}

fn filtered(filter: &BpfProgram) -> Result<(), ConfineError> {
    seccompiler::apply_filter_all_threads(filter).map_err(|error| ConfineError::Seccomp { reason: error.to_string() })
}
