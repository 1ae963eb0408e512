//! Secrets of extensions: values that an administrator sets and nobody reads again, but for the requests that they are put into.

use std::collections::{BTreeMap, HashMap};

use oriel_access::{Access, Sealer};
use oriel_model::Timestamp;
use oriel_model::access::{Principal, Scope};
use oriel_model::id::TenantId;
use oriel_model::installation::{Installation, StoredSecret};
use oriel_model::name::{ExtensionName, SecretName};
use oriel_model::permissions::HostPattern;
use oriel_sandbox::{SecretUse, SecretValue, Secrets};

use crate::change::Change;
use crate::refusals::RefusalWriter;
use crate::{ExtensionError, Extensions};

/// The longest value, in bytes: what a header can well carry.
const MAX_VALUE: usize = 4 << 10;

/// A secret as people may see it: all but its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretStatus {
    /// Its name.
    pub name: SecretName,
    /// The hosts that the release asks to send it to; empty when the release does not ask for it any more.
    pub wanted: Vec<HostPattern>,
    /// The hosts that it may be sent to.
    pub granted: Vec<HostPattern>,
    /// When its value was set; absent when it has none.
    pub set_at: Option<Timestamp>,
}

/// Where a value lies, so that it opens nowhere else. No pointer into a configuration has this form.
fn place(tenant: TenantId, extension: &ExtensionName, secret: &SecretName) -> String {
    format!("{tenant}/{extension}#{secret}")
}

/// Refuses what cannot stand in a header's value.
fn check(name: &SecretName, value: &str) -> Result<(), ExtensionError> {
    let reason = if value.is_empty() {
        "it is empty".to_owned()
    } else if value.len() > MAX_VALUE {
        format!("it has {} bytes; at most {MAX_VALUE} are accepted", value.len())
    } else if !value.bytes().all(|byte| (0x20..0x7f).contains(&byte)) {
        "it holds a character that cannot stand in a header: only visible ASCII characters and spaces can".to_owned()
    } else if value.starts_with(' ') || value.ends_with(' ') {
        "it begins or ends with a space".to_owned()
    } else {
        return Ok(());
    };
    Err(ExtensionError::SecretInvalid {
        secret: name.to_string(),
        reason,
    })
}

/// The secrets that are set and granted, opened. One that cannot be opened is as if it were not set: the rest of the extension may
/// do without it.
pub(crate) fn open(sealer: &Sealer, installation: &Installation) -> BTreeMap<SecretName, SecretValue> {
    let extension = &installation.name;
    let granted = installation
        .secrets
        .iter()
        .filter(|(name, _)| installation.grant.allows_secret(name.as_str()));
    let open = |(name, stored): (&SecretName, &StoredSecret)| {
        let opened = sealer.open(&place(installation.tenant, extension, name), &stored.sealed).ok();
        let opened = opened.and_then(|opened| String::from_utf8(opened).ok());
        if opened.is_none() {
            tracing::error!(%extension, secret = %name, "a secret cannot be opened: it needs the master key that it was sealed with");
        }
        Some((name.clone(), SecretValue::new(opened?)))
    };
    granted.filter_map(open).collect()
}

/// The secrets of one installation, opened, for its guests.
pub(crate) struct GuestSecrets {
    values: BTreeMap<SecretName, SecretValue>,
    uses: RefusalWriter,
}

impl GuestSecrets {
    pub(crate) const fn new(values: BTreeMap<SecretName, SecretValue>, uses: RefusalWriter) -> Self {
        Self { values, uses }
    }
}

impl Secrets for GuestSecrets {
    fn value(&self, name: &SecretName) -> Option<&SecretValue> {
        self.values.get(name)
    }

    fn used(&self, used: SecretUse) {
        self.uses.secret_used(used);
    }
}

impl Extensions {
    /// The secrets that an installation asks for, and those that are set.
    ///
    /// # Errors
    /// When the principal may not, or nothing of this name is installed.
    pub async fn secrets(&self, principal: &Principal, name: &str) -> Result<Vec<SecretStatus>, ExtensionError> {
        Access::require(principal, Scope::ExtensionsRead)?;
        Ok(statuses(&self.find(principal.tenant, name).await?))
    }

    /// Sets the value of a secret that the installation's release, or the one that waits for consent, asks for.
    ///
    /// # Errors
    /// When the principal may not, the release does not ask for it, or the value cannot stand in a header.
    pub async fn set_secret(
        &self,
        principal: &Principal,
        name: &str,
        secret: &str,
        value: &str,
        if_match: Option<u64>,
    ) -> Result<SecretStatus, ExtensionError> {
        let change = Change::by(principal)?;
        let (_alone, present) = self.hold(change.tenant, name, if_match).await?;
        let secret = declared(&present, secret)?;
        check(&secret, value)?;
        let sealed = self
            .shared
            .sealer
            .seal(&place(change.tenant, &present.name, &secret), value.as_bytes());
        let mut next = present.clone();
        let set_at = self.shared.clock.now();
        next.secrets.insert(secret.clone(), StoredSecret { sealed, set_at });
        let reason = format!("secret {secret}");
        let next = self
            .commit_because(&change, next, present.revision, "extension.set_secret", Some(&reason))
            .await?;
        status(&next, &secret)
    }

    /// Removes the value of a secret.
    ///
    /// # Errors
    /// When the principal may not, or there is no such value.
    pub async fn remove_secret(
        &self,
        principal: &Principal,
        name: &str,
        secret: &str,
        if_match: Option<u64>,
    ) -> Result<(), ExtensionError> {
        let change = Change::by(principal)?;
        let (_alone, present) = self.hold(change.tenant, name, if_match).await?;
        let mut next = present.clone();
        let Some((removed, _)) = next.secrets.remove_entry(secret) else {
            return Err(unknown(&present, secret));
        };
        let reason = format!("secret {removed}");
        self.commit_because(&change, next, present.revision, "extension.remove_secret", Some(&reason))
            .await?;
        Ok(())
    }
}

fn unknown(installation: &Installation, secret: &str) -> ExtensionError {
    ExtensionError::SecretNotFound {
        name: installation.name.to_string(),
        secret: secret.chars().take(64).collect(),
        secrets: statuses(installation).iter().map(|status| status.name.to_string()).collect(),
    }
}

/// The name of a secret that the release, or the one that waits, asks for.
fn declared(installation: &Installation, secret: &str) -> Result<SecretName, ExtensionError> {
    let releases = [Some(&installation.release), installation.pending.as_ref()].into_iter().flatten();
    let mut names = releases.flat_map(|release| release.manifest.permissions.secrets.keys());
    let found = names.find(|name| name.as_str() == secret).cloned();
    found.ok_or_else(|| unknown(installation, secret))
}

fn status(installation: &Installation, secret: &SecretName) -> Result<SecretStatus, ExtensionError> {
    let found = statuses(installation).into_iter().find(|status| status.name == *secret);
    found.ok_or_else(|| unknown(installation, secret.as_str()))
}

/// By name: what the release or the one that waits asks for, and what is set.
fn statuses(installation: &Installation) -> Vec<SecretStatus> {
    let mut wanted: HashMap<&SecretName, Vec<HostPattern>> = HashMap::new();
    let releases = [Some(&installation.release), installation.pending.as_ref()];
    for (name, hosts) in releases
        .into_iter()
        .flatten()
        .flat_map(|release| &release.manifest.permissions.secrets)
    {
        let known = wanted.entry(name).or_default();
        known.extend(hosts.iter().filter(|host| !known.contains(host)).cloned().collect::<Vec<_>>());
    }
    let mut names: Vec<&SecretName> = wanted.keys().copied().chain(installation.secrets.keys()).collect();
    names.sort_unstable();
    names.dedup();
    names
        .into_iter()
        .map(|name| SecretStatus {
            name: name.clone(),
            wanted: wanted.get(name).cloned().unwrap_or_default(),
            granted: installation.grant.secrets.get(name).cloned().unwrap_or_default(),
            set_at: installation.secrets.get(name).map(|stored| stored.set_at),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_can_stand_in_a_header_is_accepted() {
        let name: SecretName = "token".parse().unwrap();
        for good in ["x", "ghp_abc", "a b", "Basic dTpw==", &"x".repeat(MAX_VALUE)] {
            assert!(check(&name, good).is_ok(), "{good}");
        }
        for bad in [
            "",
            " x",
            "x ",
            "a\nb",
            "a\r\nX-Evil: 1",
            "a\0b",
            "a\tb",
            "ключ",
            &"x".repeat(MAX_VALUE + 1),
        ] {
            let error = check(&name, bad).unwrap_err().to_string();
            assert!(error.starts_with("the secret `token` cannot be set: it "), "{error}");
            assert!(bad.len() < 3 || !error.contains(bad), "the value is shown: {error}");
        }
    }
}
