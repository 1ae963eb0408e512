//! Creating, changing and deleting tasks; and the fixture of the other modules.

use std::sync::Arc;

use oriel_hooks::{Hooks, HooksOptions};
use oriel_model::access::Role;
use oriel_model::page::PageRequest;
use oriel_model::task::{ProgramRef, Task};
use oriel_model::time::SystemClock;
use oriel_model::{Coded, ErrorCode};
use oriel_store::Stores;
use oriel_tasks::{NewTask, TaskChange, Tasks, TasksOptions};
use serde_json::{Value, json};

use crate::support::{World, echo, manifest, package};

pub(crate) struct Desk {
    pub world: World,
    pub tasks: Tasks,
}

impl Desk {
    pub(crate) async fn new() -> Self {
        Self::with(TasksOptions::default(), |stores| stores).await
    }

    pub(crate) async fn with(options: TasksOptions, change: impl FnOnce(Stores) -> Stores) -> Self {
        let extensions = oriel_extensions::ExtensionsOptions {
            platform_hooks: oriel_hooks::platform_hooks(),
            ..Default::default()
        };
        let world = World::with(extensions, change).await;
        world.install(echo("1.0.0")).await;
        let programs = ["echo", "garbage", "fail", "trap", "loop", "sleep", "remember", "huge"];
        let mut hostile = manifest("hostile", "1.0.0", &programs);
        hostile["lifecycle"] = json!(true);
        hostile["permissions"] = json!({ "keyValue": true, "network": ["api.example.com"] });
        world.install(package("hostile", hostile)).await;
        let tasks = service(options, &world.stores, &world);
        Self { world, tasks }
    }

    /// A task on a program, with schemas.
    pub(crate) async fn task(&self, name: &str, extension: &str, program: &str, schemas: (Value, Value)) -> Task {
        let new = NewTask {
            input_schema: Some(schemas.0),
            output_schema: Some(schemas.1),
            ..new(name, extension, program)
        };
        self.tasks.create(&self.world.owner, new).await.unwrap()
    }
}

/// The service on these stores.
pub(crate) fn service(options: TasksOptions, stores: &Stores, world: &World) -> Tasks {
    let (extensions, clock) = (world.extensions.clone(), Arc::new(SystemClock));
    let hooks = Hooks::new(HooksOptions::default(), stores.clone(), extensions.clone(), clock.clone());
    Tasks::new(options, stores.clone(), extensions, hooks, clock)
}

pub(crate) fn new(name: &str, extension: &str, program: &str) -> NewTask {
    NewTask {
        name: name.parse().unwrap(),
        description: String::new(),
        input_schema: None,
        output_schema: None,
        program: ProgramRef {
            extension: extension.parse().unwrap(),
            name: program.parse().unwrap(),
        },
    }
}

pub(crate) fn any() -> (Value, Value) {
    (json!(true), json!(true))
}

#[tokio::test]
async fn a_task_is_found_by_id_and_by_name_until_it_is_deleted() {
    let desk = Desk::new().await;
    let (tasks, owner) = (&desk.tasks, &desk.world.owner);
    let task = tasks.create(owner, new("flights.classify", "echo", "echo")).await.unwrap();
    assert_eq!(tasks.get(owner, "flights.classify").await.unwrap(), task);
    assert_eq!(tasks.get(owner, &task.id.to_string()).await.unwrap(), task);
    let twice = tasks.create(owner, new("flights.classify", "echo", "upper")).await.unwrap_err();
    assert_eq!(twice.code(), ErrorCode::TaskExists);

    let change = TaskChange {
        description: Some("For people.".to_owned()),
        ..TaskChange::default()
    };
    let changed = tasks.update(owner, "flights.classify", change.clone(), Some(1)).await.unwrap();
    assert_eq!((changed.revision, changed.description.as_str()), (2, "For people."));
    let stale = tasks.update(owner, "flights.classify", change, Some(1)).await.unwrap_err();
    assert_eq!(stale.code(), ErrorCode::PreconditionFailed);

    tasks.delete(owner, &task.id.to_string(), None).await.unwrap();
    assert_eq!(
        tasks.get(owner, "flights.classify").await.unwrap_err().code(),
        ErrorCode::TaskNotFound
    );
    assert_eq!(desk.world.audited().await[4..], ["task.create", "task.update", "task.delete"]);
}

#[tokio::test]
async fn other_tenants_and_lesser_roles() {
    let desk = Desk::new().await;
    let task = desk.task("mine", "echo", "echo", any()).await;
    let stranger = &desk.world.stranger;
    for name in ["mine", &task.id.to_string()] {
        assert_eq!(desk.tasks.get(stranger, name).await.unwrap_err().code(), ErrorCode::TaskNotFound);
        assert_eq!(
            desk.tasks.delete(stranger, name, None).await.unwrap_err().code(),
            ErrorCode::TaskNotFound
        );
    }
    assert!(desk.tasks.list(stranger, PageRequest::first()).await.unwrap().items.is_empty());
    let viewer = desk.world.principal(Role::Viewer).await;
    assert!(desk.tasks.get(&viewer, "mine").await.is_ok());
    assert_eq!(
        desk.tasks.delete(&viewer, "mine", None).await.unwrap_err().code(),
        ErrorCode::Forbidden
    );
}

#[tokio::test]
async fn what_cannot_be_a_task_is_refused() {
    let desk = Desk::new().await;
    let owner = &desk.world.owner;
    let check = async |new: NewTask, code: ErrorCode| {
        assert_eq!(desk.tasks.create(owner, new).await.unwrap_err().code(), code);
    };
    check(new("a", "nothing", "echo"), ErrorCode::ExtensionNotFound).await;
    check(new("a", "echo", "nothing"), ErrorCode::ProgramNotFound).await;
    let schema = |schema| NewTask {
        input_schema: Some(schema),
        ..new("a", "echo", "echo")
    };
    check(schema(json!({"type": "integr"})), ErrorCode::SchemaInvalid).await;
    check(schema(json!({"$ref": "https://example.com/schema.json"})), ErrorCode::SchemaInvalid).await;
    check(schema(json!(7)), ErrorCode::SchemaInvalid).await;
    check(
        NewTask {
            description: "x".repeat(2_001),
            ..new("a", "echo", "echo")
        },
        ErrorCode::RequestInvalid,
    )
    .await;
    assert!(desk.tasks.list(owner, PageRequest::first()).await.unwrap().items.is_empty());
}
