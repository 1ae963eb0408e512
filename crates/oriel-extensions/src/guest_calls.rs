//! The guest's `call` interface: programs of other extensions in the same tenant, through the same dispatch, gates and
//! accounts as calls from outside.
//!
//! Such a call is no execution of its own in the records: it is a part of the one that caused it. What it cost is in the usage
//! of the extension that answered, and its log lines are in that extension's log.

use std::sync::{Arc, Weak};
use std::time::Duration;

use oriel_model::id::{ExecutionId, TenantId};
use oriel_model::name::TenantName;
use oriel_model::schema::{Schema, SchemaProblem};
use oriel_model::{Coded, ErrorCode};
use oriel_sandbox::{Ask, CallError, Calls, GuestCall, GuestError, Lease};
use serde::de::IgnoredAny;
use serde_json::Value;

use crate::active::Program;
use crate::dispatch::Handle;
use crate::moment::nanos;
use crate::{ExtensionError, Extensions, Shared};

/// How often a call looks for the release that took over from one that drains.
const ATTEMPTS: u32 = 3;

/// Calls within one tenant.
pub(crate) struct GuestCalls {
    /// The service holds the pools, and these hold this.
    shared: Weak<Shared>,
    tenant: TenantId,
    tenant_name: TenantName,
}

impl GuestCalls {
    pub(crate) fn new(shared: &Shared, tenant: TenantId, tenant_name: &TenantName) -> Self {
        Self {
            shared: shared.this.clone(),
            tenant,
            tenant_name: tenant_name.clone(),
        }
    }
}

#[async_trait::async_trait]
impl Calls for GuestCalls {
    async fn execute(&self, call: GuestCall) -> Result<String, GuestError> {
        let until = oriel_sandbox::moment().saturating_add(nanos(call.timeout));
        let to = format!("{}/{}", call.extension, call.program);
        let shared = self.shared.upgrade();
        let shared = shared.ok_or_else(|| GuestError::Unavailable(format!("{to}: the server is shutting down")))?;
        let now = shared.clock.now();
        let extensions = Extensions { shared };
        let handle = extensions.installed(self.tenant, &self.tenant_name, call.extension.as_str()).await;
        let handle = handle.map_err(|error| refused(&to, &error))?;
        let (mut lease, program) = answering(&handle, &call, &to, until).await?;
        let ask = Ask {
            principal: call.principal,
            user: call.user.as_deref(),
            traceparent: call.traceparent.as_deref(),
            timeout: Some(left(until)?),
            dry_run: call.dry_run,
            caller: Some(&call.caller),
            ..Ask::new(call.program.as_str(), ExecutionId::new(now))
        };
        let output = lease.execute(&ask, &call.input).await.result.map_err(|error| failed(&to, error))?;
        program
            .accepts(&output, Side::Output)
            .map_err(|reason| GuestError::Internal(format!("the output of {to} {reason}")))?;
        Ok(output)
    }
}

/// An instance of the release that runs, once the input fits the program.
async fn answering(handle: &Handle, call: &GuestCall, to: &str, until: u64) -> Result<(Lease, Arc<Program>), GuestError> {
    for _ in 0..ATTEMPTS {
        let active = handle.active().await.map_err(|error| refused(to, &error))?;
        let program = active.program(call.program.as_str()).map_err(|error| refused(to, &error))?.clone();
        program
            .accepts(&call.input, Side::Input)
            .map_err(|reason| GuestError::InvalidInput(format!("the input of {to} {reason}")))?;
        match active.pool().lease(left(until)?).await {
            Ok(lease) => return Ok((lease, program)),
            Err(CallError::Draining) => tokio::task::yield_now().await,
            Err(error) => return Err(failed(to, error)),
        }
    }
    Err(GuestError::Unavailable(format!("{to} is being replaced")))
}

/// Time that is left.
fn left(until: u64) -> Result<Duration, GuestError> {
    let left = until.saturating_sub(oriel_sandbox::moment());
    if left == 0 {
        return Err(GuestError::DeadlineExceeded);
    }
    Ok(Duration::from_nanos(left))
}

/// Which of a program's documents.
#[derive(Debug, Clone, Copy)]
enum Side {
    Input,
    Output,
}

impl Program {
    /// Whether a text is JSON that fits the manifest's schema; if not, why not.
    fn accepts(&self, text: &str, side: Side) -> Result<(), String> {
        let (declared, compiled) = match side {
            Side::Input => (&self.manifest.input_schema, &self.input),
            Side::Output => (&self.manifest.output_schema, &self.output),
        };
        let not_json = |error: serde_json::Error| format!("is not JSON: {error}");
        let Some(declared) = declared else {
            return serde_json::from_str::<IgnoredAny>(text).map(drop).map_err(not_json);
        };
        let value: Value = serde_json::from_str(text).map_err(not_json)?;
        let schema = match compiled.get() {
            Some(schema) => schema,
            None => {
                let schema = Schema::compile(declared).map_err(|error| format!("cannot be checked: {error}"))?;
                compiled.get_or_init(|| schema)
            }
        };
        schema.validate(&value).map_err(|problems| {
            let places = problems.iter().map(|SchemaProblem { path, message }| {
                let path = if path.is_empty() { "the whole" } else { path };
                format!("{path}: {message}")
            });
            format!("does not fit its schema: {}", places.collect::<Vec<_>>().join("; "))
        })
    }
}

/// Why there is no release to call, as the calling guest may learn it: what an administrator can do about the other extension
/// is not its business.
fn refused(to: &str, error: &ExtensionError) -> GuestError {
    match error {
        ExtensionError::ProgramNotFound { .. } => GuestError::InvalidInput(error.to_string()),
        ExtensionError::NotFound { .. } | ExtensionError::Disabled { .. } => GuestError::Unavailable(error.to_string()),
        error => {
            let code = error.code();
            if code.blame() == oriel_model::Blame::Host {
                tracing::warn!(
                    error = error as &dyn std::error::Error,
                    to,
                    "an extension cannot be called by another"
                );
            }
            GuestError::Unavailable(format!("{to} does not answer calls now ({code})"))
        }
    }
}

/// Why a call has no answer, as the calling guest may learn it.
fn failed(to: &str, error: CallError) -> GuestError {
    let answered = |message: String| format!("{to}: {message}");
    match error {
        CallError::Rejected { message } => GuestError::InvalidInput(answered(message)),
        CallError::Unavailable { message } => GuestError::Unavailable(answered(message)),
        CallError::Denied { message } => GuestError::Denied(answered(message)),
        CallError::LimitExceeded { message } => GuestError::LimitExceeded(answered(message)),
        CallError::Failed { message } => GuestError::Internal(answered(message)),
        CallError::InputTooLarge { .. } => GuestError::LimitExceeded(answered(error.to_string())),
        CallError::Timeout { .. } | CallError::Overloaded { .. } => GuestError::Unavailable(answered(error.to_string())),
        error => {
            let code = error.code();
            match code {
                ErrorCode::ExecutionCpu
                | ErrorCode::ExecutionMemory
                | ErrorCode::ExecutionTrap
                | ErrorCode::ExecutionHostCalls
                | ErrorCode::OutputTooLarge
                | ErrorCode::OutputInvalid => GuestError::Internal(format!("{to} failed ({code})")),
                _ => GuestError::Unavailable(format!("{to} does not answer calls now ({code})")),
            }
        }
    }
}
