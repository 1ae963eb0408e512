//! What answers the calls of a lease: an instance of a component in this process, or a way to a service elsewhere.

use std::sync::Arc;

use http::Request;
use oriel_model::execution::Resources;
use oriel_model::verdict::{Choice, Verdict};

use crate::ask::{Ask, EventView, ExecutionView, History, HookAnswer, HookCall, JobRun, Subject};
use crate::call::{ConfigProblem, Health};
use crate::error::CallError;
use crate::gate::ModelUse;
use crate::instance::Instance;
use crate::remote::Service;
use crate::route::{Exchange, RouteCall};

/// One of the two. A lease, a queue and a call pass it on, so both are boxed: moving a pointer is cheaper.
pub(crate) enum Running {
    Component(Box<Instance>),
    Service(Box<Service>),
}

/// Methods that both have. `suspect` means something to components only: a service takes no time on this machine's processors.
macro_rules! ask_either {
    ($($method:ident($what:ident: $given:ty) -> $answer:ty;)*) => {
        $(
            pub(crate) async fn $method(&mut self, ask: &Ask<'_>, $what: $given, started: u64, suspect: bool) -> Result<$answer, CallError> {
                match self {
                    Self::Component(instance) => instance.$method(ask, $what, started, suspect).await,
                    Self::Service(service) => service.$method(ask, $what, started).await,
                }
            }
        )*
    };
}

impl Running {
    ask_either! {
        execute(input: &str) -> String;
        validate(subject: &Subject<'_>) -> Verdict;
        sample(seen: (&ExecutionView<'_>, History)) -> Choice;
        handle(event: &EventView<'_>) -> ();
        fire(call: &HookCall<'_>) -> HookAnswer;
        run(run: &JobRun<'_>) -> String;
    }

    /// Lets a route answer. Remote extensions have none.
    pub(crate) async fn respond(
        &mut self,
        call: &RouteCall,
        request: Request<()>,
        exchange: &Arc<Exchange>,
        started: u64,
        suspect: bool,
    ) -> Result<(), CallError> {
        match self {
            Self::Component(instance) => instance.respond(call, request, exchange, started, suspect).await,
            Self::Service(_) => exchange.over(Err(CallError::NotExported {
                interface: "wasi:http/incoming-handler",
            })),
        }
    }

    pub(crate) async fn health_check(&mut self) -> Result<Health, CallError> {
        match self {
            Self::Component(instance) => instance.health_check().await,
            Self::Service(service) => service.health_check().await,
        }
    }

    pub(crate) async fn check_config(&mut self, config: &str) -> Result<Vec<ConfigProblem>, CallError> {
        match self {
            Self::Component(instance) => instance.check_config(config).await,
            Self::Service(service) => service.check_config(config).await,
        }
    }

    /// Ends it in order. A service is not told: it runs on.
    pub(crate) async fn shutdown(self) {
        if let Self::Component(instance) = self {
            instance.shutdown().await;
        }
    }

    /// What the last call cost.
    pub(crate) fn resources(&self, started: u64) -> Resources {
        match self {
            Self::Component(instance) => instance.resources(started),
            Self::Service(service) => service.resources(started),
        }
    }

    /// Bytes of bodies that the last call sent and got over HTTP; of a service, also the call's own.
    pub(crate) fn outbound_bytes(&self) -> u64 {
        match self {
            Self::Component(instance) => instance.outbound_bytes(),
            Self::Service(service) => service.outbound_bytes(),
        }
    }

    /// What the last call asked of the model.
    pub(crate) fn model(&self) -> ModelUse {
        match self {
            Self::Component(instance) => instance.model(),
            Self::Service(service) => service.model(),
        }
    }

    /// Whether it must not be used again.
    pub(crate) fn is_broken(&self) -> bool {
        match self {
            Self::Component(instance) => instance.is_broken(),
            Self::Service(service) => service.is_broken(),
        }
    }

    /// Whether it has served long enough or holds on to too much memory.
    pub(crate) fn is_worn(&self, recycle_after_calls: u32) -> bool {
        match self {
            Self::Component(instance) => instance.is_worn(recycle_after_calls),
            Self::Service(_) => false,
        }
    }

    /// Whether it wants to be told of its end.
    pub(crate) fn has_shutdown(&self) -> bool {
        match self {
            Self::Component(instance) => instance.has_shutdown(),
            Self::Service(_) => false,
        }
    }

    /// Bytes of linear memory that it holds.
    pub(crate) fn memory(&self) -> u64 {
        match self {
            Self::Component(instance) => instance.memory(),
            Self::Service(_) => 0,
        }
    }

    /// When its last call ended, as [`crate::meter::now`] counts.
    pub(crate) fn last_used(&self) -> u64 {
        match self {
            Self::Component(instance) => instance.last_used,
            Self::Service(service) => service.last_used,
        }
    }
}
