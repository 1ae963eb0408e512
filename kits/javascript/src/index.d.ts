/** Write Oriel extensions in JavaScript or TypeScript. */

/** What a call knows about where it runs. */
export interface CallContext {
  /** The tenant for which the call runs. */
  readonly tenant: string;
  /** Who caused the call, when somebody did. */
  readonly principal?: string;
  /** The extension's own name. */
  readonly extension: string;
  /** The running release's version. */
  readonly version: string;
  /** This execution; unique for each call. */
  readonly executionId: string;
  /** The task that the host called, when it called one. */
  readonly task?: string;
  /** W3C trace context of the caller. */
  readonly traceparent?: string;
  /** Milliseconds since 1970; after this moment host calls fail with `DeadlineExceeded`. */
  readonly deadlineMs: number;
}

/** The context that a program is given: read only when it is used. */
export interface ProgramContext extends CallContext {
  /** Milliseconds left until the deadline; 0 when it has passed. */
  remainingMs(): number;
}

/** A named function from JSON to JSON. `undefined` is answered as `null`. */
export type Program<Input = any, Output = unknown> = (input: Input, context: ProgramContext) => Output;

/** One thing that is wrong with a configuration. */
export interface ConfigProblem {
  /** JSON pointer into the configuration, such as `/threshold`; empty for the whole. */
  path?: string;
  message: string;
}

/** What happens around the life of an instance. Needs `lifecycle = true` in extension.toml. */
export interface Lifecycle {
  /** Runs once in each new instance, before its first call. Throw to refuse. */
  initialize?(): void;
  /** Asked from time to time; nothing means healthy. */
  healthCheck?(): void | boolean | { healthy: boolean; detail?: string };
  /** Judges a configuration beyond what its schema can say. No problems means yes. */
  checkConfig?(config: any): ConfigProblem[] | void;
  /** Runs before an instance is dropped in an orderly way. */
  shutdown?(): void;
}

/** The context that a contribution is given which a binding connects: with the binding's configuration. */
export interface BoundContext<Config = any> extends ProgramContext {
  /** The binding's configuration; `{}` when it has none. */
  readonly config: Config;
}

/** One execution: what a program was asked, and what came of it. */
export interface Execution<Input = any, Output = any> {
  /** `exec_…` */
  id: string;
  /** `task_…`; absent when a program was called directly. */
  task?: string;
  extension: string;
  version: string;
  program: string;
  input: Input;
  /** Absent when it failed. */
  output?: Output;
  /** Absent when it succeeded. `code` is stable, such as `execution.timeout`. */
  failure?: { code: string; message: string };
  /** Milliseconds since 1970. */
  startedMs: number;
  /** From the lease of an instance to its answer, in microseconds. */
  wallUs: number;
  /** Time that guest code ran, in microseconds. */
  guestCpuUs: number;
}

/** What a validator judges. */
export interface Subject<Input = any, Output = any> {
  execution: Execution<Input, Output>;
  /** JSON Schema of the task's input, where the task has one. */
  inputSchema?: any;
  /** JSON Schema of the task's output, where the task has one. */
  outputSchema?: any;
  /** What should have come out, where somebody knows. */
  expectedOutput?: Output;
}

/** A judgement, of an execution or of a hook's payload. */
export interface Verdict {
  valid: boolean;
  /** How good it is, from 0 to 1, where a yes or no says too little. */
  score?: number;
  /** One line for people. */
  message?: string;
  /** Whatever the reader of the verdict may want to know. */
  details?: unknown;
}

/** What a sampler has seen of the task so far, this execution not included. */
export interface History {
  /** When an execution was last sampled, in milliseconds since 1970. */
  lastSampleMs?: number;
  seen: number;
  sampled: number;
  /** Executions since the last sampled one. */
  sinceLast: number;
}

/** Whether an execution is looked at. */
export interface Choice {
  sample: boolean;
  /** A word or two for people, such as `slow`. */
  reason?: string;
}

/** A CloudEvent, version 1.0. */
export interface OrielEvent<Data = any> {
  id: string;
  source: string;
  type: string;
  subject?: string;
  /** Milliseconds since 1970. */
  timeMs?: number;
  datacontenttype?: string;
  dataschema?: string;
  /** Extension attributes in their canonical text form. */
  attributes: Record<string, string>;
  /** JSON is parsed; other text is a string, anything else a `Uint8Array`; absent when it carries nothing. */
  data?: Data;
}

export type HookKind = "filter" | "validate" | "decide" | "collect" | "observe";

/** A hook that was fired. */
export interface HookCall<Payload = any> {
  /** Its name, such as `order.pre-create`. */
  hook: string;
  kind: HookKind;
  payload: Payload;
  /** Whether this is a rehearsal: host calls with an effect are refused, and nothing that is answered counts. */
  dryRun: boolean;
}

/** One run of a job. */
export interface JobRun<Input = any> {
  /** What started it; `name` is the schedule's name, or the event's id. */
  trigger: { kind: "manual" | "schedule" | "event" | "queue"; name?: string };
  input: Input;
  /** 1 for the first attempt. */
  attempt: number;
}

/** Judges an execution. An error says that no verdict can be given. */
export type Validator<Input = any, Output = any, Config = any> = (
  subject: Subject<Input, Output>,
  context: BoundContext<Config>,
) => Verdict | boolean;

/** Picks the executions that validators see. */
export type Sampler<Input = any, Output = any, Config = any> = (
  execution: Execution<Input, Output>,
  history: History,
  context: BoundContext<Config>,
) => Choice | boolean;

/** Takes an event. An error means that it is delivered again later, unless it is `InvalidInput`. */
export type EventHandler<Data = any, Config = any> = (event: OrielEvent<Data>, context: BoundContext<Config>) => void;

/**
 * Answers a hook. What it returns depends on the hook's kind: `filter`, the payload that goes on; `validate`, a verdict, or `true` or
 * `false`; `decide`, the decision; `collect`, the item. `undefined` adds nothing.
 */
export type Hook<Payload = any, Answer = unknown, Config = any> = (call: HookCall<Payload>, context: BoundContext<Config>) => Answer;

/** Runs a job. `undefined` is answered as `null`. `Unavailable` means that a retry may help. */
export type Job<Input = any, Output = unknown> = (run: JobRun<Input>, context: ProgramContext) => Output;

/** What an extension contributes, by kind and name; the names are those of extension.toml. */
export interface Definition {
  programs?: Record<string, Program>;
  validators?: Record<string, Validator>;
  samplers?: Record<string, Sampler>;
  eventHandlers?: Record<string, EventHandler>;
  hooks?: Record<string, Hook>;
  jobs?: Record<string, Job>;
  lifecycle?: Lifecycle;
}

/** An extension; the entry file exports it as its default. */
export type Extension = Readonly<Required<Definition>>;

/** Defines an extension: `export default extension({ programs: { … } })`. */
export function extension(definition: Definition): Extension;

type Fields = Record<string, unknown>;

/** Log lines, kept per tenant and shown by `oriel logs`. `console` writes here too. */
export const log: {
  trace(message: unknown, fields?: Fields): void;
  debug(message: unknown, fields?: Fields): void;
  info(message: unknown, fields?: Fields): void;
  warn(message: unknown, fields?: Fields): void;
  error(message: unknown, fields?: Fields): void;
};

/** The installation's configuration. */
export const config: {
  /** The whole configuration; `{}` when nothing is configured. */
  get<T = any>(): T;
  /** The configuration of the binding by which the call in progress came; `{}` when it has none, or came by none. */
  binding<T = any>(): T;
};

/** What the call in progress knows about where it runs. */
export const context: {
  current(): CallContext;
  /** Who made the call in progress, when another extension did. */
  /** The user of the host's product on whose behalf the call is made, as the host named them. */
  user(): string | undefined;
  caller(): { extension: string; version: string; principal?: string } | undefined;
  remainingMs(): number;
};

/** Programs of other extensions in the same tenant. Needs them under `call` of `[permissions]`. */
export const call: {
  /** What the program answers. Throws what it throws; `Denied` when the grant does not name it, `Unavailable` when it cannot be called. */
  program<Output = any>(extension: string, program: string, input?: unknown): Output;
};

/** Secrets that an administrator has set. Needs them under `secrets` of `[permissions]`. */
export const secrets: {
  /**
   * A text that stands for the secret in this instance: write it into a header of an outbound request, and the host puts the secret in its
   * place. Ask for it where it is used.
   */
  placeholder(name: string): string;
};

export interface EnqueueOptions {
  /** Not before so many milliseconds from now. */
  delayMs?: number;
  /** As long as a run of the job with this key is not over, no second one is taken: the answer is the id of the first. */
  deduplicationKey?: string;
  /** How often it is tried, 1 to 20. */
  attempts?: number;
}

/**
 * Durable work for this extension's own jobs. Needs `queue = true` under `[permissions]`. What was enqueued is done at least once, also when
 * the server crashes: a job must bear to be run twice.
 */
export const queue: {
  /** Puts a run of a job into the queue; answers its id. */
  enqueue(job: string, input?: unknown, options?: EnqueueOptions): string;
  /** How many runs of the job wait. */
  pending(job: string): number;
};

export interface ChatMessage {
  role: "system" | "user" | "assistant";
  content: string;
}

export interface CompletionOptions {
  /** What the model shall be and do. */
  system?: string;
  /** One of the models that the permission names. */
  model?: string;
  /** The most tokens that come back. */
  maxTokens?: number;
  /** From 0 (always the same) to 2. */
  temperature?: number;
  /** A JSON Schema of the text that shall come back. */
  jsonSchema?: object;
  /** Texts before which the answer ends, at most four. */
  stop?: string[];
}

export interface Completion {
  text: string;
  finishReason: "stop" | "length" | "content-filter" | "other";
  inputTokens: number;
  outputTokens: number;
  /** The model that answered. */
  model: string;
}

/** Completions by the model that the operator has set up. Needs `model` under `[permissions]`. */
export const model: {
  /** Asks the model: one text, or a conversation. */
  complete(prompt: string | ChatMessage[], options?: CompletionOptions): Completion;
  /** Asks for JSON that fits a JSON Schema, and parses it. */
  completeJson<T = any>(prompt: string | ChatMessage[], schema: object, options?: CompletionOptions): T;
};

/** Counters and histograms, shown at `/metrics` under the extension's name. */
export const metrics: {
  /** Adds to a counter (1 when absent); it begins at 0 when the server starts. */
  add(name: string, value?: number, labels?: Record<string, string | number>): void;
  /** Counts a value into a histogram. */
  record(name: string, value: number, labels?: Record<string, string | number>): void;
};

export interface Entry {
  value: Uint8Array;
  /** Grows with each write of this key. */
  version: number;
}

export interface WriteOptions {
  /** The entry disappears this many milliseconds later. */
  ttlMs?: number;
}

/** A document with what the host knows of it. */
export interface StoredDocument<T = any> {
  id: string;
  /** 1 for a new document, and one more with each change. */
  version: number;
  createdMs: number;
  updatedMs: number;
  body: T;
}

export interface WrittenDocument {
  id: string;
  /** The new version; 0 of a document that was deleted. */
  version: number;
}

/** Such as `{"/status": "open", "/total": {gte: 10}}`. */
export type DocumentFilter = Record<string, unknown>;

/** One operation of a transaction. */
export interface DocumentOperation {
  readonly collection: string;
  readonly id?: string;
  readonly change: { tag: string; val?: unknown };
}

export interface DocumentOperations<T> {
  insert(body: T, id?: string): DocumentOperation;
  put(id: string, body: T): DocumentOperation;
  replace(id: string, body: T, expected?: number): DocumentOperation;
  patch(id: string, patch: unknown, expected?: number): DocumentOperation;
  delete(id: string, expected?: number): DocumentOperation;
  /** The document must have this version; without one there must be none. */
  check(id: string, version?: number): DocumentOperation;
}

export interface Collection<T = any> {
  readonly name: string;
  /** Makes operations for `transact`. */
  readonly operations: DocumentOperations<T>;
  get(id: string): StoredDocument<T> | undefined;
  /** At most `limit` (1 to 1000) documents in the order of an index's fields, such as `["-/createdAt"]`. */
  page(
    filter?: DocumentFilter,
    options?: { order?: string[]; limit?: number; cursor?: string },
  ): { documents: StoredDocument<T>[]; nextCursor?: string };
  /** Every document, page by page. */
  all(filter?: DocumentFilter, options?: { order?: string[] }): Iterable<StoredDocument<T>>;
  first(filter?: DocumentFilter, options?: { order?: string[] }): StoredDocument<T> | undefined;
  count(filter?: DocumentFilter): number;
  insert(body: T, id?: string): WrittenDocument;
  put(id: string, body: T): WrittenDocument;
  /** With `expected` only over that version; throws `Conflict` when there is another. */
  replace(id: string, body: T, expected?: number): WrittenDocument;
  /** A JSON merge patch: members that are null are removed. */
  patch(id: string, patch: unknown, expected?: number): WrittenDocument;
  delete(id: string, expected?: number): void;
}

/** A collection that the manifest declares. Needs `collections = true` under `[permissions]`. */
export function collection<T = any>(name: string): Collection<T>;
/** Carries out 1 to 100 operations, all or none of them. The error of a refused one has its number in `operation`. */
export function transact(operations: DocumentOperation[]): WrittenDocument[];

/** There is no such document, or none that the user may see. */
export class NotFound extends InvalidInput {}
/** There is a document with this id already. */
export class Exists extends InvalidInput {}
/** Another document has the same values in a unique index. */
export class Duplicate extends InvalidInput {
  index: string;
}
/** The document does not fit its collection. */
export class Invalid extends InvalidInput {
  problems: { path: string; message: string }[];
}
/** The document has another version than was expected. */
export class Conflict extends Unavailable {
  actual: number;
}

/** Durable values of this extension in this tenant. Needs `key_value = true` under `[permissions]`. */
export const kv: {
  get(key: string): Uint8Array | undefined;
  getText(key: string): string | undefined;
  getJson<T = any>(key: string): T | undefined;
  /** The bytes with their version, for `compareAndSwap`. */
  entry(key: string): Entry | undefined;
  /** Writes whatever is there and answers the new version. */
  set(key: string, value: string | Uint8Array, options?: WriteOptions): number;
  setJson(key: string, value: unknown, options?: WriteOptions): number;
  /** Answers whether there was something to delete. */
  delete(key: string): boolean;
  /**
   * Writes only if the entry's version is `expected` (`undefined`: only if there is no entry). Answers the new
   * version, or `undefined` when another writer was faster.
   */
  compareAndSwap(key: string, expected: number | undefined, value: string | Uint8Array, options?: WriteOptions): number | undefined;
  /** Adds to an integer (absent counts as 0) in one step and answers the sum. */
  increment(key: string, by?: number, options?: WriteOptions): number;
  /** At most `limit` (1 to 1000) keys that start with `prefix`. */
  page(prefix: string, options?: { limit?: number; cursor?: string }): { keys: string[]; nextCursor?: string };
  /** Every key that starts with `prefix`, in ascending order. */
  keys(prefix?: string): Generator<string, void, undefined>;
};

export interface HttpRequest {
  /** `GET` when absent. */
  method?: string;
  headers?: Record<string, string> | Map<string, string> | [string, string][];
  body?: string | Uint8Array;
  /** A body to send as JSON. */
  json?: unknown;
  /** For connecting, for the first byte and between bytes. */
  timeoutMs?: number;
}

export interface HttpResponse {
  status: number;
  /** Whether the status is 200 to 299. */
  ok: boolean;
  /** By lower-case name; repeated ones joined by `, `. */
  headers: Record<string, string>;
  bytes(): Uint8Array;
  text(): string;
  json<T = any>(): T;
}

/** Outbound HTTP. Needs the host in `network` under `[permissions]`. */
export const http: {
  /** Sends a request and waits for the whole response. Throws `Denied`, `Unavailable` or `LimitExceeded`. */
  fetch(url: string, request?: HttpRequest): HttpResponse;
};

/** Why a call failed. Throw one from a program; host calls throw them too. Any other error is `Internal`. */
export class OrielError extends Error {
  readonly tag: string;
}
/** The caller's input is wrong; the same input will fail again. */
export class InvalidInput extends OrielError {
  constructor(message: string, options?: ErrorOptions);
}
/** Something that the extension depends on failed; a retry may help. */
export class Unavailable extends OrielError {
  constructor(message: string, options?: ErrorOptions);
}
/** The grant does not cover what was asked. */
export class Denied extends OrielError {
  constructor(message: string, options?: ErrorOptions);
}
/** A limit of the extension was reached; the text names it. */
export class LimitExceeded extends OrielError {
  constructor(message: string, options?: ErrorOptions);
}
/** The call's deadline passed. */
export class DeadlineExceeded extends OrielError {
  constructor(message?: string, options?: ErrorOptions);
}
/** A fault of the program. */
export class Internal extends OrielError {
  constructor(message: string, options?: ErrorOptions);
}
