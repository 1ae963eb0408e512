//! The rules of this repository that no compiler checks. Each rule is a function from what it looks at to the
//! problems it sees, so that its tests can show it a bad input.

mod arrows;
mod licences;
mod links;
mod records;
mod sources;

use anyhow::{Result, bail};

use crate::{ui, workspace};

/// Runs every rule and shows all problems at once.
///
/// # Errors
/// When there is a problem.
pub(crate) fn tidy() -> Result<()> {
    let root = workspace::root();
    let files = workspace::files(&root)?;
    let metadata = workspace::metadata(&root, true)?;
    let policy = toml::from_str(&std::fs::read_to_string(root.join("deny.toml"))?)?;

    for (path, lines) in sources::long_files(&files) {
        ui::warning(&format!("{path} has {lines} lines: look for the seam"));
    }
    let problems: Vec<String> = [
        arrows::check(&metadata),
        licences::check(&metadata, &policy)?,
        sources::check(&files),
        records::check(&files),
        links::check(&files, &|path| root.join(path).exists()),
        links::unlisted(&files),
    ]
    .concat();
    for problem in &problems {
        ui::error(problem);
    }
    match problems.len() {
        0 => {
            ui::line(&format!("tidy: {} files, no problems", files.len()));
            Ok(())
        }
        1 => bail!("tidy: 1 problem"),
        many => bail!("tidy: {many} problems"),
    }
}
