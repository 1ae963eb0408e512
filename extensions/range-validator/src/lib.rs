//! Judges single values of an output: type, range, length, choice, order. What it is not: a schema language; a whole shape is the JSON Schema
//! validator's affair.

mod decimal;
mod moment;
mod place;
mod rule;

use oriel_extension::{Error, Result, Subject, Verdict, config, validators};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::place::{MOST_VALUES, values};
use crate::rule::{Part, Rule};

/// How many problems a verdict lists.
const MOST_PROBLEMS: usize = 20;

#[derive(Deserialize)]
struct Rules {
    rules: Vec<Rule>,
}

/// What was found: how many values were judged, how many broke a rule, and the first of them.
#[derive(Default)]
struct Tally {
    judged: usize,
    broken: usize,
    problems: Vec<Value>,
}

impl Tally {
    fn broke(&mut self, at: &str, problem: String) {
        self.broken += 1;
        if self.problems.len() < MOST_PROBLEMS {
            self.problems.push(json!({ "at": at, "message": problem }));
        }
    }
}

fn ranges(subject: Subject) -> Result<Verdict> {
    let Rules { rules } = config::binding()?;
    let execution = subject.execution;
    if let (Some(failure), true) = (&execution.failure, rules.iter().any(|rule| rule.part == Part::Output)) {
        return Err(Error::invalid_input(format_args!("the execution failed: {}", failure.code)));
    }
    let output = execution.output.unwrap_or_default();
    let mut tally = Tally::default();
    for rule in &rules {
        let root = match rule.part {
            Part::Output => &output,
            Part::Input => &execution.input,
        };
        judge(rule, root, &mut tally)?;
    }
    if tally.broken == 0 {
        return Ok(Verdict::valid().with_score(1.0));
    }
    let first = &tally.problems[0];
    let place = first["at"].as_str().filter(|place| !place.is_empty()).unwrap_or("the whole");
    let message = format!("{place} {}", first["message"].as_str().unwrap_or_default());
    let message = if tally.broken > 1 {
        format!("{message}, and {} more", tally.broken - 1)
    } else {
        message
    };
    let score = 1.0 - tally.broken as f64 / tally.judged as f64;
    let details = json!({ "judged": tally.judged, "broken": tally.broken, "problems": tally.problems });
    Ok(Verdict::invalid(message).with_score(score).with_details(details))
}

fn judge(rule: &Rule, root: &Value, tally: &mut Tally) -> Result<()> {
    let found = values(root, &rule.at);
    if found.len() > MOST_VALUES {
        return Err(Error::invalid_input(format_args!(
            "{} stands for more than {MOST_VALUES} values",
            rule.at
        )));
    }
    for (path, value) in found {
        match value {
            None if !rule.required => {}
            None => {
                tally.judged += 1;
                tally.broke(&path, "is missing".to_owned());
            }
            Some(value) => {
                tally.judged += 1;
                if let Some(problem) = rule.problem(value, root) {
                    tally.broke(&path, problem);
                }
            }
        }
    }
    Ok(())
}

validators! { "ranges" => ranges }
