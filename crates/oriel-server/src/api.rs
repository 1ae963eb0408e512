//! The handlers: from requests to the services and back. No rule lives here.

mod access;
mod anomalies;
mod batches;
mod bindings;
mod canary;
mod collections;
mod compliance;
mod contributions;
mod docs;
mod dto;
mod executions;
mod extensions;
mod health;
mod hooks;
mod items;
mod jobs;
mod logs;
mod members;
mod pieces;
mod policies;
mod remote;
mod routes;
mod samples;
mod secrets;
mod sign_in;
mod sse;
mod stream;
mod system;
mod tasks;
mod tenant_document;
mod usage;
mod validation;

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::routing::get;
use tower_http::compression::CompressionLayer;
use tower_http::compression::predicate::{NotForContentType, Predicate as _, SizeAbove};
use utoipa::OpenApi as _;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::App;
use crate::openapi::Base;

/// Every operation with its documentation.
pub(crate) fn operations() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::with_openapi(Base::openapi())
        .merge(compressed(
            OpenApiRouter::new()
                .routes(routes!(system::get_health))
                .routes(routes!(system::get_metrics))
                .routes(routes!(system::get_open_api))
                .routes(routes!(access::get_me))
                .routes(routes!(access::list_keys, access::create_key))
                .routes(routes!(access::revoke_key))
                .routes(routes!(access::list_tenants, access::create_tenant))
                .routes(routes!(access::list_audit))
                .routes(routes!(access::verify_audit))
                .routes(routes!(access::get_quotas, access::set_quotas))
                .routes(routes!(tenant_document::get_tenant_open_api))
                .routes(routes!(policies::list_policies))
                .routes(routes!(policies::get_policy, policies::put_policy, policies::delete_policy))
                .routes(routes!(policies::get_policy_schema))
                .routes(routes!(policies::check_access))
                .routes(routes!(members::list_members, members::add_member))
                .routes(routes!(members::get_member, members::change_member, members::remove_member))
                .routes(routes!(compliance::export_audit))
                .routes(routes!(compliance::get_report))
                .routes(routes!(compliance::export_member, compliance::erase_member))
                .routes(routes!(members::list_sessions))
                .routes(routes!(members::end_session))
                .routes(routes!(sign_in::sign_in))
                .routes(routes!(sign_in::sign_in_callback))
                .routes(routes!(sign_in::get_session))
                .routes(routes!(sign_in::sign_out))
                .routes(routes!(extensions::install_extension, extensions::list_extensions))
                .routes(routes!(extensions::get_extension, extensions::uninstall_extension))
                .routes(routes!(extensions::enable_extension))
                .routes(routes!(extensions::disable_extension))
                .routes(routes!(extensions::upgrade_extension))
                .routes(routes!(extensions::roll_back_extension))
                .routes(routes!(extensions::consent_to_extension))
                .routes(routes!(extensions::get_extension_config, extensions::set_extension_config))
                .routes(routes!(extensions::set_extension_limits))
                .routes(routes!(secrets::list_extension_secrets))
                .routes(routes!(secrets::set_extension_secret, secrets::remove_extension_secret))
                .routes(routes!(remote::set_extension_remote))
                .routes(routes!(remote::rotate_extension_secret))
                .routes(routes!(extensions::inspect_package))
                .routes(routes!(routes::list_extension_routes))
                .routes(routes!(health::get_extension_health))
                .routes(routes!(health::release_extension))
                .routes(routes!(usage::get_usage))
                .routes(routes!(health::get_extension_budgets, health::set_extension_budgets))
                .routes(routes!(health::get_extension_health_policy, health::set_extension_health_policy))
                .routes(routes!(anomalies::list_anomalies))
                .routes(routes!(anomalies::get_anomaly))
                .routes(routes!(anomalies::acknowledge_anomaly))
                .routes(routes!(anomalies::dismiss_anomaly))
                .routes(routes!(anomalies::get_extension_baseline))
                .routes(routes!(anomalies::report_incident))
                .routes(routes!(
                    canary::start_canary,
                    canary::get_canary,
                    canary::change_canary,
                    canary::roll_back_canary
                ))
                .routes(routes!(canary::promote_canary))
                .routes(routes!(validation::validate_execution))
                .routes(routes!(validation::validate_batch))
                .routes(routes!(validation::get_recommendations))
                .routes(routes!(logs::get_extension_logs))
                .routes(routes!(bindings::create_binding, bindings::list_bindings))
                .routes(routes!(bindings::get_binding, bindings::update_binding, bindings::delete_binding))
                .routes(routes!(bindings::list_conflicts))
                .routes(routes!(collections::list_collections))
                .routes(routes!(collections::query_documents))
                .routes(routes!(collections::count_documents))
                .routes(routes!(collections::export_documents))
                .routes(routes!(
                    collections::get_document,
                    collections::put_document,
                    collections::delete_document
                ))
                .routes(routes!(contributions::list_contributions))
                .routes(routes!(contributions::get_contribution))
                .routes(routes!(tasks::create_task, tasks::list_tasks))
                .routes(routes!(tasks::get_task, tasks::update_task, tasks::delete_task))
                .routes(routes!(hooks::list_hooks))
                .routes(routes!(hooks::list_undelivered))
                .routes(routes!(hooks::redeliver))
                .routes(routes!(hooks::put_hook, hooks::get_hook, hooks::delete_hook))
                .routes(routes!(samples::list_samples))
                .routes(routes!(samples::summarize_samples))
                .routes(routes!(samples::get_sample))
                .routes(routes!(jobs::run_job))
                .routes(routes!(jobs::list_job_runs))
                .routes(routes!(jobs::get_job_run))
                .routes(routes!(jobs::cancel_job_run))
                .routes(routes!(jobs::retry_job_run))
                .routes(routes!(batches::get_batch))
                .routes(routes!(batches::follow_batch))
                .routes(routes!(executions::list_executions))
                .routes(routes!(executions::get_execution)),
        ))
        .routes(routes!(tasks::execute_task))
        .routes(routes!(tasks::call_program))
        .routes(routes!(hooks::fire_hook))
        .routes(routes!(batches::execute_batch))
        .routes(routes!(stream::execute_stream))
        .routes(routes!(remote::make_host_call))
}

/// The router that the edge calls.
pub(crate) fn router(app: Arc<App>) -> Router {
    let (router, _) = operations().split_for_parts();
    let pages = Router::new()
        .route("/", get(docs::home))
        .route("/api/docs", get(docs::reference_home))
        .route("/api/docs/", get(docs::reference_index))
        .route("/api/docs/{*file}", get(docs::reference))
        .route("/docs/errors", get(docs::errors))
        .route("/docs/errors/{code}", get(docs::error));
    // The edge and the extractors limit bodies by operation.
    router.merge(pages).layer(DefaultBodyLimit::disable()).with_state(app)
}

/// Replies that are worth compressing are, for clients that ask. Calls of programs are not among them: they are
/// short, and time matters more.
fn compressed(router: OpenApiRouter<Arc<App>>) -> OpenApiRouter<Arc<App>> {
    let predicate = SizeAbove::new(1_024).and(NotForContentType::SSE);
    router.layer(CompressionLayer::new().gzip(true).compress_when(predicate))
}

/// Adds the ETag of a revision.
fn tag(response: &mut axum::response::Response, revision: u64) {
    let tag = http::HeaderValue::from_str(&format!("\"{revision}\"")).expect("digits in quotes are a header value");
    response.headers_mut().insert(http::header::ETAG, tag);
}
