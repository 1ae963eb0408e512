//! Behaviour of tasks, executions, batches and streams, with real guests.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[path = "suite/batch.rs"]
mod batch;
#[path = "suite/canary.rs"]
mod canary;
#[path = "suite/execute.rs"]
mod execute;
#[path = "suite/journal.rs"]
mod journal;
#[path = "suite/judging.rs"]
mod judging;
#[path = "suite/manage.rs"]
mod manage;
#[path = "suite/recommend.rs"]
mod recommend;
#[path = "suite/records.rs"]
mod records;
#[path = "suite/stream.rs"]
mod stream;
#[path = "../../oriel-extensions/tests/suite/support.rs"]
mod support;
#[path = "suite/validate.rs"]
mod validate;
