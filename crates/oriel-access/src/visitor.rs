//! Requests that nobody is asked for: they name their tenant by their address and still count against its limits.

use std::collections::HashMap;
use std::sync::Arc;

use oriel_model::Timestamp;
use oriel_model::id::TenantId;
use oriel_model::name::TenantName;
use parking_lot::RwLock;

use crate::authenticate::TRUST;
use crate::gate::{self, Gate, Pass};
use crate::{Access, AccessError};

/// How many tenants are remembered; past it the memory starts anew.
const REMEMBER: usize = 10_000;

/// A tenant as somebody finds it who only knows its name.
#[derive(Debug)]
pub struct Threshold {
    /// Its id.
    pub tenant: TenantId,
    /// Its name.
    pub name: TenantName,
    gate: Option<Arc<Gate>>,
}

/// Tenants whose names came lately.
#[derive(Default)]
pub(crate) struct Thresholds(RwLock<HashMap<TenantName, (Arc<Threshold>, Timestamp)>>);

impl Access {
    /// The tenant of this name, if there is one. Remembered for a few seconds, like keys are.
    ///
    /// # Errors
    /// The store's error.
    pub async fn threshold(&self, name: &str) -> Result<Option<Arc<Threshold>>, AccessError> {
        let Ok(name) = name.parse::<TenantName>() else { return Ok(None) };
        let now = self.shared.clock.now();
        if let Some((threshold, looked_at)) = self.shared.thresholds.0.read().get(&name)
            && *looked_at <= now
            && now.since(*looked_at) < TRUST
        {
            return Ok(Some(threshold.clone()));
        }
        let Some(tenant) = self.shared.tenants.by_name(name.as_str()).await? else {
            return Ok(None);
        };
        let threshold = Arc::new(Threshold {
            tenant: tenant.id,
            name: tenant.name,
            gate: self.gate_of(tenant.id).await?,
        });
        let mut known = self.shared.thresholds.0.write();
        if known.len() >= REMEMBER {
            known.clear();
        }
        known.insert(name, (threshold.clone(), now));
        Ok(Some(threshold))
    }

    /// Lets a request in that nobody was asked for, if its tenant's rates and the number at work allow it. It is at work until the
    /// pass is dropped. Who is refused leaves no entry in the audit log: it could be anybody, any number of times.
    ///
    /// # Errors
    /// [`AccessError::TooOften`] or [`AccessError::TooMany`].
    pub fn enter_unasked(&self, threshold: &Threshold) -> Result<Pass, AccessError> {
        match &threshold.gate {
            None => Ok(Pass::default()),
            gate => gate::enter([&None, gate], self.shared.clock.now()),
        }
    }
}
