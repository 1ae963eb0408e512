// Durable work for this extension's own jobs.

import { hostCall } from "./errors.js";
import { host, narrow, wide } from "./host.js";

const module = () => host("queue", "queue = true");

export const queue = {
  enqueue(job, input = null, { delayMs, deduplicationKey, attempts } = {}) {
    const options = { delayMs: wide(delayMs), deduplicationKey, attempts };
    return hostCall(() => module().enqueue(job, JSON.stringify(input), options));
  },
  pending: (job) => narrow(hostCall(() => module().pending(job))),
};
