//! `oriel collection …`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use oriel_model::ErrorCode;
use reqwest::Method;
use serde_json::{Value, json};

use super::audit::save;
use crate::client::NDJSON;
use crate::context::Context;
use crate::error::{Failure, Result};
use crate::input;
use crate::ui::Paint;
use crate::view::{changed, cut, short_moment, text};

/// What to do with the documents that an extension keeps.
#[derive(Debug, Subcommand)]
pub(crate) enum CollectionCommand {
    /// List an extension's collections and how much they hold
    List(ListArgs),
    /// List the documents that a filter means
    Query(QueryArgs),
    /// Show a document
    Get(GetArgs),
    /// Write a document, new or not
    Put(PutArgs),
    /// Delete a document
    Delete(DeleteArgs),
    /// Write documents to a file, one a line
    Export(ExportArgs),
}

/// Whose collections.
#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    /// The extension
    name: String,
}

/// Which documents.
#[derive(Debug, Args)]
#[command(after_help = "A filter is a JSON object, all of whose members must hold:\n  \
    '{\"/status\": \"open\", \"/total\": {\"gte\": 10}}'\n\
    Tests are eq, ne, lt, lte, gt, gte, in, prefix, exists and contains; `id` stands for the document's id;\n\
    and, or and not take further filters.")]
pub(crate) struct QueryArgs {
    /// The extension
    name: String,
    /// The collection
    collection: String,
    /// Which documents: JSON, @FILE, or -
    #[arg(long, short, value_name = "JSON|@FILE|-")]
    filter: Option<String>,
    /// By which fields of an index, with `,` between them; with `-` before them for the largest first
    #[arg(long, short, value_name = "FIELDS", allow_hyphen_values = true)]
    order: Option<String>,
    /// At most so many
    #[arg(long, short = 'n', value_name = "N", default_value_t = 50)]
    limit: usize,
    /// Only count them
    #[arg(long, conflicts_with_all = ["order", "limit"])]
    count: bool,
}

/// Which document.
#[derive(Debug, Args)]
pub(crate) struct GetArgs {
    /// The extension
    name: String,
    /// The collection
    collection: String,
    /// The document's id
    id: String,
}

/// Which document, and what it shall be.
#[derive(Debug, Args)]
pub(crate) struct PutArgs {
    /// The extension
    name: String,
    /// The collection
    collection: String,
    /// The document's id
    id: String,
    /// The document: JSON, @FILE, or -
    #[arg(value_name = "JSON|@FILE|-")]
    document: String,
    /// Only over this version
    #[arg(long, value_name = "VERSION")]
    if_match: Option<u64>,
}

/// Which document.
#[derive(Debug, Args)]
pub(crate) struct DeleteArgs {
    /// The extension
    name: String,
    /// The collection
    collection: String,
    /// The document's id
    id: String,
    /// Only this version
    #[arg(long, value_name = "VERSION")]
    if_match: Option<u64>,
    /// Do not ask
    #[arg(long, short)]
    yes: bool,
}

/// Which documents, and where to.
#[derive(Debug, Args)]
pub(crate) struct ExportArgs {
    /// The extension
    name: String,
    /// The collection
    collection: String,
    /// Which documents: JSON, @FILE, or -
    #[arg(long, short, value_name = "JSON|@FILE|-")]
    filter: Option<String>,
    /// The file to write; without it, standard output
    #[arg(long, short = 'O', value_name = "FILE")]
    output: Option<PathBuf>,
}

pub(crate) async fn run(context: &Context, command: &CollectionCommand) -> Result<()> {
    match command {
        CollectionCommand::List(args) => list(context, args).await,
        CollectionCommand::Query(args) => query(context, args).await,
        CollectionCommand::Get(args) => get(context, args).await,
        CollectionCommand::Put(args) => put(context, args).await,
        CollectionCommand::Delete(args) => delete(context, args).await,
        CollectionCommand::Export(args) => export(context, args).await,
    }
}

async fn list(context: &Context, args: &ListArgs) -> Result<()> {
    let reply: Value = context.client()?.get(&["extensions", &args.name, "collections"]).send().await?;
    if context.ui.json() {
        return context.ui.document(&reply);
    }
    let items = reply.get("items").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let rows = items.iter().map(|item| {
        let access = item
            .pointer("/access/read")
            .map_or_else(String::new, |read| read.as_str().unwrap_or_default().to_owned());
        let kept = if item["declared"] == json!(false) {
            "no longer declared"
        } else {
            ""
        };
        vec![
            (Paint::Strong, text(item, "name")),
            (Paint::Plain, text(item, "documents")),
            (Paint::Plain, text(item, "bytes")),
            (Paint::Plain, access),
            (Paint::Faint, kept.to_owned()),
        ]
    });
    let empty = format!("{} has no collections", args.name);
    context
        .ui
        .table(&["COLLECTION", "DOCUMENTS", "BYTES", "READ BY", ""], rows.collect(), &empty)
}

async fn query(context: &Context, args: &QueryArgs) -> Result<()> {
    let mut parameters = Vec::new();
    if let Some(filter) = &args.filter {
        parameters.push(("filter", input::json(filter).await?.to_string()));
    }
    let client = context.client()?;
    if args.count {
        let mut call = client.get(&["extensions", &args.name, "collections", &args.collection, "count"]);
        for (name, value) in &parameters {
            call = call.query(name, value);
        }
        let reply: Value = call.send().await?;
        if context.ui.json() {
            return context.ui.document(&reply);
        }
        return context.ui.line(&text(&reply, "count"));
    }
    if let Some(order) = &args.order {
        parameters.push(("order", order.clone()));
    }
    let documents = ["extensions", &args.name, "collections", &args.collection, "documents"];
    let items = client.list(&documents, &parameters, args.limit).await?;
    if context.ui.json() {
        return context.ui.document(&json!({ "items": items }));
    }
    let rows = items.iter().map(|item| {
        let body = item.get("body").map(Value::to_string).unwrap_or_default();
        vec![
            (Paint::Strong, text(item, "id")),
            (Paint::Faint, text(item, "version")),
            (Paint::Faint, short_moment(&text(item, "updatedAt"))),
            (Paint::Plain, cut(&body, 120)),
        ]
    });
    context
        .ui
        .table(&["ID", "VERSION", "CHANGED", "DOCUMENT"], rows.collect(), "no such documents")
}

async fn get(context: &Context, args: &GetArgs) -> Result<()> {
    let document: Value = context
        .client()?
        .get(&["extensions", &args.name, "collections", &args.collection, "documents", &args.id])
        .send()
        .await?;
    context.ui.document(&document)
}

async fn put(context: &Context, args: &PutArgs) -> Result<()> {
    let client = context.client()?;
    let mut call = client
        .request(
            Method::PUT,
            &["extensions", &args.name, "collections", &args.collection, "documents", &args.id],
        )
        .json(&input::json(&args.document).await?);
    if let Some(version) = args.if_match {
        call = call.if_match(version);
    }
    let reply: Value = call.send().await?;
    let said = format!("document {} has version {}", args.id, text(&reply, "version"));
    changed(&context.ui, &reply, &said)
}

async fn delete(context: &Context, args: &DeleteArgs) -> Result<()> {
    if !context.ui.sure(args.yes, &format!("Delete document {}?", args.id)).await? {
        return Err(Failure::new(ErrorCode::ClientDeclined, format!("document {} stays", args.id)));
    }
    let client = context.client()?;
    let mut call = client.delete(&["extensions", &args.name, "collections", &args.collection, "documents", &args.id]);
    if let Some(version) = args.if_match {
        call = call.if_match(version);
    }
    call.done().await?;
    let said = format!("document {} is gone", args.id);
    changed(&context.ui, &json!({ "id": args.id, "deleted": true }), &said)
}

async fn export(context: &Context, args: &ExportArgs) -> Result<()> {
    let client = context.client()?;
    let mut call = client
        .get(&["extensions", &args.name, "collections", &args.collection, "export"])
        .accept(NDJSON);
    if let Some(filter) = &args.filter {
        call = call.query("filter", input::json(filter).await?);
    }
    save(call.response().await?, args.output.as_deref()).await
}
