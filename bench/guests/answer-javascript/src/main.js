// The program of the benchmarks, in JavaScript.
import { extension } from "@oriel/extension";

function answer({ name, n }) {
  return { greeting: `Hello, ${name}`, n: n + 1 };
}

export default extension({ programs: { answer } });
