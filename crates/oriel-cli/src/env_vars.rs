//! Every environment variable that this binary itself reads. The server's settings declare theirs with clap.

/// Address of the server.
pub(crate) const ORIEL_URL: &str = "ORIEL_URL";
/// API key.
pub(crate) const ORIEL_API_KEY: &str = "ORIEL_API_KEY";
/// Name of the profile to use.
pub(crate) const ORIEL_PROFILE: &str = "ORIEL_PROFILE";
/// Where the profile file's directory lies (`oriel/config.toml` is added); `~/.config` when unset.
pub(crate) const XDG_CONFIG_HOME: &str = "XDG_CONFIG_HOME";
/// No colours when set to anything (<https://no-color.org>).
pub(crate) const NO_COLOR: &str = "NO_COLOR";

/// Reads one; empty counts as unset.
pub(crate) fn read(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}
