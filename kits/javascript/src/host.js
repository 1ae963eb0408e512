// The host side, as the build's generated entry binds it: the modules of the guest API that the manifest allows.

/** @type {Record<string, any>} */
let bound = {};

let live = false;

/** Called at the start of each export. */
export function goLive() {
  live = true;
}

/** False while the component is being built: modules are evaluated then, and there is no host to call. */
export const isLive = () => live;

/** Called by the generated entry before the extension's own code is loaded. */
export function bind(modules) {
  bound = modules;
}

/** A bound module, or an error that says what the manifest lacks. */
export function host(name, permission) {
  const module = bound[name];
  if (module === undefined) {
    throw new Error(
      permission === undefined
        ? `\`${name}\` can only be used inside an extension`
        : `this needs \`${permission}\` under [permissions] in extension.toml, and a new build`,
    );
  }
  if (!live) throw new Error(`\`${name}\` can only be used in a program or lifecycle function, not while the module loads`);
  return module;
}

/** QuickJS takes plain numbers where StarlingMonkey takes BigInt; both are numbers to an extension. */
export function wide(number) {
  if (number === undefined || number === null) return undefined;
  return bound.bigint ? BigInt(number) : number;
}

/** A 64-bit number from the host. */
export function narrow(number) {
  return number === undefined || number === null ? undefined : Number(number);
}
