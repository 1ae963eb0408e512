//! The demo's data: real GitHub webhook payloads and real flight records, fetched and turned into batches.

mod data;

use anyhow::Result;

use crate::{ui, workspace};

/// Fetches the data and writes it as NDJSON, one `{id, input}` a line, as batches and streams take it.
///
/// # Errors
/// When the packages cannot be fetched or hold something else than expected.
pub(crate) fn demo() -> Result<()> {
    ui::step("demo data");
    let directory = workspace::target().join("demo-data");
    data::fetch(&workspace::root().join("xtask/data"), &directory)?;
    for batch in [data::webhooks(&directory)?, data::flights(&directory)?] {
        ui::line(&format!("{}: {} items, sha256:{}", batch.path.display(), batch.items, batch.sha256));
    }
    Ok(())
}
