//! From method and path to the operation, its metrics, or what to say instead.

use std::collections::BTreeMap;

use http::{HeaderValue, Method};

use crate::metrics::{Metrics, RouteMetrics};
use crate::operations::{OPERATIONS, Operation};

/// One operation with its metrics, found once at start so that no request looks up a label.
pub(super) struct Route {
    pub operation: &'static Operation,
    pub metrics: RouteMetrics,
}

struct PathEntry {
    routes: Vec<(Method, Route)>,
    allow: HeaderValue,
}

pub(super) struct Routes {
    paths: matchit::Router<PathEntry>,
}

pub(super) enum Found<'a> {
    Route(&'a Route),
    /// A page for people: no operation of the API.
    Page,
    /// The path exists with these methods.
    OtherMethods(&'a HeaderValue),
    Nothing,
}

impl Routes {
    pub(super) fn new(metrics: &Metrics) -> Self {
        let mut by_path: BTreeMap<&str, Vec<(Method, Route)>> = BTreeMap::new();
        for operation in OPERATIONS {
            let method = Method::from_bytes(operation.method.as_bytes()).expect("the table names HTTP methods");
            let metrics = metrics.route(operation);
            by_path
                .entry(operation.path)
                .or_default()
                .push((method, Route { operation, metrics }));
        }
        let mut paths = matchit::Router::new();
        for (path, routes) in by_path {
            let mut methods: Vec<&str> = routes.iter().map(|(method, _)| method.as_str()).collect();
            if methods.contains(&"GET") {
                methods.push("HEAD");
            }
            let allow = HeaderValue::from_str(&methods.join(", ")).expect("methods are visible ASCII");
            paths
                .insert(path, PathEntry { routes, allow })
                .expect("the table's paths do not contradict each other");
        }
        Self { paths }
    }

    pub(super) fn find(&self, method: &Method, path: &str) -> Found<'_> {
        let Ok(found) = self.paths.at(path) else {
            let page = path == "/" || path == "/api/docs" || path.starts_with("/api/docs/") || path.starts_with("/docs/errors");
            return if page && matches!(*method, Method::GET | Method::HEAD) {
                Found::Page
            } else {
                Found::Nothing
            };
        };
        let wanted = if *method == Method::HEAD { &Method::GET } else { method };
        match found.value.routes.iter().find(|(method, _)| method == wanted) {
            Some((_, route)) => Found::Route(route),
            None => Found::OtherMethods(&found.value.allow),
        }
    }
}
