// Picks one execution in each span of time.
//
// Times are those of the executions, so that no clock is needed. A clock may jump: what counts is how far two times lie apart, in
// either direction, so that a clock that was set back waits one interval at most and never picks everything.

import { extension, kv } from "@oriel/extension";

const UNITS = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };
// An entry in the store outlives its interval, so that it is there when the next one begins.
const SPARE_MS = 60_000;
// What one instance remembers of the store, by task.
const MOST_TASKS = 1_000;

/** The newest pick of a task that this instance knows of; saves asking the store for each execution. */
const known = new Map();

function milliseconds(text) {
  const [, amount, unit] = /^(\d+)(ms|s|m|h|d)$/.exec(text);
  return Number(amount) * UNITS[unit];
}

const due = (last, now, every) => last === undefined || Math.abs(now - last) >= every;

function remember(task, last) {
  known.delete(task);
  known.set(task, last);
  if (known.size > MOST_TASKS) known.delete(known.keys().next().value);
}

/** Whether this node is the one that picks: the first to write its time where the old one stood. */
function claim(task, now, every) {
  if (!due(known.get(task), now, every)) return false;
  const key = `last:${task}`;
  const entry = kv.entry(key);
  const last = entry === undefined ? undefined : Number(new TextDecoder().decode(entry.value));
  if (Number.isFinite(last) && !due(last, now, every)) {
    remember(task, last);
    return false;
  }
  remember(task, now);
  return kv.compareAndSwap(key, entry?.version, String(now), { ttlMs: every + SPARE_MS }) !== undefined;
}

/** @type {import("@oriel/extension").Sampler<unknown, unknown, { every?: string, scope?: "node" | "tenant" }>} */
function interval({ startedMs, wallUs, task, extension: name, program }, { lastSampleMs }, { config: { every: text = "1m", scope = "node" } }) {
  const every = milliseconds(text);
  const now = startedMs + Math.floor(wallUs / 1_000);
  // Also where all nodes agree: nodes whose clocks lie far apart would otherwise take turns at picking.
  if (!due(lastSampleMs, now, every)) return false;
  if (scope === "tenant" && !claim(task ?? `${name}/${program}`, now, every)) return false;
  return { sample: true, reason: lastSampleMs === undefined ? "the first" : "its time" };
}

export default extension({ samplers: { interval } });
