//! The registry of capabilities.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use oriel_extensions::{ContributionFilter, ContributionStatus};
use oriel_model::ErrorCode;
use oriel_model::contribution::{Contribution, ContributionKind};
use oriel_model::id::BindingId;
use oriel_model::installation::InstallationState;
use oriel_model::name::ExtensionName;
use oriel_model::page::Page;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::app::App;
use crate::extract::{Caller, Params, Query, json, page};
use crate::problem::Problem;

/// Which contributions.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ContributionQuery {
    /// Of this kind.
    kind: Option<ContributionKind>,
    /// Of this extension.
    extension: Option<ExtensionName>,
    /// Words that must all be found in its name, description, hook, event types or path, or in its extension's name or tags.
    q: Option<String>,
    /// The longest page wanted.
    #[param(minimum = 1, maximum = 1000, default = 50)]
    limit: Option<u32>,
    /// `nextCursor` of the page before.
    cursor: Option<String>,
}

/// A contribution, and where it is bound.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ShownContribution {
    /// The extension.
    extension: ExtensionName,
    /// The version that runs.
    #[schema(value_type = String, example = "1.2.0")]
    version: semver::Version,
    /// Whether the installation answers.
    state: InstallationState,
    #[serde(flatten)]
    contribution: Contribution,
    /// Where it is bound, in the order of bindings.
    bindings: Vec<BoundAt>,
}

/// One place where a contribution is bound.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct BoundAt {
    binding_id: BindingId,
    /// The task, hook or event type.
    point: String,
    enabled: bool,
    priority: i32,
}

impl From<ContributionStatus> for ShownContribution {
    fn from(status: ContributionStatus) -> Self {
        let bindings = status.bindings.into_iter().map(|binding| BoundAt {
            binding_id: binding.id,
            point: binding.point,
            enabled: binding.terms.enabled,
            priority: binding.terms.priority,
        });
        Self {
            extension: status.extension,
            version: status.version,
            state: status.state,
            contribution: status.contribution,
            bindings: bindings.collect(),
        }
    }
}

/// List contributions
///
/// Everything that the tenant's extensions contribute, by extension, kind and name, as it is now.
#[utoipa::path(get, path = "/api/v1/contributions", operation_id = "listContributions", tag = "bindings", params(ContributionQuery),
    responses((status = 200, description = "A page of contributions.", body = Page<ShownContribution>)))]
pub(crate) async fn list_contributions(
    State(app): State<Arc<App>>,
    Caller(principal): Caller,
    Query(query): Query<ContributionQuery>,
) -> Result<Response, Problem> {
    let filter = ContributionFilter {
        kind: query.kind,
        extension: query.extension,
        words: Vec::new(),
    };
    let filter = filter.search(&query.q.unwrap_or_default());
    let page = page(query.limit, query.cursor)?;
    let page = app.extensions.contributions(&principal, &filter, &page).await?;
    json(StatusCode::OK, &page.map(ShownContribution::from))
}

/// Show a contribution
///
/// With its schemas.
#[utoipa::path(get, path = "/api/v1/contributions/{extension}/{kind}/{name}", operation_id = "getContribution", tag = "bindings",
    params(("extension" = String, Path, description = "The extension's name."),
        ("kind" = String, Path, description = "The kind, such as `validator`."), ("name" = String, Path, description = "The contribution's name.")),
    responses((status = 200, description = "The contribution.", body = ShownContribution)))]
pub(crate) async fn get_contribution(
    State(app): State<Arc<App>>,
    Caller(principal): Caller,
    Params((extension, kind, name)): Params<(String, String, String)>,
) -> Result<Response, Problem> {
    let kind = ContributionKind::from_text(&kind).ok_or_else(|| {
        let kinds = ContributionKind::ALL.map(ContributionKind::as_str).join(", ");
        let detail = format!(
            "there is no kind `{}`; the kinds are {kinds}",
            kind.chars().take(32).collect::<String>()
        );
        Problem::new(ErrorCode::ContributionNotFound, detail)
    })?;
    let contribution = app.extensions.contribution(&principal, &extension, kind, &name).await?;
    json(StatusCode::OK, &ShownContribution::from(contribution))
}
