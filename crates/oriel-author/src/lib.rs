//! What an author of extensions needs, as a library: [`new_project`] lays out a project, [`build`] makes its
//! component, [`check`] says what is wrong with it. The commands of the `oriel` binary are thin around it.
//!
//! The kits, the guest API's WIT and the project templates are embedded, so that a build needs nothing of this
//! repository. Compilers for Python and JavaScript components are fetched on first use, in pinned versions, into a
//! cache of the user (see [`Toolchains`]).
//!
//! Deliberately not here: running programs (`oriel-sandbox`), packing (`oriel-package`), watching files, printing.
//!
//! Start reading at [`build`], then `build/rust.rs`.

mod build;
mod check;
mod embedded;
mod error;
mod files;
mod kit;
mod process;
mod project;
mod scaffold;
mod toolchain;
mod world;

pub use build::{BuildOptions, BuildReport, Progress, build};
pub use check::{CheckReport, Finding, Severity, check};
pub use error::{AuthorError, Result};
pub use project::{MANIFEST_FILE, Project};
pub use scaffold::{NewProject, NewReport, new_project};
pub use toolchain::Toolchains;
pub use world::world;
