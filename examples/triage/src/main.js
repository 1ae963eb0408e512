import { extension } from "@oriel/extension";

const KINDS = [
  ["security", /alert|advisory|secret|vulnerability|security/],
  ["review", /pull_request|merge_group/],
  ["delivery", /check_|workflow|deployment|status|release|package|page_build|registry/],
  ["bug", /^issues?$|issue_/],
  ["discussion", /comment|discussion/],
  ["change", /push|create|delete|commit|branch|fork|gollum/],
  ["administration", /member|team|organization|org_|repository|installation|github_app|marketplace|sponsorship|project|label|milestone|meta|key|custom_property|public|watch|star|ping/],
];

const WORDS = { bug: /\b(bug|crash|broken|error|fail(s|ed|ure)?|regression)\b/i, question: /\b(how|why|question|help)\b|\?$/i, docs: /\b(docs?|documentation|readme|typo)\b/i };

/** What the payload is about: the part that carries a title or a name. */
function subject(payload) {
  const part =
    payload.issue ?? payload.pull_request ?? payload.discussion ?? payload.alert ?? payload.security_advisory ?? payload.release ??
    payload.workflow_run ?? payload.check_run ?? payload.deployment ?? payload.milestone ?? payload.label ?? {};
  const text = part.title ?? part.summary ?? part.name ?? part.rule?.description ?? payload.head_commit?.message ?? payload.ref ?? "";
  return { part, text: String(text ?? "").split("\n")[0].trim() };
}

function severity({ part }, payload) {
  const level = part.severity ?? part.security_advisory?.severity ?? part.rule?.security_severity_level ?? payload.security_advisory?.severity;
  return typeof level === "string" ? level.toLowerCase() : undefined;
}

function priority(kind, about, payload) {
  if (kind === "security") {
    const level = severity(about, payload);
    return level === "low" ? "normal" : level === "medium" || level === "moderate" ? "high" : "urgent";
  }
  const result = about.part.conclusion ?? about.part.state ?? payload.state ?? payload.deployment_status?.state;
  if (kind === "delivery") return result === "failure" || result === "error" || result === "timed_out" ? "high" : "low";
  if (kind === "bug") return payload.action === "opened" || WORDS.bug.test(about.text) ? "high" : "normal";
  if (kind === "review") return payload.action === "review_requested" || payload.action === "opened" ? "high" : "normal";
  return kind === "discussion" || kind === "change" ? "normal" : "low";
}

function labels(kind, about, payload) {
  const found = new Set([kind]);
  for (const [label, words] of Object.entries(WORDS)) if (words.test(about.text)) found.add(label);
  for (const label of about.part.labels ?? []) if (typeof label?.name === "string") found.add(label.name);
  if (about.part.draft === true) found.add("draft");
  if (payload.forced === true) found.add("forced");
  return [...found].sort();
}

function triage({ event, payload }) {
  const kind = KINDS.find(([, pattern]) => pattern.test(event))?.[0] ?? "other";
  const about = subject(payload);
  const actor = payload.sender?.login ?? payload.pusher?.name ?? null;
  const repository = payload.repository?.full_name ?? null;
  const action = payload.action ?? null;
  const what = [event.replaceAll("_", " "), action].filter(Boolean).join(" ");
  const where = repository === null ? "" : ` in ${repository}`;
  const summary = `${what}${where}${actor === null ? "" : ` by ${actor}`}${about.text === "" ? "" : `: ${about.text}`}`;
  return {
    kind,
    action,
    priority: priority(kind, about, payload),
    labels: labels(kind, about, payload),
    repository,
    actor,
    summary: summary.length > 200 ? `${summary.slice(0, 199)}…` : summary,
  };
}

export default extension({ programs: { triage } });
