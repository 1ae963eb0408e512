//! Policies, quotas, rates and members over HTTP.

use reqwest::Method;
use serde_json::{Value, json};

use super::host::{Host, Reply, hostile};

impl Host {
    async fn put(&self, path: &str, body: Value) -> Reply {
        self.send(self.request(Method::PUT, path).json(&body)).await
    }

    async fn patch(&self, path: &str, body: Value) -> Reply {
        self.send(self.request(Method::PATCH, path).json(&body)).await
    }

    async fn policy(&self, id: &str, text: &str) -> Reply {
        self.put(&format!("/api/v1/access/policies/{id}"), json!({ "text": text })).await
    }

    async fn log(&self) -> Vec<Value> {
        let log = self.get("/api/v1/audit?limit=1000").await.ok();
        log["items"].as_array().unwrap().clone()
    }
}

/// Each way to execute a task, and each address that names one, passes by the policies, however the task is spelt.
#[tokio::test]
async fn a_policy_on_a_task_holds_on_every_way_to_it() {
    let host = Host::start().await.with_echo().await;
    let task = json!({"name": "other", "program": {"extension": "echo", "name": "echo"}});
    host.post("/api/v1/tasks", task).await.ok();
    let id = host.get("/api/v1/tasks/echo").await.ok()["id"].as_str().unwrap().to_owned();
    let admin = host.with_key(&host.new_key("admin", &[]).await);
    let created = admin
        .policy("no-echo", "forbid(principal, action, resource == Oriel::Task::\"echo\");")
        .await;
    assert_eq!((created.status.as_u16(), created.header("etag")), (201, "\"1\""));
    for text in ["echo", &id] {
        let refused = admin.execute(text, json!(1)).await.problem("access.forbidden");
        assert!(refused["detail"].as_str().unwrap().contains("no-echo"), "{refused}");
        let batch = json!({"taskId": text, "items": [{"id": "1", "input": 1}]});
        admin.post("/api/v1/tasks/batch/execute", batch).await.problem("access.forbidden");
        let stream = admin.request(Method::POST, &format!("/api/v1/tasks/stream/execute?taskId={text}"));
        let stream = stream
            .header("content-type", "application/x-ndjson")
            .body("{\"id\":\"1\",\"input\":1}\n");
        admin.send(stream).await.problem("access.forbidden");
        admin.get(&format!("/api/v1/tasks/{text}")).await.problem("access.forbidden");
        admin.delete(&format!("/api/v1/tasks/{text}")).await.problem("access.forbidden");
    }
    // The same name in another spelling is the same name.
    admin.get("/api/v1/tasks/%65cho").await.problem("access.forbidden");
    admin.execute("other", json!(1)).await.ok();
    // By extension: every task of it, and its programs by themselves.
    admin
        .policy(
            "no-echo",
            "forbid(principal, action in Oriel::Action::\"tasks:execute\", resource in Oriel::Extension::\"echo\");",
        )
        .await
        .ok();
    admin.execute("other", json!(1)).await.problem("access.forbidden");
    admin.get("/api/v1/tasks/echo").await.ok();
    admin
        .policy(
            "no-programs",
            "forbid(principal, action == Oriel::Action::\"callProgram\", resource == Oriel::Extension::\"echo\");",
        )
        .await
        .ok();
    let call = admin.post("/api/v1/extensions/echo/programs/echo/call", json!({"input": 1})).await;
    call.problem("access.forbidden");
    for id in ["no-echo", "no-programs"] {
        let gone = admin.delete(&format!("/api/v1/access/policies/{id}")).await;
        assert_eq!(gone.status, 204);
    }
    admin.execute("echo", json!(1)).await.ok();
    let log = host.log().await;
    for action in ["policy.create", "policy.update", "policy.delete", "access.refused"] {
        assert!(log.iter().any(|entry| entry["action"] == action), "{action}");
    }
}

/// Every operation of the table passes by a policy that forbids it: none is forgotten.
#[tokio::test]
async fn every_operation_can_be_forbidden() {
    let host = Host::start().await.with_echo().await;
    let admin = host.with_key(&host.new_key("admin", &[]).await);
    let schema = host.get("/api/v1/access/policy-schema").await.ok();
    let schema = schema["schema"].as_str().unwrap();
    host.policy("stop", "forbid(principal, action, resource);").await.ok();
    let mut tried = 0;
    for (path, item) in super::host::document()["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let id = operation["operationId"].as_str().unwrap();
            let Some(scope) = operation["x-scope"].as_str() else { continue };
            assert!(schema.contains(&format!("action \"{id}\" in [\"{scope}\"]")), "{id}");
            // What stands in for a parameter is valid where the form counts and there is no such thing.
            let address = path.replace("{name}", "echo").replace("{taskId}", "echo").replace("{id}", "stop");
            let parts = address.split('/').map(|part| if part.starts_with('{') { "echo" } else { part });
            let address = parts.collect::<Vec<_>>().join("/");
            let body = match id {
                "executeStream" => ("application/x-ndjson", "{\"id\":\"1\",\"input\":1}\n".to_owned()),
                "executeTask" => ("application/json", json!({"taskId": "echo", "input": 1}).to_string()),
                "validateExecution" => (
                    "application/json",
                    json!({"taskId": "echo", "executionId": "exec_01jd3yq8m3v5n4x2c7b9k0r6ts"}).to_string(),
                ),
                "validateBatch" => (
                    "application/json",
                    json!({"taskId": "echo", "items": [{"id": "1", "input": 1, "output": 1}]}).to_string(),
                ),
                "executeBatch" => ("application/json", json!({"taskId": "echo", "items": []}).to_string()),
                _ if operation["requestBody"]["content"]["application/json"].is_object() => ("application/json", "{}".to_owned()),
                _ => ("application/octet-stream", String::new()),
            };
            let address = if id == "executeStream" {
                format!("{address}?taskId=echo")
            } else {
                address
            };
            let method: Method = method.to_ascii_uppercase().parse().unwrap();
            let request = admin.request(method, &address).header("content-type", body.0).body(body.1);
            let refused = admin.send(request).await;
            assert_eq!(refused.status, 403, "{id}: {}", refused.text);
            refused.problem("access.forbidden");
            tried += 1;
        }
    }
    assert!(tried > 30, "{tried}");
    // A full owner mends it.
    host.execute("echo", json!(1)).await.problem("access.forbidden");
    assert_eq!(host.delete("/api/v1/access/policies/stop").await.status, 204);
    host.execute("echo", json!(1)).await.ok();
}

#[tokio::test]
async fn what_is_wrong_with_a_policy_is_told_with_its_place() {
    let host = Host::start().await;
    let text = "permit(\n  principal,\n  action == Oriel::Action::\"executeTsk\",\n  resource\n);";
    let problem = host.policy("typo", text).await.problem("access.policy_invalid");
    let first = &problem["errors"][0];
    assert_eq!((&first["line"], &first["column"]), (&json!(3), &json!(13)), "{problem:#}");
    host.policy("Not A Name", "permit(principal, action, resource);")
        .await
        .problem("request.invalid");
    host.get("/api/v1/access/policies/typo").await.problem("access.policy_not_found");
    host.policy("own", "permit(principal, action, resource);").await.ok();
    let read = host.get("/api/v1/access/policies/own").await;
    assert_eq!(read.header("etag"), "\"1\"");
    let stale = host.request(Method::PUT, "/api/v1/access/policies/own").header("if-match", "\"7\"");
    let stale = host
        .send(stale.json(&json!({"text": "forbid(principal, action, resource);"})))
        .await;
    stale.problem("request.precondition_failed");
    let known = host
        .request(Method::GET, "/api/v1/access/policies/own")
        .header("if-none-match", "\"1\"");
    assert_eq!(host.send(known).await.status, 304);
    let other = host.other_tenant("acme").await;
    other.get("/api/v1/access/policies/own").await.problem("access.policy_not_found");
    assert_eq!(other.get("/api/v1/access/policies").await.ok()["items"], json!([]));
}

#[tokio::test]
async fn the_answer_to_a_question_has_its_reasons() {
    let host = Host::start().await.with_echo().await;
    host.policy(
        "office",
        "forbid(principal, action, resource is Oriel::Task) unless { context has ip && context.ip.isInRange(ip(\"10.0.0.0/8\")) };",
    )
    .await
    .ok();
    let ask = |context: Value| json!({"principal": {"role": "developer"}, "action": "executeTask", "resource": {"type": "Task", "id": "echo"}, "context": context});
    let answer = host.post("/api/v1/access/check", ask(json!({"ip": "10.1.2.3"}))).await.ok();
    assert_eq!(
        (&answer["decision"], &answer["reasons"]),
        (&json!("allow"), &json!(["role.developer"]))
    );
    let answer = host.post("/api/v1/access/check", ask(json!({"ip": "192.0.2.1"}))).await.ok();
    assert_eq!(
        (&answer["decision"], &answer["reasons"], &answer["errors"]),
        (&json!("deny"), &json!(["office"]), &json!([]))
    );
    assert_eq!(answer["explanation"], "forbidden by the policy office");
    host.execute("echo", json!(1)).await.problem("access.forbidden");
    for (bad, code) in [
        (json!({"action": "fly"}), "request.invalid"),
        (json!({"action": "executeTask"}), "request.invalid"),
        (
            json!({"action": "executeTask", "resource": {"type": "Boat", "id": "x"}}),
            "request.invalid",
        ),
        (
            json!({"action": "listKeys", "principal": "key_01jd3yq8m3v5n4x2c7b9k0r6ts"}),
            "access.key_not_found",
        ),
        (
            json!({"action": "listKeys", "principal": "usr_01jd3yq8m3v5n4x2c7b9k0r6ts"}),
            "access.member_not_found",
        ),
        (json!({"action": "listKeys", "colour": 1}), "request.invalid"),
    ] {
        host.post("/api/v1/access/check", bad.clone()).await.problem(code);
    }
    let viewer = host.with_key(&host.new_key("viewer", &[]).await);
    viewer
        .post("/api/v1/access/check", json!({"action": "listKeys"}))
        .await
        .problem("access.forbidden");
}

/// `X-Forwarded-For` counts from a proxy that is trusted, and as far as trusted proxies wrote it.
#[tokio::test]
async fn addresses_are_believed_from_trusted_proxies_only() {
    for (trusted, forwarded, allowed) in [
        ("", "10.1.2.3", false),
        ("127.0.0.0/8", "10.1.2.3", true),
        ("127.0.0.0/8", "192.0.2.1", false),
        ("127.0.0.0/8", "10.1.2.3, 192.0.2.1", false),
        ("127.0.0.0/8,192.0.2.0/24", "10.1.2.3, 192.0.2.1", true),
        ("127.0.0.0/8", "10.1.2.3, nonsense", false),
    ] {
        let host = Host::start_with(|config| {
            config.trusted_proxies.0 = trusted
                .split(',')
                .filter(|one| !one.is_empty())
                .map(|one| one.parse().unwrap())
                .collect();
        })
        .await;
        let inside = "forbid(principal, action == Oriel::Action::\"listTasks\", resource) unless { context has ip && context.ip.isInRange(ip(\"10.0.0.0/8\")) };";
        host.policy("inside", inside).await.ok();
        let request = host.request(Method::GET, "/api/v1/tasks").header("x-forwarded-for", forwarded);
        assert_eq!(host.send(request).await.status.is_success(), allowed, "{trusted} {forwarded}");
    }
}

#[tokio::test]
async fn whoever_asks_too_often_is_told_when_to_come_back() {
    let host = Host::start().await;
    let limited = json!({"name": "slow", "role": "viewer", "rateLimit": {"requestsPerSecond": 1, "burst": 3}});
    let created = host.post("/api/v1/keys", limited).await.ok();
    assert_eq!(created["rateLimit"], json!({"requestsPerSecond": 1, "burst": 3}));
    let slow = host.with_key(created["secret"].as_str().unwrap());
    let first = slow.get("/api/v1/me").await;
    assert_eq!(first.header("ratelimit-policy"), "\"key\";q=3;w=3");
    assert!(first.header("ratelimit").starts_with("\"key\";r=2;t="), "{first:?}");
    let mut refused = None;
    for _ in 0..10 {
        let reply = slow.get("/api/v1/me").await;
        if reply.status == 429 {
            refused = Some(reply);
            break;
        }
    }
    let refused = refused.expect("the burst is over after three requests");
    let body = refused.problem("access.rate_limited");
    assert_eq!(body["retryable"], true);
    assert_eq!(
        (refused.header("retry-after"), refused.header("ratelimit")),
        ("1", "\"key\";r=0;t=1")
    );
    // Nobody else waits for it, and the log tells of it once.
    host.get("/api/v1/me").await.ok();
    let log = host.log().await;
    assert_eq!(log.iter().filter(|entry| entry["action"] == "access.limited").count(), 1);
    for bad in [
        json!({"requestsPerSecond": 0}),
        json!({"requestsPerSecond": 1, "burst": 0}),
        json!({"burst": 1}),
    ] {
        let new = json!({"name": "x", "role": "viewer", "rateLimit": bad});
        host.post("/api/v1/keys", new).await.problem("request.invalid");
    }
}

#[tokio::test]
async fn a_tenant_has_as_much_as_its_quotas_say() {
    let host = Host::start_with(|config| config.quota_tasks = Some(1)).await.with_echo().await;
    let task = |name: &str| json!({"name": name, "program": {"extension": "echo", "name": "echo"}});
    let problem = host.post("/api/v1/tasks", task("second")).await.problem("access.quota_exceeded");
    assert!(problem["detail"].as_str().unwrap().contains("1 tasks"), "{problem}");
    let shown = host.get("/api/v1/tenants/default/quotas").await;
    assert_eq!(shown.header("etag"), "\"0\"");
    assert_eq!(
        (&shown.ok()["effective"], &shown.ok()["used"]["tasks"]),
        (&json!({"tasks": 1}), &json!(1))
    );
    let set = json!({"tasks": 2, "extensions": 1, "rateLimit": {"requestsPerSecond": 1000}, "concurrentRequests": 50});
    let set = host.put("/api/v1/tenants/default/quotas", set).await.ok();
    assert_eq!((&set["revision"], &set["effective"]["tasks"]), (&json!(1), &json!(2)));
    host.post("/api/v1/tasks", task("second")).await.ok();
    host.post("/api/v1/tasks", task("third")).await.problem("access.quota_exceeded");
    host.upload("/api/v1/extensions?grant=true", hostile(&["ok"]))
        .await
        .problem("access.quota_exceeded");
    let stale = host
        .request(Method::PUT, "/api/v1/tenants/default/quotas")
        .header("if-match", "\"0\"");
    host.send(stale.json(&json!({}))).await.problem("request.precondition_failed");
    host.put("/api/v1/tenants/default/quotas", json!({"boats": 1}))
        .await
        .problem("request.invalid");
    host.put("/api/v1/tenants/nobody/quotas", json!({}))
        .await
        .problem("access.tenant_not_found");
    let limited = host.get("/api/v1/me").await;
    assert_eq!(limited.header("ratelimit-policy"), "\"tenant\";q=1000;w=1");
    let acme = host.other_tenant("acme").await;
    acme.get("/api/v1/tenants/acme/quotas").await.ok();
    acme.get("/api/v1/tenants/default/quotas").await.problem("access.forbidden");
    acme.put("/api/v1/tenants/acme/quotas", json!({})).await.problem("access.forbidden");
}

#[tokio::test]
async fn members_come_change_and_go() {
    let host = Host::start().await;
    let ann = json!({"kind": "user", "name": "Ann@example.com", "displayName": "Ann", "role": "admin"});
    let ann = host.post("/api/v1/members", ann).await;
    assert_eq!(ann.header("etag"), "\"1\"");
    let ann = ann.ok();
    assert_eq!(ann["name"], "ann@example.com");
    let ci = host
        .post(
            "/api/v1/members",
            json!({"kind": "service-account", "name": "ci", "role": "developer"}),
        )
        .await
        .ok();
    host.post(
        "/api/v1/members",
        json!({"kind": "service-account", "name": "ci", "role": "viewer"}),
    )
    .await
    .problem("access.member_exists");
    let key = json!({"name": "of ci", "role": "developer", "serviceAccount": "ci"});
    let key = host.post("/api/v1/keys", key).await.ok();
    assert_eq!(key["serviceAccount"], ci["id"]);
    let of_ci = host.with_key(key["secret"].as_str().unwrap());
    assert_eq!(of_ci.get("/api/v1/me").await.ok()["role"], "developer");
    host.patch("/api/v1/members/ci", json!({"role": "viewer"})).await.ok();
    assert_eq!(of_ci.get("/api/v1/me").await.ok()["role"], "viewer");
    let listed = host.get("/api/v1/members").await.ok();
    assert_eq!((&listed["items"][0]["id"], &listed["items"][1]["id"]), (&ann["id"], &ci["id"]));
    let stale = host
        .request(Method::PATCH, "/api/v1/members/ann@example.com")
        .header("if-match", "\"9\"");
    host.send(stale.json(&json!({"role": "viewer"})))
        .await
        .problem("request.precondition_failed");
    host.get("/api/v1/members/bob@example.com").await.problem("access.member_not_found");
    // A policy names a member by id; its other names are no way around.
    let id = ci["id"].as_str().unwrap();
    let text = format!("forbid(principal, action == Oriel::Action::\"removeMember\", resource == Oriel::Member::\"{id}\");");
    host.policy("keep-ci", &text).await.ok();
    for name in ["ci", id, "CI"] {
        host.delete(&format!("/api/v1/members/{name}")).await.problem("access.forbidden");
    }
    host.delete("/api/v1/access/policies/keep-ci").await;
    assert_eq!(host.delete("/api/v1/members/ci").await.status, 204);
    of_ci.get("/api/v1/me").await.problem("access.key_revoked");
    let other = host.other_tenant("acme").await;
    other
        .get("/api/v1/members/ann@example.com")
        .await
        .problem("access.member_not_found");
    host.get("/api/v1/auth/login").await.problem("access.sign_in_unavailable");
    host.get("/api/v1/auth/session").await.problem("access.session_not_found");
}

/// The exported log has a head and an end, and its chain can be followed with nothing else at hand.
#[tokio::test]
async fn the_exported_log_proves_itself() {
    use oriel_model::audit::{AuditEntry, AuditExportEnd, AuditExportHead, ChainCheck};

    let host = Host::start().await;
    let viewer = host.with_key(&host.new_key("viewer", &[]).await);
    viewer.get("/api/v1/audit/export").await.problem("access.forbidden");
    let export = host.get("/api/v1/audit/export").await;
    assert_eq!(export.header("content-type"), "application/x-ndjson");
    let lines: Vec<&str> = export.text.lines().collect();
    let head: AuditExportHead = serde_json::from_str(lines[0]).unwrap();
    let end: AuditExportEnd = serde_json::from_str(lines[lines.len() - 1]).unwrap();
    let mut chain = ChainCheck::new(head.tenant);
    for line in &lines[1..lines.len() - 1] {
        let entry: AuditEntry = serde_json::from_str(line).unwrap();
        chain.follow(&entry).unwrap();
    }
    assert_eq!((end.entries, &end.last), (chain.entries(), chain.last()));
    assert!(export.text.contains("access.refused"), "what waits is written before");
    assert_eq!(host.get("/api/v1/audit/verify").await.ok()["intact"], true);
}

#[tokio::test]
async fn the_report_says_who_may_do_what() {
    let host = Host::start().await.with_echo().await;
    host.post(
        "/api/v1/members",
        json!({"kind": "service-account", "name": "ci", "role": "developer"}),
    )
    .await
    .ok();
    host.post(
        "/api/v1/keys",
        json!({"name": "a | b", "role": "developer", "serviceAccount": "ci", "scopes": ["tasks:read"]}),
    )
    .await
    .ok();
    host.policy(
        "own",
        "forbid(principal is Oriel::User, action == Oriel::Action::\"listKeys\", resource);",
    )
    .await
    .ok();
    let report = host.get("/api/v1/compliance/report").await.ok();
    let of_ci = report["principals"]
        .as_array()
        .unwrap()
        .iter()
        .find(|one| one["name"] == "a | b")
        .unwrap();
    assert_eq!((&of_ci["may"], &of_ci["idleDays"]), (&json!(["tasks:read"]), &json!(0)));
    assert_eq!(
        (&report["grants"][0]["extension"], &report["policies"][0]["id"]),
        (&json!("echo"), &json!("own"))
    );
    assert_eq!(
        (&report["auditIntact"], &report["tenant"]["name"]),
        (&json!(true), &json!("default"))
    );
    let installs = report["activity"]
        .as_array()
        .unwrap()
        .iter()
        .find(|line| line["action"] == "extension.install");
    assert_eq!(installs.unwrap()["count"], 1);
    let markdown = host.get("/api/v1/compliance/report?format=markdown").await;
    assert!(markdown.header("content-type").starts_with("text/markdown"));
    assert!(
        markdown.text.contains("a \\| b") && markdown.text.contains("```cedar"),
        "{}",
        markdown.text
    );
    host.get("/api/v1/compliance/report?format=pdf").await.problem("request.invalid");
}

#[tokio::test]
async fn erasing_a_member_leaves_a_receipt_and_no_name() {
    let host = Host::start().await;
    let ann = json!({"kind": "user", "name": "ann@example.com", "displayName": "Ann", "role": "viewer"});
    let ann = host.post("/api/v1/members", ann).await.ok();
    let data = host.get("/api/v1/members/ann@example.com/data").await.ok();
    assert_eq!((&data["member"]["id"], &data["sessions"]), (&ann["id"], &json!([])));
    let receipt = host.delete("/api/v1/members/ann@example.com/data").await.ok();
    assert_eq!(
        (&receipt["subject"], &receipt["members"], &receipt["sessions"]),
        (&ann["id"], &json!(1), &json!(0))
    );
    host.get("/api/v1/members/ann@example.com/data")
        .await
        .problem("access.member_not_found");
    let log = host.get("/api/v1/audit?limit=1000").await;
    assert!(!log.text.contains("ann@example.com") && !log.text.contains("Ann"), "{}", log.text);
    let entries = log.ok();
    let erased = entries["items"]
        .as_array()
        .unwrap()
        .iter()
        .find(|entry| entry["action"] == "member.erase")
        .unwrap();
    assert_eq!(erased["details"], receipt);
}
