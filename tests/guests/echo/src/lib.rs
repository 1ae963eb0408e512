//! Answers what it is given. Imports nothing, so that a call of it costs a call and no more.

wit_bindgen::generate!({
    path: "../../../wit",
    inline: "package test:echo; world echo { export oriel:extension/program@0.1.0; }",
    generate_all,
});

use exports::oriel::extension::program::{Error, Guest};

struct Echo;

impl Guest for Echo {
    fn execute(name: String, input: String) -> Result<String, Error> {
        match name.as_str() {
            "echo" => Ok(input),
            "upper" => Ok(input.to_uppercase()),
            _ => Err(Error::InvalidInput(format!("there is no program `{name}`"))),
        }
    }
}

export!(Echo);
