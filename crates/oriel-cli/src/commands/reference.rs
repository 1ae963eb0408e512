//! `oriel reference`: pages of the book, made from the command line itself. Hidden: only the book's build calls it.

use std::fmt::Write as _;

use clap::{Args, Command, CommandFactory as _, ValueEnum};

use crate::args::Cli;
use crate::context::Context;
use crate::error::Result;
use crate::exit::Exit;

/// Which page to print.
#[derive(Debug, Args)]
pub(crate) struct ReferenceArgs {
    /// The page
    #[arg(value_enum, default_value = "cli")]
    page: Page,
}

/// Pages of the book.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Page {
    /// Every command
    Cli,
    /// Exit statuses
    ExitCodes,
}

pub(crate) fn run(context: &Context, args: &ReferenceArgs) -> Result<()> {
    let page = match args.page {
        Page::Cli => cli_page(),
        Page::ExitCodes => Exit::page(),
    };
    context.ui.line(page.trim_end())
}

/// The whole tree of commands as Markdown.
fn cli_page() -> String {
    let mut root = Cli::command();
    root.build();
    let mut page = String::from(
        "# Command line\n\nOne binary, `oriel`, is the server, the author's tools and the client. Results go to standard output, \
         everything else to standard error. [Exit statuses](exit-codes.md) are the same for every command.\n\n",
    );
    page.push_str("## Server, key and profiles\n\nEach is taken from the first of these that says something:\n\n");
    page.push_str("1. the flags `--server`, `--key`, `--profile`;\n2. the variables `ORIEL_URL`, `ORIEL_API_KEY`, `ORIEL_PROFILE`;\n");
    page.push_str("3. the profile in use (`oriel profile use NAME`), kept in `~/.config/oriel/config.toml`, which nobody else can read;\n");
    page.push_str("4. the default, `http://127.0.0.1:7070`, and no key.\n\n");
    page.push_str("A profile's key is sent to that profile's server only.\n\n");
    page.push_str("## Global options\n\n");
    let hidden = ["help", "version"];
    let globals: Vec<_> = root
        .get_arguments()
        .filter(|arg| !hidden.contains(&arg.get_id().as_str()))
        .collect();
    page.push_str(&options(&globals));
    page.push_str("\n## Commands\n\n| command | does |\n|---|---|\n");
    let visible = |command: &&Command| !command.is_hide_set() && command.get_name() != "help";
    for command in root.get_subcommands().filter(visible) {
        let name = command.get_name();
        let _ = writeln!(page, "| [`oriel {name}`](#oriel-{name}) | {} |", about(command));
    }
    for command in root.get_subcommands().filter(visible) {
        section(&mut page, command, "oriel", 3);
    }
    page
}

fn about(command: &Command) -> String {
    command.get_about().map(ToString::to_string).unwrap_or_default().replace('|', "\\|")
}

fn section(page: &mut String, command: &Command, parent: &str, level: usize) {
    let name = format!("{parent} {}", command.get_name());
    let _ = write!(page, "\n{} `{name}`\n\n", "#".repeat(level));
    let text = command
        .get_long_about()
        .or_else(|| command.get_about())
        .map(ToString::to_string)
        .unwrap_or_default();
    let _ = writeln!(page, "{}\n", text.trim_end_matches('.').to_owned() + ".");
    let usage = command.clone().render_usage().to_string();
    let usage = usage.trim_start_matches("Usage: ").trim();
    let _ = writeln!(page, "```text\n{usage}\n```");
    let own = |arg: &&clap::Arg| !arg.is_global_set() && !arg.is_hide_set() && !["help", "version"].contains(&arg.get_id().as_str());
    let positional: Vec<_> = command.get_positionals().filter(own).collect();
    let optional: Vec<_> = command.get_arguments().filter(|arg| !arg.is_positional()).filter(own).collect();
    let arguments: Vec<_> = positional.into_iter().chain(optional).collect();
    if !arguments.is_empty() {
        let _ = write!(page, "\n{}", options(&arguments));
    }
    if let Some(text) = command.get_after_help() {
        let _ = writeln!(page, "\n{text}");
    }
    for inner in command
        .get_subcommands()
        .filter(|command| !command.is_hide_set() && command.get_name() != "help")
    {
        section(page, inner, &name, level + 1);
    }
}

/// Arguments as a table.
fn options(arguments: &[&clap::Arg]) -> String {
    let mut table = String::from("| argument | meaning |\n|---|---|\n");
    for arg in arguments {
        let value = if arg.get_action().takes_values() {
            let names = arg.get_value_names().map(|names| names.join(" ")).unwrap_or_default();
            if arg.is_positional() { names } else { format!(" <{names}>") }
        } else {
            String::new()
        };
        let short = arg.get_short().map(|short| format!("-{short}, ")).unwrap_or_default();
        let long = arg.get_long().map(|long| format!("--{long}")).unwrap_or_default();
        let mut help = arg.get_help().map(ToString::to_string).unwrap_or_default();
        let values: Vec<_> = arg
            .get_possible_values()
            .iter()
            .filter(|value| !value.is_hide_set() && arg.get_action().takes_values())
            .map(|value| format!("`{}`", value.get_name()))
            .collect();
        if !values.is_empty() {
            let _ = write!(help, ": {}", values.join(", "));
        }
        let defaults: Vec<_> = arg
            .get_default_values()
            .iter()
            .map(|value| format!("`{}`", value.to_string_lossy()))
            .collect();
        if !defaults.is_empty() && arg.get_action().takes_values() {
            let _ = write!(help, " (default {})", defaults.join(", "));
        }
        let _ = writeln!(
            table,
            "| `{short}{long}{}` | {} |",
            value.replace('|', "\\|"),
            help.replace('|', "\\|")
        );
    }
    table
}
