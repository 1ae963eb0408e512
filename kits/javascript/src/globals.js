// What a web developer expects and an engine without WASI lacks. Installed by the generated entry before the
// extension's own code is loaded.

import { host, isLive, wide } from "./host.js";
import { console as logging } from "./log.js";
import { decode, encode } from "./utf8.js";

/** @param {{ wasi: boolean }} options */
export function install(options) {
  // An engine's own would write nowhere without WASI, and guess the level with it.
  globalThis.console = logging;
  globalThis.TextEncoder ??= class TextEncoder {
    encoding = "utf-8";
    encode(text = "") {
      return encode(text);
    }
  };
  globalThis.TextDecoder ??= class TextDecoder {
    encoding = "utf-8";
    #fatal;
    constructor(label = "utf-8", { fatal = false } = {}) {
      if (!/^(utf-?8|unicode-1-1-utf-8)$/i.test(label)) throw new RangeError(`only utf-8 is supported, not ${label}`);
      this.#fatal = fatal;
    }
    decode(bytes = new Uint8Array()) {
      const view = ArrayBuffer.isView(bytes) ? new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength) : new Uint8Array(bytes);
      const text = decode(view, this.#fatal);
      return text.startsWith("\ufeff") ? text.slice(1) : text;
    }
  };
  withoutLaterTurns();
  if (options.wasi) {
    sinceStart();
    withChance();
  } else {
    withoutWasi();
  }
}

// A call has one turn: when a program has answered, nothing of it runs any more.
function withoutLaterTurns() {
  const refuse = (what, instead) => () => {
    throw new Error(`${what} does not exist in an extension: ${instead}`);
  };
  globalThis.fetch = refuse("fetch()", "use `http.fetch` of @oriel/extension, which waits for the answer by itself");
  for (const name of ["setTimeout", "setInterval"]) {
    globalThis[name] = refuse(`${name}()`, "a program answers in one turn, and nothing runs after it");
  }
}

// Without WASI there is no clock and no randomness: asking for them would end the call with a trap that says
// nothing, or answer the same "random" numbers in every instance. Say so instead.
function withoutWasi() {
  const refuse = (what) => {
    throw new Error(`${what} needs WASI: set \`wasi = true\` under [build] in extension.toml and build again`);
  };
  const Real = Date;
  globalThis.Date = new Proxy(Real, {
    construct: (target, args, self) => (args.length === 0 ? refuse("the current time") : Reflect.construct(target, args, self)),
    apply: () => refuse("the current time"),
    get: (target, key, self) => (key === "now" ? () => refuse("Date.now()") : Reflect.get(target, key, self)),
  });
  Real.prototype.constructor = globalThis.Date;
  Math.random = () => refuse("Math.random()");
  globalThis.performance = { now: () => refuse("performance.now()") };
  setCrypto({
    getRandomValues: () => refuse("crypto.getRandomValues()"),
    randomUUID: () => refuse("crypto.randomUUID()"),
  });
}

// The engine's zero is a moment of the build, on another clock. Here it is the first look at the clock.
function sinceStart() {
  const real = globalThis.performance;
  let start;
  const now = () => {
    if (!isLive()) return 0;
    start ??= real.now();
    return real.now() - start;
  };
  globalThis.performance = { now };
}

// With WASI, an engine without Web Crypto gets the part of it that is about chance. Its `Math.random` is seeded while the
// component is built, so that all instances would draw the same numbers: it begins anew in each.
function withChance() {
  if (globalThis.crypto !== undefined) return;
  const getRandomValues = (view) => {
    const bytes = new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
    bytes.set(host("random").getRandomBytes(wide(bytes.length)));
    return view;
  };
  const randomUUID = () => {
    const bytes = getRandomValues(new Uint8Array(16));
    bytes[6] = (bytes[6] & 0x0f) | 0x40;
    bytes[8] = (bytes[8] & 0x3f) | 0x80;
    const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
    return hex.replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
  };
  setCrypto({ getRandomValues, randomUUID });
  const atBuild = Math.random;
  let state;
  Math.random = () => {
    if (!isLive()) return atBuild();
    state ??= getRandomValues(new Uint32Array(4));
    return (next(state) * 0x200000 + (next(state) >>> 11)) / 0x20000000000000;
  };
}

// 32 bits of sfc32, a small generator that passes the usual batteries (https://pracrand.sourceforge.net/RNG_engines.txt).
function next(state) {
  const [a, b, c, count] = state;
  const sum = (a + b + count) >>> 0;
  state[0] = b ^ (b >>> 9);
  state[1] = c + (c << 3);
  state[2] = ((c << 21) | (c >>> 11)) + sum;
  state[3] = count + 1;
  return sum;
}

function setCrypto(methods) {
  const own = globalThis.crypto ?? {};
  for (const [name, value] of Object.entries(methods)) Object.defineProperty(own, name, { value, configurable: true });
  if (globalThis.crypto === undefined) globalThis.crypto = own;
}
