//! Log lines and refusals end up where people look for them.

use oriel_model::log::LogLevel;
use oriel_store::LogFilter;
use serde_json::json;

use crate::lifecycle::call;
use crate::support::{World, manifest, package};

#[tokio::test]
async fn what_a_guest_logs_is_read_by_its_tenant_alone() {
    let world = World::new().await;
    let mut manifest = manifest("hostile", "1.0.0", &["stdio", "fetch"]);
    manifest["lifecycle"] = json!(true);
    manifest["permissions"] = json!({ "keyValue": true, "network": ["api.example.com"] });
    world.install(package("hostile", manifest)).await;
    let mut wake = world.extensions.log_wakeups();
    call(&world, "hostile", "stdio", "1").await.unwrap();
    wake.changed().await.unwrap();
    let filter = LogFilter {
        extension: Some("hostile".parse().unwrap()),
        level: LogLevel::Trace,
        after: None,
        limit: 100,
    };
    let lines = world.extensions.logs(&world.owner, &filter).await.unwrap();
    assert!(!lines.is_empty());
    assert!(lines.iter().all(|line| line.execution_id.is_some()), "{lines:?}");
    let anything = LogFilter { extension: None, ..filter };
    assert!(world.extensions.logs(&world.stranger, &anything).await.unwrap().is_empty());

    // A fetch outside the grant is refused and audited once, however often it is tried.
    for _ in 0..3 {
        let _ = call(&world, "hostile", "fetch", "\"http://evil.example.com/\"").await;
    }
    world.extensions.flush().await;
    let refused = world
        .audited()
        .await
        .into_iter()
        .filter(|action| action == "permission.refused")
        .count();
    assert_eq!(refused, 1);
}
