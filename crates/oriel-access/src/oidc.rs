//! Signing in with OpenID Connect: the authorization code flow with PKCE, state and nonce, against any issuer that publishes its
//! metadata.
//!
//! Nothing is kept on the server between the two halves: what the second half needs (state, nonce, PKCE verifier, where to go
//! back to) travels in a sealed cookie that only this flow reads and that ends after ten minutes.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use openidconnect::core::{
    CoreAuthDisplay, CoreAuthPrompt, CoreErrorResponseType, CoreGenderClaim, CoreJsonWebKey, CoreJweContentEncryptionAlgorithm,
    CoreJwsSigningAlgorithm, CoreProviderMetadata, CoreResponseType, CoreRevocableToken, CoreRevocationErrorResponse,
    CoreTokenIntrospectionResponse, CoreTokenType,
};
use openidconnect::{
    AdditionalClaims, AsyncHttpClient, AuthenticationFlow, AuthorizationCode, Client, ClientId, ClientSecret, CsrfToken,
    EmptyExtraTokenFields, EndpointMaybeSet, EndpointNotSet, EndpointSet, HttpRequest, HttpResponse, IdTokenFields, IssuerUrl, Nonce,
    OAuth2TokenResponse as _, PkceCodeChallenge, PkceCodeVerifier, RedirectUrl, Scope, StandardErrorResponse, StandardTokenResponse,
    TokenResponse as _, UserInfoClaims,
};
use oriel_model::Timestamp;
use oriel_model::access::{PrincipalId, Role, Tenant};
use oriel_model::id::UserId;
use oriel_model::member::{Member, MemberKind};
use oriel_store::StoreError;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use subtle::ConstantTimeEq as _;

use crate::sessions::{BegunSession, Browser};
use crate::{Access, AccessError, Actor, Sealer};

/// How long somebody may take at the issuer.
const PATIENCE: Duration = Duration::from_secs(600);
/// How long the issuer's metadata and keys are used before they are fetched again.
const FRESH: Duration = Duration::from_secs(3_600);
/// How long one request to the issuer may take.
const TIMEOUT: Duration = Duration::from_secs(10);
/// The longest answer of an issuer that is read.
const MAX_ANSWER: usize = 1 << 20;
/// Where a sealed flow belongs.
const PLACE: &str = "sign-in";

/// How people sign in.
#[derive(Clone)]
pub struct OidcOptions {
    /// The issuer, whose metadata lie at `/.well-known/openid-configuration` below it.
    pub issuer: String,
    /// Who this server is to the issuer.
    pub client_id: String,
    /// And how it proves it; nothing for a public client.
    pub client_secret: Option<String>,
    /// Where the issuer sends browsers back to: this server's `/api/v1/auth/callback`, as browsers reach it.
    pub redirect_url: String,
    /// Scopes that are asked for beside `openid`.
    pub scopes: Vec<String>,
    /// The claim that holds roles or groups.
    pub role_claim: String,
    /// Which value of that claim means which role in which tenant; the first that fits counts.
    pub roles: Vec<RoleRule>,
}

impl std::fmt::Debug for OidcOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OidcOptions")
            .field("issuer", &self.issuer)
            .field("client_id", &self.client_id)
            .finish_non_exhaustive()
    }
}

/// One line of the map from claims to roles.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoleRule {
    /// The value of the claim.
    pub value: String,
    /// The role that it means.
    pub role: Role,
    /// In which tenant; `default` when nothing is said.
    pub tenant: String,
}

/// The first half of a sign-in.
#[derive(Debug, Clone)]
pub struct SignIn {
    /// Where the browser shall go.
    pub url: String,
    /// The cookie's value that the second half needs.
    pub cookie: String,
}

/// A sign-in that succeeded.
#[derive(Debug, Clone)]
pub struct SignedIn {
    /// The session.
    pub begun: BegunSession,
    /// The path on this server to which the browser shall go.
    pub return_to: String,
}

/// What the issuer sent the browser back with.
#[derive(Debug, Clone, Copy)]
pub struct IssuerAnswer<'a> {
    /// Which sign-in it answers.
    pub state: &'a str,
    /// What is redeemed.
    pub code: &'a str,
    /// The issuer, where it says so (RFC 9207): tells a mix-up of two issuers.
    pub issuer: Option<&'a str>,
}

/// What travels in the cookie.
#[derive(Serialize, Deserialize)]
struct Flow {
    state: String,
    nonce: String,
    verifier: String,
    tenant: String,
    return_to: String,
    ends_at: Timestamp,
}

/// Everything that an issuer says of somebody.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Claims(Map<String, Value>);

impl AdditionalClaims for Claims {}

type IdFields = IdTokenFields<Claims, EmptyExtraTokenFields, CoreGenderClaim, CoreJweContentEncryptionAlgorithm, CoreJwsSigningAlgorithm>;

type OidcClient = Client<
    Claims,
    CoreAuthDisplay,
    CoreGenderClaim,
    CoreJweContentEncryptionAlgorithm,
    CoreJsonWebKey,
    CoreAuthPrompt,
    StandardErrorResponse<CoreErrorResponseType>,
    StandardTokenResponse<IdFields, CoreTokenType>,
    CoreTokenIntrospectionResponse,
    CoreRevocableToken,
    CoreRevocationErrorResponse,
    EndpointSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointMaybeSet,
    EndpointMaybeSet,
>;

/// The way to the issuer.
pub(crate) struct Oidc {
    options: OidcOptions,
    sealer: Sealer,
    http: reqwest::Client,
    metadata: tokio::sync::Mutex<Option<(Timestamp, Arc<CoreProviderMetadata>)>>,
}

/// A request to the issuer that failed.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct HttpFailed(String);

impl Oidc {
    pub(crate) fn new(options: OidcOptions, sealer: Sealer, extra_roots: &[Vec<u8>]) -> Result<Self, AccessError> {
        let failed = |error: &dyn std::fmt::Display| AccessError::IssuerUnavailable { reason: error.to_string() };
        let mut http = reqwest::Client::builder()
            .timeout(TIMEOUT)
            // An issuer that redirects its endpoints elsewhere could send us anywhere.
            .redirect(reqwest::redirect::Policy::none());
        for pem in extra_roots {
            for root in reqwest::Certificate::from_pem_bundle(pem).map_err(|error| failed(&error))? {
                http = http.add_root_certificate(root);
            }
        }
        Ok(Self {
            options,
            sealer,
            http: http.build().map_err(|error| failed(&error))?,
            metadata: tokio::sync::Mutex::default(),
        })
    }

    async fn send(&self, request: HttpRequest) -> Result<HttpResponse, HttpFailed> {
        let failed = |error: reqwest::Error| HttpFailed(error.without_url().to_string());
        let (parts, body) = request.into_parts();
        let url = parts.uri.to_string();
        let mut response = self
            .http
            .request(parts.method, url)
            .headers(parts.headers)
            .body(body)
            .send()
            .await
            .map_err(failed)?;
        let mut answer = http::Response::builder().status(response.status());
        if let Some(headers) = answer.headers_mut() {
            headers.clone_from(response.headers());
        }
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(failed)? {
            body.extend_from_slice(&chunk);
            if body.len() > MAX_ANSWER {
                return Err(HttpFailed(format!("the answer is longer than {MAX_ANSWER} bytes")));
            }
        }
        answer.body(body).map_err(|error| HttpFailed(error.to_string()))
    }

    async fn metadata(&self, now: Timestamp, anew: bool) -> Result<Arc<CoreProviderMetadata>, AccessError> {
        let mut kept = self.metadata.lock().await;
        if let Some((at, metadata)) = &*kept
            && !anew
            && *at <= now
            && now.since(*at) < FRESH
        {
            return Ok(metadata.clone());
        }
        let failed = |error: String| AccessError::IssuerUnavailable { reason: error };
        let issuer = IssuerUrl::new(self.options.issuer.clone()).map_err(|error| failed(error.to_string()))?;
        let found = CoreProviderMetadata::discover_async(issuer, self).await;
        let found = Arc::new(found.map_err(|error| failed(chain(&error)))?);
        *kept = Some((now, found.clone()));
        Ok(found)
    }

    fn client(&self, metadata: &CoreProviderMetadata) -> Result<OidcClient, AccessError> {
        let redirect = RedirectUrl::new(self.options.redirect_url.clone())
            .map_err(|error| AccessError::IssuerUnavailable { reason: error.to_string() })?;
        let secret = self.options.client_secret.clone().map(ClientSecret::new);
        let id = ClientId::new(self.options.client_id.clone());
        Ok(Client::from_provider_metadata(metadata.clone(), id, secret).set_redirect_uri(redirect))
    }
}

impl<'c> AsyncHttpClient<'c> for Oidc {
    type Error = HttpFailed;
    type Future = Pin<Box<dyn Future<Output = Result<HttpResponse, HttpFailed>> + Send + 'c>>;

    fn call(&'c self, request: HttpRequest) -> Self::Future {
        Box::pin(self.send(request))
    }
}

/// An error with what caused it.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        text.push_str(": ");
        text.push_str(&inner.to_string());
        source = inner.source();
    }
    text
}

fn failed(reason: impl Into<String>) -> AccessError {
    AccessError::SignInFailed { reason: reason.into() }
}

impl Access {
    /// Whether people can sign in.
    #[must_use]
    pub fn signs_in(&self) -> bool {
        self.shared.oidc.is_some()
    }

    /// Begins a sign-in to the tenant of this name.
    ///
    /// # Errors
    /// [`AccessError::SignInUnavailable`] without an issuer, [`AccessError::IssuerUnavailable`], or when `return_to` is no path on
    /// this server.
    pub async fn begin_sign_in(&self, tenant: &str, return_to: &str) -> Result<SignIn, AccessError> {
        let oidc = self.shared.oidc.as_ref().ok_or(AccessError::SignInUnavailable)?;
        if !is_local_path(return_to) {
            return Err(AccessError::Invalid {
                reason: "`returnTo` must be a path on this server, such as `/`".to_owned(),
            });
        }
        let now = self.shared.clock.now();
        let client = oidc.client(&*oidc.metadata(now, false).await?)?;
        let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
        let flow = AuthenticationFlow::<CoreResponseType>::AuthorizationCode;
        let mut request = client.authorize_url(flow, CsrfToken::new_random, Nonce::new_random);
        for scope in &oidc.options.scopes {
            request = request.add_scope(Scope::new(scope.clone()));
        }
        let (url, state, nonce) = request.set_pkce_challenge(challenge).url();
        let flow = Flow {
            state: state.into_secret(),
            nonce: nonce.secret().clone(),
            verifier: verifier.into_secret(),
            tenant: tenant.to_owned(),
            return_to: return_to.to_owned(),
            ends_at: now.plus(PATIENCE),
        };
        let text = serde_json::to_vec(&flow).map_err(|error| failed(error.to_string()))?;
        Ok(SignIn {
            url: url.into(),
            cookie: oidc.sealer.seal(PLACE, &text),
        })
    }

    /// Ends a sign-in: takes the issuer's answer, finds or makes the member, and begins a session.
    ///
    /// # Errors
    /// [`AccessError::SignInFailed`] when anything does not fit, [`AccessError::SignInRefused`] for somebody who is no member.
    pub async fn finish_sign_in(&self, cookie: &str, answer: IssuerAnswer<'_>, browser: Browser) -> Result<SignedIn, AccessError> {
        let oidc = self.shared.oidc.as_ref().ok_or(AccessError::SignInUnavailable)?;
        let now = self.shared.clock.now();
        let flow = oidc
            .sealer
            .open(PLACE, cookie)
            .map_err(|_| failed("the cookie of this sign-in is not one of this server's"))?;
        let flow: Flow = serde_json::from_slice(&flow).map_err(|_| failed("the cookie of this sign-in is of another release"))?;
        if flow.ends_at < now {
            return Err(failed("it took longer than ten minutes"));
        }
        if !bool::from(flow.state.as_bytes().ct_eq(answer.state.as_bytes())) {
            return Err(failed(
                "the answer belongs to another sign-in than the one that this browser began last",
            ));
        }
        let issuer = oidc.options.issuer.trim_end_matches('/');
        if answer.issuer.is_some_and(|named| named.trim_end_matches('/') != issuer) {
            return Err(failed("the answer comes from another issuer"));
        }
        let claims = self.redeem(oidc, &flow, answer.code, now).await?;
        let tenant = self.shared.tenants.by_name(&flow.tenant).await?;
        let who = text(&claims, "email").unwrap_or_else(|| text(&claims, "sub").unwrap_or_default());
        let refused = || AccessError::SignInRefused {
            who: who.chars().take(100).collect(),
            tenant: flow.tenant.clone(),
        };
        // A tenant that does not exist and one that somebody is no member of look the same.
        let tenant = tenant.ok_or_else(refused)?;
        let member = self.member_for(oidc, &tenant, &claims, now).await?.ok_or_else(refused)?;
        let methods = claims.get("amr").and_then(Value::as_array).into_iter().flatten();
        // RFC 8176: `mfa` says that more than one method was used.
        let mfa = methods.filter_map(Value::as_str).any(|method| method == "mfa");
        let begun = self.begin_session(tenant.id, &member, mfa, browser).await?;
        Ok(SignedIn {
            begun,
            return_to: flow.return_to,
        })
    }

    /// The claims behind a code, verified.
    async fn redeem(&self, oidc: &Oidc, flow: &Flow, code: &str, now: Timestamp) -> Result<Map<String, Value>, AccessError> {
        let metadata = oidc.metadata(now, false).await?;
        let client = oidc.client(&metadata)?;
        let unusable = |reason: String| AccessError::IssuerUnavailable { reason };
        let tokens = client
            .exchange_code(AuthorizationCode::new(code.to_owned()))
            .map_err(|error| unusable(chain(&error)))?
            .set_pkce_verifier(PkceCodeVerifier::new(flow.verifier.clone()))
            .request_async(oidc)
            .await
            .map_err(|error| failed(format!("the issuer refused the code: {}", chain(&error))))?;
        let id_token = tokens.id_token().ok_or_else(|| unusable("it sent no ID token".to_owned()))?;
        let nonce = Nonce::new(flow.nonce.clone());
        let moment = move || chrono_at(now);
        let verified = id_token.claims(&client.id_token_verifier().set_time_fn(moment), &nonce).cloned();
        let verified = match verified {
            Ok(claims) => claims,
            // The issuer may have changed its keys since we asked for them.
            Err(openidconnect::ClaimsVerificationError::SignatureVerification(_)) => {
                let client = oidc.client(&*oidc.metadata(now, true).await?)?;
                let again = id_token.claims(&client.id_token_verifier().set_time_fn(moment), &nonce).cloned();
                again.map_err(|error| failed(format!("the ID token does not hold: {}", chain(&error))))?
            }
            Err(error) => return Err(failed(format!("the ID token does not hold: {}", chain(&error)))),
        };
        let mut claims = object(&verified)?;
        // Many issuers tell e-mail and groups here only. The library checks that it speaks of the same subject.
        if let Ok(request) = client.user_info(tokens.access_token().clone(), Some(verified.subject().clone())) {
            let info: UserInfoClaims<Claims, CoreGenderClaim> = request
                .request_async(oidc)
                .await
                .map_err(|error| unusable(format!("it does not tell who this is: {}", chain(&error))))?;
            for (name, value) in object(&info)? {
                claims.entry(name).or_insert(value);
            }
        }
        Ok(claims)
    }

    /// The member that the claims mean: known by subject, by a verified address that was invited, or by a claim that has a role.
    async fn member_for(
        &self,
        oidc: &Oidc,
        tenant: &Tenant,
        claims: &Map<String, Value>,
        now: Timestamp,
    ) -> Result<Option<Member>, AccessError> {
        let members = &self.shared.store.members;
        let (Some(issuer), Some(subject)) = (text(claims, "iss"), text(claims, "sub")) else {
            return Err(failed("the issuer does not say who this is"));
        };
        let role = role_for(&oidc.options, tenant, claims);
        let verified = claims.get("email_verified").and_then(Value::as_bool) == Some(true);
        let email = text(claims, "email").map(|email| email.to_lowercase()).filter(|_| verified);
        let mut present = members.by_subject(tenant.id, &issuer, &subject).await?;
        if present.is_none()
            && let Some(email) = &email
        {
            // Whoever was invited by address and has not signed in yet; an address alone never takes over somebody's account.
            let invited = members.by_name(tenant.id, MemberKind::User, email).await?;
            present = invited.filter(|member| member.subject.is_none());
        }
        let display_name = text(claims, "name").filter(|name| !name.chars().any(char::is_control));
        let Some(present) = present else {
            let Some(role) = role else { return Ok(None) };
            let member = Member {
                id: PrincipalId::User(UserId::new(now)),
                kind: MemberKind::User,
                name: email.unwrap_or_else(|| format!("{subject}@{issuer}").to_lowercase().chars().take(254).collect()),
                display_name: display_name.unwrap_or_default().chars().take(100).collect(),
                role,
                by_claim: true,
                issuer: Some(issuer),
                subject: Some(subject),
                revision: 1,
                created_at: now,
                seen_at: Some(now),
            };
            let details = json!({ "kind": member.kind, "role": member.role, "byClaim": true });
            let audit = Actor::Member(&member).did(now, "member.add", member.id.to_string(), details);
            return match members.insert(tenant.id, member.clone(), audit).await {
                Ok(()) => Ok(Some(member)),
                // Somebody else holds the address here.
                Err(StoreError::Exists { .. }) => Ok(None),
                Err(error) => Err(error.into()),
            };
        };
        if present.by_claim && role.is_none() {
            // The claim that made this person a member is gone.
            return Ok(None);
        }
        let role = if present.by_claim {
            role.unwrap_or(present.role)
        } else {
            present.role
        };
        let next = Member {
            role,
            issuer: Some(issuer),
            subject: Some(subject),
            seen_at: Some(now),
            revision: present.revision + 1,
            ..present.clone()
        };
        let details = json!({ "role": next.role, "roleBefore": present.role, "signIn": true });
        let audit = Actor::Member(&next).did(now, "member.update", next.id.to_string(), details);
        let watch = present.is_proven_owner().then_some(now);
        match members.update(tenant.id, next.clone(), present.revision, watch, audit).await {
            Ok(()) => {
                self.changed();
                Ok(Some(next))
            }
            // The last owner stays one, whatever the claims say; signing in twice at once is no fault either.
            Err(StoreError::Conflict { .. }) => Ok(Some(present)),
            Err(StoreError::Exists { .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}

fn text(claims: &Map<String, Value>, name: &str) -> Option<String> {
    claims
        .get(name)
        .and_then(Value::as_str)
        .filter(|text| !text.is_empty())
        .map(str::to_owned)
}

fn object(claims: &impl Serialize) -> Result<Map<String, Value>, AccessError> {
    match serde_json::to_value(claims) {
        Ok(Value::Object(mut claims)) => {
            claims.retain(|_, value| !value.is_null());
            Ok(claims)
        }
        _ => Err(failed("the claims are no object")),
    }
}

fn chrono_at(now: Timestamp) -> chrono::DateTime<chrono::Utc> {
    chrono::DateTime::from_timestamp_millis(now.millis()).unwrap_or_default()
}

/// The role that the claims give in this tenant: the first rule that fits.
fn role_for(options: &OidcOptions, tenant: &Tenant, claims: &Map<String, Value>) -> Option<Role> {
    let held: Vec<&str> = match claims.get(&options.role_claim) {
        Some(Value::String(one)) => vec![one],
        Some(Value::Array(many)) => many.iter().filter_map(Value::as_str).collect(),
        _ => return None,
    };
    let fits = |rule: &&RoleRule| rule.tenant == tenant.name.as_str() && held.contains(&rule.value.as_str());
    options.roles.iter().find(fits).map(|rule| rule.role)
}

/// Whether a browser that is sent to `path` stays on this server: `//host` and `/\host` would not.
fn is_local_path(path: &str) -> bool {
    let bytes = path.as_bytes();
    bytes.first() == Some(&b'/')
        && !matches!(bytes.get(1), Some(b'/' | b'\\'))
        && path.len() <= 500
        && bytes.iter().all(|byte| byte.is_ascii_graphic() && *byte != b'\\')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_returns_to_this_server_only() {
        for good in ["/", "/console?x=1#y", "/a//b"] {
            assert!(is_local_path(good), "{good}");
        }
        for bad in [
            "",
            "console",
            "//evil.example",
            "/\\evil.example",
            "https://evil.example",
            "/a\r\nb",
            "/a\\b",
            "javascript:x",
        ] {
            assert!(!is_local_path(bad), "{bad}");
        }
    }

    #[test]
    fn the_first_rule_that_fits_gives_the_role() {
        let rule = |value: &str, role, tenant: &str| RoleRule {
            value: value.to_owned(),
            role,
            tenant: tenant.to_owned(),
        };
        let options = OidcOptions {
            issuer: String::new(),
            client_id: String::new(),
            client_secret: None,
            redirect_url: String::new(),
            scopes: Vec::new(),
            role_claim: "groups".to_owned(),
            roles: vec![
                rule("ops", Role::Owner, "default"),
                rule("staff", Role::Viewer, "default"),
                rule("staff", Role::Developer, "acme"),
            ],
        };
        let at = Timestamp::from_millis(0);
        for (tenant, groups, expected) in [
            ("default", json!(["staff", "ops"]), Some(Role::Owner)),
            ("default", json!("staff"), Some(Role::Viewer)),
            ("acme", json!(["ops", "staff"]), Some(Role::Developer)),
            ("acme", json!(["ops"]), None),
            ("default", json!([]), None),
            ("default", json!({"ops": true}), None),
            ("default", json!([["ops"]]), None),
        ] {
            let tenant = Tenant {
                id: oriel_model::id::TenantId::new(at),
                name: tenant.parse().unwrap(),
                display_name: String::new(),
                created_at: at,
            };
            let claims = json!({ "groups": groups });
            assert_eq!(
                role_for(&options, &tenant, claims.as_object().unwrap()),
                expected,
                "{tenant:?} {claims}"
            );
        }
    }
}
