//! The compliance report.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use oriel_model::Timestamp;
use oriel_model::access::{ApiKey, Principal, PrincipalId, Role, Scope};
use oriel_model::audit::ChainCheck;
use oriel_model::compliance::{ComplianceReport, ReportedActivity, ReportedGrant, ReportedPrincipal};
use oriel_model::member::{Member, MemberKind};
use oriel_model::page::{Page, PageRequest};

use crate::{Access, AccessError};

/// Days without use from which on a report points at somebody.
const IDLE_DAYS: u64 = 90;

/// Reads a list to its end.
async fn all<T, F: Future<Output = oriel_store::Result<Page<T>>>>(mut read: impl FnMut(PageRequest) -> F) -> Result<Vec<T>, AccessError> {
    let mut request = PageRequest {
        limit: PageRequest::MAX_LIMIT,
        cursor: None,
    };
    let mut items = Vec::new();
    loop {
        let page = read(request.clone()).await?;
        items.extend(page.items);
        match page.next_cursor {
            None => return Ok(items),
            cursor => request.cursor = cursor,
        }
    }
}

fn idle(now: Timestamp, since: Timestamp, used: Option<Timestamp>) -> Option<u64> {
    Some(now.since(used.unwrap_or(since)).as_secs() / 86_400)
}

fn by_role(role: Role, scopes: &[Scope]) -> Vec<Scope> {
    let has = |scope: &Scope| role >= Role::needed_for(*scope) && (scopes.is_empty() || scopes.contains(scope));
    Scope::ALL.into_iter().filter(has).collect()
}

impl Access {
    /// Who may do what in the principal's tenant, who did, and since when.
    ///
    /// # Errors
    /// When the principal may not, or the store fails.
    pub async fn compliance_report(&self, principal: &Principal) -> Result<ComplianceReport, AccessError> {
        Self::require(principal, Scope::AccessRead)?;
        let (store, tenant, now) = (&self.shared.store, principal.tenant, self.shared.clock.now());
        let members: Vec<Member> = all(|page| store.members.list(tenant, page)).await?;
        let keys: Vec<ApiKey> = all(|page| store.keys.list(tenant, page)).await?;
        let mut principals = Vec::new();
        for member in &members {
            let person = member.kind == MemberKind::User;
            principals.push(ReportedPrincipal {
                id: member.id,
                name: member.name.clone(),
                service_account: None,
                role: member.role,
                may: by_role(member.role, &[]),
                since: member.created_at,
                until: None,
                last_used_at: member.seen_at,
                idle_days: person.then(|| idle(now, member.created_at, member.seen_at)).flatten(),
            });
        }
        for key in keys.into_iter().filter(|key| key.is_live(now)) {
            let account = key.service_account.map(PrincipalId::ServiceAccount);
            let role = match account {
                None => key.role,
                Some(account) => match members.iter().find(|member| member.id == account) {
                    Some(member) => member.role.min(key.role),
                    None => continue,
                },
            };
            principals.push(ReportedPrincipal {
                id: key.id.into(),
                service_account: account,
                role,
                may: by_role(role, &key.scopes),
                since: key.created_at,
                until: key.expires_at,
                last_used_at: key.last_used_at,
                idle_days: idle(now, key.created_at, key.last_used_at),
                name: key.name,
            });
        }
        let installations = all(|page| store.installations.list(tenant, page)).await?;
        let grants = installations.into_iter().map(|installation| ReportedGrant {
            extension: installation.name.to_string(),
            version: installation.release.manifest.version.to_string(),
            state: installation.state,
            grant: installation.grant,
            since: installation.updated_at,
        });
        let mut chain = ChainCheck::new(tenant);
        let mut activity: BTreeMap<(String, String), ReportedActivity> = BTreeMap::new();
        let (mut from, mut intact) = (1, true);
        loop {
            let chunk = self.shared.audit.scan(tenant, from, 1_000).await?;
            let Some(last) = chunk.last() else { break };
            from = last.sequence + 1;
            for entry in chunk {
                intact = intact && chain.follow(&entry).is_ok();
                let key = (entry.actor.clone(), entry.action.clone());
                let line = activity.entry(key).or_insert(ReportedActivity {
                    actor: entry.actor,
                    action: entry.action,
                    count: 0,
                    first: entry.at,
                    last: entry.at,
                });
                line.count += 1;
                line.first = line.first.min(entry.at);
                line.last = line.last.max(entry.at);
            }
        }
        Ok(ComplianceReport {
            tenant: self.tenant_of(principal).await?,
            at: now,
            principals,
            grants: grants.collect(),
            policies: store.policies.all(tenant).await?,
            activity: activity.into_values().collect(),
            audit_entries: from - 1,
            audit_intact: intact,
        })
    }
}

/// The report for people, in Markdown.
#[must_use]
pub fn compliance_markdown(report: &ComplianceReport) -> String {
    let mut text = format!("# Access in the tenant `{}`\n\nAs of {}.", report.tenant.name, report.at);
    let chain = if report.audit_intact {
        "an unbroken chain"
    } else {
        "**a broken chain**"
    };
    let _ = writeln!(text, " The audit log has {} entries, {chain}.\n", report.audit_entries);
    text.push_str("## Who may do what\n\n| who | name | role | may | since | until | last used |\n|---|---|---|---|---|---|---|\n");
    for one in &report.principals {
        let may: Vec<&str> = one.may.iter().map(|scope| scope.as_str()).collect();
        let until = one.until.map_or_else(|| "—".to_owned(), |at| at.to_string());
        let used = match (one.last_used_at, one.idle_days) {
            (Some(at), _) => at.to_string(),
            (None, Some(_)) => "never".to_owned(),
            (None, None) => "—".to_owned(),
        };
        let _ = writeln!(
            text,
            "| `{}` | {} | {} | {} | {} | {until} | {used} |",
            one.id,
            cell(&one.name),
            one.role,
            may.join(" "),
            one.since
        );
    }
    let unused = report
        .principals
        .iter()
        .filter(|one| one.idle_days.is_some_and(|days| days >= IDLE_DAYS));
    let unused: Vec<String> = unused
        .map(|one| format!("- `{}` ({}), {} days", one.id, cell(&one.name), one.idle_days.unwrap_or(0)))
        .collect();
    let _ = writeln!(
        text,
        "\n### Not used for {IDLE_DAYS} days or more\n\n{}\n",
        if unused.is_empty() { "None.".to_owned() } else { unused.join("\n") }
    );
    text.push_str("## What extensions may reach\n\n| extension | release | state | grant | since |\n|---|---|---|---|---|\n");
    for grant in &report.grants {
        let state = serde_json::to_value(grant.state).unwrap_or_default();
        let permissions = serde_json::to_string(&grant.grant).unwrap_or_default();
        let state = state.as_str().unwrap_or_default();
        let _ = writeln!(
            text,
            "| {} | {} | {state} | `{}` | {} |",
            grant.extension,
            grant.version,
            cell(&permissions),
            grant.since
        );
    }
    text.push_str("\n## Policies\n\n");
    for policy in &report.policies {
        let off = if policy.enabled { "" } else { ", switched off" };
        let _ = writeln!(
            text,
            "### `{}` (revision {}, {}{off})\n\n{}\n\n```cedar\n{}\n```\n",
            policy.id,
            policy.revision,
            policy.updated_at,
            cell(&policy.description),
            policy.text.replace("```", "` ` `")
        );
    }
    if report.policies.is_empty() {
        text.push_str("None of its own.\n\n");
    }
    text.push_str("## Who did what\n\n| who | what | times | first | last |\n|---|---|---|---|---|\n");
    for line in &report.activity {
        let _ = writeln!(
            text,
            "| `{}` | {} | {} | {} | {} |",
            cell(&line.actor),
            cell(&line.action),
            line.count,
            line.first,
            line.last
        );
    }
    text
}

/// Text that stays in its cell of a table.
fn cell(text: &str) -> String {
    text.replace('\\', "\\\\").replace('|', "\\|").replace(['\n', '\r', '<'], " ")
}
