//! Whether a text is one policy that makes sense, and where it does not.

use cedar_policy::ffi::DetailedError;
use cedar_policy::{Policy, PolicyId, PolicySet, ValidationMode, Validator};
use serde::Serialize;

/// A place in a policy's text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PolicyProblem {
    /// From 1.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
    /// What is wrong.
    pub message: String,
    /// What to write instead.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
}

/// The longest text of a policy, in bytes.
const MAX_TEXT: usize = 16 << 10;

/// Reads one policy and checks it against the schema.
pub(super) fn read(id: &str, text: &str, validator: &Validator) -> Result<Policy, Vec<PolicyProblem>> {
    let whole = |message: String| {
        vec![PolicyProblem {
            line: 1,
            column: 1,
            message,
            help: None,
        }]
    };
    if text.len() > MAX_TEXT {
        return Err(whole(format!("the text is longer than {MAX_TEXT} bytes")));
    }
    // A set first: a text of two policies, or none, gets a better sentence than the parser's.
    let set: PolicySet = text.parse().map_err(|errors: cedar_policy::ParseErrors| {
        let problems = errors.iter().map(|error| place(id, text, &DetailedError::from(error)));
        problems.collect::<Vec<_>>()
    })?;
    if set.num_of_templates() > 0 {
        return Err(whole(
            "templates (`?principal`, `?resource`) are not used here: name who is meant".to_owned(),
        ));
    }
    if set.num_of_policies() != 1 {
        let count = set.num_of_policies();
        return Err(whole(format!(
            "the text holds {count} policies; write one `permit` or `forbid` in each"
        )));
    }
    let policy = Policy::parse(Some(PolicyId::new(id)), text).map_err(|error| whole(error.to_string()))?;
    let one = PolicySet::from_policies([policy.clone()]).map_err(|error| whole(error.to_string()))?;
    let result = validator.validate(&one, ValidationMode::Strict);
    let errors = result.validation_errors().map(|error| place(id, text, &DetailedError::from(error)));
    // A policy that can never apply is a mistake, as are look-alike letters.
    let warnings = result
        .validation_warnings()
        .map(|warning| place(id, text, &DetailedError::from(warning)));
    let problems: Vec<PolicyProblem> = errors.chain(warnings).collect();
    if problems.is_empty() { Ok(policy) } else { Err(problems) }
}

fn place(id: &str, text: &str, error: &DetailedError) -> PolicyProblem {
    let offset = error.source_locations.first().map_or(0, |label| label.loc.start);
    let before = text.get(..offset.min(text.len())).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    let label = error.source_locations.first().and_then(|label| label.label.clone());
    // Whoever reads this knows which policy it is about.
    let message = error.message.trim_start_matches(&format!("for policy `{id}`, ")).to_owned();
    PolicyProblem {
        line: before.matches('\n').count() + 1,
        column: before[line_start..].chars().count() + 1,
        message: label.map_or(message.clone(), |label| format!("{message}: {label}")),
        help: error.help.clone(),
    }
}
