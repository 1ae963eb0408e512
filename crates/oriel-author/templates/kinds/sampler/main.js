import { extension } from "@oriel/extension";

function spread({ failure }, { sinceLast }, { config: { every = 10 } }) {
  if (failure !== undefined) return { sample: true, reason: "failed" };
  return sinceLast + 1 >= every ? { sample: true, reason: "its turn" } : false;
}

export default extension({ samplers: { spread } });
