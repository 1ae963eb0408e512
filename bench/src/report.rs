//! What was measured against what must hold, as the rows of docs/performance.md.

use std::fmt::Write as _;

/// One mark: what must hold, what was measured, and whether it does.
struct Mark {
    what: String,
    must: String,
    measured: String,
    holds: bool,
}

/// The marks of one run.
#[derive(Default)]
pub struct Report(Vec<Mark>);

impl Report {
    /// Adds a mark.
    pub fn mark(&mut self, what: impl Into<String>, must: impl Into<String>, measured: impl Into<String>, holds: bool) {
        let (what, must, measured) = (what.into(), must.into(), measured.into());
        println!("  {} {what}: {measured} (must: {must})", if holds { "ok  " } else { "MISS" });
        self.0.push(Mark {
            what,
            must,
            measured,
            holds,
        });
    }

    /// The table, with the machine that it was measured on.
    pub fn table(&self) -> String {
        let mut text = format!("{}\n\n| what | must hold | measured | |\n|---|---|---|---|\n", machine());
        for Mark {
            what,
            must,
            measured,
            holds,
        } in &self.0
        {
            let holds = if *holds { "holds" } else { "**missed**" };
            let _ = writeln!(text, "| {what} | {must} | {measured} | {holds} |");
        }
        text
    }
}

/// Processor, cores, memory, kernel.
fn machine() -> String {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let field = |text: &str, name: &str| {
        let line = text.lines().find(|line| line.starts_with(name)).unwrap_or_default();
        line.split_once(':').map(|(_, value)| value.trim().to_owned()).unwrap_or_default()
    };
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let memory: u64 = field(&read("/proc/meminfo"), "MemTotal")
        .trim_end_matches(" kB")
        .parse()
        .unwrap_or(0);
    format!(
        "{}, {cores} cores, {} GiB, Linux {}",
        field(&read("/proc/cpuinfo"), "model name"),
        memory / (1 << 20),
        read("/proc/sys/kernel/osrelease").trim(),
    )
}

/// The middle of several figures.
pub fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied().unwrap_or(f64::NAN)
}

/// The value that `share` of the figures stay within.
pub fn percentile(figures: &mut [f64], share: f64) -> f64 {
    figures.sort_by(f64::total_cmp);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a place in a list")]
    let place = (figures.len() as f64 * share) as usize;
    figures.get(place.min(figures.len().saturating_sub(1))).copied().unwrap_or(f64::NAN)
}
