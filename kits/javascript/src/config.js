// The installation's configuration, and the binding's.

import { host } from "./host.js";

export const config = {
  get: () => JSON.parse(host("config").get()),
  binding: () => JSON.parse(host("config").binding()),
};
