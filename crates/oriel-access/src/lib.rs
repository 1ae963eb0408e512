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
mod compliance;
mod error;
mod gate;
mod keys;
mod members;
mod oidc;
mod policy;
mod quotas;
mod seal;
mod sessions;
mod tenants;
mod token;
mod visitor;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use oriel_model::id::TenantId;
use oriel_model::quota::Quotas;
use oriel_model::time::Clock;
use oriel_store::{AuditLog, Keys, Stores, Tenants};
use parking_lot::Mutex;

pub use self::actor::Actor;
pub use self::audit::ChainVerdict;
pub use self::authenticate::Caller;
pub use self::compliance::compliance_markdown;
pub use self::error::AccessError;
pub use self::gate::{Pass, RateState};
pub use self::keys::{CreatedKey, NewKey};
pub use self::members::{MemberChange, NewMember};
pub use self::oidc::{IssuerAnswer, OidcOptions, RoleRule, SignIn, SignedIn};
pub use self::policy::{AccessQuestion, Ask, AskTarget, NewPolicy, PolicyAction, PolicyProblem, RequestContext, Verdict, Who};
pub use self::quotas::{Counted, Room, TenantQuotas};
pub use self::seal::{SealError, Sealer};
pub use self::sessions::{BegunSession, Browser, csrf_fits, csrf_token};
pub use self::tenants::{Bootstrap, CreatedTenant};
pub use self::visitor::Threshold;
pub use oriel_model::access::Principal;

/// The service. Cheap to clone.
#[derive(Clone)]
pub struct Access {
    shared: Arc<Shared>,
}

/// What the service is told at its start.
#[derive(Debug)]
pub struct AccessOptions {
    /// The operations that policies can name.
    pub actions: Vec<PolicyAction>,
    /// What holds for tenants where nothing else was set.
    pub quotas: Quotas,
    /// How people sign in, with what seals the flow and certificate authorities in PEM beside the system's.
    pub oidc: Option<(OidcOptions, Sealer, Vec<Vec<u8>>)>,
    /// How long a session lasts.
    pub session_ttl: Duration,
}

impl Default for AccessOptions {
    fn default() -> Self {
        Self {
            actions: Vec::new(),
            quotas: Quotas::default(),
            oidc: None,
            session_ttl: Duration::from_secs(8 * 3_600),
        }
    }
}

struct Shared {
    store: Stores,
    tenants: Arc<dyn Tenants>,
    keys: Arc<dyn Keys>,
    audit: Arc<dyn AuditLog>,
    clock: Arc<dyn Clock>,
    cache: authenticate::Cache,
    vocabulary: policy::Vocabulary,
    /// The default policies alone.
    no_policies: Arc<policy::Compiled>,
    policies: policy::PolicyCache,
    refusals: policy::Refusals,
    default_quotas: Quotas,
    adding: quotas::Adding,
    stored_quotas: quotas::StoredQuotas,
    gates: Mutex<HashMap<TenantId, Arc<gate::Gate>>>,
    oidc: Option<oidc::Oidc>,
    session_ttl: Duration,
    thresholds: visitor::Thresholds,
}

impl std::fmt::Debug for Access {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Access")
    }
}

impl Access {
    /// The service over these stores, without operations that policies could name.
    #[must_use]
    pub fn new(stores: &Stores, clock: Arc<dyn Clock>) -> Self {
        Self::with_options(AccessOptions::default(), stores, clock).expect("nothing here can fail without an issuer")
    }

    /// The service over these stores.
    ///
    /// # Errors
    /// When the HTTP client for the issuer cannot be set up.
    pub fn with_options(options: AccessOptions, stores: &Stores, clock: Arc<dyn Clock>) -> Result<Self, AccessError> {
        let oidc = options
            .oidc
            .map(|(options, sealer, roots)| oidc::Oidc::new(options, sealer, &roots))
            .transpose()?;
        let vocabulary = policy::Vocabulary::new(&options.actions);
        Ok(Self {
            shared: Arc::new(Shared {
                store: stores.clone(),
                tenants: stores.tenants.clone(),
                keys: stores.keys.clone(),
                audit: stores.audit.clone(),
                clock,
                cache: authenticate::Cache::default(),
                no_policies: Arc::new(policy::Compiled::new(&[], &vocabulary)),
                vocabulary,
                policies: policy::PolicyCache::default(),
                refusals: policy::Refusals::new(stores.audit.clone()),
                default_quotas: options.quotas,
                adding: quotas::Adding::default(),
                stored_quotas: quotas::StoredQuotas::default(),
                gates: Mutex::default(),
                oidc,
                session_ttl: options.session_ttl,
                thresholds: visitor::Thresholds::default(),
            }),
        })
    }

    /// Waits until the audit log has every refusal so far.
    pub async fn flush(&self) {
        self.shared.refusals.flush().await;
    }
}
