//! What every command gets: the terminal, and the way to a server.

use crate::args::Globals;
use crate::client::Client;
use crate::env_vars;
use crate::error::Result;
use crate::settings::{Connection, Profiles, profile_file};
use crate::ui::Ui;

/// What every command gets.
#[derive(Debug, Clone)]
pub(crate) struct Context {
    /// The terminal.
    pub(crate) ui: Ui,
    /// The global options.
    pub(crate) globals: Globals,
}

impl Context {
    /// The server and key in force.
    pub(crate) fn connection(&self) -> Result<Connection> {
        let profiles = match profile_file() {
            Ok(path) => Profiles::load(&path)?,
            Err(_) => Profiles::default(),
        };
        Connection::resolve(&self.globals.flags(), &profiles, &env_vars::read)
    }

    /// A client of that server.
    pub(crate) fn client(&self) -> Result<Client> {
        Client::new(&self.connection()?)
    }
}
