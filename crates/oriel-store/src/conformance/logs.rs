//! Log lines of extensions.

use oriel_model::Timestamp;
use oriel_model::id::{ExecutionId, TenantId};
use oriel_model::log::{LogLevel, LogLine};

use super::fixtures::{at, tenant_id};
use crate::{LogFilter, NewLogLine, Stores};

const LEVELS: [LogLevel; 5] = [LogLevel::Trace, LogLevel::Debug, LogLevel::Info, LogLevel::Warn, LogLevel::Error];

fn line(tenant: TenantId, message: &str) -> NewLogLine {
    NewLogLine {
        tenant,
        at: at(0),
        extension: "ext".parse().unwrap(),
        execution_id: Some(ExecutionId::new(at(0))),
        level: LogLevel::Info,
        message: message.into(),
        fields: vec![("z".into(), "1".into()), ("a".into(), "ü\u{0}".into())],
    }
}

fn everything(limit: u32) -> LogFilter {
    LogFilter {
        extension: None,
        level: LogLevel::Trace,
        after: None,
        limit,
    }
}

fn messages(lines: &[LogLine]) -> Vec<&str> {
    lines.iter().map(|line| line.message.as_str()).collect()
}

/// As they were written, in the order in which they were appended whatever their time; the newest when there are more.
pub async fn lines_keep_their_order(stores: &Stores) {
    let tenant = tenant_id();
    let mut written = Vec::new();
    for (number, message) in ["a", "b", "c", "d"].into_iter().enumerate() {
        let mut new = line(tenant, message);
        new.at = at(-(number as i64));
        new.execution_id = new.execution_id.filter(|_| number % 2 == 0);
        new.fields.truncate(number);
        written.push(new);
    }
    stores.logs.append(written[..1].to_vec()).await.unwrap();
    stores.logs.append(vec![]).await.unwrap();
    stores.logs.append(written[1..].to_vec()).await.unwrap();
    let read = stores.logs.read(tenant, &everything(10)).await.unwrap();
    assert!(read.is_sorted_by(|one, next| one.sequence < next.sequence));
    for (line, new) in read.iter().zip(&written) {
        assert_eq!(
            (line.at, &line.extension, line.execution_id),
            (new.at, &new.extension, new.execution_id)
        );
        assert_eq!((line.level, &line.message, &line.fields), (new.level, &new.message, &new.fields));
    }
    assert_eq!(messages(&read), ["a", "b", "c", "d"]);
    assert_eq!(messages(&stores.logs.read(tenant, &everything(2)).await.unwrap()), ["c", "d"]);
    assert_eq!(stores.logs.read(tenant, &everything(0)).await.unwrap(), []);
}

/// By extension and by level, alone and together.
pub async fn lines_filter(stores: &Stores) {
    let tenant = tenant_id();
    let mut lines = Vec::new();
    for extension in ["ext", "other"] {
        for level in LEVELS {
            let mut new = line(tenant, &format!("{extension} {level:?}"));
            new.extension = extension.parse().unwrap();
            new.level = level;
            lines.push(new);
        }
    }
    stores.logs.append(lines).await.unwrap();
    for level in LEVELS {
        for extension in [None, Some("ext"), Some("other"), Some("none")] {
            let filter = LogFilter {
                extension: extension.map(|name| name.parse().unwrap()),
                level,
                after: None,
                limit: 100,
            };
            let expected: Vec<String> = ["ext", "other"]
                .into_iter()
                .filter(|name| extension.is_none_or(|extension| extension == *name))
                .flat_map(|name| LEVELS.into_iter().filter(|of| *of >= level).map(move |of| format!("{name} {of:?}")))
                .collect();
            assert_eq!(messages(&stores.logs.read(tenant, &filter).await.unwrap()), expected);
        }
    }
}

/// Who reads on from the last sequence sees every line once, also while others write.
pub async fn lines_follow(stores: &Stores) {
    let tenant = tenant_id();
    let writers: Vec<_> = (0..8)
        .map(|writer| {
            let stores = stores.clone();
            tokio::spawn(async move {
                for number in 0..10 {
                    let lines = vec![
                        line(tenant, &format!("{writer}/{number}a")),
                        line(tenant, &format!("{writer}/{number}b")),
                    ];
                    stores.logs.append(lines).await.unwrap();
                }
            })
        })
        .collect();
    let (mut seen, mut after) = (Vec::new(), 0);
    while seen.len() < 160 {
        let filter = LogFilter {
            after: Some(after),
            ..everything(7)
        };
        let lines = stores.logs.read(tenant, &filter).await.unwrap();
        after = lines.last().map_or(after, |last| last.sequence);
        seen.extend(lines.into_iter().map(|line| line.message));
        // All written and nothing new: what is missing now would be missing for good.
        let written = writers.iter().all(tokio::task::JoinHandle::is_finished);
        if written
            && stores
                .logs
                .read(
                    tenant,
                    &LogFilter {
                        after: Some(after),
                        ..everything(1)
                    },
                )
                .await
                .unwrap()
                .is_empty()
        {
            break;
        }
        tokio::task::yield_now().await;
    }
    for writer in writers {
        writer.await.unwrap();
    }
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), 160);
}

/// Another tenant reads none of them.
pub async fn others_read_nothing(stores: &Stores) {
    let (one, other) = (tenant_id(), tenant_id());
    stores
        .logs
        .append(vec![line(one, "mine"), line(other, "theirs"), line(one, "mine too")])
        .await
        .unwrap();
    assert_eq!(
        messages(&stores.logs.read(one, &everything(9)).await.unwrap()),
        ["mine", "mine too"]
    );
    assert_eq!(messages(&stores.logs.read(other, &everything(9)).await.unwrap()), ["theirs"]);
    assert_eq!(stores.logs.read(tenant_id(), &everything(9)).await.unwrap(), []);
    let nothing = LogFilter {
        after: Some(i64::MAX),
        ..everything(9)
    };
    assert_eq!(stores.logs.read(one, &nothing).await.unwrap(), []);
}

/// Only lines written before the moment go, at most so many at once; sequences are never given out again.
pub async fn lines_prune(stores: &Stores) {
    let tenant = tenant_id();
    let early = |ms: i64| {
        let mut early = line(tenant, &ms.to_string());
        early.at = Timestamp::from_millis(ms);
        early
    };
    stores.logs.append([20, 0, 10].map(early).to_vec()).await.unwrap();
    let last = stores.logs.read(tenant, &everything(9)).await.unwrap()[2].sequence;
    let prune = |before, limit| stores.logs.prune(Timestamp::from_millis(before), limit);
    assert_eq!(prune(0, 9).await.unwrap(), 0);
    assert_eq!(prune(20, 1).await.unwrap(), 1);
    assert_eq!(messages(&stores.logs.read(tenant, &everything(9)).await.unwrap()), ["20", "10"]);
    assert_eq!(prune(20, 9).await.unwrap(), 1);
    assert_eq!(prune(21, 9).await.unwrap(), 1);
    stores.logs.append(vec![line(tenant, "new")]).await.unwrap();
    assert!(stores.logs.read(tenant, &everything(9)).await.unwrap()[0].sequence > last);
}

/// Hundreds of lines of several tenants go in at once.
pub async fn many_lines_at_once(stores: &Stores) {
    let (one, other) = (tenant_id(), tenant_id());
    let lines = (0..500).map(|number| line(if number % 5 == 0 { other } else { one }, &number.to_string()));
    stores.logs.append(lines.collect()).await.unwrap();
    let read = stores.logs.read(one, &everything(1_000)).await.unwrap();
    let numbers: Vec<u32> = read.iter().map(|line| line.message.parse().unwrap()).collect();
    assert_eq!(numbers.len(), 400);
    assert!(numbers.is_sorted());
}

/// A guest may write any text, NUL included, and much of it.
pub async fn any_text_is_kept(stores: &Stores) {
    let tenant = tenant_id();
    let texts = [
        "",
        "\u{0}",
        "a\u{0}b",
        "\u{1b}[31m",
        "line\nline",
        "𝄞 é \u{202e}",
        "'; DROP TABLE tenants; --",
        "\\u0000",
    ];
    let long = "x".repeat(1 << 20);
    for text in texts.into_iter().chain([long.as_str()]) {
        let mut new = line(tenant, text);
        new.fields = vec![(text.into(), text.into())];
        stores.logs.append(vec![new.clone()]).await.unwrap();
        let read = stores.logs.read(tenant, &everything(1)).await.unwrap();
        assert!(
            read[0].message == text && read[0].fields == new.fields,
            "{}",
            &text[..text.len().min(20)]
        );
    }
}
