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

/** An extension; the entry file exports it as its default. */
export interface Extension {
  readonly programs: Readonly<Record<string, Program>>;
  readonly lifecycle: Lifecycle;
}

/** Defines an extension: `export default extension({ programs: { … } })`. */
export function extension(definition: { programs?: Record<string, Program>; lifecycle?: Lifecycle }): Extension;

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
};

/** What the call in progress knows about where it runs. */
export const context: {
  current(): CallContext;
  remainingMs(): number;
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
