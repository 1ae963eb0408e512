//! The extension that attacks, and a neighbour that must not notice.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow};
use serde_json::Value;

use super::batch::{megabytes, milliseconds, percentile};
use super::data::Items;
use super::oriel::Oriel;
use super::server::Server;
use crate::{table, ui};

/// Every attack: the program, what it tries, and the codes of which one must come back.
const ATTACKS: &[(&str, &str, &[&str])] = &[
    ("loop", "never ends", &["execution.cpu_exceeded", "execution.timeout"]),
    ("memory-bomb", "takes all memory", &["execution.memory_exceeded"]),
    ("forbidden-host", "asks a host that nobody granted", &["execution.denied"]),
    ("forged-output", "answers against its schema", &["execution.output_invalid"]),
    ("recurse", "calls itself without end", &["execution.trapped"]),
    (
        "log-flood",
        "logs without end",
        &[
            "execution.cpu_exceeded",
            "execution.timeout",
            "execution.host_calls_exceeded",
            "execution.limit_exceeded",
        ],
    ),
    ("huge-output", "answers 9 MiB", &["execution.output_too_large"]),
    ("panic", "crashes", &["execution.trapped"]),
];

/// How many calls of each attack run at once.
const AT_ONCE: usize = 4;

/// How often each attack is made, so that the neighbour has the time to notice.
const ROUNDS: usize = 3;

/// Calls of the neighbour that are measured before the attacks, to compare with.
const QUIET_CALLS: usize = 50;

/// What the attacks came to.
pub(super) struct Attacks {
    held: Vec<Held>,
    quiet: Neighbour,
    attacked: Neighbour,
    memory: Option<u64>,
}

struct Held {
    program: &'static str,
    tries: &'static str,
    expected: &'static [&'static str],
    /// What each call answered.
    answers: Vec<String>,
    /// The longest that a caller waited, starting the client included.
    slowest: Duration,
}

/// What the neighbour's callers saw.
#[derive(Default)]
struct Neighbour {
    /// In milliseconds, ascending.
    latencies: Vec<f64>,
    failures: Vec<String>,
}

/// Lets the hostile extension do its worst, one program after the other, each [`ROUNDS`] times in [`AT_ONCE`] calls at
/// once, while the triage task is called again and again with the first payload.
///
/// # Errors
/// When the calls themselves cannot be made.
pub(super) fn run(oriel: &Oriel, server: &Server, payloads: &Items) -> Result<Attacks> {
    let input = first_input(&payloads.path)?;
    let mut quiet = Neighbour::default();
    for _ in 0..QUIET_CALLS {
        quiet.call(oriel, &input)?;
    }
    server.forget_peak_memory();
    let over = AtomicBool::new(false);
    let (held, attacked) = thread::scope(|scope| {
        let neighbour = scope.spawn(|| {
            let mut seen = Neighbour::default();
            while !over.load(Ordering::Relaxed) {
                seen.call(oriel, &input)?;
            }
            Ok(seen)
        });
        let held: Result<Vec<Held>> = ATTACKS.iter().map(|attack| attack_with(oriel, attack)).collect();
        over.store(true, Ordering::Relaxed);
        let attacked: Result<Neighbour> = neighbour.join().map_err(|_| anyhow!("the neighbour's caller panicked"))?;
        Ok::<_, anyhow::Error>((held?, attacked?))
    })?;
    Ok(Attacks {
        held,
        quiet: quiet.sorted(),
        attacked: attacked.sorted(),
        memory: server.peak_memory(),
    })
}

fn first_input(path: &Path) -> Result<String> {
    let text = std::fs::read_to_string(path)?;
    let line: Value = serde_json::from_str(text.lines().next().context("there are no payloads")?)?;
    Ok(line["input"].to_string())
}

fn attack_with(oriel: &Oriel, attack: &(&'static str, &'static str, &'static [&'static str])) -> Result<Held> {
    let &(program, tries, expected) = attack;
    ui::command(&format!("oriel call hostile {program}    ({ROUNDS} times, {AT_ONCE} at once)"));
    let mut held = Held {
        program,
        tries,
        expected,
        answers: Vec::new(),
        slowest: Duration::ZERO,
    };
    for _ in 0..ROUNDS {
        let answers: Result<Vec<_>> = thread::scope(|scope| {
            let calls: Vec<_> = (0..AT_ONCE).map(|_| scope.spawn(|| answer(oriel, program))).collect();
            calls
                .into_iter()
                .map(|call| call.join().map_err(|_| anyhow!("a caller panicked"))?)
                .collect()
        });
        for (answer, took) in answers? {
            held.answers.push(answer);
            held.slowest = held.slowest.max(took);
        }
    }
    Ok(held)
}

/// The code that one call got, and how long it took.
fn answer(oriel: &Oriel, program: &str) -> Result<(String, Duration)> {
    let begun = Instant::now();
    let answer = oriel.ask(&["call", "hostile", program])?;
    let answer = answer.map_or_else(|refusal| refusal.code, |_| "it succeeded".to_owned());
    Ok((answer, begun.elapsed()))
}

impl Neighbour {
    fn call(&mut self, oriel: &Oriel, input: &str) -> Result<()> {
        match oriel.ask(&["task", "call", "triage", "--input", input])? {
            Ok(reply) => self
                .latencies
                .push(reply["latencyMs"].as_f64().context("a reply without its latency")?),
            Err(refusal) => self.failures.push(format!("{}: {}", refusal.code, refusal.message)),
        }
        Ok(())
    }

    fn sorted(mut self) -> Self {
        self.latencies.sort_by(f64::total_cmp);
        self
    }

    fn told(&self, when: &str) -> Vec<String> {
        let at = |percent| milliseconds(percentile(&self.latencies, percent));
        let calls = self.latencies.len() + self.failures.len();
        vec![
            when.to_owned(),
            table::count(calls),
            table::count(self.failures.len()),
            at(50),
            at(95),
            at(99),
        ]
    }
}

impl Held {
    fn contained(&self) -> bool {
        self.answers.iter().all(|answer| self.expected.contains(&answer.as_str()))
    }

    /// The different answers, each once.
    fn told(&self) -> String {
        let mut answers = self.answers.clone();
        answers.sort();
        answers.dedup();
        answers.join(", ")
    }
}

impl Attacks {
    /// Each attack and what it got.
    pub(super) fn table(&self) -> String {
        let row = |held: &Held| {
            vec![
                held.program.to_owned(),
                held.tries.to_owned(),
                held.answers.len().to_string(),
                if held.contained() { "yes" } else { "NO" }.to_owned(),
                format!("{:.2} s", held.slowest.as_secs_f64()),
                held.told(),
            ]
        };
        let rows: Vec<_> = self.held.iter().map(row).collect();
        format!(
            "\n{}\n",
            table::render(
                &["program", "what it tries", "calls", "contained", "slowest", "answered with"],
                &rows
            )
        )
    }

    /// What the neighbour noticed.
    pub(super) fn neighbour(&self) -> String {
        let rows = [self.quiet.told("before"), self.attacked.told("during the attacks")];
        format!(
            "{}\nThe latencies are the server's own, of single calls one after the other. The server's memory peaked at {}.",
            table::render(
                &["triage, as the neighbour", "calls", "failures", "p50 ms", "p95 ms", "p99 ms"],
                &rows
            ),
            megabytes(self.memory),
        )
    }

    /// What did not go as it should.
    pub(super) fn problems(&self) -> Vec<String> {
        let held = self.held.iter().filter(|held| !held.contained());
        let mut problems: Vec<String> = held
            .map(|held| {
                format!(
                    "hostile/{} answered {}, not {}",
                    held.program,
                    held.told(),
                    held.expected.join(" or ")
                )
            })
            .collect();
        for (when, neighbour) in [("before", &self.quiet), ("during", &self.attacked)] {
            if let Some(failure) = neighbour.failures.first() {
                let count = neighbour.failures.len();
                problems.push(format!(
                    "triage failed {count} times {when} the attacks, the first time with {failure}"
                ));
            }
            if neighbour.latencies.is_empty() {
                problems.push(format!("triage did not answer once {when} the attacks"));
            }
        }
        problems
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attacks(answers: &[&str], neighbour: Neighbour) -> Attacks {
        Attacks {
            held: vec![Held {
                program: "loop",
                tries: "never ends",
                expected: &["execution.timeout"],
                answers: answers.iter().map(ToString::to_string).collect(),
                slowest: Duration::from_millis(500),
            }],
            quiet: Neighbour {
                latencies: vec![1.0],
                failures: Vec::new(),
            },
            attacked: neighbour,
            memory: None,
        }
    }

    #[test]
    fn an_attack_that_gets_through_is_a_problem() {
        let check = |answers: &[&str], latencies: &[f64], failures: &[&str], expected: &[&str]| {
            let neighbour = Neighbour {
                latencies: latencies.to_vec(),
                failures: failures.iter().map(ToString::to_string).collect(),
            };
            assert_eq!(attacks(answers, neighbour).problems(), expected);
        };
        check(&["execution.timeout", "execution.timeout"], &[1.0], &[], &[]);
        check(
            &["execution.timeout", "it succeeded"],
            &[1.0],
            &[],
            &["hostile/loop answered execution.timeout, it succeeded, not execution.timeout"],
        );
        check(
            &["execution.timeout"],
            &[],
            &["server.busy: later"],
            &[
                "triage failed 1 times during the attacks, the first time with server.busy: later",
                "triage did not answer once during the attacks",
            ],
        );
    }
}
