//! From a tenant, an extension and a path to the route that answers.

use std::sync::Arc;

use oriel_access::{Access, Principal};
use oriel_model::access::Scope;
use oriel_model::contribution::RouteAccess;
use oriel_model::id::TenantId;
use oriel_model::manifest::{Declaration, Manifest};
use oriel_model::name::{ContributionName, TenantName};
use oriel_model::route;

use crate::{Active, ExtensionError, Extensions};

/// What stands at an address.
#[derive(Debug)]
pub enum AtAddress {
    /// A route.
    Route(RouteFound),
    /// The extension is not there, or has no route with such a path.
    Nothing {
        /// Whether the extension shows itself to the public at all, by some other route.
        open: bool,
    },
}

/// A route.
#[derive(Debug)]
pub struct RouteFound {
    /// Its name.
    pub name: ContributionName,
    /// Who may call it.
    pub access: RouteAccess,
    /// The release that answers, or why none does at present.
    pub active: Result<Arc<Active>, ExtensionError>,
}

impl Extensions {
    /// What the manifest of an installed extension says of its routes, whether or not it is enabled.
    ///
    /// # Errors
    /// When the principal may not, or nothing of this name is installed.
    pub async fn routes(&self, principal: &Principal, name: &str) -> Result<Vec<Declaration>, ExtensionError> {
        Access::require(principal, Scope::ExtensionsRead)?;
        Ok(self.find(principal.tenant, name).await?.release.manifest.routes)
    }

    /// What stands at `path` (in its one form, see [`route::normalise`]) of an extension, installed or not.
    ///
    /// # Errors
    /// The store's.
    pub async fn at(&self, tenant: TenantId, tenant_name: &TenantName, extension: &str, path: &str) -> Result<AtAddress, ExtensionError> {
        const NOWHERE: AtAddress = AtAddress::Nothing { open: false };
        let handle = match self.installed(tenant, tenant_name, extension).await {
            Ok(handle) => handle,
            Err(ExtensionError::NotFound { .. }) => return Ok(NOWHERE),
            Err(error) => return Err(error),
        };
        match handle.active().await {
            Ok(active) => {
                let manifest = &active.installation().release.manifest;
                Ok(match route::matching(&manifest.routes, path) {
                    Some(route) => found(route, Ok(active.clone())),
                    None => nothing(manifest),
                })
            }
            Err(ExtensionError::NotFound { .. }) => Ok(NOWHERE),
            Err(error) => {
                let Some(installation) = handle.refusing() else { return Err(error) };
                let manifest = &installation.release.manifest;
                Ok(match route::matching(&manifest.routes, path) {
                    Some(route) => found(route, Err(error)),
                    None => nothing(manifest),
                })
            }
        }
    }
}

fn found(route: &Declaration, active: Result<Arc<Active>, ExtensionError>) -> AtAddress {
    AtAddress::Route(RouteFound {
        name: route.name.clone(),
        access: route::access(route),
        active,
    })
}

fn nothing(manifest: &Manifest) -> AtAddress {
    AtAddress::Nothing {
        open: manifest.routes.iter().any(|route| route::access(route) == RouteAccess::Public),
    }
}
