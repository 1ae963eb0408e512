//! `oriel configure NAME --edit`.

use std::path::Path;
use std::process::Command;

use oriel_model::ErrorCode;
use serde_json::Value;

use super::{Present, send};
use crate::client::Client;
use crate::context::Context;
use crate::error::{Failure, Result};
use crate::input;
use crate::ui::Ui;

/// Lets the user change the configuration in their editor and puts it in force. On a terminal, a mistake leads back to
/// the editor; elsewhere it ends the command.
pub(super) async fn run(context: &Context, client: &Client, name: &str) -> Result<Value> {
    let Present { config, revision } = Present::of(client, name).await?;
    let file = tempfile::Builder::new()
        .prefix("oriel-")
        .suffix(".json")
        .tempfile()
        .map_err(|error| Failure::file(Path::new("a temporary file"), &error))?;
    let text = serde_json::to_string_pretty(&config).unwrap_or_default() + "\n";
    std::fs::write(file.path(), text).map_err(|error| Failure::file(file.path(), &error))?;
    loop {
        let mistake = match edited(file.path()) {
            Ok(edited) if edited == config => return Err(unchanged()),
            Ok(edited) => match send(client, name, &edited, Some(revision)).await {
                Err(failure) if failure.is(ErrorCode::ConfigInvalid) => failure,
                done => return done,
            },
            Err(failure) if failure.is(ErrorCode::ClientInput) => failure,
            Err(failure) => return Err(failure),
        };
        if context.ui.json() || !Ui::interactive() {
            return Err(mistake);
        }
        mistake.print(&context.ui);
        if !context.ui.confirm("Edit it again?").await? {
            return Err(unchanged());
        }
    }
}

/// What the editor leaves in the file.
fn edited(file: &Path) -> Result<Value> {
    let editor = std::env::var("VISUAL")
        .or_else(|_| std::env::var("EDITOR"))
        .unwrap_or_else(|_| "vi".to_owned());
    // Editors come with flags: `code --wait`.
    let mut words = editor.split_whitespace();
    let program = words.next().unwrap_or("vi");
    let status = Command::new(program).args(words).arg(file).status();
    if !status.map_err(|error| Failure::file(Path::new(program), &error))?.success() {
        return Err(unchanged());
    }
    input::parse_json(&input::read(file)?, "the configuration")
}

fn unchanged() -> Failure {
    Failure::new(ErrorCode::ClientDeclined, "the configuration was left as it is")
}
