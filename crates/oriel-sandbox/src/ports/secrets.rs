//! Where secrets come from that are put into outbound requests.

use std::fmt;

use oriel_model::id::{ExecutionId, TenantId};
use oriel_model::name::{ExtensionName, SecretName};

/// The value of a secret. Never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretValue(Box<str>);

impl SecretValue {
    /// The secret `value`.
    #[must_use]
    pub fn new(value: String) -> Self {
        Self(value.into())
    }

    /// The secret itself.
    #[must_use]
    pub const fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SecretValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretValue")
    }
}

/// A secret that went out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretUse {
    /// For whom the extension ran.
    pub tenant: TenantId,
    /// The extension.
    pub extension: ExtensionName,
    /// In which call; absent in `initialize` and `health-check`.
    pub execution: Option<ExecutionId>,
    /// Which secret.
    pub secret: SecretName,
    /// Where to, such as `https://api.github.com:443`.
    pub host: String,
}

/// The secrets of one extension for one tenant. The sandbox checks the grant and where they go. Called on the guest's own turn: it
/// must not block.
pub trait Secrets: Send + Sync {
    /// The value of a secret, if one was set.
    fn value(&self, name: &SecretName) -> Option<&SecretValue>;

    /// Takes note of a use, for the audit log.
    fn used(&self, used: SecretUse);
}

/// Has no secrets.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoSecrets;

impl Secrets for NoSecrets {
    fn value(&self, _: &SecretName) -> Option<&SecretValue> {
        None
    }

    fn used(&self, _: SecretUse) {}
}
