//! What contributions other than programs are asked, and what they answer.
//!
//! All JSON is text that is passed on as it is. What comes back claims to be JSON: whoever uses it parses it first, except
//! where a [`Verdict`](oriel_model::verdict::Verdict) holds it already parsed.

use std::sync::Arc;
use std::time::Duration;

use oriel_model::access::PrincipalId;
use oriel_model::execution::Resources;
use oriel_model::hook::HookKind;
use oriel_model::id::{ExecutionId, TaskId};
use oriel_model::verdict::Verdict;

use crate::caller::Caller;

/// Who asks which contribution, for what.
#[derive(Debug, Clone, Copy)]
pub struct Ask<'a> {
    /// One of the contributions of that kind that the manifest declares.
    pub name: &'a str,
    /// The call's id.
    pub execution: ExecutionId,
    /// The task that it is about.
    pub task: Option<TaskId>,
    /// Who caused it.
    pub principal: Option<PrincipalId>,
    /// On whose behalf: a user of the host's product.
    pub user: Option<&'a str>,
    /// W3C trace context of the caller.
    pub traceparent: Option<&'a str>,
    /// Less time than the `timeout` limit; more is cut to the limit.
    pub timeout: Option<Duration>,
    /// The configuration of the binding by which it comes, a JSON object.
    pub binding: Option<&'a Arc<str>>,
    /// Whether host calls with an effect (writing values, outbound HTTP) are refused.
    pub dry_run: bool,
    /// The extension that calls, when one does.
    pub caller: Option<&'a Arc<Caller>>,
}

impl<'a> Ask<'a> {
    /// A call that nobody in particular caused, with the extension's own time limit.
    #[must_use]
    pub const fn new(name: &'a str, execution: ExecutionId) -> Self {
        Self {
            name,
            execution,
            task: None,
            principal: None,
            user: None,
            traceparent: None,
            timeout: None,
            binding: None,
            dry_run: false,
            caller: None,
        }
    }
}

/// An execution as validators and samplers see it.
#[derive(Debug, Clone, Copy)]
pub struct ExecutionView<'a> {
    /// Its id.
    pub id: &'a str,
    /// The task's id.
    pub task: Option<&'a str>,
    /// The extension that answered.
    pub extension: &'a str,
    /// Its version.
    pub version: &'a str,
    /// The program that answered.
    pub program: &'a str,
    /// JSON.
    pub input: &'a str,
    /// JSON, when it succeeded.
    pub output: Option<&'a str>,
    /// Code and message, when it failed.
    pub failure: Option<(&'a str, &'a str)>,
    /// When it started, in milliseconds since the Unix epoch.
    pub started_ms: u64,
    /// What it cost.
    pub resources: Resources,
}

/// What a validator judges.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    /// The execution.
    pub execution: ExecutionView<'a>,
    /// JSON Schema of the task's input.
    pub input_schema: Option<&'a str>,
    /// JSON Schema of the task's output.
    pub output_schema: Option<&'a str>,
    /// What should have come out, JSON.
    pub expected_output: Option<&'a str>,
}

/// What a sampler has seen of a task so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct History {
    /// When an execution was last sampled, in milliseconds since the Unix epoch.
    pub last_sample_ms: Option<u64>,
    /// Executions seen.
    pub seen: u64,
    /// Executions sampled.
    pub sampled: u64,
    /// Executions since the last sampled one.
    pub since_last: u64,
}

/// What an event carries.
#[derive(Debug, Clone, Copy)]
pub enum EventData<'a> {
    /// JSON.
    Json(&'a str),
    /// Any other text.
    Text(&'a str),
    /// Anything else.
    Binary(&'a [u8]),
}

/// A CloudEvent, version 1.0.
#[derive(Debug, Clone, Copy)]
pub struct EventView<'a> {
    /// Its id.
    pub id: &'a str,
    /// Where it comes from, a URI reference.
    pub source: &'a str,
    /// What happened, such as `order.created`.
    pub kind: &'a str,
    /// About what.
    pub subject: Option<&'a str>,
    /// When, in milliseconds since the Unix epoch.
    pub time_ms: Option<u64>,
    /// The media type of the data.
    pub datacontenttype: Option<&'a str>,
    /// The schema of the data, a URI.
    pub dataschema: Option<&'a str>,
    /// Extension attributes in their canonical text form.
    pub attributes: &'a [(String, String)],
    /// The data.
    pub data: Option<EventData<'a>>,
}

/// A hook that is fired.
#[derive(Debug, Clone, Copy)]
pub struct HookCall<'a> {
    /// The hook's name.
    pub hook: &'a str,
    /// Its kind.
    pub kind: HookKind,
    /// JSON.
    pub payload: &'a str,
}

/// What a hook handler answers.
#[derive(Debug, Clone, PartialEq)]
pub enum HookAnswer {
    /// It has nothing to add.
    Nothing,
    /// `filter`: the payload that goes on, JSON.
    Payload(String),
    /// `validate`: its verdict.
    Verdict(Verdict),
    /// `decide`: its decision, JSON.
    Decision(String),
    /// `collect`: its item, JSON.
    Item(String),
}

/// What started a job.
#[derive(Debug, Clone, Copy)]
pub enum Trigger<'a> {
    /// A person or a program, by the API.
    Manual,
    /// The schedule of this name.
    Schedule(&'a str),
    /// The event with this id.
    Event(&'a str),
    /// The extension's own queue.
    Queue,
}

/// One run of a job.
#[derive(Debug, Clone, Copy)]
pub struct JobRun<'a> {
    /// What started it.
    pub trigger: Trigger<'a>,
    /// JSON.
    pub input: &'a str,
    /// 1 for the first attempt.
    pub attempt: u32,
}
