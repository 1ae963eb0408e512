//! Every operation of the API, once: who may call it, what body it takes, and which errors it can answer.
//!
//! The edge enforces this table before a handler runs, and the OpenAPI document is completed from it, so that what is
//! documented and what is done cannot differ. Paths and shapes stand at the handlers; a test holds both together.

use oriel_access::{Counted, PolicyAction};
use oriel_model::ErrorCode::{self, *};
use oriel_model::access::{ResourceKind, Scope};

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

    /// As [`Operation::get`], with another method and without a scope.
    const fn any_key(id: &'static str, method: &'static str, path: &'static str, errors: &'static [&'static [ErrorCode]]) -> Self {
        Self {
            method,
            ..Self::get(id, path, Allowed::AnyKey, errors)
        }
    }

    /// What it is done to, and the part of `path` that names it, as it stands there. Nothing for a name means that it stands in the
    /// body.
    pub(crate) fn target<'a>(&self, path: &'a str) -> (ResourceKind, Option<&'a str>) {
        let place = self.path.split('/').position(|part| part.starts_with('{'));
        (self.resource(), place.and_then(|place| path.split('/').nth(place)))
    }

    /// The kind of thing that it is done to.
    fn resource(&self) -> ResourceKind {
        /// Whose input names a task; the task service asks about it.
        const OF_A_TASK: [&str; 5] = ["executeTask", "executeBatch", "executeStream", "validateExecution", "validateBatch"];
        const KINDS: [(&str, ResourceKind); 9] = [
            ("/api/v1/extensions/{", ResourceKind::Extension),
            ("/api/v1/tasks/{", ResourceKind::Task),
            ("/api/v1/executions/{", ResourceKind::Execution),
            ("/api/v1/batches/{", ResourceKind::Batch),
            ("/api/v1/hooks/{", ResourceKind::Hook),
            ("/api/v1/bindings/{", ResourceKind::Binding),
            ("/api/v1/keys/{", ResourceKind::ApiKey),
            ("/api/v1/members/{", ResourceKind::Member),
            ("/api/v1/access/policies/{", ResourceKind::Policy),
        ];
        if OF_A_TASK.contains(&self.id) {
            return ResourceKind::Task;
        }
        let kind = KINDS.iter().find(|(path, _)| self.path.starts_with(path));
        kind.map_or(ResourceKind::Tenant, |(_, kind)| *kind)
    }

    /// What there is one more of afterwards, where a quota counts it.
    pub(crate) fn adds(&self) -> Option<Counted> {
        match self.id {
            "installExtension" => Some(Counted::Extensions),
            "createTask" => Some(Counted::Tasks),
            _ => None,
        }
    }

    /// Whether it changes something that is kept.
    fn writes(&self) -> bool {
        self.method != "GET"
            && ![
                "inspectPackage",
                "checkAccess",
                "reportIncident",
                "validateExecution",
                "validateBatch",
            ]
            .contains(&self.id)
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
            codes.extend([
                Unauthenticated,
                KeyExpired,
                KeyRevoked,
                SessionEnded,
                StoreUnavailable,
                StoreCorrupt,
                RateLimited,
            ]);
            if self.method != "GET" {
                codes.push(CrossSite);
            }
        }
        if self.adds().is_some() {
            codes.push(QuotaExceeded);
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

/// The operations that policies can name: those that need a scope.
pub(crate) fn policy_actions() -> Vec<PolicyAction> {
    let actions = OPERATIONS.iter().filter_map(|operation| match operation.allowed {
        Allowed::With(scope) => Some(PolicyAction {
            operation: operation.id,
            scope,
            resource: operation.resource(),
        }),
        Allowed::Everybody | Allowed::AnyKey => None,
    });
    let route = PolicyAction {
        operation: CALL_ROUTE.id,
        scope: Scope::TasksExecute,
        resource: ResourceKind::Extension,
    };
    actions.chain([route]).collect()
}

const PAGED: &[ErrorCode] = &[RequestCursor];
const GUARDED: &[ErrorCode] = &[PreconditionFailed];
const EXTENSION: &[ErrorCode] = &[ExtensionNotFound];
const DOCUMENT: &[ErrorCode] = &[
    CollectionNotFound,
    DocumentNotFound,
    DocumentVersion,
    PreconditionFailed,
    CollectionBusy,
];
const CANARY: &[ErrorCode] = &[CanaryNone, ExtensionConflict];
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
    RemoteChanged,
    RemoteUrlMissing,
    CanaryRunning,
    ExtensionDisabled,
];
/// A search first brings to the database what the journal holds.
const SEARCHING: &[ErrorCode] = &[StoreFull, StoreReadOnly];
const HOOK: &[ErrorCode] = &[HookNotFound];
const BINDING: &[ErrorCode] = &[
    ExtensionNotFound,
    ContributionNotFound,
    HookNotFound,
    BindingExists,
    BindingInvalid,
    BindingConfig,
];
const TASK: &[ErrorCode] = &[TaskNotFound];
const JOB: &[ErrorCode] = &[ExtensionNotFound, ContributionNotFound, InputInvalid, JobQueueFull];
const CALLING: &[ErrorCode] = &[
    ExtensionNotFound,
    ProgramNotFound,
    ExtensionDisabled,
    ConsentRequired,
    ExtensionConflict,
    ExtensionOverloaded,
    ExtensionTripped,
    ExtensionQuarantined,
    ExtensionBudgetExceeded,
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
    ExecutionInvalid,
    ExecutionUnjudged,
    HookHandlerFailed,
    HookPayload,
    HookTimeout,
    ProgramInvalidInput,
    ProgramUnavailable,
    ProgramDenied,
    ProgramLimit,
    ProgramInternal,
    RemoteAddress,
    RemoteUnreachable,
    RemoteRefused,
    RemoteAnswer,
];

use Allowed::{AnyKey, Everybody, With};
use Scope::{AccessRead, AccessWrite, ExtensionsRead, ExtensionsWrite, TasksExecute, TasksRead, TasksWrite, TenantsWrite};

/// A request for a route of an extension: no operation of the API, for which addresses and answers are the extension's, but
/// something that policies can name and metrics count.
pub(crate) static CALL_ROUTE: Operation = Operation {
    method: "any",
    ..Operation::get("callRoute", "/x/{tenant}/{extension}/{path}", With(TasksExecute), &[])
};

/// What services of remote extensions call. Whether they may, says the token of the call that they work on, not a key; so a
/// node that has as many requests in flight as it may still answers what those in flight wait for.
const HOST_CALL: Operation = Operation {
    method: "POST",
    takes: Takes::Input,
    ..Operation::get(
        "makeHostCall",
        "/oriel/v1/host/{function}",
        Everybody,
        &[&[
            RemoteToken,
            RemoteHostCall,
            ProgramDenied,
            ProgramUnavailable,
            ProgramLimit,
            ProgramInternal,
            ExecutionTimeout,
            ExecutionHostCalls,
        ]],
    )
};

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
    Operation::get(
        "getTenantOpenApi",
        "/api/v1/tenants/current/openapi.json",
        With(ExtensionsRead),
        &[],
    ),
    // Extensions
    Operation::post(
        "installExtension",
        "/api/v1/extensions",
        ExtensionsWrite,
        Takes::Package,
        &[INSTALLING, RELEASING, &[RemoteUrlInvalid, RemoteNone]],
    )
    .showing_a_secret(),
    Operation::get("listExtensions", "/api/v1/extensions", With(ExtensionsRead), &[PAGED]),
    Operation::get("getExtension", "/api/v1/extensions/{name}", With(ExtensionsRead), &[EXTENSION]),
    Operation::get(
        "listExtensionRoutes",
        "/api/v1/extensions/{name}/routes",
        With(ExtensionsRead),
        &[EXTENSION],
    ),
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
        "listExtensionSecrets",
        "/api/v1/extensions/{name}/secrets",
        With(ExtensionsRead),
        &[EXTENSION],
    ),
    Operation::change(
        "setExtensionSecret",
        "PUT",
        "/api/v1/extensions/{name}/secrets/{secret}",
        ExtensionsWrite,
        Takes::Json,
        &[EXTENSION, GUARDED, &[SecretNotFound, SecretInvalid, ExtensionConflict]],
    ),
    Operation::change(
        "removeExtensionSecret",
        "DELETE",
        "/api/v1/extensions/{name}/secrets/{secret}",
        ExtensionsWrite,
        Takes::Nothing,
        &[EXTENSION, GUARDED, &[SecretNotFound, ExtensionConflict]],
    ),
    Operation::change(
        "setExtensionRemote",
        "PUT",
        "/api/v1/extensions/{name}/remote",
        ExtensionsWrite,
        Takes::Json,
        &[EXTENSION, GUARDED, &[RemoteUrlInvalid, RemoteNone, ExtensionConflict]],
    ),
    Operation::post(
        "rotateExtensionSecret",
        "/api/v1/extensions/{name}/remote/rotate",
        ExtensionsWrite,
        Takes::Json,
        &[EXTENSION, GUARDED, &[RemoteNone, ExtensionConflict]],
    )
    .showing_a_secret(),
    HOST_CALL,
    Operation::get(
        "getExtensionHealth",
        "/api/v1/extensions/{name}/health",
        With(ExtensionsRead),
        &[EXTENSION],
    ),
    Operation::post(
        "releaseExtension",
        "/api/v1/extensions/{name}/release",
        ExtensionsWrite,
        Takes::Nothing,
        &[EXTENSION, GUARDED, &[ExtensionConflict, QuarantineHeld]],
    ),
    Operation::get(
        "getExtensionBudgets",
        "/api/v1/extensions/{name}/budgets",
        With(ExtensionsRead),
        &[EXTENSION],
    ),
    Operation::change(
        "setExtensionBudgets",
        "PUT",
        "/api/v1/extensions/{name}/budgets",
        ExtensionsWrite,
        Takes::Json,
        &[EXTENSION, GUARDED, &[ExtensionConflict, BudgetInvalid]],
    ),
    Operation::get(
        "getExtensionHealthPolicy",
        "/api/v1/extensions/{name}/health-policy",
        With(ExtensionsRead),
        &[EXTENSION],
    ),
    Operation::change(
        "setExtensionHealthPolicy",
        "PUT",
        "/api/v1/extensions/{name}/health-policy",
        ExtensionsWrite,
        Takes::Json,
        &[EXTENSION, GUARDED, &[ExtensionConflict, HealthPolicyInvalid, QuarantineHeld]],
    ),
    Operation::get("listAnomalies", "/api/v1/anomalies", With(ExtensionsRead), &[PAGED]),
    Operation::get(
        "getAnomaly",
        "/api/v1/anomalies/{anomalyId}",
        With(ExtensionsRead),
        &[&[AnomalyNotFound]],
    ),
    Operation::post(
        "acknowledgeAnomaly",
        "/api/v1/anomalies/{anomalyId}/acknowledge",
        ExtensionsWrite,
        Takes::Json,
        &[GUARDED, &[AnomalyNotFound, AnomalySettled]],
    ),
    Operation::post(
        "dismissAnomaly",
        "/api/v1/anomalies/{anomalyId}/dismiss",
        ExtensionsWrite,
        Takes::Json,
        &[GUARDED, &[AnomalyNotFound, AnomalySettled]],
    ),
    Operation::get(
        "getExtensionBaseline",
        "/api/v1/extensions/{name}/baseline",
        With(ExtensionsRead),
        &[EXTENSION],
    ),
    Operation::post(
        "reportIncident",
        "/api/v1/incidents",
        AccessRead,
        Takes::Json,
        &[SEARCHING, &[AnomalyNotFound, ExtensionNotFound, IncidentInvalid]],
    )
    .unkeyed(),
    Operation::get("getUsage", "/api/v1/usage", With(ExtensionsRead), &[]),
    Operation::change(
        "startCanary",
        "PUT",
        "/api/v1/extensions/{name}/canary",
        ExtensionsWrite,
        Takes::Package,
        &[EXTENSION, GUARDED, INSTALLING, RELEASING],
    ),
    Operation::get("getCanary", "/api/v1/extensions/{name}/canary", With(ExtensionsRead), &[EXTENSION]),
    Operation::change(
        "changeCanary",
        "PATCH",
        "/api/v1/extensions/{name}/canary",
        ExtensionsWrite,
        Takes::Json,
        &[EXTENSION, GUARDED, CANARY],
    ),
    Operation::change(
        "rollBackCanary",
        "DELETE",
        "/api/v1/extensions/{name}/canary",
        ExtensionsWrite,
        Takes::Nothing,
        &[EXTENSION, GUARDED, CANARY],
    ),
    Operation::post(
        "promoteCanary",
        "/api/v1/extensions/{name}/canary/promote",
        ExtensionsWrite,
        Takes::Nothing,
        &[EXTENSION, GUARDED, CANARY, &[DependencyInUse, ConfigInvalid]],
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
        "runJob",
        "/api/v1/extensions/{name}/jobs/{job}/run",
        TasksExecute,
        Takes::Input,
        &[JOB, &[ExtensionDisabled, ConsentRequired, InputTooLarge]],
    ),
    Operation::get(
        "listJobRuns",
        "/api/v1/extensions/{name}/job-runs",
        With(TasksRead),
        &[EXTENSION, PAGED],
    ),
    Operation::get(
        "getJobRun",
        "/api/v1/extensions/{name}/job-runs/{runId}",
        With(TasksRead),
        &[&[JobRunNotFound]],
    ),
    Operation::post(
        "cancelJobRun",
        "/api/v1/extensions/{name}/job-runs/{runId}/cancel",
        TasksExecute,
        Takes::Nothing,
        &[&[JobRunNotFound, JobRunState, ExtensionConflict]],
    ),
    Operation::post(
        "retryJobRun",
        "/api/v1/extensions/{name}/job-runs/{runId}/retry",
        TasksExecute,
        Takes::Nothing,
        &[JOB, &[JobRunNotFound, JobRunState]],
    ),
    Operation::post(
        "inspectPackage",
        "/api/v1/packages/inspect",
        ExtensionsRead,
        Takes::Package,
        &[INSTALLING],
    )
    .unkeyed(),
    // Bindings
    Operation::post(
        "createBinding",
        "/api/v1/bindings",
        ExtensionsWrite,
        Takes::Json,
        &[BINDING, &[BindingTooMany]],
    ),
    Operation::get("listBindings", "/api/v1/bindings", With(ExtensionsRead), &[PAGED]),
    Operation::get(
        "getBinding",
        "/api/v1/bindings/{bindingId}",
        With(ExtensionsRead),
        &[&[BindingNotFound]],
    ),
    Operation::change(
        "updateBinding",
        "PATCH",
        "/api/v1/bindings/{bindingId}",
        ExtensionsWrite,
        Takes::Json,
        &[GUARDED, BINDING, &[BindingNotFound, BindingFromFile]],
    ),
    Operation::change(
        "deleteBinding",
        "DELETE",
        "/api/v1/bindings/{bindingId}",
        ExtensionsWrite,
        Takes::Nothing,
        &[GUARDED, &[BindingNotFound, BindingFromFile]],
    ),
    Operation::get("listConflicts", "/api/v1/conflicts", With(ExtensionsRead), &[]),
    // Collections
    Operation::get(
        "listCollections",
        "/api/v1/extensions/{name}/collections",
        With(ExtensionsRead),
        &[EXTENSION],
    ),
    Operation::get(
        "queryDocuments",
        "/api/v1/extensions/{name}/collections/{collection}/documents",
        With(ExtensionsWrite),
        &[EXTENSION, PAGED, &[CollectionNotFound, DocumentQuery]],
    ),
    Operation::get(
        "countDocuments",
        "/api/v1/extensions/{name}/collections/{collection}/count",
        With(ExtensionsWrite),
        &[EXTENSION, &[CollectionNotFound, DocumentQuery]],
    ),
    Operation::get(
        "exportDocuments",
        "/api/v1/extensions/{name}/collections/{collection}/export",
        With(ExtensionsWrite),
        &[EXTENSION, &[CollectionNotFound, DocumentQuery]],
    ),
    Operation::get(
        "getDocument",
        "/api/v1/extensions/{name}/collections/{collection}/documents/{documentId}",
        With(ExtensionsWrite),
        &[EXTENSION, &[CollectionNotFound, DocumentNotFound]],
    ),
    Operation::change(
        "putDocument",
        "PUT",
        "/api/v1/extensions/{name}/collections/{collection}/documents/{documentId}",
        ExtensionsWrite,
        Takes::Json,
        &[EXTENSION, DOCUMENT, &[DocumentInvalid, DocumentExists, CollectionQuota]],
    ),
    Operation::change(
        "deleteDocument",
        "DELETE",
        "/api/v1/extensions/{name}/collections/{collection}/documents/{documentId}",
        ExtensionsWrite,
        Takes::Nothing,
        &[EXTENSION, DOCUMENT],
    ),
    Operation::get("listContributions", "/api/v1/contributions", With(ExtensionsRead), &[PAGED]),
    Operation::get(
        "getContribution",
        "/api/v1/contributions/{extension}/{kind}/{name}",
        With(ExtensionsRead),
        &[&[ExtensionNotFound, ContributionNotFound]],
    ),
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
    Operation::get(
        "getRecommendations",
        "/api/v1/tasks/{taskId}/recommendations",
        With(TasksRead),
        &[TASK, SEARCHING],
    ),
    Operation::post(
        "validateExecution",
        "/api/v1/validation/validate",
        TasksExecute,
        Takes::Json,
        &[TASK, SEARCHING, &[ExecutionNotFound, SchemaInvalid]],
    )
    .unkeyed(),
    Operation::post(
        "validateBatch",
        "/api/v1/validation/batch",
        TasksExecute,
        Takes::Batch,
        &[TASK, &[BatchTooLarge, SchemaInvalid]],
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
    // Samples
    Operation::get("listSamples", "/api/v1/tasks/{taskId}/samples", With(TasksRead), &[PAGED, TASK]),
    Operation::get(
        "summarizeSamples",
        "/api/v1/tasks/{taskId}/samples/summary",
        With(TasksRead),
        &[TASK],
    ),
    Operation::get(
        "getSample",
        "/api/v1/executions/{executionId}/sample",
        With(TasksRead),
        &[&[ExecutionNotFound]],
    ),
    // Hooks
    Operation::get("listHooks", "/api/v1/hooks", With(TasksRead), &[PAGED]),
    Operation::get("getHook", "/api/v1/hooks/{hook}", With(TasksRead), &[HOOK]),
    Operation::change(
        "putHook",
        "PUT",
        "/api/v1/hooks/{hook}",
        TasksWrite,
        Takes::Json,
        &[GUARDED, &[HookReserved, HookSchema, HookInUse, HookTooMany]],
    ),
    Operation::change(
        "deleteHook",
        "DELETE",
        "/api/v1/hooks/{hook}",
        TasksWrite,
        Takes::Nothing,
        &[HOOK, GUARDED, &[HookReserved]],
    ),
    Operation::post(
        "fireHook",
        "/api/v1/hooks/{hook}/fire",
        TasksExecute,
        Takes::Input,
        &[HOOK, &[HookReserved, HookSchema, HookPayload, HookHandlerFailed, HookTimeout]],
    ),
    Operation::get("listUndelivered", "/api/v1/undelivered", With(TasksRead), &[PAGED]),
    Operation::post("redeliver", "/api/v1/undelivered/redeliver", TasksWrite, Takes::Json, &[]),
    // Access
    Operation::get("getMe", "/api/v1/me", AnyKey, &[]),
    Operation::get("listKeys", "/api/v1/keys", With(AccessRead), &[PAGED]),
    Operation::post(
        "createKey",
        "/api/v1/keys",
        AccessWrite,
        Takes::Json,
        &[&[QuotaExceeded, MemberNotFound]],
    )
    .showing_a_secret(),
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
    Operation::get("getQuotas", "/api/v1/tenants/{name}/quotas", With(AccessRead), &[&[TenantNotFound]]),
    Operation::change(
        "setQuotas",
        "PUT",
        "/api/v1/tenants/{name}/quotas",
        TenantsWrite,
        Takes::Json,
        &[&[TenantNotFound], GUARDED],
    ),
    Operation::get("listPolicies", "/api/v1/access/policies", With(AccessRead), &[]),
    Operation::get("getPolicy", "/api/v1/access/policies/{id}", With(AccessRead), &[&[PolicyNotFound]]),
    Operation::change(
        "putPolicy",
        "PUT",
        "/api/v1/access/policies/{id}",
        AccessWrite,
        Takes::Json,
        &[&[PolicyInvalid, QuotaExceeded], GUARDED],
    ),
    Operation::change(
        "deletePolicy",
        "DELETE",
        "/api/v1/access/policies/{id}",
        AccessWrite,
        Takes::Nothing,
        &[&[PolicyNotFound], GUARDED],
    ),
    Operation::get("getPolicySchema", "/api/v1/access/policy-schema", With(AccessRead), &[]),
    Operation::post(
        "checkAccess",
        "/api/v1/access/check",
        AccessRead,
        Takes::Json,
        &[&[KeyNotFound, MemberNotFound]],
    )
    .unkeyed(),
    Operation::get("listMembers", "/api/v1/members", With(AccessRead), &[PAGED]),
    Operation::post("addMember", "/api/v1/members", AccessWrite, Takes::Json, &[&[MemberExists]]),
    Operation::get("getMember", "/api/v1/members/{member}", With(AccessRead), &[&[MemberNotFound]]),
    Operation::change(
        "changeMember",
        "PATCH",
        "/api/v1/members/{member}",
        AccessWrite,
        Takes::Json,
        &[&[MemberNotFound, LastOwner], GUARDED],
    ),
    Operation::change(
        "removeMember",
        "DELETE",
        "/api/v1/members/{member}",
        AccessWrite,
        Takes::Nothing,
        &[&[MemberNotFound, LastOwner]],
    ),
    Operation::get("listSessions", "/api/v1/sessions", AnyKey, &[PAGED, &[Forbidden]]),
    Operation::any_key(
        "endSession",
        "DELETE",
        "/api/v1/sessions/{session}",
        &[&[SessionNotFound, Forbidden]],
    ),
    Operation::get("exportAudit", "/api/v1/audit/export", With(AccessRead), &[]),
    Operation::get("getComplianceReport", "/api/v1/compliance/report", With(AccessRead), &[]),
    Operation::get(
        "exportMember",
        "/api/v1/members/{member}/data",
        AnyKey,
        &[&[MemberNotFound, Forbidden]],
    ),
    Operation::change(
        "eraseMember",
        "DELETE",
        "/api/v1/members/{member}/data",
        AccessWrite,
        Takes::Nothing,
        &[&[MemberNotFound, LastOwner]],
    ),
    // Signing in
    Operation::get(
        "signIn",
        "/api/v1/auth/login",
        Everybody,
        &[&[SignInUnavailable, IssuerUnavailable]],
    ),
    Operation::get(
        "signInCallback",
        "/api/v1/auth/callback",
        Everybody,
        &[&[
            SignInUnavailable,
            IssuerUnavailable,
            SignInFailed,
            SignInRefused,
            StoreUnavailable,
            StoreFull,
            StoreReadOnly,
            StoreCorrupt,
        ]],
    ),
    Operation::get("getSession", "/api/v1/auth/session", AnyKey, &[&[SessionNotFound]]),
    Operation::any_key("signOut", "POST", "/api/v1/auth/logout", &[]),
];
