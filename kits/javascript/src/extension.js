// An extension's programs and lifecycle, and the exports that the build makes of them.

import { context } from "./context.js";
import { Internal, InvalidInput, OrielError, toHost } from "./errors.js";
import { goLive } from "./host.js";
import { log } from "./log.js";

const MARK = Symbol.for("oriel.extension");
const KEYS = new Set(["programs", "lifecycle"]);
const LIFECYCLE = new Set(["initialize", "healthCheck", "checkConfig", "shutdown"]);

function known(object, keys, what) {
  for (const key of Object.keys(object)) {
    if (!keys.has(key)) throw new TypeError(`unknown ${what} \`${key}\`; there are ${[...keys].join(", ")}`);
  }
}

export function extension(definition) {
  known(definition, KEYS, "field");
  const { programs = {}, lifecycle = {} } = definition;
  known(lifecycle, LIFECYCLE, "lifecycle function");
  for (const [name, program] of Object.entries(programs)) {
    if (typeof program !== "function") throw new TypeError(`program \`${name}\` is not a function`);
    if (program.constructor?.name === "AsyncFunction") {
      throw new TypeError(`program \`${name}\` is async; programs are plain functions, and \`http.fetch\` and \`kv\` wait by themselves`);
    }
  }
  return { [MARK]: true, programs, lifecycle };
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

function fail(error) {
  if (!(error instanceof OrielError)) log.error(String(error), error?.stack ? { stack: error.stack } : undefined);
  return toHost(error);
}

/** Runs `work`; failures become errors of the guest API. */
function guarded(work, finish) {
  goLive();
  try {
    const answer = work();
    if (typeof answer?.then === "function") throw new Internal("a promise was returned; programs answer with plain values");
    return finish(answer);
  } catch (error) {
    throw fail(error);
  }
}

/** Used by the generated entry: the exports of the component. */
export function exportsOf(app) {
  if (app?.[MARK] !== true) throw new TypeError("the entry must `export default extension({ … })`");
  const { programs, lifecycle } = app;
  return {
    program: {
      execute: (name, input) =>
        guarded(
          () => {
            const program = Object.hasOwn(programs, name) ? programs[name] : undefined;
            if (program === undefined) throw new InvalidInput(`this extension has no program \`${name}\``);
            let value;
            try {
              value = JSON.parse(input);
            } catch (error) {
              throw new InvalidInput(`the input is not JSON: ${error.message}`);
            }
            return program(value, lazyContext());
          },
          (output) => JSON.stringify(output === undefined ? null : output) ?? "null",
        ),
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
