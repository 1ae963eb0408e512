// The installation's configuration.

import { host } from "./host.js";

export const config = {
  get: () => JSON.parse(host("config").get()),
};
