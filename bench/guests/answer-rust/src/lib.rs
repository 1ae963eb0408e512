//! The program of the benchmarks, in Rust.

use oriel_extension::{Error, programs};
use serde::{Deserialize, Serialize};

#[derive(Deserialize)]
struct Question {
    name: String,
    n: u64,
}

#[derive(Serialize)]
struct Answer {
    greeting: String,
    n: u64,
}

fn answer(question: Question) -> Result<Answer, Error> {
    let Question { name, n } = question;
    Ok(Answer {
        greeting: format!("Hello, {name}"),
        n: n + 1,
    })
}

programs! { "answer" => answer }
