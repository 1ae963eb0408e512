//! What is bound to a point, on the way of a call: in memory, and in force.

use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use oriel_model::Timestamp;
use oriel_model::binding::{Binding, BindingKind};
use oriel_model::id::{TaskId, TenantId};
use oriel_model::name::TenantName;
use parking_lot::RwLock;

use super::index::{Entry, Index};
use crate::{Active, ExtensionError, Extensions, Handle, Shared};

/// How long the index is trusted without a look at the store: the longest time that another node's change takes to be felt
/// here. A change on this node is felt at once.
const TRUST: Duration = Duration::from_secs(5);

/// A binding that is in force: its extension is installed and answers, and its release has the contribution.
#[derive(Debug, Clone)]
pub struct Bound {
    /// The binding.
    pub binding: Arc<Binding>,
    /// Its configuration as JSON, as the guest reads it.
    pub config: Arc<str>,
    /// The extension, to be asked for its release.
    pub handle: Handle,
}

impl Bound {
    /// How long one call may take: the binding's own time, and never more than `most`.
    #[must_use]
    pub fn timeout(&self, most: Duration) -> Duration {
        let own = self.binding.terms.timeout_ms.map(Duration::from_millis);
        own.map_or(most, |own| own.min(most))
    }
}

/// What is bound to a task.
#[derive(Debug, Clone)]
pub struct BoundToTask {
    /// Its validators, in their order.
    pub validators: Arc<[Bound]>,
    /// Its samplers, in their order.
    pub samplers: Arc<[Bound]>,
}

impl BoundToTask {
    /// Whether nothing is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.validators.is_empty() && self.samplers.is_empty()
    }
}

/// Everything that concerns the executions of a task.
#[derive(Debug, Clone)]
pub struct Around {
    /// Its validators and samplers.
    pub task: BoundToTask,
    /// The handlers of `task.pre-execute`.
    pub before: Arc<[Bound]>,
    /// The handlers of `task.post-execute`.
    pub after: Arc<[Bound]>,
    /// The handlers of `error`.
    pub error: Arc<[Bound]>,
}

/// The empty list, shared so that finding nothing allocates nothing.
static NONE: LazyLock<Arc<[Bound]>> = LazyLock::new(|| Arc::from([]));

/// The indexes of all tenants that were asked for.
#[derive(Default)]
pub(crate) struct Slots(RwLock<HashMap<TenantId, Arc<TenantSlot>>>);

pub(super) struct TenantSlot {
    tenant: TenantId,
    tenant_name: TenantName,
    /// Nothing before the first look.
    index: ArcSwapOption<Index>,
    looked_at: AtomicI64,
    /// One load from the store at a time.
    loading: tokio::sync::Mutex<()>,
}

/// The points of one tenant. Cheap to clone; whoever looks often keeps it.
#[derive(Clone)]
pub struct Points {
    shared: Arc<Shared>,
    slot: Arc<TenantSlot>,
}

impl std::fmt::Debug for Points {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Points").field(&self.slot.tenant).finish()
    }
}

impl Extensions {
    /// The points of a tenant.
    #[must_use]
    pub fn points(&self, tenant: TenantId, tenant_name: &TenantName) -> Points {
        let shared = self.shared.clone();
        let known = self.shared.bindings.0.read().get(&tenant).cloned();
        if let Some(slot) = known {
            return Points { shared, slot };
        }
        let mut slots = self.shared.bindings.0.write();
        let slot = slots.entry(tenant).or_insert_with(|| {
            Arc::new(TenantSlot {
                tenant,
                tenant_name: tenant_name.clone(),
                index: ArcSwapOption::empty(),
                looked_at: AtomicI64::new(0),
                loading: tokio::sync::Mutex::default(),
            })
        });
        Points {
            shared,
            slot: slot.clone(),
        }
    }

    /// What is bound to a hook and in force; see [`Points::bound_to_hook`].
    ///
    /// # Errors
    /// When the tenant's bindings cannot be read for the first time.
    pub async fn bound_to_hook(&self, tenant: TenantId, tenant_name: &TenantName, hook: &str) -> Result<Arc<[Bound]>, ExtensionError> {
        self.points(tenant, tenant_name).bound_to_hook(hook).await
    }

    /// What is bound to a task and in force; see [`Points::bound_to_task`].
    ///
    /// # Errors
    /// When the tenant's bindings cannot be read for the first time.
    pub async fn bound_to_task(
        &self,
        tenant: TenantId,
        tenant_name: &TenantName,
        id: TaskId,
        name: &str,
    ) -> Result<BoundToTask, ExtensionError> {
        self.points(tenant, tenant_name).bound_to_task(id, name).await
    }

    /// What is bound to an event type and in force; see [`Points::bound_to_event`].
    ///
    /// # Errors
    /// When the tenant's bindings cannot be read for the first time.
    pub async fn bound_to_event(&self, tenant: TenantId, tenant_name: &TenantName, kind: &str) -> Result<Arc<[Bound]>, ExtensionError> {
        self.points(tenant, tenant_name).bound_to_event(kind).await
    }

    /// Puts a change of this node in force.
    pub(crate) async fn refresh_bindings(&self, tenant: TenantId) {
        let slot = self.shared.bindings.0.read().get(&tenant).cloned();
        let Some(slot) = slot else { return };
        let points = Points {
            shared: self.shared.clone(),
            slot,
        };
        let _one = points.slot.loading.lock().await;
        if let Err(error) = points.load().await {
            tracing::warn!(%tenant, %error, "changed bindings cannot be read; the next look tries again");
            points.slot.index.store(None);
        }
    }
}

impl Points {
    /// The handlers of a hook, in their order. What is bound but not in force is left out.
    ///
    /// # Errors
    /// When the tenant's bindings cannot be read for the first time.
    pub async fn bound_to_hook(&self, hook: &str) -> Result<Arc<[Bound]>, ExtensionError> {
        let found = self.look(|index| index.hook(hook)).await?;
        Ok(self.in_force(found).await)
    }

    /// The validators and samplers of a task, in their order. What is bound but not in force is left out.
    ///
    /// # Errors
    /// When the tenant's bindings cannot be read for the first time.
    pub async fn bound_to_task(&self, id: TaskId, name: &str) -> Result<BoundToTask, ExtensionError> {
        let found = self.look(|index| index.task(id, name)).await?;
        if found.is_empty() {
            return Ok(BoundToTask {
                validators: NONE.clone(),
                samplers: NONE.clone(),
            });
        }
        let (validators, samplers) = found.into_iter().partition(|entry| entry.binding.kind == BindingKind::Validator);
        Ok(BoundToTask {
            validators: self.in_force(validators).await,
            samplers: self.in_force(samplers).await,
        })
    }

    /// Everything that concerns the executions of a task, with one look. Nothing where nothing is bound, which costs a task
    /// without bindings a few comparisons, whatever is bound to others.
    ///
    /// # Errors
    /// When the tenant's bindings cannot be read for the first time.
    pub async fn around_task(&self, id: TaskId, name: &str) -> Result<Option<Around>, ExtensionError> {
        const HOOKS: [&str; 3] = ["task.pre-execute", "task.post-execute", "error"];
        let Some((task, [before, after, error])) = self.look(|index| index.around(id, name, HOOKS)).await? else {
            return Ok(None);
        };
        let (validators, samplers) = task.into_iter().partition(|entry| entry.binding.kind == BindingKind::Validator);
        Ok(Some(Around {
            task: BoundToTask {
                validators: self.in_force(validators).await,
                samplers: self.in_force(samplers).await,
            },
            before: self.in_force(before).await,
            after: self.in_force(after).await,
            error: self.in_force(error).await,
        }))
    }

    /// The handlers of an event type, in their order. What is bound but not in force is left out.
    ///
    /// # Errors
    /// When the tenant's bindings cannot be read for the first time.
    pub async fn bound_to_event(&self, kind: &str) -> Result<Arc<[Bound]>, ExtensionError> {
        let found = self.look(|index| index.event(kind)).await?;
        Ok(self.in_force(found).await)
    }

    /// How many bindings the tenant has.
    pub(super) async fn count(&self) -> Result<usize, ExtensionError> {
        self.look(|index| index.count).await
    }

    async fn look<T>(&self, read: impl Fn(&Index) -> T) -> Result<T, ExtensionError> {
        let now = self.shared.clock.now();
        if let Some(index) = self.slot.index.load().as_deref() {
            if self.slot.claim_look(now) {
                let points = self.clone();
                tokio::spawn(async move { points.look_again().await });
            }
            return Ok(read(index));
        }
        let _one = self.slot.loading.lock().await;
        if let Some(index) = self.slot.index.load_full() {
            return Ok(read(&index));
        }
        Ok(read(&*self.load().await?))
    }

    /// Compares the index with the store and follows a change that another node made.
    async fn look_again(self) {
        let _one = self.slot.loading.lock().await;
        let known = self.slot.index.load().as_ref().map(|index| index.version);
        let result = async {
            let version = self.shared.stores.bindings.version(self.slot.tenant).await?;
            if known != Some(version) {
                self.load().await?;
            }
            Ok::<(), ExtensionError>(())
        };
        if let Err(error) = result.await {
            tracing::warn!(tenant = %self.slot.tenant, %error, "bindings cannot be compared with the store");
        }
    }

    /// Reads all anew. Whoever calls this holds `loading`.
    async fn load(&self) -> Result<Arc<Index>, ExtensionError> {
        let now = self.shared.clock.now();
        let all = self.shared.stores.bindings.all(self.slot.tenant).await?;
        let extensions = Extensions {
            shared: self.shared.clone(),
        };
        let slot = |binding: &Binding| {
            let handle = extensions.handle(self.slot.tenant, &self.slot.tenant_name, &binding.contribution.extension);
            handle.slot().clone()
        };
        let index = Arc::new(Index::new(all, slot));
        self.slot.index.store(Some(index.clone()));
        self.slot.looked_at.store(now.millis(), Ordering::Relaxed);
        Ok(index)
    }

    /// Those of the entries whose extension answers and has the contribution.
    async fn in_force(&self, entries: Vec<Arc<Entry>>) -> Arc<[Bound]> {
        if entries.is_empty() {
            return NONE.clone();
        }
        let mut bound = Vec::with_capacity(entries.len());
        for entry in entries {
            let handle = Handle::of(&self.shared, &entry.slot);
            if is_in_force(&entry, &handle, self.shared.clock.now()).await {
                bound.push(Bound {
                    binding: entry.binding.clone(),
                    config: entry.config.clone(),
                    handle,
                });
            }
        }
        bound.into()
    }
}

async fn is_in_force(entry: &Entry, handle: &Handle, now: Timestamp) -> bool {
    let has = |active: &Active| {
        let declared = active.installation().release.manifest.declared(entry.binding.kind.contribution());
        declared
            .iter()
            .any(|declaration| declaration.name == entry.binding.contribution.name)
    };
    if entry.absent.load(Ordering::Relaxed) > now.millis() && handle.loaded().is_none() {
        return false;
    }
    match handle.active().await {
        Ok(active) => has(&active),
        Err(ExtensionError::NotFound { .. }) => {
            entry.absent.store(now.plus(TRUST).millis(), Ordering::Relaxed);
            false
        }
        Err(ExtensionError::Disabled { .. } | ExtensionError::ConsentRequired { .. } | ExtensionError::Quarantined { .. }) => false,
        // Nobody knows: asking it will tell, and the binding says what that failure means.
        Err(_) => true,
    }
}

impl TenantSlot {
    /// Claims the next comparison with the store when it is due: true for one of several callers at once.
    fn claim_look(&self, now: Timestamp) -> bool {
        let before = self.looked_at.load(Ordering::Relaxed);
        let looked_at = Timestamp::from_millis(before);
        let due = now.since(looked_at) >= TRUST || looked_at > now;
        due && self
            .looked_at
            .compare_exchange(before, now.millis(), Ordering::Relaxed, Ordering::Relaxed)
            .is_ok()
    }
}
