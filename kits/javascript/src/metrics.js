// Counters and histograms, shown at `/metrics` under the extension's name.

import { host } from "./host.js";

const pairs = (labels) => Object.entries(labels).map(([name, value]) => [name, String(value)]);

export const metrics = {
  add: (name, value = 1, labels = {}) => host("metrics").counterAdd(name, value, pairs(labels)),
  record: (name, value, labels = {}) => host("metrics").histogramRecord(name, value, pairs(labels)),
};
