// Programs of other extensions in the same tenant.

import { hostCall } from "./errors.js";
import { host } from "./host.js";

export const call = {
  program(extension, program, input = {}) {
    const module = host("call", `call = ["${extension}/${program}"]`);
    return JSON.parse(hostCall(() => module.execute(extension, program, JSON.stringify(input))));
  },
};
