//! A server of our own: in this process, on a free port, in a temporary directory.

use oriel_model::ErrorCode;
use oriel_server::Config;
use oriel_server::{RunningServer, Server};

use crate::client::shown;
use crate::error::{Failure, Result};
use crate::settings::{Connection, Origin, Secret, parse_server};
use crate::ui::{Paint, Ui};

/// Its directory goes with it.
pub(super) struct Local {
    connection: Connection,
    server: RunningServer,
    _data: tempfile::TempDir,
}

/// Starts one.
pub(super) async fn start() -> Result<Local> {
    let data = tempfile::Builder::new()
        .prefix("oriel-dev-")
        .tempdir()
        .map_err(|error| Failure::file(std::path::Path::new("a temporary directory"), &error))?;
    let config = Config {
        listen: ([127, 0, 0, 1], 0).into(),
        data_dir: data.path().to_owned(),
        ..Config::default()
    };
    let server = Server::start(config).await.map_err(|error| Failure::of(&error))?;
    let key = server
        .bootstrap_key()
        .ok_or_else(|| Failure::new(ErrorCode::Internal, "the server of `oriel dev` made no key"))?;
    let connection = Connection {
        server: parse_server(&server.addr().to_string())?,
        server_origin: Origin::Default,
        key: Some(Secret::new(key)),
        key_origin: Origin::Default,
    };
    Ok(Local {
        connection,
        server,
        _data: data,
    })
}

impl Local {
    /// Stops it, calls in flight first: whatever still writes would write into a directory that is being removed.
    pub(super) async fn stop(self) {
        self.server.shutdown().await;
    }

    /// The way to it.
    pub(super) fn connection(&self) -> &Connection {
        &self.connection
    }

    /// Says how to reach it from elsewhere.
    pub(super) fn introduce(&self, ui: &Ui) {
        let key = self.connection.key.as_ref().map(Secret::reveal).unwrap_or_default();
        ui.note(&ui.paint_error(Paint::Faint, "a server for this session; from another terminal:"));
        ui.note(&format!(
            "  export ORIEL_URL={} ORIEL_API_KEY={key}",
            shown(&self.connection.server)
        ));
    }
}
