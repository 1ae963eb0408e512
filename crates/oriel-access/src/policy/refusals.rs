//! Refusals, and what policies lend beyond a role, become audit entries: the first at once, repetitions counted, so that a client
//! that hammers at a closed door cannot fill the log.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use oriel_model::Timestamp;
use oriel_model::access::{Principal, PrincipalId, Resource, Scope};
use oriel_model::id::TenantId;
use oriel_store::{AuditLog, NewAudit};
use serde_json::json;
use tokio::sync::{mpsc, oneshot};

use super::{PolicyAction, Verdict};
use crate::Actor;

/// The same answer is written at most once in this time, with the count of those in between.
const QUIET: Duration = Duration::from_secs(60);
/// Different answers that are remembered; beyond it the memory starts anew.
const REMEMBER: usize = 10_000;
/// Answers that may wait for the writer.
const WAITING: usize = 1_024;

/// Writes answers to the audit log, one after the other.
#[derive(Clone)]
pub(crate) struct Refusals {
    shared: Arc<Shared>,
}

struct Shared {
    audit: Arc<dyn AuditLog>,
    /// Begun with the first answer: before it there may be no runtime.
    inbox: OnceLock<mpsc::Sender<Message>>,
}

enum Message {
    Answer(Box<Answer>),
    Flush(oneshot::Sender<()>),
}

struct Answer {
    tenant: TenantId,
    who: PrincipalId,
    what: String,
    entry: NewAudit,
}

impl std::fmt::Debug for Refusals {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Refusals")
    }
}

impl Refusals {
    pub(crate) fn new(audit: Arc<dyn AuditLog>) -> Self {
        Self {
            shared: Arc::new(Shared {
                audit,
                inbox: OnceLock::new(),
            }),
        }
    }

    /// A scope was missing.
    pub(super) fn missing(&self, principal: &Principal, operation: &str, scope: Scope, now: Timestamp) {
        let details = json!({ "operation": operation, "missing": scope });
        self.write(principal, "access.refused", operation, details, now);
    }

    /// Policies answered: written when they refuse, and when they lend what the role does not have.
    pub(super) fn answered(&self, principal: &Principal, action: &PolicyAction, resource: Resource<'_>, verdict: &Verdict, now: Timestamp) {
        let by_role = Principal {
            lent: None,
            judge: None,
            ..principal.clone()
        };
        let what = match (verdict.allowed, by_role.may(action.scope)) {
            (true, true) => return,
            (true, false) => "access.permitted",
            (false, _) => "access.refused",
        };
        let resource = format!("{}:{}", resource.kind.as_str(), resource.name);
        let details = json!({
            "operation": action.operation,
            "resource": resource,
            "policies": verdict.reasons,
            "errors": verdict.errors,
        });
        self.write(principal, what, &format!("{} {resource}", action.operation), details, now);
    }

    /// Something else was refused: a rate, a quota.
    pub(crate) fn write(&self, principal: &Principal, action: &str, what: &str, details: serde_json::Value, now: Timestamp) {
        let entry = Actor::Principal(principal).did(now, action, principal.id.to_string(), details);
        let answer = Answer {
            tenant: principal.tenant,
            who: principal.id,
            what: format!("{action} {what}"),
            entry,
        };
        let inbox = self.shared.inbox.get_or_init(|| {
            let (inbox, outbox) = mpsc::channel(WAITING);
            tokio::spawn(write(self.shared.audit.clone(), outbox));
            inbox
        });
        if inbox.try_send(Message::Answer(Box::new(answer))).is_err() {
            tracing::warn!("a refusal is missing from the audit log: too many at once");
        }
    }

    /// Waits until everything so far is written.
    pub(crate) async fn flush(&self) {
        let (done, wait) = oneshot::channel();
        if let Some(inbox) = self.shared.inbox.get()
            && inbox.send(Message::Flush(done)).await.is_ok()
        {
            let _ = wait.await;
        }
    }
}

async fn write(audit: Arc<dyn AuditLog>, mut outbox: mpsc::Receiver<Message>) {
    let mut seen: HashMap<(TenantId, PrincipalId, String), (Timestamp, u64)> = HashMap::new();
    while let Some(message) = outbox.recv().await {
        let Answer {
            tenant,
            who,
            what,
            mut entry,
        } = match message {
            Message::Answer(answer) => *answer,
            Message::Flush(done) => {
                let _ = done.send(());
                continue;
            }
        };
        if seen.len() >= REMEMBER {
            seen.clear();
        }
        let key = (tenant, who, what);
        let repeated = match seen.get_mut(&key) {
            Some((written_at, since)) if *written_at <= entry.at && entry.at.since(*written_at) < QUIET => {
                *since += 1;
                continue;
            }
            Some((_, since)) => *since,
            None => 0,
        };
        seen.insert(key, (entry.at, 0));
        entry.details["repeatedBefore"] = repeated.into();
        if let Err(error) = audit.append(tenant, entry).await {
            tracing::error!(error = &error as &dyn std::error::Error, "a refusal is missing from the audit log");
        }
    }
}
