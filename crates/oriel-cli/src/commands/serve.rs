//! `oriel serve`.

use std::sync::LazyLock;

use clap::{Arg, ArgMatches, Args, Command, FromArgMatches};
use oriel_server::config::{Config, Setting, settings};
use oriel_server::{Server, Telemetry};
use serde_json::json;

use crate::context::Context;
use crate::error::{Failure, Result};
use crate::signals::Signals;
use crate::ui::Paint;

/// Every setting of the server; clap wants texts that live as long as the process.
static SETTINGS: LazyLock<Vec<Setting>> = LazyLock::new(settings);

/// Settings given as flags, by their key. The server's own list makes the flags.
#[derive(Debug, Default)]
pub(crate) struct ServeArgs {
    flags: Vec<(String, String)>,
}

impl Args for ServeArgs {
    fn augment_args(command: Command) -> Command {
        let command = command.after_help(
            "A flag wins over its environment variable, that over the file, that over the default. Secrets have no flag: \
             ORIEL_BOOTSTRAP_KEY, ORIEL_MASTER_KEY, or the file.",
        );
        SETTINGS.iter().fold(command, |command, setting| {
            let Some(flag) = &setting.flag else { return command };
            let mut words = setting.help.split_whitespace().collect::<Vec<_>>().join(" ");
            words = words.trim_end_matches('.').to_owned();
            let default = if setting.default.is_empty() {
                String::new()
            } else {
                format!(" [default: {}]", setting.default)
            };
            let heading = match setting.key.split_once('.') {
                Some(("limits", _)) => "Ceilings of extensions' limits",
                Some(("retention", _)) => "Retention",
                _ => "Settings",
            };
            let arg = Arg::new(setting.key.as_str())
                .long(flag.as_str())
                .value_name(setting.value_name)
                .help(format!("{words} [environment: {}]{default}", setting.env))
                .help_heading(heading);
            command.arg(arg)
        })
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for ServeArgs {
    fn from_arg_matches(matches: &ArgMatches) -> std::result::Result<Self, clap::Error> {
        let mut args = Self::default();
        args.update_from_arg_matches(matches)?;
        Ok(args)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> std::result::Result<(), clap::Error> {
        self.flags = SETTINGS
            .iter()
            .filter(|setting| setting.flag.is_some())
            .filter_map(|setting| Some((setting.key.clone(), matches.get_one::<String>(&setting.key)?.clone())))
            .collect();
        Ok(())
    }
}

pub(crate) async fn run(context: &Context, args: ServeArgs) -> Result<()> {
    let config = Config::load(args.flags).map_err(|error| Failure::of(&error))?;
    let telemetry = Telemetry::init(&config).map_err(|error| Failure::of(&error))?;
    let server = Server::start(config).await.map_err(|error| Failure::of(&error))?;
    // Minded before anybody knows the address: whoever stops the server at once must find it ready to drain.
    let mut stop = Signals::new()?;
    let ui = &context.ui;
    let address = format!("http://{}", server.addr());
    let key = server.bootstrap_key().map(str::to_owned);
    if ui.json() {
        ui.json_line(&json!({ "address": address, "ownerKey": key }))?;
    } else {
        ui.line(&format!("Oriel listens on {address}"))?;
        if let Some(key) = &key {
            ui.line("")?;
            ui.line("The owner key of tenant `default`, shown this once:")?;
            ui.line("")?;
            ui.line(&format!("  {}", ui.paint(Paint::Strong, key)))?;
            ui.line("")?;
            ui.line(&format!("Keep it: export ORIEL_API_KEY={key}"))?;
        }
    }
    stop.next().await;
    // Who asks a second time does not want to wait for the drain.
    tokio::select! {
        () = server.shutdown() => {}
        () = stop.next() => {}
    }
    // The exporter blocks until its last traces are sent.
    let _ = tokio::task::spawn_blocking(move || telemetry.shutdown()).await;
    Ok(())
}
