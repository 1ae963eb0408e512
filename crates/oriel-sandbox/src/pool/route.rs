//! Letting a route answer a request: through the same gate, lease and accounts as a program's call.

use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use http_body_util::BodyExt as _;
use oriel_model::contribution::ContributionKind;
use oriel_model::log::LogLevel;
use oriel_model::{Blame, Coded as _};
use tokio::sync::oneshot;
use wasmtime_wasi_http::Error;

use super::Lease;
use crate::call::Outcome;
use crate::error::CallError;
use crate::ports::LogRecord;
use crate::route::{Departure, Ending, Exchange, RouteBody, RouteCall, check_head};

impl Lease {
    /// Lets the route answer. The head of the response comes as soon as the guest has given it, while its body is still being
    /// written; the instance is given back when the guest has ended. Dropping the future, or later the body before its
    /// end, ends the call. The lease's limits hold for all of it: `input` for the request's body, `output` for the
    /// response's, `timeout` from now to the guest's end.
    ///
    /// The request's address should have an authority, or its headers a `Host`.
    ///
    /// # Errors
    /// As a call's, as long as there is no head; what goes wrong afterwards ends the body with an error.
    pub async fn respond<B>(mut self, call: RouteCall, request: Request<B>) -> Result<Response<RouteBody>, CallError>
    where
        B: Body<Data = Bytes, Error: Into<Box<dyn std::error::Error + Send + Sync>>> + Send + 'static,
    {
        let announced = request.body().size_hint().lower();
        self.admit(usize::try_from(announced).unwrap_or(usize::MAX))?;
        let (input, output) = (self.pool.spec.limits.input.0, self.pool.spec.limits.output.0);
        let method = request.method().clone();
        let (parts, body) = request.into_parts();
        let body = body.map_err(|_| Error::ConnectionTerminated).boxed_unsync();
        let (told, head) = oneshot::channel();
        let exchange = Exchange::new(body, input, told);
        let mut departure = Departure(Some(Arc::clone(&exchange)));
        tokio::spawn(self.serve(call, Request::from_parts(parts, ()), Arc::clone(&exchange)));
        let parts = head.await.unwrap_or(Err(CallError::Draining))?;
        let announced = check_head(&parts, &method).inspect_err(|error| exchange.end_early(error.clone()))?;
        departure.0 = None;
        Ok(Response::from_parts(parts, RouteBody::new(exchange, &announced, output)))
    }

    /// The guest's part of it, in a task of its own.
    async fn serve(mut self, call: RouteCall, request: Request<()>, exchange: Arc<Exchange>) {
        let ending = Ending(Arc::clone(&exchange));
        let taken = tokio::select! {
            biased;
            () = exchange.ended_early() => Err(Outcome::refused(CallError::CallerGone)),
            taken = self.take() => taken,
        };
        let outcome: Outcome<()> = match taken {
            Err(outcome) => Outcome {
                result: exchange.over(outcome.result),
                ..outcome
            },
            Ok((mut instance, turn)) => {
                let result = instance.respond(&call, request, &exchange, turn.started, turn.suspect).await;
                self.give(instance, &turn, result)
            }
        };
        drop(ending);
        let error = outcome.result.err();
        self.leave(
            ContributionKind::Route,
            call.name.as_str(),
            call.timeout,
            error.as_ref(),
            outcome.resources,
        );
        if let Some(error) = error
            && error.code().blame() == Blame::Guest
        {
            // A route leaves no record of its own: this is where its author learns of it.
            self.pool.spec.services.log.write(LogRecord {
                execution: Some(call.execution),
                level: LogLevel::Error,
                message: format!("the route `{}` failed: {error}", call.name),
                fields: vec![("code".to_owned(), error.code().to_string())],
            });
        }
    }
}
