//! `oriel upgrade DIR|PACKAGE`.

use std::path::PathBuf;

use clap::Args;
use oriel_model::permissions::Permissions;
use serde_json::Value;

use super::install::{Consent, report};
use crate::client::PACKAGE;
use crate::context::Context;
use crate::error::Result;
use crate::project;
use crate::view::{Extension, parts};

/// What to upgrade to.
#[derive(Debug, Args)]
pub(crate) struct UpgradeArgs {
    /// A project's directory, which is built first, or a package's file
    #[arg(value_name = "DIR|PACKAGE")]
    target: PathBuf,
    /// Whether its permissions are granted.
    #[command(flatten)]
    consent: Consent,
    /// Leave a release that asks for more waiting for consent, while the present one keeps running
    #[arg(long, conflicts_with_all = ["grant", "yes"])]
    pending: bool,
    /// Upgrade to a project's component as it was built last
    #[arg(long)]
    no_build: bool,
}

pub(crate) async fn run(context: &Context, args: &UpgradeArgs) -> Result<()> {
    let client = context.client()?;
    let loaded = project::load(&context.ui, &args.target, args.no_build).await?;
    let name = loaded.manifest.name.as_str();
    let present: Value = client.get(&["extensions", name]).send().await?;
    let present: Extension = parts(&present);
    let wider = loaded.manifest.permissions.beyond(&present.grant);
    if !args.pending {
        let what = format!("{name} {} (now {})", loaded.manifest.version, present.version);
        args.consent.settle(&context.ui, &what, &wider).await?;
    }
    let grant = !args.pending || loaded.manifest.permissions == Permissions::default();
    // The first release is there already, and lacks nothing but consent.
    let waits = present.state == "pending-consent" && present.package == loaded.digest.to_string();
    let call = if waits && grant {
        client.post(&["extensions", name, "consent"])
    } else {
        client
            .post(&["extensions", name, "upgrade"])
            .query("grant", grant)
            .body(loaded.bytes, PACKAGE)
    };
    let upgraded: Value = call.send().await?;
    report(&context.ui, &upgraded)?;
    if args.pending && !wider.is_empty() {
        context.ui.note(&format!(
            "{} waits for consent; {} keeps running",
            loaded.manifest.version, present.version
        ));
    }
    Ok(())
}
