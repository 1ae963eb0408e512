import {
  call, config, context, DeadlineExceeded, Denied, extension, http, Internal, InvalidInput, kv, LimitExceeded, log, metrics, model, queue, secrets, Unavailable,
  type ProgramContext,
} from "@oriel/extension";

interface Request {
  url: string;
  body?: unknown;
}

const ERRORS = {
  "invalid-input": InvalidInput,
  unavailable: Unavailable,
  denied: Denied,
  "limit-exceeded": LimitExceeded,
  internal: Internal,
} as const;

function add({ numbers }: { numbers: number[] }): number {
  if (!numbers.every(Number.isInteger)) throw new InvalidInput("at `numbers`: expected integers");
  return numbers.reduce((sum, number) => sum + number, 0);
}

function fail(wanted: string): never {
  if (wanted === "deadline-exceeded") throw new DeadlineExceeded();
  throw new ERRORS[wanted as keyof typeof ERRORS]("as ordered: ü");
}

function crash(): number {
  const nothing = JSON.parse("null") as { length: number };
  return nothing.length;
}

function surroundings(_: unknown, call: ProgramContext): object {
  const settings = config.get();
  log.debug("seen", { config: settings });
  return { extension: call.extension, version: context.current().version, config: settings, left: call.remainingMs() > 0 };
}

function keys(): object {
  kv.set("text", "grün");
  kv.setJson("json", { a: [1] });
  const count = kv.increment("count", 2) + kv.increment("count", 40);
  const entry = kv.entry("text");
  const swapped = kv.compareAndSwap("text", entry?.version, "blau") !== undefined;
  const late = kv.compareAndSwap("text", entry?.version, "rot") !== undefined;
  const json = kv.getJson("json");
  const gone = kv.delete("json");
  return { text: kv.getText("text"), json, count, swapped, late, gone, absent: kv.get("json") ?? null, keys: [...kv.keys()] };
}

function fetch({ url, body }: Request): object {
  const method = body === undefined ? "GET" : "POST";
  const answer = http.fetch(url, { method, json: body, headers: { "X-Probe": "ü" }, timeoutMs: 30_000 });
  return { status: answer.status, type: answer.headers["content-type"], body: answer.json() };
}

function others(): object {
  const place = call.program("geo", "lookup", { city: "Ulm" });
  let closed = false;
  try {
    call.program("geo", "closed");
  } catch (error) {
    closed = error instanceof Unavailable;
  }
  metrics.add("asked", 2, { kind: "city" });
  metrics.record("seconds", 0.25);
  return { place, closed, token: secrets.placeholder("token") !== "", caller: context.caller() ?? null };
}

function later(): object {
  const id = queue.enqueue("send", { n: 1 }, { delayMs: 1500, deduplicationKey: "k", attempts: 4 });
  let refused = false;
  try {
    queue.enqueue("closed");
  } catch (error) {
    refused = error instanceof LimitExceeded;
  }
  const options = { system: "Be short.", model: "small", maxTokens: 9, temperature: 0.5, stop: ["!"] };
  const verdict = model.completeJson("6 × 7?", { type: "object" }, options);
  const plain = model.complete("hi");
  return {
    id,
    refused,
    pending: queue.pending("send"),
    verdict,
    text: plain.text,
    finish: plain.finishReason,
    tokens: [plain.inputTokens, plain.outputTokens],
    model: plain.model,
  };
}

export default extension({
  programs: { echo: (input) => input, add, fail, crash, surroundings, keys, fetch, others, later, now: () => Date.now() },
  lifecycle: {
    initialize: () => log.info("ready"),
    healthCheck: () => ({ healthy: true, detail: "well" }),
    checkConfig: ({ threshold }) => (threshold === 0 ? [{ path: "/threshold", message: "must not be 0" }] : []),
  },
});
