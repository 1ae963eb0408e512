//! From tokens to an expression.

use std::borrow::Cow;

use crate::eval::{self, Evaluation, Event};
use crate::functions::Function;
use crate::lex::{self, Token};
use crate::like::Pattern;
use crate::value::Value;

/// Why a text is no expression.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message} (at character {})", position + 1)]
pub struct ParseError {
    /// The byte at which the trouble begins, from 0.
    pub position: usize,
    /// What is wrong there.
    pub message: String,
}

/// An expression, ready to be evaluated any number of times.
#[derive(Debug, Clone, PartialEq)]
pub struct Expression {
    root: Node,
    unknown: Vec<(usize, String)>,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Node {
    Literal(Value<'static>),
    Attribute(String),
    Exists(String),
    Not(Box<Self>),
    Minus(Box<Self>),
    Binary(Operator, Box<Self>, Box<Self>),
    Like(Box<Self>, bool, Pattern),
    In(Box<Self>, bool, Vec<Self>),
    Call(Function, Vec<Self>),
    /// A function that does not exist, or not with so many arguments.
    Unknown(String, usize),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operator {
    Or,
    Xor,
    And,
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Plus,
    Minus,
    Times,
    Divide,
    Modulo,
}

impl Operator {
    /// How tightly it binds.
    const fn strength(self) -> u8 {
        match self {
            Self::Xor => 1,
            Self::Or => 2,
            Self::And => 3,
            Self::Equal | Self::NotEqual | Self::Less | Self::LessOrEqual | Self::Greater | Self::GreaterOrEqual => 4,
            Self::Plus | Self::Minus => 5,
            Self::Times | Self::Divide | Self::Modulo => 6,
        }
    }

    fn of(token: &Token) -> Option<Self> {
        Some(match token {
            Token::Sign(sign) => match *sign {
                "=" => Self::Equal,
                "!=" | "<>" => Self::NotEqual,
                "<" => Self::Less,
                "<=" => Self::LessOrEqual,
                ">" => Self::Greater,
                ">=" => Self::GreaterOrEqual,
                "+" => Self::Plus,
                "-" => Self::Minus,
                "*" => Self::Times,
                "/" => Self::Divide,
                "%" => Self::Modulo,
                _ => return None,
            },
            Token::Word(word) if word.eq_ignore_ascii_case("and") => Self::And,
            Token::Word(word) if word.eq_ignore_ascii_case("or") => Self::Or,
            Token::Word(word) if word.eq_ignore_ascii_case("xor") => Self::Xor,
            _ => return None,
        })
    }
}

impl Expression {
    /// The longest text that is read, in bytes.
    pub const MAX_LENGTH: usize = 8_192;
    /// How deeply brackets, signs and functions may be nested.
    pub const MAX_DEPTH: usize = 64;
    /// How many operators with two sides it may have: a chain of them is as deep as it is long.
    pub const MAX_OPERATORS: usize = 400;

    /// Reads an expression.
    ///
    /// # Errors
    /// Where and why it is none. A function that does not exist is no such error, as the specification has it: see
    /// [`unknown_functions`](Self::unknown_functions).
    pub fn parse(text: &str) -> Result<Self, ParseError> {
        if text.len() > Self::MAX_LENGTH {
            return Err(ParseError {
                position: Self::MAX_LENGTH,
                message: format!("an expression has at most {} bytes", Self::MAX_LENGTH),
            });
        }
        let mut parser = Parser {
            tokens: lex::tokens(text)?,
            at: 0,
            depth: 0,
            operators: 0,
            unknown: Vec::new(),
        };
        let root = parser.expression(0)?;
        match parser.peek() {
            Token::End => Ok(Self {
                root,
                unknown: parser.unknown,
            }),
            _ => Err(parser.error("an operator or the end is missing here")),
        }
    }

    /// The functions in it that do not exist, or not with so many arguments: the byte at which each stands, and its name. An
    /// expression that has some can be evaluated, with an error.
    #[must_use]
    pub fn unknown_functions(&self) -> &[(usize, String)] {
        &self.unknown
    }

    /// What it comes to for this event.
    pub fn evaluate<'a>(&'a self, event: &'a dyn Event) -> Evaluation<'a> {
        eval::evaluate(&self.root, event)
    }

    /// Whether the event passes: whether the expression comes to `true`, without any error.
    pub fn passes(&self, event: &dyn Event) -> bool {
        let evaluation = self.evaluate(event);
        evaluation.error.is_none() && evaluation.value == Value::Boolean(true)
    }
}

struct Parser {
    tokens: Vec<(usize, Token)>,
    at: usize,
    depth: usize,
    operators: usize,
    unknown: Vec<(usize, String)>,
}

impl Parser {
    fn peek(&self) -> &Token {
        &self.tokens[self.at].1
    }

    fn position(&self) -> usize {
        self.tokens[self.at].0
    }

    fn next(&mut self) -> Token {
        let token = self.tokens[self.at].1.clone();
        if token != Token::End {
            self.at += 1;
        }
        token
    }

    fn error(&self, message: impl Into<String>) -> ParseError {
        ParseError {
            position: self.position(),
            message: message.into(),
        }
    }

    /// Takes the token if it is that keyword.
    fn takes_word(&mut self, keyword: &str) -> bool {
        let found = matches!(self.peek(), Token::Word(word) if word.eq_ignore_ascii_case(keyword));
        self.at += usize::from(found);
        found
    }

    /// Takes the token if it is that sign.
    fn takes(&mut self, sign: &'static str) -> bool {
        let found = *self.peek() == Token::Sign(sign);
        self.at += usize::from(found);
        found
    }

    fn wants(&mut self, sign: &'static str) -> Result<(), ParseError> {
        if self.takes(sign) {
            Ok(())
        } else {
            Err(self.error(format!("`{sign}` is missing here")))
        }
    }

    /// One operator more.
    fn count(&mut self) -> Result<(), ParseError> {
        self.operators += 1;
        if self.operators > Expression::MAX_OPERATORS {
            return Err(self.error(format!("an expression has at most {} operators", Expression::MAX_OPERATORS)));
        }
        Ok(())
    }

    /// Everything that binds at least so tightly.
    fn expression(&mut self, strength: u8) -> Result<Node, ParseError> {
        self.depth += 1;
        if self.depth > Expression::MAX_DEPTH {
            return Err(self.error(format!("an expression is at most {} levels deep", Expression::MAX_DEPTH)));
        }
        let mut left = self.tested()?;
        while let Some(operator) = Operator::of(self.peek())
            && operator.strength() >= strength
        {
            self.count()?;
            self.at += 1;
            let right = self.expression(operator.strength() + 1)?;
            left = Node::Binary(operator, Box::new(left), Box::new(right));
        }
        self.depth -= 1;
        Ok(left)
    }

    /// An operand with the `LIKE` and `IN` that follow it.
    fn tested(&mut self) -> Result<Node, ParseError> {
        let mut left = self.operand()?;
        loop {
            let begun = self.at;
            let not = self.takes_word("not");
            if self.takes_word("like") {
                self.count()?;
                let Token::Text(pattern) = self.peek() else {
                    return Err(self.error("the pattern of `LIKE` is a text in quotes"));
                };
                left = Node::Like(Box::new(left), not, Pattern::new(pattern));
                self.at += 1;
            } else if self.takes_word("in") {
                self.count()?;
                self.wants("(")?;
                let set = self.list()?;
                left = Node::In(Box::new(left), not, set);
            } else {
                self.at = begun;
                return Ok(left);
            }
        }
    }

    /// Expressions with commas between them up to the closing bracket, at least one.
    fn list(&mut self) -> Result<Vec<Node>, ParseError> {
        let mut list = vec![self.expression(0)?];
        while self.takes(",") {
            list.push(self.expression(0)?);
        }
        self.wants(")")?;
        Ok(list)
    }

    fn operand(&mut self) -> Result<Node, ParseError> {
        let position = self.position();
        match self.next() {
            Token::Sign("(") => {
                let inner = self.expression(0)?;
                self.wants(")")?;
                Ok(inner)
            }
            Token::Sign(sign @ ("-" | "+")) => self.signed(sign, position),
            Token::Digits(digits) => integer(&digits, position),
            Token::Text(text) => Ok(Node::Literal(Value::String(Cow::Owned(text)))),
            Token::Word(word) => self.word(&word, position),
            Token::Sign(_) | Token::End => Err(ParseError {
                position,
                message: "a value, an attribute or a bracket is missing here".into(),
            }),
        }
    }

    fn signed(&mut self, sign: &str, position: usize) -> Result<Node, ParseError> {
        if let Token::Digits(digits) = self.peek() {
            let number = integer(&format!("{sign}{digits}"), position)?;
            self.at += 1;
            return Ok(number);
        }
        if sign == "+" {
            return Err(self.error("digits are missing here"));
        }
        Ok(Node::Minus(Box::new(self.nested()?)))
    }

    /// The operand of an operator with one side.
    fn nested(&mut self) -> Result<Node, ParseError> {
        self.depth += 1;
        if self.depth > Expression::MAX_DEPTH {
            return Err(self.error(format!("an expression is at most {} levels deep", Expression::MAX_DEPTH)));
        }
        let node = self.operand();
        self.depth -= 1;
        node
    }

    fn word(&mut self, word: &str, position: usize) -> Result<Node, ParseError> {
        if self.takes("(") {
            return self.call(word, position);
        }
        let lower = word.to_ascii_lowercase();
        Ok(match lower.as_str() {
            "true" => Node::Literal(Value::Boolean(true)),
            "false" => Node::Literal(Value::Boolean(false)),
            "not" => Node::Not(Box::new(self.nested()?)),
            "exists" => match self.next() {
                Token::Word(name) => Node::Exists(attribute(&name, position)?),
                _ => {
                    return Err(ParseError {
                        position,
                        message: "`EXISTS` wants the name of an attribute".into(),
                    });
                }
            },
            "and" | "or" | "xor" | "like" | "in" => {
                return Err(ParseError {
                    position,
                    message: format!("`{word}` stands where a value should"),
                });
            }
            _ => Node::Attribute(attribute(word, position)?),
        })
    }

    fn call(&mut self, name: &str, position: usize) -> Result<Node, ParseError> {
        // `NOT (…)` and the like look like a call.
        if ["not", "and", "or", "xor", "in"]
            .iter()
            .any(|keyword| name.eq_ignore_ascii_case(keyword))
        {
            if !name.eq_ignore_ascii_case("not") {
                return Err(ParseError {
                    position,
                    message: format!("`{name}` stands where a value should"),
                });
            }
            let inner = self.expression(0)?;
            self.wants(")")?;
            return Ok(Node::Not(Box::new(inner)));
        }
        let arguments = if self.takes(")") { Vec::new() } else { self.list()? };
        let name = name.to_ascii_uppercase();
        Ok(match Function::find(&name, arguments.len()) {
            Some(function) => Node::Call(function, arguments),
            None => {
                self.unknown.push((position, name.clone()));
                Node::Unknown(name, arguments.len())
            }
        })
    }
}

/// Attributes are written in lower case in events, and may be written in any case here.
fn attribute(name: &str, position: usize) -> Result<String, ParseError> {
    if name.contains('_') {
        return Err(ParseError {
            position,
            message: format!("`{name}` is no attribute: their names have letters and digits only"),
        });
    }
    Ok(name.to_ascii_lowercase())
}

fn integer(digits: &str, position: usize) -> Result<Node, ParseError> {
    let number: i32 = digits.parse().map_err(|_| ParseError {
        position,
        message: format!("numbers are within {} and {}", i32::MIN, i32::MAX),
    })?;
    Ok(Node::Literal(Value::Integer(number)))
}
