// What is shown of the row that was chosen: a server, a connection or an exchange.

function details(of, select) {
  if (of.phases) return exchangeDetails(of, select);
  return of.server ? connectionDetails(of) : serverDetails(of);
}

function facts(pairs) {
  const given = pairs.filter(([, value]) => value !== undefined && value !== null && value !== "" && value !== false);
  return h("dl", { class: "facts" }, given.map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value))));
}

function problems(marks) {
  return marks.length > 0 && h("ul", { class: "problems" }, marks.slice(0, 50).map((mark) =>
    h("li", {}, h("i", { class: `sign ${mark.kind}`, "aria-hidden": "true" }, SIGNS[mark.kind]), ` ${mark.text} `, h("small", {}, `at ${seconds(mark.t)}`))));
}

function serverDetails(server) {
  return [
    facts([["kind", server.kind], ["url", server.url], ["TLS", server.tls ? "offered" : "no"], ["connections", number(server.connections.length)]]),
    server.inForce.length > 0 && [h("h3", {}, "Faults in force"), h("ul", { class: "plain" }, server.inForce.map((span) =>
      h("li", {}, h("code", {}, span.fault), ` from ${seconds(span.from)} to ${seconds(span.to)}`)))],
    problems(server.marks),
    h("h3", {}, "Events of the server itself"),
    server.events.length ? eventList(server.events) : h("p", { class: "note" }, "none"),
  ];
}

function connectionDetails(connection) {
  const shake = connection.handshake;
  const talk = connection.pieces.filter((piece) => piece.size);
  return [
    facts([
      ["server", connection.server.name],
      ["client", connection.client?.join(":")],
      ["opened", connection.before ? "before this test" : seconds(connection.opened)],
      ["closed", connection.closedBy ? `by ${connection.closedBy} at ${seconds(connection.closed)}` : "not in this recording"],
      ["received", octets(connection.received)],
      ["sent", octets(connection.sent)],
      ["delivered", connection.delivered < connection.sent && `${number(connection.delivered)} of ${octets(connection.sent)}, ${octets(connection.sent - connection.delivered)} not`],
    ]),
    problems(connection.marks),
    shake && [h("h3", {}, shake.failed ? "TLS handshake, failed" : "TLS handshake"), h("ul", { class: "plain" }, shake.steps.map((step) => h("li", {}, `${step.text} `, h("small", {}, `at ${seconds(step.t)}`))),
      shake.failed && connection.events.filter(({ event }) => event.event === "ended").slice(0, 1).map(({ event }) => h("li", { class: "bad" }, event.text)))],
    shake?.certificate && certificateFacts(shake.certificate),
    connection.exchanges.length === 0 && talk.length > 0 && h("div", { class: "sides" },
      side("From the client", connection, "upstream"), side("From the server", connection, "downstream")),
    h("h3", {}, "Events"),
    eventList(connection.events),
  ];
}

function certificateFacts(shown) {
  return [h("h3", {}, "Certificate of the server"), facts([
    ["names", shown.names.join(", ") || "none"],
    ["subject", shown.subject || "none"],
    ["issuer", shown.issuer],
    ["valid from", shown.not_before],
    ["valid until", shown.not_after],
    ["key", shown.key],
    ["digest", shown.digest],
    ["chain", shown.chain.join("; ") || "none is sent"],
    ["SHA-256", shown.sha256],
  ])];
}

function side(name, connection, way) {
  const whole = bytesOf(connection.pieces.filter((piece) => piece.side === way));
  const arrived = way === "upstream" ? unseen(connection) : null;
  if (way === "upstream") return h("section", {}, h("h3", {}, name), messageViews("received", whole), arrived);
  const got = deliveredOf(connection);
  return h("section", {}, h("h3", {}, name), answerViews(whole, got));
}

/** What came to the faults on the client's way and not past them. */
function unseen(connection) {
  const came = connection.events.filter(({ event }) => event.event === "arrived").map(({ event }) => ({ size: event.size, event }));
  const lost = connection.events.filter(({ event }) => event.event === "lost" && event.direction === "upstream").map(({ event }) => ({ size: dataOf(event).length, event }));
  if (sizeOf(came) > connection.received) return messageViews("as the client sent it", bytesOf(came));
  return lost.length > 0 && messageViews("lost", bytesOf(lost));
}

function deliveredOf(connection) {
  const before = connection.pieces.filter((piece) => piece.side === "downstream" && (connection.divided === null || piece.offset + piece.size <= connection.divided));
  const got = connection.events.filter(({ event }) => event.event === "delivered").map(({ event }) => ({ size: event.size, event }));
  return bytesOf([...before, ...got]);
}

/** An answer once, its end marked, where what arrived is its beginning; else what was sent and what arrived. */
function answerViews(sent, got) {
  const prefix = got.bytes.length <= sent.bytes.length && got.bytes.every((byte, place) => byte === sent.bytes[place]);
  if (prefix) return messageViews(got.bytes.length === sent.bytes.length ? "sent and delivered" : "sent", sent, { cut: sent.missing || got.missing ? sent.bytes.length : got.bytes.length });
  return [messageViews("as sent", sent, { other: got.bytes }), messageViews("as delivered", got, { other: sent.bytes })];
}

function exchangeDetails(exchange, select) {
  const { connection } = exchange;
  const times = Object.fromEntries(exchange.phases.map((phase) => [phase.kind, phase.to - phase.from]));
  const lost = exchange.swallowed || Math.max(0, exchange.sentSize - exchange.gotSize);
  const up = bytesOf(exchange.up);
  const came = bytesOf(exchange.arrived);
  const altered = came.bytes.length > 0 && (came.bytes.length !== up.bytes.length || came.bytes.some((byte, place) => byte !== up.bytes[place]));
  const down = bytesOf(exchange.down);
  return [
    facts([
      ["rule", exchange.rule ? h("code", {}, exchange.rule) : exchange.answered !== null && exchange.message === null && "none answered by name"],
      ["on", h("button", { type: "button", class: "link", onclick: () => select(`c${connection.key}`) }, `${connection.server.name}, connection ${connection.id}`)],
      ["began", seconds(exchange.from)],
      ["request", times.request > 0 && seconds(times.request)],
      ["waiting", times.waiting !== undefined && seconds(times.waiting)],
      ["held by faults", times.held > 0.0005 && seconds(times.held)],
      ["answer", times.body !== undefined && seconds(times.body)],
      ["sent", exchange.sentSize > 0 && octets(exchange.sentSize)],
      ["delivered", lost > 0 && `${number(exchange.gotSize)} of ${octets(exchange.sentSize)}, ${octets(lost)} lost or held`],
    ]),
    problems(exchange.marks),
    h("div", { class: "sides" },
      h("section", {}, h("h3", {}, "Request"),
        altered ? [messageViews("as the client sent it", came, { other: up.bytes }), messageViews("as received", up, { other: came.bytes })] : messageViews("received", up),
        !up.bytes.length && stated(exchange.request),
        decoded(exchange.request, up)),
      h("section", {}, h("h3", {}, "Answer"),
        exchange.down.length || exchange.gotAll.length ? answerViews(down, bytesOf(exchange.gotAll)) : h("p", { class: "note" }, exchange.message !== null ? "a message by itself" : "none was sent"),
        decoded(exchange.response, down))),
    Object.keys(exchange.facts).length > 0 && [h("h3", {}, "More"), h("pre", { tabindex: 0 }, JSON.stringify(exchange.facts, null, 2))],
    h("h3", {}, "Events"),
    eventList(connection.events.filter(({ t }) => t >= exchange.from && t <= exchange.to)),
  ];
}

/** A request whose bytes came along with others: as the server read it. */
function stated(request) {
  if (!request) return h("p", { class: "note" }, "its bytes came in one piece with those before");
  const lines = [`${request.method} ${request.target} HTTP/${request.version}`, ...(request.headers ?? []).map(([name, value]) => `${name}: ${value}`)];
  return [h("p", { class: "note" }, "its bytes came in one piece with those before; as the server read it:"), h("pre", { tabindex: 0 }, lines.join("\n"))];
}

/** A body without its transfer coding and content coding, where it had any. */
function decoded(message, raw) {
  const body = message?.body;
  if (!body || typeof body !== "object" || (body.data === undefined && body.base64 === undefined)) return null;
  const bytes = dataOf(body);
  const rest = raw.bytes.subarray(headEnd(raw.bytes));
  const same = bytes.length === rest.length && bytes.every((byte, place) => byte === rest[place]);
  return same || raw.missing || !bytes.length ? null : bytesView("body, decoded", bytes, { missing: body.missing ?? 0 });
}
