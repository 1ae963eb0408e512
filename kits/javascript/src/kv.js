// Durable values of this extension in this tenant.

import { hostCall } from "./errors.js";
import { host, narrow, wide } from "./host.js";
import { decode, encode } from "./utf8.js";

const store = () => host("kv", "key_value = true");
const bytesOf = (value) => (typeof value === "string" ? encode(value) : value);

function entry(key) {
  const found = hostCall(() => store().get(key)) ?? undefined;
  return found === undefined ? undefined : { value: Uint8Array.from(found.value), version: narrow(found.version) };
}

export const kv = {
  entry,
  get: (key) => entry(key)?.value,
  getText(key) {
    const found = entry(key);
    return found === undefined ? undefined : decode(found.value, true);
  },
  getJson(key) {
    const found = kv.getText(key);
    return found === undefined ? undefined : JSON.parse(found);
  },
  set: (key, value, options) => narrow(hostCall(() => store().set(key, bytesOf(value), wide(options?.ttlMs)))),
  setJson: (key, value, options) => kv.set(key, JSON.stringify(value), options),
  delete: (key) => hostCall(() => store().delete(key)),
  compareAndSwap: (key, expected, value, options) =>
    narrow(hostCall(() => store().compareAndSwap(key, wide(expected), bytesOf(value), wide(options?.ttlMs)))),
  increment: (key, by = 1, options) => narrow(hostCall(() => store().increment(key, wide(by), wide(options?.ttlMs)))),
  page(prefix, { limit = 100, cursor } = {}) {
    const { keys, nextCursor } = hostCall(() => store().listKeys(prefix, limit, cursor));
    return { keys, nextCursor: nextCursor ?? undefined };
  },
  *keys(prefix = "") {
    let cursor;
    do {
      const page = kv.page(prefix, { limit: 1000, cursor });
      yield* page.keys;
      cursor = page.nextCursor;
    } while (cursor !== undefined);
  },
};
