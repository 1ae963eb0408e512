// Triggers, acknowledges and resolves PagerDuty alerts.

import { config, Denied, extension, http, InvalidInput, kv, log, metrics, Unavailable } from "@oriel/extension";

import { compose } from "./event.js";

const REGIONS = { us: "https://events.pagerduty.com/v2/enqueue", eu: "https://events.eu.pagerduty.com/v2/enqueue" };
const PAUSE = "pause";
// PagerDuty counts by the minute.
const USUAL_PAUSE_S = 60;
const LONGEST_PAUSE_S = 900;

const iso = (ms) => (ms === undefined ? undefined : new Date(ms).toISOString());

/** What PagerDuty says, in one line. */
function told(answer) {
  try {
    const { message, errors } = answer.json();
    return [message, ...(Array.isArray(errors) ? errors : [])].filter((word) => typeof word === "string").join("; ").slice(0, 300);
  } catch {
    return answer.text().slice(0, 100);
  }
}

function enqueue(event, settings) {
  if (kv.get(PAUSE) !== undefined) throw new Unavailable("PagerDuty has asked to be left alone for a while");
  const answer = http.fetch(settings.url ?? REGIONS[settings.region ?? "us"], { method: "POST", headers: { accept: "application/json" }, json: event });
  if (answer.status === 429) {
    const given = Number.parseInt(answer.headers["retry-after"] ?? "", 10);
    const seconds = Number.isFinite(given) ? Math.min(Math.max(given, 1), LONGEST_PAUSE_S) : USUAL_PAUSE_S;
    kv.set(PAUSE, "429", { ttlMs: seconds * 1_000 });
    metrics.add("rate_limited");
    throw new Unavailable(`PagerDuty answers 429: too many events; again after ${seconds} s`);
  }
  if (answer.status >= 500) throw new Unavailable(`PagerDuty answers ${answer.status}`);
  if (answer.status === 401 || answer.status === 403) throw new Denied(`PagerDuty refuses the routing key: ${told(answer)}`);
  if (answer.status >= 400) throw new InvalidInput(`PagerDuty refuses the event: ${answer.status} ${told(answer)}`);
  let status;
  try {
    ({ status } = answer.json());
  } catch {
    throw new Unavailable("PagerDuty's answer is not JSON");
  }
  if (answer.status !== 202 || status !== "success") throw new Unavailable(`PagerDuty did not accept the event: ${answer.status} ${status ?? ""}`.trim());
}

function send(message, binding, rehearsal) {
  const settings = config.get();
  if (settings.routing_key === undefined) throw new InvalidInput("no `routing_key` is configured");
  const event = compose(message, binding, settings);
  if (event === undefined) {
    log.debug("nothing to send", { type: message.type });
    return;
  }
  const words = { action: event.event_action, key: event.dedup_key ?? "" };
  if (rehearsal) {
    log.info("would send", words);
    return;
  }
  enqueue(event, settings);
  metrics.add("sent", 1, { action: event.event_action });
  log.info("sent", words);
}

/** @type {import("@oriel/extension").EventHandler} */
function onEvent({ id, source, type, subject, timeMs, data }, { config: binding }) {
  send({ id, source, type, subject, time: iso(timeMs), data: data instanceof Uint8Array ? { bytes: data.length } : data }, binding, false);
}

/** @type {import("@oriel/extension").Hook} */
function onHook({ hook, payload, dryRun }, { config: binding, tenant }) {
  send({ type: hook, source: `/tenants/${tenant}`, data: payload }, binding, dryRun);
}

function checkConfig({ url }) {
  const insecure = url !== undefined && url.startsWith("http://") && !/^http:\/\/(127\.0\.0\.1|localhost)(:\d+)?\//.test(url);
  return insecure ? [{ path: "/url", message: "must be https: the routing key goes there" }] : [];
}

export default extension({
  eventHandlers: { alert: onEvent },
  hooks: { alert: onHook },
  lifecycle: { checkConfig },
});
