//! The hooks that the platform declares for every tenant.

use std::sync::LazyLock;

use oriel_model::Timestamp;
use oriel_model::binding::{OnError, Origin};
use oriel_model::hook::{DEFAULT_TIMEOUT_MS, Hook, HookKind, HookOrder};
use serde_json::{Value, json};

/// One moment of the platform that extensions can attach to.
#[derive(Debug, Clone, Copy)]
pub struct Moment {
    /// The hook's name.
    pub name: &'static str,
    /// What handlers do.
    pub kind: HookKind,
    /// For people.
    pub description: &'static str,
    /// Whether this version of the platform has the moment and fires the hook; the others are declared, so that handlers
    /// can be written and bound.
    pub fired: bool,
}

const fn moment(name: &'static str, kind: HookKind, fired: bool, description: &'static str) -> Moment {
    Moment {
        name,
        kind,
        description,
        fired,
    }
}

/// Every moment, by name.
pub const VOCABULARY: &[Moment] = &[
    moment(
        "alert",
        HookKind::Observe,
        true,
        "An extension's health changed for the worse, a budget was reached, or it did what it never did before.",
    ),
    moment(
        "component.render",
        HookKind::Filter,
        false,
        "A component of a page is about to be shown.",
    ),
    moment("coverage", HookKind::Observe, false, "A test run reported its coverage."),
    moment("deploy", HookKind::Observe, true, "Another release of an extension took effect."),
    moment("error", HookKind::Observe, true, "An execution of a task failed."),
    moment("extension.installed", HookKind::Observe, true, "An extension was installed."),
    moment("metric", HookKind::Observe, false, "A metric of the platform was taken."),
    moment("page.generate", HookKind::Filter, false, "A page is about to be generated."),
    moment("post-validate", HookKind::Filter, false, "A model was validated by the compiler."),
    moment("pre-generate", HookKind::Filter, false, "The compiler is about to generate code."),
    moment("pre-parse", HookKind::Filter, false, "The compiler is about to parse a model."),
    moment(
        "rollback",
        HookKind::Observe,
        true,
        "An extension went back to its former release, or a canary was given up.",
    ),
    moment(
        "schema.generate",
        HookKind::Filter,
        false,
        "A database schema is about to be generated.",
    ),
    moment("schema.migration", HookKind::Validate, false, "A migration is about to be applied."),
    moment("step.post-execute", HookKind::Observe, false, "A step of a workflow ended."),
    moment(
        "step.pre-execute",
        HookKind::Filter,
        false,
        "A step of a workflow is about to be executed.",
    ),
    moment(
        "task.post-execute",
        HookKind::Observe,
        true,
        "An execution of a task ended and was recorded.",
    ),
    moment(
        "task.pre-execute",
        HookKind::Filter,
        true,
        "A task is about to be executed; the payload is its input, and what comes out is executed instead.",
    ),
    moment("test", HookKind::Observe, false, "A test run ended."),
    moment("workflow.post-execute", HookKind::Observe, false, "A run of a workflow ended."),
    moment("workflow.pre-execute", HookKind::Validate, false, "A workflow is about to run."),
];

/// The same as hooks, for who has to know which names there are.
#[must_use]
pub fn platform_hooks() -> Vec<Hook> {
    hooks().to_vec()
}

/// The same, made once.
pub(crate) fn hooks() -> &'static [Hook] {
    static HOOKS: LazyLock<Vec<Hook>> = LazyLock::new(|| VOCABULARY.iter().filter_map(declare).collect());
    &HOOKS
}

/// The hook of this name, if it is the platform's.
pub(crate) fn find(name: &str) -> Option<&'static Hook> {
    let hooks = hooks();
    hooks
        .binary_search_by(|hook| hook.name.as_str().cmp(name))
        .ok()
        .map(|at| &hooks[at])
}

fn declare(moment: &Moment) -> Option<Hook> {
    let description = match moment.fired {
        true => moment.description.to_owned(),
        false => format!("{} Not fired by this version.", moment.description),
    };
    Some(Hook {
        name: moment.name.parse().ok()?,
        kind: moment.kind,
        description,
        input_schema: payload(moment),
        output_schema: json!(true),
        order: HookOrder::default(),
        timeout_ms: DEFAULT_TIMEOUT_MS,
        on_error: OnError::Open,
        concurrency: 8,
        combine: moment.kind.default_combine(),
        origin: Origin::Platform,
        revision: 1,
        created_at: Timestamp::from_millis(0),
        updated_at: Timestamp::from_millis(0),
    })
}

/// The shape of what the platform fires. Fields may be added.
fn payload(moment: &Moment) -> Value {
    let object = |fields: &[(&str, &str)]| {
        let properties: serde_json::Map<String, Value> = fields
            .iter()
            .map(|(name, kind)| ((*name).to_owned(), json!({ "type": kind })))
            .collect();
        json!({ "type": "object", "properties": properties })
    };
    match moment.name {
        "extension.installed" | "deploy" | "rollback" => object(&[("extension", "string"), ("version", "string"), ("reason", "string")]),
        "alert" => object(&[
            ("extension", "string"),
            ("state", "string"),
            ("reason", "string"),
            ("anomalyId", "string"),
            ("metric", "string"),
            ("severity", "string"),
        ]),
        "task.post-execute" | "error" => object(&[
            ("taskId", "string"),
            ("executionId", "string"),
            ("extension", "string"),
            ("version", "string"),
            ("program", "string"),
            ("status", "string"),
        ]),
        _ => json!(true),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted_and_whole() {
        assert!(VOCABULARY.windows(2).all(|pair| pair[0].name < pair[1].name));
        assert_eq!(hooks().len(), VOCABULARY.len());
        assert_eq!(find("task.pre-execute").unwrap().kind, HookKind::Filter);
        assert!(find("order.pre-create").is_none());
    }
}
