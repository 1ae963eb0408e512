//! CloudEvents SQL ([CESQL 1.0](https://github.com/cloudevents/spec/blob/main/cesql/spec.md)): expressions over the attributes of
//! an event, with which a consumer says what it wants to hear of.
//!
//! - [`Expression`]: parsed once, evaluated for each event, at most [`Expression::MAX_LENGTH`] bytes long,
//!   [`Expression::MAX_DEPTH`] deep, and with [`Expression::MAX_OPERATORS`] operators.
//! - [`Event`]: what an expression can ask of an event.
//! - [`Value`] and [`EvalError`]: what comes out. An evaluation always has a value; an error may come with it.
//!
//! The language is total: every expression ends, in time proportional to its length and that of the texts that it looks at
//! (`LIKE` may take their product). Beyond the specification there are two functions on the event's data, as the specification
//! lets an engine have: `DATA(pointer)` is the string, integer or boolean at a JSON pointer, `HAS_DATA(pointer)` whether there is
//! anything.
//!
//! Where the specification leaves room: `AND` binds more tightly than `OR`, and `OR` more than `XOR`, in the order of its
//! table; `NOT` binds more tightly than any operator with two sides, so `NOT a = b` is `(NOT a) = b`. An
//! operator of which an operand could not be evaluated has the zero value of its type (`false`, 0, the empty string), and
//! the error is the operand's.
//!
//! What it is not: it parses no events, and knows no JSON. Start reading at `parse.rs`, then `eval.rs`.

mod eval;
mod functions;
mod lex;
mod like;
mod parse;
mod value;

pub use self::eval::{EvalError, Evaluation, Event};
pub use self::parse::{Expression, ParseError};
pub use self::value::Value;
