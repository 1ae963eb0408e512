//! Every operation of the API, once: who may call it, what body it takes, and which errors it can answer.
//!
//! The edge enforces this table before a handler runs, and the OpenAPI document is completed from it, so that what is
//! documented and what is done cannot differ. Paths and shapes stand at the handlers; a test holds both together.

use oriel_model::ErrorCode::{self, *};
use oriel_model::access::Scope;

use crate::config::Config;

/// Who may call an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Allowed {
    /// Anybody.
    Everybody,
    /// Any key that is valid.
    AnyKey,
    /// Keys that have this scope.
    With(Scope),
}

/// What body an operation takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Takes {
    Nothing,
    /// A JSON document of at most `max_body`.
    Json,
    /// A JSON document with an input in it.
    Input,
    /// A JSON document with many inputs in it.
    Batch,
    /// Lines of JSON, without an end.
    Lines,
    /// A package.
    Package,
}

/// One operation.
#[derive(Debug)]
pub(crate) struct Operation {
    pub id: &'static str,
    pub method: &'static str,
    pub path: &'static str,
    pub allowed: Allowed,
    pub takes: Takes,
    /// Whether it takes `Idempotency-Key`.
    pub keyed: bool,
    /// Whether its reply shows a secret once, so that a kept reply is sealed.
    pub secret: bool,
    /// Groups of errors beyond those that follow from the fields above.
    errors: &'static [&'static [ErrorCode]],
}

impl Operation {
    const fn get(id: &'static str, path: &'static str, allowed: Allowed, errors: &'static [&'static [ErrorCode]]) -> Self {
        Self {
            id,
            method: "GET",
            path,
            allowed,
            takes: Takes::Nothing,
            keyed: false,
            secret: false,
            errors,
        }
    }

    const fn post(id: &'static str, path: &'static str, scope: Scope, takes: Takes, errors: &'static [&'static [ErrorCode]]) -> Self {
        Self {
            method: "POST",
            takes,
            keyed: true,
            ..Self::get(id, path, Allowed::With(scope), errors)
        }
    }

    const fn change(
        id: &'static str,
        method: &'static str,
        path: &'static str,
        scope: Scope,
        takes: Takes,
        errors: &'static [&'static [ErrorCode]],
    ) -> Self {
        Self {
            method,
            takes,
            ..Self::get(id, path, Allowed::With(scope), errors)
        }
    }

    const fn unkeyed(self) -> Self {
        Self { keyed: false, ..self }
    }

    const fn showing_a_secret(self) -> Self {
        Self { secret: true, ..self }
    }

    /// Whether it changes something that is kept.
    fn writes(&self) -> bool {
        self.method != "GET" && self.id != "inspectPackage"
    }

    /// The longest body that it reads at once; lines have a limit each instead.
    pub(crate) fn max_body(&self, config: &Config) -> u64 {
        match self.takes {
            Takes::Nothing => 0,
            Takes::Json => config.max_body.0,
            // The input's own limit is the extension's business; this is room for the highest and its envelope.
            Takes::Input => config.limits.input.0 + (64 << 10),
            Takes::Batch => config.max_batch_body.0,
            Takes::Package => config.max_package.0,
            Takes::Lines => u64::MAX,
        }
    }

    /// Every code that it can answer, in the order of the table of codes.
    pub(crate) fn codes(&self) -> Vec<ErrorCode> {
        let mut codes = vec![RequestInvalid, Internal, ServerBusy, ServerDraining];
        if self.allowed != Allowed::Everybody {
            codes.extend([Unauthenticated, KeyExpired, KeyRevoked, StoreUnavailable, StoreCorrupt]);
        }
        if matches!(self.allowed, Allowed::With(_)) {
            codes.push(Forbidden);
        }
        if self.writes() {
            codes.extend([StoreFull, StoreReadOnly]);
        }
        if self.takes != Takes::Nothing {
            codes.extend([RequestMediaType, RequestTooLarge, RequestTimeout]);
            if self.takes != Takes::Package {
                codes.push(RequestJson);
            }
        }
        if self.keyed {
            codes.extend([IdempotencyConflict, IdempotencyInProgress, RequestTooLarge, RequestTimeout]);
        }
        codes.extend(self.errors.iter().copied().flatten().copied());
        codes.sort_unstable();
        codes.dedup();
        codes
    }
}

const PAGED: &[ErrorCode] = &[RequestCursor];
const GUARDED: &[ErrorCode] = &[PreconditionFailed];
const EXTENSION: &[ErrorCode] = &[ExtensionNotFound];
const INSTALLING: &[ErrorCode] = &[
    ManifestInvalid,
    HostApiUnsupported,
    PackageInvalid,
    PackageDigest,
    PackageTooLarge,
    ComponentInvalid,
    ComponentExport,
    ComponentImport,
    LimitsInvalid,
    ConfigInvalid,
];
const RELEASING: &[ErrorCode] = &[
    ExtensionExists,
    VersionExists,
    ExtensionConflict,
    ExtensionStartFailed,
    DependencyMissing,
    DependencyInUse,
    ConsentRequired,
    ExtensionDisabled,
];
/// A search first brings to the database what the journal holds.
const SEARCHING: &[ErrorCode] = &[StoreFull, StoreReadOnly];
const TASK: &[ErrorCode] = &[TaskNotFound];
const CALLING: &[ErrorCode] = &[
    ExtensionNotFound,
    ProgramNotFound,
    ExtensionDisabled,
    ConsentRequired,
    ExtensionConflict,
    ExtensionOverloaded,
    ExtensionStartFailed,
    SchemaInvalid,
    InputInvalid,
    InputTooLarge,
    OutputInvalid,
    OutputTooLarge,
    ExecutionTimeout,
    ExecutionCpu,
    ExecutionMemory,
    ExecutionTrap,
    ExecutionHostCalls,
    ExecutionCancelled,
    ProgramInvalidInput,
    ProgramUnavailable,
    ProgramDenied,
    ProgramLimit,
    ProgramInternal,
];

use Allowed::{AnyKey, Everybody, With};
use Scope::{AccessRead, AccessWrite, ExtensionsRead, ExtensionsWrite, TasksExecute, TasksRead, TasksWrite, TenantsWrite};

/// All of them.
pub(crate) static OPERATIONS: &[Operation] = &[
    // System
    Operation::get("getHealth", "/api/v1/health", Everybody, &[]),
    Operation::get(
        "getMetrics",
        "/metrics",
        Everybody,
        &[&[Unauthenticated, KeyExpired, KeyRevoked, StoreUnavailable]],
    ),
    Operation::get("getOpenApi", "/api/openapi.json", Everybody, &[]),
    // Extensions
    Operation::post(
        "installExtension",
        "/api/v1/extensions",
        ExtensionsWrite,
        Takes::Package,
        &[INSTALLING, RELEASING],
    ),
    Operation::get("listExtensions", "/api/v1/extensions", With(ExtensionsRead), &[PAGED]),
    Operation::get("getExtension", "/api/v1/extensions/{name}", With(ExtensionsRead), &[EXTENSION]),
    Operation::change(
        "uninstallExtension",
        "DELETE",
        "/api/v1/extensions/{name}",
        ExtensionsWrite,
        Takes::Nothing,
        &[EXTENSION, GUARDED, &[DependencyInUse, ExtensionConflict]],
    ),
    Operation::post(
        "enableExtension",
        "/api/v1/extensions/{name}/enable",
        ExtensionsWrite,
        Takes::Nothing,
        &[EXTENSION, GUARDED, RELEASING],
    ),
    Operation::post(
        "disableExtension",
        "/api/v1/extensions/{name}/disable",
        ExtensionsWrite,
        Takes::Nothing,
        &[EXTENSION, GUARDED, RELEASING],
    ),
    Operation::post(
        "upgradeExtension",
        "/api/v1/extensions/{name}/upgrade",
        ExtensionsWrite,
        Takes::Package,
        &[EXTENSION, GUARDED, INSTALLING, RELEASING],
    ),
    Operation::post(
        "rollBackExtension",
        "/api/v1/extensions/{name}/rollback",
        ExtensionsWrite,
        Takes::Nothing,
        &[EXTENSION, GUARDED, RELEASING, &[NothingToRollBack]],
    ),
    Operation::post(
        "consentToExtension",
        "/api/v1/extensions/{name}/consent",
        ExtensionsWrite,
        Takes::Json,
        &[EXTENSION, GUARDED, INSTALLING, RELEASING],
    ),
    Operation::get(
        "getExtensionConfig",
        "/api/v1/extensions/{name}/config",
        With(ExtensionsRead),
        &[EXTENSION],
    ),
    Operation::change(
        "setExtensionConfig",
        "PUT",
        "/api/v1/extensions/{name}/config",
        ExtensionsWrite,
        Takes::Json,
        &[EXTENSION, GUARDED, INSTALLING, RELEASING],
    ),
    Operation::change(
        "setExtensionLimits",
        "PUT",
        "/api/v1/extensions/{name}/limits",
        ExtensionsWrite,
        Takes::Json,
        &[EXTENSION, GUARDED, INSTALLING, RELEASING],
    ),
    Operation::get(
        "getExtensionLogs",
        "/api/v1/extensions/{name}/logs",
        With(ExtensionsRead),
        &[EXTENSION, PAGED],
    ),
    Operation::post(
        "callProgram",
        "/api/v1/extensions/{name}/programs/{program}/call",
        TasksExecute,
        Takes::Input,
        &[CALLING],
    ),
    Operation::post(
        "inspectPackage",
        "/api/v1/packages/inspect",
        ExtensionsRead,
        Takes::Package,
        &[INSTALLING],
    )
    .unkeyed(),
    // Tasks
    Operation::post(
        "createTask",
        "/api/v1/tasks",
        TasksWrite,
        Takes::Json,
        &[&[TaskExists, SchemaInvalid, ExtensionNotFound, ProgramNotFound]],
    ),
    Operation::get("listTasks", "/api/v1/tasks", With(TasksRead), &[PAGED]),
    Operation::get("getTask", "/api/v1/tasks/{taskId}", With(TasksRead), &[TASK]),
    Operation::change(
        "updateTask",
        "PATCH",
        "/api/v1/tasks/{taskId}",
        TasksWrite,
        Takes::Json,
        &[TASK, GUARDED, &[TaskExists, SchemaInvalid, ExtensionNotFound, ProgramNotFound]],
    ),
    Operation::change(
        "deleteTask",
        "DELETE",
        "/api/v1/tasks/{taskId}",
        TasksWrite,
        Takes::Nothing,
        &[TASK, GUARDED],
    ),
    Operation::post("executeTask", "/api/v1/tasks/execute", TasksExecute, Takes::Input, &[TASK, CALLING]),
    Operation::post(
        "executeBatch",
        "/api/v1/tasks/batch/execute",
        TasksExecute,
        Takes::Batch,
        &[TASK, CALLING, &[BatchTooLarge]],
    ),
    Operation::post(
        "executeStream",
        "/api/v1/tasks/stream/execute",
        TasksExecute,
        Takes::Lines,
        &[TASK, CALLING],
    )
    .unkeyed(),
    Operation::get("getBatch", "/api/v1/batches/{batchId}", With(TasksRead), &[&[BatchNotFound]]),
    Operation::get(
        "followBatch",
        "/api/v1/batches/{batchId}/events",
        With(TasksRead),
        &[&[BatchNotFound]],
    ),
    Operation::get("listExecutions", "/api/v1/executions", With(TasksRead), &[PAGED, TASK, SEARCHING]),
    Operation::get(
        "getExecution",
        "/api/v1/executions/{executionId}",
        With(TasksRead),
        &[&[ExecutionNotFound], SEARCHING],
    ),
    // Access
    Operation::get("getMe", "/api/v1/me", AnyKey, &[]),
    Operation::get("listKeys", "/api/v1/keys", With(AccessRead), &[PAGED]),
    Operation::post("createKey", "/api/v1/keys", AccessWrite, Takes::Json, &[]).showing_a_secret(),
    Operation::change(
        "revokeKey",
        "DELETE",
        "/api/v1/keys/{keyId}",
        AccessWrite,
        Takes::Nothing,
        &[&[KeyNotFound, LastOwner]],
    ),
    Operation::get("listTenants", "/api/v1/tenants", With(TenantsWrite), &[PAGED]),
    Operation::post("createTenant", "/api/v1/tenants", TenantsWrite, Takes::Json, &[&[TenantExists]]).showing_a_secret(),
    Operation::get("listAudit", "/api/v1/audit", With(AccessRead), &[PAGED]),
    Operation::get("verifyAudit", "/api/v1/audit/verify", With(AccessRead), &[]),
];
