//! The commands, one file each: its arguments and what it does.

pub(crate) mod access;
pub(crate) mod anomaly;
pub(crate) mod audit;
pub(crate) mod binding;
pub(crate) mod breaker;
pub(crate) mod budget;
pub(crate) mod build;
pub(crate) mod call;
pub(crate) mod canary;
pub(crate) mod check;
pub(crate) mod collection;
pub(crate) mod completions;
pub(crate) mod configure;
pub(crate) mod contributions;
pub(crate) mod dev;
pub(crate) mod disable;
pub(crate) mod doctor;
pub(crate) mod enable;
pub(crate) mod executions;
pub(crate) mod health;
pub(crate) mod hook;
pub(crate) mod incident;
pub(crate) mod install;
pub(crate) mod job;
pub(crate) mod key;
pub(crate) mod list;
pub(crate) mod logs;
pub(crate) mod member;
pub(crate) mod new;
pub(crate) mod pack;
pub(crate) mod policy;
pub(crate) mod profile;
pub(crate) mod reference;
pub(crate) mod release;
pub(crate) mod remote;
pub(crate) mod rollback;
pub(crate) mod secret;
pub(crate) mod serve;
pub(crate) mod session;
pub(crate) mod show;
pub(crate) mod task;
pub(crate) mod tenant;
pub(crate) mod test;
pub(crate) mod uninstall;
pub(crate) mod upgrade;
pub(crate) mod usage;
pub(crate) mod validate;
pub(crate) mod version;

use crate::args::{Cli, Command};
use crate::context::Context;
use crate::error::Result;
use crate::ui::Ui;

/// Runs the command.
pub(crate) async fn run(cli: Cli, ui: Ui) -> Result<()> {
    let context = &Context { ui, globals: cli.globals };
    match cli.command {
        Command::Serve(args) => serve::run(context, *args).await,
        Command::New(args) => new::run(context, &args),
        Command::Build(args) => build::run(context, &args).await,
        Command::Check(args) => check::run(context, &args),
        Command::Test(args) => test::run(context, &args).await,
        Command::Dev(args) => dev::run(context, &args).await,
        Command::Pack(args) => pack::run(context, &args).await,
        Command::Install(args) => install::run(context, &args).await,
        Command::List(args) => list::run(context, &args).await,
        Command::Show(args) => show::run(context, &args).await,
        Command::Enable(args) => enable::run(context, &args).await,
        Command::Disable(args) => disable::run(context, &args).await,
        Command::Configure(args) => configure::run(context, &args).await,
        Command::Secret(command) => secret::run(context, &command).await,
        Command::Remote(command) => remote::run(context, &command).await,
        Command::Upgrade(args) => upgrade::run(context, &args).await,
        Command::Rollback(args) => rollback::run(context, &args).await,
        Command::Canary(command) => canary::run(context, &command).await,
        Command::Uninstall(args) => uninstall::run(context, &args).await,
        Command::Logs(args) => logs::run(context, &args).await,
        Command::Health(args) => health::run(context, &args).await,
        Command::Release(args) => release::run(context, &args).await,
        Command::Breaker(command) => breaker::run(context, &command).await,
        Command::Anomaly(command) => anomaly::run(context, &command).await,
        Command::Incident(command) => incident::run(context, &command).await,
        Command::Budget(command) => budget::run(context, &command).await,
        Command::Collection(command) => collection::run(context, &command).await,
        Command::Usage(args) => usage::run(context, &args).await,
        Command::Call(args) => call::run(context, &args).await,
        Command::Task(command) => task::run(context, &command).await,
        Command::Hook(command) => hook::run(context, &command).await,
        Command::Job(command) => job::run(context, &command).await,
        Command::Binding(command) => binding::run(context, &command).await,
        Command::Contributions(args) => contributions::run(context, &args).await,
        Command::Validate(command) => validate::run(context, &command).await,
        Command::Executions(command) => executions::run(context, &command).await,
        Command::Key(command) => key::run(context, &command).await,
        Command::Tenant(command) => tenant::run(context, &command).await,
        Command::Audit(args) => audit::run(context, &args).await,
        Command::Member(command) => member::run(context, &command).await,
        Command::Session(command) => session::run(context, &command).await,
        Command::Policy(command) => policy::run(context, &command).await,
        Command::Access(command) => access::run(context, &command).await,
        Command::Profile(command) => profile::run(context, &command).await,
        Command::Doctor(args) => doctor::run(context, &args).await,
        Command::Completions(args) => completions::run(context, &args),
        Command::Version(args) => version::run(context, &args).await,
        Command::Reference(args) => reference::run(context, &args),
    }
}
