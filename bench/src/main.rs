//! What Oriel costs, each figure beside what it is compared with, in one run, so that the ratios mean something on any
//! machine. `oriel-bench` runs everything; `oriel-bench NAME…` runs some; the marks come as a table at the end.
//!
//! Start reading at [`SECTIONS`].

mod batch;
mod calls;
mod ceiling;
mod density;
mod extism_echo;
mod facade;
mod guests;
mod http;
mod install;
mod load;
mod neighbour;
mod points;
mod raw;
mod report;
mod server;
mod stream;

use std::path::Path;

use anyhow::{Result, bail};

use crate::report::Report;

/// What can be measured.
const SECTIONS: [&str; 8] = ["calls", "http", "batch", "stream", "install", "density", "neighbour", "points"];

fn main() -> Result<()> {
    let mut chosen: Vec<String> = std::env::args().skip(1).collect();
    if let [first, component] = &chosen[..]
        && first == "ceiling"
    {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        return runtime.block_on(ceiling::serve(Path::new(component)));
    }
    if let Some(unknown) = chosen.iter().find(|name| !SECTIONS.contains(&name.as_str())) {
        bail!("there is no measurement `{unknown}`: choose from {}", SECTIONS.join(", "));
    }
    if chosen.is_empty() {
        chosen.extend(SECTIONS.map(str::to_owned));
    }
    let mut report = Report::default();
    let scratch = tempfile::tempdir()?;
    if chosen.iter().any(|name| name == "calls") {
        calls::run(&mut report)?;
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(async {
        for name in &chosen {
            match name.as_str() {
                "http" => http::run(&mut report, scratch.path()).await?,
                "batch" => batch::run(&mut report, scratch.path()).await?,
                "stream" => stream::run(&mut report).await?,
                "install" => install::run(&mut report, scratch.path()).await?,
                "density" => density::run(&mut report, scratch.path()).await?,
                "neighbour" => neighbour::run(&mut report, scratch.path()).await?,
                "points" => points::run(&mut report, scratch.path()).await?,
                _ => {}
            }
        }
        anyhow::Ok(())
    })?;
    println!("\n{}", report.table());
    Ok(())
}
