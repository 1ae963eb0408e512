use clap::Args;
use crate::context::Context;
use crate::error::Result;
/// x
#[derive(Debug, Args)]
pub(crate) struct ServeArgs {}
pub(crate) async fn run(_context: &Context, _args: ServeArgs) -> Result<()> { Ok(()) }
