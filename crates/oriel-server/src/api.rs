//! The handlers: from requests to the services and back. No rule lives here.

mod access;
mod batches;
mod docs;
mod dto;
mod executions;
mod extensions;
mod items;
mod logs;
mod pieces;
mod sse;
mod stream;
mod system;
mod tasks;

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
                .routes(routes!(extensions::install_extension, extensions::list_extensions))
                .routes(routes!(extensions::get_extension, extensions::uninstall_extension))
                .routes(routes!(extensions::enable_extension))
                .routes(routes!(extensions::disable_extension))
                .routes(routes!(extensions::upgrade_extension))
                .routes(routes!(extensions::roll_back_extension))
                .routes(routes!(extensions::consent_to_extension))
                .routes(routes!(extensions::get_extension_config, extensions::set_extension_config))
                .routes(routes!(extensions::set_extension_limits))
                .routes(routes!(extensions::inspect_package))
                .routes(routes!(logs::get_extension_logs))
                .routes(routes!(tasks::create_task, tasks::list_tasks))
                .routes(routes!(tasks::get_task, tasks::update_task, tasks::delete_task))
                .routes(routes!(batches::get_batch))
                .routes(routes!(batches::follow_batch))
                .routes(routes!(executions::list_executions))
                .routes(routes!(executions::get_execution)),
        ))
        .routes(routes!(tasks::execute_task))
        .routes(routes!(tasks::call_program))
        .routes(routes!(batches::execute_batch))
        .routes(routes!(stream::execute_stream))
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
