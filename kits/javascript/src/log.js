// Log lines, kept per tenant and shown by `oriel logs`.

import { host, isLive } from "./host.js";

function text(value) {
  if (typeof value === "string") return value;
  if (value instanceof Error) return value.stack ? `${value}\n${value.stack}` : String(value);
  if (typeof value === "object" && value !== null) {
    try {
      return JSON.stringify(value);
    } catch {
      return String(value);
    }
  }
  return String(value);
}

function write(level, message, fields) {
  if (!isLive()) return;
  const pairs = fields === undefined ? [] : Object.entries(fields).map(([key, value]) => [key, text(value)]);
  host("log").write(level, text(message), pairs);
}

export const log = {
  trace: (message, fields) => write("trace", message, fields),
  debug: (message, fields) => write("debug", message, fields),
  info: (message, fields) => write("info", message, fields),
  warn: (message, fields) => write("warn", message, fields),
  error: (message, fields) => write("error", message, fields),
};

const line = (level) => (...parts) => write(level, parts.map(text).join(" "));

const counts = new Map();

function count(label = "default") {
  counts.set(label, (counts.get(label) ?? 0) + 1);
  console.info(`${label}: ${counts.get(label)}`);
}

const begun = new Map();

// Without WASI there is no clock, and the error says so.
function elapsed(label = "default", ...parts) {
  if (begun.has(label)) console.info(`${label}: ${globalThis.performance.now() - begun.get(label)} ms`, ...parts);
}

/** What `console` becomes: the methods that write something, each at its level. */
export const console = {
  trace: line("trace"),
  debug: line("debug"),
  log: line("info"),
  info: line("info"),
  warn: line("warn"),
  error: line("error"),
  dir: line("info"),
  dirxml: line("info"),
  table: line("info"),
  group: line("info"),
  groupCollapsed: line("info"),
  groupEnd() {},
  clear() {},
  count,
  countReset: (label = "default") => counts.delete(label),
  time(label = "default") {
    begun.set(label, globalThis.performance.now());
  },
  timeLog: elapsed,
  timeEnd(label = "default") {
    elapsed(label);
    begun.delete(label);
  },
  assert(condition, ...parts) {
    if (!condition) console.error("assertion failed", ...parts);
  },
};
