//! Tasks ready to be executed: schemas compiled, the extension's handle at hand.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use oriel_access::Access;
use oriel_extensions::{Active, Chosen, Handle, Points};
use oriel_model::Timestamp;
use oriel_model::access::{Principal, Resource, ResourceKind};
use oriel_model::id::{TaskId, TenantId};
use oriel_model::name::{ContributionName, ExtensionName, TaskName, TenantName};
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
    /// What surrounds the executions of a task; a program called directly has nothing around it.
    pub(crate) watch: Option<Watch>,
    /// The key of the release that ran last: shared by its records instead of made for each.
    key: Mutex<Option<Arc<RecordKey>>>,
    pub(crate) tenant: TenantId,
}

/// Where to look for what surrounds the executions of a task, and what validators are shown of it.
pub(crate) struct Watch {
    pub(crate) points: Points,
    pub(crate) tenant_name: TenantName,
    pub(crate) id: TaskId,
    pub(crate) name: TaskName,
    pub(crate) extension: ExtensionName,
    /// JSON Schemas of input and output, as text.
    pub(crate) schemas: (Box<str>, Box<str>),
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
            watch: None,
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

    /// The release for a call with this key: the canary for its share of a task's calls, if one runs.
    pub(crate) async fn choose(&self, key: Option<&str>) -> Result<Chosen, Fault> {
        let active = self.active().await?;
        Ok(match self.task {
            Some(_) => Chosen::choose(active, key),
            None => Chosen::alone(active),
        })
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
        if principal.judge.is_some() {
            // The tenant's own policies may name the task or its extension.
            let found = self.find(principal.tenant, task).await?;
            let resource = Resource {
                kind: ResourceKind::Task,
                name: found.name.as_str(),
                extension: Some(found.program.extension.as_str()),
            };
            Access::permit(principal, resource)?;
        }
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
        let watch = Watch {
            points: self.shared.extensions.points(principal.tenant, &principal.tenant_name),
            tenant_name: principal.tenant_name.clone(),
            id: task.id,
            name: task.name.clone(),
            extension: task.program.extension.clone(),
            schemas: (task.input_schema.to_string().into(), task.output_schema.to_string().into()),
        };
        let target = Target::new(principal.tenant, Some(task.id), task.program.name.clone(), schemas, handle);
        Ok(Target {
            watch: Some(watch),
            ..target
        })
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
