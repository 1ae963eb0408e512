//! `oriel dev [DIR]`.

use std::path::PathBuf;

use clap::Args;

use super::install::Consent;
use super::logs::Level;
use crate::context::Context;
use crate::error::Result;
use crate::{dev, project};

/// What to work on. Without a chosen server, one is started for the session.
#[derive(Debug, Args)]
pub(crate) struct DevArgs {
    /// The project [default: the working directory]
    #[arg(value_name = "DIR")]
    dir: Option<PathBuf>,
    /// Whether its permissions are granted.
    #[command(flatten)]
    consent: Consent,
    /// The least level of the log lines shown
    #[arg(long, value_enum, value_name = "LEVEL", default_value = "debug")]
    level: Level,
}

pub(crate) async fn run(context: &Context, args: &DevArgs) -> Result<()> {
    let dir = project::directory(args.dir.as_ref());
    dev::run(context, &dir, &args.consent, args.level.as_str()).await
}
