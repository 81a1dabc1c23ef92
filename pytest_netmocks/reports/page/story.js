// From events to what is drawn: servers, their connections, the exchanges of each, and what faults did to them.

/** The story of a recording. Times are seconds since its first event. */
function storyOf(recording) {
  const began = new Map(recording.servers.map((server) => [server.id, server.began]));
  const at = (event) => (began.get(event.server) ?? recording.began) + event.at;
  const origin = recording.events.reduce((least, event) => Math.min(least, at(event)), Infinity);
  const servers = new Map(
    recording.servers.map((server) => [server.id, { ...server, connections: [], events: [], marks: [], inForce: [], exchanges: new Map() }])
  );
  const story = { servers: [...servers.values()], times: [], end: 0 };
  const connections = new Map();
  for (const event of recording.events) {
    const t = at(event) - origin;
    story.times.push(t);
    story.end = Math.max(story.end, t);
    const server = servers.get(event.server);
    if (!server) continue;
    if (event.connection === undefined) {
      ofServer(server, event, t);
      continue;
    }
    const key = `${event.server}.${event.connection}`;
    if (!connections.has(key)) {
      connections.set(key, newConnection(server, event, t));
      server.connections.push(connections.get(key));
    }
    ofConnection(connections.get(key), event, t);
  }
  for (const server of story.servers) {
    for (const span of server.inForce) {
      span.lifted = span.to !== null;
      span.to ??= story.end;
    }
    for (const connection of server.connections) finish(connection, story.end);
  }
  story.times.sort((a, b) => a - b);
  return story;
}

function newConnection(server, event, t) {
  return {
    server, id: event.connection, key: `${server.id}.${event.connection}`, opened: t, closed: null, events: [], marks: [], pieces: [],
    exchanges: [], holds: [], held: [], lost: [], handshake: null, ending: null,
    received: 0, sent: 0, delivered: 0, gone: 0, divided: null,
    coming: [], arriving: [], speaking: null, answering: [],
  };
}

const MARKS = { struck: "struck", failed: "failed", unmatched: "unmatched", lost: "lost", swallowed: "lost" };

function ofServer(server, event, t) {
  server.events.push({ t, event });
  if (event.event === "in_force") server.inForce.push({ from: t, to: null, fault: event.fault, number: event.injection });
  if (event.event === "lifted") {
    const span = server.inForce.find((one) => one.number === event.injection && one.to === null);
    if (span) span.to = t;
  }
  if (MARKS[event.event]) server.marks.push({ t, kind: MARKS[event.event], text: lineOf(event) });
}

function ofConnection(connection, event, t) {
  connection.events.push({ t, event });
  connection.last = t;
  const lost = connection.lost.at(-1);
  if (lost && lost.to === null) lost.to = t; // until something else happened
  const hear = HEARD[event.event];
  if (hear) hear(connection, event, t);
  if (MARKS[event.event]) mark(connection, { t, kind: MARKS[event.event], text: lineOf(event) });
}

function mark(connection, made) {
  connection.marks.push(made);
  const exchange = connection.answering[0] ?? connection.exchanges.findLast((one) => one.done === null && one.message === null);
  if (exchange) exchange.marks.push(made);
}

/** Faults stand between from here on: what was sent before has been delivered. */
function divide(connection, offset) {
  connection.divided ??= offset;
}

const HEARD = {
  opened: (connection, event, t) => {
    connection.opened = t;
    connection.client = event.client;
    connection.address = event.address;
    connection.before = event.text.startsWith("open since before");
  },
  handshake: (connection, event, t) => {
    connection.handshake ??= { from: connection.opened, to: null, failed: false, steps: [] };
    connection.handshake.steps.push({ t, text: event.text, step: event.step });
    connection.handshake.certificate ??= event.certificate;
    if (event.step === "complete" || event.step === "failed") connection.handshake.to ??= t;
    if (event.step === "failed") connection.handshake.failed = true;
  },
  received: (connection, event, t) => {
    const piece = { t, side: "upstream", size: event.size, offset: event.offset, event };
    connection.received += event.size;
    connection.pieces.push(piece);
    connection.coming.push(piece);
    release(connection, "upstream", event.offset + event.size, t);
  },
  unread: (connection, event) => {
    connection.received -= event.size;
    let left = event.size;
    for (const piece of connection.pieces.filter((one) => one.side === "upstream").reverse()) {
      const gone = Math.min(left, piece.size);
      piece.size -= gone;
      left -= gone;
    }
    connection.coming = connection.coming.filter((piece) => piece.size > 0);
  },
  arrived: (connection, event, t) => connection.arriving.push({ t, size: event.size, event }),
  sent: (connection, event, t) => {
    const piece = { t, side: "downstream", size: event.size, offset: event.offset, event };
    connection.sent += event.size;
    connection.pieces.push(piece);
    if (connection.speaking) connection.speaking.down.push(piece);
  },
  delivered: (connection, event, t) => {
    divide(connection, event.offset);
    connection.delivered = event.offset + event.size;
    const exchange = connection.answering[0] ?? connection.speaking;
    if (exchange) exchange.got.push({ t, size: event.size, event });
    release(connection, "downstream", event.offset + event.size + connection.gone, t);
  },
  held: (connection, event, t) => {
    if (event.direction === "downstream" && event.layer === "application") divide(connection, event.offset);
    connection.holds.push({ from: t, to: null, side: event.direction, end: event.offset + event.size, size: event.size, faults: event.faults });
  },
  swallowed: (connection, event, t) => {
    connection.lost.push({ t, to: null, side: event.direction, size: event.size, fault: event.fault });
    if (event.direction !== "downstream" || event.layer !== "application") return;
    divide(connection, event.offset);
    connection.gone += event.size;
    const exchange = connection.answering[0] ?? connection.speaking;
    if (exchange) exchange.swallowed += event.size;
    release(connection, "downstream", event.offset + connection.gone, t);
  },
  exchange: ofExchange,
  ended: (connection, event, t) => {
    connection.ending ??= t;
    if (event.sign === "RST") mark(connection, { t, kind: "reset", text: lineOf(event) });
    const handshake = connection.handshake;
    if (handshake && handshake.to === null) Object.assign(handshake, { to: t, failed: true });
  },
  closed: (connection, event, t) => {
    connection.closed = t;
    connection.closedBy = event.by;
  },
};

function release(connection, side, until, t) {
  for (const hold of connection.holds) {
    if (hold.to === null && hold.side === side && hold.end <= until) hold.to = t;
  }
}

function ofExchange(connection, event, t) {
  const known = connection.server.exchanges;
  if (!known.has(event.exchange)) {
    const made = {
      connection, id: event.exchange, key: `${connection.server.id}.${event.exchange}`, title: "", kind: "", first: t,
      begun: null, body: null, answered: null, done: null, message: null, rule: null, up: [], arrived: [], down: [], got: [],
      swallowed: 0, marks: [],
    };
    known.set(event.exchange, made);
    connection.exchanges.push(made);
  }
  const exchange = known.get(event.exchange);
  for (const name of ["title", "kind", "rule", "request", "response"]) exchange[name] = event[name] ?? exchange[name];
  exchange.facts = { ...exchange.facts, ...others(event) };
  const mine = exchange.connection === connection;
  if (event.phase !== "delivered" && mine) takeUp(connection, exchange, event);
  if (event.phase === "begun") exchange.begun ??= t;
  if (event.phase === "body") exchange.body ??= t;
  if (event.phase === "message") {
    exchange.message = t;
    if (event.title.startsWith("<")) connection.speaking = exchange;
  }
  if (event.phase === "answered") {
    exchange.answered ??= t;
    connection.speaking = exchange;
    if (!connection.answering.includes(exchange)) connection.answering.push(exchange);
  }
  if (event.phase === "delivered") {
    exchange.done = t;
    connection.answering = connection.answering.filter((one) => one !== exchange);
    if (connection.speaking === exchange) connection.speaking = null;
  }
}

/** What came since the exchange before is of this one, unless it is a message that the server sends. */
function takeUp(connection, exchange, event) {
  if (event.phase === "message" && event.title.startsWith("<")) return;
  exchange.up.push(...connection.coming);
  exchange.arrived.push(...connection.arriving);
  connection.coming = [];
  connection.arriving = [];
}

const COMMON = new Set(["server", "at", "event", "connection", "exchange", "phase", "kind", "title", "rule", "request", "response"]);

function others(event) {
  return Object.fromEntries(Object.entries(event).filter(([name]) => !COMMON.has(name)));
}

/** What can be said when all has been heard. */
function finish(connection, end) {
  const over = connection.closed ?? end;
  connection.to = Math.max(over, connection.last ?? 0);
  for (const lost of connection.lost) lost.to ??= connection.to;
  connection.held = connection.holds.map((hold) => ({ ...hold, to: hold.to ?? over, released: hold.to !== null }));
  if (connection.divided === null) connection.delivered = connection.sent;
  const handshake = connection.handshake;
  if (handshake && handshake.to === null) handshake.to = connection.pieces[0]?.t ?? over;
  for (const exchange of connection.exchanges) {
    exchange.from = exchange.up[0]?.t ?? exchange.first;
    const whole = exchange.begun === null && exchange.answered === null ? exchange.body : null; // nobody answers it by itself
    exchange.to = exchange.done ?? exchange.message ?? whole ?? Math.max(over, exchange.from);
    exchange.sentSize = sizeOf(exchange.down);
    const before = exchange.down.filter((piece) => connection.divided === null || piece.offset + piece.size <= connection.divided);
    exchange.gotAll = [...before, ...exchange.got];
    exchange.gotSize = sizeOf(exchange.gotAll);
    if (!exchange.title) exchange.title = firstLine(exchange.up) || firstLine(exchange.down) || exchange.kind || "exchange";
    exchange.phases = phasesOf(exchange);
  }
}

const sizeOf = (pieces) => pieces.reduce((sum, piece) => sum + piece.size, 0);

function firstLine(pieces) {
  return pieces.length ? new TextDecoder().decode(dataOf(pieces[0].event).subarray(0, 200)).split(/\r?\n/)[0] : "";
}

/** The bytes of pieces one behind the other, and how many of them were not kept. */
function bytesOf(pieces) {
  const parts = pieces.map((piece) => dataOf(piece.event).subarray(0, piece.size));
  const bytes = joined(parts);
  return { bytes, missing: sizeOf(pieces) - bytes.length };
}

function phasesOf(exchange) {
  const phases = [];
  const phase = (kind, from, to) => to !== null && from !== null && to >= from && phases.push({ kind, from, to });
  if (exchange.message !== null) {
    phase(exchange.title.startsWith("<") ? "body" : "request", exchange.from, exchange.message);
    return phases;
  }
  const asked = exchange.body ?? exchange.begun ?? exchange.from;
  phase("request", exchange.from, asked);
  phase("waiting", asked, exchange.answered ?? exchange.to);
  if (exchange.answered === null) return phases;
  const first = exchange.gotAll[0]?.t ?? null;
  const last = exchange.done ?? exchange.gotAll.at(-1)?.t ?? null;
  const held = exchange.got.length > 0 && exchange.gotAll[0] === exchange.got[0];
  if (held || first === null) phase(exchange.swallowed && first === null ? "gone" : "held", exchange.answered, first ?? exchange.to);
  if (first !== null) phase("body", held ? first : exchange.answered, Math.max(last, first));
  if (exchange.done === null && first !== null) phase(exchange.swallowed ? "gone" : "stopped", last, exchange.to);
  return phases;
}
