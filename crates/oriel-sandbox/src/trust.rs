//! Whom outbound HTTPS trusts.

use std::sync::Arc;

use rustls::client::Resumption;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};

/// TLS sessions that one instance remembers, so that its next request to the same host has a shorter handshake.
const SESSIONS: usize = 8;

/// The certificate authorities that outbound `https` trusts: those that Mozilla trusts, as they were when this
/// program was built, and whatever was added. The system's own store is not read, so that a grant means the same on
/// every machine. Cheap to clone.
#[derive(Clone)]
pub struct TrustedRoots {
    store: Arc<RootCertStore>,
    config: Arc<ClientConfig>,
}

/// Why certificates cannot be trusted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RootsError {
    /// The text has no certificate.
    #[error("there is no PEM certificate in it (lines from `-----BEGIN CERTIFICATE-----`)")]
    Empty,
    /// The text is not PEM.
    #[error("it is not well-formed PEM: {reason}")]
    Pem {
        /// What is wrong with it.
        reason: String,
    },
    /// One of the certificates cannot be an authority's.
    #[error("certificate {position} cannot be used: {reason}")]
    Certificate {
        /// Its place among the certificates, from 1.
        position: usize,
        /// What is wrong with it.
        reason: String,
    },
}

impl TrustedRoots {
    /// The authorities that Mozilla trusts.
    #[must_use]
    pub fn mozilla() -> Self {
        Self::new(RootCertStore {
            roots: webpki_roots::TLS_SERVER_ROOTS.into(),
        })
    }

    /// These authorities and those of `pem`, such as a company's own: one certificate or several. All are taken, or
    /// none.
    ///
    /// # Errors
    /// What is wrong with the text or the first bad certificate in it.
    pub fn and_pem(&self, pem: &[u8]) -> Result<Self, RootsError> {
        let mut store = RootCertStore::clone(&self.store);
        let mut position = 0;
        for certificate in CertificateDer::pem_slice_iter(pem) {
            position += 1;
            let certificate = certificate.map_err(|error| RootsError::Pem { reason: error.to_string() })?;
            store.add(certificate).map_err(|error| RootsError::Certificate {
                position,
                reason: error.to_string(),
            })?;
        }
        if position == 0 {
            return Err(RootsError::Empty);
        }
        Ok(Self::new(store))
    }

    fn new(store: RootCertStore) -> Self {
        let store = Arc::new(store);
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("the provider supports the default versions")
            .with_root_certificates(Arc::clone(&store))
            .with_no_client_auth();
        config.resumption = Resumption::disabled();
        Self {
            store,
            config: Arc::new(config),
        }
    }

    /// How one instance speaks TLS. Sessions are remembered per instance: one that crossed tenants would let a server
    /// tell that they share a machine.
    #[must_use]
    pub fn client(&self) -> Arc<ClientConfig> {
        let mut config = ClientConfig::clone(&self.config);
        config.resumption = Resumption::in_memory_sessions(SESSIONS);
        Arc::new(config)
    }
}

impl Default for TrustedRoots {
    fn default() -> Self {
        Self::mozilla()
    }
}

impl std::fmt::Debug for TrustedRoots {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TrustedRoots")
            .field("authorities", &self.store.len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_certificate_is_refused() {
        let check = |pem: &str, wanted: &str| {
            let error = TrustedRoots::mozilla().and_pem(pem.as_bytes()).expect_err("it is refused");
            assert!(error.to_string().contains(wanted), "{error}");
        };
        check("", "no PEM certificate");
        check("words", "no PEM certificate");
        check(
            "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
            "no PEM certificate",
        );
        check("-----BEGIN CERTIFICATE-----\nAAAA\n", "not well-formed PEM");
        check(
            "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
            "certificate 1 cannot be used",
        );
    }
}
