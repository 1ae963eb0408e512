//! Usage.

use oriel_model::Timestamp;
use oriel_model::contribution::ContributionKind;
use oriel_model::id::TenantId;

use super::fixtures::{at, tenant_id};
use crate::{Stores, UsageDelta, Used};

const HOUR: i64 = 3_600_000;

fn used(calls: u64) -> Used {
    Used {
        calls,
        failures: calls / 2,
        wall_us: calls * 1_000,
        cpu_us: calls * 300,
        host_calls: calls * 3,
        outbound_bytes: calls << 20,
        model_input_tokens: calls * 7,
        model_output_tokens: calls * 11,
        model_spend: calls * 13,
    }
}

fn delta(tenant: TenantId, hour: i64, extension: &str, kind: ContributionKind, name: &str, used: Used) -> UsageDelta {
    UsageDelta {
        tenant,
        extension: extension.parse().unwrap(),
        kind,
        contribution: name.parse().unwrap(),
        hour: UsageDelta::hour_of(at(hour * HOUR)),
        used,
    }
}

const PROGRAM: ContributionKind = ContributionKind::Program;

async fn everything(stores: &Stores, tenant: TenantId) -> Vec<UsageDelta> {
    let (from, to) = (Timestamp::from_millis(i64::MIN), Timestamp::from_millis(i64::MAX));
    stores.usage.query(tenant, from, to).await.unwrap()
}

/// What is added comes together in its row, within a batch and between batches.
pub async fn usage_adds_up(stores: &Stores) {
    let tenant = tenant_id();
    let of = |calls| delta(tenant, 0, "ext", PROGRAM, "run", used(calls));
    stores.usage.add(vec![]).await.unwrap();
    stores.usage.add(vec![of(1), of(2)]).await.unwrap();
    stores.usage.add(vec![of(4)]).await.unwrap();
    let mut sum = used(7);
    sum.failures = 1 + 2;
    assert_eq!(everything(stores, tenant).await, [delta(tenant, 0, "ext", PROGRAM, "run", sum)]);
}

/// By hour, extension, kind and name; from and to are hours.
pub async fn usage_is_ordered_and_cut(stores: &Stores) {
    let tenant = tenant_id();
    let rows = [
        (0, "a", ContributionKind::Hook, "z"),
        (0, "a", PROGRAM, "a"),
        (0, "a", PROGRAM, "b"),
        (0, "a-b", PROGRAM, "a"),
        (0, "b", ContributionKind::EventHandler, "a"),
        (1, "a", PROGRAM, "a"),
        (2, "a", PROGRAM, "a"),
    ]
    .map(|(hour, extension, kind, name)| delta(tenant, hour, extension, kind, name, used(1)));
    let mut shuffled = rows.to_vec();
    shuffled.reverse();
    stores.usage.add(shuffled).await.unwrap();
    assert_eq!(everything(stores, tenant).await, rows);
    let hour = |number: usize| rows[number].hour;
    let cut = stores.usage.query(tenant, hour(5), hour(6)).await.unwrap();
    assert_eq!(cut, rows[5..6]);
    assert_eq!(stores.usage.query(tenant, hour(5), hour(5)).await.unwrap(), []);
}

/// Writers on several nodes lose nothing, whatever the order of their rows.
pub async fn usage_adds_up_among_writers(stores: &Stores) {
    let tenant = tenant_id();
    let writers: Vec<_> = (0..8)
        .map(|writer| {
            let stores = stores.clone();
            tokio::spawn(async move {
                for _ in 0..5 {
                    let mut deltas: Vec<UsageDelta> = (0..70)
                        .map(|number| delta(tenant, 0, "ext", PROGRAM, &format!("p{number}"), used(1)))
                        .collect();
                    if writer % 2 == 0 {
                        deltas.reverse();
                    }
                    stores.usage.add(deltas).await.unwrap();
                }
            })
        })
        .collect();
    for writer in writers {
        writer.await.unwrap();
    }
    let rows = everything(stores, tenant).await;
    assert_eq!(rows.len(), 70);
    assert!(rows.iter().all(|row| row.used.calls == 40), "{rows:?}");
}

/// Sums stop where the numbers end instead of failing or becoming negative.
pub async fn usage_stops_at_the_largest_number(stores: &Stores) {
    let tenant = tenant_id();
    let most = Used {
        calls: u64::MAX,
        failures: Used::MAX,
        wall_us: Used::MAX - 1,
        cpu_us: 0,
        host_calls: 5,
        outbound_bytes: u64::MAX,
        model_spend: u64::MAX,
        ..Used::default()
    };
    for _ in 0..3 {
        stores.usage.add(vec![delta(tenant, 0, "ext", PROGRAM, "run", most)]).await.unwrap();
    }
    let expected = Used {
        calls: Used::MAX,
        failures: Used::MAX,
        wall_us: Used::MAX,
        cpu_us: 0,
        host_calls: 15,
        outbound_bytes: Used::MAX,
        model_spend: Used::MAX,
        ..Used::default()
    };
    assert_eq!(everything(stores, tenant).await[0].used, expected);
}

/// Another tenant sees none of it.
pub async fn others_see_no_usage(stores: &Stores) {
    let (one, other) = (tenant_id(), tenant_id());
    let rows = [one, other].map(|tenant| delta(tenant, 0, "ext", PROGRAM, "run", used(tenant.ulid().0 as u64 % 7 + 1)));
    stores.usage.add(rows.to_vec()).await.unwrap();
    assert_eq!(everything(stores, one).await, rows[..1]);
    assert_eq!(everything(stores, other).await, rows[1..]);
    assert_eq!(everything(stores, tenant_id()).await, []);
}

/// Only hours before the moment go, the oldest first, at most so many at once.
pub async fn usage_purges(stores: &Stores) {
    let tenant = tenant_id();
    // Long before any other check's hours, which may lie in the same database.
    let moment = |hour: i64| Timestamp::from_millis(hour * HOUR);
    let rows: Vec<UsageDelta> = [2, 0, 1]
        .into_iter()
        .map(|hour| UsageDelta {
            hour: moment(hour),
            ..delta(tenant, 0, "ext", PROGRAM, "run", used(1))
        })
        .collect();
    stores.usage.add(rows).await.unwrap();
    assert_eq!(stores.usage.purge(moment(0), 9).await.unwrap(), 0);
    assert_eq!(stores.usage.purge(moment(2), 1).await.unwrap(), 1);
    let hours = everything(stores, tenant).await.into_iter().map(|row| row.hour);
    assert_eq!(hours.collect::<Vec<_>>(), [moment(1), moment(2)]);
    assert_eq!(stores.usage.purge(moment(2), 9).await.unwrap(), 1);
    assert_eq!(stores.usage.purge(moment(2), 9).await.unwrap(), 0);
}
