//! What an expression comes to.

use std::borrow::Cow;

use crate::parse::{Node, Operator};
use crate::value::{Type, Value};

/// What an expression can ask of an event.
pub trait Event {
    /// The attribute of this name, which is in lower case: `type`, `source`, an extension. Its value is a text unless it came as an
    /// integer or a boolean.
    fn attribute(&self, name: &str) -> Option<Value<'_>>;

    /// What lies at a JSON pointer (RFC 6901) of the data, if it is a string, boolean or integer of 32 bits. Nothing by default.
    fn data(&self, pointer: &str) -> Option<Value<'_>> {
        let _ = pointer;
        None
    }

    /// Whether anything lies there, `null`, objects and lists included.
    fn has_data(&self, pointer: &str) -> bool {
        let _ = pointer;
        false
    }
}

/// A value and, if something went wrong on the way to it, what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Evaluation<'a> {
    /// What the expression comes to, also after an error.
    pub value: Value<'a>,
    /// What went wrong first.
    pub error: Option<EvalError>,
}

/// What can go wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EvalError {
    /// A value has another type than the operator or function takes.
    #[error("`{shown}` is not {wanted}")]
    Cast {
        /// The beginning of the value.
        shown: String,
        /// What it should have been.
        wanted: &'static str,
    },
    /// A division by zero, or a number that has no place in 32 bits.
    #[error("{0}")]
    Math(&'static str),
    /// The event has no such attribute, or nothing at that place of its data.
    #[error("the event has no `{0}`")]
    MissingAttribute(String),
    /// There is no such function with so many arguments.
    #[error("there is no function {name} that takes {arguments} arguments")]
    MissingFunction {
        /// In upper case.
        name: String,
        /// How many there are.
        arguments: usize,
    },
    /// A function does not take these arguments.
    #[error("{0}")]
    Function(&'static str),
}

impl<'a> Evaluation<'a> {
    pub(crate) const fn fine(value: Value<'a>) -> Self {
        Self { value, error: None }
    }

    pub(crate) const fn failed(value: Value<'a>, error: EvalError) -> Self {
        Self { value, error: Some(error) }
    }

    /// The value, unless there is an error.
    pub(crate) fn checked(self) -> Result<Value<'a>, EvalError> {
        self.error.map_or(Ok(self.value), Err)
    }
}

pub(crate) fn evaluate<'a>(node: &'a Node, event: &'a dyn Event) -> Evaluation<'a> {
    let (attempt, kind) = match node {
        Node::Literal(value) => return Evaluation::fine(borrowed(value)),
        Node::Attribute(name) => (
            event.attribute(name).ok_or_else(|| EvalError::MissingAttribute(name.clone())),
            Type::Boolean,
        ),
        Node::Exists(name) => return Evaluation::fine(Value::Boolean(event.attribute(name).is_some())),
        Node::Not(inner) => return not(evaluate(inner, event)),
        Node::Minus(inner) => (minus(evaluate(inner, event)), Type::Integer),
        Node::Binary(operator, left, right) => (binary(*operator, left, right, event), operator.kind()),
        Node::Like(inner, negated, pattern) => {
            let fits = evaluate(inner, event).checked().map(|value| pattern.fits(&value.into_text()));
            (fits.map(|fits| Value::Boolean(fits != *negated)), Type::Boolean)
        }
        Node::In(inner, negated, set) => {
            let found = within(inner, set, event);
            (found.map(|found| Value::Boolean(found != *negated)), Type::Boolean)
        }
        Node::Call(function, arguments) => return function.call(arguments, event),
        Node::Unknown(name, arguments) => {
            let error = EvalError::MissingFunction {
                name: name.clone(),
                arguments: *arguments,
            };
            (Err(error), Type::Boolean)
        }
    };
    attempt.map_or_else(|error| Evaluation::failed(Value::zero(kind), error), Evaluation::fine)
}

fn borrowed<'a>(value: &'a Value<'static>) -> Value<'a> {
    match value {
        Value::String(text) => Value::String(Cow::Borrowed(text)),
        Value::Integer(number) => Value::Integer(*number),
        Value::Boolean(truth) => Value::Boolean(*truth),
    }
}

/// What is neither true nor false counts as false, with an error; so its contrary is true.
fn not(operand: Evaluation<'_>) -> Evaluation<'_> {
    match operand.checked() {
        Err(error) => Evaluation::failed(Value::Boolean(false), error),
        Ok(value) => match value.to_boolean() {
            Ok(truth) => Evaluation::fine(Value::Boolean(!truth)),
            Err(error) => Evaluation::failed(Value::Boolean(true), error),
        },
    }
}

fn minus(operand: Evaluation<'_>) -> Result<Value<'_>, EvalError> {
    let number = operand.checked()?.to_integer()?;
    Ok(Value::Integer(number.checked_neg().ok_or(TOO_LARGE)?))
}

const TOO_LARGE: EvalError = EvalError::Math("the result does not fit into 32 bits");

impl Operator {
    /// The type of what it comes to.
    const fn kind(self) -> Type {
        match self {
            Self::Plus | Self::Minus | Self::Times | Self::Divide | Self::Modulo => Type::Integer,
            _ => Type::Boolean,
        }
    }
}

fn binary<'a>(operator: Operator, left: &'a Node, right: &'a Node, event: &'a dyn Event) -> Result<Value<'a>, EvalError> {
    let left = evaluate(left, event).checked()?;
    let right = || evaluate(right, event).checked();
    match operator {
        Operator::And if !left.to_boolean()? => Ok(Value::Boolean(false)),
        Operator::Or if left.to_boolean()? => Ok(Value::Boolean(true)),
        Operator::And | Operator::Or => Ok(Value::Boolean(right()?.to_boolean()?)),
        Operator::Xor => Ok(Value::Boolean(left.to_boolean()? != right()?.to_boolean()?)),
        Operator::Equal | Operator::NotEqual => {
            let right = right()?;
            let same = left.cast(right.kind())? == right;
            Ok(Value::Boolean(same == (operator == Operator::Equal)))
        }
        _ => arithmetic(operator, left.to_integer()?, right()?.to_integer()?),
    }
}

fn arithmetic(operator: Operator, left: i32, right: i32) -> Result<Value<'static>, EvalError> {
    let divides = matches!(operator, Operator::Divide | Operator::Modulo);
    if divides && right == 0 {
        return Err(EvalError::Math("a division by zero"));
    }
    let number = match operator {
        Operator::Less => return Ok(Value::Boolean(left < right)),
        Operator::LessOrEqual => return Ok(Value::Boolean(left <= right)),
        Operator::Greater => return Ok(Value::Boolean(left > right)),
        Operator::GreaterOrEqual => return Ok(Value::Boolean(left >= right)),
        Operator::Plus => left.checked_add(right),
        Operator::Minus => left.checked_sub(right),
        Operator::Times => left.checked_mul(right),
        Operator::Divide => left.checked_div(right),
        // The one remainder that has no quotient in 32 bits is that of the least number and -1.
        Operator::Modulo => Some(left.checked_rem(right).unwrap_or(0)),
        Operator::And | Operator::Or | Operator::Xor | Operator::Equal | Operator::NotEqual => None,
    };
    number.map(Value::Integer).ok_or(TOO_LARGE)
}

/// Whether a value is among those of a set, each of which is taken as one of the value's type. An element that is none cannot
/// be equal: it is an error only if no other element is.
fn within<'a>(inner: &'a Node, set: &'a [Node], event: &'a dyn Event) -> Result<bool, EvalError> {
    let wanted = evaluate(inner, event).checked()?;
    let mut problem = None;
    for element in set {
        match evaluate(element, event).checked().and_then(|element| element.cast(wanted.kind())) {
            Ok(element) if element == wanted => return Ok(true),
            Ok(_) => {}
            Err(error) => problem = problem.or(Some(error)),
        }
    }
    problem.map_or(Ok(false), Err)
}
