//! Documents of extensions.

use oriel_model::Timestamp;
use oriel_model::collection::{CollectionManifest, Document, DocumentOrder, Filter, Viewer};
use oriel_model::id::InstallationId;
use oriel_model::schema::SchemaProblem;
use serde_json::{Value, json};

use super::fixtures::{at, tenant_id};
use crate::collections::UNPREPARED;
use crate::{
    CollectionPlan, CollectionQuota, CollectionScope, DocumentChange, DocumentPage, DocumentQuery, DocumentWrites, Judge, Operation,
    Refusal, Refused, StoreError, Stores, Written,
};

const AMPLE: CollectionQuota = CollectionQuota {
    documents: 1_000_000,
    bytes: 1 << 30,
};

/// Takes all documents but those that say that they are bad.
struct Lenient;

impl Judge for Lenient {
    fn judge(&self, _: &str, body: &Value) -> Result<(), Vec<SchemaProblem>> {
        if body.get("bad").is_none() {
            return Ok(());
        }
        Err(vec![SchemaProblem {
            path: "/bad".to_owned(),
            message: "it is bad".to_owned(),
        }])
    }
}

/// Takes documents with a number `n` only.
struct Numbered;

impl Judge for Numbered {
    fn judge(&self, _: &str, body: &Value) -> Result<(), Vec<SchemaProblem>> {
        if body["n"].is_number() {
            return Ok(());
        }
        Err(vec![SchemaProblem {
            path: "/n".to_owned(),
            message: "it is no number".to_owned(),
        }])
    }
}

fn scope() -> CollectionScope {
    CollectionScope {
        tenant: tenant_id(),
        extension: "ext".parse().unwrap(),
    }
}

fn plan(collections: Value) -> CollectionPlan {
    CollectionPlan {
        installation: InstallationId::from_ulid(1.into()),
        collections: serde_json::from_value(collections).unwrap(),
    }
}

fn notes() -> CollectionPlan {
    plan(json!([
        {"name": "notes", "indexes": [
            {"fields": ["/n"]}, {"fields": ["/kind", "/n"]}, {"fields": ["/slug"], "unique": true},
        ]},
        {"name": "others"},
    ]))
}

fn owned() -> CollectionPlan {
    plan(
        json!([{"name": "notes", "indexes": [{"fields": ["/n"]}, {"fields": ["/slug"], "unique": true}],
        "access": {"owner": "/owner", "shared": "/with", "read": "shared", "write": "owner"}}]),
    )
}

struct Shop<'s> {
    stores: &'s Stores,
    scope: CollectionScope,
    plan: CollectionPlan,
    quota: CollectionQuota,
}

impl<'s> Shop<'s> {
    async fn open(stores: &'s Stores, plan: CollectionPlan) -> Self {
        let scope = scope();
        stores.collections.prepare(&scope, &plan, &Lenient, false).await.unwrap().unwrap();
        Self {
            stores,
            scope,
            plan,
            quota: AMPLE,
        }
    }

    fn viewer<'a>(&'a self, user: Option<&'a str>) -> Option<Viewer<'a>> {
        let rule = self.plan.collections[0].access.as_ref();
        user.zip(rule).map(|(user, rule)| Viewer { user, rule })
    }

    async fn transact(&self, user: Option<&str>, operations: Vec<(Option<&str>, DocumentChange)>) -> Result<Vec<Written>, Refused> {
        let operations = operations.into_iter().map(|(id, change)| Operation {
            collection: "notes".to_owned(),
            id: id.map(str::to_owned),
            change,
            viewer: self.viewer(user),
        });
        let writes = DocumentWrites {
            plan: Some(self.plan.digest()),
            operations: operations.collect(),
            judge: &Lenient,
            quota: self.quota,
            now: at(5),
        };
        self.stores.collections.write(&self.scope, writes).await.unwrap()
    }

    async fn one(&self, user: Option<&str>, id: Option<&str>, change: DocumentChange) -> Result<Written, Refusal> {
        let done = self.transact(user, vec![(id, change)]).await;
        done.map(|mut written| written.remove(0)).map_err(|refused| refused.reason)
    }

    async fn insert(&self, id: &str, body: Value) {
        self.one(None, Some(id), DocumentChange::Insert { body }).await.unwrap();
    }

    async fn get(&self, user: Option<&str>, id: &str) -> Option<Document> {
        self.stores
            .collections
            .get(&self.scope, "notes", id, self.viewer(user))
            .await
            .unwrap()
    }

    async fn try_find(
        &self,
        user: Option<&str>,
        filter: Value,
        order: &[&str],
        (limit, cursor): (u32, Option<&str>),
    ) -> crate::Result<DocumentPage> {
        let order: Vec<String> = order.iter().map(|text| (*text).to_owned()).collect();
        let query = DocumentQuery {
            collection: "notes",
            filter: &Filter::from_value(&filter).unwrap(),
            order: &DocumentOrder::parse(&order).unwrap(),
            limit,
            cursor,
            viewer: self.viewer(user),
        };
        self.stores.collections.query(&self.scope, query).await
    }

    async fn find(&self, user: Option<&str>, filter: Value, order: &[&str]) -> Vec<String> {
        let page = self.try_find(user, filter, order, (1_000, None)).await.unwrap();
        assert_eq!(page.next_cursor, None);
        page.documents.into_iter().map(|document| document.id).collect()
    }

    async fn count(&self, user: Option<&str>, filter: Value) -> u64 {
        let filter = Filter::from_value(&filter).unwrap();
        self.stores
            .collections
            .count(&self.scope, "notes", &filter, self.viewer(user))
            .await
            .unwrap()
    }

    async fn held(&self) -> (u64, u64) {
        let states = self.stores.collections.states(&self.scope).await.unwrap();
        states.iter().fold((0, 0), |(documents, bytes), state| {
            (documents + state.documents, bytes + state.bytes)
        })
    }
}

fn put(body: Value) -> DocumentChange {
    DocumentChange::Put { body }
}

/// Made, read, replaced, patched, deleted; versions and times tell of it.
pub async fn documents_live(stores: &Stores) {
    let shop = Shop::open(stores, notes()).await;
    assert_eq!(shop.get(None, "a").await, None);
    let made = shop
        .one(
            None,
            Some("a"),
            DocumentChange::Insert {
                body: json!({"n": 1, "x": "ü\u{0}\"'"}),
            },
        )
        .await
        .unwrap();
    assert_eq!((made.id.as_str(), made.version), ("a", 1));
    let document = shop.get(None, "a").await.unwrap();
    assert_eq!(document.body, json!({"n": 1, "x": "ü\u{0}\"'"}));
    assert_eq!((document.version, document.created_at, document.updated_at), (1, at(5), at(5)));
    let replace = |expected| DocumentChange::Replace {
        body: json!({"n": 2}),
        expected,
    };
    assert_eq!(
        shop.one(None, Some("a"), replace(Some(7))).await,
        Err(Refusal::Version { actual: 1 })
    );
    assert_eq!(shop.one(None, Some("a"), replace(Some(1))).await.unwrap().version, 2);
    let patch = DocumentChange::Patch {
        patch: json!({"n": null, "y": {"z": 1}}),
        expected: None,
    };
    assert_eq!(shop.one(None, Some("a"), patch).await.unwrap().version, 3);
    assert_eq!(shop.get(None, "a").await.unwrap().body, json!({"y": {"z": 1}}));
    assert_eq!(shop.one(None, Some("a"), put(json!({"n": 9}))).await.unwrap().version, 4);
    let again = DocumentChange::Insert { body: json!({}) };
    assert_eq!(shop.one(None, Some("a"), again).await, Err(Refusal::Exists));
    let delete = |expected| DocumentChange::Delete { expected };
    assert_eq!(
        shop.one(None, Some("a"), delete(Some(3))).await,
        Err(Refusal::Version { actual: 4 })
    );
    assert_eq!(shop.one(None, Some("a"), delete(Some(4))).await.unwrap().version, 0);
    assert_eq!(shop.one(None, Some("a"), delete(None)).await, Err(Refusal::NotFound));
    assert_eq!(shop.one(None, Some("a"), replace(None)).await, Err(Refusal::NotFound));
    let made = shop.one(None, None, DocumentChange::Insert { body: json!({}) }).await.unwrap();
    assert_eq!(shop.get(None, &made.id).await.unwrap().version, 1);
    let bad = shop.one(None, Some("b"), put(json!({"bad": 1}))).await;
    assert!(matches!(bad, Err(Refusal::Invalid { problems }) if problems[0].path == "/bad"));
    assert!(matches!(
        shop.one(None, Some("b"), put(json!([1]))).await,
        Err(Refusal::Invalid { .. })
    ));
    let long = put(json!({"slug": "x".repeat(257)}));
    assert!(matches!(shop.one(None, Some("b"), long).await, Err(Refusal::Invalid { problems }) if problems[0].path == "/slug"));
    assert_eq!(shop.held().await.0, 1);
}

/// Another tenant and another extension see nothing, and what is not prepared says so.
pub async fn document_scopes_are_apart(stores: &Stores) {
    let shop = Shop::open(stores, notes()).await;
    shop.insert("a", json!({"n": 1})).await;
    let tenants_own = CollectionScope {
        tenant: shop.scope.tenant,
        extension: "ext2".parse().unwrap(),
    };
    for other in [scope(), tenants_own] {
        let unprepared = stores.collections.get(&other, "notes", "a", None).await;
        assert!(
            matches!(unprepared, Err(StoreError::Conflict { what: UNPREPARED })),
            "{unprepared:?}"
        );
        assert!(stores.collections.states(&other).await.unwrap().is_empty());
        stores
            .collections
            .prepare(&other, &notes(), &Lenient, false)
            .await
            .unwrap()
            .unwrap();
        assert_eq!(stores.collections.get(&other, "notes", "a", None).await.unwrap(), None);
        let all = Filter::everything();
        assert_eq!(stores.collections.count(&other, "notes", &all, None).await.unwrap(), 0);
        // A cursor of one scope is none of another.
        let page = shop.try_find(None, json!({}), &[], (1, None)).await.unwrap();
        assert_eq!(page.next_cursor, None);
        stores.collections.forget(&other).await.unwrap();
    }
    assert!(shop.get(None, "a").await.is_some());
    let unknown = stores.collections.get(&shop.scope, "unknown", "a", None).await;
    assert!(matches!(unknown, Err(StoreError::Conflict { .. })));
    stores.collections.forget(&shop.scope).await.unwrap();
    assert!(matches!(
        stores.collections.get(&shop.scope, "notes", "a", None).await,
        Err(StoreError::Conflict { .. })
    ));
}

/// What filters mean is found, whichever way it is looked for, and texts that look like statements are texts.
pub async fn documents_are_found(stores: &Stores) {
    let shop = Shop::open(stores, notes()).await;
    let hostile = "'; DROP TABLE documents; --";
    for (id, body) in [
        ("a", json!({"kind": "x", "n": 3, "slug": "a-1"})),
        ("b", json!({"kind": "x", "n": -1.5})),
        ("c", json!({"kind": "y", "n": 10, "tags": ["t"]})),
        ("d", json!({"kind": hostile, "n": "3"})),
        ("e", json!({"n": null})),
        ("f", json!({"kind": "xy", "n": [1]})),
        ("g", json!({"kind": "x"})),
    ] {
        shop.insert(id, body).await;
    }
    for (filter, wanted) in [
        (json!({}), "abcdefg"),
        (json!({"/kind": "x"}), "abg"),
        (json!({"/kind": "x", "/n": {"gte": 3}}), "a"),
        (json!({"/n": {"gt": -2}}), "abc"),
        (json!({"/n": {"lt": 10}}), "ab"),
        (json!({"/n": {"lte": 10, "gt": -1.5}}), "ac"),
        (json!({"/n": {"gt": ""}}), "d"),
        (json!({"/n": null}), "e"),
        (json!({"/n": {"exists": false}}), "g"),
        (json!({"/kind": {"prefix": "x"}}), "abfg"),
        (json!({"/kind": {"in": ["y", hostile]}}), "cd"),
        (json!({"/kind": hostile}), "d"),
        (json!({"/kind": {"ne": "x"}}), "cdef"),
        (json!({"/tags": {"contains": "t"}}), "c"),
        (json!({"or": [{"/n": 3}, {"id": "g"}]}), "ag"),
        (json!({"not": {"/kind": "x"}, "id": {"lt": "e"}}), "cd"),
        (json!({"/slug": "a-1"}), "a"),
        (json!({"/slug": {"prefix": "a"}}), "a"),
    ] {
        assert_eq!(shop.find(None, filter.clone(), &[]).await.concat(), wanted, "{filter}");
        assert_eq!(shop.count(None, filter.clone()).await, wanted.len() as u64, "{filter}");
        // The same documents in the order of an index.
        let mut ordered = shop.find(None, filter.clone(), &["-/n"]).await;
        ordered.sort();
        assert_eq!(ordered.concat(), wanted, "{filter}");
    }
}

/// Pages follow one another without gaps in any order, also while documents come and go.
pub async fn documents_page(stores: &Stores) {
    let shop = Shop::open(stores, notes()).await;
    for number in 0..50_u32 {
        shop.insert(
            &format!("d{number:02}"),
            json!({"n": number % 7, "kind": if number % 2 == 0 { "even" } else { "odd" }}),
        )
        .await;
    }
    for (filter, order) in [
        (json!({}), &[][..]),
        (json!({}), &["/n"]),
        (json!({}), &["-/n"]),
        (json!({"/kind": "odd"}), &["/n"]),
        (json!({"/kind": "odd"}), &["-/n"]),
        (json!({"/kind": "odd", "/n": {"gt": 2}}), &["/n"]),
        (json!({"/kind": "odd"}), &[]),
        (json!({"/kind": "even"}), &["/kind", "/n"]),
        (json!({"not": {"/n": 3}}), &["-/kind", "-/n"]),
    ] {
        let whole = shop.find(None, filter.clone(), order).await;
        let mut paged = Vec::new();
        let mut cursor: Option<String> = None;
        loop {
            let page = shop.try_find(None, filter.clone(), order, (6, cursor.as_deref())).await.unwrap();
            assert!(page.documents.len() <= 6);
            paged.extend(page.documents.into_iter().map(|document| document.id));
            cursor = page.next_cursor;
            if cursor.is_none() {
                break;
            }
        }
        assert_eq!(paged, whole, "{filter} {order:?}");
    }
    // In order of n, then of the id.
    let first = shop.find(None, json!({"/n": {"lte": 0}}), &["/n"]).await;
    assert_eq!(first, ["d00", "d07", "d14", "d21", "d28", "d35", "d42", "d49"]);
    let no_index = shop.try_find(None, json!({}), &["/other"], (1, None)).await;
    assert!(matches!(no_index, Err(StoreError::WrongForm { .. })), "{no_index:?}");
    // A cursor is good for its own query only.
    let page = shop.try_find(None, json!({}), &["/n"], (2, None)).await.unwrap();
    let cursor = page.next_cursor.as_deref();
    for (user, filter, order) in [
        (None, json!({}), &["-/n"][..]),
        (None, json!({"/kind": "odd"}), &["/n"]),
        (None, json!({}), &[]),
    ] {
        let foreign = shop.try_find(user, filter, order, (2, cursor)).await;
        assert!(matches!(foreign, Err(StoreError::Cursor)), "{foreign:?}");
    }
    for made_up in ["", "x", "bm90ZXMKYQ", "%%%"] {
        let foreign = shop.try_find(None, json!({}), &["/n"], (2, Some(made_up))).await;
        assert!(matches!(foreign, Err(StoreError::Cursor)), "{made_up}: {foreign:?}");
    }
}

/// All operations of a transaction happen or none does, and the one that stood in the way is named.
pub async fn document_transactions_are_whole(stores: &Stores) {
    let shop = Shop::open(stores, notes()).await;
    shop.insert("a", json!({"n": 1})).await;
    let before = shop.held().await;
    let insert = |body| DocumentChange::Insert { body };
    for (number, refused) in [
        (Some("a"), insert(json!({}))),
        (Some("zz"), DocumentChange::Delete { expected: None }),
        (Some("a"), DocumentChange::Check { version: Some(3) }),
        (Some("a"), DocumentChange::Check { version: None }),
        (Some("zz"), DocumentChange::Check { version: Some(1) }),
        (Some("c"), insert(json!({"bad": true}))),
    ] {
        let operations = vec![
            (Some("b"), insert(json!({"n": 2}))),
            (Some("a"), put(json!({"n": 3}))),
            (number, refused.clone()),
        ];
        let done = shop.transact(None, operations).await;
        assert_eq!(done.unwrap_err().operation, 2, "{refused:?}");
        assert_eq!((shop.get(None, "b").await, shop.get(None, "a").await.unwrap().version), (None, 1));
        assert_eq!(shop.held().await, before);
        assert_eq!(shop.find(None, json!({"/n": {"gt": 0}}), &["/n"]).await, ["a"]);
    }
    let operations = vec![
        (Some("b"), DocumentChange::Check { version: None }),
        (Some("b"), insert(json!({"n": 5}))),
        (
            Some("b"),
            DocumentChange::Patch {
                patch: json!({"n": 6}),
                expected: Some(1),
            },
        ),
        (Some("a"), DocumentChange::Delete { expected: Some(1) }),
    ];
    let versions: Vec<u64> = shop
        .transact(None, operations)
        .await
        .unwrap()
        .iter()
        .map(|written| written.version)
        .collect();
    assert_eq!(versions, [0, 1, 2, 0]);
    assert_eq!(shop.find(None, json!({"/n": {"gt": 0}}), &["/n"]).await, ["b"]);
}

/// Of many that replace the same version exactly one does.
pub async fn one_of_many_replacements_wins(stores: &Stores) {
    let shop = Shop::open(stores, notes()).await;
    shop.insert("a", json!({"n": 0})).await;
    let writers = (0..12).map(|number| {
        let change = DocumentChange::Replace {
            body: json!({"n": number}),
            expected: Some(1),
        };
        shop.one(None, Some("a"), change)
    });
    let mut won = 0;
    for done in join(writers).await {
        match done {
            Ok(_) => won += 1,
            Err(reason) => assert_eq!(reason, Refusal::Version { actual: 2 }),
        }
    }
    assert_eq!(won, 1);
}

/// Runs futures at once.
async fn join<T>(futures: impl Iterator<Item = impl Future<Output = T>>) -> Vec<T> {
    let mut running: Vec<_> = futures.map(Box::pin).collect();
    let mut done: Vec<Option<T>> = running.iter().map(|_| None).collect();
    std::future::poll_fn(|context| {
        let mut pending = false;
        for (future, slot) in running.iter_mut().zip(&mut done) {
            if slot.is_none() {
                match future.as_mut().poll(context) {
                    std::task::Poll::Ready(value) => *slot = Some(value),
                    std::task::Poll::Pending => pending = true,
                }
            }
        }
        if pending {
            std::task::Poll::Pending
        } else {
            std::task::Poll::Ready(())
        }
    })
    .await;
    done.into_iter().flatten().collect()
}

/// No two documents have the same values in a unique index, and values are free again when they are given up.
pub async fn unique_indexes_hold(stores: &Stores) {
    let shop = Shop::open(stores, notes()).await;
    shop.insert("a", json!({"slug": "one"})).await;
    let taken = Err(Refusal::Unique { index: "/slug".to_owned() });
    assert_eq!(shop.one(None, Some("b"), put(json!({"slug": "one"}))).await, taken);
    shop.insert("b", json!({"slug": "two"})).await;
    let patch = DocumentChange::Patch {
        patch: json!({"slug": "one"}),
        expected: None,
    };
    assert_eq!(shop.one(None, Some("b"), patch.clone()).await, taken);
    // Neither what is missing nor null, lists or another type is compared.
    for (id, body) in [
        ("c", json!({})),
        ("d", json!({})),
        ("e", json!({"slug": null})),
        ("f", json!({"slug": null})),
        ("g", json!({"slug": []})),
    ] {
        shop.insert(id, body).await;
    }
    shop.one(None, Some("a"), put(json!({"slug": "three"}))).await.unwrap();
    shop.one(None, Some("b"), patch).await.unwrap();
    shop.one(None, Some("b"), DocumentChange::Delete { expected: None }).await.unwrap();
    shop.insert("h", json!({"slug": "one"})).await;
    let both = vec![(Some("i"), put(json!({"slug": "same"}))), (Some("j"), put(json!({"slug": "same"})))];
    assert_eq!(shop.transact(None, both).await.unwrap_err().operation, 1);
}

/// Documents and bytes never pass their quotas, however many write at once; making less is always allowed.
pub async fn document_quotas_are_exact(stores: &Stores) {
    let mut shop = Shop::open(stores, notes()).await;
    shop.quota = CollectionQuota {
        documents: 10,
        bytes: 1 << 20,
    };
    let writers = (0..25).map(|number| {
        shop.one(
            None,
            None,
            DocumentChange::Insert {
                body: json!({"n": number}),
            },
        )
    });
    let mut written = Vec::new();
    for done in join(writers).await {
        match done {
            Ok(done) => written.push(done.id),
            Err(reason) => assert_eq!(
                reason,
                Refusal::Quota {
                    what: "collection_documents"
                }
            ),
        }
    }
    assert_eq!((written.len(), shop.held().await.0), (10, 10));
    shop.quota = CollectionQuota { documents: 3, bytes: 10 };
    shop.one(None, Some(&written[0]), DocumentChange::Delete { expected: None })
        .await
        .unwrap();
    let bytes = shop.held().await.1;
    let grow = shop
        .one(None, Some(&written[1]), put(json!({"n": "much longer than before"})))
        .await;
    assert_eq!(grow, Err(Refusal::Quota { what: "collection_bytes" }));
    shop.one(None, Some(&written[1]), put(json!({}))).await.unwrap();
    assert!(shop.held().await.1 < bytes);
    for id in &written[1..] {
        shop.one(None, Some(id), DocumentChange::Delete { expected: None }).await.unwrap();
    }
    assert_eq!(shop.held().await, (0, 0));
    let own = plan(json!([{"name": "notes", "maxDocuments": 1, "maxBytes": 20}]));
    stores
        .collections
        .prepare(&shop.scope, &own, &Lenient, false)
        .await
        .unwrap()
        .unwrap();
    let shop = Shop {
        plan: own,
        quota: AMPLE,
        ..shop
    };
    let long = shop.one(None, Some("a"), put(json!({"text": "x".repeat(30)}))).await;
    assert_eq!(long, Err(Refusal::Quota { what: "max_bytes" }));
    shop.insert("a", json!({})).await;
    assert_eq!(
        shop.one(None, Some("b"), put(json!({}))).await,
        Err(Refusal::Quota { what: "max_documents" })
    );
}

/// To one user another's documents are as if they were not there: by id, by query, by count, in transactions, and by trying which
/// unique values are taken.
pub async fn users_see_their_own(stores: &Stores) {
    let shop = Shop::open(stores, owned()).await;
    let (ann, ben) = (Some("ann"), Some("ben"));
    let made = shop
        .one(
            ann,
            None,
            DocumentChange::Insert {
                body: json!({"n": 1, "slug": "s"}),
            },
        )
        .await
        .unwrap();
    let id = made.id.as_str();
    assert_eq!(shop.get(ann, id).await.unwrap().body["owner"], "ann");
    assert_eq!(shop.get(ben, id).await, None);
    for filter in [
        json!({}),
        json!({"/owner": "ann"}),
        json!({"id": id}),
        json!({"/n": 1}),
        json!({"or": [{"/n": 1}, {"/owner": {"ne": "x"}}]}),
    ] {
        for order in [&[][..], &["/n"]] {
            assert_eq!(shop.find(ben, filter.clone(), order).await.len(), 0, "{filter}");
            assert_eq!(shop.find(ann, filter.clone(), order).await, [id], "{filter}");
        }
        assert_eq!((shop.count(ben, filter.clone()).await, shop.count(ann, filter).await), (0, 1));
    }
    // What is not there and what may not be seen are answered alike.
    let changes = [
        DocumentChange::Replace {
            body: json!({}),
            expected: None,
        },
        DocumentChange::Replace {
            body: json!({}),
            expected: Some(9),
        },
        DocumentChange::Patch {
            patch: json!({}),
            expected: None,
        },
        DocumentChange::Delete { expected: Some(1) },
        DocumentChange::Insert { body: json!({}) },
        put(json!({})),
        DocumentChange::Check { version: Some(1) },
        DocumentChange::Check { version: None },
    ];
    for change in changes {
        let there = shop.one(ben, Some(id), change.clone()).await.map(|written| written.version);
        let nowhere = shop.one(ben, Some("nowhere"), change.clone()).await.map(|written| written.version);
        assert_eq!(there, nowhere, "{change:?}");
    }
    assert_eq!(shop.get(ann, id).await.unwrap().version, 1);
    // Unique values are each owner's own.
    let ben_made = shop
        .one(
            ben,
            None,
            DocumentChange::Insert {
                body: json!({"slug": "s"}),
            },
        )
        .await
        .unwrap();
    let twice = shop
        .one(
            ben,
            None,
            DocumentChange::Insert {
                body: json!({"slug": "s"}),
            },
        )
        .await;
    assert_eq!(twice, Err(Refusal::Unique { index: "/slug".to_owned() }));
    // Nobody makes documents for others, or gives them away.
    for foreign in [json!({"owner": "ann"}), json!({"owner": null}), json!({"owner": ["ben"]})] {
        let made = shop.one(ben, None, DocumentChange::Insert { body: foreign }).await;
        assert!(matches!(made, Err(Refusal::Denied { .. })), "{made:?}");
    }
    let give = DocumentChange::Patch {
        patch: json!({"owner": "ann"}),
        expected: None,
    };
    assert!(matches!(shop.one(ben, Some(&ben_made.id), give).await, Err(Refusal::Denied { .. })));
    // Shared for reading: seen, and not changed.
    shop.one(
        ann,
        Some(id),
        DocumentChange::Patch {
            patch: json!({"with": ["ben"]}),
            expected: None,
        },
    )
    .await
    .unwrap();
    assert_eq!(shop.get(ben, id).await.unwrap().version, 2);
    assert_eq!(shop.count(ben, json!({})).await, 2);
    assert!(matches!(
        shop.one(ben, Some(id), DocumentChange::Delete { expected: None }).await,
        Err(Refusal::Denied { .. })
    ));
    // Replacing without naming the owner keeps them.
    shop.one(
        ann,
        Some(id),
        DocumentChange::Replace {
            body: json!({"n": 5}),
            expected: None,
        },
    )
    .await
    .unwrap();
    assert_eq!(shop.get(ann, id).await.unwrap().body["owner"], "ann");
    assert_eq!(shop.get(ben, id).await, None);
    // Without a viewer everything is there.
    assert_eq!(shop.count(None, json!({})).await, 2);
}

/// A plan is put in force whole or not at all, and what does not fit is named.
pub async fn plans_change_whole(stores: &Stores) {
    let shop = Shop::open(stores, notes()).await;
    for number in 0..15 {
        shop.insert(&format!("d{number:02}"), json!({"n": number, "kind": "same"})).await;
    }
    shop.insert("odd", json!({"n": "no number"})).await;
    let prepare = async |plan: &CollectionPlan, judge: &dyn Judge, lenient| {
        stores.collections.prepare(&shop.scope, plan, judge, lenient).await.unwrap()
    };
    // A new collection, then one that cannot be: the first is not there either.
    let strict = plan(json!([
        {"name": "added"},
        {"name": "notes", "schema": {"required": ["n"]}, "indexes": [{"fields": ["/n"]}]},
    ]));
    let misfits = prepare(&strict, &Numbered, false).await.unwrap_err();
    assert_eq!((misfits.count, misfits.first.as_slice()), (1, &["odd".to_owned()][..]));
    assert_eq!(misfits.reason, "/n: it is no number");
    let names = async || {
        let states = stores.collections.states(&shop.scope).await.unwrap();
        states
            .into_iter()
            .map(|state| (state.manifest.name.to_string(), state.declared))
            .collect::<Vec<_>>()
    };
    assert_eq!(names().await, [("notes".to_owned(), true), ("others".to_owned(), true)]);
    // The former plan is in force as it was, with its indexes.
    assert_eq!(
        shop.find(None, json!({"/kind": "same", "/n": {"lt": 2}}), &["/n"]).await,
        ["d00", "d01"]
    );
    shop.insert("more", json!({"n": 99})).await;
    // A unique index that documents stand against, after another index was emptied.
    let unique = plan(json!([{"name": "notes", "indexes": [{"fields": ["/kind"], "unique": true}]}]));
    let misfits = prepare(&unique, &Lenient, false).await.unwrap_err();
    assert_eq!((misfits.count, misfits.first.len()), (14, 10));
    assert!(misfits.reason.contains("unique index of /kind"), "{}", misfits.reason);
    assert_eq!(shop.find(None, json!({}), &["-/n"]).await[0], "odd");
    // With the documents in order it goes through; writers of the former plan are told.
    shop.one(None, Some("odd"), DocumentChange::Delete { expected: None })
        .await
        .unwrap();
    prepare(&strict, &Numbered, false).await.unwrap();
    prepare(&strict, &Numbered, false).await.unwrap();
    assert_eq!(
        names().await,
        [("added".to_owned(), true), ("notes".to_owned(), true), ("others".to_owned(), false)]
    );
    let writes = DocumentWrites {
        plan: Some(notes().digest()),
        operations: Vec::new(),
        judge: &Lenient,
        quota: AMPLE,
        now: Timestamp::from_millis(1),
    };
    let late = stores.collections.write(&shop.scope, writes).await;
    assert!(matches!(late, Err(StoreError::Conflict { what: UNPREPARED })));
    let shop = Shop { plan: strict, ..shop };
    assert_eq!(shop.count(None, json!({})).await, 16);
    assert!(matches!(
        shop.try_find(None, json!({}), &["/kind", "/n"], (1, None)).await,
        Err(StoreError::WrongForm { .. })
    ));
    // Back again, leniently: what was dropped was kept.
    shop.stores
        .collections
        .prepare(&shop.scope, &notes(), &Numbered, true)
        .await
        .unwrap()
        .unwrap();
    let shop = Shop { plan: notes(), ..shop };
    assert_eq!(shop.find(None, json!({"/kind": "same"}), &["-/n"]).await.len(), 15);
    // Another installation of the same name finds nothing.
    let again = CollectionPlan {
        installation: InstallationId::from_ulid(2.into()),
        ..notes()
    };
    shop.stores
        .collections
        .prepare(&shop.scope, &again, &Lenient, false)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(shop.held().await, (0, 0));
    let manifests: Vec<CollectionManifest> = again.collections;
    assert_eq!(manifests.len(), 2);
}

/// A query that would have to look at too many documents is refused; one that an index helps is not.
pub async fn queries_are_bounded_by_what_they_return(stores: &Stores) {
    let shop = Shop::open(stores, notes()).await;
    let body = "x".repeat(600 << 10);
    for number in 0..9 {
        shop.insert(&format!("d{number}"), json!({"n": number, "text": body})).await;
    }
    // A page ends before it is too long, and the next ones bring the rest.
    let mut cursor: Option<String> = None;
    let mut seen = Vec::new();
    loop {
        let page = shop.try_find(None, json!({}), &["/n"], (1_000, cursor.as_deref())).await.unwrap();
        assert!(!page.documents.is_empty() && page.documents.len() < 9);
        seen.extend(page.documents.into_iter().map(|document| document.id));
        cursor = page.next_cursor;
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!(seen.concat(), "d0d1d2d3d4d5d6d7d8");
}
