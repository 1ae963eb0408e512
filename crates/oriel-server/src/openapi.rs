//! The OpenAPI document: shapes from the handlers' annotations, and from the table of operations what no annotation can
//! be trusted to repeat: who may call, which errors come, which headers count.

use std::sync::OnceLock;

use http::HeaderValue;
use oriel_model::{Digest, ErrorCode};
use serde_json::{Map, Value, json};

use crate::api;
use crate::operations::{Allowed, OPERATIONS, Operation, Takes};
use crate::problem::{MEDIA_TYPE, ProblemBody, ProblemPlace};

/// What does not belong to an operation.
#[derive(utoipa::OpenApi)]
#[openapi(
    info(
        title = "Oriel",
        description = "Runs other people's code safely beside yours. Every list is `{items, nextCursor}`; every error is a problem document (RFC 9457) with a stable `code`; ids of other tenants answer 404.",
        license(name = "Apache-2.0", identifier = "Apache-2.0"),
    ),
    servers((url = "/", description = "This server.")),
    tags(
        (name = "tasks", description = "Typed functions that hosts call: one by one, in batches, as a stream."),
        (name = "collections", description = "Documents that extensions keep."),
        (name = "hooks", description = "Extension points that a host declares and fires."),
        (name = "jobs", description = "Durable work of extensions."),
        (name = "bindings", description = "Which contribution is attached to which task, hook or event, and what there is to attach."),
        (name = "executions", description = "The record of every call."),
        (name = "extensions", description = "What is installed for the tenant."),
        (name = "access", description = "Keys, tenants, the audit log."),
        (name = "system", description = "Health, metrics, this document."),
    ),
    components(schemas(ProblemBody, ProblemPlace)),
)]
pub(crate) struct Base;

/// The document as it is served.
#[must_use]
pub fn document() -> Value {
    let (_, openapi) = api::operations().split_for_parts();
    let mut document = serde_json::to_value(openapi).unwrap_or_default();
    document["components"]["securitySchemes"] = json!({
        "key": {
            "type": "http",
            "scheme": "bearer",
            "bearerFormat": "oriel_…",
            "description": "An API key of the tenant. The first start of a server prints the owner's.",
        }
    });
    for operation in OPERATIONS {
        if let Some(node) = document["paths"][operation.path].get_mut(operation.method.to_ascii_lowercase()) {
            complete(node, operation);
        }
    }
    document
}

/// The bytes that are served and their tag.
pub(crate) fn bytes() -> (&'static [u8], &'static HeaderValue) {
    static BYTES: OnceLock<(Vec<u8>, HeaderValue)> = OnceLock::new();
    let (body, tag) = BYTES.get_or_init(|| {
        let body = serde_json::to_vec(&document()).unwrap_or_default();
        let tag = format!("\"{}\"", &Digest::of(&body).hex()[..16]);
        let tag = HeaderValue::from_str(&tag).unwrap_or(HeaderValue::from_static("\"0\""));
        (body, tag)
    });
    (body, tag)
}

fn complete(node: &mut Value, operation: &Operation) {
    if operation.allowed == Allowed::Everybody {
        node["security"] = json!([]);
    } else {
        node["security"] = json!([{ "key": [] }]);
    }
    if let Allowed::With(scope) = operation.allowed {
        node["x-scope"] = scope.as_str().into();
        let text = node["description"].as_str().unwrap_or_default().to_owned();
        let role = oriel_model::access::Role::needed_for(scope);
        node["description"] = format!("{text}\n\nNeeds the scope `{scope}` (role {role} or above).").into();
    }
    parameters(node, operation);
    if operation.takes == Takes::Package {
        // Bytes on the wire, which no annotation can say: a list of numbers is what the handler's type looks like.
        for (_, content) in node["requestBody"]["content"].as_object_mut().into_iter().flatten() {
            content["schema"] = json!({"type": "string", "format": "binary"});
        }
    }
    let responses = &mut node["responses"];
    for (_, reply) in responses.as_object_mut().into_iter().flatten() {
        reply["headers"]["X-Request-Id"] = json!({"description": "Names this request in logs and problems.", "schema": {"type": "string"}});
        if operation.keyed {
            reply["headers"]["Idempotency-Replayed"] =
                json!({"description": "Present when this is the kept reply of an earlier request.", "schema": {"const": "true"}});
        }
    }
    let mut by_status: Map<String, Value> = Map::new();
    for code in operation.codes() {
        let list = by_status.entry(code.status().to_string()).or_insert_with(|| json!([]));
        if let Some(list) = list.as_array_mut() {
            list.push(code.as_str().into());
        }
    }
    for (status, codes) in by_status {
        let known = responses.get(&status).cloned();
        responses[&status] = problem_response(&status, &codes, known);
    }
}

fn parameters(node: &mut Value, operation: &Operation) {
    // A parameter is there or it is not: only bodies have a null.
    for parameter in node.get_mut("parameters").and_then(Value::as_array_mut).into_iter().flatten() {
        if let Some([one, null]) = parameter["schema"]["type"].as_array().map(Vec::as_slice)
            && null == "null"
        {
            parameter["schema"]["type"] = one.clone();
        }
    }
    let mut add = |name: &str, description: &str, schema: Value| {
        let parameter = json!({"name": name, "in": "header", "required": false, "description": description, "schema": schema});
        match node.get_mut("parameters").and_then(Value::as_array_mut) {
            Some(list) => list.push(parameter),
            None => node["parameters"] = json!([parameter]),
        }
    };
    if operation.keyed {
        add(
            "Idempotency-Key",
            "Chosen by the client, one for each piece of work: repeating the request answers what the first one answered.",
            json!({"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"}),
        );
    }
    if operation.codes().contains(&ErrorCode::PreconditionFailed) {
        add(
            "If-Match",
            "The ETag of the revision to change; without it, whichever is current.",
            json!({"type": "string", "pattern": "^(\\*|\"[0-9]{1,19}\")$", "examples": ["\"3\""]}),
        );
    }
}

/// The problem with these codes, beside what else this status may carry (health answers 503 without a problem).
fn problem_response(status: &str, codes: &Value, known: Option<Value>) -> Value {
    let list: Vec<&str> = codes.as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let titles: Vec<String> = list
        .iter()
        .filter_map(|text| ErrorCode::from_text(text))
        .map(|code| format!("- `{code}`: {}", code.title()))
        .collect();
    let mut response = known.unwrap_or_else(|| json!({"description": ""}));
    let text = response["description"].as_str().unwrap_or_default();
    let gap = if text.is_empty() { "" } else { "\n\n" };
    response["description"] = format!("{text}{gap}{}", titles.join("\n")).into();
    let first = list
        .first()
        .and_then(|text| ErrorCode::from_text(text))
        .unwrap_or(ErrorCode::Internal);
    response["content"][MEDIA_TYPE] = json!({
        "schema": {
            "allOf": [{"$ref": "#/components/schemas/Problem"}],
            "properties": {"code": {"enum": list}, "status": {"const": status.parse::<u16>().unwrap_or_default()}},
        },
        "example": {
            "type": format!("/docs/errors/{first}"),
            "title": first.title(),
            "status": first.status(),
            "detail": first.title(),
            "code": first.as_str(),
            "blame": first.blame().as_str(),
            "retryable": first.retryable(),
            "requestId": "01jd3yq8m3v5n4x2c7b9k0r6ts",
        },
    });
    response["headers"]["X-Request-Id"] = json!({"description": "Names this request in logs and problems.", "schema": {"type": "string"}});
    if matches!(status, "429" | "503") {
        response["headers"]["Retry-After"] = json!({"description": "Seconds.", "schema": {"type": "integer", "minimum": 1}});
    }
    if status == "401" {
        response["headers"]["WWW-Authenticate"] = json!({"schema": {"type": "string"}});
    }
    response
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_table_and_the_handlers_name_the_same_operations() {
        let (_, openapi) = api::operations().split_for_parts();
        let document = serde_json::to_value(openapi).unwrap();
        let mut annotated = BTreeSet::new();
        for (path, item) in document["paths"].as_object().unwrap() {
            for (method, operation) in item.as_object().unwrap() {
                let id = operation["operationId"].as_str().unwrap().to_owned();
                assert!(operation["summary"].is_string(), "{id} has no summary");
                let has_body = !operation["requestBody"].is_null();
                let row = OPERATIONS
                    .iter()
                    .find(|row| row.id == id)
                    .unwrap_or_else(|| panic!("{id} is not in the table"));
                assert_eq!(
                    has_body,
                    row.takes != Takes::Nothing,
                    "{id}: the table and the annotation disagree on the body"
                );
                annotated.insert((id, method.to_ascii_uppercase(), path.clone()));
            }
        }
        let listed: BTreeSet<_> = OPERATIONS
            .iter()
            .map(|row| (row.id.to_owned(), row.method.to_owned(), row.path.to_owned()))
            .collect();
        assert_eq!(annotated, listed);
    }
}
