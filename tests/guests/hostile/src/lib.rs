//! One program per evil, and a few that look around. The input is a number or a word where a program needs one.

mod fetch;

wit_bindgen::generate!({
    path: "../../../wit",
    inline: "package test:hostile; world hostile {
        include oriel:extension/imports@0.1.0;
        export oriel:extension/lifecycle@0.1.0;
        export oriel:extension/program@0.1.0;
    }",
    generate_all,
});

use std::hint::black_box;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use exports::oriel::extension::lifecycle::{ConfigProblem, Guest as Lifecycle, Health};
use exports::oriel::extension::program::{Error, Guest as Program};
use oriel::extension::{config, context, log};

struct Hostile;

static CALLS: AtomicU32 = AtomicU32::new(0);

/// Counts to a number, slowly.
fn compute(number: usize) -> usize {
    (0..number).fold(0, |sum, _| black_box(sum + 1))
}

fn spin() -> ! {
    let mut turns = 0u64;
    loop {
        turns = black_box(turns + 1);
    }
}

#[expect(unconditional_recursion, reason = "that is the evil")]
fn recurse(depth: u64) -> u64 {
    let page = black_box([depth; 64]);
    recurse(depth + 1) + page[(depth % 64) as usize]
}

fn quoted(text: impl AsRef<str>) -> String {
    format!(
        "\"{}\"",
        text.as_ref().replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
    )
}

impl Program for Hostile {
    fn execute(name: String, input: String) -> Result<String, Error> {
        let word = input.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(&input);
        let number = || {
            word.parse::<usize>()
                .map_err(|_| Error::InvalidInput(format!("`{word}` is not a number")))
        };
        match name.as_str() {
            "echo" => Ok(input),
            // Evils of computing.
            "loop" => spin(),
            "spin-ms" => {
                let until = std::time::Instant::now() + std::time::Duration::from_millis(number()? as u64);
                while std::time::Instant::now() < until {}
                Ok("null".to_owned())
            }
            "compute" => Ok(compute(number()?).to_string()),
            "compute-and-sleep" => {
                compute(number()?);
                std::thread::sleep(std::time::Duration::from_secs(3_600));
                Ok("null".to_owned())
            }
            "allocate" => {
                let mut hoard = Vec::new();
                loop {
                    hoard.push(black_box(vec![1u8; 1 << 20]));
                }
            }
            "allocate-politely" => {
                let mut hoard = Vec::<u8>::new();
                Ok(hoard.try_reserve_exact(number()?).is_ok().to_string())
            }
            "leak" => {
                std::mem::forget(black_box(vec![1u8; number()?]));
                Ok("null".to_owned())
            }
            "recurse" => Ok(recurse(0).to_string()),
            "trap" => panic!("on purpose"),
            "exit" => std::process::exit(3),
            // Evils of output.
            "garbage" => Ok("{not json".to_owned()),
            "huge" => Ok("1".repeat(number()?)),
            "huge-error" => Err(Error::Internal("x".repeat(number()?))),
            "fail" => Err(match word {
                "invalid-input" => Error::InvalidInput("words".to_owned()),
                "unavailable" => Error::Unavailable("words".to_owned()),
                "denied" => Error::Denied("words".to_owned()),
                "limit-exceeded" => Error::LimitExceeded("words".to_owned()),
                "deadline-exceeded" => Error::DeadlineExceeded,
                _ => Error::Internal("words".to_owned()),
            }),
            // Evils of host calls.
            "flood-log" => {
                let line = "x".repeat(1 << 10);
                for _ in 0..number()? {
                    log::write(log::Level::Info, &line, &[]);
                }
                Ok("null".to_owned())
            }
            "flood-stdout" => {
                for at in 0..number()? {
                    println!("line {at} {}", "x".repeat(1 << 10));
                }
                Ok("null".to_owned())
            }
            "host-calls" => {
                for _ in 0..number()? {
                    context::remaining_ms();
                }
                Ok("null".to_owned())
            }
            "wasi-calls" => loop {
                black_box(std::time::Instant::now());
            },
            "sleep" => {
                std::thread::sleep(std::time::Duration::from_millis(number()? as u64));
                Ok("null".to_owned())
            }
            "after-deadline" => {
                while context::remaining_ms() > 0 {}
                Ok(match oriel::extension::key_value::get("key") {
                    Err(Error::DeadlineExceeded) => "\"deadline-exceeded\"".to_owned(),
                    other => quoted(format!("{other:?}")),
                })
            }
            "fetch" => Ok(quoted(fetch::get(word))),
            "fetch-with-header" => {
                let mut words = word.splitn(3, ' ');
                let mut word = || words.next().unwrap_or_default();
                Ok(quoted(fetch::get_with(word(), word(), word())))
            }
            "fetch-at-once" => {
                let (count, url) = word.split_once(' ').unwrap_or(("1", word));
                Ok(quoted(fetch::get_at_once(count.parse().unwrap_or(1), url)))
            }
            "fetch-in-turn" => {
                let (count, url) = word.split_once(' ').unwrap_or(("1", word));
                let answers: Vec<_> = (0..count.parse().unwrap_or(1)).map(|_| fetch::get(url)).collect();
                Ok(quoted(answers.join(" | ")))
            }
            // Looking around.
            "remember" => Ok((CALLS.fetch_add(1, Relaxed) + 1).to_string()),
            "config" => Ok(config::get()),
            "context" => {
                let known = context::current();
                Ok(quoted(format!(
                    "{} {} {}@{} {} {} {}",
                    known.tenant,
                    known.principal.as_deref().unwrap_or("-"),
                    known.extension,
                    known.version,
                    known.execution_id,
                    known.task.as_deref().unwrap_or("-"),
                    known.traceparent.as_deref().unwrap_or("-"),
                )))
            }
            "wall-clock" => {
                let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
                Ok(since.unwrap_or_default().as_secs().to_string())
            }
            "look-around" => Ok(quoted(format!(
                "env {} args {} files {} sockets {} names {}",
                std::env::vars().count(),
                std::env::args().count(),
                std::fs::read_dir("/").is_ok(),
                std::net::TcpListener::bind("127.0.0.1:0").is_ok() || std::net::TcpStream::connect("127.0.0.1:80").is_ok(),
                std::net::ToSocketAddrs::to_socket_addrs("localhost:80").is_ok(),
            ))),
            "stdio" => {
                println!("to stdout");
                eprintln!("to stderr");
                print!("unfinished");
                let _ = std::io::Write::flush(&mut std::io::stdout());
                Ok("null".to_owned())
            }
            _ => Err(Error::InvalidInput(format!("there is no program `{name}`"))),
        }
    }
}

impl Lifecycle for Hostile {
    fn initialize() -> Result<(), Error> {
        let config = config::get();
        let asked = |what: &str| config.contains(&format!("\"initialize\":\"{what}\""));
        if asked("trap") {
            panic!("in initialize");
        }
        if asked("loop") {
            spin();
        }
        if asked("error") {
            return Err(Error::Unavailable("not today".to_owned()));
        }
        Ok(())
    }

    fn health_check() -> Health {
        Health {
            healthy: !config::get().contains("\"ill\":true"),
            detail: Some("as configured".to_owned()),
        }
    }

    fn check_config(config: String) -> Result<(), Vec<ConfigProblem>> {
        if config.contains("\"bad\"") {
            return Err(vec![ConfigProblem {
                path: "/bad".to_owned(),
                message: "is bad".to_owned(),
            }]);
        }
        Ok(())
    }

    fn shutdown() {
        log::write(log::Level::Info, "shut down", &[]);
    }
}

export!(Hostile);
