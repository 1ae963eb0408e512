import { extension } from "@oriel/extension";

// Indirect, so that it sees the globals and nothing of this module.
const evaluate = eval;

function ask(question) {
  try {
    return String(evaluate(question));
  } catch (error) {
    return String(error);
  }
}

export default extension({ programs: { ask } });
