import {
  extension, kv, Unavailable, type HookCall, type History, type JobRun, type OrielEvent, type Execution, type Subject, type Verdict,
  type BoundContext,
} from "@oriel/extension";

interface Order {
  net: number;
}

interface Settings {
  rate?: number;
  n?: number;
}

function judge({ execution: { input, output } }: Subject<Order, { total: number }>, { config: { rate = 0 } }: BoundContext<Settings>): Verdict {
  const wanted = input.net * (1 + rate);
  if (output === undefined) return { valid: false, message: "nothing came out" };
  const valid = output.total === wanted;
  return { valid, score: valid ? 1 : 0.25, message: `${wanted} ü` };
}

function subject({ execution: it, inputSchema = null, outputSchema = null, expectedOutput = null }: Subject): Verdict {
  const { id, task = null, input, output = null } = it;
  const by = [it.extension, it.version, it.program];
  return { valid: true, details: { id, task, by, input, output, failure: it.failure?.code ?? null, inputSchema, outputSchema, expected: expectedOutput } };
}

function breaks(): boolean {
  return JSON.parse("null").nothing;
}

const every = (_: Execution, { sinceLast }: History, { config: { n } }: BoundContext<{ n: number }>) =>
  sinceLast + 1 >= n ? { sample: true, reason: "its turn" } : false;

function times({ startedMs, wallUs, guestCpuUs }: Execution, { lastSampleMs, seen, sampled }: History) {
  return { sample: true, reason: [startedMs, wallUs, guestCpuUs, lastSampleMs ?? "never", seen, sampled].join(" ") };
}

function store({ id, source, type, subject = "nobody", timeMs = 0, attributes, data }: OrielEvent): void {
  const shown = data === undefined ? "nothing" : data instanceof Uint8Array ? `${data.length} bytes` : typeof data === "string" ? data : data.net;
  kv.set(id, `${source} ${type} ${subject} ${timeMs} ${attributes.region ?? "nowhere"} ${shown}`);
}

function down(): void {
  throw new Unavailable("try again");
}

export default extension({
  validators: { judge, subject, breaks },
  samplers: { every, times },
  eventHandlers: { store, down },
  hooks: {
    add: ({ payload: { net } }: HookCall<Order>, { config: { rate = 0 } }) => ({ net, gross: net * (1 + rate) }),
    judge: ({ payload: { net } }: HookCall<Order>) => net > 0,
    nothing: () => undefined,
    told: ({ hook, kind, payload, dryRun }) => [hook, kind, payload, dryRun],
  },
  jobs: {
    told: ({ trigger: { kind, name = null }, attempt }) => [kind, name, attempt],
    sum: ({ input }: JobRun<number[]>) => input.reduce((sum, number) => sum + number, 0),
  },
});
