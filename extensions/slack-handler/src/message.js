// What is posted: Block Kit, and a plain text for notifications and clients that show no blocks.

import { fill } from "./template.js";

// Slack's limits, https://docs.slack.dev/reference/block-kit/blocks. A little below, because escapes count.
const MOST_HEADER = 150;
const MOST_SECTION = 3_000;
const MOST_FIELD = 2_000;
const MOST_TEXT = 4_000;

/** Slack takes `<…>` for links, mentions and broadcasts, so that nothing from outside may hold one. */
export const escape = (text) => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");

/** At most so many characters, none of them and no escape cut in two. */
export function cut(text, most) {
  if (text.length <= most) return text;
  const kept = text.slice(0, most - 1).replace(/[\ud800-\udbff]$/, "").replace(/&[a-z]{0,3}$/, "");
  return `${kept}…`;
}

const oneLine = (text) => text.replace(/\s+/g, " ").trim();

/** Data as a block of code that it cannot end. */
function code(data) {
  const text = escape(typeof data === "string" ? data : JSON.stringify(data, null, 2)).replaceAll("```", "'''");
  return `\`\`\`${cut(text, MOST_SECTION - 6)}\`\`\``;
}

/** The body of a message about `message` ({ type, source, subject, id, time, data }), as the binding wants it. */
export function compose(message, { title = "{type}", text, fields = {} }) {
  const headline = cut(oneLine(fill(title, message, (value) => value)), MOST_HEADER) || message.type;
  const blocks = [{ type: "header", text: { type: "plain_text", text: headline, emoji: true } }];
  if (text !== undefined) {
    const filled = cut(fill(text, message, escape), MOST_SECTION);
    if (filled !== "") blocks.push({ type: "section", text: { type: "mrkdwn", text: filled } });
  } else if (message.data !== undefined && message.data !== null && Object.keys(fields).length === 0) {
    blocks.push({ type: "section", text: { type: "mrkdwn", text: code(message.data) } });
  }
  const pairs = Object.entries(fields).map(([label, value]) => {
    const filled = fill(value, message, escape) || "–";
    return { type: "mrkdwn", text: cut(`*${escape(label)}*\n${filled}`, MOST_FIELD) };
  });
  if (pairs.length > 0) blocks.push({ type: "section", fields: pairs });
  const origin = [message.type, message.source, message.subject, message.time].filter(Boolean).map(escape).join("  ·  ");
  blocks.push({ type: "context", elements: [{ type: "mrkdwn", text: cut(origin, MOST_FIELD) }] });
  return { text: cut(escape(headline), MOST_TEXT), blocks };
}
