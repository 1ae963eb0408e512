//! Calls of other extensions and measurements, as far as the sandbox has a part in them.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use oriel_model::access::PrincipalId;
use oriel_model::id::KeyId;
use oriel_model::permissions::Permissions;
use oriel_sandbox::*;
use serde_json::{Value, json};

use super::support::*;

/// Calls between pools, by the names of their extensions, and what was asked for.
#[derive(Default)]
struct Desk {
    pools: Mutex<BTreeMap<String, Pool>>,
    calls: Mutex<Vec<GuestCall>>,
}

#[async_trait::async_trait]
impl Calls for Desk {
    async fn execute(&self, call: GuestCall) -> Result<String, GuestError> {
        self.calls.lock().unwrap().push(call.clone());
        let pool = self.pools.lock().unwrap().get(call.extension.as_str()).cloned();
        let Some(pool) = pool else { return Ok(call.input) };
        let ask = Ask {
            principal: call.principal,
            traceparent: call.traceparent.as_deref(),
            timeout: Some(call.timeout),
            dry_run: call.dry_run,
            caller: Some(&call.caller),
            ..Ask::new(call.program.as_str(), execution())
        };
        let outcome = pool.execute(&ask, &call.input).await;
        outcome.result.map_err(|error| GuestError::Internal(error.to_string()))
    }
}

impl Desk {
    /// The guest `caller` under a name, with leave to call these.
    fn add(self: &Arc<Self>, name: &str, call: &[&str]) -> (Pool, Arc<Traces>) {
        let desk: Arc<dyn Calls> = self.clone();
        let setup = Setup::guest("caller").with(|spec| {
            spec.extension = name.parse().unwrap();
            spec.grant.call = call.iter().map(|pattern| pattern.parse().unwrap()).collect();
            spec.services.calls = desk;
        });
        let (pool, traces) = setup.pool();
        self.pools.lock().unwrap().insert(name.to_owned(), pool.clone());
        (pool, traces)
    }
}

fn to(program: &str, input: &Value) -> String {
    json!({ "to": program, "input": input }).to_string()
}

async fn tried(pool: &Pool, program: &str, input: &Value) -> Value {
    serde_json::from_str(&answer(pool, "try", &to(program, input)).await).unwrap()
}

/// Waits for a condition that comes about by itself.
async fn until(what: &str, condition: impl Fn() -> bool) {
    let wait = async {
        while !condition() {
            tokio::task::yield_now().await;
        }
    };
    within(what, wait).await;
}

/// Nothing here may hang.
async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    let result = tokio::time::timeout(Duration::from_secs(60), future).await;
    result.unwrap_or_else(|_| panic!("{what}: it hangs"))
}

#[tokio::test]
async fn a_call_passes_on_who_calls_for_whom_and_how_long() {
    let desk = Arc::<Desk>::default();
    let (shop, _) = desk.add("shop", &["geo/*"]);
    desk.add("geo", &[]);
    let principal = PrincipalId::from(KeyId::from_ulid(ulid::Ulid::from_parts(1, 8)));
    let trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let input = to("geo/who", &json!(null));
    let id = execution();
    let ask = Ask {
        principal: Some(principal),
        traceparent: Some(trace),
        timeout: Some(Duration::from_secs(20)),
        ..Ask::new("call", id)
    };
    let seen: Value = serde_json::from_str(&shop.execute(&ask, &input).await.result.unwrap()).unwrap();
    assert_eq!(
        seen["caller"],
        json!({ "extension": "shop", "version": "1.2.3", "principal": principal.to_string() })
    );
    assert_eq!(
        (&seen["extension"], &seen["principal"], &seen["traceparent"], &seen["task"]),
        (&json!("geo"), &json!(principal.to_string()), &json!(trace), &Value::Null)
    );
    assert_ne!(seen["execution"], json!(id.to_string()), "each call has an id of its own");
    let left = seen["remaining"].as_u64().unwrap();
    assert!((1..=19_950).contains(&left), "{left}");

    let own: Value = serde_json::from_str(&answer(&shop, "who", "null").await).unwrap();
    assert_eq!((&own["caller"], &own["principal"]), (&Value::Null, &Value::Null));

    let ask = Ask {
        dry_run: true,
        ..Ask::new("call", execution())
    };
    shop.execute(&ask, &input).await.result.unwrap();
    let dry: Vec<bool> = desk.calls.lock().unwrap().iter().map(|call| call.dry_run).collect();
    assert_eq!(dry, [false, true]);
}

#[tokio::test]
async fn what_the_grant_does_not_name_is_refused_and_told() {
    let desk = Arc::<Desk>::default();
    let (shop, traces) = desk.add("shop", &["geo/lookup", "maps/*"]);
    let check = async |program: &str, wanted: &str| {
        let answer = tried(&shop, program, &json!(1)).await;
        if wanted.is_empty() {
            assert_eq!(answer, json!({ "answer": 1 }), "{program}");
        } else {
            let error = answer["error"].as_str().unwrap_or_default();
            assert!(error.starts_with(wanted), "{program}: {answer}");
        }
    };
    check("geo/lookup", "").await;
    check("maps/anything", "").await;
    check("geo/reverse", "denied: the grant does not cover call geo/reverse").await;
    check("other/lookup", "denied: ").await;
    check("maps2/x", "denied: ").await;
    for bad in [
        "",
        "geo",
        "geo/",
        "/lookup",
        "Geo/lookup",
        "geo/look up",
        "geo/*",
        "geo/lookup/x",
        "../lookup",
        "geo\u{0}/lookup",
    ] {
        check(bad, "invalid-input: ").await;
    }
    check(&format!("{}/x", "a".repeat(10_000)), "invalid-input: ").await;
    assert_eq!(traces.refused(), ["call geo/reverse", "call other/lookup", "call maps2/x"]);
    assert_eq!(desk.calls.lock().unwrap().len(), 2, "what is refused goes nowhere");
}

#[tokio::test]
async fn nobody_is_called_twice_in_one_chain() {
    let desk = Arc::<Desk>::default();
    let (a, _) = desk.add("a", &["a/*", "b/*"]);
    let (b, _) = desk.add("b", &["a/*", "c/*"]);
    desk.add("c", &["a/*", "b/*", "c/*"]);
    let nested = |inner: &str| json!({ "to": inner, "input": null });
    assert_eq!(tried(&a, "a/who", &json!(null)).await["error"], "denied: a cycle of calls: a → a");
    let answer = tried(&a, "b/try", &nested("a/who")).await;
    assert_eq!(answer["answer"]["error"], "denied: a cycle of calls: a → b → a");
    let through_c = json!({ "to": "c/try", "input": nested("b/who") });
    let answer = tried(&a, "b/try", &through_c).await;
    assert_eq!(answer["answer"]["answer"]["error"], "denied: a cycle of calls: a → b → c → b");
    // Twice one after the other is no cycle.
    assert_eq!(
        tried(&b, "a/try", &nested("b/who")).await["answer"]["error"],
        "denied: a cycle of calls: b → a → b"
    );
    assert!(tried(&b, "a/who", &json!(null)).await["answer"].is_object());
}

#[tokio::test]
async fn the_processor_time_of_the_other_is_not_the_callers() {
    let desk = Arc::<Desk>::default();
    let (shop, _) = desk.add("shop", &["geo/*"]);
    let (geo, _) = desk.add("geo", &[]);
    answer(&shop, "call", &to("geo/spin", &json!(0))).await;
    let before = geo.stats().calls;
    let outcome = shop.call(call("call", &to("geo/spin", &json!(200)))).await;
    assert_eq!(outcome.result.unwrap(), "null");
    assert!(outcome.resources.wall_us >= 200_000, "{:?}", outcome.resources);
    assert!(outcome.resources.guest_cpu_us < 100_000, "{:?}", outcome.resources);
    until("the callee's instance comes back", || geo.stats().busy == 0).await;
    assert_eq!(geo.stats().calls, before + 1);
}

#[tokio::test]
async fn a_slow_callee_costs_its_caller_no_more_than_its_own_time() {
    let desk = Arc::<Desk>::default();
    let (shop, _) = desk.add("shop", &["geo/*"]);
    let (geo, _) = desk.add("geo", &[]);
    for program in ["geo/sleep", "geo/spin"] {
        answer(&shop, "call", &to("geo/spin", &json!(0))).await;
        let mut given = call("call", "");
        let input = to(program, &json!(600_000));
        given.input = &input;
        given.timeout = Some(Duration::from_millis(400));
        let outcome = within(program, shop.call(given)).await;
        assert!(
            matches!(outcome.result, Err(CallError::Timeout { .. })),
            "{program}: {:?}",
            outcome.result
        );
        until("the callee ends", || geo.stats().busy == 0).await;
    }
    // It heard of it in time to say so itself: its instance was not broken.
    assert_eq!(shop.stats().broken, 0);
}

#[tokio::test]
async fn a_caller_that_goes_away_takes_its_callee_with_it() {
    let desk = Arc::<Desk>::default();
    let (shop, _) = desk.add("shop", &["geo/*"]);
    let (geo, _) = desk.add("geo", &[]);
    let input = to("geo/sleep", &json!(600_000));
    let (called, caller) = (shop.clone(), geo.clone());
    let task = tokio::spawn(async move { called.call(call("call", &input)).await });
    until("the callee works", || caller.stats().busy == 1).await;
    task.abort();
    until("both end", || geo.stats().busy == 0 && shop.stats().busy == 0).await;
}

#[tokio::test]
async fn a_call_that_comes_to_nothing_is_an_error_and_not_the_end() {
    struct Panics;

    #[async_trait::async_trait]
    impl Calls for Panics {
        async fn execute(&self, _: GuestCall) -> Result<String, GuestError> {
            panic!("on purpose")
        }
    }

    let panicking: Arc<dyn Calls> = Arc::new(Panics);
    let grant: Permissions = serde_json::from_value(json!({ "call": ["geo/*"] })).unwrap();
    let (pool, _) = Setup::guest("caller")
        .with(|spec| (spec.grant, spec.services.calls) = (grant.clone(), panicking))
        .pool();
    let answer = tried(&pool, "geo/who", &json!(1)).await;
    assert_eq!(answer["error"], "internal: the call of geo/who came to nothing");
    // Without a port there is nobody to call.
    let (pool, _) = Setup::guest("caller").with(|spec| spec.grant = grant).pool();
    let answer = tried(&pool, "geo/who", &json!(1)).await;
    assert_eq!(answer["error"], "unavailable: other extensions cannot be called here");
}

#[tokio::test]
async fn what_a_call_moves_counts_as_bytes_of_host_calls() {
    let desk = Arc::<Desk>::default();
    let (_, _) = desk.add("geo", &[]);
    let small: Arc<dyn Calls> = desk.clone();
    let (pool, _) = Setup::guest("caller")
        .with(|spec| {
            spec.grant.call = vec!["echo/echo".parse().unwrap()];
            spec.limits.host_call_bytes = bytes(1_000);
            spec.services.calls = small;
        })
        .pool();
    let input = to("echo/echo", &json!("x".repeat(400)));
    assert!(pool.call(call("call", &input)).await.result.is_ok());
    let input = to("echo/echo", &json!("x".repeat(600)));
    let error = pool.call(call("call", &input)).await.result.unwrap_err();
    assert!(
        matches!(
            error,
            CallError::HostCalls {
                what: "host call bytes",
                ..
            }
        ),
        "{error}"
    );
}

/// What was measured, in words.
#[derive(Default)]
struct Measured(Mutex<Vec<String>>);

impl Metrics for Measured {
    fn measure(&self, measurement: Measurement<'_>) {
        let Measurement { kind, name, value, labels } = measurement;
        self.0.lock().unwrap().push(format!("{kind:?} {name} {value} {labels:?}"));
    }
}

#[tokio::test]
async fn measurements_come_through_as_they_are_and_count_as_host_calls() {
    let measured = Arc::<Measured>::default();
    let metrics: Arc<dyn Metrics> = measured.clone();
    let (pool, _) = Setup::guest("caller")
        .with(|spec| {
            spec.services.metrics = metrics;
            spec.limits.host_calls = 10;
        })
        .pool();
    let count = json!({ "name": "orders", "value": 2, "labels": { "kind": "new" } });
    answer(&pool, "count", &count.to_string()).await;
    answer(&pool, "record", r#"{"name": "Bad name"}"#).await;
    assert_eq!(
        *measured.0.lock().unwrap(),
        [r#"Counter orders 2 [("kind", "new")]"#, "Histogram Bad name inf []"]
    );
    let error = pool
        .call(call("count", r#"{"name": "orders", "value": 1, "times": 1000}"#))
        .await
        .result
        .unwrap_err();
    assert!(matches!(error, CallError::HostCalls { .. }), "{error}");
}
