//! Which server, which key: flags, environment, profiles, default, in this order.
//!
//! A profile's key goes only to that profile's server: naming another address with `--server` or `ORIEL_URL` never
//! sends it there.

use std::collections::BTreeMap;
use std::fmt;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use oriel_model::ErrorCode;
use serde::{Deserialize, Serialize};
use url::Url;

use crate::env_vars;
use crate::error::{Failure, Result};

/// The server when nobody names one.
pub(crate) const DEFAULT_SERVER: &str = "http://127.0.0.1:7070";

/// A text that is never printed.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Secret(String);

impl Secret {
    /// Wraps it, without the white space around it.
    pub(crate) fn new(text: &str) -> Self {
        Self(text.trim().to_owned())
    }

    /// The text itself, for the one place that sends it.
    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(secret)")
    }
}

/// One profile.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Profile {
    /// Address of the server.
    pub(crate) server: String,
    /// Key for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) key: Option<Secret>,
}

/// The profile file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Profiles {
    /// The profile in use when nobody names one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) default: Option<String>,
    /// By name.
    #[serde(default)]
    pub(crate) profiles: BTreeMap<String, Profile>,
}

/// The flags that name a server and a key.
#[derive(Debug, Clone, Default)]
pub(crate) struct Flags {
    /// `--server`.
    pub(crate) server: Option<String>,
    /// `--key`.
    pub(crate) key: Option<String>,
    /// `--profile`.
    pub(crate) profile: Option<String>,
}

/// Where a value came from, for `oriel doctor`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Origin {
    /// A flag.
    Flag,
    /// An environment variable.
    Environment(&'static str),
    /// A profile.
    Profile(String),
    /// Nobody said; the default.
    Default,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag => f.write_str("flag"),
            Self::Environment(name) => f.write_str(name),
            Self::Profile(name) => write!(f, "profile {name}"),
            Self::Default => f.write_str("default"),
        }
    }
}

/// The server and key in force.
#[derive(Debug, Clone)]
pub(crate) struct Connection {
    /// Address, without `/api`.
    pub(crate) server: Url,
    /// Who said so.
    pub(crate) server_origin: Origin,
    /// The key, if there is one.
    pub(crate) key: Option<Secret>,
    /// Who said so.
    pub(crate) key_origin: Origin,
}

impl Connection {
    /// Whether anybody named a server at all.
    pub(crate) fn is_chosen(&self) -> bool {
        self.server_origin != Origin::Default || self.key.is_some()
    }

    /// Settles it.
    ///
    /// # Errors
    /// When the profile file or an address cannot be used, or the named profile does not exist.
    pub(crate) fn resolve(flags: &Flags, profiles: &Profiles, env: &dyn Fn(&str) -> Option<String>) -> Result<Self> {
        let named = flags.profile.clone().map(|name| (name, true));
        let named = named.or_else(|| env(env_vars::ORIEL_PROFILE).map(|name| (name, false)));
        let (name, by_flag) = match named {
            Some((name, by_flag)) => (Some(name), by_flag),
            None => (profiles.default.clone(), false),
        };
        let profile = match &name {
            None => None,
            Some(name) => Some(profiles.profiles.get(name).ok_or_else(|| unknown_profile(name))?),
        };
        let from_profile = || profile.map(|profile| (profile.server.clone(), Origin::Profile(name.clone().unwrap_or_default())));
        let from_env = || env(env_vars::ORIEL_URL).map(|server| (server, Origin::Environment(env_vars::ORIEL_URL)));
        let from_flag = flags.server.clone().map(|server| (server, Origin::Flag));
        // A profile named by a flag is a flag, too: it wins over the environment.
        let chosen = if by_flag {
            from_flag.or_else(from_profile)
        } else {
            from_flag.or_else(from_env).or_else(from_profile)
        };
        let (server, server_origin) = chosen.unwrap_or_else(|| (DEFAULT_SERVER.to_owned(), Origin::Default));
        let server = parse_server(&server)?;

        let key_flag = flags.key.as_deref().map(|key| (Secret::new(key), Origin::Flag));
        let key_env = || env(env_vars::ORIEL_API_KEY).map(|key| (Secret::new(&key), Origin::Environment(env_vars::ORIEL_API_KEY)));
        let key_profile = || {
            let profile = profile?;
            let same = parse_server(&profile.server).is_ok_and(|own| own == server);
            let key = profile.key.clone().filter(|_| same)?;
            Some((key, Origin::Profile(name.clone().unwrap_or_default())))
        };
        let key = if by_flag {
            key_flag.or_else(key_profile).or_else(key_env)
        } else {
            key_flag.or_else(key_env).or_else(key_profile)
        };
        let (key, key_origin) = match key {
            Some((key, origin)) => (Some(key), origin),
            None => (None, Origin::Default),
        };
        Ok(Self {
            server,
            server_origin,
            key,
            key_origin,
        })
    }
}

/// No such profile.
pub(crate) fn unknown_profile(name: &str) -> Failure {
    Failure::new(ErrorCode::ClientSettings, format!("there is no profile `{name}`"))
}

/// Reads an address: a scheme is added when it is missing, a trailing `/api/v1` is taken off.
pub(crate) fn parse_server(text: &str) -> Result<Url> {
    let text = text.trim();
    let bad = |why: &str| {
        Failure::usage(format!("`{text}` is not the address of a server: {why}"))
            .help("write it as `http://127.0.0.1:7070` or `https://oriel.example.com`")
    };
    let full = if text.contains("://") {
        text.to_owned()
    } else {
        format!("http://{text}")
    };
    let mut url = Url::parse(&full).map_err(|error| bad(&error.to_string()))?;
    if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
        return Err(bad("the scheme must be http or https"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(bad(
            "a user or password does not belong there; pass a key with `--key` or `ORIEL_API_KEY`",
        ));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(bad("it has a query or fragment"));
    }
    let path = url.path().trim_end_matches('/');
    let path = path
        .strip_suffix("/api/v1")
        .or_else(|| path.strip_suffix("/api"))
        .unwrap_or(path)
        .to_owned();
    url.set_path(&path);
    Ok(url)
}

/// Where the profile file is.
pub(crate) fn profile_file() -> Result<PathBuf> {
    let base = match env_vars::read(env_vars::XDG_CONFIG_HOME) {
        Some(dir) => PathBuf::from(dir),
        None => std::env::home_dir()
            .filter(|home| !home.as_os_str().is_empty())
            .map(|home| home.join(".config"))
            .ok_or_else(|| Failure::new(ErrorCode::ClientSettings, "there is no home directory to keep profiles in"))?,
    };
    Ok(base.join("oriel").join("config.toml"))
}

impl Profiles {
    /// Reads them; no file means no profiles.
    pub(crate) fn load(path: &Path) -> Result<Self> {
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if matches!(error.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory) => {
                return Ok(Self::default());
            }
            Err(error) => return Err(Failure::new(ErrorCode::ClientSettings, format!("{}: {error}", path.display()))),
        };
        toml::from_str(&text).map_err(|error| {
            // The error's own text quotes the file, which holds keys.
            let at = error.span().map_or(0, |span| span.start.min(text.len()));
            let line = text.as_bytes()[..at].iter().filter(|byte| **byte == b'\n').count() + 1;
            Failure::new(ErrorCode::ClientSettings, format!("{}:{line}: {}", path.display(), error.message()))
        })
    }

    /// Writes them, readable by nobody else, all or nothing.
    pub(crate) fn save(&self, path: &Path) -> Result<()> {
        let failed = |error: &std::io::Error| Failure::file(path, error);
        let dir = path.parent().unwrap_or(Path::new("."));
        std::fs::create_dir_all(dir).map_err(|error| failed(&error))?;
        let text = toml::to_string_pretty(self)
            .map_err(|error| Failure::new(ErrorCode::Internal, format!("the profiles cannot be written: {error}")))?;
        // A temporary file is made with mode 0600 on Unix.
        let mut file = tempfile::NamedTempFile::new_in(dir).map_err(|error| failed(&error))?;
        file.write_all(text.as_bytes()).map_err(|error| failed(&error))?;
        file.as_file().sync_all().map_err(|error| failed(&error))?;
        file.persist(path).map_err(|error| failed(&error.error))?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn profiles() -> Profiles {
        toml::from_str(
            "default = \"home\"\n[profiles.home]\nserver = \"http://home:1\"\nkey = \"k-home\"\n[profiles.work]\nserver = \"https://work\"\nkey = \"k-work\"\n",
        )
        .unwrap()
    }

    fn settle(flags: &Flags, env: &[(&str, &str)]) -> (String, Option<String>) {
        let lookup = |name: &str| env.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
        let connection = Connection::resolve(flags, &profiles(), &lookup).unwrap();
        (connection.server.to_string(), connection.key.map(|key| key.reveal().to_owned()))
    }

    #[test]
    fn flags_win_over_environment_over_profile_over_default() {
        let flag = |server: Option<&str>, key: Option<&str>, profile: Option<&str>| Flags {
            server: server.map(Into::into),
            key: key.map(Into::into),
            profile: profile.map(Into::into),
        };
        let url = ("ORIEL_URL", "http://env:2");
        assert_eq!(
            settle(&flag(None, None, None), &[]),
            ("http://home:1/".into(), Some("k-home".into()))
        );
        assert_eq!(
            settle(&flag(None, None, Some("work")), &[url]),
            ("https://work/".into(), Some("k-work".into()))
        );
        assert_eq!(settle(&flag(None, None, None), &[url]), ("http://env:2/".into(), None));
        assert_eq!(
            settle(&flag(None, None, None), &[url, ("ORIEL_API_KEY", "k-env")]).1,
            Some("k-env".into())
        );
        assert_eq!(
            settle(&flag(Some("flag:3"), Some(" k\n"), None), &[url]),
            ("http://flag:3/".into(), Some("k".into()))
        );
    }

    #[test]
    fn a_profiles_key_goes_to_its_own_server_only() {
        let elsewhere = Flags {
            server: Some("http://elsewhere".into()),
            ..Flags::default()
        };
        assert_eq!(settle(&elsewhere, &[]).1, None);
        let same = Flags {
            server: Some("home:1/api/v1/".into()),
            ..Flags::default()
        };
        assert_eq!(settle(&same, &[]).1, Some("k-home".into()));
    }

    #[test]
    fn addresses() {
        assert_eq!(parse_server("localhost:7070").unwrap().as_str(), "http://localhost:7070/");
        assert_eq!(parse_server("https://x/oriel/api/v1").unwrap().as_str(), "https://x/oriel");
        for bad in ["ftp://x", "http://user:pw@x", "", "http://x/?a=1", "http://"] {
            assert!(parse_server(bad).is_err(), "{bad}");
        }
    }
}
