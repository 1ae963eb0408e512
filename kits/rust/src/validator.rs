//! Named validators.

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::bindings::imports::oriel::extension::types;
use crate::bindings::validator::exports::oriel::extension::validator as wire;
use crate::error::{Error, Wire};
use crate::execution::{Execution, execution};
use crate::json::read_some;
use crate::verdict::{Verdict, to_wire};

/// What a validator judges: an execution whose input and output are read as `I` and `O`.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Subject<I = Value, O = Value> {
    /// The execution.
    pub execution: Execution<I, O>,
    /// JSON Schema of the task's input, where the task has one.
    pub input_schema: Option<Value>,
    /// JSON Schema of the task's output, where the task has one.
    pub output_schema: Option<Value>,
    /// What should have come out, where somebody knows.
    pub expected_output: Option<O>,
}

/// Exports validators: each name with the function behind it.
///
/// A function takes a [`Subject`] and answers `Result<Verdict, Error>`, or a `bool` in its place. An error says that no verdict
/// can be given. What the binding configures is read with [`config::binding`](crate::config::binding).
///
/// ```ignore
/// fn plausible(subject: Subject<Flight, Answer>) -> Result<Verdict> { … }
///
/// validators! { "plausible" => plausible }
/// ```
///
/// Use it once in a crate; the names are those of `[[validators]]` in extension.toml.
#[macro_export]
macro_rules! validators {
    ($($name:literal => $function:expr),+ $(,)?) => {
        const _: () = {
            struct Validators;

            impl $crate::__private::validator::exports::oriel::extension::validator::Guest for Validators {
                fn validate(
                    name: $crate::__private::String,
                    subject: $crate::__private::validator::exports::oriel::extension::validator::Subject,
                ) -> ::core::result::Result<$crate::__private::WireVerdict, $crate::__private::Wire> {
                    $crate::__private::catch_panics();
                    match name.as_str() {
                        $($name => $crate::__private::validate(subject, $function),)+
                        _ => $crate::__private::unknown("validator", &name),
                    }
                }
            }

            $crate::__private::export_validator!(Validators with_types_in $crate::__private::validator);
        };
    };
}

/// One call.
#[doc(hidden)]
pub fn validate<I, O, V, F>(subject: wire::Subject, function: F) -> Result<types::Verdict, Wire>
where
    I: DeserializeOwned,
    O: DeserializeOwned,
    V: Into<Verdict>,
    F: FnOnce(Subject<I, O>) -> Result<V, Error>,
{
    read(subject)
        .and_then(function)
        .map(|verdict| to_wire(verdict.into()))
        .map_err(crate::error::to_wire)
}

fn read<I: DeserializeOwned, O: DeserializeOwned>(given: wire::Subject) -> Result<Subject<I, O>, Error> {
    Ok(Subject {
        execution: execution(given.execution)?,
        input_schema: read_some("input schema", given.input_schema.as_ref())?,
        output_schema: read_some("output schema", given.output_schema.as_ref())?,
        expected_output: read_some("expected output", given.expected_output.as_ref())?,
    })
}
