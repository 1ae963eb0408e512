//! Putting the bindings of the configuration file in place.

use std::collections::BTreeMap;

use oriel_extensions::{Declared, ExtensionError, Extensions};
use oriel_model::access::Tenant;
use oriel_model::id::TenantId;
use oriel_store::Stores;

use super::ServerError;
use crate::config::Config;

/// The tenant of those that name none.
const DEFAULT: &str = "default";

/// Makes the bindings from the file exactly those of this file, in every tenant that has or had some.
pub(super) async fn declare(config: &Config, stores: &Stores, extensions: &Extensions) -> Result<(), ServerError> {
    let mut wanted: BTreeMap<TenantId, (Tenant, Vec<Declared>)> = BTreeMap::new();
    for binding in &config.bindings {
        let name = binding.tenant.as_ref().map_or(DEFAULT, |tenant| tenant.as_str());
        let tenant = stores.tenants.by_name(name).await?.ok_or_else(|| ServerError::Bindings {
            place: binding.declared.place.clone(),
            reason: format!("there is no tenant `{name}`"),
        })?;
        let (_, declared) = wanted.entry(tenant.id).or_insert_with(|| (tenant, Vec::new()));
        declared.push(binding.declared.clone());
    }
    for id in stores.bindings.declared_in_files().await? {
        if !wanted.contains_key(&id)
            && let Some(tenant) = stores.tenants.get(id).await?
        {
            wanted.insert(id, (tenant, Vec::new()));
        }
    }
    for (tenant, declared) in wanted.into_values() {
        extensions
            .declare_bindings(&tenant, &declared)
            .await
            .map_err(|(place, error)| match error {
                ExtensionError::Store(error) => ServerError::Store(error),
                error => ServerError::Bindings {
                    place,
                    reason: error.to_string(),
                },
            })?;
    }
    Ok(())
}
