//! `oriel audit [verify|export|report]`.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use oriel_model::ErrorCode;
use oriel_model::audit::{AuditEntry, AuditExportEnd, AuditExportHead, ChainCheck};
use serde_json::{Value, json};

use crate::client::NDJSON;
use crate::context::Context;
use crate::error::{Failure, Result};
use crate::ui::{Paint, clean};
use crate::view::{cut, short_moment, text};

/// What to do with the audit log; without a command, list it.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct AuditArgs {
    /// What to do.
    #[command(subcommand)]
    command: Option<AuditCommand>,
    /// At most so many, newest first
    #[arg(long, short = 'n', value_name = "N", default_value_t = 50)]
    limit: usize,
}

/// What else to do.
#[derive(Debug, Subcommand)]
enum AuditCommand {
    /// Check the chain of hashes from the first entry to the last
    Verify(VerifyArgs),
    /// Write the whole log as lines of JSON, oldest first
    Export(ExportArgs),
    /// Report who may do what, who did, and since when
    Report(ReportArgs),
}

/// What to check.
#[derive(Debug, Args)]
pub(crate) struct VerifyArgs {
    /// An exported log; without it, the server checks its own
    file: Option<PathBuf>,
    /// The hash of the last entry, as noted elsewhere: shows that nothing was cut off
    #[arg(long, value_name = "HASH", requires = "file")]
    last: Option<String>,
}

/// Where to write it.
#[derive(Debug, Args)]
pub(crate) struct ExportArgs {
    /// The file to write; without it, standard output
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// In which form.
#[derive(Debug, Args)]
pub(crate) struct ReportArgs {
    /// The file to write; without it, standard output
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

pub(crate) async fn run(context: &Context, args: &AuditArgs) -> Result<()> {
    match &args.command {
        Some(AuditCommand::Verify(VerifyArgs { file: Some(file), last })) => verify_file(context, file, last.as_deref()),
        Some(AuditCommand::Verify(_)) => verify(context).await,
        Some(AuditCommand::Export(args)) => export(context, args).await,
        Some(AuditCommand::Report(args)) => report(context, args).await,
        None => list(context, args.limit).await,
    }
}

async fn verify(context: &Context) -> Result<()> {
    let reply: Value = context.client()?.get(&["audit", "verify"]).send().await?;
    // Whatever is not clearly intact is not.
    let intact = reply.get("intact").and_then(Value::as_bool).unwrap_or(false);
    if context.ui.json() {
        context.ui.document(&reply)?;
    }
    if !intact {
        let (at, reason) = (text(&reply, "brokenAt"), text(&reply, "reason"));
        let message = format!(
            "the audit log was tampered with or is damaged, first at entry {at}: {}",
            clean(&reason)
        );
        return Err(Failure::new(ErrorCode::ClientCheckFailed, message)
            .help("Keep the data as it is, find out who could write to the database, and restore from a backup."));
    }
    if context.ui.json() {
        return Ok(());
    }
    context.ui.line(&format!("{} entries, an unbroken chain", text(&reply, "entries")))
}

/// Checks an exported log, without a server.
fn verify_file(context: &Context, path: &Path, noted: Option<&str>) -> Result<()> {
    let file = File::open(path).map_err(|error| Failure::file(path, &error))?;
    let found = check_export(BufReader::new(file)).and_then(|end| match noted {
        Some(noted) if noted != end.last.to_string() => Err(format!("it ends with {}, and not with the hash that was noted", end.last)),
        _ => Ok(end),
    });
    match found {
        Ok(end) if context.ui.json() => context
            .ui
            .document(&json!({ "intact": true, "entries": end.entries, "last": end.last })),
        Ok(end) => context
            .ui
            .line(&format!("{} entries, an unbroken chain that ends with {}", end.entries, end.last)),
        Err(reason) => {
            if context.ui.json() {
                context.ui.document(&json!({ "intact": false, "reason": reason }))?;
            }
            let message = format!("{} does not hold: {}", path.display(), clean(&reason));
            Err(Failure::new(ErrorCode::ClientCheckFailed, message)
                .help("Compare with the server (`oriel audit verify`), and with the hash of the last entry as it was noted elsewhere."))
        }
    }
}

/// Follows the chain of an exported log from its head to its end.
fn check_export(reader: impl BufRead) -> std::result::Result<AuditExportEnd, String> {
    let mut chain: Option<ChainCheck> = None;
    let mut ended: Option<AuditExportEnd> = None;
    for (index, line) in reader.lines().enumerate() {
        let number = index + 1;
        let line = line.map_err(|error| format!("line {number}: {error}"))?;
        let wrong = |error: serde_json::Error| format!("line {number}: {error}");
        if ended.is_some() {
            return Err(format!("line {number}: there is something behind the end"));
        }
        let Some(chain) = &mut chain else {
            let head: AuditExportHead = serde_json::from_str(&line).map_err(wrong)?;
            if head.audit_export != 1 {
                return Err("it was written by a newer release".to_owned());
            }
            chain = Some(ChainCheck::new(head.tenant));
            continue;
        };
        if line.contains("\"sequence\"") {
            let entry: AuditEntry = serde_json::from_str(&line).map_err(wrong)?;
            chain
                .follow(&entry)
                .map_err(|reason| format!("line {number}, entry {}: {reason}", entry.sequence))?;
        } else {
            let end: AuditExportEnd = serde_json::from_str(&line).map_err(wrong)?;
            if end.entries != chain.entries() || end.last != *chain.last() {
                return Err(format!(
                    "line {number}: {} entries were written, and {} are here",
                    end.entries,
                    chain.entries()
                ));
            }
            ended = Some(end);
        }
    }
    ended.ok_or_else(|| "it was cut off: the last line is missing".to_owned())
}

/// Writes a reply as it comes.
pub(crate) async fn save(mut response: reqwest::Response, output: Option<&Path>) -> Result<()> {
    let broken = |error: reqwest::Error| Failure::new(ErrorCode::ClientUnreachable, format!("the reply was cut off: {error}"));
    let mut sink: Box<dyn Write + Send> = match output {
        Some(path) => Box::new(File::create(path).map_err(|error| Failure::file(path, &error))?),
        None => Box::new(std::io::stdout()),
    };
    while let Some(chunk) = response.chunk().await.map_err(broken)? {
        sink.write_all(&chunk)?;
    }
    sink.flush()?;
    Ok(())
}

async fn export(context: &Context, args: &ExportArgs) -> Result<()> {
    let client = context.client()?;
    let response = client.get(&["audit", "export"]).accept(NDJSON).response().await?;
    save(response, args.output.as_deref()).await?;
    let Some(path) = &args.output else { return Ok(()) };
    // What was written is what is worth checking, and its last hash is worth noting.
    verify_file(context, path, None)
}

async fn report(context: &Context, args: &ReportArgs) -> Result<()> {
    let client = context.client()?;
    let format = if context.ui.json() { "json" } else { "markdown" };
    let call = client.get(&["compliance", "report"]).query("format", format);
    save(call.response().await?, args.output.as_deref()).await
}

async fn list(context: &Context, limit: usize) -> Result<()> {
    let items = context.client()?.list(&["audit"], &[], limit).await?;
    if context.ui.json() {
        return context.ui.document(&json!({ "items": items }));
    }
    let rows = items
        .iter()
        .map(|item| {
            let details = item
                .get("details")
                .filter(|details| !details.is_null())
                .map(Value::to_string)
                .unwrap_or_default();
            vec![
                (Paint::Faint, text(item, "sequence")),
                (Paint::Faint, short_moment(&text(item, "at"))),
                (Paint::Plain, text(item, "actor")),
                (Paint::Strong, text(item, "action")),
                (Paint::Plain, text(item, "subject")),
                (Paint::Plain, cut(&details, 120)),
            ]
        })
        .collect();
    context.ui.table(
        &["#", "AT", "ACTOR", "ACTION", "SUBJECT", "DETAILS"],
        rows,
        "the audit log is empty",
    )
}

#[cfg(test)]
mod tests {
    use oriel_model::Timestamp;
    use oriel_model::id::{AuditId, TenantId};

    use super::*;

    /// The lines of an export with `count` entries.
    fn lines(count: u64) -> Vec<String> {
        let (tenant, at) = (TenantId::from_ulid(1.into()), Timestamp::from_millis(1_700_000_000_000));
        let mut chain = ChainCheck::new(tenant);
        let head = AuditExportHead {
            audit_export: 1,
            tenant,
            at,
        };
        let mut lines = vec![serde_json::to_string(&head).unwrap()];
        for sequence in 1..=count {
            let mut entry = AuditEntry {
                id: AuditId::from_ulid(u128::from(sequence).into()),
                sequence,
                at,
                actor: "system".to_owned(),
                action: "key.create".to_owned(),
                subject: "key".to_owned(),
                details: json!({ "z": 1.5, "a": ["ü\u{0}"] }),
                previous: *chain.last(),
                hash: *chain.last(),
            };
            entry.hash = entry.compute_hash(tenant);
            chain.follow(&entry).unwrap();
            lines.push(serde_json::to_string(&entry).unwrap());
        }
        let end = AuditExportEnd {
            entries: count,
            last: *chain.last(),
        };
        lines.push(serde_json::to_string(&end).unwrap());
        lines
    }

    fn check(lines: &[String]) -> std::result::Result<u64, String> {
        check_export((lines.join("\n") + "\n").as_bytes()).map(|end| end.entries)
    }

    #[test]
    fn an_export_proves_itself() {
        assert_eq!(check(&lines(0)), Ok(0));
        assert_eq!(check(&lines(5)), Ok(5));
    }

    #[test]
    fn whatever_is_done_to_an_export_shows() {
        type Damage = fn(&mut Vec<String>);
        let cases: [(&str, Damage, &str); 9] = [
            ("altered", |lines| lines[3] = lines[3].replace("system", "nobody"), "altered"),
            ("removed", |lines| drop(lines.remove(2)), "missing"),
            ("swapped", |lines| lines.swap(2, 3), "missing"),
            ("put in twice", |lines| lines.insert(3, lines[2].clone()), "missing"),
            ("cut off", |lines| lines.truncate(4), "cut off"),
            (
                "cut off before its end",
                |lines| drop(lines.remove(5)),
                "5 entries were written, and 4",
            ),
            (
                "another tenant's",
                |lines| lines[0] = lines[0].replace("ten_0", "ten_1"),
                "does not follow",
            ),
            ("garbled", |lines| lines[2].truncate(40), "line 3"),
            ("longer", |lines| lines.push(lines[1].clone()), "behind the end"),
        ];
        for (name, damage, told) in cases {
            let mut damaged = lines(5);
            damage(&mut damaged);
            let found = check(&damaged).unwrap_err();
            assert!(found.contains(told), "{name}: {found}");
        }
        assert!(check(&[]).is_err());
    }
}
