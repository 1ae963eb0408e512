//! Keeps documents: each program is one function of the interface, and answers what came of it, errors included, as JSON.

wit_bindgen::generate!({
    path: "../../../wit",
    inline: "package test:keeper; world keeper {
        import oriel:extension/context@0.1.0;
        import oriel:extension/collections@0.1.0;
        export oriel:extension/program@0.1.0;
    }",
    generate_all,
});

use exports::oriel::extension::program::{Error, Guest};
use oriel::extension::collections::{self as store, Change, Document, Failure, Operation, Query};
use oriel::extension::context;
use serde_json::{Value, json};

struct Keeper;

fn words(error: &Error) -> String {
    match error {
        Error::InvalidInput(message) => format!("invalid-input: {message}"),
        Error::Unavailable(message) => format!("unavailable: {message}"),
        Error::Denied(message) => format!("denied: {message}"),
        Error::LimitExceeded(message) => format!("limit-exceeded: {message}"),
        Error::DeadlineExceeded => "deadline-exceeded".to_owned(),
        Error::Internal(message) => format!("internal: {message}"),
    }
}

fn failed(failure: &Failure) -> String {
    match failure {
        Failure::NotFound => "not-found".to_owned(),
        Failure::Exists => "exists".to_owned(),
        Failure::Conflict(actual) => format!("conflict: {actual}"),
        Failure::Duplicate(index) => format!("duplicate: {index}"),
        Failure::Invalid(problems) => {
            let problems: Vec<_> = problems
                .iter()
                .map(|problem| format!("{} {}", problem.path, problem.message))
                .collect();
            format!("invalid: {}", problems.join("; "))
        }
        Failure::Other(error) => words(error),
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// JSON that is given as a text is passed on as it is.
fn raw(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn document(document: Document) -> Value {
    let body: Value = serde_json::from_str(&document.body).unwrap_or_default();
    json!({ "id": document.id, "version": document.version, "body": body })
}

fn operation(input: &Value) -> Operation {
    let expected = input["expected"].as_u64();
    let body = raw(&input["body"]);
    Operation {
        collection: text(&input["collection"]),
        id: input["id"].as_str().map(str::to_owned),
        change: match input["op"].as_str().unwrap_or_default() {
            "put" => Change::Put(body),
            "replace" => Change::Replace((body, expected)),
            "patch" => Change::Patch((body, expected)),
            "delete" => Change::Delete(expected),
            "check" => Change::Check(expected),
            _ => Change::Insert(body),
        },
    }
}

fn filter(input: &Value) -> Option<String> {
    (!input["filter"].is_null()).then(|| raw(&input["filter"]))
}

impl Guest for Keeper {
    fn execute(name: String, input: String) -> Result<String, Error> {
        let input: Value = serde_json::from_str(&input).map_err(|error| Error::InvalidInput(error.to_string()))?;
        let collection = text(&input["collection"]);
        let answer = match name.as_str() {
            "who" => Ok(json!({ "user": context::user() })),
            "get" => store::get(&collection, &text(&input["id"])).map(|found| json!({ "document": found.map(document) })),
            "find" => {
                let order = input["order"].as_array().map(Vec::as_slice).unwrap_or_default();
                let query = Query {
                    filter: filter(&input),
                    order: order.iter().map(text).collect(),
                    limit: input["limit"].as_u64().and_then(|limit| u32::try_from(limit).ok()).unwrap_or(100),
                    cursor: input["cursor"].as_str().map(str::to_owned),
                };
                store::find(&collection, &query).map(|page| {
                    let documents: Vec<Value> = page.documents.into_iter().map(document).collect();
                    json!({ "documents": documents, "next": page.next_cursor })
                })
            }
            "count" => store::count(&collection, filter(&input).as_deref()).map(|count| json!({ "count": count })),
            "write" => {
                return Ok(match store::write(&operation(&input)) {
                    Ok(written) => json!({ "id": written.id, "version": written.version }),
                    Err(failure) => json!({ "error": failed(&failure) }),
                }
                .to_string());
            }
            "transact" => {
                let operations: Vec<Operation> = input["operations"].as_array().into_iter().flatten().map(operation).collect();
                return Ok(match store::transact(&operations) {
                    Ok(written) => json!({ "versions": written.iter().map(|written| written.version).collect::<Vec<_>>() }),
                    Err(refusal) => json!({ "operation": refusal.operation, "error": failed(&refusal.reason) }),
                }
                .to_string());
            }
            _ => Err(Error::InvalidInput(format!("there is no program `{name}`"))),
        };
        Ok(answer.unwrap_or_else(|error| json!({ "error": words(&error) })).to_string())
    }
}

export!(Keeper);
