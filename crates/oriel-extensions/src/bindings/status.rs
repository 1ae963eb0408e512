//! Whether a binding is in force, and if not, why.

use std::collections::HashMap;

use oriel_model::binding::{Binding, BindingKind};
use oriel_model::id::TenantId;
use oriel_model::installation::{Installation, InstallationState};
use oriel_model::name::ExtensionName;
use oriel_model::schema::SchemaProblem;

use super::check;
use crate::{ExtensionError, Extensions};

/// A binding as people see it.
#[derive(Debug, Clone, PartialEq)]
pub struct BindingStatus {
    /// The binding.
    pub binding: Binding,
    /// Why it does not take part, when it does not.
    pub inactive: Option<Inactive>,
    /// Where its configuration breaks the schema of the release that runs now, which may be newer than the binding.
    pub config_problems: Vec<SchemaProblem>,
}

/// Why a binding does not take part.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Inactive {
    /// Somebody switched it off.
    #[error("the binding is switched off")]
    Off,
    /// Its extension is not installed.
    #[error("the extension `{0}` is not installed")]
    NotInstalled(ExtensionName),
    /// Its extension is disabled.
    #[error("the extension `{0}` is disabled")]
    ExtensionDisabled(ExtensionName),
    /// Its extension waits for consent.
    #[error("the extension `{0}` waits for consent to its permissions")]
    PendingConsent(ExtensionName),
    /// Its extension is no longer called.
    #[error("the extension `{0}` is in quarantine: {1}")]
    Quarantined(ExtensionName, String),
    /// The release that runs has no such contribution.
    #[error("version {version} of `{extension}` has no {kind} `{name}`")]
    NoContribution {
        /// The extension.
        extension: ExtensionName,
        /// The version that runs.
        version: semver::Version,
        /// What it lacks.
        kind: BindingKind,
        /// Its name.
        name: String,
    },
    /// Nobody declares the hook.
    #[error("there is no hook `{0}`")]
    NoHook(String),
}

impl Inactive {
    /// A word for programs.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::NotInstalled(_) => "not-installed",
            Self::ExtensionDisabled(_) => "extension-disabled",
            Self::PendingConsent(_) => "pending-consent",
            Self::Quarantined(..) => "quarantined",
            Self::NoContribution { .. } => "no-contribution",
            Self::NoHook(_) => "no-hook",
        }
    }
}

impl Extensions {
    pub(super) async fn binding_status(&self, tenant: TenantId, binding: Binding) -> Result<BindingStatus, ExtensionError> {
        let mut one = self.binding_statuses(tenant, vec![binding]).await?;
        one.pop().ok_or_else(|| ExtensionError::BindingNotFound { id: String::new() })
    }

    /// Each installation and each hook is asked for once.
    pub(super) async fn binding_statuses(&self, tenant: TenantId, bindings: Vec<Binding>) -> Result<Vec<BindingStatus>, ExtensionError> {
        let mut installations: HashMap<ExtensionName, Option<Installation>> = HashMap::new();
        let mut hooks: HashMap<String, bool> = HashMap::new();
        let mut statuses = Vec::with_capacity(bindings.len());
        for binding in bindings {
            let name = &binding.contribution.extension;
            if !installations.contains_key(name) {
                let installation = self.shared.stores.installations.get(tenant, name.as_str()).await?;
                installations.insert(name.clone(), installation);
            }
            if binding.kind == BindingKind::Hook && !hooks.contains_key(&binding.point) {
                let exists = self.hook_exists(tenant, &binding.point).await?;
                hooks.insert(binding.point.clone(), exists);
            }
            let installation = installations.get(name).and_then(Option::as_ref);
            let hook = hooks.get(&binding.point).copied().unwrap_or(true);
            statuses.push(status(binding, installation, hook));
        }
        Ok(statuses)
    }
}

pub(super) fn status(binding: Binding, installation: Option<&Installation>, hook: bool) -> BindingStatus {
    let contribution = installation.and_then(|installation| {
        let manifest = &installation.release.manifest;
        manifest.contribution(binding.kind.contribution(), binding.contribution.name.as_str())
    });
    let config_problems = contribution
        .as_ref()
        .map_or_else(Vec::new, |contribution| check::config_problems(&binding, contribution));
    let extension = || binding.contribution.extension.clone();
    let inactive = match installation {
        _ if !binding.terms.enabled => Some(Inactive::Off),
        None => Some(Inactive::NotInstalled(extension())),
        Some(there) => match (there.state, &there.quarantine) {
            (InstallationState::Disabled, _) => Some(Inactive::ExtensionDisabled(extension())),
            (InstallationState::PendingConsent, _) => Some(Inactive::PendingConsent(extension())),
            (InstallationState::Enabled, Some(quarantine)) => Some(Inactive::Quarantined(extension(), quarantine.reason.clone())),
            (InstallationState::Enabled, None) if contribution.is_none() => Some(Inactive::NoContribution {
                extension: extension(),
                version: there.release.manifest.version.clone(),
                kind: binding.kind,
                name: binding.contribution.name.to_string(),
            }),
            (InstallationState::Enabled, None) if binding.kind == BindingKind::Hook && !hook => {
                Some(Inactive::NoHook(binding.point.clone()))
            }
            (InstallationState::Enabled, None) => None,
        },
    };
    BindingStatus {
        binding,
        inactive,
        config_problems,
    }
}
