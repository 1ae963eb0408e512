//! The exported log, the compliance report, and what is kept of a person.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use bytes::Bytes;
use http::{HeaderValue, StatusCode, header};
use oriel_access::compliance_markdown;
use oriel_model::audit::{AuditEntry, AuditExportEnd, AuditExportHead, ChainCheck};
use oriel_model::compliance::ComplianceReport;
use oriel_model::member::{ErasureReceipt, MemberData};
use serde::{Deserialize, Serialize};
use utoipa::IntoParams;

use crate::app::App;
use crate::extract::{Caller, Params, Query, json};
use crate::problem::Problem;

/// In which form the report is wanted.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ReportQuery {
    /// `json` or `markdown`.
    #[param(pattern = "^(json|markdown)$", default = "json")]
    format: Option<String>,
}

/// Export the audit log
///
/// The whole log as lines of JSON, oldest first: a head that names the tenant, the entries, and an end that says how many there are.
/// `oriel audit verify FILE` proves the chain without a server.
#[utoipa::path(get, path = "/api/v1/audit/export", operation_id = "exportAudit", tag = "access",
    responses((status = 200, description = "The log.", content_type = "application/x-ndjson", body = AuditEntry)))]
pub(crate) async fn export_audit(State(app): State<Arc<App>>, Caller(principal): Caller) -> Result<Response, Problem> {
    app.access.flush().await;
    let first = app.access.audit_from(&principal, 1).await?;
    let head = AuditExportHead {
        audit_export: 1,
        tenant: principal.tenant,
        at: app.clock.now(),
    };
    let begun = (app, principal.clone(), Some(first), ChainCheck::new(principal.tenant), line(&head));
    let lines = futures::stream::unfold(Some(begun), |state| async {
        let (app, principal, chunk, mut chain, mut text) = state?;
        let chunk = match chunk {
            Some(chunk) => chunk,
            None => match app.access.audit_from(&principal, chain.entries() + 1).await {
                Ok(chunk) => chunk,
                // Cut off without its end, which whoever reads it sees.
                Err(error) => return Some((Err(std::io::Error::other(error)), None)),
            },
        };
        if chunk.is_empty() {
            let end = AuditExportEnd {
                entries: chain.entries(),
                last: *chain.last(),
            };
            text.extend_from_slice(&line(&end));
            return Some((Ok(Bytes::from(text)), None));
        }
        for entry in &chunk {
            text.extend_from_slice(&line(entry));
            if let Err(reason) = chain.follow(entry) {
                // What is there is exported as it is; where it breaks is for the reader to find. Only counting needs the chain.
                tracing::error!(sequence = entry.sequence, reason, "the audit log is broken");
                chain = ChainCheck::resume(principal.tenant, entry);
            }
        }
        Some((Ok(Bytes::from(text)), Some((app, principal, None, chain, Vec::new()))))
    });
    let mut response = Response::new(Body::from_stream(futures::StreamExt::fuse(lines)));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/x-ndjson"));
    Ok(response)
}

fn line(value: &impl Serialize) -> Vec<u8> {
    let mut text = serde_json::to_vec(value).unwrap_or_default();
    text.push(b'\n');
    text
}

/// Report who may do what
///
/// Keys, users and service accounts with what they may do and when they were used last; grants of extensions; policies; and who did
/// what, how often, from when to when.
#[utoipa::path(get, path = "/api/v1/compliance/report", operation_id = "getComplianceReport", tag = "access", params(ReportQuery),
    responses((status = 200, description = "The report.", content((ComplianceReport = "application/json"), (String = "text/markdown")))))]
pub(crate) async fn get_report(
    State(app): State<Arc<App>>,
    Caller(principal): Caller,
    Query(query): Query<ReportQuery>,
) -> Result<Response, Problem> {
    let markdown = match query.format.as_deref() {
        None | Some("json") => false,
        Some("markdown") => true,
        Some(_) => return Err(Problem::invalid("`format` should be `json` or `markdown`")),
    };
    app.access.flush().await;
    let report = app.access.compliance_report(&principal).await?;
    if !markdown {
        return json(StatusCode::OK, &report);
    }
    let mut response = Response::new(compliance_markdown(&report).into());
    let kind = HeaderValue::from_static("text/markdown; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    Ok(response)
}

/// Export what is kept of a member
///
/// The member, its sessions, and its entries in the audit log. Users may export themselves.
#[utoipa::path(get, path = "/api/v1/members/{member}/data", operation_id = "exportMember", tag = "access",
    params(("member" = String, Path, description = "Its id, e-mail address or name.")),
    responses((status = 200, description = "Everything.", body = MemberData)))]
pub(crate) async fn export_member(
    State(app): State<Arc<App>>,
    Caller(principal): Caller,
    Params(id): Params<String>,
) -> Result<Response, Problem> {
    app.access.flush().await;
    json(StatusCode::OK, &app.access.export_member(&principal, &id).await?)
}

/// Erase a member
///
/// Removes it with its sessions, revokes the keys of a service account, and answers a receipt that the audit log repeats. The log
/// itself keeps the bare id.
#[utoipa::path(delete, path = "/api/v1/members/{member}/data", operation_id = "eraseMember", tag = "access",
    params(("member" = String, Path, description = "Its id, e-mail address or name.")),
    responses((status = 200, description = "What is gone.", body = ErasureReceipt)))]
pub(crate) async fn erase_member(
    State(app): State<Arc<App>>,
    Caller(principal): Caller,
    Params(id): Params<String>,
) -> Result<Response, Problem> {
    json(StatusCode::OK, &app.access.erase_member(&principal, &id).await?)
}
