// Contributions other than programs, with a host made of plain objects.

import assert from "node:assert/strict";
import { beforeEach, describe, test } from "node:test";

import { exportsOf } from "../src/extension.js";
import { bind } from "../src/host.js";
import { config, extension, Unavailable } from "../src/index.js";

let binding;

function host(bigint = false) {
  binding = "{}";
  bind({
    bigint,
    log: { write() {} },
    config: { get: () => "{}", binding: () => binding },
    context: { current: () => ({ tenant: "acme" }), remainingMs: () => 5 },
  });
}

beforeEach(() => host());

const made = (definition) => exportsOf(extension(definition));

/** What a call answers, or the error of the guest API as `case: message`. */
function told(call) {
  try {
    return call();
  } catch (error) {
    if (error.payload === undefined) throw error;
    return `${error.payload.tag}: ${error.payload.val}`;
  }
}

const execution = (output = '{"late":true}', number = Number) => ({
  id: "exec_1",
  task: null,
  extension: "e",
  version: "1.0.0",
  program: "p",
  input: '{"delay":16}',
  output,
  failure: output === null ? { code: "execution.timeout", message: "too late" } : null,
  startedMs: number(1),
  wallUs: number(2),
  guestCpuUs: number(3),
});

const subject = (output, expectedOutput = null) => ({ execution: execution(output), inputSchema: null, outputSchema: '{"type":"object"}', expectedOutput });

describe("validators", () => {
  const ask = (validator, given = subject()) => told(() => made({ validators: { it: validator } }).validator.validate("it", given));

  test("see a subject and their binding's configuration", () => {
    const right = ({ execution: { input, output }, outputSchema }, { config: { most = 15 }, tenant }) => ({
      valid: output.late === input.delay > most,
      score: 1,
      message: tenant,
      details: outputSchema,
    });
    assert.deepEqual(ask(right), { valid: true, score: 1, message: "acme", details: '{"type":"object"}' });
    binding = '{"most":20}';
    assert.equal(ask(right).valid, false);
    assert.equal(config.binding().most, 20);
    const expected = ({ execution: { output, failure }, expectedOutput }) => failure === undefined && output[0] === expectedOutput[0];
    assert.deepEqual(ask(expected, subject("[1]", "[1]")), { valid: true, score: undefined, message: undefined, details: undefined });
    assert.equal(ask(expected, subject(null, "[1]")).valid, false);
  });

  test("another answer is told", () => {
    const must = "it must return true, false or a verdict { valid, score, message, details }";
    for (const [answer, start] of [
      [undefined, "internal: validator `it` returned undefined; "],
      ["fine", 'internal: validator `it` returned "fine"; '],
      [{ valid: 1 }, 'internal: validator `it` returned {"valid":1}; '],
      [{ valid: true, mesage: "x" }, "internal: validator `it` returned a field `mesage`; "],
      ["x".repeat(100), `internal: validator \`it\` returned "${"x".repeat(56)}...; `],
    ]) {
      assert.equal(ask(() => answer), start + must);
    }
    assert.match(ask(() => ({ valid: true, score: "high" })), /a verdict whose score is a number from 0 to 1$/);
    assert.match(ask(() => Promise.resolve(true)), /^internal: a promise was returned/);
    assert.equal(ask(() => { throw new TypeError("oops"); }), "internal: oops");
    assert.match(ask(() => true, subject("{")), /^invalid-input: the output is not JSON: /);
    assert.equal(told(() => made({}).validator.validate("toString", subject())), "invalid-input: this extension has no validator `toString`");
  });
});

for (const [name, number] of [["numbers", Number], ["BigInt", BigInt]]) {
  test(`samplers see 64-bit ${name} as numbers`, () => {
    host(number === BigInt);
    const every = (seen, { sinceLast, lastSampleMs }, { config: { n } }) => ({
      sample: sinceLast + 1 >= n,
      reason: [seen.startedMs, seen.wallUs, seen.guestCpuUs, lastSampleMs].join(" "),
    });
    const ask = (sampler, sinceLast, lastSampleMs) => {
      const history = { lastSampleMs, seen: number(9), sampled: number(1), sinceLast: number(sinceLast) };
      return told(() => made({ samplers: { it: sampler } }).sampler.sample("it", execution("1", number), history));
    };
    binding = '{"n":3}';
    assert.deepEqual(ask(every, 2, number(7)), { sample: true, reason: "1 2 3 7" });
    assert.deepEqual(ask(every, 1, undefined), { sample: false, reason: "1 2 3 " });
    assert.deepEqual(ask(() => true, 0), { sample: true, reason: undefined });
    assert.equal(ask(() => 1, 0), "internal: sampler `it` returned 1; it must return true, false or a choice { sample, reason }");
  });
}

test("event handlers", () => {
  const seen = [];
  const handlers = { note: (event) => seen.push(event), down: () => { throw new Unavailable("try again"); } };
  const give = (name, data) => {
    const event = { id: "1", source: "/s", type: "flight.landed", subject: null, timeMs: 5, attributes: [["region", "eu"]], data };
    return told(() => made({ eventHandlers: handlers }).eventHandler.handle(name, event));
  };
  assert.equal(give("note", { tag: "json", val: '{"delay":1}' }), undefined);
  give("note", { tag: "text", val: "hello" });
  give("note", { tag: "binary", val: [1] });
  give("note", null);
  assert.deepEqual(seen.map(({ data }) => data), [{ delay: 1 }, "hello", Uint8Array.of(1), undefined]);
  assert.deepEqual([seen[0].type, seen[0].subject, seen[0].timeMs, seen[0].attributes], ["flight.landed", undefined, 5, { region: "eu" }]);
  assert.equal(give("down"), "unavailable: try again");
  assert.match(give("note", { tag: "json", val: "{" }), /^invalid-input: the event data is not JSON/);
});

describe("hook handlers", () => {
  const fire = (kind, handler, payload = "true") =>
    told(() => made({ hooks: { it: handler } }).hook.fire("it", { hook: "h", kind, payload, dryRun: true }));
  const same = ({ payload }) => payload;

  test("answer by the hook's kind", () => {
    assert.deepEqual(fire("filter", same, '{"ü":1}'), { tag: "payload", val: '{"ü":1}' });
    assert.deepEqual(fire("filter", () => null), { tag: "payload", val: "null" });
    assert.deepEqual(fire("decide", same, "7"), { tag: "decision", val: "7" });
    assert.deepEqual(fire("collect", same, "[]"), { tag: "item", val: "[]" });
    assert.deepEqual(fire("observe", same), { tag: "nothing" });
    assert.equal(fire("validate", same).val.valid, true);
    for (const kind of ["filter", "validate", "decide", "collect", "observe"]) assert.deepEqual(fire(kind, () => undefined), { tag: "nothing" });
    binding = '{"rate":2}';
    assert.deepEqual(fire("decide", ({ dryRun, hook, kind }, { config }) => [dryRun, hook, kind, config.rate]).val, '[true,"h","decide",2]');
  });

  test("another answer is told", () => {
    assert.match(fire("validate", same, "7"), /^internal: hook handler `it` returned 7; it must return true, false or a verdict/);
    assert.equal(
      fire("filter", () => () => 1),
      "internal: hook handler `it` returned a function; it must return what JSON can say, or undefined, because the hook `h` is of the kind `filter`",
    );
    assert.match(fire("filter", same, "{"), /^invalid-input: the payload is not JSON/);
  });
});

test("jobs", () => {
  const run = (trigger, job, input = '{"a":1}') => told(() => made({ jobs: { it: job } }).job.run("it", { trigger, input, attempt: 3 }));
  const same = (given) => given;
  assert.deepEqual(JSON.parse(run({ tag: "schedule", val: "nightly" }, same)), { trigger: { kind: "schedule", name: "nightly" }, input: { a: 1 }, attempt: 3 });
  assert.deepEqual(JSON.parse(run({ tag: "manual" }, same)).trigger, { kind: "manual" });
  assert.equal(run({ tag: "queue" }, () => undefined), "null");
  assert.match(run({ tag: "queue" }, same, "{"), /^invalid-input: the input is not JSON/);
});

test("mistakes are found when the module loads", () => {
  const refused = (definition, message) => assert.throws(() => extension(definition), message);
  refused({ validators: { a: 1 } }, /validator `a` is not a function/);
  refused({ eventHandlers: { a: async () => {} } }, /event handler `a` is async; event handlers are plain functions/);
  refused({ handlers: {} }, /unknown field `handlers`; there are programs, validators, samplers, eventHandlers, hooks, jobs, lifecycle/);
  const app = extension({ validators: { short: () => true } });
  exportsOf(app, { validator: ["short"] });
  assert.throws(() => exportsOf(app, { validator: ["long"] }), {
    message: "extension.toml declares the validator `long`, and `validators` of the source has none of that name; it has `short`",
  });
  assert.throws(() => exportsOf(app, { "event-handler": ["x"] }), /declares the event handler `x`, and `eventHandlers` .* it has none$/);
});
