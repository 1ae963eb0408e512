//! From text to tokens.

use crate::parse::ParseError;

/// A token. Words are upper case where they are compared with keywords, and kept as they were written otherwise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Token {
    /// Letters, digits and underscores.
    Word(String),
    /// Digits alone, without a sign.
    Digits(String),
    /// A literal, with its escapes resolved.
    Text(String),
    /// An operator, bracket or comma.
    Sign(&'static str),
    /// The end.
    End,
}

/// Longer ones first, so that `<=` is not `<` and `=`.
const SIGNS: [&str; 15] = ["!=", "<>", ">=", "<=", "=", "<", ">", "+", "-", "*", "/", "%", "(", ")", ","];

/// Every token with the byte at which it starts; the last one is [`Token::End`].
pub(crate) fn tokens(text: &str) -> Result<Vec<(usize, Token)>, ParseError> {
    let mut tokens = Vec::new();
    let mut at = 0;
    while let Some(first) = text[at..].chars().next() {
        let rest = &text[at..];
        if matches!(first, ' ' | '\t' | '\r' | '\n') {
            at += 1;
        } else if first.is_ascii_alphanumeric() {
            let length = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
            let word = &rest[..length];
            let digits = word.bytes().all(|byte| byte.is_ascii_digit());
            tokens.push((
                at,
                if digits {
                    Token::Digits(word.into())
                } else {
                    Token::Word(word.into())
                },
            ));
            at += length;
        } else if first == '\'' || first == '"' {
            let (literal, length) = literal(rest, first).ok_or(ParseError {
                position: at,
                message: "this text has no end".into(),
            })?;
            tokens.push((at, Token::Text(literal)));
            at += length;
        } else if let Some(sign) = SIGNS.into_iter().find(|sign| rest.starts_with(sign)) {
            tokens.push((at, Token::Sign(sign)));
            at += sign.len();
        } else {
            return Err(ParseError {
                position: at,
                message: format!("nothing begins with `{}`", first.escape_default()),
            });
        }
    }
    tokens.push((text.len(), Token::End));
    Ok(tokens)
}

/// A text in quotes and how many bytes it takes. A backslash before the quote makes it part of the text; before anything else it
/// stands for itself, so that the patterns of `LIKE` keep theirs. A doubled quote is one, too.
fn literal(text: &str, quote: char) -> Option<(String, usize)> {
    let mut value = String::new();
    let mut rest = text.char_indices().skip(1).peekable();
    while let Some((at, c)) = rest.next() {
        let next = rest.peek().map(|(_, c)| *c);
        if (c == '\\' || c == quote) && next == Some(quote) {
            value.push(quote);
            rest.next();
        } else if c == quote {
            return Some((value, at + quote.len_utf8()));
        } else {
            value.push(c);
            // A backslash that is itself written with one must not hide the quote that ends the text.
            if c == '\\' && next == Some('\\') {
                value.push('\\');
                rest.next();
            }
        }
    }
    None
}
