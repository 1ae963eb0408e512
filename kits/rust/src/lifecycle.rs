//! What happens around the life of an instance.

use crate::bindings::lifecycle::exports::oriel::extension::lifecycle as wire;
use crate::error::{Error, Wire, to_wire};

/// What an extension does around the life of an instance; each function has a default that does nothing.
///
/// Implement it and export it with [`lifecycle!`](crate::lifecycle!), and set `lifecycle = true` in extension.toml.
pub trait Lifecycle {
    /// Runs once in each new instance, before its first call.
    ///
    /// # Errors
    /// An error keeps the instance from serving.
    fn initialize() -> Result<(), Error> {
        Ok(())
    }

    /// Asked from time to time and after trouble.
    fn health_check() -> Health {
        Health::Healthy(None)
    }

    /// Judges a configuration beyond what its schema can say, before it takes effect. No problems means yes.
    fn check_config(config: serde_json::Value) -> Vec<ConfigProblem> {
        let _ = config;
        Vec::new()
    }

    /// Runs before an instance is dropped in an orderly way; never after a trap or a time-out.
    fn shutdown() {}
}

/// How an instance feels; the text is one line for an administrator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Health {
    /// It can serve.
    Healthy(Option<String>),
    /// It cannot serve, and why.
    Unhealthy(String),
}

/// One thing that is wrong with a configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigProblem {
    /// JSON pointer into the configuration; empty for the whole.
    pub path: String,
    /// What is wrong there.
    pub message: String,
}

impl ConfigProblem {
    /// A problem at `path`, a JSON pointer such as `/threshold`.
    pub fn new(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            path: path.into(),
            message: message.into(),
        }
    }
}

/// Exports the lifecycle of the type that it is given, which implements [`Lifecycle`].
///
/// ```ignore
/// struct App;
///
/// impl Lifecycle for App {
///     fn initialize() -> Result<(), Error> {
///         log::info!("hello");
///         Ok(())
///     }
/// }
///
/// lifecycle!(App);
/// ```
#[macro_export]
macro_rules! lifecycle {
    ($type:ty) => {
        const _: () = {
            struct Life;

            impl $crate::__private::lifecycle::exports::oriel::extension::lifecycle::Guest for Life {
                fn initialize() -> ::core::result::Result<(), $crate::__private::Wire> {
                    $crate::__private::initialize::<$type>()
                }

                fn health_check() -> $crate::__private::lifecycle::exports::oriel::extension::lifecycle::Health {
                    $crate::__private::health_check::<$type>()
                }

                fn check_config(
                    config: $crate::__private::String,
                ) -> ::core::result::Result<
                    (),
                    $crate::__private::Vec<$crate::__private::lifecycle::exports::oriel::extension::lifecycle::ConfigProblem>,
                > {
                    $crate::__private::check_config::<$type>(&config)
                }

                fn shutdown() {
                    <$type as $crate::Lifecycle>::shutdown();
                }
            }

    $crate::__private::export_lifecycle!(Life with_types_in $crate::__private::lifecycle);
        };
    };
}

#[doc(hidden)]
pub fn initialize<L: Lifecycle>() -> Result<(), Wire> {
    crate::program::catch_panics();
    L::initialize().map_err(to_wire)
}

#[doc(hidden)]
pub fn health_check<L: Lifecycle>() -> wire::Health {
    match L::health_check() {
        Health::Healthy(detail) => wire::Health { healthy: true, detail },
        Health::Unhealthy(detail) => wire::Health {
            healthy: false,
            detail: Some(detail),
        },
    }
}

#[doc(hidden)]
pub fn check_config<L: Lifecycle>(config: &str) -> Result<(), Vec<wire::ConfigProblem>> {
    let problems = match serde_json::from_str(config) {
        Ok(config) => L::check_config(config),
        Err(error) => vec![ConfigProblem::new("", error.to_string())],
    };
    if problems.is_empty() {
        return Ok(());
    }
    Err(problems
        .into_iter()
        .map(|problem| wire::ConfigProblem {
            path: problem.path,
            message: problem.message,
        })
        .collect())
}
