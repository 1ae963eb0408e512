//! The kit inside a project: `.oriel/kit/LANGUAGE` and the guest API in `.oriel/wit`, both git-ignored and laid out
//! by `new` and `build`, with the manifest's JSON Schema for editors. Projects refer to them by relative path, so that editors resolve them like any dependency.

use std::path::Path;

use oriel_model::manifest::{Language, json_schema};

use crate::embedded::{Files, KIT_JAVASCRIPT, KIT_PYTHON, KIT_RUST, WIT};
use crate::error::Result;
use crate::files::{lay_out, write_changed};

/// Lays out what a project in `language` refers to.
pub(crate) fn materialise(dir: &Path, language: Language) -> Result<()> {
    let schema = serde_json::to_vec_pretty(&json_schema()).expect("a schema is JSON");
    write_changed(&dir.join(".oriel/extension.schema.json"), &schema)?;
    let (name, files): (_, Files) = match language {
        Language::Rust => ("rust", KIT_RUST),
        Language::Python => ("python", KIT_PYTHON),
        Language::Javascript => ("javascript", KIT_JAVASCRIPT),
        Language::Component => return Ok(()),
    };
    lay_out(&dir.join(".oriel/kit").join(name), files)?;
    lay_out(&dir.join(".oriel/wit"), WIT)
}
