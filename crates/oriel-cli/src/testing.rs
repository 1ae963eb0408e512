//! `oriel test`: runs an extension's cases in the sandbox that the server uses, with everything around it made of
//! memory: a store, a clock that stands still, and a network that answers recorded exchanges and nothing else.

mod cases;
mod compare;
mod doubles;
mod network;
mod report;
mod runner;
mod service;
mod services;

pub(crate) use self::cases::load;
pub(crate) use self::report::{case_line, summary};
pub(crate) use self::runner::{Runner, Tested};
pub(crate) use self::service::{Place, Service};
