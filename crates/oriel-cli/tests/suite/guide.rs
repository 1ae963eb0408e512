//! The page "Open your product to extensions", word for word: its files are written, its commands typed, and what it says that they print
//! is looked for.

use std::path::Path;

use super::support::{Done, Server};

/// What a page shows, in its order.
enum Block<'a> {
    /// A file, with what is in it.
    File(&'a str, &'a str),
    /// Commands.
    Shell(&'a str),
    /// Lines that the commands before it print, among others.
    Printed(&'a str),
}

/// A block after a line that is nothing but a path in backquotes and a colon is that file; `sh` is typed, `text` is looked for.
fn blocks(page: &str) -> Vec<Block<'_>> {
    let mut found = Vec::new();
    let mut rest = page;
    while let Some((before, after)) = rest.split_once("```") {
        let (language, after) = after.split_once('\n').expect("a fence has a line of its own");
        let (body, after) = after.split_once("```").expect("a fence is closed");
        rest = after;
        let file = before
            .strip_suffix(":\n\n")
            .and_then(|before| before.rsplit('\n').next())
            .and_then(|line| line.strip_prefix('`')?.strip_suffix('`'));
        match (file, language) {
            (Some(file), _) => found.push(Block::File(file, body)),
            (None, "sh") => found.push(Block::Shell(body)),
            (None, "text") => found.push(Block::Printed(body)),
            (None, other) => panic!("nobody knows what to do with a block of {other}: {body}"),
        }
    }
    found
}

#[test]
fn the_guide_works_as_it_stands() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/book/open-your-product.md");
    let page = std::fs::read_to_string(path).unwrap();
    let server = Server::start();
    let binaries = Path::new(env!("CARGO_BIN_EXE_oriel")).parent().unwrap();
    let search = std::env::var("PATH").unwrap_or_default();
    let mut printed = String::new();
    let (mut files, mut commands, mut looks) = (0, 0, 0);
    for block in blocks(&page) {
        match block {
            Block::File(path, text) => {
                server.home.write(path, text);
                files += 1;
            }
            Block::Shell(text) => {
                let mut shell = server.home.program("bash", &["-e", "-o", "pipefail", "-c", text]);
                shell
                    .env("PATH", format!("{}:{search}", binaries.display()))
                    .env("ORIEL_URL", &server.url)
                    .env("ORIEL_API_KEY", &server.key);
                let done = Done::of(shell.output().unwrap());
                printed = format!("{}{}", done.out, done.err);
                assert_eq!(done.status, 0, "{text}\n{printed}");
                commands += 1;
            }
            Block::Printed(text) => {
                for line in text.lines() {
                    assert!(printed.contains(line), "`{line}` was not printed, but {printed}");
                    looks += 1;
                }
            }
        }
    }
    assert!(
        files >= 10 && commands >= 14 && looks >= 15,
        "{files} files, {commands} blocks of commands, {looks} lines"
    );
}
