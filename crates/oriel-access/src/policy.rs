//! Policies in Cedar: the rules of roles as the default set, and what tenants add to them.
//!
//! The default set says exactly what [`Principal::may`] says (a test compares both over all roles and scopes), so a tenant
//! without policies of its own never waits for Cedar. A tenant with some asks it only about operations that they speak of.

mod check;
mod engine;
mod refusals;
mod schema;

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use oriel_model::Timestamp;
use oriel_model::access::{Judge, Principal, PrincipalId, Resource, ResourceKind, Role, Scope};
use oriel_model::id::{TaskId, TenantId};
use oriel_model::name::PolicyName;
use oriel_model::policy::Policy;
use oriel_store::StoreError;
use parking_lot::RwLock;
use serde_json::json;

pub use self::check::PolicyProblem;
pub(crate) use self::engine::Compiled;
pub(crate) use self::engine::Vocabulary;
pub use self::engine::{RequestContext, Verdict};
pub(crate) use self::refusals::Refusals;
pub use self::schema::PolicyAction;
use crate::authenticate::TRUST;
use crate::{Access, AccessError, Actor};

/// Policies that a tenant can have.
const MAX_POLICIES: usize = 100;

/// What somebody wants to do.
#[derive(Debug, Clone, Copy)]
pub struct Ask<'a> {
    /// The operation's id.
    pub operation: &'static str,
    /// The scope that it needs.
    pub scope: Scope,
    /// What it is done to.
    pub target: AskTarget<'a>,
    /// From where the request comes.
    pub ip: Option<IpAddr>,
    /// The method and the path below the extension's address, of a request for a route.
    pub route: Option<(&'a str, &'a str)>,
}

/// What an operation is done to, as far as its address says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AskTarget<'a> {
    /// The tenant as a whole.
    Tenant,
    /// The thing of this name or id.
    Named(ResourceKind, &'a str),
    /// The service finds out, and asks [`Access::permit`].
    Later,
}

/// A policy to be written.
#[derive(Debug, Clone)]
pub struct NewPolicy {
    /// What it is for.
    pub description: String,
    /// The text, in Cedar.
    pub text: String,
    /// Whether it counts.
    pub enabled: bool,
}

/// Who would ask, for [`Access::check_access`].
#[derive(Debug, Clone)]
pub enum Who {
    /// The caller.
    Myself,
    /// A key or member of the tenant.
    Member(PrincipalId),
    /// Anybody with a key of this role, narrowed to these scopes.
    Role(Role, Vec<Scope>),
}

/// A question about access.
#[derive(Debug, Clone)]
pub struct AccessQuestion {
    /// Who would ask.
    pub who: Who,
    /// The operation.
    pub operation: String,
    /// What it would be done to; nothing for the tenant itself.
    pub resource: Option<(ResourceKind, String)>,
    /// From where.
    pub ip: Option<IpAddr>,
    /// When; now, when nothing is said.
    pub time: Option<Timestamp>,
    /// Whether with a second factor.
    pub mfa: bool,
    /// The method and the path below the extension's address, of a request for a route.
    pub route: Option<(String, String)>,
}

/// The policies of tenants seen lately.
#[derive(Default)]
pub(crate) struct PolicyCache {
    known: RwLock<HashMap<TenantId, Known>>,
}

#[derive(Clone)]
struct Known {
    compiled: Option<Arc<Compiled>>,
    /// Ids and revisions of what was compiled.
    stamp: Vec<(PolicyName, u64)>,
    looked_at: Timestamp,
}

impl PolicyCache {
    pub(crate) fn forget(&self, tenant: TenantId) {
        self.known.write().remove(&tenant);
    }

    fn fresh(&self, tenant: TenantId, now: Timestamp) -> Option<Option<Arc<Compiled>>> {
        let known = self.known.read();
        let found = known.get(&tenant)?;
        (found.looked_at <= now && now.since(found.looked_at) < TRUST).then(|| found.compiled.clone())
    }
}

/// What a tenant's policies say about one request, while the service finds out what it is about.
#[derive(Debug)]
struct RequestJudge {
    compiled: Arc<Compiled>,
    action: PolicyAction,
    context: RequestContext,
    refusals: Refusals,
}

impl Judge for RequestJudge {
    fn judge(&self, principal: &Principal, resource: Resource<'_>) -> Result<(), String> {
        let verdict = self.compiled.decide(principal, &self.action, resource, &self.context);
        self.refusals
            .answered(principal, &self.action, resource, &verdict, self.context.time);
        if verdict.allowed { Ok(()) } else { Err(verdict.sentence()) }
    }
}

impl Access {
    /// Whether the tenant's policies let `principal` do to `resource` what its request is about. Services ask this once they know
    /// the resource, where its name is not part of the address.
    ///
    /// # Errors
    /// [`AccessError::Forbidden`] with the policy's name.
    pub fn permit(principal: &Principal, resource: Resource<'_>) -> Result<(), AccessError> {
        match &principal.judge {
            None => Ok(()),
            Some(judge) => judge.judge(principal, resource).map_err(|reason| AccessError::Forbidden { reason }),
        }
    }

    /// Decides about a request by role, scopes and the tenant's policies, and answers the principal that the services shall see.
    ///
    /// # Errors
    /// [`AccessError::MissingScope`] or [`AccessError::Forbidden`] when the answer is no, and the store's error.
    pub async fn admit(&self, principal: &Arc<Principal>, ask: Ask<'_>) -> Result<Arc<Principal>, AccessError> {
        let now = self.shared.clock.now();
        let compiled = match self.shared.policies.fresh(principal.tenant, now) {
            Some(compiled) => compiled,
            None => self.load_policies(principal.tenant, now).await?,
        };
        let action = self.shared.vocabulary.actions.get(ask.operation);
        let (compiled, action) = match (compiled, action) {
            (Some(compiled), Some(action)) if compiled.matters(ask.operation) && !breaks_glass(principal, ask.operation) => {
                (compiled, *action)
            }
            _ => {
                let answer = Self::require(principal, ask.scope);
                if answer.is_err() {
                    self.shared.refusals.missing(principal, ask.operation, ask.scope, now);
                }
                return answer.map(|()| principal.clone());
            }
        };
        let context = RequestContext {
            ip: ask.ip,
            time: now,
            mfa: principal.mfa,
            session: matches!(principal.id, PrincipalId::User(_)),
            route: ask.route.map(|(method, path)| (method.to_owned(), path.to_owned())),
        };
        let lent = (!principal.may(ask.scope)).then_some(ask.scope);
        let (name, extension);
        let resource = match ask.target {
            AskTarget::Later => {
                let judge = RequestJudge {
                    compiled,
                    action,
                    context,
                    refusals: self.shared.refusals.clone(),
                };
                return Ok(Arc::new(Principal {
                    lent,
                    judge: Some(Arc::new(judge)),
                    ..(**principal).clone()
                }));
            }
            AskTarget::Tenant => tenant_resource(principal),
            AskTarget::Named(kind, text) => {
                (name, extension) = self.resolve(principal.tenant, kind, text).await?;
                Resource {
                    kind,
                    name: &name,
                    extension: extension.as_deref(),
                }
            }
        };
        let verdict = compiled.decide(principal, &action, resource, &context);
        self.shared.refusals.answered(principal, &action, resource, &verdict, now);
        if !verdict.allowed {
            return Err(AccessError::Forbidden {
                reason: verdict.sentence(),
            });
        }
        Ok(match lent {
            None => principal.clone(),
            lent => Arc::new(Principal {
                lent,
                ..(**principal).clone()
            }),
        })
    }

    /// The one name by which policies know a thing that requests may name in several ways, and its extension; the text itself when
    /// there is no such thing.
    async fn resolve(&self, tenant: TenantId, kind: ResourceKind, text: &str) -> Result<(String, Option<String>), AccessError> {
        let found = match kind {
            ResourceKind::Task => {
                let task = match text.parse::<TaskId>() {
                    Ok(id) => self.shared.store.tasks.get(tenant, id).await?,
                    Err(_) => self.shared.store.tasks.by_name(tenant, text).await?,
                };
                task.map(|task| (task.name.to_string(), Some(task.program.extension.to_string())))
            }
            ResourceKind::Member => match self.find_member(tenant, text).await {
                Ok(member) => Some((member.id.to_string(), None)),
                Err(AccessError::MemberNotFound { .. }) => None,
                Err(error) => return Err(error),
            },
            _ => None,
        };
        Ok(found.unwrap_or_else(|| (text.to_owned(), None)))
    }

    async fn load_policies(&self, tenant: TenantId, now: Timestamp) -> Result<Option<Arc<Compiled>>, AccessError> {
        let policies = self.shared.store.policies.all(tenant).await?;
        let stamp: Vec<_> = policies.iter().map(|policy| (policy.id.clone(), policy.revision)).collect();
        let known = self.shared.policies.known.read().get(&tenant).cloned();
        let compiled = match known {
            Some(known) if known.stamp == stamp => known.compiled,
            _ if policies.iter().all(|policy| !policy.enabled) => None,
            _ => Some(Arc::new(Compiled::new(&policies, &self.shared.vocabulary))),
        };
        let known = Known {
            compiled: compiled.clone(),
            stamp,
            looked_at: now,
        };
        self.shared.policies.known.write().insert(tenant, known);
        Ok(compiled)
    }

    /// The vocabulary of policies, as a Cedar schema.
    #[must_use]
    pub fn policy_schema(&self) -> &str {
        &self.shared.vocabulary.text
    }

    /// The tenant's own policies, by id.
    ///
    /// # Errors
    /// When the principal may not.
    pub async fn list_policies(&self, principal: &Principal) -> Result<Vec<Policy>, AccessError> {
        Self::require(principal, Scope::AccessRead)?;
        Ok(self.shared.store.policies.all(principal.tenant).await?)
    }

    /// One of them.
    ///
    /// # Errors
    /// When the principal may not, or there is no such policy.
    pub async fn policy(&self, principal: &Principal, id: &str) -> Result<Policy, AccessError> {
        Self::require(principal, Scope::AccessRead)?;
        let found = self.shared.store.policies.get(principal.tenant, id).await?;
        found.ok_or_else(|| unknown(id))
    }

    /// Writes a policy: a new one, or a new text of the one at revision `if_match`. Answers it, and whether it is new.
    ///
    /// # Errors
    /// When the principal may not, the text is not one valid policy, or somebody else changed it first.
    pub async fn put_policy(
        &self,
        principal: &Principal,
        id: &str,
        new: NewPolicy,
        if_match: Option<u64>,
    ) -> Result<(Policy, bool), AccessError> {
        may_govern(principal)?;
        let name: PolicyName = id
            .parse()
            .map_err(|error: oriel_model::name::NameError| AccessError::Invalid { reason: error.to_string() })?;
        if new.description.chars().count() > 500 || new.description.chars().any(char::is_control) {
            return Err(AccessError::Invalid {
                reason: "`description` must have at most 500 characters and no control characters".to_owned(),
            });
        }
        self.shared
            .vocabulary
            .read(id, &new.text)
            .map_err(|problems| AccessError::PolicyInvalid { problems })?;
        let now = self.shared.clock.now();
        let all = self.shared.store.policies.all(principal.tenant).await?;
        let present = all.iter().find(|policy| policy.id == name);
        if present.is_none() && all.len() >= MAX_POLICIES {
            return Err(AccessError::Quota {
                what: "policies",
                limit: MAX_POLICIES as u64,
            });
        }
        let revision = present.map(|policy| policy.revision);
        if if_match.is_some() && if_match != revision {
            return Err(AccessError::Changed);
        }
        let policy = Policy {
            id: name,
            description: new.description,
            text: new.text,
            enabled: new.enabled,
            revision: revision.unwrap_or(0) + 1,
            created_at: present.map_or(now, |policy| policy.created_at),
            updated_at: now,
        };
        let action = if present.is_some() { "policy.update" } else { "policy.create" };
        let details = json!({ "text": policy.text, "enabled": policy.enabled, "revision": policy.revision });
        let audit = Actor::Principal(principal).did(now, action, id, details);
        let put = self
            .shared
            .store
            .policies
            .put(principal.tenant, policy.clone(), revision, audit)
            .await;
        self.shared.policies.forget(principal.tenant);
        match put {
            Ok(()) => Ok((policy, revision.is_none())),
            Err(StoreError::Exists { .. } | StoreError::Conflict { .. }) => Err(AccessError::Changed),
            Err(error) => Err(error.into()),
        }
    }

    /// Removes a policy.
    ///
    /// # Errors
    /// When the principal may not, there is no such policy, or somebody else changed it first.
    pub async fn delete_policy(&self, principal: &Principal, id: &str, if_match: Option<u64>) -> Result<(), AccessError> {
        may_govern(principal)?;
        let present = self.shared.store.policies.get(principal.tenant, id).await?;
        let present = present.ok_or_else(|| unknown(id))?;
        if if_match.is_some_and(|expected| expected != present.revision) {
            return Err(AccessError::Changed);
        }
        let now = self.shared.clock.now();
        let audit = Actor::Principal(principal).did(now, "policy.delete", id, json!({ "text": present.text }));
        let deleted = self
            .shared
            .store
            .policies
            .delete(principal.tenant, id, present.revision, audit)
            .await;
        self.shared.policies.forget(principal.tenant);
        match deleted {
            Err(StoreError::Conflict { .. }) => Err(AccessError::Changed),
            other => Ok(other?),
        }
    }

    /// What the answer to a request would be, and why. Nothing is done.
    ///
    /// # Errors
    /// When the principal may not ask, or names an operation, key or member that does not exist.
    pub async fn check_access(&self, principal: &Principal, question: AccessQuestion) -> Result<Verdict, AccessError> {
        Self::require(principal, Scope::AccessRead)?;
        let now = self.shared.clock.now();
        let action = self.shared.vocabulary.actions.get(question.operation.as_str());
        let action = *action.ok_or_else(|| AccessError::Invalid {
            reason: format!(
                "there is no operation `{}`: the API reference and `oriel policy schema` list them",
                question.operation.chars().take(64).collect::<String>()
            ),
        })?;
        let who = match question.who {
            Who::Myself => principal.clone(),
            Who::Member(id) => self.as_principal(principal, id).await?,
            Who::Role(role, scopes) => Principal {
                id: PrincipalId::Key(oriel_model::id::KeyId::from_ulid(0.into())),
                name: "anybody".to_owned(),
                service_account: None,
                role,
                scopes,
                mfa: question.mfa,
                ..principal.clone()
            },
        };
        let who = Principal {
            lent: None,
            judge: None,
            mfa: who.mfa || question.mfa,
            ..who
        };
        let compiled = self.load_policies(principal.tenant, now).await?;
        let own = compiled.filter(|compiled| compiled.matters(action.operation) && !breaks_glass(&who, action.operation));
        let compiled = match own {
            Some(compiled) => compiled,
            None => self.shared.no_policies.clone(),
        };
        let context = RequestContext {
            ip: question.ip,
            time: question.time.unwrap_or(now),
            mfa: who.mfa,
            session: matches!(who.id, PrincipalId::User(_)),
            route: question.route.clone(),
        };
        let (name, extension);
        let resource = match &question.resource {
            None => tenant_resource(principal),
            Some((kind, text)) => {
                (name, extension) = self.resolve(principal.tenant, *kind, text).await?;
                Resource {
                    kind: *kind,
                    name: &name,
                    extension: extension.as_deref(),
                }
            }
        };
        if resource.kind != action.resource {
            return Err(AccessError::Invalid {
                reason: format!(
                    "`{}` is done to a {}, not to a {}",
                    action.operation,
                    action.resource.as_str(),
                    resource.kind.as_str()
                ),
            });
        }
        Ok(compiled.decide(&who, &action, resource, &context))
    }
}

fn tenant_resource(principal: &Principal) -> Resource<'_> {
    Resource {
        kind: ResourceKind::Tenant,
        name: principal.tenant_name.as_str(),
        extension: None,
    }
}

fn unknown(id: &str) -> AccessError {
    AccessError::PolicyNotFound {
        id: id.chars().take(64).collect(),
    }
}

/// Whoever writes policies decides what everybody may do, so it takes somebody who is not narrowed.
fn may_govern(principal: &Principal) -> Result<(), AccessError> {
    Access::require(principal, Scope::AccessWrite)?;
    if principal.lent.is_some() || !principal.scopes.is_empty() {
        return Err(AccessError::Forbidden {
            reason: "policies are written by administrators whose key is not narrowed to scopes".to_owned(),
        });
    }
    Ok(())
}

/// A full owner can always read and mend the tenant's policies, so that no policy locks everybody out.
fn breaks_glass(principal: &Principal, operation: &str) -> bool {
    let mends = matches!(
        operation,
        "listPolicies" | "getPolicy" | "putPolicy" | "deletePolicy" | "getPolicySchema" | "checkAccess"
    );
    mends && principal.role == Role::Owner && principal.scopes.is_empty() && principal.lent.is_none()
}
