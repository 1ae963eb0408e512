import { extension, log } from "@oriel/extension";

function summarise(input) {
  const fields = Object.keys(input).sort();
  log.info("summarised", { count: fields.length });
  return { count: fields.length, fields };
}

export default extension({ programs: { summarise } });
