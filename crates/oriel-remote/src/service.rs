//! One service, as one tenant's installation calls it.

use std::sync::Arc;

use oriel_model::permissions::Permissions;
use oriel_model::remote::RemoteUrl;
use oriel_model::time::Clock;
use oriel_sandbox::{Remote, RemoteConnection, Resolve, TrustedRoots};

use crate::connection::Connection;
use crate::signing::Signer;

/// A service that is called over HTTP. Cheap to clone.
#[derive(Clone)]
pub struct HttpService {
    pub(crate) url: RemoteUrl,
    pub(crate) signer: Signer,
    pub(crate) network: Arc<Network>,
}

/// How services are reached.
pub(crate) struct Network {
    /// Which addresses may be called: public ones, and those in these private networks.
    pub(crate) allowed: Permissions,
    pub(crate) resolver: Arc<dyn Resolve>,
    pub(crate) tls: Arc<rustls::ClientConfig>,
    pub(crate) clock: Arc<dyn Clock>,
}

impl HttpService {
    /// The service at `url`. Of the addresses behind it, public ones may be called, and those in the `private_network` of
    /// `allowed`; whatever else that says does not matter here.
    #[must_use]
    pub fn new(
        url: RemoteUrl,
        signer: Signer,
        allowed: Permissions,
        resolver: Arc<dyn Resolve>,
        roots: &TrustedRoots,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let network = Network {
            allowed,
            resolver,
            tls: roots.client(),
            clock,
        };
        Self {
            url,
            signer,
            network: Arc::new(network),
        }
    }
}

impl std::fmt::Debug for HttpService {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HttpService").field("url", &self.url).finish_non_exhaustive()
    }
}

impl Remote for HttpService {
    fn connect(&self) -> Box<dyn RemoteConnection> {
        Box::new(Connection::new(self.clone()))
    }
}
