//! An incident report as a page for people.

use std::fmt::Write as _;

use oriel_model::audit::AuditEntry;
use oriel_model::execution::ExecutionStatus;
use oriel_model::incident::IncidentReport;

/// The report as Markdown. What extensions and people wrote is shown as text: nothing in it is markup.
#[must_use]
pub fn incident_markdown(report: &IncidentReport) -> String {
    let mut page = String::new();
    // Writing to a string does not fail.
    let _ = write(&mut page, report);
    page
}

/// Text of others in one line, without a character that Markdown or a terminal would act on.
fn plain(text: &str) -> String {
    const LONGEST: usize = 300;
    let mut line = String::new();
    for c in text.chars().take(LONGEST) {
        match c {
            c if c.is_control() => line.push(' '),
            '\\' | '`' | '*' | '_' | '[' | ']' | '<' | '>' | '|' | '#' | '!' | '&' => {
                line.push('\\');
                line.push(c);
            }
            c => line.push(c),
        }
    }
    if text.chars().nth(LONGEST).is_some() {
        line.push('…');
    }
    line
}

fn write(page: &mut String, report: &IncidentReport) -> std::fmt::Result {
    let version = report
        .version
        .as_ref()
        .map_or_else(|| "not installed any more".to_owned(), ToString::to_string);
    writeln!(page, "# Incident: {} ({version})\n", report.extension)?;
    writeln!(page, "From {} to {}; made at {}.\n", report.from, report.to, report.at)?;
    if let Some(anomaly) = &report.anomaly {
        writeln!(
            page,
            "**{}** ({}, seen {} times from {} to {}, {}): {}\n",
            anomaly.id,
            anomaly.severity.as_str(),
            anomaly.times,
            anomaly.from,
            anomaly.to,
            anomaly.state.as_str(),
            plain(&anomaly.summary)
        )?;
    }
    section(
        page,
        "Other anomalies",
        report.anomalies.iter().map(|anomaly| {
            format!(
                "{} {}: {} ({})",
                anomaly.from,
                anomaly.severity.as_str(),
                plain(&anomaly.summary),
                anomaly.id
            )
        }),
    )?;
    section(
        page,
        "Health",
        report
            .health_changes
            .iter()
            .map(|change| format!("{} {} → {}: {}", change.at, change.from, change.to, plain(&change.reason))),
    )?;
    writeln!(page, "## Calls\n\n{} calls, {} of them failed.\n", report.calls, report.failures)?;
    for (code, count) in &report.failures_by_code {
        writeln!(page, "- {count} × `{code}`")?;
    }
    if !report.executions.is_empty() {
        writeln!(
            page,
            "\n| at | execution | program | version | end | wall ms | CPU ms |\n|---|---|---|---|---|---|---|"
        )?;
        for call in &report.executions {
            let end = match (&call.status, &call.error) {
                (ExecutionStatus::Succeeded, _) => "succeeded".to_owned(),
                (ExecutionStatus::Failed, Some(error)) => format!("`{}`: {}", error.code, plain(&error.message)),
                (ExecutionStatus::Failed, None) => "failed".to_owned(),
            };
            let ms = |us: u64| format!("{}.{:03}", us / 1_000, us % 1_000);
            writeln!(
                page,
                "| {} | {} | {} | {} | {end} | {} | {} |",
                call.at,
                call.id,
                call.program,
                call.version,
                ms(call.resources.wall_us),
                ms(call.resources.guest_cpu_us)
            )?;
        }
    }
    writeln!(page)?;
    section(page, "Refusals", report.refusals.iter().map(entry))?;
    section(page, "Secrets used", report.secrets_used.iter().map(entry))?;
    section(
        page,
        "Hosts",
        report.hosts.iter().map(|known| {
            let new = if known.new { "**first contact** " } else { "since " };
            format!("{}: {new}{}", plain(&known.host), known.first_seen)
        }),
    )?;
    section(page, "Changes", report.changes.iter().map(entry))?;
    if let Some(grant) = &report.grant {
        let grant = serde_json::to_string_pretty(grant).unwrap_or_default();
        writeln!(page, "## Grant\n\n```json\n{grant}\n```\n")?;
    }
    section(page, "Other entries of the audit log", report.audit.iter().map(entry))?;
    section(
        page,
        "Log",
        report.logs.iter().map(|line| {
            let level = serde_json::to_string(&line.level).unwrap_or_default();
            format!("{} {} {}", line.at, level.trim_matches('"'), plain(&line.message))
        }),
    )?;
    section(page, "Left out", report.left_out.iter().map(|text| plain(text)))
}

fn section(page: &mut String, title: &str, lines: impl Iterator<Item = String>) -> std::fmt::Result {
    let mut lines = lines.peekable();
    if lines.peek().is_none() {
        return Ok(());
    }
    writeln!(page, "## {title}\n")?;
    for line in lines {
        writeln!(page, "- {line}")?;
    }
    writeln!(page)
}

fn entry(entry: &AuditEntry) -> String {
    format!(
        "{} {} by {}: {} {}",
        entry.at,
        plain(&entry.action),
        plain(&entry.actor),
        plain(&entry.subject),
        plain(&entry.details.to_string())
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_wrote_is_no_markup() {
        assert_eq!(
            plain("a\n# b | <img> `x` [y](z) \u{1b}[31m"),
            "a \\# b \\| \\<img\\> \\`x\\` \\[y\\](z)  \\[31m"
        );
        assert_eq!(plain(&"x".repeat(400)).chars().count(), 301);
    }
}
