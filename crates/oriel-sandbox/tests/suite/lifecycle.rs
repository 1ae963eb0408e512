//! Start, health, configuration, end.

use oriel_model::manifest::Reuse;

use super::support::*;

fn configured(config: &str) -> Setup {
    Setup::guest("hostile").with(|spec| {
        spec.lifecycle = true;
        spec.config = config.into();
    })
}

#[tokio::test]
async fn what_goes_wrong_in_initialize_is_told() {
    for (config, words) in [
        (r#"{"initialize":"trap"}"#, "wasm `unreachable`"),
        (r#"{"initialize":"error"}"#, "`initialize` answered: not today"),
    ] {
        let (pool, _) = configured(config).pool();
        let told = answer(&pool, "echo", "1").await;
        assert!(told.starts_with("extension.start_failed: ") && told.contains(words), "{told}");
        assert_eq!(pool.stats().busy, 0, "nothing is left behind");
    }
    // Without `lifecycle` in the manifest nobody asks it.
    let (pool, _) = Setup::guest("hostile")
        .with(|spec| spec.config = r#"{"initialize":"trap"}"#.into())
        .pool();
    assert_eq!(answer(&pool, "echo", "1").await, "1");
}

#[tokio::test]
async fn health() {
    let (pool, _) = configured("{}").pool();
    let health = pool.health_check().await.unwrap();
    assert!(health.healthy);
    assert_eq!(health.detail.as_deref(), Some("as configured"));
    let (pool, _) = configured(r#"{"ill":true}"#).pool();
    assert!(!pool.health_check().await.unwrap().healthy);
    let (pool, _) = Setup::guest("echo").pool();
    assert!(
        pool.health_check().await.unwrap().healthy,
        "without `lifecycle`, an instance is enough"
    );
}

#[tokio::test]
async fn configurations_are_judged() {
    let (pool, _) = configured("{}").pool();
    assert!(pool.check_config("{}").await.unwrap().is_empty());
    let problems = pool.check_config(r#"{"bad":1}"#).await.unwrap();
    assert_eq!((problems[0].path.as_str(), problems[0].message.as_str()), ("/bad", "is bad"));
}

#[tokio::test]
async fn an_instance_is_told_of_its_end() {
    let (pool, traces) = configured("{}").pool();
    assert_eq!(answer(&pool, "echo", "1").await, "1");
    pool.drain().await;
    assert_eq!(traces.lines(), ["shut down"]);

    let (pool, traces) = configured("{}").with(|spec| spec.reuse = Reuse::Fresh).pool();
    assert_eq!(answer(&pool, "echo", "1").await, "1");
    // It ends on another thread.
    while traces.lines().is_empty() {
        tokio::task::yield_now().await;
    }
    assert_eq!(traces.lines(), ["shut down"]);

    let (pool, traces) = configured("{}").pool();
    assert!(answer(&pool, "trap", "1").await.starts_with("execution.trapped"));
    pool.drain().await;
    assert!(!traces.lines().contains(&"shut down".to_owned()), "never after a trap");
}
