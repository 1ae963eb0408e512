//! Tasks ready to be executed: schemas compiled, the extension's handle at hand.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use oriel_extensions::{Active, Handle};
use oriel_model::Timestamp;
use oriel_model::access::Principal;
use oriel_model::id::{TaskId, TenantId};
use oriel_model::name::{ContributionName, TaskName};
use oriel_model::schema::Schema;
use oriel_model::task::Task;
use parking_lot::{Mutex, RwLock};

use crate::segment::RecordKey;
use crate::{Fault, TaskError, Tasks};

/// How long a task is trusted without a look at the store: the longest time that another node's change takes to
/// be felt here. A change on this node is felt at once.
const TRUST: Duration = Duration::from_secs(5);

/// What is called and how its ends are checked: a task's program, or a program called directly.
pub(crate) struct Target {
    pub(crate) task: Option<TaskId>,
    pub(crate) program: ContributionName,
    pub(crate) input: Schema,
    pub(crate) output: Schema,
    handle: Handle,
    /// The key of the release that ran last: shared by its records instead of made for each.
    key: Mutex<Option<Arc<RecordKey>>>,
    tenant: TenantId,
}

#[derive(Default)]
pub(crate) struct Cache {
    known: RwLock<HashMap<TenantId, HashMap<Box<str>, Known>>>,
}

struct Known {
    target: Arc<Target>,
    looked_at: Timestamp,
}

impl Cache {
    /// Forgets a task under its id and all names.
    pub(crate) fn forget(&self, tenant: TenantId, id: TaskId) {
        if let Some(known) = self.known.write().get_mut(&tenant) {
            known.retain(|_, known| known.target.task != Some(id));
        }
    }
}

impl Target {
    pub(crate) fn new(
        tenant: TenantId,
        task: Option<TaskId>,
        program: ContributionName,
        schemas: (Schema, Schema),
        handle: Handle,
    ) -> Self {
        Self {
            task,
            program,
            input: schemas.0,
            output: schemas.1,
            handle,
            key: Mutex::default(),
            tenant,
        }
    }

    /// The release that answers now, checked to offer the program.
    pub(crate) async fn active(&self) -> Result<Arc<Active>, Fault> {
        let active = self.handle.active().await.map_err(|error| Fault::from(&error))?;
        active.program(self.program.as_str()).map_err(|error| Fault::from(&error))?;
        Ok(active)
    }

    /// The key of records that this release makes.
    pub(crate) fn key(&self, active: &Active) -> Arc<RecordKey> {
        let mut key = self.key.lock();
        match &*key {
            Some(key) if key.version == *active.version() => key.clone(),
            _ => {
                let new = Arc::new(RecordKey {
                    tenant: self.tenant,
                    task: self.task,
                    batch: None,
                    extension: active.installation().name.clone(),
                    version: active.version().clone(),
                    program: self.program.clone(),
                });
                *key = Some(new.clone());
                new
            }
        }
    }
}

impl Tasks {
    /// The task with this id or name, ready to be executed.
    pub(crate) async fn target(&self, principal: &Principal, task: &str) -> Result<Arc<Target>, TaskError> {
        let now = self.shared.clock.now();
        if let Some(known) = self
            .shared
            .compiled
            .known
            .read()
            .get(&principal.tenant)
            .and_then(|known| known.get(task))
            && known.looked_at <= now
            && now.since(known.looked_at) < TRUST
        {
            return Ok(known.target.clone());
        }
        let found = self.find(principal.tenant, task).await?;
        let target = Arc::new(self.compile(principal, &found)?);
        let mut cache = self.shared.compiled.known.write();
        cache.entry(principal.tenant).or_default().insert(
            task.into(),
            Known {
                target: target.clone(),
                looked_at: now,
            },
        );
        Ok(target)
    }

    fn compile(&self, principal: &Principal, task: &Task) -> Result<Target, TaskError> {
        let schema = |field, schema| Schema::compile(schema).map_err(|source| TaskError::Schema { field, source });
        let schemas = (
            schema("inputSchema", &task.input_schema)?,
            schema("outputSchema", &task.output_schema)?,
        );
        let handle = self
            .shared
            .extensions
            .handle(principal.tenant, &principal.tenant_name, &task.program.extension);
        Ok(Target::new(
            principal.tenant,
            Some(task.id),
            task.program.name.clone(),
            schemas,
            handle,
        ))
    }

    /// The stored task with this id or name.
    pub(crate) async fn find(&self, tenant: TenantId, task: &str) -> Result<Task, TaskError> {
        let not_found = || TaskError::NotFound {
            task: task.chars().take(128).collect(),
        };
        let found = if let Ok(id) = task.parse::<TaskId>() {
            self.shared.stores.tasks.get(tenant, id).await?
        } else if task.parse::<TaskName>().is_ok() {
            self.shared.stores.tasks.by_name(tenant, task).await?
        } else {
            None
        };
        found.ok_or_else(not_found)
    }
}
