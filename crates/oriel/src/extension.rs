//! A loaded extension.

use std::hash::{BuildHasher as _, Hasher as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use oriel_model::id::ExecutionId;
use oriel_model::manifest::Manifest;
use oriel_model::schema::{Schema, SchemaProblem};
use oriel_sandbox::{Call, Health, Lease, Outcome, Pool, PoolStats};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use ulid::Ulid;

use crate::Error;

/// An extension, ready to be called from any thread. Cheap to clone.
#[derive(Clone)]
pub struct Extension(Arc<Inner>);

struct Inner {
    manifest: Manifest,
    schemas: Vec<(Schema, Schema)>,
    pool: Pool,
    executions: AtomicU64,
    /// Tells this process's executions from another's.
    origin: u64,
}

impl Extension {
    pub(crate) fn new(manifest: Manifest, pool: Pool) -> Result<Self, Error> {
        let mut schemas = Vec::with_capacity(manifest.programs.len());
        for program in &manifest.programs {
            let compile = |schema: &Option<Value>| {
                schema
                    .as_ref()
                    .map_or_else(|| Ok(Schema::anything()), Schema::compile)
                    .map_err(|error| Error::Schema {
                        program: program.name.to_string(),
                        reason: error.to_string(),
                    })
            };
            schemas.push((compile(&program.input_schema)?, compile(&program.output_schema)?));
        }
        let origin = std::hash::RandomState::new().build_hasher().finish();
        Ok(Self(Arc::new(Inner {
            manifest,
            schemas,
            pool,
            executions: AtomicU64::new(0),
            origin,
        })))
    }

    /// What its author says of it.
    #[must_use]
    pub fn manifest(&self) -> &Manifest {
        &self.0.manifest
    }

    /// Calls a program with a JSON document as text and answers what it says, as text: neither is parsed or
    /// validated here. This is the fast way; see [`Extension::call_json`] for the comfortable one.
    ///
    /// # Errors
    /// When there is no such program or the call fails.
    pub async fn call(&self, program: &str, input: &str) -> Result<String, Error> {
        Ok(self.call_for(program, input, None).await?.result?)
    }

    /// As [`Extension::call`], in less time than the extension's limit, with what the call cost.
    ///
    /// # Errors
    /// When there is no such program; how the call itself ended is in the outcome.
    pub async fn call_for(&self, program: &str, input: &str, timeout: Option<Duration>) -> Result<Outcome, Error> {
        self.program(program)?;
        Ok(self.0.pool.call(self.prepare(program, input, timeout)).await)
    }

    /// Calls a program with values, both validated against the program's schemas.
    ///
    /// # Errors
    /// When there is no such program, a value does not fit, or the call fails.
    pub async fn call_json<I: Serialize, O: DeserializeOwned>(&self, program: &str, input: &I) -> Result<O, Error> {
        let (input_schema, output_schema) = &self.0.schemas[self.program(program)?];
        let unusable = |error: serde_json::Error| vec![error.to_string()];
        let input = serde_json::to_value(input).map_err(|error| Error::Input { problems: unusable(error) })?;
        input_schema.validate(&input).map_err(|problems| Error::Input {
            problems: words(&problems),
        })?;
        let output = self.0.pool.call(self.prepare(program, &input.to_string(), None)).await.result?;
        let output: Value = serde_json::from_str(&output).map_err(|error| Error::Output { problems: unusable(error) })?;
        output_schema.validate(&output).map_err(|problems| Error::Output {
            problems: words(&problems),
        })?;
        serde_json::from_value(output).map_err(|error| Error::Output { problems: unusable(error) })
    }

    /// Leases an instance for many calls in a row; see [`Extension::prepare`].
    ///
    /// # Errors
    /// When none becomes free within `wait`.
    pub async fn lease(&self, wait: Duration) -> Result<Lease, Error> {
        Ok(self.0.pool.lease(wait).await?)
    }

    /// A call with a new execution id, for a lease.
    #[must_use]
    pub fn prepare<'a>(&self, program: &'a str, input: &'a str, timeout: Option<Duration>) -> Call<'a> {
        let number = self.0.executions.fetch_add(1, Ordering::Relaxed);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
        let random = (u128::from(self.0.origin) << 40) | u128::from(number & 0xff_ffff_ffff);
        let execution = ExecutionId::from_ulid(Ulid::from_parts(u64::try_from(now).unwrap_or(0), random));
        Call {
            program,
            input,
            execution,
            task: None,
            principal: None,
            user: None,
            traceparent: None,
            timeout,
        }
    }

    /// Asks the guest how it is.
    ///
    /// # Errors
    /// When no instance starts or the check itself fails.
    pub async fn health_check(&self) -> Result<Health, Error> {
        Ok(self.0.pool.health_check().await?)
    }

    /// Numbers of its instances.
    #[must_use]
    pub fn stats(&self) -> PoolStats {
        self.0.pool.stats()
    }

    /// Takes no more calls and waits for those under way.
    pub async fn close(&self) {
        self.0.pool.drain().await;
    }

    pub(crate) async fn check_config(&self, config: &Value) -> Result<(), Error> {
        if !self.0.manifest.lifecycle {
            return Ok(());
        }
        let problems = self.0.pool.check_config(&config.to_string()).await?;
        if problems.is_empty() {
            return Ok(());
        }
        Err(Error::Config {
            problems: problems
                .iter()
                .map(|problem| format!("{}: {}", problem.path, problem.message))
                .collect(),
        })
    }

    fn program(&self, name: &str) -> Result<usize, Error> {
        let found = self.0.manifest.programs.iter().position(|program| program.name.as_str() == name);
        found.ok_or_else(|| Error::NoProgram { program: name.to_owned() })
    }
}

fn words(problems: &[SchemaProblem]) -> Vec<String> {
    problems
        .iter()
        .map(|problem| format!("{}: {}", problem.path, problem.message))
        .collect()
}
