//! Uses the key-value store: a counter, and each operation by itself. Inputs are plain words (`key`, or
//! `key=value`), so that the guest needs no JSON library.

wit_bindgen::generate!({
    path: "../../../wit",
    inline: "package test:kv; world kv { import oriel:extension/key-value@0.1.0; export oriel:extension/program@0.1.0; }",
    generate_all,
});

use exports::oriel::extension::program::{Error, Guest};
use oriel::extension::key_value as store;

struct Kv;

/// The text inside a JSON string without escapes, or the input as it is.
fn word(input: &str) -> &str {
    input.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(input)
}

impl Guest for Kv {
    fn execute(name: String, input: String) -> Result<String, Error> {
        let input = word(&input);
        let (key, value) = input.split_once('=').unwrap_or((input, ""));
        match name.as_str() {
            "count" => store::increment("count", 1, None).map(|count| count.to_string()),
            "get" => Ok(match store::get(key)? {
                Some(entry) => format!("\"{}@{}\"", String::from_utf8_lossy(&entry.value), entry.version),
                None => "null".to_owned(),
            }),
            "set" => store::set(key, value.as_bytes(), None).map(|version| version.to_string()),
            "set-for" => store::set(key, b"soon gone", Some(value.parse().unwrap_or(1))).map(|version| version.to_string()),
            "swap" => {
                let expected = store::get(key)?.map(|entry| entry.version);
                store::compare_and_swap(key, expected, value.as_bytes(), None).map(|version| version.is_some().to_string())
            }
            "delete" => store::delete(key).map(|deleted| deleted.to_string()),
            "list" => {
                let page = store::list_keys(key, 1_000, None)?;
                Ok(format!("\"{}\"", page.keys.join(",")))
            }
            "large" => {
                let length = key.parse().map_err(|_| Error::InvalidInput("not a number".to_owned()))?;
                store::set("large", &vec![b'x'; length], None).map(|version| version.to_string())
            }
            _ => Err(Error::InvalidInput(format!("there is no program `{name}`"))),
        }
    }
}

export!(Kv);
