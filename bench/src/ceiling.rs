//! What the platform is compared with: an axum server that echoes, and one that runs a batch with nothing around it.

use std::path::Path;
use std::sync::{Arc, Mutex};

use anyhow::Result;
use axum::Router;
use axum::extract::{DefaultBodyLimit, State};
use axum::routing::post;
use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::raw::{Raw, Warm};

/// Threads that call, one warm instance each.
const THREADS: usize = 2;

struct Ceiling {
    warm: Vec<Mutex<Warm>>,
}

#[derive(Deserialize)]
struct Batch<'a> {
    #[serde(borrow)]
    items: Vec<Item<'a>>,
}

#[derive(Deserialize)]
struct Item<'a> {
    id: &'a str,
    #[serde(borrow)]
    input: &'a RawValue,
}

/// Serves `/echo` and `/batch` until it is ended.
pub async fn serve(component: &Path) -> Result<()> {
    let raw = Raw::new(&std::fs::read(component)?)?;
    let mut warm = Vec::new();
    for _ in 0..THREADS {
        warm.push(Mutex::new(raw.instance().await?));
    }
    let routes = Router::new()
        .route("/echo", post(|body: Bytes| async { body }))
        .route("/batch", post(batch))
        .layer(DefaultBodyLimit::disable())
        .with_state(Arc::new(Ceiling { warm }));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    println!("{}", serde_json::json!({"address": format!("http://{}", listener.local_addr()?)}));
    axum::serve(listener, routes).await?;
    Ok(())
}

/// Parse, warm calls on two threads, serialise.
async fn batch(State(ceiling): State<Arc<Ceiling>>, body: Bytes) -> Vec<u8> {
    tokio::task::block_in_place(|| {
        let batch: Batch<'_> = serde_json::from_slice(&body).expect("the benchmark sends a batch");
        let share = batch.items.len().div_ceil(ceiling.warm.len()).max(1);
        let pieces: Vec<Vec<u8>> = std::thread::scope(|scope| {
            let threads: Vec<_> = batch
                .items
                .chunks(share)
                .zip(&ceiling.warm)
                .map(|(items, warm)| scope.spawn(move || futures::executor::block_on(run(items, &mut warm.lock().expect("nobody panics")))))
                .collect();
            threads.into_iter().map(|thread| thread.join().expect("no call fails")).collect()
        });
        let mut reply = Vec::with_capacity(pieces.iter().map(Vec::len).sum::<usize>() + 32);
        reply.extend(b"{\"results\":[");
        for (at, piece) in pieces.iter().enumerate() {
            if at > 0 {
                reply.push(b',');
            }
            reply.extend(piece);
        }
        reply.extend(b"]}");
        reply
    })
}

async fn run(items: &[Item<'_>], warm: &mut Warm) -> Vec<u8> {
    let mut out = Vec::with_capacity(items.len() * 96);
    for (at, item) in items.iter().enumerate() {
        let output = warm.one("answer", item.input.get()).await.expect("the guest answers");
        let output: &RawValue = serde_json::from_str(&output).expect("the guest answers JSON");
        if at > 0 {
            out.push(b',');
        }
        out.extend(b"{\"id\":");
        serde_json::to_writer(&mut out, item.id).expect("memory takes it");
        out.extend(b",\"success\":true,\"outputData\":");
        out.extend(output.get().as_bytes());
        out.push(b'}');
    }
    out
}
