//! Every operation of the API, asked by one tenant about what belongs to another. The list of operations is the server's own
//! document, so a new one is walked without anybody thinking of it: what the walk does not know how to ask fails it.

use std::collections::BTreeMap;

use reqwest::Method;
use serde_json::{Value, json};

use crate::packages::{Maker, maker, mallory, sender, web};
use crate::world::{Actor, Answer, World, answer};

/// Stands in whatever the victim writes.
const MARK: &str = "only-acme-knows";

/// Operations that make or change something of the caller's own, whatever it is called: they may succeed, without a word of the
/// victim's.
const OWN: [&str; 2] = ["putPolicy", "putHook"];

/// What the victim has, by the name of the path parameter that asks for it, several spellings each.
struct Victim(BTreeMap<&'static str, Vec<String>>);

fn points() -> Maker {
    maker("points", "acme-points")
        .with("[[validators]]\nname = \"succeeded\"\n[[hooks]]\nname = \"pass\"\n[[samplers]]\nname = \"all\"\n")
        .with("[[event_handlers]]\nname = \"store\"\ntypes = [\"*\"]\n[[jobs]]\nname = \"echo\"\n")
        .with("[permissions]\nkey_value = true\n")
}

/// Fills the victim's tenant with one of everything.
async fn furnish(acme: &Actor) -> Victim {
    acme.install(mallory("acme-notes")).await;
    acme.install(points()).await;
    acme.install(sender("acme-sender", "secrets = { token = [\"nowhere.invalid\"] }"))
        .await;
    acme.install(web("acme-web", "[[routes]]\nname = \"all\"\npath = \"/\"\naccess = \"key\"\n"))
        .await;
    acme.put("/extensions/acme-sender/secrets/token", json!({ "value": MARK }))
        .await
        .ok();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let task = acme.task("acme.echo", "acme-notes", "echo").await;
    let hook = json!({ "kind": "filter", "description": MARK });
    acme.put("/hooks/acme.hook", hook).await.ok();
    let binding = json!({ "kind": "hook", "point": "acme.hook", "contribution": { "extension": "acme-points", "name": "pass" } });
    let binding = acme.post("/bindings", binding).await.ok();
    let judge = json!({ "kind": "validator", "point": "acme.echo", "contribution": { "extension": "acme-points", "name": "succeeded" } });
    acme.post("/bindings", judge).await.ok();
    let execution = acme.execute("acme.echo", json!({ "word": MARK })).await.ok();
    let items = json!([{ "id": "1", "input": { "word": MARK } }]);
    let batch = acme
        .post("/tasks/batch/execute", json!({ "taskId": "acme.echo", "items": items }))
        .await
        .ok();
    acme.told("acme-notes", "log", json!({ "message": MARK })).await;
    acme.told("acme-notes", "kv", json!({ "ops": [{ "do": "set", "key": "k", "value": MARK }] }))
        .await;
    let key = acme.post("/keys", json!({ "name": MARK, "role": "viewer" })).await.ok();
    let member = json!({ "kind": "service-account", "name": "acme-ci", "role": "viewer" });
    let member = acme.post("/members", member).await.ok();
    let policy = json!({ "text": format!("forbid(principal, action, resource == Oriel::Task::\"{MARK}\");") });
    acme.put("/access/policies/acme-policy", policy).await.ok();
    let run = acme
        .post("/extensions/acme-points/jobs/echo/run", json!({ "input": { "word": MARK } }))
        .await
        .ok();
    let ids = |all: &[&str]| all.iter().map(|id| (*id).to_owned()).collect::<Vec<_>>();
    Victim(BTreeMap::from([
        ("name", ids(&["acme-notes", "acme-sender", "acme-web", "acme-points", "acme"])),
        ("extension", ids(&["acme-points"])),
        ("kind", ids(&["hook"])),
        ("program", ids(&["echo"])),
        ("secret", ids(&["token"])),
        ("taskId", vec![text(&task["id"]), "acme.echo".to_owned()]),
        ("executionId", vec![text(&execution["id"])]),
        ("batchId", vec![text(&batch["batchId"])]),
        ("bindingId", vec![text(&binding["id"])]),
        ("hook", ids(&["acme.hook"])),
        ("keyId", vec![text(&key["id"])]),
        ("id", ids(&["acme-policy"])),
        ("member", vec![text(&member["id"]), text(&member["name"])]),
        ("job", ids(&["echo"])),
        ("runId", vec![text(&run["id"])]),
        ("collection", ids(&["notes"])),
        ("documentId", ids(&["first"])),
        ("function", ids(&["key-value.get"])),
        // Nothing unusual has happened yet; the form is that of a real one.
        ("anomalyId", ids(&["anom_01jd3yq8m3v5n4x2c7b9k0r6ts"])),
        // Nobody signs in on a server without an issuer; the same goes for these.
        ("session", ids(&["ses_01jd3yq8m3v5n4x2c7b9k0r6ts"])),
    ]))
}

/// What is sent to an operation that takes a body: whatever names something names the victim's.
fn body(operation: &str, victim: &Victim) -> Option<Value> {
    let of = |name: &str| victim.0[name][0].clone();
    let (task, execution) = (of("taskId"), of("executionId"));
    Some(match operation {
        "checkAccess" => {
            json!({ "principal": { "id": of("keyId") }, "action": "executeTask", "resource": { "type": "Task", "id": "acme.echo" } })
        }
        "putPolicy" => json!({ "text": "permit(principal, action, resource);" }),
        "createBinding" => {
            json!({ "kind": "hook", "point": "acme.hook", "contribution": { "extension": "acme-points", "name": "pass" } })
        }
        "updateBinding" | "changeCanary" | "makeHostCall" => json!({}),
        "setExtensionBudgets" | "setQuotas" | "setExtensionLimits" | "consentToExtension" => json!({}),
        "setExtensionHealthPolicy" | "rotateExtensionSecret" | "acknowledgeAnomaly" | "dismissAnomaly" | "putDocument" => json!({}),
        "setExtensionRemote" => json!({ "url": "https://evil.example" }),
        "reportIncident" => json!({ "extension": "acme-notes" }),
        "runJob" => json!({ "input": {} }),
        "setExtensionConfig" => json!({ "config": {} }),
        "callProgram" => json!({ "input": {} }),
        "setExtensionSecret" => json!({ "value": "stolen" }),
        "putHook" => json!({ "kind": "filter" }),
        "fireHook" => json!({ "payload": {} }),
        "createTask" => json!({ "name": "mine", "program": { "extension": "acme-notes", "name": "echo" } }),
        "updateTask" => json!({ "description": "mine now" }),
        "executeTask" => json!({ "taskId": task, "input": {} }),
        "executeBatch" => json!({ "taskId": task, "items": [{ "id": "1", "input": {} }] }),
        "validateExecution" => json!({ "taskId": task, "executionId": execution, "expectedOutput": {} }),
        "validateBatch" => {
            json!({ "taskId": task, "items": [{ "id": "1", "input": {}, "output": {}, "expectedOutput": {} }] })
        }
        "redeliver" => json!({ "ids": ["work_01jd3yq8m3v5n4x2c7b9k0r6ts"] }),
        "changeMember" => json!({ "role": "owner" }),
        // Nothing of anybody else's can be named in these.
        "createKey" => json!({ "name": "mine", "role": "viewer", "serviceAccount": of("member") }),
        "createTenant" => json!({ "name": "acme" }),
        "addMember" => json!({ "kind": "user", "name": "eve@evil.example", "role": "viewer" }),
        _ => return None,
    })
}

/// What a query can name of the victim's.
fn query(name: &str, victim: &Victim) -> Option<String> {
    Some(match name {
        "taskId" | "batchId" => victim.0[name][0].clone(),
        "extension" => "acme-notes".to_owned(),
        "point" => "acme.hook".to_owned(),
        "tenant" => "acme".to_owned(),
        _ => return None,
    })
}

/// The path with every parameter replaced by each spelling of the victim's.
fn paths(template: &str, victim: &Victim) -> Vec<String> {
    let mut all = vec![String::new()];
    for part in template.split('/').skip(1) {
        let values = match part.strip_prefix('{').and_then(|part| part.strip_suffix('}')) {
            None => vec![part.to_owned()],
            Some(name) => victim
                .0
                .get(name)
                .unwrap_or_else(|| panic!("{template}: give the victim something that `{name}` names, and the walk knows what to ask"))
                .clone(),
        };
        all = all
            .iter()
            .flat_map(|begun| values.iter().map(move |value| format!("{begun}/{value}")))
            .collect();
    }
    all
}

/// An operation with its method, template and entry in the document.
struct Operation<'a> {
    method: Method,
    template: &'a str,
    entry: &'a Value,
}

impl Operation<'_> {
    fn id(&self) -> &str {
        self.entry["operationId"].as_str().unwrap()
    }

    fn parameters<'a>(&'a self, place: &'a str) -> impl Iterator<Item = &'a str> {
        let all = self.entry["parameters"].as_array().into_iter().flatten();
        all.filter(move |parameter| parameter["in"] == place)
            .map(|parameter| parameter["name"].as_str().unwrap())
    }

    /// Asks it, with whatever its body and its query can name of the victim's.
    async fn ask(&self, actor: &Actor, path: &str, victim: &Victim) -> Answer {
        let id = self.id();
        let mut request = actor.at(self.method.clone(), path);
        let named: Vec<_> = self
            .parameters("query")
            .filter_map(|name| Some((name, query(name, victim)?)))
            .collect();
        request = request.query(&named);
        let content = &self.entry["requestBody"]["content"];
        if let Some((media, _)) = content.as_object().and_then(|content| content.iter().next()) {
            request = match media.as_str() {
                "application/json" => {
                    let body = body(id, victim);
                    request.json(&body.unwrap_or_else(|| panic!("say in `body` what `{id}` is to be sent")))
                }
                "application/x-ndjson" => request.header("content-type", &**media).body("{\"id\":\"1\",\"input\":{}}\n"),
                "application/vnd.oriel.package" => request.header("content-type", &**media).body(mallory("evils-own").pack()),
                other => panic!("`{id}` takes {other}: say what it is to be sent"),
            };
        }
        answer(request).await
    }
}

/// All operations of the server's own document.
fn operations(document: &Value) -> Vec<Operation<'_>> {
    let mut all = Vec::new();
    for (template, methods) in document["paths"].as_object().unwrap() {
        for (method, entry) in methods.as_object().unwrap() {
            if entry["operationId"].is_string() {
                all.push(Operation {
                    method: Method::from_bytes(method.to_uppercase().as_bytes()).unwrap(),
                    template,
                    entry,
                });
            }
        }
    }
    assert!(all.len() > 80, "only {} operations", all.len());
    all
}

/// Everything of the victim's that can be listed and does not change by itself.
async fn inventory(acme: &Actor) -> Vec<String> {
    let mut all = Vec::new();
    for path in [
        "/extensions",
        "/tasks",
        "/bindings",
        "/hooks",
        "/members",
        "/access/policies",
        "/contributions",
        "/extensions/acme-sender/secrets",
        "/extensions/acme-notes/config",
        "/tenants/acme/quotas",
        "/executions",
    ] {
        all.push(acme.get(path).await.ok().to_string());
    }
    let page = acme.get("/keys?limit=1000").await.ok();
    for key in page["items"].as_array().unwrap() {
        all.push(format!("{} {} {}", key["id"], key["role"], key["revokedAt"]));
    }
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn h01_every_operation_about_what_another_tenant_has() {
    let world = World::start().await;
    let victim = furnish(&world.acme).await;
    let document = answer(world.evil.at(Method::GET, "/api/openapi.json")).await.json();
    let (before, entries) = (inventory(&world.acme).await, world.acme.audit().await.len());
    let mut asked = 0;
    // What the attacker may make of their own comes last, so that it is not taken for the victim's.
    let mut operations = operations(&document);
    operations.sort_by_key(|operation| OWN.contains(&operation.id()));
    for operation in operations {
        let own = OWN.contains(&operation.id());
        let names_something = operation.template.contains('{');
        for path in paths(operation.template, &victim) {
            let told = operation.ask(&world.evil, &path, &victim).await;
            let what = format!("{} {path} ({})", operation.method, operation.id());
            asked += 1;
            assert!(!told.text.contains(MARK), "{what} told what only the victim knows: {told:?}");
            assert!(told.status < 500, "{what}: {told:?}");
            if names_something && !own && told.status != 405 {
                // A host call takes the token of a call that is under way, and no key is one.
                let token = operation.id() == "makeHostCall" && told.status == 401;
                assert!(token || matches!(told.status, 403 | 404), "{what} answered {told:?}");
            } else if told.status < 300 && operation.method == Method::GET && !operation.id().ends_with("OpenApi") {
                // Lists: the attacker's own, or empty.
                for id in victim.0.values().flatten().filter(|id| id.len() > 20) {
                    assert!(!told.text.contains(&**id), "{what} listed {id}: {told:?}");
                }
            }
        }
    }
    assert!(asked > 100, "{asked}");
    // Named in a body: not there either.
    for (path, body, code) in [
        ("/tasks/execute", body("executeTask", &victim), "task.not_found"),
        ("/tasks/batch/execute", body("executeBatch", &victim), "task.not_found"),
        ("/validation/validate", body("validateExecution", &victim), "task.not_found"),
        ("/validation/batch", body("validateBatch", &victim), "task.not_found"),
        ("/bindings", body("createBinding", &victim), "extension.not_found"),
        ("/tasks", body("createTask", &victim), "extension.not_found"),
        ("/keys", body("createKey", &victim), "access.member_not_found"),
        ("/tenants", body("createTenant", &victim), "access.forbidden"),
    ] {
        world.evil.post(path, body.unwrap()).await.refused(code);
    }
    // Nothing of the victim's has changed, and nobody did anything there.
    assert_eq!(inventory(&world.acme).await, before);
    assert_eq!(world.acme.audit().await.len(), entries);
    let told = world
        .acme
        .told("acme-notes", "kv", json!({ "ops": [{ "do": "get", "key": "k" }] }))
        .await;
    assert_eq!(told, json!([MARK]));
    // A scope that the attacker does not have in the first place is on record with them.
    world.evil.audited("access.refused", "tenants:write").await;
    world.stands().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn h02_every_operation_without_a_key_that_is_one() {
    let world = World::start().await;
    let victim = furnish(&world.acme).await;
    let document = answer(world.evil.at(Method::GET, "/api/openapi.json")).await.json();
    let entries = world.acme.audit().await.len();
    // One that was, one that is nearly one, one that never was, and none.
    let revoked = world.acme.post("/keys", json!({ "name": "gone", "role": "owner" })).await.ok();
    world.acme.delete(&format!("/keys/{}", revoked["id"].as_str().unwrap())).await.ok();
    let mut near = world.acme.key.clone();
    near.pop();
    let keys = [
        (revoked["secret"].as_str().unwrap(), "access.key_revoked"),
        (near.as_str(), "access.unauthenticated"),
        ("oriel_0000000000000000000000000000000000000000", "access.unauthenticated"),
        ("", "access.unauthenticated"),
    ];
    // These are for everybody: they tell nothing of any tenant.
    let open = ["getHealth", "getMetrics", "getOpenApi", "signIn", "signInCallback"];
    for operation in operations(&document) {
        let path = paths(operation.template, &victim).swap_remove(0);
        for (key, code) in keys {
            let told = operation.ask(&world.evil.with_key(key), &path, &victim).await;
            assert!(!told.text.contains(MARK), "{path}: {told:?}");
            if open.contains(&operation.id()) {
                let example = operation.id() == "getOpenApi";
                assert!(example || !told.text.contains("acme"), "{path}: {told:?}");
            } else if operation.id() == "makeHostCall" {
                assert_eq!(told.status, 401, "{path}: {told:?}");
            } else {
                told.refused(code);
                assert_eq!(told.status, 401, "{path}: {told:?}");
            }
        }
    }
    // Making the key and revoking it, by the victim; nothing since.
    assert_eq!(world.acme.audit().await.len(), entries + 2);
    world.stands().await;
}
