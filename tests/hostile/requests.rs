//! Requests and packages that are not what they seem.

use reqwest::Method;
use serde_json::json;

use crate::packages::{maker, mallory};
use crate::wire::{answers, raw};
use crate::world::{World, answer};

#[tokio::test(flavor = "multi_thread")]
async fn h12_one_request_that_another_reader_would_take_for_two() {
    let world = World::start().await;
    world.acme.install(mallory("notes")).await;
    let entries = world.acme.audit().await.len();
    let key = &world.evil.key;
    let smuggled = format!(
        "DELETE /api/v1/extensions/notes HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer {}\r\n\r\n",
        world.acme.key
    );
    let length = smuggled.len();
    for (what, head, body) in [
        (
            "a length and chunks",
            "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n".to_owned(),
            format!("0\r\n\r\n{smuggled}"),
        ),
        (
            "chunks and a length",
            format!("Transfer-Encoding: chunked\r\nContent-Length: {length}\r\n"),
            smuggled.clone(),
        ),
        (
            "two lengths",
            format!("Content-Length: 0\r\nContent-Length: {length}\r\n"),
            smuggled.clone(),
        ),
        ("lengths in a list", format!("Content-Length: 0, {length}\r\n"), smuggled.clone()),
        ("a signed length", format!("Content-Length: +{length}\r\n"), smuggled.clone()),
        (
            "a length in hexadecimal",
            format!("Content-Length: 0x{length:x}\r\n"),
            smuggled.clone(),
        ),
        (
            "a coding in disguise",
            format!("Transfer-Encoding: xchunked\r\nContent-Length: {length}\r\n"),
            smuggled.clone(),
        ),
        (
            "a coding after another",
            "Transfer-Encoding: chunked, identity\r\n".to_owned(),
            format!("0\r\n\r\n{smuggled}"),
        ),
        (
            "a folded header",
            format!("X-A: b\r\n Content-Length: {length}\r\n"),
            smuggled.clone(),
        ),
        (
            "a space before the colon",
            format!("Content-Length : {length}\r\n"),
            smuggled.clone(),
        ),
        (
            "a bare line feed",
            format!("X-A: b\nContent-Length: {length}\r\n"),
            smuggled.clone(),
        ),
        ("a bare return", format!("X-A: b\rContent-Length: {length}\r\n"), smuggled.clone()),
        ("a NUL", format!("X-A: \0\r\nContent-Length: {length}\r\n"), smuggled.clone()),
        (
            "a chunk with a lie",
            "Transfer-Encoding: chunked\r\n".to_owned(),
            format!("5\r\nhello0\r\n\r\n{smuggled}"),
        ),
        (
            "a chunk without an end",
            "Transfer-Encoding: chunked\r\n".to_owned(),
            "ffffffffffffffff\r\nhello".to_owned(),
        ),
    ] {
        // The connection is kept alive, as a proxy would keep it; `GET /me` is by the attacker's own key.
        let head = format!(
            "POST /api/v1/tasks/execute HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer {key}\r\nContent-Type: application/json\r\n{head}\r\n"
        );
        let world = &world;
        let text = tokio::task::block_in_place(|| {
            use std::io::{Read as _, Write as _};
            let mut stream = std::net::TcpStream::connect(world.authority()).unwrap();
            stream.set_read_timeout(Some(std::time::Duration::from_secs(2))).unwrap();
            let _ = stream.write_all(head.as_bytes());
            let _ = stream.write_all(body.as_bytes());
            let _ = stream.shutdown(std::net::Shutdown::Write);
            let mut answer = Vec::new();
            let _ = stream.read_to_end(&mut answer);
            String::from_utf8_lossy(&answer).into_owned()
        });
        // What stands in a body is never a request of its own, so nothing was deleted.
        assert!(!text.contains(" 204 "), "{what}: {text}");
        world.acme.get("/extensions/notes").await.ok();
        let first = text.split("\r\n").next().unwrap_or_default();
        assert!(first.is_empty() || first.starts_with("HTTP/1.1 4"), "{what}: {text}");
        assert!(answers(&text) <= 2, "{what}: {text}");
    }
    assert_eq!(world.acme.audit().await.len(), entries);
    // Heads that are too long end with the connection, not with the memory.
    let long = format!("GET /api/v1/me HTTP/1.1\r\nHost: h\r\nX-A: {}\r\n\r\n", "a".repeat(2 << 20));
    let many = format!("GET /api/v1/me HTTP/1.1\r\nHost: h\r\n{}\r\n", "X-A: b\r\n".repeat(50_000));
    for head in [long, many] {
        let text = tokio::task::block_in_place(|| raw(&world, head.as_bytes()));
        assert!(
            text.is_empty() || text.starts_with("HTTP/1.1 4"),
            "{}",
            &text[..text.len().min(200)]
        );
    }
    world.stands().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn h13_documents_that_cost_more_than_they_weigh() {
    let world = World::start().await;
    world.evil.install(mallory("notes")).await;
    world.evil.task("echo", "notes", "echo").await;
    let send = async |path: &str, body: Vec<u8>| {
        let request = world.evil.request(Method::POST, path).header("content-type", "application/json");
        answer(request.body(body)).await
    };
    let deep = |open: &str, close: &str| {
        format!(
            "{{\"taskId\":\"echo\",\"input\":{}1{}}}",
            open.repeat(100_000),
            close.repeat(100_000)
        )
        .into_bytes()
    };
    for body in [
        deep("[", "]"),
        deep("{\"a\":", "}"),
        deep("[", ""),
        b"{\"taskId\":\"echo\",\"input\":\"\xff\xfe\"}".to_vec(),
    ] {
        send("/tasks/execute", body).await.refused("request.json");
    }
    // Numbers without end, one name many times, a name that other languages take for something else.
    for body in [
        format!("{{\"taskId\":\"echo\",\"input\":{}}}", "9".repeat(1 << 19)),
        format!("{{\"taskId\":\"echo\",\"input\":1e{}}}", "9".repeat(400)),
        "{\"taskId\":\"echo\",\"taskId\":\"other\",\"input\":{}}".to_owned(),
        "{\"taskId\":\"echo\",\"input\":{},\"__proto__\":{\"admin\":true}}".to_owned(),
        "{\"taskId\":\"echo\",\"input\":{},\"tenant\":\"acme\"}".to_owned(),
    ] {
        let told = send("/tasks/execute", body.clone().into_bytes()).await;
        assert!(told.status < 500, "{}: {told:?}", &body[..body.len().min(80)]);
        if body.contains("__proto__") || body.contains("tenant") || body.contains("other") {
            assert!(told.status >= 400, "{told:?}");
        }
    }
    // A schema that takes for ever, or refers to somewhere else.
    for schema in [
        json!({ "$ref": "http://169.254.169.254/latest/meta-data" }),
        json!({ "$ref": "file:///etc/passwd" }),
        json!({ "pattern": "^(a+)+$" }),
        json!({ "pattern": "(a*)*b", "type": "string" }),
    ] {
        let refers = schema.get("$ref").is_some();
        let task = json!({ "name": format!("t{}", schema.to_string().len()), "inputSchema": schema, "program": { "extension": "notes", "name": "echo" } });
        let told = world.evil.post("/tasks", task.clone()).await;
        if refers {
            told.refused("task.schema_invalid");
        } else {
            let begun = std::time::Instant::now();
            world
                .evil
                .execute(task["name"].as_str().unwrap(), json!("a".repeat(40) + "!"))
                .await;
            assert!(
                begun.elapsed() < std::time::Duration::from_secs(20),
                "a pattern took {:?}",
                begun.elapsed()
            );
        }
    }
    // A small body that becomes a large one.
    let request = world
        .evil
        .request(Method::POST, "/tasks/execute")
        .header("content-type", "application/json");
    let told = answer(request.header("content-encoding", "gzip").body(vec![0x1f, 0x8b, 8, 0])).await;
    told.refused("request.media_type");
    world.stands().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn h14_headers_and_inputs_that_claim_to_be_somebody() {
    let world = World::start().await;
    let (acme, evil) = (&world.acme, &world.evil);
    for actor in [acme, evil] {
        actor.install(mallory("notes")).await;
        actor.task("who", "notes", "context").await;
    }
    // A policy lets requests of one address through, and the attacker says that theirs comes from there.
    let policy = "forbid(principal is Oriel::Key, action == Oriel::Action::\"executeTask\", resource)\n\
                  unless { context has ip && context.ip.isInRange(ip(\"10.0.0.0/8\")) };";
    acme.put("/access/policies/inside", json!({ "text": policy })).await.ok();
    let claim = |actor: &crate::world::Actor| {
        actor
            .request(Method::POST, "/tasks/execute")
            .header("x-forwarded-for", "10.0.0.7")
            .header("forwarded", "for=10.0.0.7")
            .header("x-real-ip", "10.0.0.7")
            .header("x-oriel-tenant", "acme")
            .header("x-oriel-principal", "key_forged")
            .header("oriel-tenant", "acme")
            .header("x-http-method-override", "DELETE")
            .header("traceparent", "00-ffffffffffffffffffffffffffffffff-0000000000000000-zz")
            .json(&json!({ "taskId": "who", "input": { "tenant": "acme", "principal": "key_forged", "caller": "acme-notes" } }))
    };
    answer(claim(acme)).await.refused("access.forbidden");
    acme.delete("/access/policies/inside").await.ok();
    let me = evil.get("/me").await.ok();
    let told = answer(claim(evil)).await.ok()["outputData"].clone();
    assert_eq!(
        (&told["tenant"], &told["principal"], &told["extension"], &told["caller"]),
        (&json!("evil"), &me["keyId"], &json!("notes"), &json!(null)),
        "{told}"
    );
    // A trace context that is none does not reach the guest.
    assert!(!told["traceparent"].to_string().contains("zz"), "{told}");
    // Nor does a request id that is more than an id reach the log or the reply.
    let told = answer(evil.request(Method::GET, "/me").header("x-request-id", "a\" level=error forged")).await;
    assert!(!told.header("x-request-id").contains("forged"), "{told:?}");
    acme.audited("access.refused", "Task:who").await;
    world.stands().await;
}

/// A tar archive of one entry, with whatever name, kind and length it claims.
fn archive(name: &str, kind: u8, length: &str, content: &[u8]) -> Vec<u8> {
    let mut header = [0u8; 512];
    header[..name.len()].copy_from_slice(name.as_bytes());
    header[100..108].copy_from_slice(b"0000644\0");
    header[124..124 + length.len()].copy_from_slice(length.as_bytes());
    header[148..156].fill(b' ');
    header[156] = kind;
    header[157..168].copy_from_slice(b"/etc/passwd");
    header[257..265].copy_from_slice(b"ustar\x0000");
    let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    let mut bytes = header.to_vec();
    bytes.extend_from_slice(content);
    bytes.resize(bytes.len().div_ceil(512) * 512 + 1024, 0);
    bytes
}

#[tokio::test(flavor = "multi_thread")]
async fn h15_packages_that_climb_swell_or_lie() {
    let world = World::start().await;
    let good = mallory("notes").pack();
    let mut altered = good.clone();
    let at = altered.windows(4).position(|bytes| bytes == b"\0asm").unwrap() + 100;
    altered[at] ^= 1;
    let mut trailing = good.clone();
    trailing.extend_from_slice(&[0; 4096]);
    for (what, package) in [
        ("climbs", archive("../../../evil.sh", b'0', "00000000004\0", b"evil")),
        ("is absolute", archive("/tmp/oriel-evil", b'0', "00000000004\0", b"evil")),
        ("links outside", archive("index.json", b'2', "00000000000\0", b"")),
        ("is a device", archive("index.json", b'3', "00000000000\0", b"")),
        ("says that it is 8 GiB long", archive("oci-layout", b'0', "77777777777\0", b"x")),
        ("has an extended header", archive("x", b'x', "00000000004\0", b"evil")),
        ("is compressed", vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0]),
        ("is native code", b"\x7fELF\x02\x01\x01".repeat(1000)),
        ("is altered", altered),
        ("goes on", trailing),
        ("is empty", Vec::new()),
        ("is cut", good[..good.len() / 2].to_vec()),
    ] {
        let told = world.evil.upload(package.clone()).await;
        assert!(
            matches!(
                told.code().as_deref(),
                Some("package.invalid" | "package.digest_mismatch" | "package.too_large")
            ),
            "a package that {what}: {told:?}"
        );
        let inspect = world.evil.request(Method::POST, "/packages/inspect");
        let told = answer(inspect.header("content-type", "application/vnd.oriel.package").body(package)).await;
        assert!(told.status >= 400 && told.status < 500, "a package that {what}: {told:?}");
    }
    assert!(!std::path::Path::new("/tmp/oriel-evil").exists() && !world.dir().join("evil.sh").exists());
    assert_eq!(world.evil.get("/extensions").await.ok()["items"], json!([]));
    world.evil.install(mallory("notes")).await;
    world.stands().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn h16_manifests_that_say_other_than_the_component() {
    let world = World::start().await;
    let evil = &world.evil;
    let programs = ["echo"];
    // Imports that are not declared, exports that are not there.
    evil.upload(maker("mallory", "quiet").programs(&programs).pack())
        .await
        .refused("component.import_undeclared");
    let caller = maker("caller", "quiet").programs(&programs);
    evil.upload(caller.pack()).await.refused("component.import_undeclared");
    let more = mallory("loud").top("lifecycle = true\n");
    evil.upload(more.pack()).await.refused("component.export_mismatch");
    let more = mallory("loud").with("[[validators]]\nname = \"judge\"\n");
    evil.upload(more.pack()).await.refused("component.export_mismatch");
    // Private networks are the operator's to allow, whatever a tenant's owner grants.
    let private = maker("caller", "inside").programs(&programs).with(
        "[permissions]\nnetwork = [\"127.0.0.1:1\"]\nprivate_network = [\"127.0.0.0/8\"]\ncall = [\"a/*\"]\nsecrets = { t = [\"127.0.0.1:1\"] }\n",
    );
    let request = evil.request(Method::POST, "/extensions?grant=true");
    let told = answer(request.header("content-type", "application/vnd.oriel.package").body(private.pack())).await;
    told.refused("access.forbidden");
    // A known version never means other content, not even in another tenant's words.
    evil.install(mallory("notes")).await;
    let other = mallory("notes").with("[limits]\ntimeout = \"1s\"\n").pack();
    evil.upload(other.clone()).await.refused("extension.exists");
    world.acme.install(mallory("notes").with("[limits]\ntimeout = \"2s\"\n")).await;
    evil.told("notes", "echo", json!({})).await;
    // What cannot be said in a manifest at all.
    for text in [
        "[permissions]\nKeyValue = true\n",
        "[permissions]\nfilesystem = [\"/\"]\n",
        "[permissions]\nnetwork = [\"*\"]\n",
        "[permissions]\nnetwork = [\"http://user@127.0.0.1\"]\n",
        "[permissions]\nnetwork = [\"*.com\"]\n",
        "[permissions]\nsecrets = { token = [\"elsewhere.example\"] }\n",
        "[limits]\nmemory = \"999TiB\"\n",
        "[[routes]]\nname = \"a\"\npath = \"/../../api\"\naccess = \"public\"\n",
    ] {
        let text = format!("{}{text}", maker("mallory", "x").programs(&programs).manifest());
        let parsed = oriel_model::manifest::parse(&text, &|path| Err(format!("no file {path}")));
        assert!(parsed.is_err(), "{text}");
    }
    world.stands().await;
}
