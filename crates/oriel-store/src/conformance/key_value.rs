//! What guests keep.

use oriel_model::Timestamp;

use super::fixtures::{at, tenant_id};
use crate::{KvEntry, KvQuota, KvScope, StoreError, Stores};

const AMPLE: KvQuota = KvQuota {
    keys: 100_000,
    bytes: 1 << 30,
};

fn scope() -> KvScope {
    KvScope {
        tenant: tenant_id(),
        extension: "ext".parse().unwrap(),
    }
}

async fn set(stores: &Stores, scope: &KvScope, key: &str, value: &str, expires_at: Option<Timestamp>) -> u64 {
    let value = value.as_bytes().to_vec();
    stores.key_value.set(scope, key, value, expires_at, AMPLE, at(0)).await.unwrap()
}

async fn read(stores: &Stores, scope: &KvScope, key: &str, now: Timestamp) -> Option<(String, u64)> {
    let entry = stores.key_value.get(scope, key, now).await.unwrap();
    entry.map(|KvEntry { value, version }| (String::from_utf8(value).unwrap(), version))
}

fn is_quota<T: std::fmt::Debug>(result: &crate::Result<T>, wanted: &str) -> bool {
    matches!(result, Err(StoreError::Quota { what }) if *what == wanted)
}

/// Written, read, overwritten, deleted; deleting tells whether there was something.
pub async fn entries_live(stores: &Stores) {
    let scope = scope();
    assert_eq!(read(stores, &scope, "k", at(0)).await, None);
    assert!(!stores.key_value.delete(&scope, "k", at(0)).await.unwrap());
    assert_eq!(set(stores, &scope, "k", "one", None).await, 1);
    assert_eq!(set(stores, &scope, "empty", "", None).await, 1);
    assert_eq!(read(stores, &scope, "k", at(0)).await, Some(("one".into(), 1)));
    assert_eq!(read(stores, &scope, "empty", at(0)).await, Some((String::new(), 1)));
    assert!(stores.key_value.delete(&scope, "k", at(0)).await.unwrap());
    assert!(!stores.key_value.delete(&scope, "k", at(0)).await.unwrap());
    assert_eq!(read(stores, &scope, "k", at(0)).await, None);
    let bytes: Vec<u8> = (0..=255).collect();
    stores
        .key_value
        .set(&scope, "bytes", bytes.clone(), None, AMPLE, at(0))
        .await
        .unwrap();
    assert_eq!(stores.key_value.get(&scope, "bytes", at(0)).await.unwrap().unwrap().value, bytes);
}

/// Another tenant and another extension neither read, change, list nor delete an entry.
pub async fn scopes_are_apart(stores: &Stores) {
    let mine = scope();
    let others = [
        scope(),
        KvScope {
            tenant: mine.tenant,
            extension: "ext2".parse().unwrap(),
        },
    ];
    set(stores, &mine, "k", "mine", None).await;
    for other in &others {
        assert_eq!(read(stores, other, "k", at(0)).await, None);
        assert!(!stores.key_value.delete(other, "k", at(0)).await.unwrap());
        let swapped = stores
            .key_value
            .compare_and_swap(other, "k", Some(1), vec![1], None, AMPLE, at(0))
            .await;
        assert_eq!(swapped.unwrap(), None);
        assert_eq!(stores.key_value.list_keys(other, "", 10, None, at(0)).await.unwrap().keys, [""; 0]);
        assert_eq!(set(stores, other, "k", "theirs", None).await, 1);
    }
    assert_eq!(read(stores, &mine, "k", at(0)).await, Some(("mine".into(), 1)));
}

/// Each write counts one up; deleting forgets the count.
pub async fn versions_grow(stores: &Stores) {
    let scope = scope();
    for version in 1..=5 {
        assert_eq!(set(stores, &scope, "k", "same", None).await, version);
    }
    stores.key_value.increment(&scope, "n", 1, None, AMPLE, at(0)).await.unwrap();
    stores.key_value.increment(&scope, "n", 1, None, AMPLE, at(0)).await.unwrap();
    assert_eq!(read(stores, &scope, "n", at(0)).await, Some(("2".into(), 2)));
    stores.key_value.delete(&scope, "k", at(0)).await.unwrap();
    assert_eq!(set(stores, &scope, "k", "anew", None).await, 1);
}

/// Writes only over the expected version, or only where nothing is.
pub async fn swapping_compares(stores: &Stores) {
    let scope = scope();
    let swap = |expected, value: &str| {
        let value = value.as_bytes().to_vec();
        stores.key_value.compare_and_swap(&scope, "k", expected, value, None, AMPLE, at(0))
    };
    for expected in [Some(0), Some(1), Some(u64::MAX)] {
        assert_eq!(swap(expected, "x").await.unwrap(), None, "{expected:?}");
    }
    assert_eq!(swap(None, "one").await.unwrap(), Some(1));
    for expected in [None, Some(0), Some(2), Some(u64::MAX)] {
        assert_eq!(swap(expected, "x").await.unwrap(), None, "{expected:?}");
    }
    assert_eq!(swap(Some(1), "two").await.unwrap(), Some(2));
    assert_eq!(read(stores, &scope, "k", at(0)).await, Some(("two".into(), 2)));
}

/// Of many swaps that saw the same version exactly one writes.
pub async fn one_of_many_swaps_wins(stores: &Stores) {
    let scope = scope();
    for expected in [None, Some(1)] {
        let writers: Vec<_> = (0..16_u8)
            .map(|number| {
                let (stores, scope) = (stores.clone(), scope.clone());
                tokio::spawn(async move {
                    stores
                        .key_value
                        .compare_and_swap(&scope, "k", expected, vec![number], None, AMPLE, at(0))
                        .await
                        .unwrap()
                })
            })
            .collect();
        let mut won = Vec::new();
        for writer in writers {
            won.extend(writer.await.unwrap());
        }
        assert_eq!(won, [expected.unwrap_or(0) + 1]);
    }
}

/// From nothing, up and down, over a value that was set.
pub async fn adding_counts(stores: &Stores) {
    let scope = scope();
    let add = |key: &'static str, by| stores.key_value.increment(&scope, key, by, None, AMPLE, at(0));
    for (by, sum) in [(5, 5), (-7, -2), (0, -2), (i64::MAX, i64::MAX - 2), (2, i64::MAX)] {
        assert_eq!(add("n", by).await.unwrap(), sum);
        assert_eq!(read(stores, &scope, "n", at(0)).await.unwrap().0, sum.to_string());
    }
    set(stores, &scope, "set", "0041", None).await;
    assert_eq!(add("set", 1).await.unwrap(), 42);
    assert_eq!(read(stores, &scope, "set", at(0)).await, Some(("42".into(), 2)));
    assert_eq!(add("least", i64::MIN).await.unwrap(), i64::MIN);
    assert_eq!(add("least", 1).await.unwrap(), i64::MIN + 1);
    set(stores, &scope, "set", "words now", None).await;
    assert!(matches!(add("set", 1).await, Err(StoreError::WrongForm { .. })));
}

/// Anything but a decimal integer of 64 bits, and a sum past them, is refused and left as it was.
pub async fn adding_needs_an_integer(stores: &Stores) {
    let scope = scope();
    let max = i64::MAX.to_string();
    let min = i64::MIN.to_string();
    let refused = [
        ("", 1),
        ("-", 1),
        ("+1", 1),
        (" 1", 1),
        ("1 ", 1),
        ("1.0", 1),
        ("1e3", 1),
        ("0x1", 1),
        ("one", 1),
        ("1\u{0}", 1),
        ("٣", 1),
        ("9223372036854775808", 0),
        ("-9223372036854775809", 0),
        (&*max, 1),
        (&*min, -1),
        ("-2", i64::MIN),
    ];
    for (value, by) in refused {
        let before = set(stores, &scope, "k", value, None).await;
        let refused = stores.key_value.increment(&scope, "k", by, None, AMPLE, at(0)).await;
        assert!(
            matches!(refused, Err(StoreError::WrongForm { .. })),
            "`{value}` and {by}: {refused:?}"
        );
        assert_eq!(read(stores, &scope, "k", at(0)).await, Some((value.to_owned(), before)));
    }
}

/// Fifty tasks that add at once lose nothing.
pub async fn fifty_adders_lose_nothing(stores: &Stores) {
    let scope = scope();
    let adders: Vec<_> = (0..50)
        .map(|_| {
            let (stores, scope) = (stores.clone(), scope.clone());
            tokio::spawn(async move {
                for _ in 0..4 {
                    stores.key_value.increment(&scope, "n", 1, None, AMPLE, at(0)).await.unwrap();
                }
            })
        })
        .collect();
    for adder in adders {
        adder.await.unwrap();
    }
    assert_eq!(read(stores, &scope, "n", at(0)).await, Some(("200".into(), 200)));
}

/// There one millisecond before its end, absent for every method at its end.
pub async fn time_runs_out_at_its_moment(stores: &Stores) {
    let scope = scope();
    let store = &stores.key_value;
    for key in ["get", "delete", "swap", "add", "list"] {
        set(stores, &scope, key, "1", Some(at(100))).await;
        set(stores, &scope, key, "1", Some(at(100))).await;
    }
    assert_eq!(read(stores, &scope, "get", at(99)).await, Some(("1".into(), 2)));
    assert_eq!(read(stores, &scope, "get", at(100)).await, None);
    assert_eq!(store.list_keys(&scope, "l", 9, None, at(99)).await.unwrap().keys, ["list"]);
    assert_eq!(store.list_keys(&scope, "l", 9, None, at(100)).await.unwrap().keys, [""; 0]);
    assert!(!store.delete(&scope, "delete", at(100)).await.unwrap());
    let swap = |expected| store.compare_and_swap(&scope, "swap", expected, b"2".to_vec(), None, AMPLE, at(100));
    assert_eq!(swap(Some(2)).await.unwrap(), None);
    assert_eq!(swap(None).await.unwrap(), Some(1));
    // An addition to an expired entry starts anew, its expiry too; to a live one it keeps the expiry.
    assert_eq!(store.increment(&scope, "add", 5, Some(at(200)), AMPLE, at(100)).await.unwrap(), 5);
    assert_eq!(store.increment(&scope, "add", 1, Some(at(900)), AMPLE, at(199)).await.unwrap(), 6);
    assert_eq!(read(stores, &scope, "add", at(199)).await, Some(("6".into(), 2)));
    assert_eq!(read(stores, &scope, "add", at(200)).await, None);
    // Setting decides the expiry anew, also to none.
    set(stores, &scope, "get", "kept", None).await;
    assert_eq!(read(stores, &scope, "get", at(1_000_000)).await.unwrap().0, "kept");
}

/// A clock that jumps far ahead and back neither revives what was written over nor loses what is new.
pub async fn a_clock_may_jump(stores: &Stores) {
    let scope = scope();
    let store = &stores.key_value;
    set(stores, &scope, "k", "old", Some(at(100))).await;
    let far = at(100_000_000_000);
    assert_eq!(read(stores, &scope, "k", far).await, None);
    assert_eq!(store.set(&scope, "k", b"new".to_vec(), None, AMPLE, far).await.unwrap(), 1);
    assert_eq!(read(stores, &scope, "k", at(0)).await, Some(("new".into(), 1)));
    assert_eq!(
        store
            .set(&scope, "k", b"newer".to_vec(), Some(at(1)), AMPLE, at(-1_000))
            .await
            .unwrap(),
        2
    );
    assert_eq!(
        read(stores, &scope, "k", Timestamp::from_millis(i64::MIN)).await,
        Some(("newer".into(), 2))
    );
    assert_eq!(read(stores, &scope, "k", Timestamp::from_millis(i64::MAX)).await, None);
}

/// What has expired does not count towards a quota, purged or not.
pub async fn expired_entries_make_room(stores: &Stores) {
    let scope = scope();
    let quota = KvQuota { keys: 2, bytes: 20 };
    let store = &stores.key_value;
    for key in ["a", "b"] {
        store.set(&scope, key, vec![b'0'; 9], Some(at(10)), quota, at(0)).await.unwrap();
    }
    assert!(is_quota(&store.increment(&scope, "c", 1, None, quota, at(9)).await, "kv_keys"));
    assert_eq!(store.increment(&scope, "c", 1, None, quota, at(10)).await.unwrap(), 1);
    let value = vec![b'1'; 17];
    assert_eq!(store.set(&scope, "a", value, None, quota, at(10)).await.unwrap(), 1);
    let swap = store.compare_and_swap(&scope, "b", None, Vec::new(), None, quota, at(10)).await;
    assert!(is_quota(&swap, "kv_keys"));
}

/// The last key that fits is taken, one more is not; overwriting needs no new key.
pub async fn the_key_quota_is_exact(stores: &Stores) {
    let scope = scope();
    let quota = KvQuota { keys: 3, bytes: 1_000 };
    let store = &stores.key_value;
    for key in ["a", "b", "c"] {
        store.set(&scope, key, vec![0], None, quota, at(0)).await.unwrap();
    }
    let many = [
        store.set(&scope, "d", vec![0], None, quota, at(0)).await.map(drop),
        store.increment(&scope, "d", 1, None, quota, at(0)).await.map(drop),
        store
            .compare_and_swap(&scope, "d", None, vec![0], None, quota, at(0))
            .await
            .map(drop),
    ];
    for refused in many {
        assert!(is_quota(&refused, "kv_keys"));
    }
    assert_eq!(store.set(&scope, "c", vec![1], None, quota, at(0)).await.unwrap(), 2);
    assert!(store.delete(&scope, "a", at(0)).await.unwrap());
    store.set(&scope, "d", vec![0], None, quota, at(0)).await.unwrap();
    assert_eq!(store.list_keys(&scope, "", 9, None, at(0)).await.unwrap().keys, ["b", "c", "d"]);
    let none = KvQuota { keys: 0, bytes: 1_000 };
    assert!(is_quota(&store.set(&scope, "b", vec![0], None, none, at(0)).await, "kv_keys"));
}

/// Keys and values together may fill the quota to the byte; shrinking makes room, growing past it changes nothing.
pub async fn the_byte_quota_is_exact(stores: &Stores) {
    let scope = scope();
    let quota = KvQuota { keys: 100, bytes: 30 };
    let store = &stores.key_value;
    let set = |key: &'static str, length: usize| store.set(&scope, key, vec![7; length], None, quota, at(0));
    assert_eq!(set("ä", 18).await.unwrap(), 1); // 2 + 18
    assert_eq!(set("b", 9).await.unwrap(), 1); // 1 + 9
    assert!(is_quota(&set("b", 10).await, "kv_total"));
    assert!(is_quota(&set("c", 0).await, "kv_total"));
    let swap = store.compare_and_swap(&scope, "b", Some(1), vec![0; 10], None, quota, at(0)).await;
    assert!(is_quota(&swap, "kv_total"));
    assert_eq!(store.get(&scope, "b", at(0)).await.unwrap().unwrap().value, [7; 9]);
    assert_eq!(set("ä", 17).await.unwrap(), 2);
    assert_eq!(set("b", 10).await.unwrap(), 2);
    assert!(is_quota(&set("ä", 18).await, "kv_total"));
    assert!(store.delete(&scope, "ä", at(0)).await.unwrap());
    assert_eq!(set("c", 18).await.unwrap(), 1);
    assert!(is_quota(&set("d", 0).await, "kv_total"));
    // The quota was lowered below what is there: only what fits the new one may be written.
    let lower = KvQuota { keys: 100, bytes: 12 };
    assert!(is_quota(&store.set(&scope, "b", vec![1], None, lower, at(0)).await, "kv_total"));
    assert!(store.delete(&scope, "c", at(0)).await.unwrap());
    store.set(&scope, "b", vec![1], None, lower, at(0)).await.unwrap();
}

/// A sum that has one digit more needs one byte more.
pub async fn adding_counts_its_bytes(stores: &Stores) {
    let scope = scope();
    let quota = KvQuota { keys: 100, bytes: 3 };
    let add = |by| stores.key_value.increment(&scope, "n", by, None, quota, at(0));
    assert_eq!(add(9).await.unwrap(), 9);
    assert_eq!(add(1).await.unwrap(), 10);
    assert_eq!(add(89).await.unwrap(), 99);
    assert!(is_quota(&add(1).await, "kv_total"));
    assert_eq!(add(-100).await.unwrap(), -1);
    assert!(is_quota(&add(-9).await, "kv_total"));
    assert_eq!(add(1).await.unwrap(), 0);
    assert_eq!(read(stores, &scope, "n", at(0)).await, Some(("0".into(), 5)));
}

/// Writers of many keys at once never pass the quota together.
pub async fn concurrent_writers_keep_the_quota(stores: &Stores) {
    let scope = scope();
    let quota = KvQuota { keys: 10, bytes: 1_000 };
    let writers: Vec<_> = (0..30)
        .map(|number| {
            let (stores, scope) = (stores.clone(), scope.clone());
            tokio::spawn(async move {
                let key = format!("key-{number}");
                let write = stores.key_value.set(&scope, &key, vec![0; 10], None, quota, at(0)).await;
                assert!(write.is_ok() || is_quota(&write, "kv_keys"));
                if number % 3 == 0 {
                    stores.key_value.delete(&scope, &key, at(0)).await.unwrap();
                }
            })
        })
        .collect();
    for writer in writers {
        writer.await.unwrap();
    }
    let held = stores.key_value.list_keys(&scope, "", 100, None, at(0)).await.unwrap().keys.len();
    assert!(held <= 10, "{held}");
    // The count is still right: exactly what is left may be written.
    for number in held..10 {
        let key = format!("more-{number}");
        stores.key_value.set(&scope, &key, vec![0], None, quota, at(0)).await.unwrap();
    }
    assert!(is_quota(
        &stores.key_value.set(&scope, "last", vec![0], None, quota, at(0)).await,
        "kv_keys"
    ));
}

/// A prefix is text, not a pattern, and is compared byte by byte.
pub async fn prefixes_are_literal(stores: &Stores) {
    let scope = scope();
    let mut keys = [
        "%",
        "%a",
        "_",
        "_a",
        "\\",
        "\\a",
        "\\%",
        "a",
        "aa",
        "A",
        "ab%",
        "ab_",
        "é",
        "e\u{301}",
        "日本",
        "日本語",
        "\u{10ffff}",
        "\u{10ffff}z",
        "'",
        "\"",
        " ",
        "a b",
        "\u{1}",
        "\u{7f}",
        "ÿ",
        "z",
    ];
    for key in keys {
        set(stores, &scope, key, key, None).await;
    }
    keys.sort_unstable();
    for prefix in [
        "",
        "%",
        "_",
        "\\",
        "\\%",
        "a",
        "ab",
        "A",
        "é",
        "e",
        "日",
        "日本語",
        "\u{10ffff}",
        "'",
        " ",
        "\u{1}",
        "none",
        "ÿ",
    ] {
        let expected: Vec<&str> = keys.into_iter().filter(|key| key.starts_with(prefix)).collect();
        let page = stores.key_value.list_keys(&scope, prefix, 100, None, at(0)).await.unwrap();
        assert_eq!(page.keys, expected, "prefix `{prefix}`");
        assert_eq!(page.next_cursor, None);
    }
    for key in keys {
        assert_eq!(read(stores, &scope, key, at(0)).await, Some((key.to_owned(), 1)));
    }
}

/// In pages of any length, each key once; a cursor is the last key seen, there any more or not.
pub async fn listing_pages(stores: &Stores) {
    let scope = scope();
    let expected: Vec<String> = (10..16).map(|number| format!("k/{number}")).collect();
    for key in expected.iter().map(String::as_str).chain(["a", "z"]) {
        set(stores, &scope, key, "v", None).await;
    }
    for limit in [1, 2, 3, 6, 7] {
        let (mut all, mut cursor) = (Vec::new(), None::<String>);
        loop {
            let page = stores
                .key_value
                .list_keys(&scope, "k/", limit, cursor.as_deref(), at(0))
                .await
                .unwrap();
            assert!(page.keys.len() <= limit as usize);
            all.extend(page.keys);
            cursor = page.next_cursor;
            if cursor.is_none() {
                break;
            }
        }
        assert_eq!(all, expected, "pages of {limit}");
    }
    for (cursor, from) in [("", 0), ("a", 0), ("k/", 0), ("k/10", 1), ("k/105", 1), ("k/15", 6), ("zz", 6)] {
        let page = stores.key_value.list_keys(&scope, "k/", 10, Some(cursor), at(0)).await.unwrap();
        assert_eq!(page.keys, expected[from..], "after `{cursor}`");
    }
}

/// Values of 1 MiB and keys of 512 bytes come back whole.
pub async fn large_values_and_long_keys(stores: &Stores) {
    let scope = scope();
    let value: Vec<u8> = (0_u32..1 << 18).flat_map(u32::to_le_bytes).collect();
    let long = "日".repeat(170) + "ab";
    assert_eq!(long.len(), 512);
    for key in ["k", &long] {
        stores.key_value.set(&scope, key, value.clone(), None, AMPLE, at(0)).await.unwrap();
        let entry = stores.key_value.get(&scope, key, at(0)).await.unwrap().unwrap();
        assert!(entry.value == value);
    }
    assert_eq!(stores.key_value.list_keys(&scope, "日", 9, None, at(0)).await.unwrap().keys, [long]);
}

/// Only what has expired goes, at most so much at once, and it gives its room back.
pub async fn purging_is_bounded(stores: &Stores) {
    // Far before any other check's entries, which may lie in the same database.
    let now = Timestamp::from_millis(1_000);
    let early = |ms| Some(Timestamp::from_millis(ms));
    let scopes = [scope(), scope()];
    let quota = KvQuota { keys: 6, bytes: 1_000 };
    let store = &stores.key_value;
    for scope in &scopes {
        for (key, expires_at) in [
            ("a", early(10)),
            ("b", early(20)),
            ("c", early(1_000)),
            ("d", early(1_001)),
            ("e", None),
        ] {
            store
                .set(scope, key, vec![0], expires_at, quota, Timestamp::from_millis(0))
                .await
                .unwrap();
        }
    }
    assert_eq!(store.purge_expired(now, 4).await.unwrap(), 4);
    assert_eq!(store.purge_expired(now, 4).await.unwrap(), 2);
    assert_eq!(store.purge_expired(now, 4).await.unwrap(), 0);
    assert_eq!(store.purge_expired(now, 0).await.unwrap(), 0);
    for scope in &scopes {
        let left = store.list_keys(scope, "", 9, None, Timestamp::from_millis(0)).await.unwrap();
        assert_eq!(left.keys, ["d", "e"]);
        for key in ["f", "g", "h", "i"] {
            store
                .set(scope, key, vec![0], None, quota, Timestamp::from_millis(0))
                .await
                .unwrap();
        }
        let more = store.set(scope, "j", vec![0], None, quota, Timestamp::from_millis(0)).await;
        assert!(is_quota(&more, "kv_keys"));
    }
}
