// The waterfall: a row for each server, connection and exchange, on one axis of time.

const PHASES = {
  open: "open, before the first byte", tls: "TLS handshake", request: "request", waiting: "waiting for the answer", held: "held by a fault",
  body: "answer, from its first byte", gone: "lost", stopped: "not finished", closing: "closing", idle: "open, idle",
};
const SIGNS = { struck: "\u25c6", lost: "\u2715", reset: "\u2716", failed: "!", unmatched: "?" };
const MANY = 300; // rows: with more the connections are closed at first

class Waterfall {
  constructor(scroller, story, virtual, open) {
    this.story = story;
    this.virtual = virtual;
    this.axis = axisOf(story, virtual);
    this.closed = new Set();
    this.selected = "";
    const exchanges = story.servers.reduce((sum, server) => sum + server.exchanges.size, 0);
    if (exchanges > MANY) for (const server of story.servers) for (const one of server.connections) this.closed.add(`c${one.key}`);
    this.host = h("div", { class: "rows", role: "treegrid", "aria-label": "What happened, by server, connection and exchange" });
    this.rows = new Rows(scroller, this.host, { open, extra: (row, key) => this.fold(row, key) });
    this.narrow = matchMedia("(max-width: 720px)");
  }

  element() {
    this.times = h("span", { class: "bars" }, this.scale());
    this.key = h("p", { class: "legend", "aria-hidden": "true" }, this.legend());
    return h("div", { class: "waterfall" },
      h("div", { class: "axis", "aria-hidden": "true" }, h("span", { class: "label" }, "time since the first event"), this.times, h("span", { class: "took" })),
      this.host, this.key);
  }

  renew(story) {
    this.story = story;
    this.axis = axisOf(story, this.virtual);
    fill(this.times, this.scale());
    fill(this.key, this.legend());
    const focused = this.host.contains(document.activeElement);
    const at = this.rows.rows[this.rows.current]?.key;
    this.draw();
    this.rows.current = Math.max(0, this.rows.rows.findIndex((row) => row.key === at));
    this.rows.again();
    if (focused) this.rows.shown.get(this.rows.current).focus({ preventScroll: true });
  }

  scale() {
    const ticks = this.axis.ticks.map((tick) => h("span", { class: "tick", style: { left: percent(tick.x) } }, tick.text));
    const folds = this.axis.folds.map((fold) =>
      h("span", { class: "foldtext", style: { left: percent(fold.x), width: percent(fold.width) }, title: `${seconds(fold.to - fold.from)} in which nothing happened` }, seconds(fold.to - fold.from)));
    return [ticks, folds];
  }

  legend() {
    const used = new Set(["idle"]);
    const signs = new Map();
    const sides = new Set();
    for (const server of this.story.servers) {
      for (const connection of server.connections) {
        for (const part of barsOf(connection)) used.add(part.kind);
        for (const piece of connection.pieces) sides.add(piece.side);
        for (const exchange of connection.exchanges) for (const part of exchange.phases) if (part.to > part.from) used.add(part.kind);
        for (const mark of connection.marks) signs.set(mark.kind, SIGNS[mark.kind]);
      }
    }
    const names = { struck: "a fault strikes", lost: "bytes are lost", reset: "RST", failed: "a handler raised", unmatched: "no rule matched" };
    return [
      ...Object.keys(PHASES).filter((kind) => used.has(kind)).map((kind) => h("span", {}, h("i", { class: `swatch ${kind}` }), PHASES[kind])),
      ...Object.keys(SIDES).filter((side) => sides.has(side)).map((side) => h("span", {}, h("i", { class: `swatch ${side}` }), `bytes, ${SIDES[side]}`)),
      ...[...signs].map(([kind, sign]) => h("span", {}, h("i", { class: `sign ${kind}` }, sign), names[kind])),
    ];
  }

  draw(selected) {
    this.selected = selected ?? this.selected;
    const list = [];
    for (const server of this.story.servers) {
      list.push(this.row(`s${server.id}`, 1, server, server.connections.length));
      if (this.closed.has(`s${server.id}`)) continue;
      for (const connection of server.connections) {
        list.push(this.row(`c${connection.key}`, 2, connection, connection.exchanges.length));
        if (this.closed.has(`c${connection.key}`)) continue;
        for (const exchange of connection.exchanges) list.push(this.row(`x${exchange.key}`, 3, exchange, 0));
      }
    }
    this.host.setAttribute("aria-rowcount", list.length);
    list.forEach((row, place) => (row.place = place + 1));
    this.rows.set(list, this.selected || list[0]?.key);
  }

  row(key, level, of, children) {
    const row = { key, level, of, children, height: this.narrow.matches ? 44 : 26 };
    row.make = () => {
      const { name, more, took, bars, label } = [null, serverRow, connectionRow, exchangeRow][level](of, this.axis);
      const open = children ? String(!this.closed.has(key)) : undefined;
      return h("div", { class: `row level${level}`, role: "row", "aria-level": level, "aria-expanded": open, "aria-selected": String(key === this.selected), "aria-rowindex": row.place, "aria-label": label, "data-key": key },
        h("span", { class: "label", role: "gridcell" },
          h("span", { class: "twist", "aria-hidden": "true", onclick: (event) => (event.stopPropagation(), this.fold(row, open === "true" ? "ArrowLeft" : "ArrowRight")) }, open === undefined ? "" : open === "true" ? "\u25be" : "\u25b8"),
          h("span", { class: "name" }, name), more && h("small", {}, more)),
        h("span", { class: "bars", role: "gridcell", "aria-hidden": "true" }, this.axis.folds.map((fold) => h("i", { class: "fold", style: { left: percent(fold.x), width: percent(fold.width) } })), bars),
        h("span", { class: "took", role: "gridcell" }, took));
    };
    return row;
  }

  fold(row, key) {
    if (key === "ArrowRight" && row.children) this.closed.delete(row.key);
    else if (key === "ArrowLeft" && row.children && !this.closed.has(row.key)) this.closed.add(row.key);
    else return false;
    const focused = this.host.contains(document.activeElement);
    this.draw();
    const place = this.rows.rows.findIndex((one) => one.key === row.key);
    this.rows.go(place, focused);
    return true;
  }

  /** Show a row, those that it is in opened. */
  reveal(key, focus) {
    const exchange = this.story.servers.flatMap((server) => [...server.exchanges.values()]).find((one) => `x${one.key}` === key);
    if (exchange) this.closed.delete(`c${exchange.connection.key}`);
    this.draw(key);
    const place = this.rows.rows.findIndex((row) => row.key === key);
    if (place >= 0) this.rows.go(place, focus);
    return place >= 0 ? this.rows.rows[place].of : null;
  }
}

const percent = (part) => `${(part * 100).toFixed(3)}%`;

function bar(axis, { kind, from, to, title }) {
  const left = axis.place(from);
  return h("i", { class: `bar ${kind}`, style: { left: percent(left), width: percent(Math.max(0, axis.place(to) - left)) }, title: title ?? `${PHASES[kind] ?? kind}: ${seconds(to - from)}` });
}

/** What is to be seen at a time; marks that are near stand side by side. */
function signs(axis, marks) {
  const groups = [];
  for (const mark of marks) {
    const x = axis.place(mark.t);
    const group = groups.at(-1);
    if (group && x - group.x < 0.02) group.marks.push(mark);
    else groups.push({ x, marks: [mark] });
  }
  return groups.slice(0, 60).map(({ x, marks: near }) => {
    const kinds = [...new Set(near.map((mark) => mark.kind))];
    const title = near.slice(0, 8).map((mark) => `${mark.text} (at ${seconds(mark.t)})`).join("\n");
    return h("span", { class: "signs", style: { left: percent(x) }, title }, kinds.map((kind) => h("i", { class: `sign ${kind}` }, SIGNS[kind])));
  });
}

function serverRow(server, axis) {
  const bars = server.inForce.map((span) => add(bar(axis, { kind: "inforce", from: span.from, to: span.to, title: `${span.fault} is in force` }), [span.fault]));
  const faults = server.inForce.map((span) => span.fault);
  return {
    name: server.name, more: server.url, took: "", bars: [bars, signs(axis, server.marks)],
    label: `server ${server.name}, ${server.kind}, ${counted(server.connections.length, "connection")}${faults.length ? `, faults: ${faults.join(", ")}` : ""}`,
  };
}

/** The parts of a connection's bar. */
function barsOf(connection) {
  const parts = [];
  const shake = connection.handshake;
  const first = Math.min(...connection.pieces.slice(0, 1).map((piece) => piece.t), connection.ending ?? Infinity, connection.to);
  parts.push({ kind: "open", from: connection.opened, to: shake ? Math.min(shake.steps[0]?.t ?? shake.to, shake.to) : first });
  if (shake) parts.push({ kind: "tls", from: parts[0].to, to: shake.to, title: shake.failed ? `TLS handshake, failed after ${seconds(shake.to - shake.from)}` : undefined });
  if (connection.ending !== null && connection.closed !== null && connection.closed > connection.ending) parts.push({ kind: "closing", from: connection.ending, to: connection.closed });
  for (const hold of connection.held) parts.push({ kind: "held", from: hold.from, to: hold.to, title: `${octets(hold.size)} held for ${seconds(hold.to - hold.from)}${hold.released ? "" : ", never released"}: ${hold.faults.join(", ")}` });
  const shown = parts.filter((part) => part.to > part.from);
  for (const lost of connection.lost) shown.push({ kind: "gone", from: lost.t, to: lost.to, title: `${octets(lost.size)} lost, ${SIDES[lost.side]}, by ${lost.fault}` });
  return shown;
}

function connectionRow(connection, axis) {
  const faults = connection.marks.filter((mark) => mark.kind === "struck" || mark.kind === "reset").map((mark) => mark.text);
  const over = connection.closedBy ? `closed by ${connection.closedBy}` : "still open";
  const left = axis.place(connection.opened);
  const line = h("i", { class: "line", style: { left: percent(left), width: percent(axis.place(connection.to) - left) } });
  return {
    name: `#${connection.id}`,
    more: [connection.client && connection.client.join(":"), connection.closedBy === "fault" && "cut by a fault"].filter(Boolean).join(", "),
    took: seconds(connection.to - connection.opened),
    bars: [line, barsOf(connection).map((part) => bar(axis, part)), pieceMarks(connection, axis), signs(axis, connection.marks)],
    label: [`connection ${connection.id}`, `from ${seconds(connection.opened)} for ${seconds(connection.to - connection.opened)}`, over, counted(connection.exchanges.length, "exchange"), ...faults].join(", "),
  };
}

/** A tick for each piece of data: above the line what the client sends, below what the server does; what is near is one. */
function pieceMarks(connection, axis) {
  const seen = new Set();
  const made = [];
  for (const piece of connection.pieces) {
    const x = axis.place(piece.t);
    const key = `${piece.side}${Math.round(x * 500)}`;
    if (seen.has(key) || !piece.size) continue;
    seen.add(key);
    made.push(h("i", { class: `piece ${piece.side}`, style: { left: percent(x) }, title: `${octets(piece.size)} ${SIDES[piece.side]} at ${seconds(piece.t)}` }));
  }
  return made;
}

/** Where the rest of an answer waited at a fault. */
function heldWithin(exchange) {
  const body = exchange.phases.find((phase) => phase.kind === "body");
  if (!body) return [];
  return exchange.connection.held
    .filter((hold) => hold.side === "downstream")
    .map((hold) => ({ kind: "held", from: Math.max(hold.from, body.from), to: Math.min(hold.to, exchange.to) }))
    .filter((part) => part.to > part.from);
}

function exchangeRow(exchange, axis) {
  const parts = exchange.phases.filter((phase) => phase.to > phase.from);
  const x = axis.place(exchange.from);
  const dot = exchange.message !== null || !parts.length;
  const bars = dot
    ? h("i", { class: `dot ${exchange.title.startsWith("<") ? "downstream" : "upstream"}`, style: { left: percent(axis.place(exchange.to)) }, title: exchange.title })
    : [h("i", { class: "bar least", style: { left: percent(x) } }), parts.map((phase) => bar(axis, phase)), heldWithin(exchange).map((part) => bar(axis, part))];
  const lost = exchange.swallowed ? `${octets(exchange.swallowed)} lost` : "";
  return {
    name: exchange.title.replace(" -> ", " \u2192 ").replace(/ by when\(.*$/, ""), more: lost, took: seconds(exchange.to - exchange.from), bars: [bars, signs(axis, exchange.marks)],
    label: [exchange.title, `at ${seconds(exchange.from)}`, ...parts.map((phase) => `${PHASES[phase.kind]} ${seconds(phase.to - phase.from)}`), lost, ...exchange.marks.map((mark) => mark.text)].filter(Boolean).join(", "),
  };
}
