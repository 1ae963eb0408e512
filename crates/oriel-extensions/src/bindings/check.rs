//! What a binding must be.

use std::time::Duration;

use oriel_model::binding::{Binding, BindingKind, MAX_ATTEMPTS, OnError, OnInvalid};
use oriel_model::contribution::Contribution;
use oriel_model::id::TenantId;
use oriel_model::installation::Installation;
use oriel_model::limits::TimeSpan;
use oriel_model::schema::{Schema, SchemaProblem};
use serde_json::Value;

use super::point;
use crate::{ExtensionError, Extensions, active, config};

/// The longest configuration of a binding, in bytes of its JSON.
const MAX_CONFIG: usize = 64 << 10;

fn invalid(reason: impl Into<String>) -> ExtensionError {
    ExtensionError::BindingInvalid { reason: reason.into() }
}

/// What is wrong with a binding whatever is installed.
pub(super) fn form(binding: &Binding) -> Result<(), ExtensionError> {
    if let Some(problem) = point::problem(binding.kind, &binding.point) {
        return Err(invalid(problem));
    }
    let terms = &binding.terms;
    if !(2..=MAX_ATTEMPTS).contains(&terms.attempts) {
        return Err(invalid(format!("`attempts` must be from 2 to {MAX_ATTEMPTS}")));
    }
    if terms.timeout_ms == Some(0) {
        return Err(invalid("`timeoutMs` must be at least 1"));
    }
    let validator = binding.kind == BindingKind::Validator;
    if terms.inline && !validator {
        return Err(invalid("only a validator can be `inline`"));
    }
    if terms.on_invalid == OnInvalid::Reject && !terms.inline {
        return Err(invalid(
            "`onInvalid: \"reject\"` needs an inline validator: what is judged after the reply cannot be refused",
        ));
    }
    if terms.on_error == Some(OnError::Retry) && binding.kind == BindingKind::Sampler {
        return Err(invalid(
            "a sampler is not asked twice: choose `onError` `open` (not sampled) or `closed` (sampled)",
        ));
    }
    let length = Value::Object(terms.config.clone()).to_string().len();
    if length > MAX_CONFIG {
        return Err(invalid(format!(
            "the configuration has {length} bytes, and at most {MAX_CONFIG} are taken"
        )));
    }
    Ok(())
}

impl Extensions {
    /// Checks a binding whole: its form, and that what it names is there and takes it.
    pub(super) async fn check_binding(&self, tenant: TenantId, binding: &Binding) -> Result<(), ExtensionError> {
        form(binding)?;
        let installation = self.find(tenant, binding.contribution.extension.as_str()).await?;
        self.fits(binding, &installation)?;
        if binding.kind == BindingKind::Hook && !self.hook_exists(tenant, &binding.point).await? {
            return Err(ExtensionError::HookNotFound {
                name: binding.point.clone(),
            });
        }
        Ok(())
    }

    /// Whether the installed release has the contribution, and the contribution takes the binding.
    pub(super) fn fits(&self, binding: &Binding, installation: &Installation) -> Result<(), ExtensionError> {
        let contribution = contribution(binding, installation)?;
        match &contribution.hook {
            Some(hook) if hook.as_str() != binding.point => {
                return Err(invalid(format!(
                    "`{}` is written for the hook `{hook}`, not for `{}`",
                    binding.contribution, binding.point
                )));
            }
            _ => {}
        }
        if !point::is_meant(&contribution.types, &binding.point) {
            return Err(invalid(format!(
                "`{}` is written for events of {}, and `{}` means none of them",
                binding.contribution,
                contribution.types.join(", "),
                binding.point
            )));
        }
        let limits = active::limits(&installation.release, &installation.limits, &self.shared.options.ceiling);
        let limit = limits.timeout.0;
        if binding
            .terms
            .timeout_ms
            .is_some_and(|timeout| Duration::from_millis(timeout) > limit)
        {
            return Err(invalid(format!(
                "`timeoutMs` is above the time that `{}` has for a call, which is {}",
                binding.contribution.extension,
                TimeSpan(limit)
            )));
        }
        let problems = config_problems(binding, &contribution);
        if problems.is_empty() {
            return Ok(());
        }
        Err(ExtensionError::BindingConfig {
            contribution: binding.contribution.to_string(),
            problems,
        })
    }

    /// Whether the platform or the tenant declares a hook of this name.
    pub(super) async fn hook_exists(&self, tenant: TenantId, name: &str) -> Result<bool, ExtensionError> {
        if self.shared.options.platform_hooks.iter().any(|hook| hook.name.as_str() == name) {
            return Ok(true);
        }
        Ok(self.shared.stores.hooks.get(tenant, name).await?.is_some())
    }
}

/// The contribution as the installed release declares it.
fn contribution(binding: &Binding, installation: &Installation) -> Result<Contribution, ExtensionError> {
    let manifest = &installation.release.manifest;
    let (kind, name) = (binding.kind.contribution(), binding.contribution.name.as_str());
    manifest
        .contribution(kind, name)
        .ok_or_else(|| ExtensionError::ContributionNotFound {
            extension: installation.name.to_string(),
            kind,
            name: name.to_owned(),
            there: manifest.declared(kind).iter().map(|declared| declared.name.to_string()).collect(),
        })
}

/// Where the configuration breaks the contribution's schema.
pub(super) fn config_problems(binding: &Binding, contribution: &Contribution) -> Vec<SchemaProblem> {
    let given = &binding.terms.config;
    let whole = |message: &str| SchemaProblem {
        path: String::new(),
        message: message.to_owned(),
    };
    let Some(declared) = &contribution.config_schema else {
        return if given.is_empty() {
            Vec::new()
        } else {
            vec![whole("the contribution takes no configuration")]
        };
    };
    let given = Value::Object(given.clone());
    // A binding is shown to whoever may read it, so that a secret has no place in it.
    let secrets = config::secrets(Some(declared))
        .into_iter()
        .filter(|path| given.pointer(path).is_some());
    let mut problems: Vec<SchemaProblem> = secrets
        .map(|path| SchemaProblem {
            path,
            message: "a binding keeps no secrets: set it in the extension's own configuration".to_owned(),
        })
        .collect();
    match Schema::compile(declared) {
        Ok(schema) => problems.extend(schema.validate(&given).err().unwrap_or_default()),
        Err(error) => problems.push(whole(&error.to_string())),
    }
    problems
}
