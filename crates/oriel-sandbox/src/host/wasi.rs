//! WASI 0.2: clocks, randomness, standard streams that go to the log, an empty environment; no files, no
//! sockets. Outbound HTTP is in `http.rs`.

use std::sync::Arc;
use std::time::Duration;

use oriel_model::limits::Limits;
use oriel_model::log::LogLevel;
use wasmtime::component::ResourceTable;
use wasmtime_wasi::{HostWallClock, WasiCtx, WasiCtxView, WasiView};
use wasmtime_wasi_http::{WasiHttpCtx, WasiHttpCtxView, WasiHttpView};

use super::http::Outbound;
use super::stdio::LineStream;
use crate::ports::Clock;
use crate::state::{InCall, State};

/// Handles that a guest may hold at once.
const MAX_HANDLES: usize = 10_000;
/// Bytes that a header field collection may hold.
const MAX_FIELDS: usize = 64 << 10;

/// The WASI side of one instance, made when the guest first calls into it.
pub(crate) struct Wasi {
    ctx: WasiCtx,
    http: WasiHttpCtx,
    table: ResourceTable,
    outbound: Outbound,
    stdout: LineStream,
    stderr: LineStream,
}

struct WallClock(Arc<dyn Clock>);

impl HostWallClock for WallClock {
    fn resolution(&self) -> Duration {
        Duration::from_millis(1)
    }

    fn now(&self) -> Duration {
        self.0.unix_time()
    }
}

impl Wasi {
    fn new(state: &mut State) -> Self {
        let lines = Arc::clone(state.lines());
        let stdout = LineStream::new(LogLevel::Info, Arc::clone(&lines));
        let stderr = LineStream::new(LogLevel::Warn, Arc::clone(&lines));
        let ctx = WasiCtx::builder()
            .stdout(stdout.clone())
            .stderr(stderr.clone())
            .wall_clock(WallClock(Arc::clone(&state.options.clock)))
            .allow_tcp(false)
            .allow_udp(false)
            .allow_ip_name_lookup(false)
            .build();
        let mut http = WasiHttpCtx::new();
        http.set_field_size_limit(MAX_FIELDS);
        let mut table = ResourceTable::new();
        table.set_max_capacity(MAX_HANDLES);
        let mut outbound = Outbound::new(state, lines);
        outbound.begin(&state.call, &state.spec.limits);
        Self {
            ctx,
            http,
            table,
            outbound,
            stdout,
            stderr,
        }
    }

    pub(crate) fn begin(&mut self, call: &InCall, limits: &Limits) {
        self.outbound.begin(call, limits);
    }

    pub(crate) fn end(&mut self) {
        self.stdout.finish_line();
        self.stderr.finish_line();
    }
}

impl State {
    /// Each WASI call passes here, so it is counted here. The call itself cannot be refused at this point; when
    /// the limit is passed the guest is stopped at the next tick.
    fn wasi(&mut self) -> &mut Wasi {
        self.meter.count_call();
        if self.wasi.is_none() {
            self.wasi = Some(Box::new(Wasi::new(self)));
        }
        self.wasi.as_mut().expect("made just above")
    }
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        let wasi = self.wasi();
        WasiCtxView {
            ctx: &mut wasi.ctx,
            table: &mut wasi.table,
        }
    }
}

impl WasiHttpView for State {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        let wasi = self.wasi();
        WasiHttpCtxView {
            hooks: &mut wasi.outbound,
            table: &mut wasi.table,
            ctx: &mut wasi.http,
        }
    }
}
