//! `oriel pack [DIR]`.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::json;

use crate::context::Context;
use crate::error::{Failure, Result};
use crate::project;

/// What to pack, and where to.
#[derive(Debug, Args)]
pub(crate) struct PackArgs {
    /// The project [default: the working directory]
    #[arg(value_name = "DIR")]
    dir: Option<PathBuf>,
    /// The file, or a directory for it [default: NAME-VERSION.oriel in the working directory]
    #[arg(long, short, value_name = "FILE|DIR")]
    output: Option<PathBuf>,
    /// Pack the component as it was built last
    #[arg(long)]
    no_build: bool,
}

pub(crate) async fn run(context: &Context, args: &PackArgs) -> Result<()> {
    let dir = project::directory(args.dir.as_ref());
    if !args.no_build {
        project::build_if_any(&context.ui, &dir, false).await?;
    }
    let packed = project::pack(&project::package(&dir)?)?;
    let path = match &args.output {
        None => PathBuf::from(packed.manifest.file_name()),
        Some(output) if output.is_dir() => output.join(packed.manifest.file_name()),
        Some(output) => output.clone(),
    };
    write(&path, &packed.bytes)?;
    if context.ui.json() {
        return context.ui.document(&json!({
            "path": path,
            "name": packed.manifest.name,
            "version": packed.manifest.version,
            "digest": packed.digest,
            "bytes": packed.bytes.len(),
        }));
    }
    context.ui.line(&format!(
        "{} ({}, {})",
        path.display(),
        project::size(packed.bytes.len() as u64),
        packed.digest
    ))
}

/// Writes the whole file or nothing, with the permissions that new files have.
fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    let failed = |error: &std::io::Error| Failure::file(path, error);
    let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut builder = tempfile::Builder::new();
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    let mut file = builder.tempfile_in(dir).map_err(|error| failed(&error))?;
    file.write_all(bytes).map_err(|error| failed(&error))?;
    file.persist(path).map_err(|error| failed(&error.error))?;
    Ok(())
}
