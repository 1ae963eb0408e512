// What is sent: an event of the Events API v2, https://developer.pagerduty.com/docs/events-api-v2/trigger-events/.

import { InvalidInput } from "@oriel/extension";

import { at, fill, hollow, shown } from "./template.js";

const MOST_SUMMARY = 1_024;
const MOST_KEY = 255;
// The API takes 512 KiB in all.
const MOST_DETAILS = 400_000;

/** What others call the four severities. */
const WORDS = {
  critical: "critical", fatal: "critical", emergency: "critical", emerg: "critical", alert: "critical", p1: "critical", sev1: "critical", quarantined: "critical",
  error: "error", err: "error", high: "error", major: "error", failed: "error", tripped: "error", p2: "error", sev2: "error",
  warning: "warning", warn: "warning", medium: "warning", minor: "warning", degraded: "warning", p3: "warning", sev3: "warning",
  info: "info", information: "info", informational: "info", notice: "info", low: "info", debug: "info", ok: "info", p4: "info", sev4: "info",
};

export function cut(text, most) {
  return text.length <= most ? text : `${text.slice(0, most - 1).replace(/[\ud800-\udbff]$/, "")}…`;
}

/** FNV-1a of 64 bits, to tell long keys apart: http://www.isthe.com/chongo/tech/comp/fnv/. */
function fingerprint(text) {
  let hash = 0xcbf29ce484222325n;
  for (const byte of new TextEncoder().encode(text)) hash = BigInt.asUintN(64, (hash ^ BigInt(byte)) * 0x100000001b3n);
  return hash.toString(16).padStart(16, "0");
}

/** A key that is too long keeps its beginning and gets a fingerprint of the whole: what was different stays so. */
export const shortened = (key) => (key.length <= MOST_KEY ? key : `${key.slice(0, MOST_KEY - 17).replace(/[\ud800-\udbff]$/, "")}~${fingerprint(key)}`);

export function severity(rule = { at: "/severity" }, data) {
  if (typeof rule === "string") return rule;
  const word = shown(at(data, rule.at));
  const own = rule.is ?? {};
  if (Object.hasOwn(own, word)) return own[word];
  const common = word.toLowerCase();
  return Object.hasOwn(WORDS, common) ? WORDS[common] : (rule.else ?? "error");
}

/** The action, or `undefined` when nothing is to be sent. */
export function action(rule = "trigger", data) {
  if (typeof rule === "string") return rule;
  const word = shown(at(data, rule.at));
  const found = Object.hasOwn(rule.is, word) ? rule.is[word] : (rule.else ?? "nothing");
  return found === "nothing" ? undefined : found;
}

/** Details as an object that is not too large. */
function details(data) {
  if (data === undefined || data === null) return undefined;
  const whole = typeof data === "object" && !Array.isArray(data) ? data : { data };
  const text = JSON.stringify(whole);
  return text.length <= MOST_DETAILS ? whole : { truncated: cut(text, 10_000) };
}

/** The event for `message` ({ type, source, subject, id, time, data }), or `undefined` when the binding wants none. */
export function compose(message, binding, settings) {
  const wanted = action(binding.action, message.data);
  if (wanted === undefined) return undefined;
  const own = message.id === undefined ? undefined : `${message.source}/${message.id}`;
  const key = binding.dedup_key === undefined ? own : fill(binding.dedup_key, message).trim();
  // A key without what tells alerts apart would put all of them into one.
  if (binding.dedup_key !== undefined && (key === "" || hollow(binding.dedup_key, message))) throw new InvalidInput("the event has nothing that makes a `dedup_key`");
  if (wanted !== "trigger" && binding.dedup_key === undefined) throw new InvalidInput(`to ${wanted} an alert the binding needs a \`dedup_key\``);
  const event = { routing_key: settings.routing_key, event_action: wanted, ...(key === undefined ? {} : { dedup_key: shortened(key) }) };
  if (wanted !== "trigger") return event;
  const summary = fill(binding.summary ?? (message.subject === undefined ? "{type}" : "{type}: {subject}"), message);
  const optional = (name, text) => {
    const filled = text === undefined ? "" : fill(text, message).trim();
    return filled === "" ? {} : { [name]: cut(filled, 500) };
  };
  const custom = details(message.data);
  return {
    ...event,
    client: settings.client ?? "Oriel",
    ...(settings.client_url === undefined ? {} : { client_url: settings.client_url }),
    payload: {
      summary: cut(summary.replace(/\s+/g, " ").trim() || message.type, MOST_SUMMARY),
      source: cut(message.source, MOST_SUMMARY),
      severity: severity(binding.severity, message.data),
      ...(message.time === undefined ? {} : { timestamp: message.time }),
      ...optional("component", binding.component),
      ...optional("group", binding.group),
      ...optional("class", binding.class ?? "{type}"),
      ...(custom === undefined ? {} : { custom_details: custom }),
    },
  };
}
