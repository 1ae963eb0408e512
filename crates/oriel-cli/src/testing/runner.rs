//! Runs one case after the other.

mod ask;
mod judge;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use oriel_extensions::GuestCollections;
use oriel_model::contribution::ContributionKind;
use oriel_model::id::{ExecutionId, TenantId};
use oriel_model::limits::Limits;
use oriel_model::manifest::Manifest;
use oriel_model::name::TenantName;
use oriel_model::schema::{Schema, SchemaProblem};
use oriel_model::time::{Clock as _, ManualClock};
use oriel_model::{Digest, ErrorCode, Timestamp};
use oriel_sandbox::{Code, ComponentSource, KeyValue as _, LogRecord, PoolSpec, Sandbox, SandboxOptions, SourceError};
use oriel_store::KvScope;
use serde_json::{Map, Value};
use tokio::task::JoinHandle;

use super::cases::{Case, words};
use super::doubles::Doubles;
use super::network::Network;
use super::service::{Service, answer_host_calls, listen};
use super::services::{Memory, StillClock, Witness, documents, services};
use crate::error::{Failure, Result};

/// What a contribution answered, or the code and the message of its failure.
pub(crate) type Answer = std::result::Result<Option<Value>, (String, String)>;

/// What a case showed.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// What was not as expected; empty when it passed.
    pub(crate) problems: Vec<String>,
    /// What the contribution answered (nothing, where it has nothing to say), or why it did not.
    pub(crate) answer: Answer,
    /// What it logged.
    pub(crate) logs: Vec<LogRecord>,
    /// How long the call took.
    pub(crate) took: Duration,
}

/// A sandbox with everything around it made of memory.
pub(crate) struct Runner {
    sandbox: Sandbox,
    network: Network,
    clock: Arc<ManualClock>,
    manifest: Manifest,
    code: Code,
    /// Of a remote extension: it ends with the tests.
    service: Option<(Service, JoinHandle<()>)>,
    schemas: BTreeMap<(ContributionKind, String), Schemas>,
}

/// What answers the cases.
#[expect(clippy::large_enum_variant, reason = "there is one, for all cases")]
pub(crate) enum Tested {
    /// A component, in the sandbox.
    Component(Vec<u8>),
    /// A service elsewhere.
    Service(Service),
}

impl Drop for Runner {
    fn drop(&mut self) {
        if let Some((_, listening)) = &self.service {
            listening.abort();
        }
    }
}

/// The schemas of one contribution.
struct Schemas {
    input: Schema,
    output: Schema,
    /// Of its bindings' configuration; without one they have none.
    config: Option<Schema>,
}

struct InMemory(Bytes);

#[async_trait::async_trait]
impl ComponentSource for InMemory {
    async fn load(&self) -> std::result::Result<Bytes, SourceError> {
        Ok(self.0.clone())
    }
}

impl Runner {
    /// Sets it up and compiles the component, unless that was done before.
    pub(crate) async fn new(manifest: Manifest, tested: Tested, cache: &Path) -> Result<Self> {
        let network = Network::default();
        let clock = Arc::new(ManualClock::new(Timestamp::from_millis(0)));
        let mut options = SandboxOptions::new(cache);
        options.max_instances = 200;
        options.resolver = Arc::new(network.clone());
        options.connector = Some(Arc::new(network.clone()));
        options.clock = Arc::new(StillClock(clock.clone()));
        let failed = |error: oriel_sandbox::SandboxError| Failure::of(&error);
        let (sandbox, code, service) = match tested {
            Tested::Component(component) => {
                let shape = Sandbox::inspect(&component).map_err(failed)?;
                Sandbox::check(&shape, &manifest).map_err(failed)?;
                let sandbox = Sandbox::new(options).map_err(failed)?;
                let digest = Digest::of(&component);
                sandbox.prepare(digest, &component).await.map_err(failed)?;
                let source = Arc::new(InMemory(component.into()));
                (sandbox, Code::Component { digest, source }, None)
            }
            Tested::Service(service) => {
                let (listener, url) = listen().await?;
                options.callback_url = Some(url);
                let sandbox = Sandbox::new(options).map_err(failed)?;
                let listening = tokio::spawn(answer_host_calls(listener, sandbox.clone()));
                (sandbox, service.code(), Some((service, listening)))
            }
        };
        let mut schemas = BTreeMap::new();
        for contribution in manifest.contributions() {
            let compile = |schema: &Option<Value>| match schema {
                None => Ok(None),
                Some(schema) => Schema::compile(schema).map(Some).map_err(|error| {
                    let message = format!("{} `{}`: {error}", words(contribution.kind), contribution.name);
                    Failure::new(ErrorCode::SchemaInvalid, message)
                }),
            };
            let compiled = Schemas {
                input: compile(&contribution.input_schema)?.unwrap_or_else(Schema::anything),
                output: compile(&contribution.output_schema)?.unwrap_or_else(Schema::anything),
                config: compile(&contribution.config_schema)?,
            };
            schemas.insert((contribution.kind, contribution.name.to_string()), compiled);
        }
        Ok(Self {
            sandbox,
            network,
            clock,
            manifest,
            code,
            service,
            schemas,
        })
    }

    /// Runs a case in an instance, a store and a network of its own.
    pub(crate) async fn run(&self, case: &Case) -> Result<Outcome> {
        self.clock.set(case.now);
        self.network.load(case.http.clone());
        let limits = Limits::resolve(&self.manifest.limits, &Limits::ceiling());
        let scope = KvScope {
            tenant: TenantId::new(case.now),
            extension: self.manifest.name.clone(),
        };
        let tenant = scope.tenant;
        let kept = documents(&self.clock, &scope, &self.manifest.collections, &limits);
        let memory = Arc::new(Memory::new(self.clock.clone(), scope, &limits));
        let witness = Arc::new(Witness::default());
        let jobs = self
            .manifest
            .declared(ContributionKind::Job)
            .iter()
            .map(|job| job.name.clone())
            .collect();
        let doubles = Arc::new(Doubles::new(case.now, jobs, &case.model));
        for (key, value) in &case.kv {
            let stored = memory.set(key, value.clone().into_bytes(), None).await;
            stored.map_err(|error| Failure::new(ErrorCode::ClientInput, format!("case `{}`: kv `{key}`: {error}", case.name)))?;
        }
        for (collection, documents) in &case.documents {
            for (id, body) in documents {
                let put = kept.put(collection, id, body.clone()).await;
                put.map_err(|error| {
                    Failure::new(
                        ErrorCode::ClientInput,
                        format!("case `{}`: documents `{collection}` `{id}`: {error}", case.name),
                    )
                })?;
            }
        }
        let begun = Instant::now();
        let answer = self.answer(case, tenant, &limits, (&memory, &witness, &doubles, &kept)).await;
        let took = begun.elapsed();
        let mut problems = judge::judge(case, &answer);
        for (key, wanted) in &case.expect.kv {
            let there = memory
                .get(key)
                .await
                .ok()
                .flatten()
                .map(|entry| String::from_utf8_lossy(&entry.value).into_owned());
            if there != *wanted {
                let shown = |value: &Option<String>| value.as_ref().map_or_else(|| "nothing".to_owned(), |text| format!("`{text}`"));
                problems.push(format!("the store holds {} under `{key}`, not {}", shown(&there), shown(wanted)));
            }
        }
        for (collection, documents) in &case.expect.documents {
            for (id, wanted) in documents {
                let there = kept.peek(collection, id).await.unwrap_or(Value::Bool(false));
                if there != *wanted {
                    problems.push(format!("the collection `{collection}` holds {there} under `{id}`, not {wanted}"));
                }
            }
        }
        let logs = std::mem::take(&mut *witness.logs.lock());
        let mut lines = logs.iter().map(line);
        problems.extend(
            case.expect
                .logs
                .iter()
                .find(|wanted| !lines.any(|line| line.contains(wanted.as_str())))
                .map(|wanted| format!("no log line (after the ones before it) has `{wanted}`")),
        );
        problems.extend(self.network.problems());
        problems.extend(doubles.problems(case.expect.enqueued.as_deref(), &case.expect.asked));
        // What the grant refused is often the reason for everything above.
        if !problems.is_empty() {
            problems.extend(witness.refusals.lock().iter().map(|what| format!("the grant refused: {what}")));
        }
        Ok(Outcome {
            problems,
            answer,
            logs,
            took,
        })
    }

    async fn answer(
        &self,
        case: &Case,
        tenant: TenantId,
        limits: &Limits,
        (memory, witness, doubles, kept): (&Arc<Memory>, &Arc<Witness>, &Arc<Doubles>, &Arc<GuestCollections>),
    ) -> Answer {
        let Some(schemas) = self.schemas.get(&(case.kind, case.contribution.clone())) else {
            let code = match case.kind {
                ContributionKind::Program => ErrorCode::ProgramNotFound,
                _ => ErrorCode::ContributionNotFound,
            };
            return Err(coded(code, self.unknown(case)));
        };
        let config = self.config(case).map_err(|message| coded(ErrorCode::ConfigInvalid, message))?;
        let binding = binding(case, schemas).map_err(|message| coded(ErrorCode::ConfigInvalid, message))?;
        let tenant_name: TenantName = "test".parse().map_err(|error| coded(ErrorCode::Internal, format!("{error}")))?;
        let mut spec = PoolSpec::new(
            tenant,
            tenant_name,
            self.manifest.name.clone(),
            self.manifest.version.clone(),
            self.code.clone(),
            services(memory, witness, doubles, kept.clone(), case.secrets.clone()),
        );
        spec.limits = limits.clone();
        spec.grant = case.grant.clone().unwrap_or_else(|| self.manifest.permissions.clone());
        spec.reuse = self.manifest.reuse;
        spec.lifecycle = self.manifest.lifecycle;
        spec.config = config.to_string().into();
        let execution = ExecutionId::new(self.clock.now());
        let point = self.manifest.contribution(case.kind, &case.contribution).and_then(|it| it.hook);
        let pool = self.sandbox.pool(spec);
        // As an installation's configuration is, before it takes effect.
        if self.manifest.lifecycle && case.config.as_object().is_some_and(|config| !config.is_empty()) {
            let problems = pool.check_config(&config.to_string()).await.map_err(|error| ask::failed(&error))?;
            if !problems.is_empty() {
                let lines: Vec<String> = problems
                    .iter()
                    .map(|problem| format!("config{}: {}", problem.path, problem.message))
                    .collect();
                return Err(coded(ErrorCode::ConfigInvalid, lines.join("; ")));
            }
        }
        ask::ask(&pool, case, schemas, execution, &binding, point.as_ref()).await
    }

    /// That there is no such contribution, and which there are.
    fn unknown(&self, case: &Case) -> String {
        let kind = words(case.kind);
        let there = self.schemas.keys().filter(|(kind, _)| *kind == case.kind);
        let there: Vec<String> = there.map(|(_, name)| format!("`{name}`")).collect();
        let has = if there.is_empty() { "none".to_owned() } else { there.join(", ") };
        format!("the extension has no {kind} `{}`; it has {has}", case.contribution)
    }

    /// The configuration that the guest sees: the case's, with the schema's defaults, as an installation has it.
    fn config(&self, case: &Case) -> std::result::Result<Value, String> {
        let Some(schema) = &self.manifest.config_schema else {
            let empty = case.config.as_object().is_none_or(Map::is_empty);
            return if empty {
                Ok(Value::Object(Map::new()))
            } else {
                Err("the extension takes no configuration".to_owned())
            };
        };
        let mut config = case.config.clone();
        if let (Some(properties), Some(map)) = (schema.get("properties").and_then(Value::as_object), config.as_object_mut()) {
            for (name, property) in properties {
                if let (false, Some(default)) = (map.contains_key(name), property.get("default")) {
                    map.insert(name.clone(), default.clone());
                }
            }
        }
        let compiled = Schema::compile(schema).map_err(|error| error.to_string())?;
        compiled.validate(&config).map_err(|problems| told(&problems, "config"))?;
        Ok(config)
    }
}

/// A log line as expectations see it: its message and fields.
fn line(record: &LogRecord) -> String {
    let fields: String = record.fields.iter().map(|(key, value)| format!(" {key}={value}")).collect();
    format!("{}{fields}", record.message)
}

/// The configuration that the contribution finds: the case's binding, checked against the contribution's schema.
fn binding(case: &Case, schemas: &Schemas) -> std::result::Result<Arc<str>, String> {
    match &schemas.config {
        None if case.binding.as_object().is_none_or(Map::is_empty) => {}
        None => {
            let kind = words(case.kind);
            return Err(format!(
                "bindings of the {kind} `{}` take no configuration: it has no `config_schema`",
                case.contribution
            ));
        }
        Some(schema) => schema.validate(&case.binding).map_err(|found| told(&found, "binding"))?,
    }
    Ok(case.binding.to_string().into())
}

fn coded(code: ErrorCode, message: String) -> (String, String) {
    (code.as_str().to_owned(), message)
}

/// Problems in one line, with their places.
fn told(problems: &[SchemaProblem], what: &str) -> String {
    let lines: Vec<String> = problems
        .iter()
        .map(|problem| {
            if what.is_empty() {
                format!("at `{}`: {}", problem.path, problem.message)
            } else {
                format!("{what}{}: {}", problem.path, problem.message)
            }
        })
        .collect();
    lines.join("; ")
}
