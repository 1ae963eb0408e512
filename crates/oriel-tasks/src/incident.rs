//! Incident reports: what calls, logs, the audit log, health and grants say of one extension around one time.

mod markdown;

use std::collections::BTreeMap;
use std::time::Duration;

use oriel_access::{Access, Principal};
use oriel_extensions::ExtensionError;
use oriel_model::Timestamp;
use oriel_model::access::Scope;
use oriel_model::anomaly::Anomaly;
use oriel_model::audit::AuditEntry;
use oriel_model::execution::{Execution, ExecutionStatus};
use oriel_model::incident::{IncidentCall, IncidentHost, IncidentReport};
use oriel_model::log::{LogLevel, LogLine};
use oriel_model::name::ExtensionName;
use oriel_model::page::PageRequest;
use oriel_store::{AnomalyFilter, LogFilter};

pub use self::markdown::incident_markdown;
use crate::{ExecutionFilter, TaskError, Tasks};

/// The longest time that a report looks at.
const LONGEST: Duration = Duration::from_secs(31 * 24 * 3_600);
/// How long before an anomaly began, and after it was last seen, a report about it looks.
const AROUND: Duration = Duration::from_secs(15 * 60);
/// Recorded calls that are read.
const CALLS: usize = 20_000;
/// Recorded calls that are shown.
const SHOWN: usize = 200;
/// Log lines that are read, and that are shown.
const LINES: u32 = 5_000;
const SHOWN_LINES: usize = 500;
/// Entries of the audit log that are read, newest first.
const ENTRIES: usize = 20_000;
/// Entries and anomalies that are shown of each sort.
const SHOWN_ENTRIES: usize = 200;
/// Hosts that are shown.
const HOSTS: u32 = 1_000;

/// What a report is about: an anomaly, or an extension and a span of time.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct IncidentRequest {
    /// The anomaly's id.
    pub anomaly: Option<String>,
    /// The extension.
    pub extension: Option<String>,
    /// From when on.
    pub from: Option<Timestamp>,
    /// Until when; now unless said.
    pub to: Option<Timestamp>,
}

/// A place that a report looks at.
struct Place {
    extension: ExtensionName,
    from: Timestamp,
    to: Timestamp,
    anomaly: Option<Anomaly>,
}

impl Tasks {
    /// Gathers what happened around an anomaly, or within a span of time.
    ///
    /// # Errors
    /// When the principal may not read executions, extensions and the audit log, or there is no such anomaly or time.
    pub async fn incident(&self, principal: &Principal, request: &IncidentRequest) -> Result<IncidentReport, TaskError> {
        for scope in [Scope::TasksRead, Scope::ExtensionsRead, Scope::AccessRead] {
            Access::require(principal, scope)?;
        }
        let place = self.place(principal, request).await?;
        self.shared.extensions.flush().await;
        let mut left_out = Vec::new();
        let installation = self
            .shared
            .stores
            .installations
            .get(principal.tenant, place.extension.as_str())
            .await?;
        let (health, health_changes) = match &installation {
            Some(_) => {
                let report = self.shared.extensions.health(principal, place.extension.as_str()).await?;
                let changes = report.history.into_iter().rev();
                let changes = changes.filter(|change| change.at >= place.from && change.at < place.to);
                (Some(report.state), changes.collect())
            }
            None => (None, Vec::new()),
        };
        let mut report = IncidentReport {
            extension: place.extension.clone(),
            installation: installation.as_ref().map(|there| there.id),
            version: installation.as_ref().map(|there| there.release.manifest.version.clone()),
            from: place.from,
            to: place.to,
            at: self.shared.clock.now(),
            anomalies: self.anomalies_around(principal, &place, &mut left_out).await?,
            anomaly: place.anomaly.clone(),
            calls: 0,
            failures: 0,
            failures_by_code: BTreeMap::new(),
            executions: Vec::new(),
            refusals: Vec::new(),
            secrets_used: Vec::new(),
            changes: Vec::new(),
            audit: Vec::new(),
            health,
            health_changes,
            hosts: self.hosts_of(principal, &place).await?,
            logs: self.lines_of(principal, &place, &mut left_out).await?,
            grant: installation.as_ref().map(|there| there.grant.clone()),
            left_out: Vec::new(),
        };
        self.count_calls(principal, &place, &mut report, &mut left_out).await?;
        let subject = installation.as_ref().map(|there| there.id.to_string());
        self.sort_entries(principal, &place, subject.as_deref(), &mut report, &mut left_out)
            .await?;
        report.left_out = left_out;
        Ok(report)
    }

    async fn place(&self, principal: &Principal, request: &IncidentRequest) -> Result<Place, TaskError> {
        let invalid = |reason: &str| TaskError::Incident { reason: reason.to_owned() };
        let now = self.shared.clock.now();
        match (&request.anomaly, &request.extension) {
            (Some(_), Some(_)) => Err(invalid("either `anomaly` or `extension`")),
            (None, None) => Err(invalid("`anomaly`, or `extension` with `from`")),
            (Some(id), None) => {
                if request.from.is_some() || request.to.is_some() {
                    return Err(invalid("an anomaly says itself from when to when it was"));
                }
                let anomaly = self.shared.extensions.anomaly(principal, id).await?;
                let (from, to) = (anomaly.from.minus(AROUND), anomaly.to.plus(AROUND));
                Ok(Place {
                    extension: anomaly.extension.clone(),
                    from: from.max(to.minus(LONGEST)),
                    to,
                    anomaly: Some(anomaly),
                })
            }
            (None, Some(name)) => {
                let not_found = || {
                    TaskError::from(ExtensionError::NotFound {
                        name: name.chars().take(64).collect(),
                    })
                };
                let extension: ExtensionName = name.parse().map_err(|_| not_found())?;
                let from = request.from.ok_or_else(|| invalid("`from`: when it began"))?;
                let to = request.to.unwrap_or_else(|| now.plus(Duration::from_millis(1)));
                if to <= from {
                    return Err(invalid("`to`: it must be after `from`"));
                }
                if to.since(from) > LONGEST {
                    return Err(invalid("`from`: it may lie 31 days before `to` at most"));
                }
                Ok(Place {
                    extension,
                    from,
                    to,
                    anomaly: None,
                })
            }
        }
    }

    async fn anomalies_around(&self, principal: &Principal, place: &Place, left_out: &mut Vec<String>) -> Result<Vec<Anomaly>, TaskError> {
        let filter = AnomalyFilter {
            extension: Some(place.extension.clone()),
            state: None,
        };
        let page = PageRequest {
            limit: PageRequest::MAX_LIMIT,
            cursor: None,
        };
        let found = self.shared.extensions.anomalies(principal, &filter, page).await?;
        if found.next_cursor.is_some() {
            left_out.push("older anomalies".to_owned());
        }
        let found = found.items.into_iter().filter(|anomaly| {
            let about = place.anomaly.as_ref().is_some_and(|it| it.id == anomaly.id);
            !about && anomaly.from < place.to && anomaly.to >= place.from
        });
        Ok(found.take(SHOWN_ENTRIES).collect())
    }

    async fn hosts_of(&self, principal: &Principal, place: &Place) -> Result<Vec<IncidentHost>, TaskError> {
        let baselines = &self.shared.stores.baselines;
        let hosts = baselines.hosts(principal.tenant, place.extension.as_str(), HOSTS).await?;
        let hosts = hosts.into_iter().filter(|known| known.first_seen < place.to);
        let hosts = hosts.map(|known| IncidentHost {
            new: known.first_seen >= place.from,
            host: known.host,
            first_seen: known.first_seen,
        });
        Ok(hosts.collect())
    }

    async fn lines_of(&self, principal: &Principal, place: &Place, left_out: &mut Vec<String>) -> Result<Vec<LogLine>, TaskError> {
        let filter = LogFilter {
            extension: Some(place.extension.clone()),
            level: LogLevel::Trace,
            after: None,
            limit: LINES,
        };
        let lines = self.shared.stores.logs.read(principal.tenant, &filter).await?;
        let cut = lines.len() == LINES as usize && lines.first().is_some_and(|oldest| oldest.at >= place.from);
        let mut lines: Vec<LogLine> = lines
            .into_iter()
            .filter(|line| line.at >= place.from && line.at < place.to)
            .collect();
        if cut || lines.len() > SHOWN_LINES {
            left_out.push("older log lines; `oriel logs` has them".to_owned());
        }
        if lines.len() > SHOWN_LINES {
            lines.drain(..lines.len() - SHOWN_LINES);
        }
        Ok(lines)
    }

    async fn count_calls(
        &self,
        principal: &Principal,
        place: &Place,
        report: &mut IncidentReport,
        left_out: &mut Vec<String>,
    ) -> Result<(), TaskError> {
        let filter = ExecutionFilter {
            extension: Some(place.extension.to_string()),
            from: Some(place.from),
            to: Some(place.to),
            ..ExecutionFilter::default()
        };
        let mut cursor = None;
        let (mut failed, mut others, mut read) = (Vec::new(), Vec::new(), 0);
        loop {
            let page = PageRequest {
                limit: PageRequest::MAX_LIMIT,
                cursor,
            };
            let page = self.executions(principal, &filter, page).await?;
            for execution in page.items {
                read += 1;
                report.calls += 1;
                let bad = execution.status == ExecutionStatus::Failed;
                if bad {
                    report.failures += 1;
                    let code = execution.error.as_ref().map_or("", |error| error.code.as_str());
                    *report.failures_by_code.entry(code.to_owned()).or_default() += 1;
                }
                let shown = if bad { &mut failed } else { &mut others };
                if shown.len() < SHOWN {
                    shown.push(call(execution));
                }
            }
            cursor = page.next_cursor;
            if cursor.is_none() {
                break;
            }
            if read >= CALLS {
                left_out.push(format!("calls before the newest {CALLS}; `oriel executions list` has them"));
                break;
            }
        }
        if report.calls > SHOWN as u64 {
            left_out.push(format!("all but {SHOWN} of the calls that were counted"));
        }
        failed.extend(others);
        failed.truncate(SHOWN);
        report.executions = failed;
        Ok(())
    }

    /// Reads the audit log back to the beginning of the report's time and sorts what is about the extension.
    async fn sort_entries(
        &self,
        principal: &Principal,
        place: &Place,
        subject: Option<&str>,
        report: &mut IncidentReport,
        left_out: &mut Vec<String>,
    ) -> Result<(), TaskError> {
        let actor = format!("extension:{}", place.extension);
        let about = |entry: &AuditEntry| {
            entry.actor == actor
                || Some(entry.subject.as_str()) == subject
                || entry.subject == place.extension.as_str()
                || entry.details.get("extension").and_then(serde_json::Value::as_str) == Some(place.extension.as_str())
        };
        let mut cursor = None;
        let mut read = 0;
        let mut cut = false;
        'reading: loop {
            let page = PageRequest {
                limit: PageRequest::MAX_LIMIT,
                cursor,
            };
            let page = self.shared.stores.audit.list(principal.tenant, page).await?;
            for entry in page.items {
                read += 1;
                // A clock that was set back leaves entries out of order; an hour of them is read on.
                if entry.at < place.from.minus(Duration::from_secs(3_600)) {
                    break 'reading;
                }
                if entry.at < place.from || entry.at >= place.to || !about(&entry) {
                    continue;
                }
                let sort = match entry.action.as_str() {
                    "permission.refused" | "access.refused" => &mut report.refusals,
                    "secret.used" => &mut report.secrets_used,
                    action if action.starts_with("extension.") || action.starts_with("binding.") => &mut report.changes,
                    _ => &mut report.audit,
                };
                if sort.len() < SHOWN_ENTRIES {
                    sort.push(entry);
                } else {
                    cut = true;
                }
            }
            cursor = page.next_cursor;
            if cursor.is_none() {
                break;
            }
            if read >= ENTRIES {
                cut = true;
                break;
            }
        }
        if cut {
            left_out.push("older entries of the audit log; `oriel audit export` has them".to_owned());
        }
        Ok(())
    }
}

fn call(execution: Execution) -> IncidentCall {
    IncidentCall {
        id: execution.id,
        at: execution.started_at,
        task_id: execution.task_id,
        program: execution.program,
        version: execution.version,
        status: execution.status,
        error: execution.error,
        resources: execution.resources,
    }
}
