//! Refused host calls become audit entries: the first at once, repetitions counted, so that a guest that hammers
//! at a closed door cannot fill the log.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use oriel_access::{Access, Actor};
use oriel_model::Timestamp;
use oriel_model::id::TenantId;
use oriel_model::name::ExtensionName;
use oriel_model::time::Clock;
use oriel_sandbox::{Refusal, RefusalSink};
use serde_json::json;
use tokio::sync::{mpsc, oneshot};

/// The same refusal is written at most once in this time, with the count of those in between.
const QUIET: Duration = Duration::from_secs(60);
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

async fn write(access: Access, clock: Arc<dyn Clock>, mut outbox: mpsc::Receiver<Message>) {
    let mut seen: HashMap<(TenantId, ExtensionName, String), Seen> = HashMap::new();
    while let Some(message) = outbox.recv().await {
        let refusal = match message {
            Message::Refused(refusal) => refusal,
            Message::Flush(done) => {
                let _ = done.send(());
                continue;
            }
        };
        let now = clock.now();
        if seen.len() >= REMEMBER {
            seen.clear();
        }
        let key = (refusal.tenant, refusal.extension.clone(), refusal.what.clone());
        let repeated = match seen.get_mut(&key) {
            Some(before) if now.since(before.written_at) < QUIET && before.written_at <= now => {
                before.since += 1;
                continue;
            }
            Some(before) => before.since,
            None => 0,
        };
        seen.insert(key, Seen { written_at: now, since: 0 });
        let details = json!({ "what": refusal.what, "executionId": refusal.execution, "repeatedBefore": repeated });
        let entry = Actor::Extension(refusal.extension.as_str()).did(now, "permission.refused", refusal.extension.to_string(), details);
        if let Err(error) = access.record(refusal.tenant, entry).await {
            tracing::error!(
                error = &error as &dyn std::error::Error,
                "a refused host call is missing from the audit log"
            );
        }
    }
}
