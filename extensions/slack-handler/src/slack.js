// Slack's two doors: chat.postMessage with a bot token, and incoming webhooks.

import { Denied, http, InvalidInput, kv, log, metrics, secrets, Unavailable } from "@oriel/extension";

/** Errors of the Web API that pass by themselves. */
const PASSING = new Set(["ratelimited", "rate_limited", "internal_error", "fatal_error", "service_unavailable", "request_timeout", "team_added_to_org"]);
/** Errors that say that the token does not do. */
const NOT_ALLOWED = new Set([
  "invalid_auth", "not_authed", "account_inactive", "token_revoked", "token_expired", "no_permission", "missing_scope",
  "not_allowed_token_type", "ekm_access_denied", "access_denied", "org_login_required", "team_access_not_granted",
]);
const PAUSE = "pause";
// Slack says one second where it says nothing; a quarter of an hour is more than it ever asks for.
const LONGEST_PAUSE_S = 900;

/** While Slack has asked for peace, nobody asks it: the event is delivered again later. */
function respectPause(door) {
  if (kv.get(`${PAUSE}:${door}`) !== undefined) throw new Unavailable("Slack has asked to be left alone for a while");
}

function slowDown(door, answer) {
  const given = Number.parseInt(answer.headers["retry-after"] ?? "", 10);
  const seconds = Number.isFinite(given) ? Math.min(Math.max(given, 1), LONGEST_PAUSE_S) : 1;
  kv.set(`${PAUSE}:${door}`, "429", { ttlMs: seconds * 1_000 });
  metrics.add("rate_limited", 1, { door });
  throw new Unavailable(`Slack answers 429: too many messages; again after ${seconds} s`);
}

export function postMessage(apiUrl, channel, message) {
  respectPause("bot");
  const answer = http.fetch(`${apiUrl.replace(/\/+$/, "")}/chat.postMessage`, {
    method: "POST",
    headers: {
      authorization: `Bearer ${secrets.placeholder("slack-bot-token")}`,
      "content-type": "application/json; charset=utf-8",
      accept: "application/json",
    },
    json: { channel, ...message, unfurl_links: false, unfurl_media: false },
  });
  if (answer.status === 429) slowDown("bot", answer);
  if (answer.status >= 500) throw new Unavailable(`Slack answers ${answer.status}`);
  if (answer.status === 401 || answer.status === 403) throw new Denied(`Slack answers ${answer.status}: the token does not do`);
  if (!answer.ok) throw new InvalidInput(`Slack answers ${answer.status}`);
  let told;
  try {
    told = answer.json();
  } catch {
    throw new Unavailable("Slack's answer is not JSON");
  }
  if (told?.ok === true) {
    if (told.warning) log.warn("posted, with a warning", { warning: told.warning });
    return;
  }
  const error = typeof told?.error === "string" ? told.error : "an answer without `ok`";
  if (error === "ratelimited" || error === "rate_limited") slowDown("bot", answer);
  if (PASSING.has(error) || told?.ok !== false) throw new Unavailable(`Slack: ${error}`);
  if (NOT_ALLOWED.has(error)) throw new Denied(`Slack refuses the token: ${error}${told.needed ? ` (needs ${told.needed})` : ""}`);
  throw new InvalidInput(`Slack refuses the message for ${channel}: ${error}`);
}

export function postWebhook(url, message) {
  respectPause("webhook");
  const answer = http.fetch(url, { method: "POST", json: message });
  if (answer.status === 429) slowDown("webhook", answer);
  // The address is a secret: no error may repeat it.
  const words = answer.text().slice(0, 100);
  if (answer.status >= 500) throw new Unavailable(`Slack answers ${answer.status}: ${words}`);
  if (answer.status === 403) throw new Denied(`Slack refuses the webhook: ${words}`);
  if (!answer.ok) throw new InvalidInput(`Slack refuses the message: ${answer.status} ${words}`);
  if (words.trim() !== "ok") throw new Unavailable("the webhook's answer is not Slack's");
}
