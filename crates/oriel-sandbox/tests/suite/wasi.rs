//! What of WASI a guest gets.

use std::sync::Arc;
use std::time::Duration;

use oriel_model::log::LogLevel;
use oriel_sandbox::{Clock, Sandbox};

use super::support::*;

#[tokio::test]
async fn there_are_no_files_sockets_names_environment_or_arguments() {
    let (pool, _) = Setup::guest("hostile").pool();
    assert_eq!(
        answer(&pool, "look-around", "1").await,
        "\"env 0 args 0 files false sockets false names false\""
    );
}

#[tokio::test]
async fn standard_streams_go_to_the_log() {
    let (pool, traces) = Setup::guest("hostile").pool();
    let call = call("stdio", "1");
    let execution = call.execution;
    assert_eq!(shown(pool.call(call).await), "null");
    let log = traces.log.lock().unwrap();
    let lines: Vec<_> = log.iter().map(|record| (record.level, record.message.as_str())).collect();
    assert_eq!(
        lines,
        [
            (LogLevel::Info, "to stdout"),
            (LogLevel::Warn, "to stderr"),
            (LogLevel::Info, "unfinished")
        ]
    );
    assert!(log.iter().all(|record| record.execution == Some(execution)));
}

#[tokio::test]
async fn the_wall_clock_is_the_hosts() {
    struct Fixed;
    impl Clock for Fixed {
        fn unix_time(&self) -> Duration {
            Duration::from_secs(1_234_567)
        }
    }
    let mut options = options();
    options.clock = Arc::new(Fixed);
    let (pool, _) = Setup::guest("hostile").pool_in(&Sandbox::new(options).unwrap());
    assert_eq!(answer(&pool, "wall-clock", "1").await, "1234567");
}
