// Posts events and moments of the platform to Slack.

import { config, extension, InvalidInput, kv, log, metrics } from "@oriel/extension";

import { compose } from "./message.js";
import { postMessage, postWebhook } from "./slack.js";

// Events are delivered again within hours; a day is enough to know one again.
const REMEMBERED_MS = 86_400_000;

const iso = (ms) => (ms === undefined ? undefined : new Date(ms).toISOString());

/** Posts one message as the binding says. */
function send(message, binding) {
  const settings = config.get();
  const body = compose(message, binding);
  if (binding.via === "webhook") {
    if (settings.webhook_url === undefined) throw new InvalidInput("the binding posts by webhook, and no `webhook_url` is configured");
    postWebhook(settings.webhook_url, body);
  } else {
    const channel = binding.channel ?? settings.channel;
    if (channel === undefined) throw new InvalidInput("neither the binding nor the installation names a channel");
    postMessage(settings.api_url ?? "https://slack.com/api", channel, body);
  }
  metrics.add("posted", 1, { via: binding.via ?? "bot" });
  log.info("posted", { type: message.type, subject: message.subject ?? "" });
}

/** @type {import("@oriel/extension").EventHandler} */
function postEvent({ id, source, type, subject, timeMs, data }, { config: binding }) {
  const place = binding.via === "webhook" ? "webhook" : (binding.channel ?? "");
  // The longest key has 512 bytes. Slack has no key of idempotency: this one covers what comes again after a success.
  const key = `posted:${place}:${source}:${id}`;
  const remembered = new TextEncoder().encode(key).length <= 512;
  if (remembered && kv.get(key) !== undefined) {
    log.info("posted before", { id });
    return;
  }
  send({ id, source, type, subject, time: iso(timeMs), data: data instanceof Uint8Array ? `${data.length} bytes` : data }, binding);
  if (remembered) kv.set(key, "", { ttlMs: REMEMBERED_MS });
}

/** @type {import("@oriel/extension").Hook} */
function postHook({ hook, payload, dryRun }, { config: binding, tenant }) {
  const message = { type: hook, source: `/tenants/${tenant}`, data: payload };
  if (dryRun) {
    log.info("would post", { title: compose(message, binding).text });
    return;
  }
  send(message, binding);
}

function checkConfig({ webhook_url: webhook, api_url: api }) {
  const problems = [];
  const insecure = (url) => url.startsWith("http://") && !/^http:\/\/(127\.0\.0\.1|localhost)(:\d+)?\//.test(url);
  if (webhook !== undefined && insecure(webhook)) problems.push({ path: "/webhook_url", message: "must be https: the address is the secret" });
  if (webhook !== undefined && /^https:\/\/hooks\.slack\.com\//.test(webhook) && !/^https:\/\/hooks\.slack\.com\/(services|workflows|triggers)\/./.test(webhook)) {
    problems.push({ path: "/webhook_url", message: "is not the address of a webhook: https://hooks.slack.com/services/…" });
  }
  if (api !== undefined && insecure(`${api}/`)) problems.push({ path: "/api_url", message: "must be https: the token goes there" });
  return problems;
}

export default extension({
  eventHandlers: { post: postEvent },
  hooks: { post: postHook },
  lifecycle: { checkConfig },
});
