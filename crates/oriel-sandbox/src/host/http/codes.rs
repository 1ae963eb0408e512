//! What went wrong below HTTP, as the error codes of `wasi:http`. Nothing here is the operator's business, so nothing is
//! written to the host's own log.

use std::error::Error as StdError;
use std::io::{self, ErrorKind};

use wasmtime_wasi_http::p2::bindings::http::types::{ErrorCode, TlsAlertReceivedPayload};

/// No connection came about.
pub(super) fn of_connect(error: &io::Error) -> ErrorCode {
    match error.kind() {
        ErrorKind::ConnectionRefused => ErrorCode::ConnectionRefused,
        ErrorKind::ConnectionReset | ErrorKind::ConnectionAborted => ErrorCode::ConnectionTerminated,
        ErrorKind::TimedOut => ErrorCode::ConnectionTimeout,
        ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable => ErrorCode::DestinationIpUnroutable,
        _ => ErrorCode::DestinationUnavailable,
    }
}

/// TLS was not agreed upon.
pub(super) fn of_tls(error: &io::Error) -> ErrorCode {
    rustls_error(error).map_or(ErrorCode::ConnectionTerminated, of_rustls)
}

/// The connection failed under a request or a response.
pub(super) fn of_hyper(error: &hyper::Error) -> ErrorCode {
    let mut cause = error.source();
    while let Some(inner) = cause {
        if let Some(io) = inner.downcast_ref::<io::Error>() {
            return of_io(io);
        }
        cause = inner.source();
    }
    if error.is_incomplete_message() {
        ErrorCode::HttpResponseIncomplete
    } else if error.is_canceled() || error.is_closed() {
        ErrorCode::ConnectionTerminated
    } else {
        ErrorCode::HttpProtocolError
    }
}

fn of_io(error: &io::Error) -> ErrorCode {
    match rustls_error(error) {
        Some(tls) => of_rustls(tls),
        None if error.kind() == ErrorKind::UnexpectedEof => ErrorCode::HttpResponseIncomplete,
        None => ErrorCode::ConnectionTerminated,
    }
}

fn rustls_error(error: &io::Error) -> Option<&rustls::Error> {
    error.get_ref()?.downcast_ref()
}

fn of_rustls(error: &rustls::Error) -> ErrorCode {
    match error {
        rustls::Error::InvalidCertificate(_) | rustls::Error::NoCertificatesPresented => ErrorCode::TlsCertificateError,
        rustls::Error::AlertReceived(alert) => ErrorCode::TlsAlertReceived(TlsAlertReceivedPayload {
            alert_id: Some((*alert).into()),
            alert_message: Some(format!("{alert:?}")),
        }),
        _ => ErrorCode::TlsProtocolError,
    }
}
