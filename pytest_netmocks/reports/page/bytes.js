// Bytes for a person: as text, as JSON, in hex, with what did not arrive marked.

const CAP = 64 * 1024; // bytes that are shown at first
const MOST = 4 * 1024 * 1024; // and of more than this never all

/** What the bytes are best shown as. */
function guess(bytes) {
  if (!bytes.length) return "text";
  let text;
  try {
    text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    return "hex";
  }
  if (/[\u0000-\u0008\u000e-\u001a\u001c-\u001f]/.test(text)) return "hex";
  return /^\s*[[{]/.test(text) && jsonOf(text) !== undefined ? "json" : "text";
}

function jsonOf(text) {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return undefined;
  }
}

/**
 * A view of bytes: `cut` of them arrived (all, unless said), `missing` more there were, which were not kept; bytes that
 * are not those of `other` are marked in hex.
 */
function bytesView(name, bytes, { cut = bytes.length, missing = 0, other = null, view = guess(bytes) } = {}) {
  if (!bytes.length && !missing) return null;
  let cap = CAP;
  const content = h("div", { class: "content" });
  const ways = ["text", ...(guess(bytes) === "json" ? ["json"] : []), "hex"];
  const buttons = ways.map((way) =>
    h("button", { type: "button", class: "way", "data-way": way, onclick: () => show(way) }, { text: "Text", json: "JSON", hex: "Hex" }[way]));
  const save = h("button", { type: "button", class: "way", onclick: () => saved(name, bytes) }, "Save");
  function show(way) {
    for (const button of buttons) button.setAttribute("aria-pressed", String(button.dataset.way === way));
    const shown = bytes.subarray(0, cap);
    const make = { text: textOf, json: jsonView, hex: hexOf }[way];
    fill(content, make(shown, Math.min(cut, shown.length), other), notes(shown));
  }
  function notes(shown) {
    const said = [];
    if (shown.length < bytes.length) {
      said.push(`the first ${number(shown.length)} of ${octets(bytes.length)} are shown `);
      if (cap < MOST) said.push(h("button", { type: "button", class: "way", onclick: () => ((cap = MOST), show(buttons.find((button) => button.ariaPressed === "true").dataset.way)) }, bytes.length > MOST ? "Show 4 MiB" : "Show all"));
    }
    if (missing) said.push(`${octets(missing)} more were not kept `);
    if (cut < bytes.length) said.push(`${octets(bytes.length - cut)} of these did not arrive `);
    return said.length > 0 && h("p", { class: "note" }, said.flatMap((text, place) => (place && typeof text === "string" ? ["\u00b7 ", text] : [text])));
  }
  show(ways.includes(view) ? view : "text");
  return h("div", { class: "bytes" },
    h("div", { class: "bar-of" }, h("h4", {}, name), h("span", { class: "size" }, octets(bytes.length + missing)), h("span", { class: "ways", role: "group", "aria-label": `Show ${name} as` }, buttons, save)),
    content);
}

function saved(name, bytes) {
  const url = URL.createObjectURL(new Blob([bytes], { type: "application/octet-stream" }));
  h("a", { href: url, download: `${name.replace(/\W+/g, "_")}.bin` }).click();
  URL.revokeObjectURL(url);
}

const decode = (bytes) => new TextDecoder().decode(bytes).replaceAll("\r\n", "\n");

function textOf(bytes, cut) {
  const rest = bytes.length > cut && h("del", { class: "undelivered", title: "did not arrive" }, decode(bytes.subarray(cut)));
  const text = decode(bytes.subarray(0, cut));
  return h("pre", { tabindex: 0 }, rest ? text : text.replace(/\n\n$/, "\n"), rest);
}

function jsonView(bytes, cut) {
  const pretty = jsonOf(new TextDecoder().decode(bytes));
  return pretty === undefined ? textOf(bytes, cut) : h("pre", { tabindex: 0 }, pretty);
}

/** Lines of 16 bytes; of long ones the first 4,096 lines, for each has several elements where something is marked. */
function hexOf(bytes, cut, other) {
  const pre = h("pre", { class: "hex", tabindex: 0 });
  const plain = [];
  const flush = () => plain.length && pre.append(plain.splice(0).join(""));
  for (let line = 0; line < bytes.length; line += 16) {
    const part = bytes.subarray(line, line + 16);
    const marked = line + part.length > cut || (other && differs(part, other, line));
    const address = `${line.toString(16).padStart(6, "0")}  `;
    if (!marked) {
      plain.push(`${address}${hexLine(part).padEnd(48)} ${asciiLine(part)}\n`);
      continue;
    }
    flush();
    const cells = [...part].map((byte, place) => {
      const at = line + place;
      const kind = at >= cut ? "undelivered" : other && other[at] !== byte ? "differs" : null;
      const text = `${byte.toString(16).padStart(2, "0")} `;
      return kind ? h("span", { class: kind }, text) : text;
    });
    add(pre, [address, cells, " ".repeat(48 - part.length * 3), ` ${asciiLine(part)}\n`]);
  }
  flush();
  return pre;
}

const hexLine = (part) => Array.from(part, (byte) => byte.toString(16).padStart(2, "0")).join(" ");
const asciiLine = (part) => Array.from(part, (byte) => (byte >= 32 && byte < 127 ? String.fromCharCode(byte) : ".")).join("");
const differs = (part, other, line) => part.some((byte, place) => other[line + place] !== byte);

/** Where a head of HTTP ends, 0 if there is none. */
function headEnd(bytes) {
  for (let place = 3; place < bytes.length; place++) {
    if (bytes[place] === 10 && bytes[place - 1] === 13 && bytes[place - 2] === 10 && bytes[place - 3] === 13) return place + 1;
  }
  return 0;
}

/** Views of one direction: head and body where it is HTTP, else all as one. */
function messageViews(name, { bytes, missing }, options = {}) {
  const start = new TextDecoder("latin1").decode(bytes.subarray(0, 200));
  const http = /^(HTTP\/\d|[!#$%&'*+.^_`|~\w-]+ \S+ HTTP\/\d)/.test(start);
  const end = http ? headEnd(bytes) : 0;
  if (!end) return [bytesView(name, bytes, { ...options, missing })];
  const cut = options.cut ?? bytes.length;
  const body = bytes.subarray(end);
  return [
    bytesView(`${name}: head`, bytes.subarray(0, end), { ...options, cut: Math.min(cut, end), view: "text" }),
    bytesView(`${name}: body`, body, { ...options, cut: Math.max(0, cut - end), missing, other: options.other?.subarray(end) }),
  ];
}
