//! `oriel doctor`.

use std::time::Duration;

use clap::Args;
use oriel_model::ErrorCode;
use serde_json::{Value, json};

use crate::client::{Client, shown};
use crate::context::Context;
use crate::error::{Failure, Result};
use crate::settings::{Connection, profile_file};
use crate::ui::{Paint, clean};
use crate::view::text;

/// What to look at.
#[derive(Debug, Args)]
pub(crate) struct DoctorArgs {
    /// Look at the tools for building only, not at a server
    #[arg(long)]
    offline: bool,
}

/// How something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Good,
    /// Missing, and needed only for some work.
    Warn,
    Bad,
}

/// One thing that was looked at.
struct Look {
    what: &'static str,
    state: State,
    found: String,
    help: String,
}

impl Look {
    fn good(what: &'static str, found: impl Into<String>) -> Self {
        Self {
            what,
            state: State::Good,
            found: found.into(),
            help: String::new(),
        }
    }

    fn warn(what: &'static str, found: impl Into<String>, help: impl Into<String>) -> Self {
        Self {
            what,
            state: State::Warn,
            found: found.into(),
            help: help.into(),
        }
    }

    fn bad(what: &'static str, found: impl Into<String>, help: impl Into<String>) -> Self {
        Self {
            what,
            state: State::Bad,
            found: found.into(),
            help: help.into(),
        }
    }
}

pub(crate) async fn run(context: &Context, args: &DoctorArgs) -> Result<()> {
    let mut looks = vec![Look::good("oriel", env!("CARGO_PKG_VERSION"))];
    looks.extend(toolchains().await);
    looks.push(profiles());
    if !args.offline {
        match context.connection() {
            Err(failure) => looks.push(Look::bad("server", failure.message(), "")),
            Ok(connection) => looks.extend(server(&connection).await),
        }
    }
    show(context, &looks)?;
    let bad = looks.iter().filter(|look| look.state == State::Bad).count();
    if bad == 0 {
        Ok(())
    } else {
        Err(Failure::new(
            ErrorCode::ClientCheckFailed,
            format!("{bad} of {} checks failed", looks.len()),
        ))
    }
}

fn show(context: &Context, looks: &[Look]) -> Result<()> {
    let word = |state| match state {
        State::Good => (Paint::Good, "ok"),
        State::Warn => (Paint::Warn, "missing"),
        State::Bad => (Paint::Bad, "bad"),
    };
    if context.ui.json() {
        let checks: Vec<_> = looks
            .iter()
            .map(|look| json!({ "check": look.what, "state": word(look.state).1, "found": look.found, "help": look.help }))
            .collect();
        return context.ui.document(&json!({ "checks": checks }));
    }
    for look in looks {
        let (paint, word) = word(look.state);
        context.ui.line(&format!(
            "{}  {:<12}  {}",
            context.ui.paint(paint, &format!("{word:<7}")),
            look.what,
            clean(&look.found)
        ))?;
        if !look.help.is_empty() {
            context
                .ui
                .line(&format!("{:23}{}", "", context.ui.paint(Paint::Faint, &look.help)))?;
        }
    }
    Ok(())
}

/// Programs that builds call, one after the other: each answers in milliseconds.
async fn toolchains() -> Vec<Look> {
    let ask = |program: &'static str, arguments: &'static [&'static str]| async move {
        let mut command = tokio::process::Command::new(program);
        command.args(arguments).stdin(std::process::Stdio::null()).kill_on_drop(true);
        let output = tokio::time::timeout(Duration::from_secs(10), command.output()).await.ok()?.ok()?;
        output
            .status
            .success()
            .then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let mut looks = Vec::new();
    looks.push(match ask("cargo", &["--version"]).await {
        None => Look::warn(
            "rust",
            "cargo is not there",
            "for extensions in Rust: install it from https://rustup.rs",
        ),
        Some(version) => match ask("rustc", &["--print", "target-libdir", "--target", "wasm32-wasip2"]).await {
            Some(dir) if std::path::Path::new(&dir).is_dir() => Look::good("rust", format!("{version}, with wasm32-wasip2")),
            _ => Look::warn(
                "rust",
                format!("{version}, without wasm32-wasip2"),
                "for extensions in Rust: rustup target add wasm32-wasip2",
            ),
        },
    });
    looks.push(match ask("python3", &["--version"]).await {
        Some(version) => Look::good("python", version),
        None => Look::warn(
            "python",
            "python3 is not there",
            "for extensions in Python: install Python 3.10 or newer",
        ),
    });
    looks.push(match (ask("node", &["--version"]).await, ask("npm", &["--version"]).await) {
        (Some(node), Some(npm)) => Look::good("node", format!("node {node}, npm {npm}")),
        (node, _) => {
            let missing = if node.is_some() { "npm" } else { "node" };
            Look::warn(
                "node",
                format!("{missing} is not there"),
                "for extensions in JavaScript: install Node.js 20 or newer",
            )
        }
    });
    looks
}

/// Whether the profile file keeps its keys to itself.
fn profiles() -> Look {
    let path = match profile_file() {
        Ok(path) => path,
        Err(failure) => return Look::warn("profiles", failure.message(), ""),
    };
    match std::fs::metadata(&path) {
        Err(_) => Look::good("profiles", format!("none ({})", path.display())),
        #[cfg(unix)]
        Ok(about) if std::os::unix::fs::PermissionsExt::mode(&about.permissions()) & 0o077 != 0 => Look::bad(
            "profiles",
            format!("others can read {}, and the keys in it", path.display()),
            format!("chmod 600 {}", path.display()),
        ),
        Ok(_) => match crate::settings::Profiles::load(&path) {
            Ok(profiles) => Look::good("profiles", format!("{} in {}", profiles.profiles.len(), path.display())),
            Err(failure) => Look::bad(
                "profiles",
                failure.message(),
                "correct the file, or remove it and set the profiles again",
            ),
        },
    }
}

/// Whether the server answers, in which version, and what the key may do.
async fn server(connection: &Connection) -> Vec<Look> {
    let place = format!("{} ({})", shown(&connection.server), connection.server_origin);
    let client = match Client::new(connection) {
        Ok(client) => client,
        Err(failure) => return vec![Look::bad("server", failure.message(), "")],
    };
    let patience = Duration::from_secs(10);
    let health: Value = match client.get(&["health"]).once().timeout(patience).send().await {
        Ok(health) => health,
        Err(failure) => return vec![Look::bad("server", failure.message(), help_of(&failure))],
    };
    let ready = health.get("ready").and_then(Value::as_bool).unwrap_or(false);
    let mut looks = vec![if ready {
        Look::good("server", place)
    } else {
        Look::bad("server", format!("{place} is not ready: {health}"), "look at its log")
    }];
    let (own, theirs) = (env!("CARGO_PKG_VERSION"), text(&health, "version"));
    looks.push(if own == theirs {
        Look::good("version", theirs)
    } else {
        Look::warn(
            "version",
            format!("the server has {theirs}, this is {own}"),
            "use the same release of both where you can",
        )
    });
    if connection.key.is_none() {
        looks.push(Look::warn(
            "key",
            "no key is set",
            "pass ORIEL_API_KEY or make a profile: oriel profile set NAME --server URL",
        ));
        return looks;
    }
    match client.get(&["me"]).once().timeout(patience).send::<Value>().await {
        Ok(me) => {
            let tenant = me.get("tenant").map(|tenant| text(tenant, "name")).unwrap_or_default();
            looks.push(Look::good(
                "key",
                format!("{} of tenant {tenant} ({})", text(&me, "role"), connection.key_origin),
            ));
        }
        Err(failure) => looks.push(Look::bad("key", failure.message(), help_of(&failure))),
    }
    looks
}

fn help_of(failure: &Failure) -> String {
    ErrorCode::from_text(failure.code())
        .map(|code| code.cure().to_owned())
        .unwrap_or_default()
}
