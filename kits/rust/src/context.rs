//! What a call knows about where it runs.

use std::time::Duration;

use crate::bindings::imports::oriel::extension::context as host;
pub use crate::bindings::imports::oriel::extension::context::{CallContext, CallingExtension};

/// The context of the call in progress: tenant, execution id, deadline and so on. Costs one host call.
#[must_use]
pub fn current() -> CallContext {
    host::current()
}

/// The user of the host's product on whose behalf the call is made, as the host named them.
#[must_use]
pub fn user() -> Option<String> {
    host::user()
}

/// Who made the call in progress, when another extension did.
#[must_use]
pub fn caller() -> Option<CallingExtension> {
    host::caller()
}

/// Time left until the call's deadline; zero when it has passed.
#[must_use]
pub fn remaining() -> Duration {
    Duration::from_millis(host::remaining_ms())
}
