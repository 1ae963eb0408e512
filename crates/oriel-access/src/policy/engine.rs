//! Deciding: the default policies together with a tenant's own.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::net::IpAddr;
use std::sync::LazyLock;

use cedar_policy::{
    ActionConstraint, Authorizer, Context, Decision, Entities, Entity, EntityUid, Policy as Cedar, PolicyId, PolicySet, Request,
    RestrictedExpression, Validator,
};
use oriel_model::Timestamp;
use oriel_model::access::{Principal, PrincipalId, Resource, ResourceKind, Role, Scope};
use oriel_model::policy::Policy;
use parking_lot::RwLock;

use super::check::{self, PolicyProblem};
use super::schema::{self, PolicyAction, ROLES, uid};

/// The rules of roles, as policies.
const DEFAULT: &str = include_str!("default.cedar");
/// Decisions that a tenant's policies remember; past it the memory starts anew.
const REMEMBER: usize = 10_000;

/// What a decision needs to know of a request beside who, what and to what.
#[derive(Debug, Clone, PartialEq)]
pub struct RequestContext {
    /// From where it comes, as far as that is known.
    pub ip: Option<IpAddr>,
    /// When.
    pub time: Timestamp,
    /// Whether the sign-in asked for a second factor.
    pub mfa: bool,
    /// Whether a signed-in person asks, and not a key.
    pub session: bool,
    /// The method and the path below the extension's address, of a request for a route.
    pub route: Option<(String, String)>,
}

/// An answer with its reasons.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// Whether it may be.
    pub allowed: bool,
    /// The policies that decided: the permits of a yes, the forbids of a no; none when nothing permits it.
    pub reasons: Vec<String>,
    /// Policies that could not be evaluated. With one of them the answer is no.
    pub errors: Vec<String>,
}

impl Verdict {
    /// The answer in a sentence.
    #[must_use]
    pub fn sentence(&self) -> String {
        match (self.allowed, self.errors.first(), self.reasons.as_slice()) {
            (_, Some(error), _) if !self.allowed => format!("a policy of this tenant cannot be evaluated, so the answer is no: {error}"),
            (true, _, reasons) => format!("permitted by {}", reasons.join(", ")),
            (false, _, []) => "no policy permits it".to_owned(),
            (false, _, reasons) => format!("forbidden by the policy {}", reasons.join(", ")),
        }
    }
}

/// The vocabulary: what can be named, and the checker that knows it.
pub(crate) struct Vocabulary {
    pub(super) actions: HashMap<&'static str, PolicyAction>,
    pub(super) text: String,
    validator: Validator,
}

impl fmt::Debug for Vocabulary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Vocabulary")
    }
}

impl Vocabulary {
    pub(crate) fn new(actions: &[PolicyAction]) -> Self {
        Self {
            actions: actions.iter().map(|action| (action.operation, *action)).collect(),
            text: schema::text(actions),
            validator: Validator::new(schema::compile(actions)),
        }
    }

    pub(super) fn read(&self, id: &str, text: &str) -> Result<Cedar, Vec<PolicyProblem>> {
        check::read(id, text, &self.validator)
    }
}

/// How much a tenant's policies have to say about an action.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Weight {
    /// Nothing: the role decides.
    None,
    /// Something that depends on who and what alone.
    Fixed,
    /// Something that depends on the moment or the place too.
    Moving,
}

/// Who asks to do what to which resource.
type Question = (PrincipalId, Role, &'static str, ResourceKind, Box<str>);

/// The policies of one tenant, compiled with the default ones.
pub(crate) struct Compiled {
    set: PolicySet,
    /// Policies that cannot be used any more, with the reason: they deny all that they might speak of, which is everything.
    broken: Vec<String>,
    /// By operation.
    weights: HashMap<&'static str, Weight>,
    decisions: RwLock<HashMap<Question, Verdict>>,
}

impl fmt::Debug for Compiled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Compiled").field("broken", &self.broken).finish_non_exhaustive()
    }
}

static DEFAULTS: LazyLock<Vec<Cedar>> = LazyLock::new(|| {
    let set: PolicySet = DEFAULT.parse().expect("the default policies are policies");
    let named = set.policies().map(|policy| {
        let id = policy.annotation("id").expect("each default policy has a name");
        policy.new_id(PolicyId::new(id))
    });
    named.collect()
});

static AUTHORIZER: LazyLock<Authorizer> = LazyLock::new(Authorizer::new);

impl Compiled {
    /// Compiles the enabled ones of `policies`.
    pub(crate) fn new(policies: &[Policy], vocabulary: &Vocabulary) -> Self {
        let mut set = PolicySet::from_policies(DEFAULTS.iter().cloned()).expect("the default policies have names of their own");
        let mut broken = Vec::new();
        let mut own = Vec::new();
        for policy in policies.iter().filter(|policy| policy.enabled) {
            let id = format!("{PREFIX}{}", policy.id);
            let added = match vocabulary.read(&id, &policy.text) {
                Ok(cedar) => {
                    own.push(cedar.clone());
                    set.add(cedar).map_err(|error| error.to_string())
                }
                Err(problems) => Err(problems.first().map_or_else(String::new, |problem| problem.message.clone())),
            };
            if let Err(reason) = added {
                broken.push(format!("{}: {reason}", policy.id));
            }
        }
        let weights = vocabulary.actions.values().map(|action| {
            let weight = own
                .iter()
                .filter(|policy| speaks_of(policy, action))
                .map(weigh)
                .max_by_key(|weight| *weight as u8);
            (action.operation, weight.unwrap_or(Weight::None))
        });
        Self {
            weights: weights.collect(),
            set,
            broken,
            decisions: RwLock::default(),
        }
    }

    /// Whether these policies change anything about `operation`.
    pub(crate) fn matters(&self, operation: &str) -> bool {
        !self.broken.is_empty() || self.weights.get(operation).is_none_or(|weight| *weight != Weight::None)
    }

    /// Decides, and remembers where nothing but who and what counts.
    pub(crate) fn decide(&self, principal: &Principal, action: &PolicyAction, resource: Resource<'_>, context: &RequestContext) -> Verdict {
        if !self.broken.is_empty() {
            return Verdict {
                allowed: false,
                reasons: Vec::new(),
                errors: self.broken.clone(),
            };
        }
        let fixed = self.weights.get(action.operation) != Some(&Weight::Moving);
        // A task may move to another extension without a new name.
        let fixed = fixed && resource.extension.is_none();
        let key = || {
            (
                principal.id,
                principal.role,
                action.operation,
                resource.kind,
                Box::from(resource.name),
            )
        };
        if fixed && let Some(known) = self.decisions.read().get(&key()) {
            return known.clone();
        }
        let verdict = evaluate(&self.set, principal, action, resource, context);
        if fixed {
            let mut decisions = self.decisions.write();
            if decisions.len() >= REMEMBER {
                decisions.clear();
            }
            decisions.insert(key(), verdict.clone());
        }
        verdict
    }
}

/// What the names of a tenant's policies begin with inside of a set, so that none can be taken for a default one.
const PREFIX: &str = "tenant:";

/// Decides by the default policies alone.
#[cfg(test)]
pub(super) fn by_default(principal: &Principal, action: &PolicyAction, resource: Resource<'_>, context: &RequestContext) -> Verdict {
    let set = PolicySet::from_policies(DEFAULTS.iter().cloned()).unwrap();
    evaluate(&set, principal, action, resource, context)
}

fn evaluate(set: &PolicySet, principal: &Principal, action: &PolicyAction, resource: Resource<'_>, context: &RequestContext) -> Verdict {
    match request(principal, action, resource, context) {
        Ok((request, entities)) => {
            let response = AUTHORIZER.is_authorized(&request, set, &entities);
            let named = |id: &PolicyId| {
                let id: &str = id.as_ref();
                id.strip_prefix(PREFIX).unwrap_or(id).to_owned()
            };
            let mut reasons: Vec<String> = response.diagnostics().reason().map(named).collect();
            reasons.sort_unstable();
            let errors: Vec<String> = response
                .diagnostics()
                .errors()
                .map(|error| error.to_string().replace(PREFIX, ""))
                .collect();
            Verdict {
                // Cedar passes over a policy that fails. A `forbid` that fails must not be a door, so any failure is a no.
                allowed: response.decision() == Decision::Allow && errors.is_empty(),
                reasons,
                errors,
            }
        }
        Err(error) => Verdict {
            allowed: false,
            reasons: Vec::new(),
            errors: vec![error],
        },
    }
}

/// The question in Cedar's words. Ancestors are given flat, so no other entity has to be there.
fn request(
    principal: &Principal,
    action: &PolicyAction,
    resource: Resource<'_>,
    context: &RequestContext,
) -> Result<(Request, Entities), String> {
    let text = |text: &str| RestrictedExpression::new_string(text.to_owned());
    let tenant = uid("Tenant", principal.tenant_name.as_str());
    let mut ancestors: HashSet<EntityUid> = HashSet::from([tenant.clone()]);
    ancestors.extend(
        ROLES
            .into_iter()
            .filter(|role| *role <= principal.role)
            .map(|role: Role| uid("Role", role.as_str())),
    );
    let mut attributes = HashMap::from([
        ("name".to_owned(), text(&principal.name)),
        ("role".to_owned(), text(principal.role.as_str())),
    ]);
    let kind = match principal.id {
        PrincipalId::User(_) => "User",
        PrincipalId::Key(_) | PrincipalId::ServiceAccount(_) => {
            let scopes = principal.scopes.iter().map(|scope: &Scope| text(scope.as_str()));
            attributes.insert("scopes".to_owned(), RestrictedExpression::new_set(scopes));
            "Key"
        }
    };
    if let Some(account) = principal.service_account {
        ancestors.insert(uid("ServiceAccount", &account.to_string()));
    }
    let who = uid(kind, &principal.id.to_string());
    let what = uid("Action", action.operation);
    let group = uid("Action", action.scope.as_str());
    let to = uid(resource.kind.as_str(), resource.name);
    let failed = |error: &dyn fmt::Display| error.to_string();
    let mut entities = vec![
        Entity::new(who.clone(), attributes, ancestors).map_err(|error| failed(&error))?,
        Entity::new_no_attrs(what.clone(), HashSet::from([group])),
    ];
    let mut owners = HashSet::from([tenant.clone()]);
    owners.extend(resource.extension.map(|name| uid("Extension", name)));
    if resource.kind == ResourceKind::Tenant {
        let name = HashMap::from([("name".to_owned(), text(principal.tenant_name.as_str()))]);
        entities.push(Entity::new(to.clone(), name, HashSet::new()).map_err(|error| failed(&error))?);
    } else {
        entities.push(Entity::new_no_attrs(to.clone(), owners));
    }
    let mut fields = vec![
        ("time".to_owned(), RestrictedExpression::new_datetime(context.time.to_string())),
        ("weekday".to_owned(), RestrictedExpression::new_long(weekday(context.time))),
        ("mfa".to_owned(), RestrictedExpression::new_bool(context.mfa)),
        ("session".to_owned(), RestrictedExpression::new_bool(context.session)),
        ("scope".to_owned(), text(action.scope.as_str())),
    ];
    if let Some((method, path)) = &context.route {
        fields.push(("method".to_owned(), text(method)));
        fields.push(("path".to_owned(), text(path)));
    }
    if let Some(ip) = context.ip {
        fields.push(("ip".to_owned(), RestrictedExpression::new_ip(ip.to_canonical().to_string())));
    }
    let context = Context::from_pairs(fields).map_err(|error| failed(&error))?;
    let entities = Entities::from_entities(entities, None).map_err(|error| failed(&error))?;
    let request = Request::new(who, what, to, context, None).map_err(|error| failed(&error))?;
    Ok((request, entities))
}

/// 1 for Monday to 7 for Sunday, UTC. The epoch was a Thursday.
fn weekday(time: Timestamp) -> i64 {
    (time.millis().div_euclid(86_400_000) + 3).rem_euclid(7) + 1
}

fn speaks_of(policy: &Cedar, action: &PolicyAction) -> bool {
    let means = |uid: &EntityUid| {
        let id: &str = uid.id().as_ref();
        id == action.operation || id == action.scope.as_str()
    };
    match policy.action_constraint() {
        ActionConstraint::Any => true,
        ActionConstraint::Eq(uid) => means(&uid),
        ActionConstraint::In(uids) => uids.iter().any(means),
    }
}

fn weigh(policy: &Cedar) -> Weight {
    // What the text does not mention it cannot read.
    if policy.to_string().contains("context") {
        Weight::Moving
    } else {
        Weight::Fixed
    }
}

#[cfg(test)]
mod tests;
