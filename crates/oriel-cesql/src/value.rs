//! Values and how they turn into one another.

use std::borrow::Cow;

use crate::eval::EvalError;

/// What an expression comes to, and what an event's attribute is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value<'a> {
    /// Text. URIs and timestamps are texts, too.
    String(Cow<'a, str>),
    /// A whole number.
    Integer(i32),
    /// True or false.
    Boolean(bool),
}

/// The type of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Type {
    String,
    Integer,
    Boolean,
}

impl<'a> Value<'a> {
    pub(crate) const fn kind(&self) -> Type {
        match self {
            Self::String(_) => Type::String,
            Self::Integer(_) => Type::Integer,
            Self::Boolean(_) => Type::Boolean,
        }
    }

    /// What an operator of this type has when it cannot be evaluated.
    pub(crate) const fn zero(kind: Type) -> Self {
        match kind {
            Type::String => Self::String(Cow::Borrowed("")),
            Type::Integer => Self::Integer(0),
            Type::Boolean => Self::Boolean(false),
        }
    }

    /// The value as a text. Every value has one.
    pub(crate) fn into_text(self) -> Cow<'a, str> {
        match self {
            Self::String(text) => text,
            Self::Integer(number) => Cow::Owned(number.to_string()),
            Self::Boolean(truth) => Cow::Borrowed(if truth { "true" } else { "false" }),
        }
    }

    /// The value as a whole number.
    pub(crate) fn to_integer(&self) -> Result<i32, EvalError> {
        match self {
            Self::Integer(number) => Ok(*number),
            Self::Boolean(truth) => Ok(i32::from(*truth)),
            Self::String(text) => text.parse().map_err(|_| self.uncast("an integer")),
        }
    }

    /// The value as true or false, as an operator takes it: a number is neither.
    pub(crate) fn to_boolean(&self) -> Result<bool, EvalError> {
        match self {
            Self::Boolean(truth) => Ok(*truth),
            Self::String(text) if text.eq_ignore_ascii_case("true") => Ok(true),
            Self::String(text) if text.eq_ignore_ascii_case("false") => Ok(false),
            _ => Err(self.uncast("a boolean")),
        }
    }

    /// The value as one of that type.
    pub(crate) fn cast(self, kind: Type) -> Result<Self, EvalError> {
        Ok(match kind {
            Type::String => Self::String(self.into_text()),
            Type::Integer => Self::Integer(self.to_integer()?),
            Type::Boolean => Self::Boolean(self.to_boolean()?),
        })
    }

    fn uncast(&self, wanted: &'static str) -> EvalError {
        // Not more of a text than a person wants to read in a message.
        let shown: String = self.clone().into_text().chars().take(40).collect();
        EvalError::Cast { shown, wanted }
    }
}

impl From<bool> for Value<'_> {
    fn from(truth: bool) -> Self {
        Self::Boolean(truth)
    }
}

impl From<i32> for Value<'_> {
    fn from(number: i32) -> Self {
        Self::Integer(number)
    }
}

impl<'a> From<&'a str> for Value<'a> {
    fn from(text: &'a str) -> Self {
        Self::String(Cow::Borrowed(text))
    }
}

impl From<String> for Value<'_> {
    fn from(text: String) -> Self {
        Self::String(Cow::Owned(text))
    }
}
