//! What extensions took, and what that costs.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use oriel_extensions::{Prices, UsageGroups, UsageRow};
use oriel_model::Timestamp;
use oriel_model::contribution::ContributionKind;
use oriel_model::money::Money;
use oriel_store::{UsageDelta, Used};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::items::Milliseconds;
use crate::app::App;
use crate::extract::{Caller, Query, json};
use crate::problem::Problem;

const HOUR: Duration = Duration::from_secs(3_600);
/// The longest span that is added up at once.
const LONGEST: Duration = Duration::from_secs(366 * 24 * 3_600);

/// Whose usage, when.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct UsageQuery {
    /// From the hour on in which this moment lies; a day back unless said.
    from: Option<Timestamp>,
    /// Until this moment; now unless said. At most 366 days after `from`.
    to: Option<Timestamp>,
    /// By what usage is told apart, separated by commas: `extension`, `contribution`, and `hour` or `day`; `extension` unless said.
    /// `none` adds everything up.
    #[param(pattern = "^(none|(extension|contribution|hour|day)(,(extension|contribution|hour|day))*)$")]
    group_by: Option<String>,
}

/// What was taken, and what it costs.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct UsageView {
    /// The beginning of the first hour.
    from: Timestamp,
    to: Timestamp,
    /// The currency of `cost`, as the operator named it.
    #[serde(skip_serializing_if = "Option::is_none")]
    currency: Option<String>,
    /// By time, extension, kind and name.
    items: Vec<UsageItem>,
    total: Amounts,
}

/// What one group took.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct UsageItem {
    /// The beginning of the hour or day.
    #[serde(skip_serializing_if = "Option::is_none")]
    at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    extension: Option<String>,
    /// The contribution's kind.
    #[serde(skip_serializing_if = "Option::is_none")]
    kind: Option<ContributionKind>,
    /// Its name.
    #[serde(skip_serializing_if = "Option::is_none")]
    contribution: Option<String>,
    #[serde(flatten)]
    amounts: Amounts,
}

/// What was taken.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Amounts {
    calls: u64,
    /// Calls that did not succeed, whoever is to blame.
    failures: u64,
    /// Time that guest code ran, in milliseconds.
    #[schema(value_type = f64, minimum = 0)]
    cpu_ms: Milliseconds,
    /// Time from call to answer, in milliseconds.
    #[schema(value_type = f64, minimum = 0)]
    wall_ms: Milliseconds,
    host_calls: u64,
    /// Bytes of bodies sent and got over HTTP.
    outbound_bytes: u64,
    /// Tokens that went to the model.
    model_input_tokens: u64,
    /// Tokens that came from the model.
    model_output_tokens: u64,
    /// What completions of the model cost, which `cost` counts in.
    #[schema(minimum = 0)]
    model_cost: f64,
    /// What it costs by the operator's prices; absent when there are none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 0)]
    cost: Option<f64>,
}

impl Amounts {
    fn of(used: &Used, prices: &Prices) -> Self {
        Self {
            calls: used.calls,
            failures: used.failures,
            cpu_ms: Milliseconds(Duration::from_micros(used.cpu_us)),
            wall_ms: Milliseconds(Duration::from_micros(used.wall_us)),
            host_calls: used.host_calls,
            outbound_bytes: used.outbound_bytes,
            model_input_tokens: used.model_input_tokens,
            model_output_tokens: used.model_output_tokens,
            model_cost: Money(used.model_spend).units(),
            cost: (!prices.is_free() || used.model_spend > 0).then(|| prices.cost(used)),
        }
    }
}

fn groups(text: Option<&str>) -> Result<UsageGroups, Problem> {
    let mut groups = UsageGroups::default();
    let text = text.unwrap_or("extension");
    if text == "none" {
        return Ok(groups);
    }
    for word in text.split(',') {
        match word {
            "extension" => groups.extension = true,
            "contribution" => groups.contribution = true,
            "hour" => groups.hour = true,
            "day" => groups.day = true,
            _ => {
                return Err(Problem::invalid(
                    "`groupBy`: it is `none`, or some of `extension`, `contribution`, `hour` and `day`",
                ));
            }
        }
    }
    if groups.hour && groups.day {
        return Err(Problem::invalid("`groupBy`: either `hour` or `day`"));
    }
    Ok(groups)
}

/// Show what extensions took
///
/// Calls, CPU time and bytes by the hour, with what they cost by the operator's prices. Uninstalled extensions stay in it.
#[utoipa::path(get, path = "/api/v1/usage", operation_id = "getUsage", tag = "extensions", params(UsageQuery),
    responses((status = 200, description = "What they took.", body = UsageView)))]
pub(crate) async fn get_usage(
    State(app): State<Arc<App>>,
    Caller(principal): Caller,
    Query(query): Query<UsageQuery>,
) -> Result<Response, Problem> {
    let to = query.to.unwrap_or_else(|| app.clock.now().plus(Duration::from_millis(1)));
    let from = UsageDelta::hour_of(query.from.unwrap_or_else(|| to.minus(24 * HOUR)));
    if to <= from {
        return Err(Problem::invalid("`to`: it must be after the hour of `from`"));
    }
    if to.since(from) > LONGEST {
        return Err(Problem::invalid("`from`: it may lie 366 days before `to` at most"));
    }
    let groups = groups(query.group_by.as_deref())?;
    let rows = app.extensions.usage(&principal, from, to, groups).await?;
    let prices = app.config.prices();
    let total = rows.iter().fold(Used::default(), |sum, row| sum.plus(row.used));
    let items = rows.into_iter().map(|row| {
        let UsageRow {
            at,
            extension,
            contribution,
            used,
        } = row;
        let (kind, contribution) = contribution.unzip();
        UsageItem {
            at,
            extension: extension.map(|name| name.to_string()),
            kind,
            contribution: contribution.map(|name| name.to_string()),
            amounts: Amounts::of(&used, &prices),
        }
    });
    let view = UsageView {
        from,
        to,
        currency: app.config.prices_currency.clone().filter(|_| !prices.is_free()),
        items: items.collect(),
        total: Amounts::of(&total, &prices),
    };
    json(StatusCode::OK, &view)
}
