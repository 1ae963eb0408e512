//! The notes, over HTTP.

use reqwest::Method;
use serde_json::{Value, json};

use crate::desk::{Answer, Desk, send, too_long};

struct Notes(Desk);

impl Notes {
    async fn start() -> Self {
        let desk = Desk::start();
        desk.install("notes", &[]).await;
        Self(desk)
    }

    fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        self.0.request(method, &format!("/x/default/notes{path}"))
    }

    async fn get(&self, path: &str) -> Answer {
        send(self.request(Method::GET, path)).await
    }

    async fn put(&self, id: &str, note: Value, condition: Option<(&str, &str)>) -> Answer {
        let mut request = self.request(Method::PUT, &format!("/notes/{id}")).json(&note);
        if let Some((name, value)) = condition {
            request = request.header(name, value);
        }
        send(request).await
    }
}

#[tokio::test]
async fn a_note_is_made_read_changed_and_deleted() {
    let notes = Notes::start().await;
    let made = send(
        notes
            .request(Method::POST, "/notes")
            .json(&json!({ "title": "Milk", "text": "two" })),
    )
    .await;
    assert_eq!(made.status, 201, "{made:?}");
    let (note, place) = (made.json(), made.header("location"));
    let id = note["id"].as_str().unwrap();
    assert_eq!(place, format!("/x/default/notes/notes/{id}"));
    let read = notes.get(&format!("/notes/{id}")).await;
    assert_eq!(
        (read.status, read.json(), read.header("etag")),
        (200, note.clone(), made.header("etag"))
    );
    let unchanged = send(
        notes
            .request(Method::GET, &format!("/notes/{id}"))
            .header("if-none-match", read.header("etag")),
    )
    .await;
    assert_eq!(
        (unchanged.status, unchanged.text.as_str(), unchanged.header("etag")),
        (304, "", read.header("etag"))
    );
    let changed = notes
        .put(
            id,
            json!({ "title": "Milk", "text": "three" }),
            Some(("if-match", read.header("etag"))),
        )
        .await;
    assert_eq!(
        (changed.status, &changed.json()["createdMs"]),
        (200, &note["createdMs"]),
        "{changed:?}"
    );
    assert_ne!(changed.header("etag"), read.header("etag"));
    // Whoever read before has to read again.
    let late = notes
        .put(id, json!({ "title": "Milk" }), Some(("if-match", read.header("etag"))))
        .await;
    assert_eq!((late.status, late.header("content-type")), (412, "application/problem+json"));
    let late = send(
        notes
            .request(Method::DELETE, &format!("/notes/{id}"))
            .header("if-match", read.header("etag")),
    )
    .await;
    assert_eq!(late.status, 412);
    let gone = send(
        notes
            .request(Method::DELETE, &format!("/notes/{id}"))
            .header("if-match", changed.header("etag")),
    )
    .await;
    assert_eq!(gone.status, 204, "{gone:?}");
    assert_eq!(notes.get(&format!("/notes/{id}")).await.status, 404);
    assert_eq!(notes.get("/notes").await.json()["items"], json!([]));
    // A name that was free is free again at once.
    let own = notes.put(id, json!({ "title": "Milk again" }), Some(("if-none-match", "*"))).await;
    assert_eq!(own.status, 201, "{own:?}");
    assert_eq!(
        notes.put(id, json!({ "title": "x" }), Some(("if-none-match", "*"))).await.status,
        412
    );
    assert_eq!(
        notes.put("nobody", json!({ "title": "x" }), Some(("if-match", "*"))).await.status,
        412
    );
}

#[tokio::test]
async fn of_many_that_write_at_once_none_is_lost() {
    let notes = Notes::start().await;
    let mut tag = notes.put("counter", json!({ "title": "0" }), None).await.header("etag").to_owned();
    for round in 1..=5 {
        let title = |writer: usize| json!({ "title": format!("{round}-{writer}") });
        let answers = futures::future::join_all((0..8).map(|writer| notes.put("counter", title(writer), Some(("if-match", &tag))))).await;
        let written: Vec<&Answer> = answers.iter().filter(|answer| answer.status == 200).collect();
        assert_eq!(written.len(), 1, "{answers:?}");
        assert!(answers.iter().all(|answer| [200, 412].contains(&answer.status)), "{answers:?}");
        let next = written[0].header("etag").to_owned();
        let read = notes.get("/notes/counter").await;
        assert_eq!(
            (read.header("etag"), &read.json()["title"]),
            (next.as_str(), &written[0].json()["title"])
        );
        tag = next;
    }
}

#[tokio::test]
async fn lists_have_pages_and_the_page_has_no_markup_of_notes() {
    let notes = Notes::start().await;
    for number in 0..7 {
        notes
            .put(
                &format!("n-{number}"),
                json!({ "title": format!("<b>{number}</b>"), "text": "</pre><script>alert('x')</script>\"&" }),
                None,
            )
            .await
            .ok();
    }
    let mut seen = Vec::new();
    let mut path = "/notes?limit=3".to_owned();
    loop {
        let page = notes.get(&path).await.ok();
        let items = page["items"].as_array().unwrap();
        assert!(items.len() <= 3 && items.iter().all(|item| item.get("text").is_none()), "{page}");
        seen.extend(items.iter().map(|item| item["id"].as_str().unwrap().to_owned()));
        let Some(cursor) = page["nextCursor"].as_str() else { break };
        let encoded: String = cursor.bytes().map(|byte| format!("%{byte:02X}")).collect();
        path = format!("/notes?limit=3&cursor={encoded}");
    }
    assert_eq!(seen, (0..7).map(|number| format!("n-{number}")).collect::<Vec<_>>());
    let page = notes.get("/").await;
    assert_eq!((page.status, page.header("content-type")), (200, "text/html; charset=utf-8"));
    assert!(
        page.text.contains("&lt;b&gt;6&lt;/b&gt;") && page.text.find("n-6") < page.text.find("n-0"),
        "{}",
        page.text
    );
    assert!(
        !page.text.contains("<script") && !page.text.contains("<b>") && page.text.contains("&lt;/pre&gt;"),
        "{}",
        page.text
    );
    assert!(page.header("content-security-policy").contains("default-src 'none'"), "{page:?}");
}

#[tokio::test]
async fn what_is_wrong_is_said() {
    let notes = Notes::start().await;
    assert_eq!(send(notes.0.anonymous(Method::GET, "/x/default/notes/notes")).await.status, 401);
    let raw = |method: Method, path: &str, media_type: &str, body: String| {
        send(notes.request(method, path).header("content-type", media_type.to_owned()).body(body))
    };
    let json = "application/json";
    too_long(
        notes
            .request(Method::POST, "/notes")
            .header("content-type", json)
            .body("x".repeat(300_000)),
    )
    .await;
    for (answer, status) in [
        (raw(Method::POST, "/notes", "text/plain", "{}".to_owned()).await, 415),
        (raw(Method::POST, "/notes", json, "{".to_owned()).await, 400),
        (raw(Method::POST, "/notes", json, "[]".to_owned()).await, 400),
        (
            raw(Method::POST, "/notes", json, r#"{"title": "a", "owner": 1}"#.to_owned()).await,
            400,
        ),
        (raw(Method::POST, "/notes", json, r#"{"title": "  "}"#.to_owned()).await, 422),
        (
            raw(Method::POST, "/notes", json, json!({ "title": "x".repeat(201) }).to_string()).await,
            422,
        ),
        (
            raw(
                Method::POST,
                "/notes",
                json,
                json!({ "title": "x", "text": "x".repeat(70_000) }).to_string(),
            )
            .await,
            422,
        ),
        (raw(Method::PUT, "/notes/NO", json, r#"{"title": "a"}"#.to_owned()).await, 404),
        (raw(Method::PUT, "/notes/a/b", json, r#"{"title": "a"}"#.to_owned()).await, 404),
        (raw(Method::PATCH, "/notes/a", json, "{}".to_owned()).await, 405),
        (raw(Method::DELETE, "/notes", json, String::new()).await, 405),
        (raw(Method::POST, "/", json, String::new()).await, 405),
        (raw(Method::GET, "/notes?limit=0", json, String::new()).await, 400),
        (raw(Method::GET, "/notes?sort=x", json, String::new()).await, 400),
        (raw(Method::DELETE, "/notes/nobody", json, String::new()).await, 404),
    ] {
        assert_eq!(answer.status, status, "{answer:?}");
        assert_eq!(answer.header("content-type"), "application/problem+json", "{answer:?}");
    }
}
