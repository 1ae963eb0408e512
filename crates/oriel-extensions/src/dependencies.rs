//! What one extension needs of others, checked whenever either side changes.

use oriel_model::id::TenantId;
use oriel_model::installation::Release;
use oriel_model::page::PageRequest;

use crate::{ExtensionError, Extensions};

impl Extensions {
    /// Refuses a release that needs what the tenant does not have.
    pub(crate) async fn check_dependencies(&self, tenant: TenantId, release: &Release) -> Result<(), ExtensionError> {
        for (name, range) in &release.manifest.dependencies {
            let there = self.shared.stores.installations.get(tenant, name.as_str()).await?;
            let version = there.map(|installation| installation.release.manifest.version);
            if version.as_ref().is_some_and(|version| range.matches(version)) {
                continue;
            }
            return Err(ExtensionError::DependencyMissing {
                name: release.manifest.name.to_string(),
                requirement: format!("`{name}` {range}"),
                found: version.map_or_else(|| "none".to_owned(), |version| version.to_string()),
            });
        }
        Ok(())
    }

    /// Refuses to take `name` away (or to move it to `version`) while another extension needs it otherwise.
    pub(crate) async fn check_dependents(
        &self,
        tenant: TenantId,
        name: &str,
        version: Option<&semver::Version>,
    ) -> Result<(), ExtensionError> {
        let mut page = PageRequest {
            limit: PageRequest::MAX_LIMIT,
            cursor: None,
        };
        loop {
            let installations = self.shared.stores.installations.list(tenant, page.clone()).await?;
            for other in &installations.items {
                let Some(range) = other.release.manifest.dependencies.get(name) else {
                    continue;
                };
                if !version.is_some_and(|version| range.matches(version)) {
                    return Err(ExtensionError::DependencyInUse {
                        name: name.to_owned(),
                        dependent: other.name.to_string(),
                        requirement: range.to_string(),
                    });
                }
            }
            match installations.next_cursor {
                Some(cursor) => page.cursor = Some(cursor),
                None => return Ok(()),
            }
        }
    }
}
