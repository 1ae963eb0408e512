//! The one door for maintainers: `cargo xtask COMMAND`.
//!
//! It sets a machine up, runs the tests and the checks, writes generated files, runs the demo and the benchmarks.
//! It builds in seconds: what needs our own crates lives in `xtask/codegen`, which this program runs.
//! Start reading at [`COMMANDS`].

mod bench;
mod checks;
mod codegen;
mod demo;
mod fuzz;
mod setup;
mod shell;
mod table;
mod tidy;
mod ui;
mod workspace;

use std::process::ExitCode;

use anyhow::{Result, bail};

/// One command: its name, what may follow it, what it does, and its code.
struct Command {
    name: &'static str,
    options: &'static [&'static str],
    about: &'static str,
    run: fn(&[String]) -> Result<()>,
}

const COMMANDS: &[Command] = &[
    Command {
        name: "setup",
        options: &[],
        about: "install what building and testing need and this machine lacks",
        run: |_| setup::setup(),
    },
    Command {
        name: "test",
        options: &[],
        about: "setup, then every test",
        run: |_| checks::test(),
    },
    Command {
        name: "lint",
        options: &[],
        about: "format, clippy, tidy, generated files",
        run: |_| checks::lint(),
    },
    Command {
        name: "tidy",
        options: &[],
        about: "the rules of this repository: arrows, sizes, licences, links",
        run: |_| tidy::tidy(),
    },
    Command {
        name: "codegen",
        options: &["--check"],
        about: "write the generated files, or check that they are current",
        run: |options| codegen::codegen(options.iter().any(|option| option == "--check")),
    },
    Command {
        name: "demo",
        options: &["--once", "--data"],
        about: "run the examples on real data, until Ctrl-C; --once: then end; --data: only fetch the data",
        run: demo::demo,
    },
    Command {
        name: "bench",
        options: bench::SECTIONS,
        about: "measure what bench/ measures, or the parts that are named",
        run: bench::bench,
    },
    Command {
        name: "fuzz",
        options: &[],
        about: "try the API of a real server with requests made from its document",
        run: |_| fuzz::fuzz(),
    },
    Command {
        name: "docs",
        options: &[],
        about: "build the book into target/book",
        run: |_| checks::docs(),
    },
];

fn usage() -> String {
    let mut text = "usage: cargo xtask COMMAND\n".to_owned();
    for command in COMMANDS {
        let call = [&[command.name], command.options].concat().join(" ");
        text.push_str(&format!("\n  {call:<20} {}", command.about));
    }
    text
}

/// The command that the arguments name, once they are all known to it.
fn choose(args: &[String]) -> Result<&'static Command> {
    let Some((name, options)) = args.split_first() else {
        bail!("no command given\n\n{}", usage())
    };
    let Some(command) = COMMANDS.iter().find(|command| command.name == name) else {
        bail!("there is no command `{name}`\n\n{}", usage())
    };
    if let Some(unknown) = options.iter().find(|option| !command.options.contains(&option.as_str())) {
        bail!("`{name}` does not take `{unknown}`\n\n{}", usage());
    }
    Ok(command)
}

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    if args.iter().any(|arg| ["-h", "--help", "help"].contains(&arg.as_str())) {
        ui::line(&usage());
        return ExitCode::SUCCESS;
    }
    match choose(&args).and_then(|command| (command.run)(&args[1..])) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            ui::error(&format!("{error:#}"));
            ExitCode::FAILURE
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_known_commands_and_options_are_taken() {
        let check = |args: &[&str], expected: Result<&str, &str>| {
            let args: Vec<String> = args.iter().map(ToString::to_string).collect();
            match (choose(&args), expected) {
                (Ok(command), Ok(name)) => assert_eq!(command.name, name),
                (Err(error), Err(part)) => assert!(error.to_string().contains(part), "{error}"),
                (chosen, _) => panic!("{args:?} gave {:?}", chosen.map(|command| command.name)),
            }
        };
        check(&["tidy"], Ok("tidy"));
        check(&["codegen", "--check"], Ok("codegen"));
        check(&["demo", "--once"], Ok("demo"));
        check(&[], Err("no command given"));
        check(&["tody"], Err("there is no command `tody`"));
        check(&["tidy", "--check"], Err("does not take `--check`"));
    }
}
