//! Named jobs.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::bindings::job::exports::oriel::extension::job as wire;
use crate::error::{Error, Result, Wire, to_wire};
use crate::json::{read, write};

/// One run of a job, with an input that is read as `I`.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct JobRun<I = Value> {
    /// What started it.
    pub trigger: Trigger,
    /// What it was given.
    pub input: I,
    /// 1 for the first attempt.
    pub attempt: u32,
}

/// What started a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trigger {
    /// A person or a program, by the API.
    Manual,
    /// The schedule of this name.
    Schedule(String),
    /// The event with this id.
    Event(String),
    /// The extension's own queue.
    Queue,
}

/// Exports jobs: each name with the function behind it.
///
/// A function takes a [`JobRun`] and answers `Result<T, Error>` with any `serde::Serialize` type. An [`Error::Unavailable`] means
/// that a retry may help.
///
/// ```ignore
/// fn clean_up(run: JobRun) -> Result<Report> { … }
///
/// jobs! { "clean-up" => clean_up }
/// ```
///
/// Use it once in a crate; the names are those of `[[jobs]]` in extension.toml.
#[macro_export]
macro_rules! jobs {
    ($($name:literal => $function:expr),+ $(,)?) => {
        const _: () = {
            struct Jobs;

            impl $crate::__private::job::exports::oriel::extension::job::Guest for Jobs {
                fn run(
                    name: $crate::__private::String,
                    run: $crate::__private::job::exports::oriel::extension::job::JobRun,
                ) -> ::core::result::Result<$crate::__private::String, $crate::__private::Wire> {
                    $crate::__private::catch_panics();
                    match name.as_str() {
                        $($name => $crate::__private::run_job(run, $function),)+
                        _ => $crate::__private::unknown("job", &name),
                    }
                }
            }

            $crate::__private::export_job!(Jobs with_types_in $crate::__private::job);
        };
    };
}

/// One run.
#[doc(hidden)]
pub fn run_job<I, O, F>(run: wire::JobRun, function: F) -> Result<String, Wire>
where
    I: DeserializeOwned,
    O: Serialize,
    F: FnOnce(JobRun<I>) -> Result<O, Error>,
{
    let trigger = match run.trigger {
        wire::Trigger::Manual => Trigger::Manual,
        wire::Trigger::Schedule(name) => Trigger::Schedule(name),
        wire::Trigger::Event(id) => Trigger::Event(id),
        wire::Trigger::Queue => Trigger::Queue,
    };
    let attempt = run.attempt;
    read(&run.input)
        .and_then(|input| function(JobRun { trigger, input, attempt }))
        .and_then(|output| write(&output))
        .map_err(to_wire)
}
