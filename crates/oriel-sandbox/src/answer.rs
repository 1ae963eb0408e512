//! What every answer is checked for, wherever it comes from: lengths, and that it fits the question.

use oriel_model::hook::HookKind;
use oriel_model::verdict::Verdict;

use crate::ask::HookAnswer;
use crate::bindings::{hook, types};
use crate::error::{CallError, shortened};

/// An answer that is within the `output` limit.
pub(crate) fn within_output(output: String, limit: u64) -> Result<String, CallError> {
    let length = output.len() as u64;
    if length > limit {
        return Err(CallError::OutputTooLarge { length, limit });
    }
    Ok(output)
}

/// A verdict that can be believed to be one.
pub(crate) fn verdict(verdict: types::Verdict, limit: u64) -> Result<Verdict, CallError> {
    let bad = |reason: String| Err(CallError::Answer { reason });
    if let Some(score) = verdict.score
        && !(0.0..=1.0).contains(&score)
    {
        return bad(format!("the verdict's score is {score}; it must be from 0 to 1"));
    }
    let details = match verdict.details {
        None => None,
        Some(text) => match serde_json::from_str(&within_output(text, limit)?) {
            Ok(value) => Some(value),
            Err(error) => return bad(format!("the verdict's details are not JSON: {error}")),
        },
    };
    Ok(Verdict {
        valid: verdict.valid,
        score: verdict.score,
        message: verdict.message.map(shortened),
        details,
    })
}

/// An answer that hooks of this kind take.
pub(crate) fn of_hook(answer: hook::Answer, kind: HookKind, limit: u64) -> Result<HookAnswer, CallError> {
    match (answer, kind) {
        (hook::Answer::Nothing, _) => Ok(HookAnswer::Nothing),
        (hook::Answer::Payload(text), HookKind::Filter) => Ok(HookAnswer::Payload(within_output(text, limit)?)),
        (hook::Answer::Verdict(given), HookKind::Validate) => Ok(HookAnswer::Verdict(verdict(given, limit)?)),
        (hook::Answer::Decision(text), HookKind::Decide) => Ok(HookAnswer::Decision(within_output(text, limit)?)),
        (hook::Answer::Item(text), HookKind::Collect) => Ok(HookAnswer::Item(within_output(text, limit)?)),
        (answer, kind) => {
            let what = match answer {
                hook::Answer::Payload(_) => "a payload",
                hook::Answer::Verdict(_) => "a verdict",
                hook::Answer::Decision(_) => "a decision",
                hook::Answer::Item(_) | hook::Answer::Nothing => "an item",
            };
            Err(CallError::Answer {
                reason: format!("{what} is no answer to a hook of kind `{kind}`"),
            })
        }
    }
}
