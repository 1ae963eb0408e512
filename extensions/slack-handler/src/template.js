// Texts with placeholders: {type}, {subject}, {data/a/b}.

const PLACEHOLDER = /\{(type|source|subject|id|time|data(?:\/[^{}]*)?)\}/g;

/** What a JSON pointer below `data` leads to. */
function at(data, pointer) {
  let found = data;
  for (const part of pointer.split("/").slice(1)) {
    const key = part.replaceAll("~1", "/").replaceAll("~0", "~");
    if (found === null || typeof found !== "object" || !Object.hasOwn(found, key)) return undefined;
    found = found[key];
  }
  return found;
}

function shown(value) {
  if (value === undefined || value === null) return "";
  return typeof value === "string" ? value : JSON.stringify(value);
}

/**
 * The text with its placeholders filled in from `message`; `guard` makes what comes from outside harmless. In one pass, so that
 * what is filled in is never taken for a placeholder.
 */
export function fill(text, message, guard) {
  return text.replace(PLACEHOLDER, (_, name) => guard(shown(name.startsWith("data") ? at(message.data, name.slice("data".length)) : message[name])));
}
