//! The same through the facade: grants, limits and accounting on.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Result;
use oriel::model::manifest::{Manifest, ProgramManifest, Reuse};
use oriel::{Extension, Oriel, Setup};

pub async fn load(cache: &Path, component: &[u8], fresh: bool) -> Result<Extension> {
    let base = r#"{"name":"echo","version":"1.0.0","description":"Echoes.","publisher":"bench","license":"Apache-2.0","hostApi":"^0.1"}"#;
    let mut manifest: Manifest = serde_json::from_str(base)?;
    manifest.reuse = if fresh { Reuse::Fresh } else { Reuse::Reuse };
    let program = ProgramManifest {
        name: "echo".parse()?,
        description: String::new(),
        input_schema: None,
        output_schema: None,
    };
    manifest.programs.push(program);
    let package = oriel_package::Package {
        manifest,
        component: Some(component.to_vec()),
        readme: None,
        assets: Vec::new(),
        sbom: None,
    };
    let package = oriel_package::pack(&package)?;
    Ok(Oriel::open(cache)?.load(&package.bytes, Setup::granting_what_is_asked()).await?)
}

pub async fn call(extension: &Extension, calls: u32, input: &str) -> Result<()> {
    for _ in 0..calls {
        let output = extension.call("echo", input).await?;
        assert_eq!(output.len(), input.len());
    }
    Ok(())
}

pub async fn lease(extension: &Extension, calls: u32, input: &str) -> Result<()> {
    let mut lease = extension.lease(Duration::from_secs(10)).await?;
    for _ in 0..calls {
        let output = lease.call(extension.prepare("echo", input, None)).await.result?;
        assert_eq!(output.len(), input.len());
    }
    Ok(())
}

/// Calls per second of that many threads together.
pub fn threads(extension: &Extension, threads: usize, calls: u32, input: &str) -> Result<f64> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(threads)
        .enable_all()
        .build()?;
    let started = Instant::now();
    runtime.block_on(async {
        let tasks: Vec<_> = (0..threads)
            .map(|_| {
                let (extension, input) = (extension.clone(), input.to_owned());
                tokio::spawn(async move { call(&extension, calls, &input).await })
            })
            .collect();
        for task in tasks {
            task.await??;
        }
        Ok(f64::from(calls) * threads as f64 / started.elapsed().as_secs_f64())
    })
}
