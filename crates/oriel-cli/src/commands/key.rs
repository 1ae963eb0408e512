//! `oriel key create|list|revoke`.

use clap::{Args, Subcommand, ValueEnum};
use oriel_model::ErrorCode;
use oriel_model::limits::TimeSpan;
use oriel_model::time::{Clock as _, SystemClock};
use oriel_model::{Timestamp, access::Scope};
use serde_json::{Value, json};

use crate::context::Context;
use crate::error::{Failure, Result};
use crate::ui::Paint;
use crate::view::{changed, short_moment, text};

/// What to do with API keys.
#[derive(Debug, Subcommand)]
pub(crate) enum KeyCommand {
    /// Create a key and print it, this once
    Create(CreateArgs),
    /// List keys, without their secrets
    List,
    /// Revoke a key; it is refused from then on
    Revoke(RevokeArgs),
}

/// What the key may do.
#[derive(Debug, Args)]
pub(crate) struct CreateArgs {
    /// What it is for, for people
    name: String,
    /// What it may do at most
    #[arg(long, value_enum, default_value = "developer")]
    role: Role,
    /// Narrow it to this scope; may be given more than once
    #[arg(long = "scope", value_name = "SCOPE", value_parser = scopes())]
    scopes: Vec<String>,
    /// The service account that shall own it, by name or id
    #[arg(long, value_name = "NAME")]
    service_account: Option<String>,
    /// Requests in a second that it may make, in the long run
    #[arg(long, value_name = "N")]
    rate: Option<u32>,
    /// Requests at once after a rest; as many as a second allows when nothing is said
    #[arg(long, value_name = "N", requires = "rate")]
    burst: Option<u32>,
    /// When it ends: a span such as 720h, or a moment such as 2027-01-01T00:00:00Z
    #[arg(long, value_name = "SPAN|TIME")]
    expires: Option<String>,
}

/// Which key to revoke.
#[derive(Debug, Args)]
pub(crate) struct RevokeArgs {
    /// The key's id, key_…
    id: String,
    /// Do not ask
    #[arg(long, short)]
    yes: bool,
}

/// Roles, the least first.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum Role {
    /// Reads
    Viewer,
    /// Calls and manages tasks
    Developer,
    /// Installs, grants, configures, manages keys
    Admin,
    /// Everything
    Owner,
}

impl Role {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Developer => "developer",
            Self::Admin => "admin",
            Self::Owner => "owner",
        }
    }
}

fn scopes() -> clap::builder::PossibleValuesParser {
    Scope::ALL.map(Scope::as_str).into()
}

/// The moment that `--expires` means.
fn expiry(given: &str, now: Timestamp) -> Result<Timestamp> {
    if let Ok(span) = given.parse::<TimeSpan>() {
        let ms = i64::try_from(span.0.as_millis()).unwrap_or(i64::MAX);
        return Ok(Timestamp::from_millis(now.millis().saturating_add(ms)));
    }
    given.parse().map_err(|_| {
        Failure::usage(format!("`{given}` is neither a span of time nor a moment"))
            .help("write it as `--expires 720h` or `--expires 2027-01-01T00:00:00Z`")
    })
}

pub(crate) async fn run(context: &Context, command: &KeyCommand) -> Result<()> {
    match command {
        KeyCommand::Create(args) => create(context, args).await,
        KeyCommand::List => list(context).await,
        KeyCommand::Revoke(args) => revoke(context, args).await,
    }
}

async fn create(context: &Context, args: &CreateArgs) -> Result<()> {
    let mut body = json!({ "name": args.name, "role": args.role.as_str() });
    if !args.scopes.is_empty() {
        body["scopes"] = json!(args.scopes);
    }
    if let Some(account) = &args.service_account {
        body["serviceAccount"] = json!(account);
    }
    if let Some(rate) = args.rate {
        body["rateLimit"] = json!({ "requestsPerSecond": rate, "burst": args.burst.unwrap_or(rate) });
    }
    if let Some(given) = &args.expires {
        body["expiresAt"] = json!(expiry(given, SystemClock.now())?);
    }
    let reply: Value = context.client()?.post(&["keys"]).json(&body).send().await?;
    if context.ui.json() {
        return context.ui.document(&reply);
    }
    context.ui.note(&format!(
        "{} may act as {} from now on. It is shown this once:",
        text(&reply, "name"),
        text(&reply, "role")
    ));
    // The secret alone on standard output: `ORIEL_API_KEY=$(oriel key create ci)` works.
    context.ui.line(&text(&reply, "secret"))
}

async fn list(context: &Context) -> Result<()> {
    let items = context.client()?.list(&["keys"], &[], 10_000).await?;
    if context.ui.json() {
        return context.ui.document(&json!({ "items": items }));
    }
    let now = SystemClock.now().to_string();
    let rows = items
        .iter()
        .map(|item| {
            let (revoked, expires) = (text(item, "revokedAt"), text(item, "expiresAt"));
            let (paint, state) = match () {
                () if !revoked.is_empty() => (Paint::Faint, "revoked"),
                () if !expires.is_empty() && expires <= now => (Paint::Warn, "expired"),
                () => (Paint::Good, "active"),
            };
            let scopes = item.get("scopes").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
            let scopes: Vec<&str> = scopes.iter().filter_map(Value::as_str).collect();
            vec![
                (Paint::Plain, text(item, "id")),
                (Paint::Strong, text(item, "name")),
                (Paint::Plain, text(item, "role")),
                (
                    Paint::Plain,
                    if scopes.is_empty() {
                        "all of its role".to_owned()
                    } else {
                        scopes.join(" ")
                    },
                ),
                (paint, state.to_owned()),
                (Paint::Faint, short_moment(&expires)),
            ]
        })
        .collect();
    context
        .ui
        .table(&["ID", "NAME", "ROLE", "SCOPES", "STATE", "EXPIRES"], rows, "there are no keys")
}

async fn revoke(context: &Context, args: &RevokeArgs) -> Result<()> {
    if !context.ui.sure(args.yes, &format!("Revoke {}?", args.id)).await? {
        return Err(Failure::new(ErrorCode::ClientDeclined, format!("{} stays valid", args.id)));
    }
    context.client()?.delete(&["keys", &args.id]).done().await?;
    changed(
        &context.ui,
        &json!({ "id": args.id, "revoked": true }),
        &format!("{} is revoked", args.id),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expiry_is_a_span_or_a_moment() {
        let now = Timestamp::from_millis(1_000);
        assert_eq!(expiry("2h", now).unwrap(), Timestamp::from_millis(7_201_000));
        assert_eq!(expiry("1970-01-01T00:00:05Z", now).unwrap(), Timestamp::from_millis(5_000));
        assert!(expiry("soon", now).is_err());
    }
}
