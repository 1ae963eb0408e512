//! The `oriel` binary: the server, the author's tools and the client of the API, in one.
//!
//! What lives here: the command line, the API client, what people see, and the loops of `dev` and `test`. What does
//! not: building and scaffolding (`oriel-author`), and every rule of the platform (the services, behind the server).
//!
//! Start reading at [`args::Cli`], then at a command in `commands/`: each file holds its arguments and what it does.

mod args;
mod client;
mod commands;
mod context;
mod dev;
mod env_vars;
mod error;
mod exit;
mod input;
mod project;
mod settings;
mod signals;
mod testing;
mod ui;
mod view;

use std::process::ExitCode;

use clap::Parser as _;
use oriel_model::ErrorCode;

use crate::args::Cli;
use crate::error::Failure;
use crate::exit::Exit;
use crate::ui::Ui;

/// The sandbox and the server allocate much and often, on many threads at once.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are answers, everything else is a mistake in the command line.
            let status = if error.use_stderr() { Exit::Usage } else { Exit::Ok };
            let _ = error.print();
            return ExitCode::from(status.status());
        }
    };
    let ui = Ui::new(cli.globals.json, cli.globals.quiet, cli.globals.color);
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            let failure = Failure::new(ErrorCode::Internal, format!("the runtime cannot be started: {error}"));
            failure.print(&ui);
            return ExitCode::from(failure.exit().status());
        }
    };
    let result = runtime.block_on(run(cli, ui.clone()));
    // Blocking reads of standard input must not keep the process alive.
    runtime.shutdown_background();
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            failure.print(&ui);
            ExitCode::from(failure.exit().status())
        }
    }
}

/// Runs the command; Ctrl-C drops it where it stands, so that its files, bars and children are cleaned up.
async fn run(cli: Cli, ui: Ui) -> error::Result<()> {
    if cli.command.handles_signals() {
        return commands::run(cli, ui).await;
    }
    tokio::select! {
        // First, so that it is minded before the command says a word.
        biased;
        _ = tokio::signal::ctrl_c() => Err(Failure::new(ErrorCode::ClientCancelled, "cancelled")),
        result = commands::run(cli, ui) => result,
    }
}
