//! `oriel profile list|set|use|remove`.

use clap::{Args, Subcommand};
use oriel_model::ErrorCode;
use serde_json::json;

use crate::client::shown;
use crate::context::Context;
use crate::error::{Failure, Result};
use crate::input;
use crate::settings::{Profile, Profiles, Secret, parse_server, profile_file, unknown_profile};
use crate::ui::{Paint, Ui};
use crate::view::changed;

/// What to do with profiles.
#[derive(Debug, Subcommand)]
pub(crate) enum ProfileCommand {
    /// List profiles
    List,
    /// Write a profile from --server and --key
    ///
    /// `--key -` reads the key from standard input. On a terminal it is asked for when it is missing.
    Set(SetArgs),
    /// Use a profile when nobody names one
    Use(NameArgs),
    /// Remove a profile
    Remove(NameArgs),
}

/// Which profile to write.
#[derive(Debug, Args)]
pub(crate) struct SetArgs {
    /// Its name
    name: String,
}

/// Which profile is meant.
#[derive(Debug, Args)]
pub(crate) struct NameArgs {
    /// Its name
    name: String,
}

pub(crate) async fn run(context: &Context, command: &ProfileCommand) -> Result<()> {
    let path = profile_file()?;
    let mut profiles = Profiles::load(&path)?;
    let ui = &context.ui;
    match command {
        ProfileCommand::List => list(ui, &profiles),
        ProfileCommand::Set(args) => {
            set(context, &mut profiles, &args.name).await?;
            profiles.save(&path)?;
            changed(
                ui,
                &json!({ "name": args.name, "saved": true }),
                &format!("profile {} is saved in {}", args.name, path.display()),
            )
        }
        ProfileCommand::Use(args) => {
            if !profiles.profiles.contains_key(&args.name) {
                return Err(unknown_profile(&args.name));
            }
            profiles.default = Some(args.name.clone());
            profiles.save(&path)?;
            changed(
                ui,
                &json!({ "name": args.name, "default": true }),
                &format!("profile {} is in use", args.name),
            )
        }
        ProfileCommand::Remove(args) => {
            if profiles.profiles.remove(&args.name).is_none() {
                return Err(unknown_profile(&args.name));
            }
            profiles.default = profiles.default.take().filter(|name| *name != args.name);
            profiles.save(&path)?;
            changed(
                ui,
                &json!({ "name": args.name, "removed": true }),
                &format!("profile {} is removed", args.name),
            )
        }
    }
}

fn list(ui: &Ui, profiles: &Profiles) -> Result<()> {
    let in_use = |name: &str| profiles.default.as_deref() == Some(name);
    if ui.json() {
        let items = profiles.profiles.iter();
        let items: Vec<_> = items
            .map(|(name, profile)| json!({ "name": name, "server": profile.server, "hasKey": profile.key.is_some(), "default": in_use(name) }))
            .collect();
        return ui.document(&json!({ "items": items }));
    }
    let rows = profiles.profiles.iter().map(|(name, profile)| {
        vec![
            (Paint::Good, if in_use(name) { "*".to_owned() } else { String::new() }),
            (Paint::Strong, name.clone()),
            (Paint::Plain, profile.server.clone()),
            (Paint::Plain, if profile.key.is_some() { "yes".to_owned() } else { "no".to_owned() }),
        ]
    });
    ui.table(
        &["", "NAME", "SERVER", "KEY"],
        rows.collect(),
        "there are no profiles; `oriel profile set NAME --server URL` writes one",
    )
}

/// What the flags say, over what the profile said before.
async fn set(context: &Context, profiles: &mut Profiles, name: &str) -> Result<()> {
    let valid = !name.is_empty() && name.len() <= 64 && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'));
    if !valid {
        return Err(Failure::usage(format!(
            "`{name}` cannot be a profile's name: use letters, digits, `-`, `_` and `.`"
        )));
    }
    let before = profiles.profiles.get(name).cloned();
    let server = match (&context.globals.server, &before) {
        (Some(server), _) => shown(&parse_server(server)?).to_owned(),
        (None, Some(before)) => before.server.clone(),
        (None, None) => return Err(Failure::usage("a new profile needs the address of its server: pass `--server URL`")),
    };
    let same_server = before.as_ref().is_some_and(|before| before.server == server);
    let key = match context.globals.key.as_deref() {
        Some("-") => Some(Secret::new(&input::text("-").await?.0)),
        Some(key) => Some(Secret::new(key)),
        // A key for the old address is no key for the new one.
        None => match before.and_then(|before| before.key).filter(|_| same_server) {
            Some(key) => Some(key),
            None if Ui::interactive() && !context.ui.json() => Some(Secret::new(&context.ui.ask_secret("API key (empty for none)").await?)),
            None => None,
        },
    };
    let key = key.filter(|key| !key.reveal().is_empty());
    if key
        .as_ref()
        .is_some_and(|key| !key.reveal().bytes().all(|byte| byte.is_ascii_graphic()))
    {
        return Err(Failure::new(ErrorCode::ClientUsage, "the key has characters that no key has"));
    }
    profiles.profiles.insert(name.to_owned(), Profile { server, key });
    if profiles.profiles.len() == 1 {
        profiles.default = Some(name.to_owned());
    }
    Ok(())
}
