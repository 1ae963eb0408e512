//! The demo's data: real GitHub webhook payloads and real flight records, fetched and turned into batches.

mod data;

use anyhow::Result;

use crate::{table, ui, workspace};

/// Fetches the data and writes it as NDJSON, one `{id, input}` a line, as batches and streams take it.
///
/// # Errors
/// When the packages cannot be fetched or hold something else than expected.
pub(crate) fn demo() -> Result<()> {
    ui::step("demo data");
    let directory = workspace::target().join("demo-data");
    data::fetch(&workspace::root().join("xtask/data"), &directory)?;
    let rows = [data::webhooks(&directory)?, data::flights(&directory)?].map(|batch| {
        let name = batch.path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        vec![name, table::count(batch.items), table::count(batch.bytes), batch.sha256]
    });
    ui::line(&table::render(&["file", "items", "bytes", "sha256"], &rows));
    ui::line(&format!("in {}", directory.display()));
    Ok(())
}
