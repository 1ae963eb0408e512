//! The help of every command, as snapshots, and what belongs to the command line itself.

use super::support::Home;

const COMMANDS: &[&[&str]] = &[
    &[],
    &["serve"],
    &["new"],
    &["build"],
    &["check"],
    &["test"],
    &["dev"],
    &["pack"],
    &["install"],
    &["list"],
    &["show"],
    &["enable"],
    &["disable"],
    &["configure"],
    &["secret"],
    &["secret", "set"],
    &["secret", "list"],
    &["secret", "remove"],
    &["remote"],
    &["remote", "set"],
    &["remote", "rotate"],
    &["upgrade"],
    &["rollback"],
    &["canary"],
    &["canary", "start"],
    &["canary", "show"],
    &["canary", "set"],
    &["canary", "promote"],
    &["canary", "rollback"],
    &["uninstall"],
    &["logs"],
    &["health"],
    &["release"],
    &["breaker"],
    &["breaker", "show"],
    &["breaker", "set"],
    &["anomaly"],
    &["anomaly", "list"],
    &["anomaly", "show"],
    &["anomaly", "acknowledge"],
    &["anomaly", "dismiss"],
    &["anomaly", "baseline"],
    &["incident"],
    &["incident", "report"],
    &["budget"],
    &["budget", "show"],
    &["budget", "set"],
    &["collection"],
    &["collection", "list"],
    &["collection", "query"],
    &["collection", "get"],
    &["collection", "put"],
    &["collection", "delete"],
    &["collection", "export"],
    &["usage"],
    &["call"],
    &["task"],
    &["task", "create"],
    &["task", "list"],
    &["task", "show"],
    &["task", "update"],
    &["task", "delete"],
    &["task", "call"],
    &["task", "batch"],
    &["task", "recommend"],
    &["hook"],
    &["hook", "put"],
    &["hook", "list"],
    &["hook", "show"],
    &["hook", "delete"],
    &["hook", "fire"],
    &["hook", "undelivered"],
    &["hook", "redeliver"],
    &["job"],
    &["job", "run"],
    &["job", "list"],
    &["job", "show"],
    &["job", "cancel"],
    &["job", "retry"],
    &["binding"],
    &["binding", "create"],
    &["binding", "list"],
    &["binding", "show"],
    &["binding", "update"],
    &["binding", "enable"],
    &["binding", "disable"],
    &["binding", "delete"],
    &["binding", "conflicts"],
    &["contributions"],
    &["contributions", "show"],
    &["validate"],
    &["validate", "execution"],
    &["validate", "batch"],
    &["executions"],
    &["executions", "list"],
    &["executions", "show"],
    &["key"],
    &["key", "create"],
    &["key", "list"],
    &["key", "revoke"],
    &["tenant"],
    &["tenant", "create"],
    &["tenant", "list"],
    &["tenant", "quotas"],
    &["audit"],
    &["audit", "verify"],
    &["audit", "export"],
    &["audit", "report"],
    &["member"],
    &["member", "list"],
    &["member", "add"],
    &["member", "role"],
    &["member", "remove"],
    &["member", "export"],
    &["member", "erase"],
    &["session"],
    &["session", "list"],
    &["session", "end"],
    &["policy"],
    &["policy", "list"],
    &["policy", "show"],
    &["policy", "set"],
    &["policy", "remove"],
    &["policy", "schema"],
    &["access"],
    &["access", "check"],
    &["profile"],
    &["profile", "list"],
    &["profile", "set"],
    &["profile", "use"],
    &["profile", "remove"],
    &["doctor"],
    &["completions"],
    &["version"],
];

#[test]
fn help_of_every_command() {
    let home = Home::new();
    for command in COMMANDS {
        let mut args = command.to_vec();
        args.push("--help");
        let done = home.run(&args).ok();
        assert!(!done.out.contains('\x1b'), "{command:?} paints into a pipe");
        let name = if command.is_empty() {
            "oriel".to_owned()
        } else {
            command.join("-")
        };
        insta::assert_snapshot!(format!("help-{name}"), done.out);
    }
}

#[test]
fn no_command_is_missing_above() {
    let reference = Home::new().run(&["reference"]).ok().out;
    let sections = reference
        .lines()
        .filter_map(|line| line.trim_start_matches('#').trim().strip_prefix("`oriel ")?.strip_suffix('`'));
    let mut named: Vec<String> = sections.map(str::to_owned).collect();
    let mut listed: Vec<String> = COMMANDS
        .iter()
        .filter(|command| !command.is_empty())
        .map(|command| command.join(" "))
        .collect();
    named.sort();
    listed.sort();
    assert_eq!(named, listed);
}

#[test]
fn the_book_has_the_reference_as_it_is() {
    let home = Home::new();
    for (page, file) in [("cli", "cli.md"), ("exit-codes", "exit-codes.md")] {
        let book = std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../../docs/book/reference")
            .join(file);
        let text = std::fs::read_to_string(&book).unwrap_or_default();
        assert_eq!(
            home.run(&["reference", page]).ok().out,
            text,
            "run `oriel reference {page} > docs/book/reference/{file}`"
        );
    }
}

#[test]
fn completions_for_every_shell() {
    let home = Home::new();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        assert!(home.run(&["completions", shell]).ok().out.contains("oriel"), "{shell}");
    }
}

#[test]
fn a_wrong_command_line_is_status_2() {
    let home = Home::new();
    for args in [
        &["frobnicate"][..],
        &["list", "--limit", "x"],
        &["new", "x"],
        &["task", "batch", "t"],
        &["--json"],
    ] {
        assert_eq!(home.run(args).status, 2, "{args:?}");
    }
}

#[test]
fn version() {
    let home = Home::new();
    let version = home.run(&["version", "--json"]).ok().json();
    assert_eq!(version["oriel"], env!("CARGO_PKG_VERSION"));
    assert!(home.run(&["--version"]).ok().out.starts_with("oriel "));
}
