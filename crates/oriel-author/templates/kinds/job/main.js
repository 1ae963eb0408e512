import { extension } from "@oriel/extension";

function addUp({ input, trigger }) {
  return { sum: input.numbers.reduce((sum, number) => sum + number, 0), started_by: trigger.kind };
}

export default extension({ jobs: { "add-up": addUp } });
