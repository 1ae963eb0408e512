//! Creating, changing and deleting tasks.

use oriel_access::{Access, Actor, Principal};
use oriel_model::access::Scope;
use oriel_model::id::TaskId;
use oriel_model::name::TaskName;
use oriel_model::page::{Page, PageRequest};
use oriel_model::schema::Schema;
use oriel_model::task::{ProgramRef, Task};
use oriel_store::{NewAudit, StoreError};
use serde_json::{Value, json};

use crate::{TaskError, Tasks};

/// What a new task shall be.
#[derive(Debug, Clone)]
pub struct NewTask {
    /// Its name, unique in the tenant.
    pub name: TaskName,
    /// For people; at most 2,000 characters.
    pub description: String,
    /// JSON Schema of the input; nothing takes the program's own.
    pub input_schema: Option<Value>,
    /// JSON Schema of the output; nothing takes the program's own.
    pub output_schema: Option<Value>,
    /// The code behind it. It must be installed.
    pub program: ProgramRef,
}

/// What to change of a task; absent fields stay.
#[derive(Debug, Clone, Default)]
pub struct TaskChange {
    /// A new name.
    pub name: Option<TaskName>,
    /// A new description.
    pub description: Option<String>,
    /// A new input schema.
    pub input_schema: Option<Value>,
    /// A new output schema.
    pub output_schema: Option<Value>,
    /// Other code.
    pub program: Option<ProgramRef>,
}

impl Tasks {
    /// Creates a task.
    ///
    /// # Errors
    /// When the principal may not, the name is taken, a schema cannot be used, or the program is not installed.
    pub async fn create(&self, principal: &Principal, new: NewTask) -> Result<Task, TaskError> {
        Access::require(principal, Scope::TasksWrite)?;
        let declared = self.program_schemas(principal, &new.program).await?;
        let now = self.shared.clock.now();
        let task = Task {
            id: TaskId::new(now),
            name: new.name,
            description: new.description,
            input_schema: new.input_schema.unwrap_or(declared.0),
            output_schema: new.output_schema.unwrap_or(declared.1),
            program: new.program,
            revision: 1,
            created_at: now,
            updated_at: now,
        };
        validate(&task)?;
        let audit = self.audit(principal, "task.create", &task);
        match self.shared.stores.tasks.insert(principal.tenant, task.clone(), audit).await {
            Ok(()) => Ok(task),
            Err(StoreError::Exists { .. }) => Err(TaskError::Exists {
                name: task.name.to_string(),
            }),
            Err(error) => Err(error.into()),
        }
    }

    /// The task with this id or name.
    ///
    /// # Errors
    /// When the principal may not, or there is no such task in its tenant.
    pub async fn get(&self, principal: &Principal, task: &str) -> Result<Task, TaskError> {
        Access::require(principal, Scope::TasksRead)?;
        self.find(principal.tenant, task).await
    }

    /// The tenant's tasks by name.
    ///
    /// # Errors
    /// When the principal may not, or the cursor is foreign.
    pub async fn list(&self, principal: &Principal, page: PageRequest) -> Result<Page<Task>, TaskError> {
        Access::require(principal, Scope::TasksRead)?;
        Ok(self.shared.stores.tasks.list(principal.tenant, page).await?)
    }

    /// Changes a task.
    ///
    /// # Errors
    /// As for [`Tasks::create`]; also when `if_match` names another revision.
    pub async fn update(&self, principal: &Principal, task: &str, change: TaskChange, if_match: Option<u64>) -> Result<Task, TaskError> {
        Access::require(principal, Scope::TasksWrite)?;
        let present = self.find_at(principal, task, if_match).await?;
        if let Some(program) = &change.program {
            self.program_schemas(principal, program).await?;
        }
        let next = Task {
            name: change.name.unwrap_or_else(|| present.name.clone()),
            description: change.description.unwrap_or_else(|| present.description.clone()),
            input_schema: change.input_schema.unwrap_or_else(|| present.input_schema.clone()),
            output_schema: change.output_schema.unwrap_or_else(|| present.output_schema.clone()),
            program: change.program.unwrap_or_else(|| present.program.clone()),
            revision: present.revision + 1,
            updated_at: self.shared.clock.now(),
            ..present
        };
        validate(&next)?;
        let audit = self.audit(principal, "task.update", &next);
        match self
            .shared
            .stores
            .tasks
            .update(principal.tenant, next.clone(), present.revision, audit)
            .await
        {
            Ok(()) => {}
            Err(StoreError::Conflict { .. }) => {
                return Err(TaskError::Precondition {
                    task: next.name.to_string(),
                });
            }
            Err(StoreError::Exists { .. }) => {
                return Err(TaskError::Exists {
                    name: next.name.to_string(),
                });
            }
            Err(error) => return Err(error.into()),
        }
        self.shared.compiled.forget(principal.tenant, next.id);
        Ok(next)
    }

    /// Deletes a task. Its execution records stay until their retention ends.
    ///
    /// # Errors
    /// When the principal may not, there is no such task, or `if_match` names another revision.
    pub async fn delete(&self, principal: &Principal, task: &str, if_match: Option<u64>) -> Result<(), TaskError> {
        Access::require(principal, Scope::TasksWrite)?;
        let present = self.find_at(principal, task, if_match).await?;
        let audit = self.audit(principal, "task.delete", &present);
        match self
            .shared
            .stores
            .tasks
            .delete(principal.tenant, present.id, present.revision, audit)
            .await
        {
            Ok(()) => {}
            Err(StoreError::Conflict { .. }) => {
                return Err(TaskError::Precondition {
                    task: present.name.to_string(),
                });
            }
            Err(error) => return Err(error.into()),
        }
        self.shared.compiled.forget(principal.tenant, present.id);
        Ok(())
    }

    async fn find_at(&self, principal: &Principal, task: &str, if_match: Option<u64>) -> Result<Task, TaskError> {
        let found = self.find(principal.tenant, task).await?;
        match if_match {
            Some(wanted) if wanted != found.revision => Err(TaskError::Precondition {
                task: found.name.to_string(),
            }),
            _ => Ok(found),
        }
    }

    /// The schemas that the program's manifest declares; anything where it declares none.
    async fn program_schemas(&self, principal: &Principal, program: &ProgramRef) -> Result<(Value, Value), TaskError> {
        let manifest = self.shared.extensions.program(principal, program).await?;
        Ok((
            manifest.input_schema.unwrap_or(Value::Bool(true)),
            manifest.output_schema.unwrap_or(Value::Bool(true)),
        ))
    }

    fn audit(&self, principal: &Principal, action: &str, task: &Task) -> NewAudit {
        let details = json!({ "name": task.name, "program": task.program, "revision": task.revision });
        Actor::Principal(principal).did(self.shared.clock.now(), action, task.id.to_string(), details)
    }
}

fn validate(task: &Task) -> Result<(), TaskError> {
    if task.description.chars().count() > 2_000 {
        return Err(TaskError::Invalid {
            reason: "`description` must have at most 2,000 characters".to_owned(),
        });
    }
    for (field, schema) in [("inputSchema", &task.input_schema), ("outputSchema", &task.output_schema)] {
        Schema::compile(schema).map_err(|source| TaskError::Schema { field, source })?;
    }
    Ok(())
}
