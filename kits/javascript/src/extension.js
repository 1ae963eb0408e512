// An extension's contributions and lifecycle, and the exports that the build makes of them.

import { config } from "./config.js";
import { context } from "./context.js";
import { Internal, InvalidInput, OrielError, toHost } from "./errors.js";
import { goLive, narrow } from "./host.js";
import { log } from "./log.js";

const MARK = Symbol.for("oriel.extension");
const LIFECYCLE = new Set(["initialize", "healthCheck", "checkConfig", "shutdown"]);

/** The kinds of contribution: the field of the definition, the name in the manifest and the guest API, words for people. */
const KINDS = {
  programs: { name: "program", words: "program" },
  validators: { name: "validator", words: "validator" },
  samplers: { name: "sampler", words: "sampler" },
  eventHandlers: { name: "event-handler", words: "event handler" },
  hooks: { name: "hook", words: "hook handler" },
  jobs: { name: "job", words: "job" },
};
const KEYS = new Set([...Object.keys(KINDS), "lifecycle"]);

function known(object, keys, what) {
  for (const key of Object.keys(object)) {
    if (!keys.has(key)) throw new TypeError(`unknown ${what} \`${key}\`; there are ${[...keys].join(", ")}`);
  }
}

export function extension(definition) {
  known(definition, KEYS, "field");
  const { lifecycle = {} } = definition;
  known(lifecycle, LIFECYCLE, "lifecycle function");
  const app = { [MARK]: true, lifecycle };
  for (const [field, { words }] of Object.entries(KINDS)) {
    app[field] = definition[field] ?? {};
    for (const [name, contribution] of Object.entries(app[field])) {
      if (typeof contribution !== "function") throw new TypeError(`${words} \`${name}\` is not a function`);
      if (contribution.constructor?.name === "AsyncFunction") {
        throw new TypeError(`${words} \`${name}\` is async; ${words}s are plain functions, and \`http.fetch\` and \`kv\` wait by themselves`);
      }
    }
  }
  return app;
}

/** The context is asked for only when a program takes it and reads from it. */
function lazyContext() {
  let current;
  const get = (key) => (current ??= context.current())[key];
  return {
    get tenant() { return get("tenant"); },
    get principal() { return get("principal"); },
    get extension() { return get("extension"); },
    get version() { return get("version"); },
    get executionId() { return get("executionId"); },
    get task() { return get("task"); },
    get traceparent() { return get("traceparent"); },
    get deadlineMs() { return get("deadlineMs"); },
    remainingMs: () => context.remainingMs(),
  };
}

/** The same for what a binding connects, with the binding's configuration. */
function boundContext() {
  let binding;
  return Object.defineProperty(lazyContext(), "config", { get: () => (binding ??= config.binding()), enumerable: true });
}

function fail(error) {
  if (!(error instanceof OrielError)) log.error(String(error), error?.stack ? { stack: error.stack } : undefined);
  return toHost(error);
}

/** Runs `work`; failures become errors of the guest API. */
function guarded(work, finish) {
  goLive();
  try {
    const answer = work();
    if (typeof answer?.then === "function") throw new Internal("a promise was returned; contributions answer with plain values");
    return finish(answer);
  } catch (error) {
    throw fail(error);
  }
}

/** The caller's JSON; `what` names it. */
function parse(text, what) {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new InvalidInput(`the ${what} is not JSON: ${error.message}`);
  }
}

/** The same of what may be absent. */
const parseSome = (text, what) => (text === undefined || text === null ? undefined : parse(text, what));

const stringify = (value) => JSON.stringify(value === undefined ? null : value) ?? "null";

const someText = (value) => (value === undefined || value === null ? undefined : String(value));

function execution(given) {
  const { id, task, extension, version, program, input, output, failure, startedMs, wallUs, guestCpuUs } = given;
  return {
    id,
    task: task ?? undefined,
    extension,
    version,
    program,
    input: parse(input, "input"),
    output: parseSome(output, "output"),
    failure: failure ? { code: failure.code, message: failure.message } : undefined,
    startedMs: narrow(startedMs),
    wallUs: narrow(wallUs),
    guestCpuUs: narrow(guestCpuUs),
  };
}

/** What was answered instead of what was wanted. */
function wrong(who, answer, wanted) {
  let shown;
  try {
    shown = typeof answer === "function" ? "a function" : (JSON.stringify(answer) ?? String(answer));
  } catch {
    shown = String(answer);
  }
  return new Internal(`${who} returned ${shown.length > 60 ? `${shown.slice(0, 57)}...` : shown}; it must return ${wanted}`);
}

function fields(who, answer, names, wanted) {
  const extra = Object.keys(answer).find((key) => !names.includes(key));
  if (extra !== undefined) throw new Internal(`${who} returned a field \`${extra}\`; it must return ${wanted}`);
}

const VERDICT = "true, false or a verdict { valid, score, message, details }";

function verdict(who, answer) {
  if (typeof answer === "boolean") answer = { valid: answer };
  if (typeof answer?.valid !== "boolean") throw wrong(who, answer, VERDICT);
  fields(who, answer, ["valid", "score", "message", "details"], VERDICT);
  const { valid, score = undefined, message, details } = answer;
  if (score !== undefined && score !== null && typeof score !== "number") throw wrong(who, answer, "a verdict whose score is a number from 0 to 1");
  return { valid, score: score ?? undefined, message: someText(message), details: details === undefined ? undefined : stringify(details) };
}

const CHOICE = "true, false or a choice { sample, reason }";

function choice(who, answer) {
  if (typeof answer === "boolean") answer = { sample: answer };
  if (typeof answer?.sample !== "boolean") throw wrong(who, answer, CHOICE);
  fields(who, answer, ["sample", "reason"], CHOICE);
  return { sample: answer.sample, reason: someText(answer.reason) };
}

/** What the hook's kind makes of what a handler returned. */
function hookAnswer(who, { hook, kind }, answer) {
  // Whoever observes is told, and that is all.
  if (answer === undefined || kind === "observe") return { tag: "nothing" };
  if (kind === "validate") return { tag: "verdict", val: verdict(who, answer) };
  const text = JSON.stringify(answer);
  if (text === undefined) throw wrong(who, answer, `what JSON can say, or undefined, because the hook \`${hook}\` is of the kind \`${kind}\``);
  return { tag: { filter: "payload", decide: "decision", collect: "item" }[kind], val: text };
}

/** A CloudEvent with its data as JavaScript has it. */
function event(given) {
  const { id, source, type, subject, timeMs, datacontenttype, dataschema, attributes, data } = given;
  return {
    id,
    source,
    type,
    subject: subject ?? undefined,
    timeMs: narrow(timeMs),
    datacontenttype: datacontenttype ?? undefined,
    dataschema: dataschema ?? undefined,
    attributes: Object.fromEntries(attributes),
    data: eventData(data),
  };
}

function eventData(data) {
  switch (data?.tag) {
    case "json":
      return parse(data.val, "event data");
    case "binary":
      return Uint8Array.from(data.val);
    default:
      return data?.val;
  }
}

/** What extension.toml declares has to be there. */
function require(app, declared) {
  for (const [field, { name: kind, words }] of Object.entries(KINDS)) {
    for (const name of declared[kind] ?? []) {
      if (!Object.hasOwn(app[field], name)) {
        const there = Object.keys(app[field]).map((other) => `\`${other}\``).join(", ") || "none";
        throw new TypeError(`extension.toml declares the ${words} \`${name}\`, and \`${field}\` of the source has none of that name; it has ${there}`);
      }
    }
  }
}

/** Used by the generated entry: the exports of the component. `declared` has the names of the manifest by kind. */
export function exportsOf(app, declared = {}) {
  if (app?.[MARK] !== true) throw new TypeError("the entry must `export default extension({ … })`");
  require(app, declared);
  const { lifecycle } = app;
  /** Calls the contribution of this name; `answer` makes the export's value of what it returned. */
  const call = (field, name, ask, answer) => {
    const { words } = KINDS[field];
    const who = `${words} \`${name}\``;
    return guarded(
      () => {
        if (!Object.hasOwn(app[field], name)) throw new InvalidInput(`this extension has no ${who}`);
        return ask(app[field][name]);
      },
      (returned) => answer(returned, who),
    );
  };
  return {
    program: {
      execute: (name, input) => call("programs", name, (program) => program(parse(input, "input"), lazyContext()), stringify),
    },
    validator: {
      validate(name, { execution: given, inputSchema, outputSchema, expectedOutput }) {
        const ask = (validator) => {
          const subject = {
            execution: execution(given),
            inputSchema: parseSome(inputSchema, "input schema"),
            outputSchema: parseSome(outputSchema, "output schema"),
            expectedOutput: parseSome(expectedOutput, "expected output"),
          };
          return validator(subject, boundContext());
        };
        return call("validators", name, ask, (answer, who) => verdict(who, answer));
      },
    },
    sampler: {
      sample(name, given, { lastSampleMs, seen, sampled, sinceLast }) {
        const history = { lastSampleMs: narrow(lastSampleMs), seen: narrow(seen), sampled: narrow(sampled), sinceLast: narrow(sinceLast) };
        const ask = (sampler) => sampler(execution(given), history, boundContext());
        return call("samplers", name, ask, (answer, who) => choice(who, answer));
      },
    },
    eventHandler: {
      handle: (name, given) => call("eventHandlers", name, (handler) => handler(event(given), boundContext()), () => undefined),
    },
    hook: {
      fire(name, { hook, kind, payload, dryRun }) {
        const ask = (handler) => handler({ hook, kind, payload: parse(payload, "payload"), dryRun }, boundContext());
        return call("hooks", name, ask, (answer, who) => hookAnswer(who, { hook, kind }, answer));
      },
    },
    job: {
      run(name, { trigger, input, attempt }) {
        const ask = (job) => {
          const run = { trigger: { kind: trigger.tag, name: trigger.val ?? undefined }, input: parse(input, "input"), attempt };
          return job(run, lazyContext());
        };
        return call("jobs", name, ask, stringify);
      },
    },
    lifecycle: {
      initialize: () => guarded(() => lifecycle.initialize?.(), () => undefined),
      healthCheck() {
        const healthy = (answer) => {
          if (answer === undefined || answer === true) return { healthy: true, detail: undefined };
          if (answer === false) return { healthy: false, detail: undefined };
          return { healthy: answer.healthy, detail: answer.detail };
        };
        goLive();
        try {
          return healthy(lifecycle.healthCheck?.());
        } catch (error) {
          return { healthy: false, detail: String(error?.message ?? error) };
        }
      },
      checkConfig(config) {
        goLive();
        let problems;
        try {
          problems = lifecycle.checkConfig?.(JSON.parse(config)) ?? [];
        } catch (error) {
          problems = [{ path: "", message: String(error?.message ?? error) }];
        }
        if (problems.length > 0) {
          const payload = problems.map(({ path = "", message }) => ({ path, message }));
          throw Object.assign(new Error("the configuration has problems"), { payload });
        }
      },
      shutdown() {
        lifecycle.shutdown?.();
      },
    },
  };
}
