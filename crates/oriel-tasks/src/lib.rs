//! Tasks, executions, batches and streams.
