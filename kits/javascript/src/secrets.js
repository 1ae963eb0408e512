// Secrets that an administrator has set.

import { hostCall } from "./errors.js";
import { host } from "./host.js";

export const secrets = {
  placeholder: (name) => hostCall(() => host("secrets", "secrets").placeholder(name)),
};
