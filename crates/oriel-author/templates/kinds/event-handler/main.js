import { extension, InvalidInput, log } from "@oriel/extension";

function note({ type, data }) {
  if (typeof data?.title !== "string") throw new InvalidInput("the event has no title");
  log.info("noted", { type, title: data.title });
}

export default extension({ eventHandlers: { note } });
