//! Who may do what: tenants, API keys, roles, the audit chain, and the sealing of secrets at rest.
//!
//! [`Access`] authenticates a bearer token into a [`Principal`] (cached, because every request passes here) and
//! manages keys and tenants. [`Actor`] turns a principal into audit entries. [`Sealer`] encrypts what must not lie
//! readable in the database.
//!
//! Not here: HTTP headers (the server's), what an extension may reach (a grant, `oriel-model`), sign-in with a
//! browser. Start reading at [`Access::authenticate`].

mod actor;
mod audit;
mod authenticate;
mod error;
mod keys;
mod seal;
mod tenants;
mod token;

use std::sync::Arc;

use oriel_model::time::Clock;
use oriel_store::{AuditLog, Keys, Stores, Tenants};

pub use self::actor::Actor;
pub use self::audit::ChainVerdict;
pub use self::error::AccessError;
pub use self::keys::{CreatedKey, NewKey};
pub use self::seal::{SealError, Sealer};
pub use self::tenants::{Bootstrap, CreatedTenant};
pub use oriel_model::access::Principal;

/// The service. Cheap to clone.
#[derive(Clone)]
pub struct Access {
    shared: Arc<Shared>,
}

struct Shared {
    tenants: Arc<dyn Tenants>,
    keys: Arc<dyn Keys>,
    audit: Arc<dyn AuditLog>,
    clock: Arc<dyn Clock>,
    cache: authenticate::Cache,
}

impl std::fmt::Debug for Access {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Access")
    }
}

impl Access {
    /// The service over these stores.
    #[must_use]
    pub fn new(stores: &Stores, clock: Arc<dyn Clock>) -> Self {
        Self {
            shared: Arc::new(Shared {
                tenants: stores.tenants.clone(),
                keys: stores.keys.clone(),
                audit: stores.audit.clone(),
                clock,
                cache: authenticate::Cache::default(),
            }),
        }
    }
}
