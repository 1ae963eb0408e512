//! Log lines, kept per tenant and shown by `oriel logs`.
//!
//! The macros take a message with inline captures, then fields of any `Display` type:
//!
//! ```ignore
//! log::info!("order {id} accepted", total = order.total, currency = "EUR");
//! log::warn!("{} of {} failed", failed, all; task = name);
//! ```
//!
//! Lines beyond the log limit are dropped and counted by the host; logging never fails.

use std::fmt::Display;

pub use crate::bindings::imports::oriel::extension::log::Level;
#[doc(inline)]
pub use crate::{__debug as debug, __error as error, __info as info, __trace as trace, __warn as warn};

/// Writes one line. The macros of this module are shorter.
pub fn write<V: Display>(level: Level, message: &str, fields: &[(&str, V)]) {
    let fields: Vec<(String, String)> = fields.iter().map(|(key, value)| ((*key).to_owned(), value.to_string())).collect();
    crate::bindings::imports::oriel::extension::log::write(level, message, &fields);
}

#[doc(hidden)]
#[macro_export]
macro_rules! __log {
    ($level:ident, $message:literal $(, $key:ident = $value:expr)* $(,)?) => {
        $crate::log::write::<&dyn ::core::fmt::Display>(
            $crate::log::Level::$level,
            &::std::format!($message),
            &[$((::core::stringify!($key), &$value)),*],
        )
    };
    ($level:ident, $message:literal $(, $argument:expr)* $(; $($key:ident = $value:expr),* $(,)?)?) => {
        $crate::log::write::<&dyn ::core::fmt::Display>(
            $crate::log::Level::$level,
            &::std::format!($message $(, $argument)*),
            &[$($((::core::stringify!($key), &$value)),*)?],
        )
    };
}

/// A line for following the program's steps closely.
#[doc(hidden)]
#[macro_export]
macro_rules! __trace { ($($rest:tt)*) => { $crate::__log!(Trace, $($rest)*) }; }

/// A line for finding faults.
#[doc(hidden)]
#[macro_export]
macro_rules! __debug { ($($rest:tt)*) => { $crate::__log!(Debug, $($rest)*) }; }

/// A line worth keeping.
#[doc(hidden)]
#[macro_export]
macro_rules! __info { ($($rest:tt)*) => { $crate::__log!(Info, $($rest)*) }; }

/// A line about something that may become a fault.
#[doc(hidden)]
#[macro_export]
macro_rules! __warn { ($($rest:tt)*) => { $crate::__log!(Warn, $($rest)*) }; }

/// A line about a fault.
#[doc(hidden)]
#[macro_export]
macro_rules! __error { ($($rest:tt)*) => { $crate::__log!(Error, $($rest)*) }; }
