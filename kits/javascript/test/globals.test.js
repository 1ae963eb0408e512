// What the engine lacks. In a file of its own, because it changes the globals of its process.

import assert from "node:assert/strict";
import { test } from "node:test";

import { install } from "../src/globals.js";

test("without WASI, asking for time or chance says what to do", () => {
  const RealDate = Date;
  delete globalThis.TextEncoder;
  delete globalThis.TextDecoder;
  const random = Math.random;
  const { console, crypto, fetch, performance, setInterval, setTimeout } = globalThis;
  install({ wasi: false });
  try {
    for (const ask of [
      () => new Date(),
      () => Date(),
      () => Date.now(),
      () => Math.random(),
      () => globalThis.performance.now(),
      () => globalThis.crypto.randomUUID(),
      () => globalThis.crypto.getRandomValues(new Uint8Array(1)),
    ]) {
      assert.throws(ask, /needs WASI: set `wasi = true` under \[build\]/);
    }
    assert.equal(new Date(0).toISOString(), "1970-01-01T00:00:00.000Z");
    assert.equal(new Date(0) instanceof Date, true);
    assert.equal(new Date(0).constructor, Date);
    assert.equal(Date.UTC(1970, 0, 1), 0);
    assert.throws(() => globalThis.fetch("https://example.com"), /use `http.fetch` of @oriel\/extension/);
    assert.throws(() => globalThis.setTimeout(() => {}, 0), /a program answers in one turn/);
    class Day extends Date {}
    assert.equal(new Day(5).getTime(), 5);
  } finally {
    globalThis.Date = RealDate;
    RealDate.prototype.constructor = RealDate;
    Math.random = random;
    for (const name of ["getRandomValues", "randomUUID"]) delete crypto[name];
    Object.assign(globalThis, { console, fetch, performance, setInterval, setTimeout });
  }
  assert.deepEqual(new TextEncoder().encode("ü"), Uint8Array.of(0xc3, 0xbc));
  assert.equal(new TextDecoder().decode(Uint8Array.of(0xef, 0xbb, 0xbf, 0xc3, 0xbc)), "ü");
  assert.equal(new TextDecoder("UTF8").decode(Uint8Array.of(0xff).buffer), "\ufffd");
  assert.throws(() => new TextDecoder("utf-8", { fatal: true }).decode(Uint8Array.of(0xff)), TypeError);
  assert.throws(() => new TextDecoder("latin1"), RangeError);
});
