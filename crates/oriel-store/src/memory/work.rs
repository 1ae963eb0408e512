use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use async_trait::async_trait;
use oriel_model::Timestamp;
use oriel_model::id::{LeaseId, TenantId, WorkId};
use oriel_model::page::{Page, PageRequest};
use parking_lot::Mutex;

use super::audit::MemoryAudit;
use crate::{Claim, LEASE_RAN_OUT, Leased, NewAudit, NewWork, Result, StoreError, Work, WorkCount, WorkKind, WorkQueue, cursor};

const CONFLICT: StoreError = StoreError::Conflict { what: "unit of work" };

/// One tenant's units of one kind.
type Lane = (WorkKind, TenantId);

struct Unit {
    work: Work,
    /// Counts up: first come, first served.
    place: u64,
    /// When it is due or, while it is leased, when the lease ends.
    ready_at: Timestamp,
    lease: Option<LeaseId>,
}

impl Unit {
    fn lane(&self) -> Lane {
        (self.work.kind.clone(), self.work.tenant)
    }

    fn is_due(&self, now: Timestamp) -> bool {
        self.work.dead_at.is_none() && self.ready_at <= now
    }

    fn is_held(&self, now: Timestamp) -> bool {
        self.lease.is_some() && self.ready_at > now
    }

    fn die(&mut self, error: &str, now: Timestamp) {
        self.lease = None;
        self.work.dead_at = Some(now);
        self.work.error = Some(error.to_owned());
    }
}

#[derive(Default)]
struct State {
    units: BTreeMap<(TenantId, WorkId), Unit>,
    places: u64,
    /// When each lane was last served, in turns.
    turns: HashMap<Lane, u64>,
    turn: u64,
}

impl State {
    /// Whether an unfinished unit other than this one carries its key.
    fn key_taken(&self, tenant: TenantId, kind: &WorkKind, key: Option<&String>) -> bool {
        let same = |unit: &Unit| unit.work.dead_at.is_none() && unit.work.kind == *kind && unit.work.key.as_ref() == key;
        key.is_some() && self.units.values().any(|unit| unit.work.tenant == tenant && same(unit))
    }

    fn held(&mut self, tenant: TenantId, id: WorkId, lease: LeaseId) -> Result<&mut Unit> {
        let unit = self.units.get_mut(&(tenant, id));
        unit.filter(|unit| unit.lease == Some(lease)).ok_or(CONFLICT)
    }

    /// What a claim gets, in the order in which it gets it.
    fn pick(&self, claim: &Claim<'_>) -> Vec<(TenantId, WorkId)> {
        let mut lanes: BTreeMap<Lane, (Vec<&Unit>, u32)> = BTreeMap::new();
        for unit in self.units.values().filter(|unit| claim.kinds.contains(&unit.work.kind)) {
            if unit.is_due(claim.now) {
                lanes.entry(unit.lane()).or_default().0.push(unit);
            } else if unit.is_held(claim.now) {
                lanes.entry(unit.lane()).or_default().1 += 1;
            }
        }
        let mut picked = Vec::new();
        for (lane, (mut due, held)) in lanes {
            due.sort_by_key(|unit| (unit.ready_at, unit.place));
            let turn = self.turns.get(&lane).copied().unwrap_or(0);
            let room = claim.per_tenant.saturating_sub(held) as usize;
            let rounds = due.into_iter().take(room).enumerate();
            picked.extend(rounds.map(|(round, unit)| ((round, turn, unit.ready_at, unit.place), (unit.work.tenant, unit.work.id))));
        }
        picked.sort_unstable_by_key(|(order, _)| *order);
        picked.truncate(claim.limit as usize);
        picked.into_iter().map(|(_, place)| place).collect()
    }
}

pub(super) struct MemoryWork {
    state: Mutex<State>,
    audit: Arc<MemoryAudit>,
}

impl MemoryWork {
    pub(super) fn new(audit: Arc<MemoryAudit>) -> Self {
        Self {
            state: Mutex::default(),
            audit,
        }
    }

    /// Takes one unit, unless it is there already or its key is taken.
    pub(super) fn put(&self, new: NewWork) -> bool {
        let mut state = self.state.lock();
        let place = (new.tenant, new.id);
        if state.units.contains_key(&place) || state.key_taken(new.tenant, &new.kind, new.key.as_ref()) {
            return false;
        }
        state.places += 1;
        let unit = Unit {
            place: state.places,
            ready_at: new.due_at,
            lease: None,
            work: Work::fresh(new),
        };
        state.units.insert(place, unit);
        true
    }

    /// Takes a unit out, whoever holds it.
    pub(super) fn take(&self, tenant: TenantId, id: WorkId) {
        self.state.lock().units.remove(&(tenant, id));
    }
}

#[async_trait]
impl WorkQueue for MemoryWork {
    async fn enqueue(&self, units: Vec<NewWork>) -> Result<u64> {
        // One after the other under one lock each: a claim in between sees whole units.
        Ok(units.into_iter().filter(|new| self.put(new.clone())).count() as u64)
    }

    async fn claim(&self, claim: Claim<'_>) -> Result<Vec<Leased>> {
        let mut state = self.state.lock();
        for unit in state.units.values_mut() {
            if claim.kinds.contains(&unit.work.kind) && unit.lease.is_some() && unit.is_due(claim.now) && unit.work.is_last_attempt() {
                unit.die(LEASE_RAN_OUT, claim.now);
            }
        }
        let picked = state.pick(&claim);
        let (lease, until) = (LeaseId::new(claim.now), claim.now.plus(claim.lease_for));
        let turn = state.turn + 1;
        let mut leased = Vec::with_capacity(picked.len());
        for place in picked {
            let Some(unit) = state.units.get_mut(&place) else { continue };
            unit.lease = Some(lease);
            unit.ready_at = until;
            unit.work.attempts += 1;
            let (lane, work) = (unit.lane(), unit.work.clone());
            leased.push(Leased { work, lease, until });
            state.turns.insert(lane, turn);
        }
        state.turn = turn;
        Ok(leased)
    }

    async fn extend(&self, tenant: TenantId, id: WorkId, lease: LeaseId, until: Timestamp) -> Result<()> {
        self.state.lock().held(tenant, id, lease)?.ready_at = until;
        Ok(())
    }

    async fn complete(&self, tenant: TenantId, ids: &[WorkId], lease: LeaseId) -> Result<()> {
        let mut state = self.state.lock();
        for id in ids {
            state.held(tenant, *id, lease)?;
        }
        for id in ids {
            state.units.remove(&(tenant, *id));
        }
        Ok(())
    }

    async fn retry(&self, tenant: TenantId, id: WorkId, lease: LeaseId, due_at: Timestamp, error: &str, now: Timestamp) -> Result<bool> {
        let mut state = self.state.lock();
        let unit = state.held(tenant, id, lease)?;
        unit.work.due_at = due_at;
        unit.ready_at = due_at;
        unit.work.error = Some(error.to_owned());
        unit.lease = None;
        if unit.work.is_last_attempt() {
            unit.die(error, now);
        }
        Ok(unit.work.dead_at.is_none())
    }

    async fn bury(&self, tenant: TenantId, id: WorkId, lease: LeaseId, error: &str, now: Timestamp) -> Result<()> {
        self.state.lock().held(tenant, id, lease)?.die(error, now);
        Ok(())
    }

    async fn get(&self, tenant: TenantId, id: WorkId) -> Result<Option<Work>> {
        Ok(self.state.lock().units.get(&(tenant, id)).map(|unit| unit.work.clone()))
    }

    async fn counts(&self, tenant: Option<TenantId>, now: Timestamp) -> Result<Vec<WorkCount>> {
        let mut counts: BTreeMap<(TenantId, WorkKind), WorkCount> = BTreeMap::new();
        let state = self.state.lock();
        for unit in state
            .units
            .values()
            .filter(|unit| tenant.is_none_or(|tenant| unit.work.tenant == tenant))
        {
            let count = counts
                .entry((unit.work.tenant, unit.work.kind.clone()))
                .or_insert_with(|| WorkCount {
                    tenant: unit.work.tenant,
                    kind: unit.work.kind.clone(),
                    due: 0,
                    oldest_due: None,
                    scheduled: 0,
                    leased: 0,
                    dead: 0,
                });
            if unit.work.dead_at.is_some() {
                count.dead += 1;
            } else if unit.is_due(now) {
                count.due += 1;
                count.oldest_due = Some(count.oldest_due.map_or(unit.ready_at, |oldest| oldest.min(unit.ready_at)));
            } else if unit.lease.is_some() {
                count.leased += 1;
            } else {
                count.scheduled += 1;
            }
        }
        Ok(counts.into_values().collect())
    }

    async fn dead(&self, tenant: TenantId, kind: Option<&WorkKind>, page: PageRequest) -> Result<Page<Work>> {
        let before = match cursor::decode("dead-work", &page)? {
            Some(place) => Some(place.parse::<WorkId>().map_err(|_| StoreError::Cursor)?),
            None => None,
        };
        let state = self.state.lock();
        let items = state.units.values().rev().map(|unit| &unit.work);
        let items = items
            .filter(|work| work.tenant == tenant && work.dead_at.is_some())
            .filter(|work| before.is_none_or(|before| work.id < before) && kind.is_none_or(|kind| work.kind == *kind))
            .take(cursor::limit(&page) + 1)
            .cloned()
            .collect();
        Ok(cursor::page("dead-work", &page, items, |work: &Work| work.id.to_string()))
    }

    async fn requeue(&self, tenant: TenantId, ids: &[WorkId], due_at: Timestamp, audit: NewAudit) -> Result<u64> {
        let mut state = self.state.lock();
        let mut count = 0;
        for id in ids {
            let Some(unit) = state.units.get(&(tenant, *id)).filter(|unit| unit.work.dead_at.is_some()) else {
                continue;
            };
            if state.key_taken(tenant, &unit.work.kind, unit.work.key.as_ref()) {
                continue;
            }
            if let Some(unit) = state.units.get_mut(&(tenant, *id)) {
                unit.work.dead_at = None;
                unit.work.attempts = 0;
                unit.work.due_at = due_at;
                unit.ready_at = due_at;
                count += 1;
            }
        }
        if count > 0 {
            self.audit.add(tenant, audit);
        }
        Ok(count)
    }

    async fn purge(&self, before: Timestamp, limit: u32) -> Result<u64> {
        let mut state = self.state.lock();
        let dead = state.units.iter().filter_map(|(place, unit)| Some((unit.work.dead_at?, *place)));
        let mut gone: Vec<_> = dead.filter(|(dead_at, _)| *dead_at < before).collect();
        gone.sort_unstable();
        gone.truncate(limit as usize);
        for (_, place) in &gone {
            state.units.remove(place);
        }
        Ok(gone.len() as u64)
    }
}
