//! The functions of the specification, and two of our own.

use std::borrow::Cow;

use crate::eval::{EvalError, Evaluation, Event, evaluate};
use crate::parse::Node;
use crate::value::{Type, Value};

/// A function that exists with so many arguments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Function {
    Length,
    Concat,
    ConcatWs,
    Lower,
    Upper,
    Trim,
    Left,
    Right,
    Substring,
    Abs,
    Int,
    Bool,
    String,
    Data,
    HasData,
}

impl Function {
    /// The function of this name, in upper case, which takes so many arguments.
    pub(crate) fn find(name: &str, arguments: usize) -> Option<Self> {
        let (function, fits) = match name {
            "LENGTH" => (Self::Length, arguments == 1),
            "CONCAT" => (Self::Concat, true),
            "CONCAT_WS" => (Self::ConcatWs, arguments >= 1),
            "LOWER" => (Self::Lower, arguments == 1),
            "UPPER" => (Self::Upper, arguments == 1),
            "TRIM" => (Self::Trim, arguments == 1),
            "LEFT" => (Self::Left, arguments == 2),
            "RIGHT" => (Self::Right, arguments == 2),
            "SUBSTRING" => (Self::Substring, arguments == 2 || arguments == 3),
            "ABS" => (Self::Abs, arguments == 1),
            "INT" => (Self::Int, arguments == 1),
            "BOOL" => (Self::Bool, arguments == 1),
            "STRING" => (Self::String, arguments == 1),
            "DATA" => (Self::Data, arguments == 1),
            "HAS_DATA" => (Self::HasData, arguments == 1),
            _ => return None,
        };
        fits.then_some(function)
    }

    /// The type of what it comes to. `DATA` has that of what it finds, and is false when it finds nothing, as a missing attribute
    /// is.
    const fn kind(self) -> Type {
        match self {
            Self::Length | Self::Abs | Self::Int => Type::Integer,
            Self::Bool | Self::Data | Self::HasData => Type::Boolean,
            _ => Type::String,
        }
    }

    pub(crate) fn call<'a>(self, arguments: &'a [Node], event: &'a dyn Event) -> Evaluation<'a> {
        let values: Result<Vec<_>, _> = arguments.iter().map(|argument| evaluate(argument, event).checked()).collect();
        values
            .and_then(|values| self.apply(values, event))
            .unwrap_or_else(|error| Evaluation::failed(Value::zero(self.kind()), error))
    }

    fn apply<'a>(self, values: Vec<Value<'a>>, event: &'a dyn Event) -> Result<Evaluation<'a>, EvalError> {
        let mut values = Arguments(values.into_iter());
        let value = match self {
            Self::Length => Value::Integer(length(&values.text())),
            Self::Concat => Value::String(values.0.map(Value::into_text).collect::<String>().into()),
            Self::ConcatWs => {
                let between = values.text();
                let parts: Vec<_> = values.0.map(Value::into_text).collect();
                Value::String(parts.join(&*between).into())
            }
            Self::Lower => Value::String(values.text().to_lowercase().into()),
            Self::Upper => Value::String(values.text().to_uppercase().into()),
            Self::Trim => Value::String(values.text().trim().to_owned().into()),
            Self::Left | Self::Right => return self.end(values.text(), values.integer()?),
            Self::Substring => return substring(&values.text(), values.integer()?, values.rest_integer()?),
            Self::Abs => return Ok(absolute(values.integer()?)),
            Self::Int => Value::Integer(values.integer()?),
            Self::Bool => match values.value() {
                // What an operator does not take, this function does: it is asked to.
                Value::Integer(number) => Value::Boolean(number != 0),
                value => Value::Boolean(value.to_boolean()?),
            },
            Self::String => Value::String(values.text()),
            Self::Data => {
                let pointer = values.text();
                event
                    .data(&pointer)
                    .ok_or_else(|| EvalError::MissingAttribute(format!("data{pointer}")))?
            }
            Self::HasData => Value::Boolean(event.has_data(&values.text())),
        };
        Ok(Evaluation::fine(value))
    }

    /// `LEFT` and `RIGHT`.
    fn end(self, text: Cow<'_, str>, count: i32) -> Result<Evaluation<'_>, EvalError> {
        let Ok(count) = usize::try_from(count) else {
            let error = EvalError::Function("LEFT and RIGHT take no negative length");
            return Ok(Evaluation::failed(Value::String(text), error));
        };
        let all = text.chars().count();
        let part = if self == Self::Left {
            text.chars().take(count).collect::<String>()
        } else {
            text.chars().skip(all.saturating_sub(count)).collect()
        };
        Ok(Evaluation::fine(Value::String(part.into())))
    }
}

/// Arguments, taken one by one. There are as many as [`Function::find`] demands.
struct Arguments<'a>(std::vec::IntoIter<Value<'a>>);

impl<'a> Arguments<'a> {
    fn value(&mut self) -> Value<'a> {
        self.0.next().unwrap_or(Value::zero(Type::Boolean))
    }

    fn text(&mut self) -> Cow<'a, str> {
        self.value().into_text()
    }

    fn integer(&mut self) -> Result<i32, EvalError> {
        self.value().to_integer()
    }

    fn rest_integer(&mut self) -> Result<Option<i32>, EvalError> {
        self.0.next().map(|value| value.to_integer()).transpose()
    }
}

fn length(text: &str) -> i32 {
    i32::try_from(text.chars().count()).unwrap_or(i32::MAX)
}

fn absolute(number: i32) -> Evaluation<'static> {
    match number.checked_abs() {
        Some(number) => Evaluation::fine(Value::Integer(number)),
        None => Evaluation::failed(Value::Integer(i32::MAX), EvalError::Math("the result does not fit into 32 bits")),
    }
}

/// From a place, counted from 1 or, if it is negative, from the end.
fn substring(text: &str, from: i32, count: Option<i32>) -> Result<Evaluation<'static>, EvalError> {
    let all = length(text);
    if from > all || from < -all {
        return Err(EvalError::Function("SUBSTRING begins outside of the text"));
    }
    let count = match count.map(usize::try_from) {
        None => usize::MAX,
        Some(Ok(count)) => count,
        Some(Err(_)) => return Err(EvalError::Function("SUBSTRING takes no negative length")),
    };
    if from == 0 {
        return Ok(Evaluation::fine(Value::zero(Type::String)));
    }
    let skipped = if from > 0 { from - 1 } else { all + from };
    let part: String = text.chars().skip(usize::try_from(skipped).unwrap_or(0)).take(count).collect();
    Ok(Evaluation::fine(Value::String(part.into())))
}
