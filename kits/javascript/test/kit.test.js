// The kit's own logic, with a host made of plain objects.

import assert from "node:assert/strict";
import { beforeEach, describe, test } from "node:test";

import { hostCall } from "../src/errors.js";
import { exportsOf } from "../src/extension.js";
import { bind } from "../src/host.js";
import {
  call, config, context, DeadlineExceeded, Denied, extension, http, Internal, InvalidInput, kv, LimitExceeded, metrics, secrets, Unavailable,
} from "../src/index.js";
import { console as logging } from "../src/log.js";
import { decode, encode } from "../src/utf8.js";

let lines;

/** A host with a log, a configuration, a context and a key-value store of one page per key. */
function host({ bigint = false } = {}) {
  lines = [];
  const values = new Map();
  const number = bigint ? BigInt : Number;
  bind({
    bigint,
    log: { write: (level, message, fields) => lines.push([level, message, fields]) },
    config: { get: () => '{"größe":1}' },
    context: {
      current: () => ({ tenant: "acme", principal: null, extension: "e", version: "1.0.0", executionId: "exec_1", deadlineMs: number(7) }),
      remainingMs: () => number(5),
    },
    kv: {
      get: (key) => values.get(key),
      set(key, value, ttl) {
        if (bigint && ttl !== undefined) assert.equal(typeof ttl, "bigint");
        const version = number(1) + (values.get(key)?.version ?? number(0));
        values.set(key, { value: [...value], version });
        return version;
      },
      delete: (key) => values.delete(key),
      increment: () => {
        throw Object.assign(new Error(), { payload: { tag: "limit-exceeded", val: "kv_keys" } });
      },
      listKeys(prefix, _limit, cursor) {
        const keys = [...values.keys()].filter((key) => key.startsWith(prefix) && (cursor === undefined || key > cursor)).sort();
        return { keys: keys.slice(0, 1), nextCursor: keys.length > 1 ? keys[0] : null };
      },
    },
  });
}

beforeEach(() => host());

const made = (programs, lifecycle) => exportsOf(extension({ programs, lifecycle }));
const run = (program, input = "null") => made({ program }).program.execute("program", input);
const payload = (call) => {
  try {
    return { answered: call() };
  } catch (error) {
    return error.payload ?? error;
  }
};

describe("programs", () => {
  test("JSON in, JSON out", () => {
    for (const text of ["{}", "null", '"ü\\u0000👋🏽"', "9007199254740991", '[[[{"a":[]}]]]', "-0.5"]) assert.equal(run((value) => value, text), text);
    assert.equal(run(() => undefined), "null");
    assert.equal(run(() => Symbol("no JSON")), "null");
  });

  test("an error has its case", () => {
    const thrown = (error) => payload(() => run(() => { throw error; }));
    for (const [Class, tag] of [[InvalidInput, "invalid-input"], [Unavailable, "unavailable"], [Denied, "denied"], [LimitExceeded, "limit-exceeded"], [Internal, "internal"]]) {
      assert.deepEqual(thrown(new Class("why")), { tag, val: "why" });
    }
    assert.deepEqual(thrown(new DeadlineExceeded()), { tag: "deadline-exceeded" });
    assert.deepEqual(lines, []);
    assert.deepEqual(thrown(new TypeError("oops")), { tag: "internal", val: "oops" });
    assert.equal(lines[0][1], "TypeError: oops");
    assert.deepEqual(thrown("text"), { tag: "internal", val: "text" });
  });

  test("what cannot be answered is an error", () => {
    assert.equal(payload(() => run(() => Promise.resolve(1))).tag, "internal");
    assert.equal(payload(() => run(() => 1n)).tag, "internal");
    const circle = [];
    circle.push(circle);
    assert.equal(payload(() => run(() => circle)).tag, "internal");
  });

  test("bad calls are the caller's", () => {
    assert.equal(payload(() => run((value) => value, "{")).tag, "invalid-input");
    for (const name of ["nope", "toString", "__proto__"]) {
      assert.equal(payload(() => made({ program: () => 1 }).program.execute(name, "{}")).tag, "invalid-input");
    }
  });

  test("mistakes are found when the module loads", () => {
    const refused = (definition, message) => assert.throws(() => extension(definition), message);
    refused({ programs: { a: async () => 1 } }, /program `a` is async/);
    refused({ programs: { a: 1 } }, /program `a` is not a function/);
    refused({ program: {} }, /unknown field `program`/);
    refused({ lifecycle: { init() {} } }, /unknown lifecycle function `init`/);
    assert.throws(() => exportsOf({ programs: {} }), /export default extension/);
  });

  test("the context is read when it is used", () => {
    const answer = run((_, call) => [call.tenant, call.principal, call.deadlineMs, call.remainingMs(), context.current().executionId]);
    assert.deepEqual(JSON.parse(answer), ["acme", null, 7, 5, "exec_1"]);
    assert.equal(run(() => config.get()["größe"]), "1");
  });
});

test("lifecycle", () => {
  const { lifecycle } = made({}, {
    healthCheck: () => ({ healthy: false, detail: "tired" }),
    checkConfig: ({ threshold }) => (threshold === 0 ? [{ path: "/threshold", message: "must not be 0" }] : undefined),
    initialize() {
      throw new Unavailable("not yet");
    },
  });
  assert.deepEqual(lifecycle.healthCheck(), { healthy: false, detail: "tired" });
  assert.deepEqual(payload(() => lifecycle.checkConfig('{"threshold":0}')), [{ path: "/threshold", message: "must not be 0" }]);
  assert.equal(lifecycle.checkConfig("{}"), undefined);
  assert.deepEqual(payload(() => lifecycle.initialize()), { tag: "unavailable", val: "not yet" });
  assert.deepEqual(made({}, {}).lifecycle.healthCheck(), { healthy: true, detail: undefined });
});

for (const bigint of [false, true]) {
  test(`keys and values, 64-bit numbers as ${bigint ? "BigInt" : "numbers"}`, () => {
    host({ bigint });
    assert.equal(kv.set("b", "grün", { ttlMs: 5 }), 1);
    assert.equal(kv.setJson("a", { x: [1] }), 1);
    assert.equal(kv.getText("b"), "grün");
    assert.deepEqual(kv.getJson("a"), { x: [1] });
    assert.equal(kv.entry("a").version, 1);
    assert.deepEqual([...kv.keys()], ["a", "b"]);
    assert.equal(kv.delete("a"), true);
    assert.equal(kv.get("a"), undefined);
    assert.throws(() => kv.increment("n"), LimitExceeded);
  });
}

test("what the manifest does not ask for is not there", () => {
  assert.throws(() => call.program("geo", "lookup"), /needs `call = \["geo\/lookup"\]` under \[permissions\]/);
  assert.throws(() => secrets.placeholder("token"), /needs `secrets` under \[permissions\]/);
  assert.throws(() => http.fetch("https://api.example.com/"), /needs `network = \["host"\]` under \[permissions\]/);
  assert.throws(() => hostCall(() => { throw new RangeError("other"); }), RangeError);
});

test("other extensions, secrets and measurements", () => {
  const measured = [];
  const failed = (tag, val) => () => { throw Object.assign(new Error(), { payload: { tag, val } }); };
  bind({
    call: { execute: (extension, program, input) => (program === "closed" ? failed("unavailable", "closed")() : `["${extension}",${input}]`) },
    secrets: { placeholder: failed("denied", "not granted") },
    metrics: { counterAdd: (...given) => measured.push(given), histogramRecord: (...given) => measured.push(given) },
    context: { caller: () => null },
  });
  assert.deepEqual(call.program("geo", "lookup", { city: "Ulm" }), ["geo", { city: "Ulm" }]);
  assert.deepEqual(call.program("geo", "lookup"), ["geo", {}]);
  assert.throws(() => call.program("geo", "closed"), Unavailable);
  assert.throws(() => secrets.placeholder("token"), Denied);
  assert.equal(context.caller(), undefined);
  metrics.add("asked");
  metrics.record("seconds", 0.25, { kind: 7 });
  assert.deepEqual(measured, [["asked", 1, []], ["seconds", 0.25, [["kind", "7"]]]]);
});

test("console writes log lines", () => {
  logging.log("a", 1, { b: [2] });
  assert.deepEqual(lines, [["info", 'a 1 {"b":[2]}', []]]);
});

describe("UTF-8", () => {
  test("as the platform encodes", () => {
    for (const text of ["", "aßð€世\u{10ffff}👋🏽", "\ud800x", "\udc00", "\u0000\ud7ff\ue000"]) {
      assert.deepEqual(encode(text), new TextEncoder().encode(text));
      assert.equal(decode(encode(text)), text.toWellFormed?.() ?? text.replaceAll(/[\ud800-\udfff]/gu, "\ufffd"));
    }
    const long = "ü".repeat(100_000);
    assert.equal(decode(encode(long)), long);
  });

  test("as the platform decodes, also what is broken", () => {
    const platform = new TextDecoder("utf-8", { ignoreBOM: true });
    const samples = ["ff", "c3", "c328", "e282", "e28228", "f09f98", "f09f9841", "c080", "e08080", "eda080", "f4908080", "f5808080", "80", "efbfbd", "f0808080", "61e29882e2"];
    for (const hex of samples) {
      const bytes = Uint8Array.from(Buffer.from(hex, "hex"));
      assert.equal(decode(bytes), platform.decode(bytes), hex);
      if (hex !== "efbfbd") assert.throws(() => decode(bytes, true), TypeError, hex);
    }
  });
});
