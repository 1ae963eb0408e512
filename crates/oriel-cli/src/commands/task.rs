//! `oriel task …`.

mod batch;
mod call;
mod create;
mod delete;
mod list;
mod recommend;
mod show;
mod update;

use clap::{Args, Subcommand};
use oriel_model::name::{ContributionName, ExtensionName};
use serde_json::{Value, json};

use crate::context::Context;
use crate::error::{Failure, Result};
use crate::input;

/// What to do with tasks. Wherever a task is named, its id will do as well.
#[derive(Debug, Subcommand)]
pub(crate) enum TaskCommand {
    /// Create a task
    Create(create::CreateArgs),
    /// List tasks
    List(list::ListArgs),
    /// Show a task
    Show(NameArgs),
    /// Change a task
    Update(update::UpdateArgs),
    /// Delete a task; its records stay
    Delete(delete::DeleteArgs),
    /// Call a task once
    Call(call::CallArgs),
    /// Call a task for every line of a file
    Batch(batch::BatchArgs),
    /// Say what its records advise: failing and slow inputs, versions, sampling
    Recommend(recommend::RecommendArgs),
}

/// Which task.
#[derive(Debug, Args)]
pub(crate) struct NameArgs {
    /// The task, by name or id
    task: String,
}

/// What a task is made of, besides its name.
#[derive(Debug, Args)]
struct Fields {
    /// For people
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,
    /// JSON Schema of its input: JSON, @FILE, or -
    #[arg(long, value_name = "JSON|@FILE|-")]
    input_schema: Option<String>,
    /// JSON Schema of its output: JSON, @FILE, or -
    #[arg(long, value_name = "JSON|@FILE|-")]
    output_schema: Option<String>,
    /// The program behind it
    #[arg(long, value_name = "EXTENSION/PROGRAM", value_parser = program)]
    program: Option<(ExtensionName, ContributionName)>,
}

/// Reads `EXTENSION/PROGRAM`.
fn program(text: &str) -> std::result::Result<(ExtensionName, ContributionName), String> {
    let (extension, name) = text
        .split_once('/')
        .ok_or("write it as EXTENSION/PROGRAM, such as flight-delays/classify")?;
    Ok((
        extension.parse().map_err(|error| format!("{error}"))?,
        name.parse().map_err(|error| format!("{error}"))?,
    ))
}

impl Fields {
    /// The fields that were given, as the API has them.
    async fn body(&self) -> Result<serde_json::Map<String, Value>> {
        if self.input_schema.as_deref() == Some("-") && self.output_schema.as_deref() == Some("-") {
            return Err(Failure::usage("only one schema can come from standard input"));
        }
        let mut body = serde_json::Map::new();
        if let Some(text) = &self.description {
            body.insert("description".into(), json!(text));
        }
        for (key, argument) in [("inputSchema", &self.input_schema), ("outputSchema", &self.output_schema)] {
            if let Some(argument) = argument {
                body.insert(key.into(), input::json(argument).await?);
            }
        }
        if let Some((extension, name)) = &self.program {
            body.insert("program".into(), json!({ "extension": extension, "name": name }));
        }
        Ok(body)
    }
}

pub(crate) async fn run(context: &Context, command: &TaskCommand) -> Result<()> {
    match command {
        TaskCommand::Create(args) => create::run(context, args).await,
        TaskCommand::List(args) => list::run(context, args).await,
        TaskCommand::Show(args) => show::run(context, args).await,
        TaskCommand::Update(args) => update::run(context, args).await,
        TaskCommand::Delete(args) => delete::run(context, args).await,
        TaskCommand::Call(args) => call::run(context, args).await,
        TaskCommand::Batch(args) => batch::run(context, args).await,
        TaskCommand::Recommend(args) => recommend::run(context, args).await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_an_extension_and_a_name() {
        let (extension, name) = program("flight-delays/classify.v2").unwrap();
        assert_eq!((extension.as_str(), name.as_str()), ("flight-delays", "classify.v2"));
        for bad in ["classify", "/x", "A/b", "a/"] {
            assert!(program(bad).is_err(), "{bad}");
        }
    }
}
