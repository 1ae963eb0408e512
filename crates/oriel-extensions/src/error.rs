//! Why an installation could not be changed or does not answer.

use oriel_access::AccessError;
use oriel_model::access::Role;
use oriel_model::budget::BudgetError;
use oriel_model::contribution::ContributionKind;
use oriel_model::health_policy::HealthPolicyError;
use oriel_model::id::{AnomalyId, BindingId, JobRunId};
use oriel_model::job::JobState;
use oriel_model::manifest::Diagnostics;
use oriel_model::schema::SchemaProblem;
use oriel_model::{Coded, ErrorCode};
use oriel_package::PackageError;
use oriel_sandbox::{CallError, SandboxError};
use oriel_store::StoreError;

/// An error of the extension service.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExtensionError {
    /// No installation of this name in the tenant.
    #[error("there is no extension `{name}` in this tenant")]
    NotFound {
        /// The name as it came, cut to 64 characters.
        name: String,
    },
    /// The extension contributes no such program.
    #[error("the extension `{extension}` has no program `{program}`; it has {}", listed(.programs))]
    ProgramNotFound {
        /// The extension.
        extension: String,
        /// What was asked for.
        program: String,
        /// What there is.
        programs: Vec<String>,
    },
    /// The extension contributes nothing of this kind and name.
    #[error("the extension `{extension}` has no {kind} `{name}`; it has {}", listed(.there))]
    ContributionNotFound {
        /// The extension.
        extension: String,
        /// The kind that was asked for.
        kind: ContributionKind,
        /// The name that was asked for.
        name: String,
        /// What there is of the kind.
        there: Vec<String>,
    },
    /// No binding with this id in the tenant.
    #[error("there is no binding `{id}` in this tenant")]
    BindingNotFound {
        /// The id as it came, cut to 64 characters.
        id: String,
    },
    /// The extension has no such collection.
    #[error("the extension `{extension}` has no collection `{collection}`")]
    CollectionNotFound {
        /// The extension.
        extension: String,
        /// What was asked for.
        collection: String,
    },
    /// Documents do not fit a release that changes their collection.
    #[error("`{name}` stays as it is: {}", crate::collections::describe(.misfits))]
    Misfits {
        /// The extension.
        name: String,
        /// Which documents.
        misfits: oriel_store::Misfits,
    },
    /// A canary has other collections than the release beside which it would run.
    #[error("`{name}` cannot run both releases side by side: they declare different collections")]
    CanaryCollections {
        /// The extension.
        name: String,
    },
    /// A collection, or all of an installation, is full.
    #[error("the collection `{collection}` is full: the limit `{what}` is used up")]
    CollectionQuota {
        /// The collection.
        collection: String,
        /// The limit.
        what: &'static str,
    },
    /// Another release's collections are in force for a moment.
    #[error("`{name}` is being upgraded")]
    CollectionsBusy {
        /// The extension.
        name: String,
    },
    /// There is no such document.
    #[error("there is no document `{id}` in the collection `{collection}`")]
    DocumentNotFound {
        /// The collection.
        collection: String,
        /// The id as it came, cut.
        id: String,
    },
    /// It is no document of its collection.
    #[error("the document does not fit its collection")]
    DocumentInvalid {
        /// Where and why.
        problems: Vec<SchemaProblem>,
    },
    /// There is one already.
    #[error("there is {what} already")]
    DocumentExists {
        /// Which.
        what: String,
    },
    /// It was changed by somebody else.
    #[error("the document `{id}` has version {actual} now")]
    DocumentVersion {
        /// Its id.
        id: String,
        /// Its version.
        actual: u64,
    },
    /// The query cannot be answered.
    #[error("{reason}")]
    DocumentQuery {
        /// Why.
        reason: String,
    },
    /// The contribution is bound to the point with the same configuration.
    #[error("`{contribution}` is bound to `{point}` with the same configuration already{}", .there.map_or_else(String::new, |id| format!(" ({id})")))]
    BindingExists {
        /// The contribution.
        contribution: String,
        /// The point.
        point: String,
        /// The binding that is there.
        there: Option<BindingId>,
    },
    /// The binding's point or terms make no sense.
    #[error("{reason}")]
    BindingInvalid {
        /// What does not fit.
        reason: String,
    },
    /// The binding's configuration does not fit the contribution.
    #[error("the configuration does not fit `{contribution}`: {}", first(.problems))]
    BindingConfig {
        /// The contribution.
        contribution: String,
        /// Where and why.
        problems: Vec<SchemaProblem>,
    },
    /// The binding is declared in the operator's file.
    #[error("the binding {id} is declared in the server's configuration file")]
    BindingFromFile {
        /// The binding.
        id: BindingId,
    },
    /// The `If-Match` names another revision, or somebody else was faster.
    #[error("the binding {id} was changed by somebody else")]
    BindingChanged {
        /// The binding.
        id: BindingId,
    },
    /// The tenant has as many bindings as it may.
    #[error("the tenant has {most} bindings, and more are not accepted")]
    BindingTooMany {
        /// How many.
        most: usize,
    },
    /// The hook to bind to is not declared.
    #[error("there is no hook `{name}` in this tenant")]
    HookNotFound {
        /// Its name.
        name: String,
    },
    /// It is installed already.
    #[error("the extension `{name}` is already installed in version {version}")]
    Exists {
        /// Its name.
        name: String,
        /// The version that runs.
        version: String,
    },
    /// The package is of another extension than the one to upgrade.
    #[error("the package is of `{package}`, not of `{installed}`")]
    OtherExtension {
        /// The package's extension.
        package: String,
        /// The installed one.
        installed: String,
    },
    /// The version is known with other content.
    #[error("version {version} of `{name}` is known with other content; versions are immutable")]
    VersionExists {
        /// The extension.
        name: String,
        /// The version.
        version: String,
    },
    /// An administrator must grant permissions first.
    #[error("`{name}` waits for consent to: {}", .permissions.join(", "))]
    ConsentRequired {
        /// The extension.
        name: String,
        /// What it asks for beyond its grant, in words.
        permissions: Vec<String>,
    },
    /// A consent that covers less than the release asks for, or something nobody asked for.
    #[error("{reason}")]
    ConsentInvalid {
        /// What does not fit.
        reason: String,
    },
    /// The operator does not allow to grant this.
    #[error("this server does not allow extensions to reach the private network {network}")]
    NetworkForbidden {
        /// The network asked for.
        network: String,
    },
    /// There is no such secret.
    #[error("`{name}` has no secret `{secret}`; it has {}", listed(.secrets))]
    SecretNotFound {
        /// The extension.
        name: String,
        /// What was asked for.
        secret: String,
        /// What there is.
        secrets: Vec<String>,
    },
    /// A secret's value cannot be used.
    #[error("the secret `{secret}` cannot be set: {reason}")]
    SecretInvalid {
        /// Which secret.
        secret: String,
        /// What is wrong with its value, which is not shown.
        reason: String,
    },
    /// It is a component, and what was asked is about a service.
    #[error("the extension `{name}` is not remote: it has no service")]
    RemoteNone {
        /// The extension.
        name: String,
    },
    /// A release would turn a component into a service, or back.
    #[error(
        "the installed release of `{name}` is {}, and this one is {}",
        if *was_remote { "remote" } else { "a component" },
        if *was_remote { "a component" } else { "remote" }
    )]
    RemoteChanged {
        /// The extension.
        name: String,
        /// What it is at present.
        was_remote: bool,
    },
    /// Nobody has said where its service runs.
    #[error("nobody has said where the service of `{name}` runs")]
    RemoteUrlMissing {
        /// The extension.
        name: String,
    },
    /// The extension has no such run of a job.
    #[error("there is no job run `{id}` of this extension")]
    JobRunNotFound {
        /// The id as it came, cut to 64 characters.
        id: String,
    },
    /// What was asked of a run does not go with its state.
    #[error("the run {id} is {state} and cannot be {wanted}")]
    JobRunState {
        /// The run.
        id: JobRunId,
        /// How far it is.
        state: JobState,
        /// What was asked.
        wanted: &'static str,
    },
    /// Another run carries the key of one that shall begin anew.
    #[error("another run that is not over has the key of {id}, or somebody else changed it")]
    JobRunTwin {
        /// The run.
        id: JobRunId,
    },
    /// The input does not fit the job.
    #[error("the input does not fit the job `{job}`: {}", first(.problems))]
    JobInput {
        /// The job.
        job: String,
        /// Where and why.
        problems: Vec<SchemaProblem>,
    },
    /// How a run is wanted makes no sense.
    #[error("{reason}")]
    JobInvalid {
        /// What does not fit.
        reason: String,
    },
    /// As many runs wait as may.
    #[error("{most} runs of jobs of `{name}` wait already")]
    JobQueueFull {
        /// The extension.
        name: String,
        /// How many may.
        most: u32,
    },
    /// It is switched off.
    #[error("the extension `{name}` is disabled")]
    Disabled {
        /// The extension.
        name: String,
    },
    /// It kept failing and is no longer called.
    #[error("the extension `{name}` is in quarantine: {reason}")]
    Quarantined {
        /// The extension.
        name: String,
        /// Why.
        reason: String,
    },
    /// A health policy makes no sense.
    #[error(transparent)]
    HealthPolicy(#[from] HealthPolicyError),
    /// The health policy asks for a higher role.
    #[error("the health policy of `{name}` leaves that to the role `{least}` and above")]
    QuarantineHeld {
        /// The extension.
        name: String,
        /// The least role.
        least: Role,
    },
    /// No anomaly with this id in the tenant.
    #[error("there is no anomaly `{id}` in this tenant")]
    AnomalyNotFound {
        /// The id as it came, cut to 64 characters.
        id: String,
    },
    /// It is dismissed already.
    #[error("the anomaly {id} is dismissed already")]
    AnomalySettled {
        /// The anomaly.
        id: AnomalyId,
    },
    /// The `If-Match` names another revision, or somebody else was faster.
    #[error("the anomaly {id} was changed by somebody else, or was seen again")]
    AnomalyChanged {
        /// The anomaly.
        id: AnomalyId,
    },
    /// A note is too long.
    #[error("`note`: at most {most} characters")]
    NoteTooLong {
        /// How many are taken.
        most: usize,
    },
    /// A budget makes no sense.
    #[error(transparent)]
    Budget(#[from] BudgetError),
    /// No canary runs.
    #[error("no canary of `{name}` runs")]
    NoCanary {
        /// The extension.
        name: String,
    },
    /// A canary runs, and this change would take away what it is compared with.
    #[error("the canary {version} of `{name}` runs; promote it or roll it back first")]
    CanaryRunning {
        /// The extension.
        name: String,
        /// The canary's version.
        version: String,
    },
    /// The release cannot be a canary, or its terms are out of range.
    #[error("{reason}")]
    CanaryInvalid {
        /// Why not.
        reason: String,
    },
    /// A canary may not do more than the release that it is compared with.
    #[error(
        "{version} of `{name}` asks for more than the grant, which a canary may not have: {}. Grant it with an upgrade          (`oriel upgrade … --grant`), or try out a release that asks for no more",
        .permissions.join(", ")
    )]
    CanaryWider {
        /// The extension.
        name: String,
        /// The release.
        version: String,
        /// What it asks for beyond the grant, in words.
        permissions: Vec<String>,
    },
    /// There is no former release.
    #[error("the extension `{name}` has no former release to roll back to")]
    NothingToRollBack {
        /// The extension.
        name: String,
    },
    /// Somebody else changed the installation at the same time.
    #[error("another change to `{name}` is in progress or was faster")]
    Conflict {
        /// The extension.
        name: String,
    },
    /// The caller's `If-Match` names another revision.
    #[error("`{name}` is at revision {actual} now")]
    Precondition {
        /// The extension.
        name: String,
        /// The revision that it has.
        actual: u64,
    },
    /// A dependency is absent or out of range.
    #[error("`{name}` needs {requirement}, and the tenant has {found}")]
    DependencyMissing {
        /// The extension that needs it.
        name: String,
        /// What it needs, such as "`geo` ^1.2".
        requirement: String,
        /// What there is, such as "1.1.0" or "none".
        found: String,
    },
    /// Another extension needs this one as it is.
    #[error("`{dependent}` needs `{name}` {requirement}")]
    DependencyInUse {
        /// The extension to change.
        name: String,
        /// The extension that needs it.
        dependent: String,
        /// In which versions.
        requirement: String,
    },
    /// The configuration does not fit.
    #[error("the configuration of `{name}` is not valid: {}", first(.problems))]
    ConfigInvalid {
        /// The extension.
        name: String,
        /// Where and why.
        problems: Vec<SchemaProblem>,
    },
    /// More is asked for than the operator allows.
    #[error("the limits {} are above what this server allows", .axes.join(", "))]
    LimitsInvalid {
        /// The axes.
        axes: Vec<&'static str>,
    },
    /// The extension was written for another guest API.
    #[error("`{name}` needs the guest API {wanted}, and this server speaks {spoken}")]
    HostApi {
        /// The extension.
        name: String,
        /// The manifest's range.
        wanted: String,
        /// This build's version.
        spoken: String,
    },
    /// The manifest is not valid.
    #[error(transparent)]
    Manifest(#[from] Diagnostics),
    /// The package is not valid.
    #[error(transparent)]
    Package(#[from] PackageError),
    /// The component cannot run.
    #[error(transparent)]
    Sandbox(#[from] SandboxError),
    /// It did not start or answer when it was tried.
    #[error(transparent)]
    Call(#[from] CallError),
    /// The principal may not.
    #[error(transparent)]
    Access(#[from] AccessError),
    /// Storage failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

fn listed(names: &[String]) -> String {
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}

fn first(problems: &[SchemaProblem]) -> String {
    problems.first().map_or_else(String::new, |problem| {
        let path = if problem.path.is_empty() { "the whole" } else { &problem.path };
        format!("{path}: {}", problem.message)
    })
}

impl Coded for ExtensionError {
    fn code(&self) -> ErrorCode {
        match self {
            Self::NotFound { .. } => ErrorCode::ExtensionNotFound,
            Self::ProgramNotFound { .. } => ErrorCode::ProgramNotFound,
            Self::ContributionNotFound { .. } => ErrorCode::ContributionNotFound,
            Self::BindingNotFound { .. } => ErrorCode::BindingNotFound,
            Self::BindingExists { .. } => ErrorCode::BindingExists,
            Self::BindingInvalid { .. } => ErrorCode::BindingInvalid,
            Self::BindingConfig { .. } => ErrorCode::BindingConfig,
            Self::BindingFromFile { .. } => ErrorCode::BindingFromFile,
            Self::BindingChanged { .. } => ErrorCode::PreconditionFailed,
            Self::BindingTooMany { .. } => ErrorCode::BindingTooMany,
            Self::HookNotFound { .. } => ErrorCode::HookNotFound,
            Self::Exists { .. } => ErrorCode::ExtensionExists,
            Self::OtherExtension { .. } | Self::ConsentInvalid { .. } => ErrorCode::RequestInvalid,
            Self::VersionExists { .. } => ErrorCode::VersionExists,
            Self::ConsentRequired { .. } => ErrorCode::ConsentRequired,
            Self::NetworkForbidden { .. } => ErrorCode::Forbidden,
            Self::SecretNotFound { .. } => ErrorCode::SecretNotFound,
            Self::SecretInvalid { .. } => ErrorCode::SecretInvalid,
            Self::RemoteNone { .. } => ErrorCode::RemoteNone,
            Self::RemoteChanged { .. } => ErrorCode::RemoteChanged,
            Self::RemoteUrlMissing { .. } => ErrorCode::RemoteUrlMissing,
            Self::JobRunNotFound { .. } => ErrorCode::JobRunNotFound,
            Self::JobRunState { .. } | Self::JobRunTwin { .. } => ErrorCode::JobRunState,
            Self::JobInput { .. } => ErrorCode::InputInvalid,
            Self::JobInvalid { .. } => ErrorCode::RequestInvalid,
            Self::JobQueueFull { .. } => ErrorCode::JobQueueFull,
            Self::Disabled { .. } => ErrorCode::ExtensionDisabled,
            Self::Quarantined { .. } => ErrorCode::ExtensionQuarantined,
            Self::Budget(_) => ErrorCode::BudgetInvalid,
            Self::HealthPolicy(_) => ErrorCode::HealthPolicyInvalid,
            Self::QuarantineHeld { .. } => ErrorCode::QuarantineHeld,
            Self::AnomalyNotFound { .. } => ErrorCode::AnomalyNotFound,
            Self::AnomalySettled { .. } => ErrorCode::AnomalySettled,
            Self::AnomalyChanged { .. } => ErrorCode::PreconditionFailed,
            Self::NoteTooLong { .. } => ErrorCode::RequestInvalid,
            Self::NoCanary { .. } => ErrorCode::CanaryNone,
            Self::CanaryRunning { .. } => ErrorCode::CanaryRunning,
            Self::CanaryInvalid { .. } => ErrorCode::RequestInvalid,
            Self::CanaryWider { .. } => ErrorCode::ConsentRequired,
            Self::NothingToRollBack { .. } => ErrorCode::NothingToRollBack,
            Self::Conflict { .. } => ErrorCode::ExtensionConflict,
            Self::CollectionNotFound { .. } => ErrorCode::CollectionNotFound,
            Self::Misfits { .. } => ErrorCode::CollectionMisfit,
            Self::CanaryCollections { .. } => ErrorCode::CollectionCanary,
            Self::CollectionQuota { .. } => ErrorCode::CollectionQuota,
            Self::CollectionsBusy { .. } => ErrorCode::CollectionBusy,
            Self::DocumentNotFound { .. } => ErrorCode::DocumentNotFound,
            Self::DocumentInvalid { .. } => ErrorCode::DocumentInvalid,
            Self::DocumentExists { .. } => ErrorCode::DocumentExists,
            Self::DocumentVersion { .. } => ErrorCode::DocumentVersion,
            Self::DocumentQuery { .. } => ErrorCode::DocumentQuery,
            Self::Precondition { .. } => ErrorCode::PreconditionFailed,
            Self::DependencyMissing { .. } => ErrorCode::DependencyMissing,
            Self::DependencyInUse { .. } => ErrorCode::DependencyInUse,
            Self::ConfigInvalid { .. } => ErrorCode::ConfigInvalid,
            Self::LimitsInvalid { .. } => ErrorCode::LimitsInvalid,
            Self::HostApi { .. } => ErrorCode::HostApiUnsupported,
            Self::Manifest(error) => error.code(),
            Self::Package(error) => error.code(),
            Self::Sandbox(error) => error.code(),
            Self::Call(error) => error.code(),
            Self::Access(error) => error.code(),
            Self::Store(error) => error.code(),
        }
    }

    fn places(&self) -> Option<serde_json::Value> {
        match self {
            Self::ConfigInvalid { problems, .. }
            | Self::BindingConfig { problems, .. }
            | Self::JobInput { problems, .. }
            | Self::DocumentInvalid { problems } => serde_json::to_value(problems).ok(),
            Self::Manifest(error) => error.places(),
            Self::Package(error) => error.places(),
            _ => None,
        }
    }

    fn retry_after(&self) -> Option<std::time::Duration> {
        match self {
            Self::Call(error) => error.retry_after(),
            _ => None,
        }
    }
}
