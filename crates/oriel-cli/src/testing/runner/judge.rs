//! What came out against what was expected.

use serde_json::Value;

use super::super::cases::Case;
use super::super::compare::{difference, lacks, same};
use super::Answer;

/// What is not as expected in an answer.
pub(super) fn judge(case: &Case, answer: &Answer) -> Vec<String> {
    let expect = &case.expect;
    match (&expect.error, answer) {
        (None, Err((code, message))) => vec![format!("it failed with {code}: {message}")],
        (Some(wanted), Ok(answer)) => vec![format!("it should fail with {wanted}, and answered {}", shown(answer.as_ref()))],
        (Some(wanted), Err((code, message))) => {
            let mut problems = Vec::new();
            if wanted != code {
                problems.push(format!("it should fail with {wanted}, and failed with {code}: {message}"));
            }
            if let Some(part) = expect.message.as_ref().filter(|part| !message.contains(part.as_str())) {
                problems.push(format!("the error's message has no `{part}` in it: {message}"));
            }
            problems
        }
        (None, Ok(None)) if expect.exactly.is_some() || expect.contains.is_some() => vec!["it answered nothing".to_owned()],
        (None, Ok(None)) => Vec::new(),
        (None, Ok(Some(answer))) if expect.nothing => vec![format!("it should answer nothing, and answered {answer}")],
        (None, Ok(Some(answer))) => {
            let mut problems = Vec::new();
            if let Some(wanted) = expect.exactly.as_ref().filter(|wanted| !same(wanted, answer)) {
                problems.push(format!("the output differs (- expected, + got)\n{}", difference(wanted, answer)));
            }
            if let Some(wanted) = &expect.contains {
                problems.extend(lacks(wanted, answer, ""));
            }
            problems
        }
    }
}

fn shown(answer: Option<&Value>) -> String {
    answer.map_or_else(|| "nothing".to_owned(), Value::to_string)
}
