//! `oriel dev`: build, install, watch, reload. Everything but the component's own build takes well under a second.

mod local;
mod tail;
mod watch;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use oriel_model::ErrorCode;
use oriel_model::permissions::Permissions;
use semver::{BuildMetadata, Prerelease, Version};
use serde_json::{Value, json};

use self::tail::Tail;
use self::watch::Watch;
use crate::client::{Client, PACKAGE, shown};
use crate::commands::install::Consent;
use crate::context::Context;
use crate::error::{Failure, Result};
use crate::project;
use crate::signals::Signals;
use crate::ui::{Paint, Ui, clean};
use crate::view::{Extension, by_kind, parts};

/// Watches `dir` until it is asked to stop, which is how a session ends: no failure. On a server of its own when nobody
/// chose one: that one lives in a temporary directory and ends with the session.
pub(crate) async fn run(context: &Context, dir: &Path, consent: &Consent, level: &'static str) -> Result<()> {
    let mut stop = Signals::new()?;
    let ui = &context.ui;
    let connection = context.connection()?;
    let mut local = None;
    let client = if connection.is_chosen() {
        Client::new(&connection)?
    } else {
        let started = local::start().await?;
        let client = Client::new(started.connection())?;
        started.introduce(ui);
        local = Some(started);
        client
    };
    let mut session = Session {
        ui,
        client,
        dir: dir.to_owned(),
        consent: local.is_none().then_some(consent),
        level,
        live: None,
        tail: None,
    };
    let ended = tokio::select! {
        result = session.watch() => result,
        () = stop.next() => Ok(()),
    };
    drop(session);
    if let Some(local) = local {
        // Who asks a second time does not want to wait for calls in flight.
        tokio::select! {
            () = local.stop() => {}
            () = stop.next() => {}
        }
    }
    ended
}

/// What one `oriel dev` knows.
struct Session<'a> {
    ui: &'a Ui,
    client: Client,
    dir: PathBuf,
    /// How permissions are settled; nothing on a server of our own, where they are granted.
    consent: Option<&'a Consent>,
    level: &'static str,
    live: Option<Live>,
    tail: Option<Tail>,
}

/// What runs at present.
struct Live {
    version: Version,
    /// Digest of the package as the author wrote it, before the version was changed.
    source: oriel_model::Digest,
    granted: Permissions,
}

impl Session<'_> {
    /// Round after round, until something is in the way of all of them.
    async fn watch(&mut self) -> Result<()> {
        let mut watch = Watch::new(&self.dir)?;
        loop {
            match self.round().await {
                Ok(()) => {}
                // Without a server there is nothing to wait for.
                Err(failure) if failure.is(ErrorCode::ClientUnreachable) || failure.is(ErrorCode::ClientDeclined) => return Err(failure),
                Err(failure) => {
                    failure.print(self.ui);
                    self.ui.note(&self.ui.paint_error(Paint::Faint, "waiting for a change"));
                }
            }
            watch.changed().await?;
        }
    }

    /// Builds, and puts in force what was built if it is new.
    async fn round(&mut self) -> Result<()> {
        let report = project::build(self.ui, &self.dir, false).await?;
        let begun = Instant::now();
        let mut package = project::package(&self.dir)?;
        let source = project::pack(&package)?.digest;
        if self.live.as_ref().is_some_and(|live| live.source == source) {
            self.ui.note(&self.ui.paint_error(Paint::Faint, "nothing changed"));
            return Ok(());
        }
        let name = package.manifest.name.to_string();
        let present = match self.client.get(&["extensions", &name]).send::<Value>().await {
            Ok(present) => Some(parts::<Extension>(&present)),
            Err(failure) if failure.is(ErrorCode::ExtensionNotFound) => None,
            Err(failure) => return Err(failure),
        };
        let written = package.manifest.version.clone();
        let running = self.live.as_ref().map(|live| live.version.clone());
        let running = running.or_else(|| present.as_ref().and_then(|present| present.version.parse().ok()));
        package.manifest.version = next_version(&written, running.as_ref());
        let asked = package.manifest.permissions.clone();
        if let Some(consent) = self.consent {
            let granted = self.live.as_ref().map(|live| live.granted.clone());
            let granted = granted
                .or_else(|| present.as_ref().map(|present| present.grant.clone()))
                .unwrap_or_default();
            consent
                .settle(self.ui, &format!("{name} {written}"), &asked.beyond(&granted))
                .await?;
        }
        let version = package.manifest.version.clone();
        let loaded = project::pack(&package)?;
        let call = match present {
            None => self.client.post(&["extensions"]),
            Some(_) => self.client.post(&["extensions", &name, "upgrade"]),
        };
        let reply: Value = call.query("grant", true).body(loaded.bytes, PACKAGE).send().await?;
        self.live = Some(Live {
            version: version.clone(),
            source,
            granted: asked,
        });
        let live: Extension = parts(&reply);
        self.say(&name, &version, &live, report.took, begun.elapsed())?;
        if self.tail.is_none() {
            self.tail = Some(Tail::start(self.ui.clone(), self.client.clone(), name, self.level));
        }
        Ok(())
    }

    fn say(&self, name: &str, version: &Version, live: &Extension, build: Duration, reload: Duration) -> Result<()> {
        if self.ui.json() {
            let contributions = live.contributions.iter();
            let contributions: Vec<_> = contributions.map(|it| json!({ "kind": it.kind, "name": it.name })).collect();
            return self.ui.json_line(&json!({
                "event": "live",
                "extension": name,
                "version": version,
                "state": live.state,
                "contributions": contributions,
                "server": shown(self.client.server()),
                "buildMs": build.as_millis() as u64,
                "reloadMs": reload.as_millis() as u64,
            }));
        }
        let (build, reload) = (build.as_secs_f64(), reload.as_secs_f64());
        let times = self
            .ui
            .paint(Paint::Faint, &format!("built in {build:.2} s, reloaded in {reload:.2} s"));
        self.ui
            .line(&format!("{}  {name} {version}  {times}", self.ui.paint(Paint::Good, "live")))?;
        let contributes = clean(&by_kind(&live.contributions)).into_owned();
        self.ui.line(&format!("      {}", self.ui.paint(Paint::Faint, &contributes)))?;
        if live.state == "disabled" {
            self.ui.note(&format!(
                "it is disabled: it may need a configuration; see `oriel configure {name} --help`"
            ));
        }
        Ok(())
    }
}

/// The version of the next reload: `1.2.3-dev.N`, counting on from what runs.
fn next_version(written: &Version, running: Option<&Version>) -> Version {
    let prefix = if written.pre.is_empty() {
        "dev".to_owned()
    } else {
        format!("{}.dev", written.pre)
    };
    let count = running
        .filter(|running| (running.major, running.minor, running.patch) == (written.major, written.minor, written.patch))
        .and_then(|running| running.pre.strip_prefix(&prefix)?.strip_prefix('.')?.parse::<u64>().ok())
        .unwrap_or(0);
    let pre = Prerelease::new(&format!("{prefix}.{}", count + 1)).unwrap_or(Prerelease::EMPTY);
    Version {
        pre,
        build: BuildMetadata::EMPTY,
        ..written.clone()
    }
}

impl From<notify::Error> for Failure {
    fn from(error: notify::Error) -> Self {
        Self::new(ErrorCode::ClientFile, format!("the project cannot be watched: {error}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_count_up() {
        let next = |written: &str, running: Option<&str>| {
            let running = running.map(|text| text.parse().unwrap());
            next_version(&written.parse().unwrap(), running.as_ref()).to_string()
        };
        assert_eq!(next("0.1.0", None), "0.1.0-dev.1");
        assert_eq!(next("0.1.0", Some("0.1.0")), "0.1.0-dev.1");
        assert_eq!(next("0.1.0", Some("0.1.0-dev.9")), "0.1.0-dev.10");
        assert_eq!(next("0.2.0", Some("0.1.0-dev.9")), "0.2.0-dev.1");
        assert_eq!(next("1.0.0-rc.1", Some("1.0.0-rc.1.dev.2")), "1.0.0-rc.1.dev.3");
    }
}
