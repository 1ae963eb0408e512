//! From a project to its component.

mod alias;
mod javascript;
mod python;
mod rust;
mod stubs;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};
use std::{fmt, fs};

use oriel_model::Digest;
use oriel_model::manifest::{Engine, Language};
use oriel_sandbox::{Sandbox, Shape};

use crate::error::{AuthorError, Result};
use crate::files::{make_dir, replace};
use crate::project::Project;
use crate::toolchain::Toolchains;
use crate::{kit, process, world};

/// Takes one line of progress.
pub type Progress = Arc<dyn Fn(&str) + Send + Sync>;

/// How to build.
#[derive(Clone, Default)]
pub struct BuildOptions {
    /// Build even when nothing changed.
    pub force: bool,
    /// Where pinned compilers live; the user's cache when absent.
    pub toolchains: Option<Toolchains>,
    /// Told in one line what takes long ("installing componentize-py 0.25.1").
    pub progress: Option<Progress>,
}

impl fmt::Debug for BuildOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BuildOptions")
            .field("force", &self.force)
            .field("toolchains", &self.toolchains)
            .finish_non_exhaustive()
    }
}

impl BuildOptions {
    fn say(&self, line: &str) {
        if let Some(progress) = &self.progress {
            progress(line);
        }
    }

    fn toolchains(&self) -> Result<Toolchains> {
        self.toolchains.clone().map_or_else(Toolchains::of_user, Ok)
    }
}

/// What a build made.
#[derive(Debug, Clone)]
pub struct BuildReport {
    /// The project, as read.
    pub project: Project,
    /// What it is written in.
    pub language: Language,
    /// Where the component lies.
    pub component: PathBuf,
    /// The component's digest.
    pub digest: Digest,
    /// Its length in bytes.
    pub bytes: u64,
    /// What it imports, sorted, such as `oriel:extension/log@0.1.0`.
    pub imports: Vec<String>,
    /// What it exports, sorted.
    pub exports: Vec<String>,
    /// Whether it was already up to date.
    pub unchanged: bool,
    /// What the compiler warned of, in its own words; empty when it was content.
    pub warnings: String,
    /// Wall time of the build.
    pub took: Duration,
}

/// What a language's build answers.
struct Built {
    /// The component's bytes; absent when the one on disk is up to date.
    component: Option<Vec<u8>>,
    warnings: String,
}

/// Builds the project in `dir` and writes its component where the manifest says (`build/NAME.wasm`).
///
/// Blocks while compilers run. Two builds of one project at once are serialised by a lock in `.oriel/`.
///
/// # Errors
/// Problems of the manifest, a missing toolchain, or the compiler's own message.
pub fn build(dir: &Path, options: &BuildOptions) -> Result<BuildReport> {
    let begun = Instant::now();
    let project = Project::open(dir)?;
    if project.manifest.remote.is_some() {
        return Err(AuthorError::Project {
            message: "the extension is remote: there is nothing to build; `oriel test` starts its service and tries it".to_owned(),
        });
    }
    let language = project.language()?;
    let work = project.dir.join(".oriel");
    let _lock = crate::toolchain::lock(&work.join("build.lock"))?;
    kit::materialise(&project.dir, language)?;
    let wit = work.join("build/wit");
    let renamed: &dyn Fn(&str) -> String = match language {
        Language::Python | Language::Javascript => &alias::rename,
        Language::Rust | Language::Component => &str::to_owned,
    };
    let job = Job {
        project: &project,
        options,
        work: work.join("build"),
        wit,
    };
    let randomness = language == Language::Javascript && job.randomness();
    world::write(&job.wit, &project.manifest, randomness, renamed)?;
    let built = match (&project.build.command, language) {
        (Some(command), _) => job.by_command(command)?,
        (None, Language::Rust) => rust::build(&job)?,
        (None, Language::Python) => python::build(&job)?,
        (None, Language::Javascript) => javascript::build(&job)?,
        (None, Language::Component) => Built {
            component: None,
            warnings: String::new(),
        },
    };
    let component = project.component_path();
    let unchanged = built.component.is_none();
    if let Some(bytes) = &built.component {
        replace(&component, bytes)?;
    }
    let bytes = fs::read(&component).map_err(AuthorError::file("read", &component))?;
    let (imports, exports) = shape(&bytes)?;
    Ok(BuildReport {
        language,
        digest: Digest::of(&bytes),
        bytes: bytes.len() as u64,
        imports,
        exports,
        unchanged,
        warnings: built.warnings,
        took: begun.elapsed(),
        component,
        project,
    })
}

/// One build in progress.
struct Job<'a> {
    project: &'a Project,
    options: &'a BuildOptions,
    /// `.oriel/build`.
    work: PathBuf,
    /// The synthesised world and what it refers to.
    wit: PathBuf,
}

impl Job<'_> {
    fn dir(&self) -> &Path {
        &self.project.dir
    }

    /// The entry file: the manifest's, or the first of `usual` that is there.
    fn entry(&self, usual: &[&str]) -> Result<PathBuf> {
        if let Some(entry) = &self.project.build.entry {
            let path = self.dir().join(entry);
            if path.is_file() {
                return Ok(path);
            }
            return Err(AuthorError::Project {
                message: format!("the entry `{entry}` of [build] is not a file"),
            });
        }
        usual
            .iter()
            .map(|name| self.dir().join(name))
            .find(|path| path.is_file())
            .ok_or_else(|| AuthorError::Project {
                message: format!(
                    "there is no source to start from: make {} or name it as `entry` under [build]",
                    usual.join(" or ")
                ),
            })
    }

    /// Whether the component may import all of WASI.
    fn wasi(&self) -> bool {
        self.project.build.wasi
    }

    fn network(&self) -> bool {
        world::needs_network(&self.project.manifest)
    }

    /// Whether the kit has to bring chance into a JavaScript engine that has none of its own.
    fn randomness(&self) -> bool {
        self.wasi() && self.engine() == Engine::Quickjs
    }

    fn engine(&self) -> Engine {
        self.project.build.engine
    }

    /// What the manifest declares, for kits that look whether the source has it: `{"program":["classify"]}`, which is JSON, JavaScript
    /// and Python.
    fn declared(&self) -> String {
        let manifest = &self.project.manifest;
        let mut names = BTreeMap::<_, Vec<_>>::new();
        for contribution in manifest.contributions() {
            if contribution.kind.has_interface() {
                names
                    .entry(contribution.kind.as_str())
                    .or_default()
                    .push(contribution.name.to_string());
            }
        }
        serde_json::to_string(&names).expect("names are JSON")
    }

    /// The author's own command; it must leave the component where the manifest says.
    fn by_command(&self, command: &[String]) -> Result<Built> {
        let Some((program, arguments)) = command.split_first() else {
            return Err(AuthorError::Project {
                message: "`command` under [build] is empty".to_owned(),
            });
        };
        // A path is meant from the project; a bare name has to be on the search path.
        let found = if Path::new(program).file_name().is_some_and(|name| name == program.as_str()) {
            process::find(&[program]).ok_or_else(|| AuthorError::ToolchainMissing {
                what: format!("`command` under [build] runs `{program}`, which is not on the PATH"),
                cure: "install it, or name it by its path in the project".to_owned(),
            })?
        } else {
            self.dir().join(program)
        };
        let component = self.project.component_path();
        if let Some(folder) = component.parent() {
            make_dir(folder)?;
        }
        let output = process::run(program, Command::new(found).args(arguments).current_dir(self.dir()))?;
        let bytes = fs::read(&component).map_err(|error| AuthorError::Component {
            detail: format!("`{program}` ended well but {} cannot be read: {error}", component.display()),
        })?;
        Ok(Built {
            component: Some(bytes),
            warnings: String::from_utf8_lossy(&output.stderr).into_owned(),
        })
    }

    /// Whether the component on disk was made from exactly these inputs.
    fn up_to_date(&self, inputs: &str) -> bool {
        !self.options.force
            && fs::read_to_string(self.work.join("inputs")).is_ok_and(|stamp| {
                stamp.split_once('\n').is_some_and(|(old, output)| {
                    old == inputs && fs::read(self.project.component_path()).is_ok_and(|bytes| Digest::of(&bytes).to_string() == output)
                })
            })
    }

    /// Remembers what the component was made from, for [`Job::up_to_date`].
    fn remember(&self, inputs: &str, component: &[u8]) -> Result<()> {
        replace(&self.work.join("inputs"), format!("{inputs}\n{}", Digest::of(component)).as_bytes())
    }
}

/// Imports and exports of a component, sorted.
pub(crate) fn shape(bytes: &[u8]) -> Result<(Vec<String>, Vec<String>)> {
    let Shape { mut imports, mut exports } =
        Sandbox::inspect(bytes).map_err(|error| AuthorError::Component { detail: error.to_string() })?;
    imports.sort();
    exports.sort();
    Ok((imports, exports))
}
