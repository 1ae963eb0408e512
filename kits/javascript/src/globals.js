// What a web developer expects and an engine without WASI lacks. Installed by the generated entry before the
// extension's own code is loaded.

import { console as logging } from "./log.js";
import { decode, encode } from "./utf8.js";

/** @param {{ wasi: boolean }} options */
export function install(options) {
  globalThis.console ??= logging;
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
  if (!options.wasi) withoutClock();
}

// Without WASI there is no clock and no randomness: asking for them would end the call with a trap that says
// nothing, or answer the same "random" numbers in every instance. Say so instead.
function withoutClock() {
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
  if (globalThis.performance) globalThis.performance = { now: () => refuse("performance.now()") };
}
