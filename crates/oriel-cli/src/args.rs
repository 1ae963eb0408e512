//! The command line: global options and the tree of commands.

use clap::builder::styling::{AnsiColor, Styles};
use clap::{Args, Parser, Subcommand};

use crate::commands::{
    access, anomaly, audit, binding, breaker, budget, build, call, canary, check, collection, completions, configure, contributions, dev,
    disable, doctor, enable, executions, health, hook, incident, install, job, key, list, logs, member, new, pack, policy, profile,
    reference, release, remote, rollback, secret, serve, session, show, task, tenant, test, uninstall, upgrade, usage, validate, version,
};
use crate::settings::Flags;
use crate::ui::ColourChoice;

const STYLES: Styles = Styles::styled()
    .header(AnsiColor::Green.on_default().bold())
    .usage(AnsiColor::Green.on_default().bold())
    .literal(AnsiColor::Cyan.on_default().bold())
    .placeholder(AnsiColor::Cyan.on_default());

/// Other people's code inside your product, safely: the server, the author's tools and the client.
#[derive(Debug, Parser)]
#[command(name = "oriel", version, styles = STYLES, propagate_version = true, disable_help_subcommand = true)]
#[command(max_term_width = 100)]
#[command(after_help = "Start with `oriel serve`, then `oriel new my-extension --lang rust|python|javascript`.")]
pub(crate) struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
    /// Options of every command.
    #[command(flatten)]
    pub(crate) globals: Globals,
}

/// Options of every command.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Global options")]
pub(crate) struct Globals {
    /// Address of the server [environment: ORIEL_URL; default: http://127.0.0.1:7070]
    #[arg(long, global = true, value_name = "URL")]
    pub(crate) server: Option<String>,
    /// API key. Other users of this machine can see flags: prefer ORIEL_API_KEY or a profile
    #[arg(long, global = true, value_name = "KEY")]
    pub(crate) key: Option<String>,
    /// Profile to take server and key from [environment: ORIEL_PROFILE]
    #[arg(long, global = true, value_name = "NAME")]
    pub(crate) profile: Option<String>,
    /// Write results and errors as JSON
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Leave out notes and progress
    #[arg(long, short, global = true)]
    pub(crate) quiet: bool,
    /// When to use colours; NO_COLOR is honoured
    #[arg(
        long,
        global = true,
        value_enum,
        value_name = "WHEN",
        default_value = "auto",
        hide_possible_values = true
    )]
    pub(crate) color: ColourChoice,
}

impl Globals {
    /// The flags that name a server and a key.
    pub(crate) fn flags(&self) -> Flags {
        Flags {
            server: self.server.clone(),
            key: self.key.clone(),
            profile: self.profile.clone(),
        }
    }
}

/// Every command.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run the server
    Serve(Box<serve::ServeArgs>),

    /// Start a new extension
    New(new::NewArgs),
    /// Build an extension's component
    Build(build::BuildArgs),
    /// Check a project or a package without running it
    Check(check::CheckArgs),
    /// Run an extension's test cases in the sandbox, without a server
    Test(test::TestArgs),
    /// Build, install, watch and reload while you edit
    Dev(dev::DevArgs),
    /// Make a package, NAME-VERSION.oriel
    Pack(pack::PackArgs),

    /// Install an extension from a package or a project
    Install(install::InstallArgs),
    /// List what is installed
    List(list::ListArgs),
    /// Show one installed extension
    Show(show::ShowArgs),
    /// Switch an extension on
    Enable(enable::EnableArgs),
    /// Switch an extension off
    Disable(disable::DisableArgs),
    /// Read or change an extension's configuration
    Configure(configure::ConfigureArgs),
    /// Set or remove the secrets that an extension sends to others
    #[command(subcommand)]
    Secret(secret::SecretCommand),
    /// Say where a remote extension's service runs, or replace its signing secret
    #[command(subcommand)]
    Remote(remote::RemoteCommand),
    /// Move an extension to another release
    Upgrade(upgrade::UpgradeArgs),
    /// Return to the release that ran before
    Rollback(rollback::RollbackArgs),
    /// Try a release out beside the running one
    #[command(subcommand)]
    Canary(canary::CanaryCommand),
    /// Remove an extension and what it stored
    Uninstall(uninstall::UninstallArgs),
    /// Read what an extension logged
    Logs(logs::LogsArgs),
    /// Show how extensions do, and why
    Health(health::HealthArgs),
    /// Let an extension out of quarantine
    Release(release::ReleaseArgs),
    /// Show or set when an extension counts as ill
    #[command(subcommand)]
    Breaker(breaker::BreakerCommand),
    /// Look at what extensions did that they never did before
    #[command(subcommand)]
    Anomaly(anomaly::AnomalyCommand),
    /// Report what happened around something that went wrong
    #[command(subcommand)]
    Incident(incident::IncidentCommand),
    /// Show or set what an extension may use over a while
    #[command(subcommand)]
    Budget(budget::BudgetCommand),
    /// Look into the documents that an extension keeps
    #[command(subcommand)]
    Collection(collection::CollectionCommand),
    /// Show what extensions took, and what it costs
    Usage(usage::UsageArgs),

    /// Call one program of an extension
    Call(call::CallArgs),
    /// Manage and call tasks
    #[command(subcommand)]
    Task(task::TaskCommand),
    /// Declare hooks and fire them
    #[command(subcommand)]
    Hook(hook::HookCommand),
    /// Run jobs, and look after their runs
    #[command(subcommand)]
    Job(job::JobCommand),
    /// Attach contributions to tasks, hooks and events
    #[command(subcommand)]
    Binding(binding::BindingCommand),
    /// List everything that extensions contribute
    Contributions(contributions::ContributionsArgs),
    /// Judge outputs against what was expected of them
    #[command(subcommand)]
    Validate(validate::ValidateCommand),
    /// Look at the records of calls
    #[command(subcommand)]
    Executions(executions::ExecutionsCommand),

    /// Manage API keys
    #[command(subcommand)]
    Key(key::KeyCommand),
    /// Manage tenants
    #[command(subcommand)]
    Tenant(tenant::TenantCommand),
    /// Read the audit log, verify its chain, export it, or report who may do what
    Audit(audit::AuditArgs),
    /// Manage users and service accounts
    #[command(subcommand)]
    Member(member::MemberCommand),
    /// Look at who is signed in
    #[command(subcommand)]
    Session(session::SessionCommand),
    /// Manage what the tenant adds to the rules of roles
    #[command(subcommand)]
    Policy(policy::PolicyCommand),
    /// Ask who may do what, and why
    #[command(subcommand)]
    Access(access::AccessCommand),

    /// Manage profiles of servers and keys
    #[command(subcommand)]
    Profile(profile::ProfileCommand),
    /// Look for what is missing or wrong
    Doctor(doctor::DoctorArgs),
    /// Print a completion script for a shell
    Completions(completions::CompletionsArgs),
    /// Print versions
    Version(version::VersionArgs),

    /// Print the reference of this command line as Markdown
    #[command(hide = true)]
    Reference(reference::ReferenceArgs),
}

impl Command {
    /// Whether the command minds Ctrl-C itself.
    pub(crate) const fn handles_signals(&self) -> bool {
        match self {
            Self::Serve(_) | Self::Dev(_) => true,
            Self::Logs(args) => args.follow,
            _ => false,
        }
    }
}
