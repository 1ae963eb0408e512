//! The examples of the kits' READMEs and of the book's pages for authors do what stands beside them.

use std::path::Path;

use oriel_model::manifest::Language;

use super::host::Running;
use super::support::{built, edit, project, write};

/// The fenced blocks of `language` in a page, in order.
fn examples(page: &str, language: &str) -> Vec<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let text = std::fs::read_to_string(root.join(page)).expect("the page");
    let fence = format!("```{language}\n");
    let blocks = text.split(&fence).skip(1);
    let blocks: Vec<String> = blocks.map(|rest| rest.split("```").next().unwrap_or_default().to_owned()).collect();
    assert!(!blocks.is_empty(), "{page} has no example in {language}");
    blocks
}

/// The manifest that the book's examples need together.
fn manifest(language: &str) -> String {
    format!(
        r#"name = "examples"
version = "0.1.0"
description = "What the book shows."
publisher = "example"
license = "Apache-2.0"
host_api = "^0.1"
lifecycle = true

[build]
language = "{language}"

[permissions]
key_value = true
network = ["api.example.com"]

[[programs]]
name = "classify"

[[programs]]
name = "touch"

[[programs]]
name = "ask"
"#
    )
}

/// What the book's examples do, in every language.
async fn check(dir: &Path) {
    let running = Running::new(&built(dir));
    classifies(&running).await;
    let answer = running.call("touch", "null").await;
    assert!(answer.replace(' ', "").starts_with(r#"{"count":1"#), "{answer}");
    assert_eq!(running.log().len(), 1, "`touch` writes one line");
    let answer = running.call("ask", "null").await;
    assert!(answer.replace(' ', "").contains(r#""request":"GET/status""#), "{answer}");
    assert_eq!(running.pool.check_config(r#"{"threshold":1}"#).await.expect("an answer"), []);
    let problems = running.pool.check_config(r#"{"threshold":0}"#).await.expect("an answer");
    assert_eq!(problems.len(), 1);
    assert_eq!(
        (problems[0].path.as_str(), problems[0].message.as_str()),
        ("/threshold", "must not be 0")
    );
}

/// The program that opens each README and each page.
async fn classifies(running: &Running) {
    for (input, output) in [(r#"{"delay":16}"#, "true"), (r#"{"delay":15}"#, "false")] {
        let answer = running.call("classify", input).await;
        assert_eq!(answer.replace(' ', ""), format!(r#"{{"late":{output}}}"#));
    }
    assert_eq!(running.log().len(), 2, "`classify` writes one line");
}

/// The example of a README, in a new project.
async fn readme(language: Language, page: &str, fence: &str, file: &str) {
    let (_temp, dir) = project("classify", language);
    edit(&dir.join("extension.toml"), "\"summarise\"", "\"classify\"");
    write(&dir.join(file), &examples(page, fence)[0]);
    classifies(&Running::new(&built(&dir))).await;
}

#[tokio::test]
async fn readme_of_the_rust_kit() {
    readme(Language::Rust, "kits/rust/README.md", "rust", "src/lib.rs").await;
}

#[tokio::test]
async fn readme_of_the_python_kit() {
    readme(Language::Python, "kits/python/README.md", "python", "main.py").await;
}

#[tokio::test]
async fn readme_of_the_javascript_kit() {
    readme(Language::Javascript, "kits/javascript/README.md", "js", "src/main.js").await;
}

#[tokio::test]
async fn rust() {
    let (_temp, dir) = project("examples", Language::Rust);
    write(&dir.join("extension.toml"), &manifest("rust"));
    edit(
        &dir.join("Cargo.toml"),
        "\".oriel/kit/rust\"",
        "\".oriel/kit/rust\", features = [\"http\"]",
    );
    let blocks = examples("docs/book/authoring/rust.md", "rust");
    let [classify, touch, ask, lifecycle] = blocks.as_slice() else {
        panic!("{} examples", blocks.len())
    };
    // An extension names its programs in one place.
    let named = "programs! { \"classify\" => classify }";
    let all = "programs! { \"classify\" => classify, \"touch\" => touch::touch, \"ask\" => ask::ask }";
    assert!(classify.contains(named));
    let module = |name: &str, code: &str| format!("mod {name} {{\n{}\n}}\n", code.replace("\nfn ", "\npub fn "));
    let code = [
        classify.replace(named, all),
        module("touch", touch),
        module("ask", ask),
        module("life", lifecycle),
    ];
    write(&dir.join("src/lib.rs"), &code.concat());
    check(&dir).await;
}

#[tokio::test]
async fn python() {
    let (_temp, dir) = project("examples", Language::Python);
    write(&dir.join("extension.toml"), &manifest("python"));
    write(&dir.join("main.py"), &examples("docs/book/authoring/python.md", "python").concat());
    check(&dir).await;
}

#[tokio::test]
async fn javascript() {
    let (_temp, dir) = project("examples", Language::Javascript);
    write(&dir.join("extension.toml"), &manifest("javascript"));
    let mut imports = String::new();
    let blocks = examples("docs/book/authoring/javascript.md", "js");
    for (number, block) in blocks.iter().enumerate() {
        write(&dir.join(format!("src/example{number}.js")), block);
        imports.push_str(&format!("import example{number} from \"./example{number}.js\";\n"));
    }
    let merged = |field: &str| -> String { (0..blocks.len()).map(|number| format!("...example{number}.{field}, ")).collect() };
    let main = format!(
        "import {{ extension }} from \"@oriel/extension\";\n{imports}\nexport default extension({{ programs: {{ {}}}, lifecycle: {{ {}}} }});\n",
        merged("programs"),
        merged("lifecycle"),
    );
    write(&dir.join("src/main.js"), &main);
    check(&dir).await;
}
