//! Documents: through the real sandbox, for users, across upgrades, and as administrators see them.

use bytes::Bytes;
use oriel_access::Principal;
use oriel_extensions::Consent;
use oriel_model::access::Role;
use oriel_model::collection::{DocumentOrder, Filter};
use oriel_model::id::ExecutionId;
use oriel_model::time::{Clock as _, SystemClock};
use oriel_model::{Coded, ErrorCode};
use oriel_sandbox::Call;
use serde_json::{Value, json};

use super::support::{World, manifest, package};

const PROGRAMS: [&str; 6] = ["who", "get", "find", "count", "write", "transact"];

fn keeper(name: &str, version: &str, collections: Value) -> Bytes {
    let mut manifest = manifest(name, version, &PROGRAMS);
    manifest["permissions"] = json!({ "collections": true });
    manifest["collections"] = collections;
    // Time enough for a busy machine.
    manifest["limits"] = json!({ "timeout": "60s", "cpu": "60s", "startTimeout": "60s", "document": "4KiB", "collectionDocuments": 20 });
    package("keeper", manifest)
}

fn notes() -> Value {
    json!([
        { "name": "notes", "schema": { "type": "object", "required": ["text"], "properties": { "text": { "type": "string" } } },
          "indexes": [{ "fields": ["/text"] }] },
        { "name": "own", "indexes": [{ "fields": ["/slug"], "unique": true }, { "fields": ["/n"] }],
          "access": { "owner": "/owner" } },
        { "name": "all", "access": { "owner": "/owner", "withoutUser": "all" } },
    ])
}

async fn ask(world: &World, by: &Principal, extension: &str, user: Option<&str>, program: &str, input: Value) -> Value {
    let handle = world.extensions.handle(by.tenant, &by.tenant_name, &extension.parse().unwrap());
    let active = handle.active().await.unwrap();
    let text = input.to_string();
    let call = Call {
        program,
        input: &text,
        execution: ExecutionId::new(SystemClock.now()),
        task: None,
        principal: None,
        user,
        traceparent: None,
        timeout: None,
    };
    serde_json::from_str(&active.pool().call(call).await.result.unwrap()).unwrap()
}

async fn keep(world: &World, user: Option<&str>, program: &str, input: Value) -> Value {
    ask(world, &world.owner, "keeper", user, program, input).await
}

fn error(answer: &Value) -> &str {
    answer["error"].as_str().unwrap_or_else(|| panic!("{answer}"))
}

#[tokio::test]
async fn documents_pass_through_the_sandbox() {
    let world = World::new().await;
    world.install(keeper("keeper", "1.0.0", notes())).await;
    let made = keep(&world, None, "write", json!({ "collection": "notes", "body": { "text": "one" } })).await;
    assert_eq!(made["version"], 1);
    let id = made["id"].as_str().unwrap();
    let found = keep(&world, None, "get", json!({ "collection": "notes", "id": id })).await;
    assert_eq!(found["document"]["body"], json!({ "text": "one" }));
    let patch = |expected| json!({ "collection": "notes", "id": id, "op": "patch", "body": { "more": 1 }, "expected": expected });
    assert_eq!(keep(&world, None, "write", patch(1)).await["version"], 2);
    assert_eq!(error(&keep(&world, None, "write", patch(1)).await), "conflict: 2");
    let page = keep(
        &world,
        None,
        "find",
        json!({ "collection": "notes", "filter": { "/more": 1 }, "order": ["/text"] }),
    )
    .await;
    assert_eq!(page["documents"][0]["id"], id);
    let both = json!({ "operations": [
        { "collection": "notes", "id": "x", "body": { "text": "x" } },
        { "collection": "notes", "id": id, "op": "check", "expected": 9 },
    ] });
    let refused = keep(&world, None, "transact", both).await;
    assert_eq!((refused["operation"].as_u64(), error(&refused)), (Some(1), "conflict: 2"));
    assert_eq!(keep(&world, None, "count", json!({ "collection": "notes" })).await["count"], 1);
    let states = world.extensions.collections(&world.owner, "keeper").await.unwrap();
    assert_eq!(states.iter().map(|state| state.documents).collect::<Vec<_>>(), [0, 1, 0]);
}

#[tokio::test]
async fn what_cannot_be_is_told_with_its_place() {
    let world = World::new().await;
    world.install(keeper("keeper", "1.0.0", notes())).await;
    let mut deep = json!({});
    for _ in 0..100 {
        deep = json!({ "a": deep });
    }
    let write = |body: Value| json!({ "collection": "notes", "id": "a", "op": "put", "body": body });
    for (input, wanted) in [
        (write(json!({})), "invalid: "),
        (write(json!({ "text": 1 })), "invalid: /text "),
        (write(json!([1])), "invalid: "),
        (write(json!("{\"text\"")), "invalid-input: the document is not JSON"),
        (write(json!("[".repeat(1_000))), "invalid-input: the document is not JSON"),
        (write(json!({ "text": "x", "deep": deep })), "invalid: "),
        (write(json!({ "text": "x".repeat(5_000) })), "limit-exceeded: document"),
        (write(json!({ "text": "x".repeat(300) })), "invalid: /text "),
        (
            json!({ "collection": "nothing", "id": "a", "body": {} }),
            "invalid-input: the manifest declares no collection",
        ),
        (
            json!({ "collection": "notes", "id": "../a", "body": { "text": "" } }),
            "invalid-input: an id has",
        ),
        (
            json!({ "collection": "notes", "op": "put", "body": {} }),
            "invalid-input: only an insert",
        ),
        (json!({ "collection": "notes", "id": "a", "op": "delete" }), "not-found"),
    ] {
        let answer = keep(&world, None, "write", input.clone()).await;
        assert!(error(&answer).starts_with(wanted), "{wanted}: {answer}");
    }
    // A patch cannot make a document longer than it may be.
    keep(&world, None, "write", write(json!({ "text": "short", "more": "x".repeat(3_000) }))).await;
    let patch = json!({ "collection": "notes", "id": "a", "op": "patch", "body": { "other": "x".repeat(3_000) } });
    assert!(error(&keep(&world, None, "write", patch).await).starts_with("invalid: "));
    for (filter, wanted) in [
        (json!({ "text' OR '1'='1": 1 }), "invalid-input: "),
        (json!({ "/text": { "$where": "1" } }), "invalid-input: "),
        (json!("{"), "invalid-input: the filter is not JSON"),
    ] {
        let answer = keep(&world, None, "find", json!({ "collection": "notes", "filter": filter })).await;
        assert!(error(&answer).starts_with(wanted), "{answer}");
    }
    for input in [
        json!({ "collection": "notes", "limit": 0 }),
        json!({ "collection": "notes", "limit": 1_001 }),
        json!({ "collection": "notes", "cursor": "made-up" }),
        json!({ "collection": "notes", "order": ["/other"] }),
        json!({ "collection": "notes", "order": ["text"] }),
    ] {
        assert!(error(&keep(&world, None, "find", input).await).starts_with("invalid-input: "));
    }
    // Twenty documents and no more.
    for number in 1..20 {
        let made = keep(
            &world,
            None,
            "write",
            json!({ "collection": "notes", "body": { "text": number.to_string() } }),
        )
        .await;
        assert_eq!(made["version"], 1, "{made}");
    }
    let full = keep(
        &world,
        None,
        "write",
        json!({ "collection": "notes", "body": { "text": "one more" } }),
    )
    .await;
    assert!(
        error(&full).starts_with("limit-exceeded: the limit `collection_documents`"),
        "{full}"
    );
}

#[tokio::test]
async fn nothing_crosses_tenants_and_extensions() {
    let world = World::new().await;
    world.install(keeper("keeper", "1.0.0", notes())).await;
    world.install(keeper("other", "1.0.0", notes())).await;
    world
        .extensions
        .install(&world.stranger, keeper("keeper", "1.0.0", notes()), Consent::All, true)
        .await
        .unwrap();
    for text in ["a", "b"] {
        keep(
            &world,
            None,
            "write",
            json!({ "collection": "notes", "id": text, "body": { "text": text } }),
        )
        .await;
    }
    let page = keep(&world, None, "find", json!({ "collection": "notes", "limit": 1 })).await;
    for (by, extension) in [(&world.owner, "other"), (&world.stranger, "keeper")] {
        let get = ask(&world, by, extension, None, "get", json!({ "collection": "notes", "id": "a" })).await;
        assert_eq!(get["document"], Value::Null);
        let count = ask(&world, by, extension, None, "count", json!({ "collection": "notes" })).await;
        assert_eq!(count["count"], 0);
        let stolen = json!({ "collection": "notes", "limit": 1, "cursor": page["next"] });
        assert!(error(&ask(&world, by, extension, None, "find", stolen).await).contains("cursor"));
    }
}

#[tokio::test]
async fn users_see_their_own_documents_only() {
    let world = World::new().await;
    world.install(keeper("keeper", "1.0.0", notes())).await;
    let (ann, ben) = (Some("ann"), Some("ben"));
    assert_eq!(keep(&world, ann, "who", json!({})).await["user"], "ann");
    assert_eq!(keep(&world, None, "who", json!({})).await["user"], Value::Null);
    let made = keep(
        &world,
        ann,
        "write",
        json!({ "collection": "own", "body": { "slug": "s", "n": 1 } }),
    )
    .await;
    let id = made["id"].clone();
    for program in ["get", "find", "count", "write"] {
        let nobody = keep(
            &world,
            None,
            program,
            json!({ "collection": "own", "id": id, "op": "put", "body": {} }),
        )
        .await;
        assert!(error(&nobody).starts_with("denied: "), "{nobody}");
    }
    assert_eq!(
        keep(&world, ben, "get", json!({ "collection": "own", "id": id })).await["document"],
        Value::Null
    );
    assert_eq!(
        keep(&world, ann, "get", json!({ "collection": "own", "id": id })).await["document"]["body"]["owner"],
        "ann"
    );
    for filter in [
        json!(null),
        json!({ "/owner": "ann" }),
        json!({ "/slug": "s" }),
        json!({ "/n": { "gt": 0 } }),
        json!({ "id": id }),
    ] {
        let found = keep(
            &world,
            ben,
            "find",
            json!({ "collection": "own", "filter": filter, "order": ["/n"] }),
        )
        .await;
        assert_eq!(found["documents"], json!([]));
        assert_eq!(
            keep(&world, ben, "count", json!({ "collection": "own", "filter": filter })).await["count"],
            0
        );
    }
    for op in ["replace", "patch", "delete", "check"] {
        let input = json!({ "collection": "own", "id": id, "op": op, "body": { "owner": "ben" }, "expected": 1 });
        assert_eq!(error(&keep(&world, ben, "write", input).await), "not-found", "{op}");
    }
    let taken = keep(&world, ben, "write", json!({ "collection": "own", "id": id, "body": {} })).await;
    let free = keep(&world, ben, "write", json!({ "collection": "own", "id": "free", "body": {} })).await;
    assert_eq!(error(&taken), error(&free));
    let probe = keep(&world, ben, "write", json!({ "collection": "own", "body": { "slug": "s" } })).await;
    assert_eq!(probe["version"], 1);
    let foreign = keep(&world, ben, "write", json!({ "collection": "own", "body": { "owner": "ann" } })).await;
    assert!(error(&foreign).starts_with("denied: "), "{foreign}");
    // Background work sees all where the rule says so.
    keep(&world, ann, "write", json!({ "collection": "all", "body": {} })).await;
    assert_eq!(keep(&world, None, "count", json!({ "collection": "all" })).await["count"], 1);
    assert_eq!(keep(&world, ben, "count", json!({ "collection": "all" })).await["count"], 0);
}

#[tokio::test]
async fn an_upgrade_is_refused_whole_when_documents_do_not_fit() {
    let world = World::new().await;
    world.install(keeper("keeper", "1.0.0", notes())).await;
    for text in ["a", "b", "bb"] {
        keep(
            &world,
            None,
            "write",
            json!({ "collection": "notes", "id": text, "body": { "text": text } }),
        )
        .await;
    }
    let strict = json!([
        { "name": "added" },
        { "name": "notes", "schema": { "required": ["text"], "properties": { "text": { "maxLength": 1 } } },
          "indexes": [{ "fields": ["/other"] }] },
    ]);
    let upgrade = async |version: &str, collections: Value| {
        let package = keeper("keeper", version, collections);
        Box::pin(world.extensions.upgrade(&world.owner, "keeper", package, Consent::All, None)).await
    };
    let refused = upgrade("2.0.0", strict.clone()).await.unwrap_err();
    assert_eq!(refused.code(), ErrorCode::CollectionMisfit);
    assert!(refused.to_string().contains("1 document does not fit (`bb`)"), "{refused}");
    let names = async || {
        let states = world.extensions.collections(&world.owner, "keeper").await.unwrap();
        states
            .into_iter()
            .map(|state| (state.manifest.name.to_string(), state.declared))
            .collect::<Vec<_>>()
    };
    assert_eq!(names().await.len(), 3);
    // The former release goes on, with its index.
    let page = keep(&world, None, "find", json!({ "collection": "notes", "order": ["-/text"] })).await;
    assert_eq!(page["documents"][0]["id"], "bb");
    world
        .extensions
        .delete_document(&world.owner, "keeper", ("notes", "bb"), None)
        .await
        .unwrap();
    upgrade("2.0.0", strict).await.unwrap();
    let declared: Vec<String> = names()
        .await
        .into_iter()
        .filter(|(_, declared)| *declared)
        .map(|(name, _)| name)
        .collect();
    assert_eq!(declared, ["added", "notes"]);
    let too_long = keep(&world, None, "write", json!({ "collection": "notes", "body": { "text": "cc" } })).await;
    assert!(error(&too_long).starts_with("invalid: /text "), "{too_long}");
    // Back, with what was dropped.
    world.extensions.roll_back(&world.owner, "keeper", None).await.unwrap();
    keep(
        &world,
        None,
        "write",
        json!({ "collection": "notes", "body": { "text": "long again" } }),
    )
    .await;
    let page = keep(&world, None, "find", json!({ "collection": "notes", "order": ["-/text"] })).await;
    assert_eq!(page["documents"][0]["body"]["text"], "long again");
}

#[tokio::test]
async fn canaries_have_the_same_collections_and_uninstalling_leaves_none() {
    let world = World::new().await;
    world.install(keeper("keeper", "1.0.0", notes())).await;
    keep(&world, None, "write", json!({ "collection": "notes", "body": { "text": "a" } })).await;
    // A canary beside it writes the same documents, so it has the same collections.
    let other = keeper("keeper", "3.0.0", json!([{ "name": "notes" }]));
    let canary = world
        .extensions
        .start_canary(
            &world.owner,
            "keeper",
            other,
            0.1,
            oriel_model::canary::CanaryPolicy::default(),
            None,
        )
        .await
        .unwrap_err();
    assert_eq!(canary.code(), ErrorCode::CollectionCanary);
    // Uninstalled and installed again, nothing is there.
    world.extensions.uninstall(&world.owner, "keeper", None).await.unwrap();
    world.install(keeper("keeper", "1.0.0", notes())).await;
    assert_eq!(keep(&world, None, "count", json!({ "collection": "notes" })).await["count"], 0);
}

#[tokio::test]
async fn administrators_look_into_collections() {
    let world = World::new().await;
    world.install(keeper("keeper", "1.0.0", notes())).await;
    let (owner, extensions) = (&world.owner, &world.extensions);
    let put = async |id: &str, body: Value, if_match| extensions.put_document(owner, "keeper", ("own", id), body, if_match).await;
    assert_eq!(put("a", json!({ "owner": "ann", "slug": "s" }), None).await.unwrap().version, 1);
    assert_eq!(put("a", json!({ "owner": "ann", "slug": "t" }), Some(1)).await.unwrap().version, 2);
    for (id, body, if_match, code) in [
        ("a", json!({}), Some(1), ErrorCode::DocumentVersion),
        ("b", json!({}), Some(1), ErrorCode::DocumentNotFound),
        ("b", json!([]), None, ErrorCode::DocumentInvalid),
        ("../b", json!({}), None, ErrorCode::DocumentInvalid),
        ("b", json!({ "owner": "ann", "slug": "t" }), None, ErrorCode::DocumentExists),
    ] {
        assert_eq!(put(id, body, if_match).await.unwrap_err().code(), code, "{id}");
    }
    let order = DocumentOrder::default();
    let find = async |by: &Principal, collection: &str| {
        let page = extensions
            .documents(by, "keeper", collection, &Filter::everything(), &order, (10, None))
            .await;
        page.map(|page| page.documents.len()).map_err(|error| error.code())
    };
    assert_eq!(find(owner, "own").await, Ok(1));
    assert_eq!(find(owner, "none").await, Err(ErrorCode::CollectionNotFound));
    assert_eq!(find(&world.stranger, "own").await, Err(ErrorCode::ExtensionNotFound));
    // Documents are people's data: who may only read the installation does not read them.
    let developer = world.principal(Role::Developer).await;
    assert!(extensions.collections(&developer, "keeper").await.is_ok());
    assert!(find(&developer, "own").await.is_err());
    extensions.delete_document(owner, "keeper", ("own", "a"), Some(2)).await.unwrap();
    assert_eq!(
        extensions.document(owner, "keeper", "own", "a").await.unwrap_err().code(),
        ErrorCode::DocumentNotFound
    );
    let audited = world.audited().await;
    let documents: Vec<_> = audited.iter().filter(|action| action.starts_with("document.")).collect();
    assert_eq!(documents, ["document.put", "document.put", "document.delete"]);
    assert!(world.extensions.collections(&world.stranger, "keeper").await.is_err());
}
