//! New projects.

mod merge;

use std::fs;
use std::path::{Path, PathBuf};

use oriel_model::contribution::ContributionKind;
use oriel_model::manifest::Language;
use oriel_model::name::{ExtensionName, PublisherName};

use crate::embedded::{Files, TEMPLATE_JAVASCRIPT, TEMPLATE_KINDS, TEMPLATE_PYTHON, TEMPLATE_RUST};
use crate::error::{AuthorError, Result};
use crate::files::write_changed;
use crate::kit;

/// What to make.
#[derive(Debug, Clone)]
pub struct NewProject {
    /// The extension's name; also the directory's when `dir` is absent.
    pub name: String,
    /// What it is to be written in.
    pub language: Language,
    /// What it contributes: one example of each of these kinds; a program when empty.
    pub kinds: Vec<ContributionKind>,
    /// Where it is made, which must not exist yet (an empty directory will do); `./NAME` when absent.
    pub dir: Option<PathBuf>,
    /// Who publishes it; `example` when absent.
    pub publisher: Option<String>,
}

/// What was made.
#[derive(Debug, Clone)]
pub struct NewReport {
    /// Where.
    pub dir: PathBuf,
    /// The files, relative to it, sorted.
    pub files: Vec<PathBuf>,
}

/// Makes a project that builds, tests and installs at once.
///
/// # Errors
/// A bad name, a directory that is there already, or a file that cannot be written. Nothing is left behind then.
pub fn new_project(new: &NewProject) -> Result<NewReport> {
    let name: ExtensionName = new.name.parse()?;
    let publisher: PublisherName = new.publisher.as_deref().unwrap_or("example").parse()?;
    let dir = new.dir.clone().unwrap_or_else(|| PathBuf::from(name.as_str()));
    let files: Files = match new.language {
        Language::Rust => TEMPLATE_RUST,
        Language::Python => TEMPLATE_PYTHON,
        Language::Javascript => TEMPLATE_JAVASCRIPT,
        Language::Component => {
            return Err(AuthorError::Project {
                message: "there are templates for rust, python and javascript".to_owned(),
            });
        }
    };
    let parts = parts(&new.kinds)?;
    let there = fs::symlink_metadata(&dir).is_ok();
    let empty = there && fs::read_dir(&dir).is_ok_and(|mut entries| entries.next().is_none());
    if there && !empty {
        return Err(AuthorError::ProjectExists { path: dir });
    }
    let laid_out = lay_out(&dir, files, new.language, &parts, (&name, &publisher)).and_then(|files| {
        kit::materialise(&dir, new.language)?;
        Ok(files)
    });
    match laid_out {
        Ok(files) => Ok(NewReport { dir, files }),
        Err(error) => {
            // Only what this call made: the directory was absent or empty before.
            let _ = fs::remove_dir_all(&dir);
            Err(error)
        }
    }
}

/// An example of one kind of contribution.
struct Part {
    /// The name of its folder among the templates.
    folder: &'static str,
    /// What the extension is said to do when it comes first.
    description: &'static str,
    /// For the README.
    about: &'static str,
    /// A command to try it with.
    attempt: &'static str,
}

impl Part {
    fn of(kind: ContributionKind) -> Option<Self> {
        let (description, about) = match kind {
            ContributionKind::Program => (
                "Counts the fields of a JSON object.",
                "Its program `summarise` answers the names of an object's fields, and how many there are.",
            ),
            ContributionKind::Validator => (
                "Checks that outputs have all of their fields.",
                "Its validator `complete` checks that an output has the fields that its binding names.",
            ),
            ContributionKind::Sampler => (
                "Picks the executions that are worth a look.",
                "Its sampler `spread` picks every failure, and every tenth execution besides.",
            ),
            ContributionKind::EventHandler => (
                "Writes a log line about events.",
                "Its event handler `note` writes a log line about each event.",
            ),
            ContributionKind::Hook => (
                "Fills in what a payload lacks.",
                "Its hook handler `fill-in` gives a payload the members that it lacks and its binding names.",
            ),
            ContributionKind::Job => ("Adds up numbers.", "Its job `add-up` adds up the numbers that it is given."),
            _ => return None,
        };
        let attempt = match kind {
            ContributionKind::Program => "    oriel call {{name}} summarise --input '{\"title\": \"hello\"}'\n",
            _ => "",
        };
        Some(Self {
            folder: kind.as_str(),
            description,
            about,
            attempt,
        })
    }

    /// A file of its folder.
    fn text(&self, file: &str) -> Result<&'static str> {
        let path = format!("{}/{file}", self.folder);
        let found = TEMPLATE_KINDS.iter().find(|(name, _)| *name == path);
        found
            .and_then(|(_, content)| std::str::from_utf8(content).ok())
            .ok_or_else(|| AuthorError::Project {
                message: format!("there is no template {path}"),
            })
    }
}

/// The examples of these kinds, each once; that of a program for none.
fn parts(kinds: &[ContributionKind]) -> Result<Vec<Part>> {
    let mut wanted: Vec<ContributionKind> = Vec::new();
    for kind in kinds {
        if !wanted.contains(kind) {
            wanted.push(*kind);
        }
    }
    if wanted.is_empty() {
        wanted.push(ContributionKind::Program);
    }
    let part = |kind: ContributionKind| {
        Part::of(kind).ok_or_else(|| AuthorError::Project {
            message: format!("there is no template for a {kind}"),
        })
    };
    wanted.into_iter().map(part).collect()
}

fn lay_out(
    dir: &Path,
    files: Files,
    language: Language,
    parts: &[Part],
    (name, publisher): (&ExtensionName, &PublisherName),
) -> Result<Vec<PathBuf>> {
    let texts = |file: &str| parts.iter().map(|part| part.text(file)).collect::<Result<Vec<_>>>();
    let joined = |texts: Vec<&str>| texts.iter().map(|text| text.trim_end()).collect::<Vec<_>>().join("\n\n") + "\n";
    let contributions = joined(texts("extension.toml")?);
    let about = parts.iter().map(|part| part.about).collect::<Vec<_>>().join("\n");
    let attempts: String = parts.iter().map(|part| part.attempt).collect();
    let description = parts.first().map_or("", |part| part.description);
    let (file, place) = match language {
        Language::Rust => ("lib.rs", "src/lib.rs"),
        Language::Python => ("main.py", "main.py"),
        _ => ("main.js", "src/main.js"),
    };
    let fill = |text: &str| {
        text.replace("{{contributions}}", &contributions)
            .replace("{{description}}", description)
            .replace("{{about}}", &about)
            .replace("{{try}}", &attempts)
            .replace("{{name}}", name.as_str())
            .replace("{{publisher}}", publisher.as_str())
    };
    let cases = format!("# Run with `oriel test`.\n\n{}", joined(texts("cases.toml")?));
    let mut made = vec![
        (place.to_owned(), merge::sources(language, &texts(file)?)),
        ("tests/basic.toml".to_owned(), cases),
    ];
    for (path, content) in files {
        // Cargo and git would act upon files of these names inside this repository's own templates.
        let path = path
            .replace("Cargo.toml.template", "Cargo.toml")
            .replace("gitignore.template", ".gitignore");
        let text = std::str::from_utf8(content).map_err(|_| AuthorError::Project {
            message: format!("the template file {path} is not text"),
        })?;
        made.push((path, fill(text)));
    }
    for (path, text) in &made {
        write_changed(&dir.join(path), text.as_bytes())?;
    }
    let mut made: Vec<PathBuf> = made.into_iter().map(|(path, _)| PathBuf::from(path)).collect();
    made.sort();
    Ok(made)
}
