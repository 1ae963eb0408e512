//! Named programs.

use std::sync::Once;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::{Error, Wire, to_wire};
use crate::json::{read, write};

/// Exports programs: each name with the function behind it.
///
/// A function takes any `serde::Deserialize` type and answers `Result<T, Error>` with any `serde::Serialize` type.
/// Input that does not fit its type is answered as `invalid-input` with the place in it. A panic is logged and
/// ends the call with a trap.
///
/// ```ignore
/// programs! {
///     "classify" => classify,
///     "explain" => explain,
/// }
/// ```
///
/// Use it once in a crate; the names are those of `[[programs]]` in extension.toml.
#[macro_export]
macro_rules! programs {
    ($($name:literal => $function:expr),+ $(,)?) => {
        const _: () = {
            struct Programs;

            impl $crate::__private::program::exports::oriel::extension::program::Guest for Programs {
                fn execute(
                    name: $crate::__private::String,
                    input: $crate::__private::String,
                ) -> ::core::result::Result<$crate::__private::String, $crate::__private::Wire> {
                    $crate::__private::catch_panics();
                    match name.as_str() {
                        $($name => $crate::__private::run(&input, $function),)+
                        _ => $crate::__private::unknown("program", &name),
                    }
                }
            }

            $crate::__private::export_program!(Programs with_types_in $crate::__private::program);
        };
    };
}

/// One call: JSON in, the function, JSON out.
#[doc(hidden)]
pub fn run<I, O, F>(input: &str, function: F) -> Result<String, Wire>
where
    I: DeserializeOwned,
    O: Serialize,
    F: FnOnce(I) -> Result<O, Error>,
{
    read(input).and_then(function).and_then(|output| write(&output)).map_err(to_wire)
}

/// The answer for a name that no contribution of the kind has.
#[doc(hidden)]
pub fn unknown<T>(kind: &str, name: &str) -> Result<T, Wire> {
    Err(Wire::InvalidInput(format!("this extension has no {kind} `{name}`")))
}

/// Logs the message of a panic before it becomes a trap, because a trap carries none.
#[doc(hidden)]
pub fn catch_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        std::panic::set_hook(Box::new(|panic| {
            let message = panic.payload_as_str().unwrap_or("panic");
            let place = panic.location().map(ToString::to_string).unwrap_or_default();
            let message = format!("{message}{}", cure(message));
            crate::log::write(crate::log::Level::Error, &message, &[("panic", place)]);
        }));
    });
}

/// What to do about a panic of the standard library where it has no system below it: without WASI there is no clock.
fn cure(message: &str) -> &'static str {
    match message {
        "time not implemented on this platform" | "can't sleep" => {
            "; this needs WASI: set `wasi = true` under [build] in extension.toml and build again"
        }
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Deserialize)]
    struct Order {
        items: Vec<Item>,
    }

    #[derive(Deserialize)]
    struct Item {
        price: u64,
    }

    #[test]
    fn input_errors_name_their_place() {
        let sum = |order: Order| Ok::<u64, Error>(order.items.iter().map(|item| item.price).sum());
        assert_eq!(
            run(r#"{"items":[{"price":1},{"price":9007199254740993}]}"#, sum).ok(),
            Some("9007199254740994".to_owned())
        );
        for (input, place) in [
            (
                r#"{"items":[{"price":1},{"price":"x"}]}"#,
                "at `items[1].price`: invalid type: string \"x\"",
            ),
            (r#"{"items":[{}]}"#, "at `items[0]`: missing field `price`"),
            ("{}", "missing field `items`"),
            ("[", "EOF while parsing"),
            (r#"{"items":[]} x"#, "trailing characters"),
        ] {
            let Err(Wire::InvalidInput(message)) = run(input, sum) else {
                panic!("{input} was accepted")
            };
            assert!(message.contains(place), "{message}");
        }
    }

    #[test]
    fn other_errors_become_internal() {
        let fails = |_: serde_json::Value| -> Result<u8, Error> { Ok("300".parse::<u8>()?) };
        let Err(Wire::Internal(message)) = run("{}", fails) else {
            panic!("accepted")
        };
        assert_eq!(message, "number too large to fit in target type");
    }
}
