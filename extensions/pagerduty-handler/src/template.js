// Texts with placeholders, {type} or {data/a/b}, and what JSON pointers lead to.

const PLACEHOLDER = /\{(type|source|subject|id|time|data(?:\/[^{}]*)?)\}/g;

/** What a JSON pointer leads to, or `undefined`. */
export function at(data, pointer) {
  let found = data;
  for (const part of pointer.split("/").slice(1)) {
    const key = part.replaceAll("~1", "/").replaceAll("~0", "~");
    if (found === null || typeof found !== "object" || !Object.hasOwn(found, key)) return undefined;
    found = found[key];
  }
  return found;
}

export function shown(value) {
  if (value === undefined || value === null) return "";
  return typeof value === "string" ? value : JSON.stringify(value);
}

/** The text with its placeholders filled in from `message`, in one pass: what is filled in is never taken for a placeholder. */
export function fill(text, message) {
  return text.replace(PLACEHOLDER, (_, name) => shown(name.startsWith("data") ? at(message.data, name.slice("data".length)) : message[name]));
}

/** Whether the text has placeholders and none of them stands for anything. */
export function hollow(text, message) {
  const bare = text.replace(PLACEHOLDER, "");
  return bare !== text && fill(text, message) === bare;
}
