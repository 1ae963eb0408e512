//! Bindings that the operator declares in the configuration file: the same set after each start, whatever was there.

use std::collections::HashMap;

use oriel_access::Actor;
use oriel_model::Digest;
use oriel_model::access::Tenant;
use oriel_model::binding::{Binding, BindingKind, Origin};
use oriel_model::id::{BindingId, TenantId};
use oriel_store::{BindingChange, StoreError, twin};
use serde_json::json;

use super::{NewBinding, check};
use crate::{ExtensionError, Extensions};

/// How often a set is compared anew when somebody else changes bindings at the same moment.
const TRIES: usize = 20;

/// A binding of the file.
#[derive(Debug, Clone, PartialEq)]
pub struct Declared {
    /// What it shall be.
    pub binding: NewBinding,
    /// Where it stands, such as `oriel.toml:12:1`.
    pub place: String,
}

impl Extensions {
    /// Makes the tenant's bindings from the file exactly these. A binding that the API made and that is the same belongs to the
    /// file from then on.
    ///
    /// A binding to what is not there yet (an extension, a hook) is kept without effect, and told in the log.
    ///
    /// # Errors
    /// The first one that cannot be right, with its place: terms out of range, a contribution that the installed extension does
    /// not have, a configuration that does not fit, or the same binding twice. Nothing is changed then.
    pub async fn declare_bindings(&self, tenant: &Tenant, declared: &[Declared]) -> Result<(), (String, ExtensionError)> {
        let now = self.shared.clock.now();
        let mut wanted: Vec<(Digest, Binding)> = Vec::with_capacity(declared.len());
        for one in declared {
            let new = &one.binding;
            let binding = Binding {
                id: BindingId::new(now),
                kind: new.kind,
                point: new.point.clone(),
                contribution: new.contribution.clone(),
                terms: new.terms.clone(),
                origin: Origin::File,
                revision: 1,
                created_at: now,
                updated_at: now,
            };
            let told = |error| (one.place.clone(), error);
            self.check_declared(tenant.id, &binding, &one.place).await.map_err(told)?;
            let same = twin(&binding);
            if wanted.iter().any(|(other, _)| *other == same) {
                return Err(told(ExtensionError::BindingExists {
                    contribution: binding.contribution.to_string(),
                    point: binding.point,
                    there: None,
                }));
            }
            wanted.push((same, binding));
        }
        for _ in 0..TRIES {
            match self.replace_declared(tenant.id, &wanted).await {
                // Another node that starts with the same file, or somebody at the API.
                Err(ExtensionError::Store(StoreError::Conflict { .. } | StoreError::Exists { .. })) => {}
                result => {
                    self.refresh_bindings(tenant.id).await;
                    return result.map_err(|error| (String::new(), error));
                }
            }
        }
        let busy = StoreError::Conflict { what: "binding" };
        Err((String::new(), busy.into()))
    }

    async fn check_declared(&self, tenant: TenantId, binding: &Binding, place: &str) -> Result<(), ExtensionError> {
        check::form(binding)?;
        let name = binding.contribution.extension.as_str();
        match self.shared.stores.installations.get(tenant, name).await? {
            Some(installation) => self.fits(binding, &installation)?,
            None => tracing::warn!(
                extension = name,
                place,
                "a declared binding has no effect before its extension is installed"
            ),
        }
        if binding.kind == BindingKind::Hook && !self.hook_exists(tenant, &binding.point).await? {
            tracing::warn!(
                hook = binding.point,
                place,
                "a declared binding has no effect before its hook is declared"
            );
        }
        Ok(())
    }

    async fn replace_declared(&self, tenant: TenantId, wanted: &[(Digest, Binding)]) -> Result<(), ExtensionError> {
        let now = self.shared.clock.now();
        let present = self.shared.stores.bindings.all(tenant).await?;
        let mut there: HashMap<Digest, Binding> = present.items.into_iter().map(|binding| (twin(&binding), binding)).collect();
        let mut puts = Vec::new();
        for (same, wanted) in wanted {
            match there.remove(same) {
                Some(known) if known.origin == Origin::File && known.terms == wanted.terms => {}
                Some(known) => puts.push(Binding {
                    id: known.id,
                    revision: known.revision + 1,
                    created_at: known.created_at,
                    updated_at: now,
                    ..wanted.clone()
                }),
                None => puts.push(wanted.clone()),
            }
        }
        let gone: Vec<BindingId> = there
            .into_values()
            .filter(|binding| binding.origin == Origin::File)
            .map(|binding| binding.id)
            .collect();
        if puts.is_empty() && gone.is_empty() {
            return Ok(());
        }
        let details = json!({
            "put": puts.iter().map(super::told).collect::<Vec<_>>(),
            "removed": gone,
        });
        let audit = Actor::System.did(now, "binding.declare", tenant.to_string(), details);
        let changes = gone
            .into_iter()
            .map(BindingChange::Remove)
            .chain(puts.into_iter().map(BindingChange::Put));
        let changes = changes.collect();
        Ok(self.shared.stores.bindings.apply(tenant, changes, present.version, audit).await?)
    }
}
