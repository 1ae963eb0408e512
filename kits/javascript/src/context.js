// What a call knows about where it runs.

import { host, narrow } from "./host.js";

export const context = {
  current() {
    const { tenant, principal, extension, version, executionId, task, traceparent, deadlineMs } = host("context").current();
    return {
      tenant,
      principal: principal ?? undefined,
      extension,
      version,
      executionId,
      task: task ?? undefined,
      traceparent: traceparent ?? undefined,
      deadlineMs: narrow(deadlineMs),
    };
  },
  user: () => host("context").user() ?? undefined,
  caller() {
    const found = host("context").caller() ?? undefined;
    return found && { extension: found.extension, version: found.version, principal: found.principal ?? undefined };
  },
  remainingMs: () => narrow(host("context").remainingMs()),
};
