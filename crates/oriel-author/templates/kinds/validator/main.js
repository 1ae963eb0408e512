import { extension } from "@oriel/extension";

function complete({ execution }, { config: { fields = [] } }) {
  const output = execution.output ?? {};
  const missing = fields.filter((name) => !Object.hasOwn(output, name));
  return missing.length === 0 ? true : { valid: false, message: `missing: ${missing.join(", ")}` };
}

export default extension({ validators: { complete } });
