//! Services of remote extensions: where they run, and the secrets that requests to them are signed with.
//!
//! A service knows the platform by a secret that is made here at install and shown once. While a new one takes the place of a
//! former one, requests carry a signature by each, so that no call is lost however long the service takes to learn it.

use std::sync::Arc;
use std::time::Duration;

use oriel_access::Sealer;
use oriel_model::Timestamp;
use oriel_model::access::Principal;
use oriel_model::id::TenantId;
use oriel_model::installation::{Installation, Release, RemoteService, SigningSecret as StoredSecret};
use oriel_model::name::ExtensionName;
use oriel_model::permissions::Permissions;
use oriel_model::remote::RemoteUrl;
use oriel_remote::{HttpService, Signer, SigningSecret};
use oriel_sandbox::{Code, HostCallError, Remote, RemoteConnection, RemoteError, RemoteRequest};

use crate::change::Change;
use crate::{ExtensionError, Extensions, Shared};

/// The longest time that a former secret stays in force.
pub const MAX_OVERLAP: Duration = Duration::from_secs(7 * 24 * 3_600);
/// Secrets in force at once; of more than these the oldest is forgotten.
const MAX_SECRETS: usize = 3;

/// An installation with the secret of its service, which is shown only now.
#[derive(Clone)]
pub struct WithSigningSecret {
    /// The installation.
    pub installation: Installation,
    /// The new secret; absent of an extension that is a component.
    pub secret: Option<String>,
}

impl std::fmt::Debug for WithSigningSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WithSigningSecret")
            .field("installation", &self.installation)
            .finish_non_exhaustive()
    }
}

/// Where a secret lies, so that it opens nowhere else. No pointer into a configuration and no secret of an extension has this form.
fn place(tenant: TenantId, extension: &ExtensionName) -> String {
    format!("{tenant}/{extension}!signing")
}

/// A new secret and what is kept of it.
fn made(sealer: &Sealer, tenant: TenantId, extension: &ExtensionName, now: Timestamp) -> (String, StoredSecret) {
    let secret = SigningSecret::random().reveal();
    let stored = StoredSecret {
        sealed: sealer.seal(&place(tenant, extension), secret.as_bytes()),
        made_at: now,
        until: None,
    };
    (secret, stored)
}

/// What signs requests to the service. A secret that cannot be opened signs nothing: the service then refuses, and says so.
fn signer(sealer: &Sealer, installation: &Installation, service: &RemoteService) -> Signer {
    let extension = &installation.name;
    let open = |stored: &StoredSecret| {
        let opened = sealer.open(&place(installation.tenant, extension), &stored.sealed).ok();
        let secret = opened.and_then(|bytes| String::from_utf8(bytes).ok()?.parse::<SigningSecret>().ok());
        if secret.is_none() {
            tracing::error!(%extension, "a signing secret cannot be opened: it needs the master key that it was sealed with");
        }
        Some((secret?, stored.until))
    };
    Signer::new(service.signing.iter().filter_map(open).collect())
}

/// What answers calls of a remote extension.
pub(crate) fn code(shared: &Shared, installation: &Installation) -> Code {
    let service = installation.remote.as_deref();
    let Some((service, url)) = service.and_then(|service| Some((service, service.url.clone()?))) else {
        return Code::Remote(Arc::new(Nowhere));
    };
    let options = shared.sandbox.options();
    let allowed = Permissions {
        private_network: shared.options.private_networks.clone(),
        ..Permissions::default()
    };
    Code::Remote(Arc::new(HttpService::new(
        url,
        signer(&shared.sealer, installation, service),
        allowed,
        options.resolver.clone(),
        &options.trusted_roots,
        shared.clock.clone(),
    )))
}

/// A service of which nobody has said where it runs. What has one of these is not enabled; this is for who asks all the same.
struct Nowhere;

#[async_trait::async_trait]
impl RemoteConnection for Nowhere {
    async fn ask(&mut self, _: RemoteRequest) -> Result<bytes::Bytes, RemoteError> {
        let reason = "nobody has said where it runs".to_owned();
        Err(RemoteError::Unreachable { reason })
    }
}

impl Remote for Nowhere {
    fn connect(&self) -> Box<dyn RemoteConnection> {
        Box::new(Self)
    }
}

/// Whether everything that calls need to know of a service is there; components need nothing.
pub(crate) fn is_reachable(installation: &Installation) -> bool {
    installation.release.manifest.remote.is_none() || installation.remote.as_ref().is_some_and(|service| service.url.is_some())
}

/// An installation that cannot be called because nobody has said where its service runs.
pub(crate) fn require_url(installation: &Installation) -> Result<(), ExtensionError> {
    if is_reachable(installation) {
        return Ok(());
    }
    Err(ExtensionError::RemoteUrlMissing {
        name: installation.name.to_string(),
    })
}

/// A release may not turn a component into a service, or back.
pub(crate) fn same_kind(present: &Installation, release: &Release) -> Result<(), ExtensionError> {
    let was_remote = present.release.manifest.remote.is_some();
    if was_remote == release.manifest.remote.is_some() {
        return Ok(());
    }
    Err(ExtensionError::RemoteChanged {
        name: present.name.to_string(),
        was_remote,
    })
}

impl Extensions {
    /// The service of a release that is installed for the first time, and its secret.
    pub(crate) fn new_service(
        &self,
        tenant: TenantId,
        release: &Release,
        url: Option<RemoteUrl>,
        now: Timestamp,
    ) -> Result<Option<(Box<RemoteService>, String)>, ExtensionError> {
        let name = &release.manifest.name;
        let Some(remote) = &release.manifest.remote else {
            return match url {
                None => Ok(None),
                Some(_) => Err(ExtensionError::RemoteNone { name: name.to_string() }),
            };
        };
        let (secret, stored) = made(&self.shared.sealer, tenant, name, now);
        let service = RemoteService {
            url: url.or_else(|| remote.url.clone()),
            signing: vec![stored],
        };
        Ok(Some((Box::new(service), secret)))
    }

    /// Whether a call of a remote service that was given this token is under way on this node.
    #[must_use]
    pub fn is_under_way(&self, token: &str) -> bool {
        self.shared.sandbox.is_under_way(token)
    }

    /// Answers a host call of a remote service, for the call that `token` belongs to.
    ///
    /// # Errors
    /// As [`oriel_sandbox::Sandbox::host_call`].
    pub async fn host_call(&self, token: &str, function: &str, arguments: &[u8]) -> Result<serde_json::Value, HostCallError> {
        self.shared.sandbox.host_call(token, function, arguments).await
    }

    /// Says where the service of a remote extension runs. Calls that are under way end where they are.
    ///
    /// # Errors
    /// When the principal may not, or the extension is not remote.
    pub async fn set_remote_url(
        &self,
        principal: &Principal,
        name: &str,
        url: RemoteUrl,
        if_match: Option<u64>,
    ) -> Result<Installation, ExtensionError> {
        let change = Change::by(principal)?;
        let (_alone, present) = self.hold(change.tenant, name, if_match).await?;
        let mut next = present.clone();
        let reason = format!("the service runs at {url}");
        service_of(&mut next)?.url = Some(url);
        self.commit_because(&change, next, present.revision, "extension.set_remote", Some(&reason))
            .await
    }

    /// Makes a new secret to sign with. Requests carry signatures by the former ones, too, for as long as `overlap` says, at most
    /// [`MAX_OVERLAP`].
    ///
    /// # Errors
    /// When the principal may not, or the extension is not remote.
    pub async fn rotate_signing_secret(
        &self,
        principal: &Principal,
        name: &str,
        overlap: Duration,
        if_match: Option<u64>,
    ) -> Result<WithSigningSecret, ExtensionError> {
        let change = Change::by(principal)?;
        let (_alone, present) = self.hold(change.tenant, name, if_match).await?;
        let now = self.shared.clock.now();
        let mut next = present.clone();
        let service = service_of(&mut next)?;
        let (secret, stored) = made(&self.shared.sealer, change.tenant, &present.name, now);
        let end = now.plus(overlap.min(MAX_OVERLAP));
        for former in &mut service.signing {
            former.until = Some(former.until.map_or(end, |until| until.min(end)));
        }
        service.signing.insert(0, stored);
        service.signing.retain(|secret| secret.until.is_none_or(|until| now < until));
        service.signing.truncate(MAX_SECRETS);
        let reason = format!("the former secret ends at {end}");
        let installation = self
            .commit_because(&change, next, present.revision, "extension.rotate_signing_secret", Some(&reason))
            .await?;
        Ok(WithSigningSecret {
            installation,
            secret: Some(secret),
        })
    }
}

fn service_of(installation: &mut Installation) -> Result<&mut RemoteService, ExtensionError> {
    let name = installation.name.to_string();
    installation.remote.as_deref_mut().ok_or(ExtensionError::RemoteNone { name })
}
