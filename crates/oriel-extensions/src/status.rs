//! What people see of an installation.

use oriel_access::Access;
use oriel_model::access::{Principal, Scope};
use oriel_model::installation::{Installation, InstallationState};
use oriel_model::limits::Limits;
use oriel_model::manifest::ProgramManifest;
use oriel_model::page::{Page, PageRequest};
use oriel_model::schema::SchemaProblem;
use oriel_model::task::ProgramRef;
use oriel_sandbox::{PoolStats, SandboxStats};
use serde_json::Value;

use crate::health::HealthReport;
use crate::{ExtensionError, Extensions, active, config};

/// An installation as people see it.
#[derive(Debug, Clone)]
pub struct Status {
    /// The installation; its `config` is masked.
    pub installation: Installation,
    /// The limits in force.
    pub limits: Limits,
    /// How it does on this node.
    pub health: HealthReport,
    /// Why its configuration does not fit, when it does not.
    pub config_problems: Vec<SchemaProblem>,
    /// What a waiting release (the first one, or a pending upgrade) asks for beyond the grant, in words.
    pub wants: Vec<String>,
    /// Its instances, when it was called since the server started.
    pub pool: Option<PoolStats>,
}

impl Extensions {
    /// Numbers of the instances of all tenants, for who watches the server.
    #[must_use]
    pub fn instances(&self) -> SandboxStats {
        self.shared.sandbox.stats()
    }

    /// One installation, asked for its health when it is running.
    ///
    /// # Errors
    /// When the principal may not, or nothing of this name is installed.
    pub async fn get(&self, principal: &Principal, name: &str) -> Result<Status, ExtensionError> {
        Access::require(principal, Scope::ExtensionsRead)?;
        let installation = self.find(principal.tenant, name).await?;
        let mut status = self.describe(principal, installation);
        let handle = self.handle(principal.tenant, &principal.tenant_name, &status.installation.name);
        if let Some(active) = handle.loaded() {
            // What is shut is left alone.
            if let Some(health) = handle.health().filter(|health| health.may_be_asked()) {
                health.checked(&active.pool().health_check().await, false);
                status.health = self.report(principal, &status.installation);
            }
        }
        Ok(status)
    }

    /// The tenant's installations by name. Nobody is asked for health here.
    ///
    /// # Errors
    /// When the principal may not, or the cursor is foreign.
    pub async fn list(&self, principal: &Principal, page: PageRequest) -> Result<Page<Status>, ExtensionError> {
        Access::require(principal, Scope::ExtensionsRead)?;
        let page = self.shared.stores.installations.list(principal.tenant, page).await?;
        Ok(page.map(|installation| self.describe(principal, installation)))
    }

    /// What the manifest says of a program, whether or not its extension is enabled.
    ///
    /// # Errors
    /// When nothing of this name is installed, or it has no such program.
    pub async fn program(&self, principal: &Principal, program: &ProgramRef) -> Result<ProgramManifest, ExtensionError> {
        let installation = self.find(principal.tenant, program.extension.as_str()).await?;
        let programs = installation.release.manifest.programs;
        let names = programs.iter().map(|program| program.name.to_string()).collect();
        let found = programs.into_iter().find(|candidate| candidate.name == program.name);
        found.ok_or_else(|| ExtensionError::ProgramNotFound {
            extension: program.extension.to_string(),
            program: program.name.to_string(),
            programs: names,
        })
    }

    /// The configuration as people may see it.
    ///
    /// # Errors
    /// When the principal may not, or nothing of this name is installed.
    pub async fn config(&self, principal: &Principal, name: &str) -> Result<Value, ExtensionError> {
        Access::require(principal, Scope::ExtensionsRead)?;
        Ok(config::mask(&self.find(principal.tenant, name).await?))
    }

    /// An installation that a change answered, as people see it.
    #[must_use]
    pub fn describe(&self, principal: &Principal, installation: Installation) -> Status {
        let limits = active::limits(&installation.release, &installation.limits, &self.shared.options.ceiling);
        let config_problems = match config::open(&self.shared.sealer, &installation) {
            Ok(opened) => match config::validate(&opened, &installation.release) {
                Err(ExtensionError::ConfigInvalid { problems, .. }) => problems,
                _ => Vec::new(),
            },
            Err(error) => vec![SchemaProblem {
                path: String::new(),
                message: error.to_string(),
            }],
        };
        let waiting = match (&installation.pending, installation.state) {
            (Some(pending), _) => Some(pending),
            (None, InstallationState::PendingConsent) => Some(&installation.release),
            (None, _) => None,
        };
        let wants = waiting
            .map(|release| release.manifest.permissions.beyond(&installation.grant))
            .unwrap_or_default();
        let handle = self.handle(principal.tenant, &principal.tenant_name, &installation.name);
        let pool = handle.loaded().map(|active| active.pool().stats());
        let config = config::mask(&installation);
        let health = self.report(principal, &installation);
        Status {
            installation: Installation { config, ..installation },
            limits,
            health,
            config_problems,
            wants,
            pool,
        }
    }
}
