//! Refused host calls and secrets that went out become audit entries: the first at once, repetitions counted, so that a guest that
//! hammers at a closed door, or sends its token with every request, cannot fill the log.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use oriel_access::{Access, Actor};
use oriel_model::Timestamp;
use oriel_model::id::TenantId;
use oriel_model::name::ExtensionName;
use oriel_model::time::Clock;
use oriel_sandbox::{Refusal, RefusalSink, SecretUse};
use serde_json::{Value, json};
use tokio::sync::{mpsc, oneshot};

use crate::models::ModelUsed;

/// The same refusal is written at most once in this time, with the count of those in between.
const QUIET: Duration = Duration::from_secs(60);
/// The same for uses of a secret or of the model, which are nothing unusual.
const QUIET_USES: Duration = Duration::from_secs(3_600);
/// Different refusals that are remembered; beyond it the memory starts anew.
const REMEMBER: usize = 10_000;
/// Refusals that may wait for the writer.
const WAITING: usize = 4_096;

#[derive(Clone)]
pub(crate) struct RefusalWriter {
    inbox: mpsc::Sender<Message>,
}

enum Message {
    Refused(Refusal),
    SecretUsed(SecretUse),
    ModelUsed(ModelUsed),
    Flush(oneshot::Sender<()>),
}

struct Seen {
    written_at: Timestamp,
    since: u64,
}

impl RefusalWriter {
    pub(crate) fn start(access: Access, clock: Arc<dyn Clock>) -> Self {
        let (inbox, outbox) = mpsc::channel(WAITING);
        tokio::spawn(write(access, clock, outbox));
        Self { inbox }
    }

    /// Takes note of a secret that went out.
    pub(crate) fn secret_used(&self, used: SecretUse) {
        if self.inbox.try_send(Message::SecretUsed(used)).is_err() {
            tracing::warn!("a use of a secret is missing from the audit log: too many at once");
        }
    }

    /// Takes note of a request to the model.
    pub(crate) fn model_used(&self, used: ModelUsed) {
        if self.inbox.try_send(Message::ModelUsed(used)).is_err() {
            tracing::warn!("a request to the model is missing from the audit log: too many at once");
        }
    }

    pub(crate) async fn flush(&self) {
        let (done, wait) = oneshot::channel();
        if self.inbox.send(Message::Flush(done)).await.is_ok() {
            let _ = wait.await;
        }
    }
}

impl RefusalSink for RefusalWriter {
    fn refused(&self, refusal: Refusal) {
        if self.inbox.try_send(Message::Refused(refusal)).is_err() {
            tracing::warn!("a refused host call is missing from the audit log: too many at once");
        }
    }
}

/// What is to be told of one of them.
struct Note {
    tenant: TenantId,
    extension: ExtensionName,
    action: &'static str,
    /// What tells it from others of its kind.
    what: String,
    details: Value,
    quiet: Duration,
}

impl From<Refusal> for Note {
    fn from(refusal: Refusal) -> Self {
        Self {
            tenant: refusal.tenant,
            extension: refusal.extension,
            action: "permission.refused",
            details: json!({ "what": refusal.what, "executionId": refusal.execution }),
            what: refusal.what,
            quiet: QUIET,
        }
    }
}

impl From<ModelUsed> for Note {
    fn from(used: ModelUsed) -> Self {
        Self {
            tenant: used.tenant,
            extension: used.extension,
            action: "model.used",
            details: json!({ "model": used.model, "executionId": used.execution }),
            what: used.model.to_string(),
            quiet: QUIET_USES,
        }
    }
}

impl From<SecretUse> for Note {
    fn from(used: SecretUse) -> Self {
        Self {
            tenant: used.tenant,
            extension: used.extension,
            action: "secret.used",
            details: json!({ "secret": used.secret, "host": used.host, "executionId": used.execution }),
            what: format!("{} {}", used.secret, used.host),
            quiet: QUIET_USES,
        }
    }
}

async fn write(access: Access, clock: Arc<dyn Clock>, mut outbox: mpsc::Receiver<Message>) {
    let mut seen: HashMap<(TenantId, ExtensionName, &'static str, String), Seen> = HashMap::new();
    while let Some(message) = outbox.recv().await {
        let mut note = match message {
            Message::Refused(refusal) => Note::from(refusal),
            Message::SecretUsed(used) => Note::from(used),
            Message::ModelUsed(used) => Note::from(used),
            Message::Flush(done) => {
                let _ = done.send(());
                continue;
            }
        };
        let now = clock.now();
        if seen.len() >= REMEMBER {
            seen.clear();
        }
        let key = (note.tenant, note.extension.clone(), note.action, note.what);
        let repeated = match seen.get_mut(&key) {
            Some(before) if now.since(before.written_at) < note.quiet && before.written_at <= now => {
                before.since += 1;
                continue;
            }
            Some(before) => before.since,
            None => 0,
        };
        seen.insert(key, Seen { written_at: now, since: 0 });
        note.details["repeatedBefore"] = repeated.into();
        let entry = Actor::Extension(note.extension.as_str()).did(now, note.action, note.extension.to_string(), note.details);
        if let Err(error) = access.record(note.tenant, entry).await {
            let action = note.action;
            tracing::error!(
                error = &error as &dyn std::error::Error,
                action,
                "an entry is missing from the audit log"
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use oriel_model::time::ManualClock;

    use super::*;

    #[tokio::test]
    async fn the_first_of_its_kind_is_told_at_once_and_the_others_are_counted() {
        let stores = oriel_store::memory::stores();
        let clock = Arc::new(ManualClock::new(Timestamp::from_millis(1_000_000)));
        let access = Access::new(&stores, clock.clone());
        let owner = access.bootstrap(None).await.unwrap().created.unwrap();
        let tenant = access.authenticate(&owner.secret).await.unwrap().tenant;
        let writer = RefusalWriter::start(access, clock.clone());
        let told = async || {
            writer.flush().await;
            let entries = stores.audit.scan(tenant, 1, 1_000).await.unwrap();
            let entries = entries
                .iter()
                .filter(|entry| matches!(entry.action.as_str(), "secret.used" | "permission.refused"));
            entries
                .map(|entry| {
                    let what = entry.details["secret"].as_str().or_else(|| entry.details["what"].as_str());
                    format!("{} {} {}", entry.action, what.unwrap_or_default(), entry.details["repeatedBefore"])
                })
                .collect::<Vec<_>>()
        };
        let used = |secret: &str, host: &str| {
            writer.secret_used(SecretUse {
                tenant,
                extension: "sender".parse().unwrap(),
                execution: None,
                secret: secret.parse().unwrap(),
                host: host.to_owned(),
            });
        };
        let refused = || {
            writer.refused(Refusal {
                tenant,
                extension: "sender".parse().unwrap(),
                execution: None,
                what: "token https://a".to_owned(),
            });
        };
        for _ in 0..1_000 {
            used("token", "https://a");
            refused();
        }
        used("token", "https://b");
        used("other", "https://a");
        let mut wanted = vec![
            "secret.used token 0".to_owned(),
            "permission.refused token https://a 0".to_owned(),
            "secret.used token 0".to_owned(),
            "secret.used other 0".to_owned(),
        ];
        assert_eq!(told().await, wanted);
        clock.advance(Duration::from_secs(61));
        used("token", "https://a");
        refused();
        wanted.push("permission.refused token https://a 999".to_owned());
        assert_eq!(told().await, wanted);
        clock.advance(Duration::from_secs(3_600));
        used("token", "https://a");
        wanted.push("secret.used token 1000".to_owned());
        assert_eq!(told().await, wanted);
    }
}
