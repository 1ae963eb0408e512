//! Not built yet.

use super::{Built, Job};
use crate::error::{AuthorError, Result};

pub(super) fn build(_job: &Job<'_>) -> Result<Built> {
    Err(AuthorError::Project {
        message: "this language cannot be built yet".to_owned(),
    })
}
