//! What the server says of itself: the document of its API.

use std::path::PathBuf;

use crate::files::Generated;

/// `schemas/openapi.json`.
pub(crate) fn files() -> Vec<Generated> {
    vec![Generated {
        path: PathBuf::from("schemas/openapi.json"),
        text: format!("{:#}\n", oriel_server::openapi_document()),
    }]
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_document_has_the_operations() {
        let document = oriel_server::openapi_document();
        assert_eq!(document["openapi"].as_str().and_then(|version| version.get(..3)), Some("3.1"));
        assert!(document["paths"].as_object().is_some_and(|paths| !paths.is_empty()));
    }
}
