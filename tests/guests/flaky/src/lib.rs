//! As `echo`, but a little worse: it fails on every fifth number and crashes where it is told to. The canary of tests.

wit_bindgen::generate!({
    path: "../../../wit",
    inline: "package test:flaky; world flaky { export oriel:extension/program@0.1.0; }",
    generate_all,
});

use exports::oriel::extension::program::{Error, Guest};

struct Flaky;

impl Guest for Flaky {
    fn execute(_: String, input: String) -> Result<String, Error> {
        if input.contains("\"crash\"") {
            panic!("told to crash");
        }
        match number(&input) {
            Some(number) if number % 5 == 0 => Err(Error::Internal(format!("{number} is one of those"))),
            _ => Ok(input),
        }
    }
}

/// The member `n`, without a parser.
fn number(input: &str) -> Option<u64> {
    let (_, rest) = input.split_once("\"n\":")?;
    let digits = rest.trim_start();
    let end = digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
    digits[..end].parse().ok()
}

export!(Flaky);
