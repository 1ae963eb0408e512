//! Runs extensions: WebAssembly components behind grants and limits.
//!
//! What it is for: reading a component's type, compiling it once to a native artifact, keeping pools of
//! instances, calling programs, and answering the guest's host calls within its grant and limits. What a remote service
//! answers in a component's place passes the same pools and limits, and its host calls the same checks.
//!
//! What it deliberately is not: it knows no database, no tenant policy and no JSON Schema. Storage, log keeping
//! and auditing come in as [`HostServices`]; inputs and outputs are texts that the services parse. It never
//! loads native code from outside: artifacts are made here, from bytes whose digest is known.
//!
//! Start reading at [`Sandbox`], then `pool.rs` (who gets which instance), `instance.rs` (one call) and
//! `host/` (what a guest can reach).

#![deny(unsafe_code)]

mod answer;
mod ask;
mod bindings;
mod cache;
mod call;
mod caller;
mod component;
mod engine;
mod error;
mod gate;
mod host;
mod instance;
mod lane;
mod limiter;
mod meter;
mod options;
mod pool;
mod ports;
mod reaper;
mod remote;
mod route;
mod running;
mod sandbox;
mod shape;
mod slots;
mod state;
mod ticker;
mod trust;

pub use ask::{Ask, EventData, EventView, ExecutionView, History, HookAnswer, HookCall, JobRun, Subject, Trigger};
pub use call::{Call, ConfigProblem, Health, Outcome};
pub use caller::Caller;
pub use error::{CallError, SandboxError, SourceError};
pub use gate::{Gate, ModelUse, Pass, Refused, Spent, moment};
pub use options::{SandboxOptions, SystemClock, SystemResolver};
pub use pool::{Code, Lease, Pool, PoolSpec, PoolStats};
pub use ports::{
    Calls, ChatMessage, ChatRole, Clock, CollectionChange, CollectionFailure, CollectionPage, CollectionQuery, CollectionWrite,
    Collections, Completion, CompletionRequest, ComponentSource, Connect, Contacts, Enqueue, Entry, FinishReason, GuestCall, GuestError,
    HostServices, KeyPage, KeyValue, KeyValueError, LogRecord, LogSink, Measurement, MetricKind, Metrics, ModelCall, Models, NO_MODEL,
    NoCalls, NoCollections, NoContacts, NoMetrics, NoModels, NoQueue, NoSecrets, Queue, Refusal, RefusalSink, Remote, RemoteConnection,
    RemoteError, RemoteRequest, Resolve, SecretUse, SecretValue, Secrets, Stream,
};
pub use remote::{Ended, HOST_CALLS, HostCallError};
pub use route::{RouteBody, RouteCall};
pub use sandbox::{Sandbox, SandboxStats};
pub use shape::Shape;
pub use trust::{RootsError, TrustedRoots};
