//! Bindings that are at odds with each other. Nothing is refused for it: the order is settled, but perhaps not as anybody
//! wanted, so it is told together with the ways out.

use std::collections::{BTreeMap, HashMap};

use oriel_access::Access;
use oriel_model::access::{Principal, Scope};
use oriel_model::binding::{Binding, BindingKind, ContributionRef, EVERY_TASK};
use oriel_model::hook::{Combine, Hook, HookKind, HookOrder};
use oriel_model::id::BindingId;

use crate::{ExtensionError, Extensions};

/// What is at odds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConflictKind {
    /// Several handlers claim to be the first at a point where the first one decides alone.
    Exclusive,
    /// One contribution is bound to every task and to one of them, so that it is asked twice there.
    Overlap,
}

/// One side of a conflict.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Party {
    /// Its binding.
    pub binding: BindingId,
    /// What is bound.
    pub contribution: ContributionRef,
    /// Where.
    pub point: String,
    /// With which priority.
    pub priority: i32,
    /// Whether it comes first as things stand.
    pub first: bool,
}

/// A way out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// Switch one of the bindings off.
    Disable,
    /// Give the bindings different priorities.
    ChangePriority,
    /// Take one of the bindings away, or bind it elsewhere.
    Rebind,
}

/// How to take it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolution {
    /// Which way.
    pub way: Way,
    /// The command to type.
    pub command: String,
}

/// Bindings that are at odds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conflict {
    /// What is at odds.
    pub kind: ConflictKind,
    /// Where.
    pub point: String,
    /// In a sentence.
    pub message: String,
    /// Who, in the order in which they take part now.
    pub parties: Vec<Party>,
    /// What can be done about it.
    pub resolutions: Vec<Resolution>,
}

impl Extensions {
    /// Every conflict among the tenant's bindings that are in force, by point.
    ///
    /// # Errors
    /// When the principal may not.
    pub async fn conflicts(&self, principal: &Principal) -> Result<Vec<Conflict>, ExtensionError> {
        Access::require(principal, Scope::ExtensionsRead)?;
        let all = self.shared.stores.bindings.all(principal.tenant).await?.items;
        let statuses = self.binding_statuses(principal.tenant, all).await?;
        let in_force = statuses.into_iter().filter(|status| status.inactive.is_none());
        let mut bindings: Vec<Binding> = in_force.map(|status| status.binding).collect();
        bindings.sort_by(Binding::order);
        let own = self.shared.stores.hooks.all(principal.tenant).await?.items;
        let hooks = own.iter().chain(&self.shared.options.platform_hooks);
        let hooks: HashMap<&str, &Hook> = hooks.map(|hook| (hook.name.as_str(), hook)).collect();
        let mut conflicts = exclusive(&bindings, &hooks);
        conflicts.extend(overlaps(&bindings));
        Ok(conflicts)
    }
}

/// Handlers of a `decide` hook whose first decision counts, at the same highest priority.
fn exclusive(bindings: &[Binding], hooks: &HashMap<&str, &Hook>) -> Vec<Conflict> {
    let mut by_hook: BTreeMap<&str, Vec<&Binding>> = BTreeMap::new();
    for binding in bindings.iter().filter(|binding| binding.kind == BindingKind::Hook) {
        let first_decides = |hook: &&Hook| hook.kind == HookKind::Decide && hook.combine == Some(Combine::First);
        if hooks.get(binding.point.as_str()).is_some_and(first_decides) {
            by_hook.entry(&binding.point).or_default().push(binding);
        }
    }
    let conflict = |(point, claims): (&str, Vec<&Binding>)| {
        let by_name = hooks.get(point).is_some_and(|hook| hook.order == HookOrder::Name);
        let highest = claims.first()?.terms.priority;
        let mut parties: Vec<&Binding> = claims
            .into_iter()
            .filter(|binding| by_name || binding.terms.priority == highest)
            .collect();
        if by_name {
            parties.sort_by(|one, other| (&one.contribution, one.id).cmp(&(&other.contribution, other.id)));
        }
        let (first, others) = parties.split_first()?;
        if others.is_empty() {
            return None;
        }
        let message = format!(
            "{} handlers claim the first decision of `{point}`; `{}` gets it, only because of its name",
            parties.len(),
            first.contribution
        );
        let last = others.last().map_or(first.id, |binding| binding.id);
        let mut resolutions = vec![disable(last), rebind(last)];
        if !by_name {
            resolutions.insert(
                1,
                Resolution {
                    way: Way::ChangePriority,
                    command: format!("oriel binding update {} --priority {}", first.id, highest.saturating_add(10)),
                },
            );
        }
        Some(Conflict {
            kind: ConflictKind::Exclusive,
            point: point.to_owned(),
            message,
            parties: listed(&parties),
            resolutions,
        })
    };
    by_hook.into_iter().filter_map(conflict).collect()
}

/// Contributions that are bound to every task and to a task.
fn overlaps(bindings: &[Binding]) -> Vec<Conflict> {
    let mut everywhere: HashMap<(BindingKind, &ContributionRef), Vec<&Binding>> = HashMap::new();
    for binding in bindings.iter().filter(|binding| binding.point == EVERY_TASK && of_tasks(binding)) {
        everywhere.entry((binding.kind, &binding.contribution)).or_default().push(binding);
    }
    let mut conflicts: Vec<Conflict> = bindings
        .iter()
        .filter(|binding| binding.point != EVERY_TASK && of_tasks(binding))
        .filter_map(|binding| {
            let general = everywhere.get(&(binding.kind, &binding.contribution))?;
            let mut parties = general.clone();
            parties.push(binding);
            parties.sort_by(|one, other| one.order(other));
            Some(Conflict {
                kind: ConflictKind::Overlap,
                point: binding.point.clone(),
                message: format!(
                    "the {} `{}` is bound to every task and to `{}`, so it is asked {} times there",
                    binding.kind,
                    binding.contribution,
                    binding.point,
                    parties.len()
                ),
                parties: listed(&parties),
                resolutions: vec![disable(binding.id), rebind(binding.id)],
            })
        })
        .collect();
    conflicts.sort_by(|one, other| one.point.cmp(&other.point));
    conflicts
}

fn of_tasks(binding: &Binding) -> bool {
    matches!(binding.kind, BindingKind::Validator | BindingKind::Sampler)
}

fn listed(parties: &[&Binding]) -> Vec<Party> {
    let party = |(place, binding): (usize, &&Binding)| Party {
        binding: binding.id,
        contribution: binding.contribution.clone(),
        point: binding.point.clone(),
        priority: binding.terms.priority,
        first: place == 0,
    };
    parties.iter().enumerate().map(party).collect()
}

fn disable(id: BindingId) -> Resolution {
    Resolution {
        way: Way::Disable,
        command: format!("oriel binding disable {id}"),
    }
}

fn rebind(id: BindingId) -> Resolution {
    Resolution {
        way: Way::Rebind,
        command: format!("oriel binding delete {id}"),
    }
}
