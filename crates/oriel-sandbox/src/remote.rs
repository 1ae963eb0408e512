//! What stands in a component's place when the extension is a service elsewhere.
//!
//! A [`Service`] is to a lease what an instance is: one call at a time, within the same limits, with the same answers
//! checked in the same way. Its host calls come in over HTTP while the call is under way ([`UnderWay`]) and end in the very
//! functions that a component's imports end in (`host/`), on the same [`State`].

mod answers;
mod host_calls;
mod questions;
mod under_way;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use oriel_model::contribution::ContributionKind;
use oriel_model::execution::Resources;
use oriel_model::verdict::{Choice, Verdict};
use serde_json::value::RawValue;
use tokio::time::Instant;

pub use self::host_calls::{Ended, HOST_CALLS, HostCallError};
pub(crate) use self::under_way::UnderWay;
use crate::answer;
use crate::ask::{Ask, EventView, ExecutionView, History, HookAnswer, HookCall, JobRun, Subject};
use crate::call::{ConfigProblem, Health};
use crate::error::{CallError, shortened};
use crate::instance::{guest_error, stopped};
use crate::meter::{self, Meter};
use crate::pool::PoolSpec;
use crate::ports::{RemoteConnection, RemoteError, RemoteRequest};
use crate::sandbox::Shared;
use crate::state::State;

/// Room in a body for what stands around an answer.
const ENVELOPE: u64 = 64 << 10;
/// Problems of a configuration that are told.
const MAX_PROBLEMS: usize = 100;

/// A way to the service of a remote extension, used by one call at a time.
pub(crate) struct Service {
    connection: Box<dyn RemoteConnection>,
    spec: Arc<PoolSpec>,
    /// The call in progress, shared with the host calls that come in for it.
    state: Arc<tokio::sync::Mutex<State>>,
    meter: Arc<Meter>,
    under_way: Arc<UnderWay>,
    callback_url: Option<String>,
    broken: bool,
    moved: u64,
    pub(crate) last_used: u64,
}

/// What a question is about.
enum About<'a> {
    Call(&'a Ask<'a>),
    /// The host asks for its own purposes; nobody makes host calls then.
    Lifecycle,
}

impl Service {
    pub(crate) fn new(connection: Box<dyn RemoteConnection>, spec: &Arc<PoolSpec>, sandbox: &Shared) -> Self {
        let state = State::new(Arc::clone(spec), Arc::clone(&sandbox.options));
        let meter = Arc::clone(&state.meter);
        Self {
            connection,
            spec: Arc::clone(spec),
            state: Arc::new(tokio::sync::Mutex::new(state)),
            meter,
            under_way: Arc::clone(&sandbox.under_way),
            callback_url: sandbox.options.callback_url.clone(),
            broken: false,
            moved: 0,
            last_used: meter::now(),
        }
    }

    /// Asks the service and answers the output of its answer, which is JSON.
    async fn ask(&mut self, about: About<'_>, path: String, input: &RawValue, started: u64) -> Result<Box<RawValue>, CallError> {
        let ask = match about {
            About::Call(ask) => Some(ask),
            About::Lifecycle => None,
        };
        let limits = &self.spec.limits;
        let most = limits.timeout.0;
        let timeout = ask.and_then(|ask| ask.timeout).map_or(most, |asked| asked.min(most));
        let mut state = Arc::clone(&self.state).lock_owned().await;
        state.begin(started, timeout, limits.cpu.0, ask);
        let context = ask.is_some().then(|| questions::Context::of(&state));
        let hard = state.call.hard;
        drop(state);
        let callback = self.callback_url.as_ref().filter(|_| ask.is_some());
        let mut entry = callback.map(|_| self.under_way.enter(&self.state));
        let callback = callback
            .zip(entry.as_ref())
            .map(|(url, entry)| questions::Callback { url, token: entry.token() });
        let binding = ask.and_then(|ask| ask.binding).map(|text| &**text);
        let body = questions::body(context.as_ref(), binding, callback, input)?;
        let sent = body.len() as u64;
        // Broken until shown otherwise: a caller that goes away in the middle leaves an exchange half done.
        self.broken = true;
        let request = RemoteRequest {
            path,
            body: Bytes::from(body),
            limit: limits.output.0.saturating_add(ENVELOPE),
            deadline: Instant::now() + Duration::from_nanos(hard.saturating_sub(meter::now())),
        };
        let deadline = request.deadline;
        let answered = tokio::select! {
            biased;
            stop = under_way::stopped(&mut entry) => Err(stopped(stop, &self.spec.limits, timeout, self.spec.limits.cpu.0)),
            answered = tokio::time::timeout_at(deadline, self.connection.ask(request)) => match answered {
                Ok(Ok(body)) => Ok(body),
                Ok(Err(RemoteError::Late)) | Err(_) => Err(CallError::Timeout { limit: timeout }),
                Ok(Err(RemoteError::TooLong { limit })) => Err(CallError::OutputTooLarge {
                    length: limit.saturating_add(1),
                    limit: self.spec.limits.output.0,
                }),
                Ok(Err(error @ RemoteError::Busy { .. })) => Err(CallError::Unavailable { message: error.to_string() }),
                Ok(Err(error)) => Err(CallError::Remote(error)),
            },
        };
        // The token means nothing from here on, and host calls under way are given up.
        drop(entry);
        self.last_used = meter::now();
        self.state.lock().await.end();
        let body = answered?;
        self.moved = sent + body.len() as u64;
        self.broken = false;
        match answers::read(&body)? {
            Ok(output) => Ok(output),
            Err(error) => Err(guest_error(error, timeout)),
        }
    }

    async fn contribution(
        &mut self,
        kind: ContributionKind,
        ask: &Ask<'_>,
        input: &RawValue,
        started: u64,
    ) -> Result<Box<RawValue>, CallError> {
        self.moved = 0;
        let path = format!("/oriel/v1/{kind}/{}", ask.name);
        self.ask(About::Call(ask), path, input, started).await
    }

    fn output_limit(&self) -> u64 {
        self.spec.limits.output.0
    }

    pub(crate) async fn execute(&mut self, ask: &Ask<'_>, input: &str, started: u64) -> Result<String, CallError> {
        let input = questions::json(input)?;
        let output = self.contribution(ContributionKind::Program, ask, input, started).await?;
        answer::within_output(output.get().to_owned(), self.output_limit())
    }

    pub(crate) async fn validate(&mut self, ask: &Ask<'_>, subject: &Subject<'_>, started: u64) -> Result<Verdict, CallError> {
        let input = questions::subject(subject)?;
        let output = self.contribution(ContributionKind::Validator, ask, &input, started).await?;
        answer::verdict(answers::verdict(&output)?, self.output_limit())
    }

    pub(crate) async fn sample(
        &mut self,
        ask: &Ask<'_>,
        (view, history): (&ExecutionView<'_>, History),
        started: u64,
    ) -> Result<Choice, CallError> {
        let input = questions::sample(view, history)?;
        let output = self.contribution(ContributionKind::Sampler, ask, &input, started).await?;
        answers::choice(&output)
    }

    pub(crate) async fn handle(&mut self, ask: &Ask<'_>, event: &EventView<'_>, started: u64) -> Result<(), CallError> {
        let input = questions::event(event)?;
        let output = self.contribution(ContributionKind::EventHandler, ask, &input, started).await?;
        answers::nothing(&output)
    }

    pub(crate) async fn fire(&mut self, ask: &Ask<'_>, call: &HookCall<'_>, started: u64) -> Result<HookAnswer, CallError> {
        let input = questions::hook(call)?;
        let output = self.contribution(ContributionKind::Hook, ask, &input, started).await?;
        answer::of_hook(answers::hook(&output)?, call.kind, self.output_limit())
    }

    pub(crate) async fn run(&mut self, ask: &Ask<'_>, run: &JobRun<'_>, started: u64) -> Result<String, CallError> {
        let input = questions::job(run)?;
        let output = self.contribution(ContributionKind::Job, ask, &input, started).await?;
        answer::within_output(output.get().to_owned(), self.output_limit())
    }

    /// Asks the service how it is.
    pub(crate) async fn health_check(&mut self) -> Result<Health, CallError> {
        let path = "/oriel/v1/health".to_owned();
        let output = self.ask(About::Lifecycle, path, RawValue::NULL, meter::now()).await?;
        answers::health(&output)
    }

    /// Asks the service what is wrong with a configuration; nothing when its manifest does not say that it judges them.
    pub(crate) async fn check_config(&mut self, config: &str) -> Result<Vec<ConfigProblem>, CallError> {
        if !self.spec.lifecycle {
            return Ok(Vec::new());
        }
        let path = "/oriel/v1/check-config".to_owned();
        let output = self.ask(About::Lifecycle, path, questions::json(config)?, meter::now()).await?;
        let shown = |problem: ConfigProblem| ConfigProblem {
            path: shortened(problem.path),
            message: shortened(problem.message),
        };
        Ok(answers::problems(&output)?.into_iter().take(MAX_PROBLEMS).map(shown).collect())
    }

    /// What the last call cost here. What it cost where the service runs, nobody here knows.
    pub(crate) fn resources(&self, started: u64) -> Resources {
        Resources {
            wall_us: self.last_used.saturating_sub(started) / 1_000,
            guest_cpu_us: 0,
            peak_memory: 0,
            host_calls: self.meter.calls(),
        }
    }

    /// What host calls of the last call asked of the model.
    pub(crate) fn model(&self) -> crate::gate::ModelUse {
        self.meter.model()
    }

    /// Bytes of the bodies of the last call, both ways.
    pub(crate) const fn outbound_bytes(&self) -> u64 {
        self.moved
    }

    pub(crate) const fn is_broken(&self) -> bool {
        self.broken
    }
}
