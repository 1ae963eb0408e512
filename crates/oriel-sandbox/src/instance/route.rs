//! Requests for routes: `wasi:http/incoming-handler`.

use std::sync::Arc;

use http::Request;
use http_body_util::BodyExt as _;
use wasmtime_wasi_http::WasiHttpView as _;
use wasmtime_wasi_http::p2::bindings::http::types::Scheme;

use super::{Ended, Instance};
use crate::error::{CallError, Stop};
use crate::meter;
use crate::route::{Exchange, RequestBody, RouteCall};

impl Instance {
    /// Lets the guest answer a request. The response goes through the exchange; what comes back here is how the guest ended,
    /// which is later than the head of its response, and often later than its body.
    pub(crate) async fn respond(
        &mut self,
        call: &RouteCall,
        request: Request<()>,
        exchange: &Arc<Exchange>,
        started: u64,
        suspect: bool,
    ) -> Result<(), CallError> {
        let bounds = self.prepare(&call.ask(), started);
        let Self {
            store,
            exports,
            meter,
            lane,
            broken,
            ..
        } = self;
        let Some(handler) = &exports.incoming_handler else {
            let interface = "wasi:http/incoming-handler";
            return exchange.over(Err(CallError::NotExported { interface }));
        };
        *broken = true;
        let request = request.map(|()| RequestBody::new(Arc::clone(exchange), Arc::clone(meter)).boxed_unsync());
        let scheme = if call.secure { Scheme::Https } else { Scheme::Http };
        let run = async {
            let given = store.data_mut().http().new_incoming_request(scheme, request)?;
            let told = Arc::clone(exchange);
            let outparam = move |answer| told.answer(answer);
            let outparam = store.data_mut().http().new_response_outparam_from_callback(outparam)?;
            handler.call_handle(&mut *store, given, outparam).await.map(Ok)
        };
        let ended: Ended<()> = tokio::select! {
            biased;
            () = exchange.ended_early() => (Err(Stop::Early), meter::now()),
            ended = meter.run(lane, suspect, started, bounds.hard, run) => ended,
        };
        let result = match self.conclude(ended, &bounds) {
            Err(CallError::CallerGone) => Err(exchange.fault().unwrap_or(CallError::CallerGone)),
            Err(CallError::Timeout { .. }) if exchange.waits_for_client() => Err(CallError::CallerSlow { limit: bounds.timeout }),
            result => result,
        };
        let result = exchange.over(result);
        // What it left open would be in the way of the next call.
        self.broken |= matches!(result, Err(CallError::Answer { .. }));
        result
    }
}
