//! Outbound HTTP through `wasi:http`. Needs the host in `network` under `[permissions]`.
//!
//! ```ignore
//! let user: User = http::get("https://api.example.com/user").header("accept", "application/json").send()?.json()?;
//! ```
