//! What a call costs: through the facade, through bare wasmtime, through Extism; the same echo everywhere.

use std::time::{Duration, Instant};

use crate::report::Report;
use crate::{extism_echo, facade, raw};

/// Rounds of each measurement; contenders take turns, so that a disturbance hits them alike.
const ROUNDS: usize = 15;

/// One contender: runs that many calls.
type Contender<'a> = (&'static str, Box<dyn FnMut(u32) -> anyhow::Result<()> + 'a>);

/// Median nanoseconds per call of each contender.
fn measure(calls: u32, contenders: &mut [Contender<'_>]) -> anyhow::Result<Vec<(&'static str, f64)>> {
    let mut times = vec![Vec::new(); contenders.len()];
    for (_, run) in contenders.iter_mut() {
        run(calls / 4 + 1)?;
    }
    for _ in 0..ROUNDS {
        for ((_, run), times) in contenders.iter_mut().zip(&mut times) {
            let started = Instant::now();
            run(calls)?;
            times.push(started.elapsed());
        }
    }
    let median = |times: &mut Vec<Duration>| {
        times.sort();
        times[times.len() / 2].as_nanos() as f64 / f64::from(calls)
    };
    Ok(contenders
        .iter()
        .zip(&mut times)
        .map(|((name, _), times)| (*name, median(times)))
        .collect())
}

fn table(title: &str, base: usize, rows: &[(&'static str, f64)]) {
    println!("\n{title}");
    for (name, nanos) in rows {
        println!("  {name:<44} {:>10.3} µs {:>9.2} ×", nanos / 1e3, nanos / rows[base].1);
    }
}

pub fn run(report: &mut Report) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let echo = oriel_test_guests::component("echo");
    let cache = tempfile::tempdir()?;
    let reused = runtime.block_on(facade::load(cache.path(), &echo, false))?;
    let fresh = runtime.block_on(facade::load(cache.path(), &echo, true))?;
    let raw = raw::Raw::new(&echo)?;
    let mut warm = runtime.block_on(raw.instance())?;
    let mut plugin = extism_echo::plugin()?;

    for size in [32usize, 1_024] {
        let input = format!("\"{}\"", "x".repeat(size - 2));
        let rows = measure(
            20_000,
            &mut [
                (
                    "bare wasmtime (async, epoch, limiter)",
                    Box::new(|calls| runtime.block_on(warm.call(calls, &input))),
                ),
                (
                    "facade, Extension::call",
                    Box::new(|calls| runtime.block_on(facade::call(&reused, calls, &input))),
                ),
                (
                    "facade, Lease::call",
                    Box::new(|calls| runtime.block_on(facade::lease(&reused, calls, &input))),
                ),
                (
                    "Extism",
                    Box::new(|calls| extism_echo::call(&mut plugin, calls / 10 + 1, &input).map(drop)),
                ),
            ],
        )?;
        // Extism is slow enough that a tenth of the calls will do.
        let rows: Vec<_> = rows
            .into_iter()
            .map(|(name, nanos)| (name, if name == "Extism" { nanos * 10.0 } else { nanos }))
            .collect();
        table(&format!("warm call, echo of {size} B"), 0, &rows);
        let (raw, facade, extism) = (rows[0].1, rows[1].1, rows[3].1);
        report.mark(
            format!("warm call through the facade against the raw wasmtime call, {size} B"),
            "at most 2 times",
            format!("{:.2} ({facade:.0} ns against {raw:.0} ns)", facade / raw),
            facade <= 2.0 * raw,
        );
        report.mark(
            format!("warm call against the same echo in Extism 1.30, {size} B"),
            "at most one tenth",
            format!("{:.3} ({facade:.0} ns against {extism:.0} ns)", facade / extism),
            facade <= 0.1 * extism,
        );
    }

    let input = format!("\"{}\"", "x".repeat(30));
    let rows = measure(
        500,
        &mut [
            (
                "bare pooled instantiation and a call",
                Box::new(|calls| runtime.block_on(raw.fresh(calls, &input))),
            ),
            (
                "facade, reuse = fresh",
                Box::new(|calls| runtime.block_on(facade::call(&fresh, calls, &input))),
            ),
        ],
    )?;
    table("a new instance for each call, echo of 32 B", 0, &rows);
    let (raw, fresh_call) = (rows[0].1, rows[1].1);
    report.mark(
        "fresh instance per call against raw pooled instantiation",
        "at most 1.5 times",
        format!("{:.2} ({:.1} µs against {:.1} µs)", fresh_call / raw, fresh_call / 1e3, raw / 1e3),
        fresh_call <= 1.5 * raw,
    );

    println!("\nfresh instances on several threads (calls per second together)");
    for threads in [1usize, 2] {
        let rate = facade::threads(&fresh, threads, 4_000, &input)?;
        println!("  {threads} thread(s) {rate:>28.0}");
    }
    Ok(())
}
