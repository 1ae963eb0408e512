//! Execution records.

use bytes::Bytes;
use oriel_model::Timestamp;
use oriel_model::id::{BatchId, ExecutionId, TaskId, TenantId};

use super::fixtures::{at, segment, tenant_id};
use crate::{Segment, SegmentFilter, SegmentHead, Stores};

async fn find(stores: &Stores, tenant: TenantId, filter: SegmentFilter) -> Vec<SegmentHead> {
    stores.executions.find(tenant, &filter, 0, 1_000).await.unwrap()
}

fn newest_first(segments: &[Segment]) -> Vec<SegmentHead> {
    let mut heads: Vec<SegmentHead> = segments.iter().map(|segment| segment.head.clone()).collect();
    heads.sort_by_key(|head| std::cmp::Reverse((head.last, head.first)));
    heads
}

/// Appended, found, read.
pub async fn segments_live(stores: &Stores) {
    let tenant = tenant_id();
    let mut one = segment(tenant, 0);
    one.head.task = Some(TaskId::new(at(0)));
    one.head.batch = Some(BatchId::new(at(0)));
    let two = segment(tenant, 5);
    stores.executions.append(vec![]).await.unwrap();
    stores.executions.append(vec![one.clone()]).await.unwrap();
    stores.executions.append(vec![two.clone()]).await.unwrap();
    assert_eq!(
        find(stores, tenant, SegmentFilter::default()).await,
        [two.head.clone(), one.head.clone()]
    );
    for segment in [one, two] {
        assert_eq!(stores.executions.body(&segment.head).await.unwrap(), Some(segment.body));
    }
    assert_eq!(stores.executions.body(&segment(tenant, 0).head).await.unwrap(), None);
}

/// One that is there already, or twice in the same call, stays as it was first; the others are added.
pub async fn appending_again_changes_nothing(stores: &Stores) {
    let tenant = tenant_id();
    let first = segment(tenant, 0);
    stores.executions.append(vec![first.clone()]).await.unwrap();
    let other = Segment {
        body: Bytes::from_static(b"another"),
        ..first.clone()
    };
    let twice = segment(tenant, 1);
    let many = (2..22).map(|ms| segment(tenant, ms));
    for again in [vec![other.clone()], vec![twice.clone(), twice], many.chain([other]).collect()] {
        stores.executions.append(again).await.unwrap();
    }
    assert_eq!(stores.executions.body(&first.head).await.unwrap(), Some(first.body));
    assert_eq!(find(stores, tenant, SegmentFilter::default()).await.len(), 22);
}

/// Each condition alone and some together, with moments and ids at their boundaries.
pub async fn finding_filters(stores: &Stores) {
    let tenant = tenant_id();
    let (task, batch) = (TaskId::new(at(0)), BatchId::new(at(0)));
    let mut a = segment(tenant, 0);
    a.head.task = Some(task);
    let mut b = segment(tenant, 100);
    b.head.batch = Some(batch);
    b.head.task = Some(task);
    b.head.failures = 10;
    let mut c = segment(tenant, 200);
    c.head.extension = "other".into();
    c.head.failures = 0;
    c.head.count = 3;
    stores.executions.append(vec![c.clone(), a.clone(), b.clone()]).await.unwrap();
    let between = ExecutionId::new(at(300));
    let filter = SegmentFilter::default;
    let cases: Vec<(&str, SegmentFilter, Vec<&Segment>)> = vec![
        ("all", filter(), vec![&c, &b, &a]),
        (
            "task",
            SegmentFilter {
                task: Some(task),
                ..filter()
            },
            vec![&b, &a],
        ),
        (
            "no task",
            SegmentFilter {
                task: Some(TaskId::new(at(0))),
                ..filter()
            },
            vec![],
        ),
        (
            "extension",
            SegmentFilter {
                extension: Some("other".into()),
                ..filter()
            },
            vec![&c],
        ),
        (
            "batch",
            SegmentFilter {
                batch: Some(batch),
                ..filter()
            },
            vec![&b],
        ),
        (
            "failed",
            SegmentFilter {
                failed: Some(true),
                ..filter()
            },
            vec![&b, &a],
        ),
        (
            "succeeded",
            SegmentFilter {
                failed: Some(false),
                ..filter()
            },
            vec![&c, &a],
        ),
        (
            "from its end",
            SegmentFilter {
                from: Some(at(109)),
                ..filter()
            },
            vec![&c, &b],
        ),
        (
            "from after its end",
            SegmentFilter {
                from: Some(at(110)),
                ..filter()
            },
            vec![&c],
        ),
        (
            "to its start",
            SegmentFilter {
                to: Some(at(100)),
                ..filter()
            },
            vec![&a],
        ),
        (
            "to after its start",
            SegmentFilter {
                to: Some(at(101)),
                ..filter()
            },
            vec![&b, &a],
        ),
        (
            "from and to",
            SegmentFilter {
                from: Some(at(50)),
                to: Some(at(150)),
                ..filter()
            },
            vec![&b],
        ),
        (
            "before its first",
            SegmentFilter {
                before: Some(b.head.first),
                ..filter()
            },
            vec![&a],
        ),
        (
            "before its last",
            SegmentFilter {
                before: Some(b.head.last),
                ..filter()
            },
            vec![&b, &a],
        ),
        (
            "holding its first",
            SegmentFilter {
                holding: Some(b.head.first),
                ..filter()
            },
            vec![&b],
        ),
        (
            "holding its last",
            SegmentFilter {
                holding: Some(b.head.last),
                ..filter()
            },
            vec![&b],
        ),
        (
            "holding none",
            SegmentFilter {
                holding: Some(between),
                ..filter()
            },
            vec![],
        ),
        (
            "at most",
            SegmentFilter {
                at_most: Some(3),
                ..filter()
            },
            vec![&c],
        ),
        (
            "at most, just not",
            SegmentFilter {
                at_most: Some(2),
                ..filter()
            },
            vec![],
        ),
        (
            "together",
            SegmentFilter {
                task: Some(task),
                extension: Some("ext".into()),
                batch: Some(batch),
                failed: Some(true),
                from: Some(at(0)),
                to: Some(at(1_000)),
                before: Some(c.head.first),
                holding: Some(b.head.last),
                at_most: Some(10),
            },
            vec![&b],
        ),
    ];
    for (what, filter, expected) in cases {
        let expected: Vec<SegmentHead> = expected.into_iter().map(|segment| segment.head.clone()).collect();
        assert_eq!(find(stores, tenant, filter).await, expected, "{what}");
    }
}

/// `offset` and `limit` cut one order, by last and then by first id.
pub async fn finding_pages(stores: &Stores) {
    let tenant = tenant_id();
    let mut segments: Vec<Segment> = (0..7).map(|ms| segment(tenant, ms)).collect();
    // Two that end with the same record but start apart.
    segments[6].head.last = segments[5].head.last;
    stores.executions.append(segments.clone()).await.unwrap();
    let expected = newest_first(&segments);
    for limit in [1, 2, 3, 7, 8] {
        let mut all = Vec::new();
        loop {
            let offset = u32::try_from(all.len()).unwrap();
            let page = stores
                .executions
                .find(tenant, &SegmentFilter::default(), offset, limit)
                .await
                .unwrap();
            if page.is_empty() {
                break;
            }
            all.extend(page);
        }
        assert_eq!(all, expected, "pages of {limit}");
    }
    assert_eq!(stores.executions.find(tenant, &SegmentFilter::default(), 0, 0).await.unwrap(), []);
}

/// Another tenant's filter, head or replacement never reaches a segment.
pub async fn others_find_nothing(stores: &Stores) {
    let (one, other) = (tenant_id(), tenant_id());
    let mine = segment(one, 0);
    stores.executions.append(vec![mine.clone()]).await.unwrap();
    let holding = SegmentFilter {
        holding: Some(mine.head.first),
        ..SegmentFilter::default()
    };
    assert_eq!(find(stores, other, holding).await, []);
    let mut foreign = mine.head.clone();
    foreign.tenant = other;
    assert_eq!(stores.executions.body(&foreign).await.unwrap(), None);
    assert!(
        !stores
            .executions
            .replace(std::slice::from_ref(&mine.head), segment(other, 0))
            .await
            .unwrap()
    );
    assert!(!stores.executions.replace(&[foreign], segment(other, 0)).await.unwrap());
    assert_eq!(find(stores, one, SegmentFilter::default()).await, [mine.head]);
    assert_eq!(find(stores, other, SegmentFilter::default()).await, []);
}

/// The old go and the new comes, or nothing happens; the new one may have an old one's identity.
pub async fn replacing_is_one_step(stores: &Stores) {
    let tenant = tenant_id();
    let segments: Vec<Segment> = (0..3).map(|ms| segment(tenant, ms)).collect();
    stores.executions.append(segments.clone()).await.unwrap();
    let heads = newest_first(&segments);
    let mut merged = segments[0].clone();
    merged.head.last = heads[1].last;
    merged.head.count = 20;
    merged.body = Bytes::from_static(b"merged");
    let gone = segment(tenant, 9).head;
    let with_gone = [heads[2].clone(), gone];
    assert!(!stores.executions.replace(&with_gone, merged.clone()).await.unwrap());
    assert_eq!(find(stores, tenant, SegmentFilter::default()).await, heads);
    assert!(stores.executions.replace(&heads[1..], merged.clone()).await.unwrap());
    assert_eq!(
        find(stores, tenant, SegmentFilter::default()).await,
        [heads[0].clone(), merged.head.clone()]
    );
    assert_eq!(stores.executions.body(&merged.head).await.unwrap(), Some(merged.body.clone()));
    assert_eq!(stores.executions.body(&heads[2]).await.unwrap(), None);
    let mut again = merged.clone();
    again.body = Bytes::from_static(b"smaller");
    assert!(stores.executions.replace(&[merged.head.clone()], again.clone()).await.unwrap());
    assert_eq!(stores.executions.body(&merged.head).await.unwrap(), Some(again.body));
}

/// Of replacements of the same segments that run at once exactly one happens; no record is doubled or lost.
pub async fn one_of_two_replacements_wins(stores: &Stores) {
    let tenant = tenant_id();
    let segments: Vec<Segment> = (0..6).map(|ms| segment(tenant, ms)).collect();
    stores.executions.append(segments.clone()).await.unwrap();
    let mut heads = newest_first(&segments);
    let racers: Vec<_> = (0..6_usize)
        .map(|number| {
            let (stores, mut heads) = (stores.clone(), heads.clone());
            heads.rotate_left(number);
            tokio::spawn(async move {
                let mut merged = segment(tenant, 0);
                merged.head.first = heads.iter().map(|head| head.first).min().unwrap();
                merged.head.count = 60;
                stores.executions.replace(&heads, merged).await.unwrap()
            })
        })
        .collect();
    let mut winners = 0;
    for racer in racers {
        winners += usize::from(racer.await.unwrap());
    }
    assert_eq!(winners, 1);
    heads = find(stores, tenant, SegmentFilter::default()).await;
    assert_eq!(heads.iter().map(|head| head.count).sum::<u32>(), 60);
    assert_eq!(heads.len(), 1);
}

/// Only segments that ended before the moment go, the oldest first, at most so many at once.
pub async fn segments_prune_oldest_first(stores: &Stores) {
    let tenant = tenant_id();
    // Long before any other check's segments, which may lie in the same database.
    let early = |ms: i64| {
        let mut early = segment(tenant, ms);
        early.head.from = Timestamp::from_millis(ms);
        early.head.to = Timestamp::from_millis(ms + 9);
        early
    };
    let segments: Vec<Segment> = [30, 0, 10, 20].map(early).to_vec();
    stores.executions.append(segments.clone()).await.unwrap();
    let prune = |before, limit| stores.executions.prune(Timestamp::from_millis(before), limit);
    assert_eq!(prune(9, 10).await.unwrap(), 0);
    assert_eq!(prune(29, 1).await.unwrap(), 1);
    assert_eq!(stores.executions.body(&segments[1].head).await.unwrap(), None);
    assert_eq!(prune(29, 10).await.unwrap(), 1);
    assert_eq!(prune(29, 10).await.unwrap(), 0);
    let mut left = vec![segments[0].clone(), segments[3].clone()];
    left.sort_by_key(|segment| segment.head.last);
    assert_eq!(find(stores, tenant, SegmentFilter::default()).await, newest_first(&left));
}

/// Tenants with more small segments than told, and no others.
pub async fn fragments_are_counted(stores: &Stores) {
    let (many, few) = (tenant_id(), tenant_id());
    let large = |tenant, ms| {
        let mut large = segment(tenant, ms);
        large.head.count = 11;
        large
    };
    let mut segments: Vec<Segment> = (0..4).map(|ms| segment(many, ms)).collect();
    segments.extend((0..3).map(|ms| segment(few, ms)));
    segments.extend((0..3).map(|ms| large(few, ms)));
    stores.executions.append(segments).await.unwrap();
    let fragmented = stores.executions.fragmented(10, 3).await.unwrap();
    assert!(fragmented.contains(&many) && !fragmented.contains(&few), "{fragmented:?}");
    let fragmented = stores.executions.fragmented(11, 5).await.unwrap();
    assert!(!fragmented.contains(&many) && fragmented.contains(&few), "{fragmented:?}");
    assert!(!stores.executions.fragmented(9, 0).await.unwrap().contains(&many));
}

/// Hundreds of segments of several tenants and bodies of 1 MiB go in at once.
pub async fn a_large_append(stores: &Stores) {
    let (one, other) = (tenant_id(), tenant_id());
    let mut segments: Vec<Segment> = (0..300).map(|ms| segment(if ms % 3 == 0 { other } else { one }, ms)).collect();
    let large: Bytes = (0_u32..1 << 18).flat_map(u32::to_le_bytes).collect::<Vec<u8>>().into();
    segments[7].body = large.clone();
    stores.executions.append(segments.clone()).await.unwrap();
    assert_eq!(find(stores, one, SegmentFilter::default()).await.len(), 200);
    assert_eq!(find(stores, other, SegmentFilter::default()).await.len(), 100);
    assert!(stores.executions.body(&segments[7].head).await.unwrap() == Some(large));
    assert_eq!(
        stores.executions.body(&segments[299].head).await.unwrap(),
        Some(segments[299].body.clone())
    );
}
