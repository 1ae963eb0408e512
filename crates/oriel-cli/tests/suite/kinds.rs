//! Every kind of contribution, as an author meets it: new projects, their cases, and the book's page.

use std::path::Path;

use super::support::{Done, Home, built_project};

const KINDS: &str = "program,validator,sampler,event-handler,hook,job";

/// A new project with one of everything builds without a warning, and passes its own cases and the strict check.
#[track_caller]
fn everything(language: &str) {
    let home = Home::new();
    home.run(&["new", "all", "--lang", language, "--kind", KINDS]).ok();
    share_target(&home, "all");
    let built = home.run(&["build", "all"]).ok();
    assert!(!built.err.contains("warning"), "{}", built.err);
    let done = home.run(&["test", "all", "--no-build"]).ok();
    assert!(done.out.contains("15 of 15 cases passed"), "{}", done.out);
    home.run(&["check", "all", "--strict"]).ok();
    let checked = home.run(&["check", "all", "--json"]).ok().json();
    let contributions = checked["contributions"].as_array().unwrap();
    let kinds: Vec<&str> = contributions.iter().map(|it| it["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds.join(","), KINDS);
    // Each table has its export, and nothing else is exported: with a table less, the same component is refused.
    let manifest = std::fs::read_to_string(home.path().join("all/extension.toml")).unwrap();
    let (before, _) = manifest.split_once("[[jobs]]").unwrap();
    home.write("all/extension.toml", before);
    let failed = home.run(&["check", "all"]).fails(1, "client.check_failed");
    assert!(failed.out.contains("does not declare `[[jobs]]`"), "{}", failed.out);
}

/// One place for what Cargo makes of the kit and its dependencies: that of the project which the whole suite shares.
fn share_target(home: &Home, project: &str) {
    let dir = home.path().join(project);
    if dir.join("Cargo.toml").is_file() {
        let target = built_project().join("target");
        home.write(
            &format!("{project}/.cargo/config.toml"),
            &format!("[build]\ntarget-dir = {:?}\n", target.to_str().unwrap()),
        );
    }
}

#[test]
fn everything_in_rust() {
    everything("rust");
}

#[test]
fn everything_in_python() {
    everything("python");
}

#[test]
fn everything_in_javascript() {
    everything("javascript");
}

/// Each kind alone, in the language that builds quickest.
#[test]
fn each_kind_alone() {
    for kind in KINDS.split(',') {
        let home = Home::new();
        home.run(&["new", "one", "--lang", "javascript", "--kind", kind]).ok();
        home.run(&["build", "one"]).ok();
        let done = home.run(&["test", "one", "--no-build", "--json"]).ok().json();
        let cases = done["cases"].as_array().unwrap();
        assert!(cases.len() >= 2 && cases.iter().all(|case| case["kind"] == kind), "{done}");
        home.run(&["check", "one", "--strict"]).ok();
    }
}

/// The fenced blocks of one language in the book's page.
fn blocks(fence: &str) -> Vec<String> {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/book/authoring/contributions.md");
    let text = std::fs::read_to_string(page).unwrap();
    let start = format!("```{fence}\n");
    text.split(&start)
        .skip(1)
        .map(|rest| rest.split("```").next().unwrap().to_owned())
        .collect()
}

/// The page's tables and cases, word for word, around its examples in one language.
#[track_caller]
fn book(language: &str, write: impl FnOnce(&Home)) {
    let home = Home::new();
    home.run(&["new", "book", "--lang", language]).ok();
    let (cases, tables): (Vec<String>, Vec<String>) = blocks("toml").into_iter().partition(|block| block.starts_with("[[case]]"));
    assert_eq!((tables.len(), cases.len()), (5, 5));
    let manifest = std::fs::read_to_string(home.path().join("book/extension.toml")).unwrap();
    let (head, _) = manifest.split_once("[[programs]]").unwrap();
    let permissions = "[permissions]\nkey_value = true\n";
    home.write("book/extension.toml", &format!("{head}{permissions}\n{}", tables.join("\n")));
    home.write("book/tests/basic.toml", &cases.join("\n"));
    write(&home);
    share_target(&home, "book");
    let built = home.run(&["build", "book"]).ok();
    assert!(!built.err.contains("warning"), "{}", built.err);
    let done = home.run(&["test", "book", "--no-build"]).ok();
    assert!(done.out.contains("6 of 6 cases passed"), "{}", done.out);
}

#[test]
fn the_book_in_rust() {
    book("rust", |home| {
        let blocks = blocks("rust");
        assert_eq!(blocks.len(), 5);
        let module = |(number, code): (usize, String)| format!("mod example{number} {{\n{code}}}\n");
        home.write("book/src/lib.rs", &blocks.into_iter().enumerate().map(module).collect::<String>());
    });
}

#[test]
fn the_book_in_python() {
    book("python", |home| {
        let blocks = blocks("python");
        assert_eq!(blocks.len(), 5);
        home.write("book/main.py", &blocks.join("\n\n"));
    });
}

#[test]
fn the_book_in_javascript() {
    book("javascript", |home| {
        let blocks = blocks("js");
        let mut main = String::from("import { extension } from \"@oriel/extension\";\n");
        for (number, block) in blocks.iter().enumerate() {
            home.write(&format!("book/src/example{number}.js"), block);
            main.push_str(&format!("import example{number} from \"./example{number}.js\";\n"));
        }
        main.push_str("export default extension({\n");
        for field in ["validators", "samplers", "eventHandlers", "hooks", "jobs"] {
            let all: String = (0..blocks.len()).map(|number| format!("...example{number}.{field}, ")).collect();
            main.push_str(&format!("  {field}: {{ {all}}},\n"));
        }
        main.push_str("});\n");
        home.write("book/src/main.js", &main);
    });
}

/// A project of handlers that answer and fail in every way, built once for each call.
fn unruly(cases: &str) -> Done {
    let home = Home::new();
    home.run(&["new", "unruly", "--lang", "javascript"]).ok();
    let manifest = std::fs::read_to_string(home.path().join("unruly/extension.toml")).unwrap();
    let (head, _) = manifest.split_once("[[programs]]").unwrap();
    let tables = "[permissions]\nkey_value = true\n\n[[validators]]\nname = \"words\"\n\n[[validators]]\nname = \"throws\"\n\n\
                  [[hooks]]\nname = \"echo\"\nhook = \"order.pre-create\"\nconfig_schema = { type = \"object\", properties = { n = { type = \"integer\" } } }\n\n\
                  [[hooks]]\nname = \"counts\"\n\n[[jobs]]\nname = \"typed\"\ninput_schema = { type = \"object\", required = [\"n\"] }\n\
                  output_schema = { type = \"string\" }\n";
    home.write("unruly/extension.toml", &format!("{head}{tables}"));
    home.write(
        "unruly/src/main.js",
        "import { extension, kv } from \"@oriel/extension\";\n\nexport default extension({\n  validators: { words: () => \"fine\", \
         throws: () => JSON.parse(\"null\").x },\n  hooks: {\n    echo: (call, { config }) => ({ ...call, config }),\n    \
         counts: () => void kv.increment(\"n\"),\n  },\n  jobs: { typed: ({ input }) => input.n },\n});\n",
    );
    home.write("unruly/tests/basic.toml", cases);
    home.run(&["build", "unruly"]).ok();
    home.run(&["test", "unruly", "--no-build"])
}

#[test]
fn what_goes_wrong_has_words() {
    let done = unruly(
        r#"
[[case]]
name = "another type"
validator = "words"
expect.error = "execution.failed"
expect.message = "validator `words` returned \"fine\"; it must return true, false or a verdict"

[[case]]
name = "an exception"
validator = "throws"
expect.error = "execution.failed"
expect.message = "cannot read property 'x' of null"

[[case]]
name = "nobody of that name"
hook = "nobody"
kind = "filter"
expect.error = "extension.contribution_not_found"
expect.message = "the extension has no hook `nobody`; it has `counts`, `echo`"

[[case]]
name = "the hook is the manifest's, unless the case says otherwise"
hook = "echo"
kind = "decide"
binding.n = 1
payload = [1]
expect.decision = { hook = "order.pre-create", kind = "decide", payload = [1], dryRun = false, config = { n = 1 } }

[[case]]
name = "a rehearsal at another point"
hook = "echo"
kind = "collect"
point = "order.totals"
payload_json = "null"
dry_run = true
expect.contains = { hook = "order.totals", dryRun = true, config = {} }

[[case]]
name = "a configuration that does not fit"
hook = "echo"
kind = "filter"
binding.n = "x"
expect.error = "extension.config_invalid"
expect.message = "binding/n: "

[[case]]
name = "a configuration that nobody takes"
validator = "words"
binding.n = 1
expect.error = "extension.config_invalid"
expect.message = "bindings of the validator `words` take no configuration"

[[case]]
name = "who observes answers nothing"
hook = "echo"
kind = "observe"
expect.nothing = true

[[case]]
name = "an effect counts"
hook = "counts"
kind = "filter"
expect.nothing = true
expect.kv = { n = 1 }

[[case]]
name = "but not in a rehearsal"
hook = "counts"
kind = "filter"
dry_run = true
expect.error = "execution.denied"
expect.kv = { n = false }

[[case]]
name = "the job's input is checked"
job = "typed"
expect.error = "execution.input_invalid"

[[case]]
name = "and its output"
job = "typed"
input.n = 1
expect.error = "execution.output_invalid"
"#,
    );
    let done = done.ok();
    assert!(done.out.contains("12 of 12 cases passed"), "{}", done.out);
}

#[test]
fn failing_cases_of_other_kinds_show_what_differs() {
    let done = unruly(
        r#"
[[case]]
name = "a payload"
hook = "echo"
kind = "filter"
expect.contains = { kind = "decide" }

[[case]]
name = "nothing"
hook = "echo"
kind = "filter"
expect.nothing = true

[[case]]
name = "something"
hook = "counts"
kind = "filter"
expect.payload = { a = 1 }

[[case]]
name = "a verdict"
validator = "throws"
expect.verdict = true

[[case]]
name = "no error"
hook = "counts"
kind = "observe"
expect.error = "execution.failed"
"#,
    );
    let done = done.fails(1, "client.tests_failed");
    for words in [
        "/kind is \"filter\", not \"decide\"",
        "it should answer nothing, and answered {",
        "it answered nothing",
        "it failed with execution.failed: cannot read property 'x' of null",
        "it should fail with execution.failed, and answered nothing",
        "0 of 5 cases passed",
    ] {
        assert!(done.out.contains(words), "{words}: {}", done.out);
    }
}

#[test]
fn what_the_source_lacks_is_told_by_the_build() {
    for (language, words) in [
        (
            "javascript",
            "extension.toml declares the validator `missing`, and `validators` of the source has none of that name",
        ),
        (
            "python",
            "extension.toml declares the validator `missing`, and the source has none of that name; it has `complete`",
        ),
    ] {
        let home = Home::new();
        home.run(&["new", "one", "--lang", language, "--kind", "validator"]).ok();
        let manifest = std::fs::read_to_string(home.path().join("one/extension.toml")).unwrap();
        home.write("one/extension.toml", &format!("{manifest}\n[[validators]]\nname = \"missing\"\n"));
        let failed = home.run(&["build", "one"]).fails(1, "author.build_failed");
        assert!(failed.err.contains(words), "{}", failed.err);
    }
}
