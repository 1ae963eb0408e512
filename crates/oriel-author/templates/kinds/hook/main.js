import { extension } from "@oriel/extension";

const fillIn = ({ payload }, { config: { defaults = {} } }) => ({ ...defaults, ...payload });

export default extension({ hooks: { "fill-in": fillIn } });
