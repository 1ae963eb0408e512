//! `[build]`: what author tools need to make the component. It stays with the source; a package holds none of it.

use serde::{Deserialize, Serialize};

use crate::name::ExtensionName;

/// How a component is built.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Build {
    /// What the extension is written in; absent when the manifest does not say.
    pub language: Option<Language>,
    /// The source file to start from, relative to the manifest.
    pub entry: Option<String>,
    /// Where the built component lies, relative to the manifest; see [`Build::component_path`].
    pub component: Option<String>,
    /// The JavaScript engine inside the component.
    pub engine: Engine,
    /// Whether the component may import WASI.
    pub wasi: bool,
    /// Files and directories that go into the package as assets, relative to the manifest.
    pub assets: Vec<String>,
    /// A command and its arguments that build the component instead of the language's own tools.
    pub command: Option<Vec<String>>,
    /// Of a remote extension: a command and its arguments that start the service for tests.
    pub dev: Option<Vec<String>>,
}

impl Build {
    /// Where the built component lies, relative to the manifest: `component`, or `build/NAME.wasm`.
    #[must_use]
    pub fn component_path(&self, name: &ExtensionName) -> String {
        self.component.clone().unwrap_or_else(|| format!("build/{name}.wasm"))
    }
}

/// What an extension is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Language {
    /// Rust, built by Cargo.
    Rust,
    /// Python.
    Python,
    /// JavaScript or TypeScript.
    Javascript,
    /// Anything else: the component is there, or `command` makes it.
    Component,
}

/// The JavaScript engine that a component carries.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Engine {
    /// Small and quick to start.
    #[default]
    Quickjs,
    /// Large, with more of the web platform.
    Starlingmonkey,
}
