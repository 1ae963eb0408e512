// Why a call failed: one class for each case of the guest API's error.

export class OrielError extends Error {
  /** @param {string} tag @param {string} message @param {ErrorOptions} [options] */
  constructor(tag, message, options) {
    super(message, options);
    this.name = new.target.name;
    this.tag = tag;
  }
}

export class InvalidInput extends OrielError {
  constructor(message, options) {
    super("invalid-input", message, options);
  }
}

export class Unavailable extends OrielError {
  constructor(message, options) {
    super("unavailable", message, options);
  }
}

export class Denied extends OrielError {
  constructor(message, options) {
    super("denied", message, options);
  }
}

export class LimitExceeded extends OrielError {
  constructor(message, options) {
    super("limit-exceeded", message, options);
  }
}

export class DeadlineExceeded extends OrielError {
  constructor(message = "deadline exceeded", options) {
    super("deadline-exceeded", message, options);
  }
}

export class Internal extends OrielError {
  constructor(message, options) {
    super("internal", message, options);
  }
}

const CLASSES = {
  "invalid-input": InvalidInput,
  unavailable: Unavailable,
  denied: Denied,
  "limit-exceeded": LimitExceeded,
  "deadline-exceeded": DeadlineExceeded,
  internal: Internal,
};

/** Runs a host call; its error becomes one of the classes above. */
export function hostCall(call) {
  try {
    return call();
  } catch (error) {
    const payload = error?.payload;
    const Class = CLASSES[payload?.tag];
    if (Class === undefined) throw error;
    throw new Class(payload.val);
  }
}

/** What an export throws so that the host sees the case of `error`. */
export function toHost(error) {
  const text = String(error?.message ?? error);
  const payload =
    error instanceof OrielError
      ? error.tag === "deadline-exceeded"
        ? { tag: error.tag }
        : { tag: error.tag, val: text }
      : { tag: "internal", val: text };
  return Object.assign(new Error(text), { payload });
}
