//! The extension's log lines, as they are written.

use std::time::Duration;

use serde_json::Value;

use crate::client::{Client, EVENTS, Events};
use crate::commands::logs::print;
use crate::error::Result;
use crate::ui::Ui;

/// Prints lines until it is dropped.
pub(super) struct Tail(tokio::task::JoinHandle<()>);

impl Drop for Tail {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Tail {
    /// Starts after the lines that there are.
    pub(super) fn start(ui: Ui, client: Client, name: String, level: &'static str) -> Self {
        Self(tokio::spawn(async move {
            let mut after: Option<i64> = None;
            loop {
                // The stream ends when the server restarts; it is taken up again where it ended.
                let _ = follow(&ui, &client, &name, level, &mut after).await;
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        }))
    }
}

async fn follow(ui: &Ui, client: &Client, name: &str, level: &str, after: &mut Option<i64>) -> Result<()> {
    let mut call = client
        .get(&["extensions", name, "logs"])
        .query("follow", true)
        .query("level", level)
        .accept(EVENTS);
    if let Some(sequence) = *after {
        call = call.query("after", sequence);
    }
    let mut events = Events::of(client.server(), call.response().await?)?;
    while let Some(event) = events.next().await? {
        if let Ok(line) = serde_json::from_str::<Value>(&event.data)
            && let Some(sequence) = line.get("sequence").and_then(Value::as_i64)
        {
            print(ui, &line)?;
            *after = Some(sequence);
        }
    }
    Ok(())
}
