export { config } from "./config.js";
export { context } from "./context.js";
export { DeadlineExceeded, Denied, Internal, InvalidInput, LimitExceeded, OrielError, Unavailable } from "./errors.js";
export { extension } from "./extension.js";
export { http } from "./http.js";
export { kv } from "./kv.js";
export { log } from "./log.js";
