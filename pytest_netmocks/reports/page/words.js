// Events in words, a line each.

function preview(event) {
  const bytes = dataOf(event).subarray(0, 60);
  let text = "";
  for (const byte of bytes) {
    if (byte === 13) text += "\\r";
    else if (byte === 10) text += "\\n";
    else if (byte === 92) text += "\\\\";
    else if (byte >= 32 && byte < 127) text += String.fromCharCode(byte);
    else text += `\\x${byte.toString(16).padStart(2, "0")}`;
  }
  return text + (event.size > bytes.length ? "\u2026" : "");
}

const sideOf = (event) => SIDES[event.direction] ?? "";

const WORDS = {
  received: (event) => `\u2192 ${octets(event.size)}  ${preview(event)}`,
  sent: (event) => `\u2190 ${octets(event.size)}  ${preview(event)}`,
  arrived: (event) => `${octets(event.size)} of the client come to the faults`,
  delivered: (event) => `${octets(event.size)} leave for the client`,
  unread: (event) => `the last ${octets(event.size)} were not read after all`,
  held: (event) => `${octets(event.size)} held, ${sideOf(event)}, by ${event.faults.join(", ")}`,
  swallowed: (event) => `${octets(event.size)} lost, ${sideOf(event)}, by ${event.fault}`,
  cipher_received: (event) => `\u2192 ${octets(event.size)} of cipher text`,
  cipher_sent: (event) => `\u2190 ${octets(event.size)} of cipher text`,
  exchange: (event) => [event.title, event.phase, event.rule].filter(Boolean).join(", "),
  ended: (event) => [event.text, event.sign].filter(Boolean).join(": "),
};

function lineOf(event) {
  const words = WORDS[event.event];
  if (words) return words(event);
  if (event.text !== undefined) return event.text;
  return Object.entries(event)
    .filter(([name]) => !["server", "at", "event", "connection"].includes(name))
    .map(([name, value]) => `${name} ${typeof value === "object" ? JSON.stringify(value) : value}`)
    .join(", ");
}

/** The class of an event's line: what stands out. */
function toneOf(event) {
  if (["struck", "swallowed", "lost", "failed", "unmatched"].includes(event.event)) return "bad";
  if (event.event === "ended" && (event.by === "fault" || event.sign === "RST")) return "bad";
  if (["held", "in_force", "lifted"].includes(event.event)) return "warn";
  if (["received", "arrived", "cipher_received"].includes(event.event)) return "up";
  if (["sent", "delivered", "cipher_sent"].includes(event.event)) return "down";
  return "";
}

/** A list of events with their times; of many the first, and how many more there are. */
function eventList(events, most = 500) {
  const lines = events.slice(0, most).map(({ t, event }) =>
    h("li", { class: toneOf(event) }, h("span", { class: "at" }, t.toFixed(6)), h("span", { class: "kind" }, event.event.replaceAll("_", " ")), h("span", { class: "what" }, lineOf(event)))
  );
  return h("ol", { class: "events" }, lines, events.length > most && h("li", {}, `${number(events.length - most)} more are not shown`));
}
