//! Runs one case after the other.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use oriel_model::id::{ExecutionId, TenantId};
use oriel_model::limits::Limits;
use oriel_model::manifest::Manifest;
use oriel_model::name::TenantName;
use oriel_model::schema::Schema;
use oriel_model::time::{Clock as _, ManualClock};
use oriel_model::{Coded as _, Digest, ErrorCode, Timestamp};
use oriel_sandbox::{Call, ComponentSource, KeyValue as _, LogRecord, PoolSpec, Sandbox, SandboxOptions, SourceError};
use oriel_store::KvScope;
use serde_json::{Map, Value};

use super::cases::Case;
use super::compare::{difference, lacks, same};
use super::network::Network;
use super::services::{Memory, StillClock, Witness, services};
use crate::error::{Failure, Result};

/// What a case showed.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// What was not as expected; empty when it passed.
    pub(crate) problems: Vec<String>,
    /// What the program answered, or why it did not.
    pub(crate) answer: std::result::Result<Value, (String, String)>,
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
    component: Bytes,
    digest: Digest,
    schemas: BTreeMap<String, (Schema, Schema)>,
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
    pub(crate) async fn new(manifest: Manifest, component: Vec<u8>, cache: &Path) -> Result<Self> {
        let network = Network::default();
        let clock = Arc::new(ManualClock::new(Timestamp::from_millis(0)));
        let mut options = SandboxOptions::new(cache);
        options.max_instances = 200;
        options.resolver = Arc::new(network.clone());
        options.connector = Some(Arc::new(network.clone()));
        options.clock = Arc::new(StillClock(clock.clone()));
        let failed = |error: oriel_sandbox::SandboxError| Failure::of(&error);
        let shape = Sandbox::inspect(&component).map_err(failed)?;
        Sandbox::check(&shape, &manifest).map_err(failed)?;
        let sandbox = Sandbox::new(options).map_err(failed)?;
        let digest = Digest::of(&component);
        sandbox.prepare(digest, &component).await.map_err(failed)?;
        let mut schemas = BTreeMap::new();
        for program in &manifest.programs {
            let compile = |schema: &Option<Value>| match schema {
                None => Ok(Schema::anything()),
                Some(schema) => Schema::compile(schema)
                    .map_err(|error| Failure::new(ErrorCode::SchemaInvalid, format!("program `{}`: {error}", program.name))),
            };
            schemas.insert(
                program.name.to_string(),
                (compile(&program.input_schema)?, compile(&program.output_schema)?),
            );
        }
        Ok(Self {
            sandbox,
            network,
            clock,
            manifest,
            component: component.into(),
            digest,
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
        let memory = Arc::new(Memory::new(self.clock.clone(), scope, &limits));
        let witness = Arc::new(Witness::default());
        for (key, value) in &case.kv {
            let stored = memory.set(key, value.clone().into_bytes(), None).await;
            stored.map_err(|error| Failure::new(ErrorCode::ClientInput, format!("case `{}`: kv `{key}`: {error}", case.name)))?;
        }
        let begun = Instant::now();
        let answer = self.answer(case, tenant, &limits, &memory, &witness).await;
        let took = begun.elapsed();
        let mut problems = judge(case, &answer);
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
        memory: &Arc<Memory>,
        witness: &Arc<Witness>,
    ) -> std::result::Result<Value, (String, String)> {
        let coded = |code: ErrorCode, message: String| (code.as_str().to_owned(), message);
        let Some((input_schema, output_schema)) = self.schemas.get(&case.program) else {
            return Err(coded(
                ErrorCode::ProgramNotFound,
                format!("the extension has no program `{}`", case.program),
            ));
        };
        let config = self.config(case).map_err(|message| coded(ErrorCode::ConfigInvalid, message))?;
        let problems = |problems: Vec<oriel_model::schema::SchemaProblem>| {
            problems
                .iter()
                .map(|problem| format!("at `{}`: {}", problem.path, problem.message))
                .collect::<Vec<_>>()
                .join("; ")
        };
        input_schema
            .validate(&case.input)
            .map_err(|found| coded(ErrorCode::InputInvalid, problems(found)))?;
        let tenant_name: TenantName = "test".parse().map_err(|error| coded(ErrorCode::Internal, format!("{error}")))?;
        let mut spec = PoolSpec::new(
            tenant,
            tenant_name,
            self.manifest.name.clone(),
            self.manifest.version.clone(),
            self.digest,
            Arc::new(InMemory(self.component.clone())),
            services(memory, witness),
        );
        spec.limits = limits.clone();
        spec.grant = case.grant.clone().unwrap_or_else(|| self.manifest.permissions.clone());
        spec.reuse = self.manifest.reuse;
        spec.lifecycle = self.manifest.lifecycle;
        spec.config = config.to_string().into();
        let input = case.input.to_string();
        let outcome = self
            .sandbox
            .pool(spec)
            .call(Call {
                program: &case.program,
                input: &input,
                execution: ExecutionId::new(self.clock.now()),
                task: None,
                principal: None,
                traceparent: None,
                timeout: case.timeout.map(|timeout| timeout.0),
            })
            .await;
        let text = outcome.result.map_err(|error| coded(error.code(), error.to_string()))?;
        let output: Value =
            serde_json::from_str(&text).map_err(|error| coded(ErrorCode::OutputInvalid, format!("the output is not JSON: {error}")))?;
        output_schema
            .validate(&output)
            .map_err(|found| coded(ErrorCode::OutputInvalid, problems(found)))?;
        Ok(output)
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
        compiled.validate(&config).map_err(|problems| {
            problems
                .iter()
                .map(|problem| format!("config{}: {}", problem.path, problem.message))
                .collect::<Vec<_>>()
                .join("; ")
        })?;
        Ok(config)
    }
}

/// A log line as expectations see it: its message and fields.
fn line(record: &LogRecord) -> String {
    let fields: String = record.fields.iter().map(|(key, value)| format!(" {key}={value}")).collect();
    format!("{}{fields}", record.message)
}

/// What is not as expected in an answer.
fn judge(case: &Case, answer: &std::result::Result<Value, (String, String)>) -> Vec<String> {
    let expect = &case.expect;
    match (&expect.error, answer) {
        (None, Err((code, message))) => vec![format!("it failed with {code}: {message}")],
        (Some(wanted), Ok(output)) => vec![format!("it should fail with {wanted}, and answered {output}")],
        (Some(wanted), Err((code, message))) => {
            let mut problems = Vec::new();
            if wanted != code {
                problems.push(format!("it should fail with {wanted}, and failed with {code}: {message}"));
            }
            if let Some(part) = expect.message.as_ref().filter(|part| !message.contains(part.as_str())) {
                problems.push(format!("the error's message has no `{part}` in it: {message}"));
            }
            problems
        }
        (None, Ok(output)) => {
            let mut problems = Vec::new();
            if let Some(wanted) = expect.output.as_ref().filter(|wanted| !same(wanted, output)) {
                problems.push(format!("the output differs (- expected, + got)\n{}", difference(wanted, output)));
            }
            if let Some(wanted) = &expect.contains {
                problems.extend(lacks(wanted, output, ""));
            }
            problems
        }
    }
}
