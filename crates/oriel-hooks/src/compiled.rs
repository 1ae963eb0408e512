//! Hooks ready to be fired: schemas compiled.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use oriel_model::Timestamp;
use oriel_model::hook::Hook;
use oriel_model::id::TenantId;
use oriel_model::schema::Schema;
use parking_lot::RwLock;

use crate::{HookError, Hooks};

/// How long a hook is trusted without a look at the store: the longest time that another node's change takes to be felt
/// here. A change on this node is felt at once.
const TRUST: Duration = Duration::from_secs(5);

/// A hook and its schemas.
pub(crate) struct Compiled {
    pub(crate) hook: Hook,
    pub(crate) input: Schema,
    pub(crate) output: Schema,
}

#[derive(Default)]
pub(crate) struct Cache {
    known: RwLock<HashMap<TenantId, HashMap<Box<str>, Known>>>,
}

struct Known {
    compiled: Arc<Compiled>,
    looked_at: Timestamp,
}

impl Cache {
    /// Forgets the tenant's hooks: one of them changed.
    pub(crate) fn forget(&self, tenant: TenantId) {
        self.known.write().remove(&tenant);
    }
}

impl Hooks {
    /// The hook of this name, ready to be fired.
    pub(crate) async fn compiled(&self, tenant: TenantId, name: &str) -> Result<Arc<Compiled>, HookError> {
        let now = self.shared.clock.now();
        if let Some(known) = self.shared.compiled.known.read().get(&tenant).and_then(|known| known.get(name))
            && known.looked_at <= now
            && now.since(known.looked_at) < TRUST
        {
            return Ok(known.compiled.clone());
        }
        let hook = self.find(tenant, name).await?;
        let schema = |field, schema| Schema::compile(schema).map_err(|source| HookError::Schema { field, source });
        let compiled = Arc::new(Compiled {
            input: schema("inputSchema", &hook.input_schema)?,
            output: schema("outputSchema", &hook.output_schema)?,
            hook,
        });
        let known = Known {
            compiled: compiled.clone(),
            looked_at: now,
        };
        self.shared
            .compiled
            .known
            .write()
            .entry(tenant)
            .or_default()
            .insert(name.into(), known);
        Ok(compiled)
    }
}
