// What the page has in it: an index of all recordings, and each of them, compressed until it is opened.

function bytesOfBase64(text) {
  const binary = atob(text);
  const bytes = new Uint8Array(binary.length);
  for (let place = 0; place < binary.length; place++) bytes[place] = binary.charCodeAt(place);
  return bytes;
}

async function inflated(packed) {
  const stream = new Blob([bytesOfBase64(packed)]).stream().pipeThrough(new DecompressionStream("deflate-raw"));
  return new Response(stream).text();
}

/** The recording at that place of a text: each has a line for its head, and one for all of its events. */
function recordingOf(text, place = 0) {
  const [head, events] = text.split("\n", 2 * place + 2).slice(-2);
  return { ...JSON.parse(head), events: JSON.parse(events) };
}

const loaded = new Promise((resolve) => {
  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", resolve, { once: true });
  else resolve();
});

let firsts = []; // the numbers of the recordings that begin a block

/** The recording with that number, of those that are in the page. */
async function loadHere(id) {
  const first = firsts.findLast((number) => number <= id);
  if (!one(`r${first}`)?.nextSibling) await loaded; // the list is there before all of the page is
  return recordingOf(await inflated(one(`r${first}`).textContent), id - first);
}

/** The tests of the index. */
async function index() {
  const { names, blocks, rows } = JSON.parse(await inflated(one("index").textContent));
  firsts = blocks;
  return testsOf(
    rows.map(([title, outcome, took, began, place, cause, servers, faults, swept, files], id) => ({
      id, title, outcome, seconds: took, began, place, cause, swept, files,
      servers: servers.map((name) => names[name]), faults: faults.map((name) => names[name]),
    }))
  );
}

/** The tests of rows, a name once: the runs of each, and what they came to together. */
function testsOf(rows) {
  const tests = new Map();
  for (const { title, servers, faults, swept, ...run } of rows) {
    const test = tests.get(title) ?? { title, runs: [], servers: new Set(), faults: new Set(), swept: "" };
    tests.set(title, test);
    test.runs.push(run);
    test.swept = test.swept || swept;
    for (const name of servers) test.servers.add(name);
    for (const name of faults) test.faults.add(name);
  }
  return [...tests.values()].map(summed);
}

function summed(test) {
  const worst = test.runs.find((run) => run.outcome === "running") ?? test.runs.find((run) => run.outcome === "failed") ?? test.runs.at(-1);
  test.outcome = worst.outcome || "other";
  test.cause = [test.swept, worst.cause].filter(Boolean).join(": ");
  test.worst = worst;
  test.seconds = test.runs[0].place ? worst.seconds : test.runs.reduce((sum, run) => sum + (run.place ? 0 : run.seconds), 0);
  test.words = [test.title, ...test.servers, ...test.faults, test.swept, ...test.runs.map((run) => run.cause)].join("\n").toLowerCase();
  return test;
}

/** The bytes of an event, as many as were kept. */
function dataOf(event) {
  if (event.base64 !== undefined) return bytesOfBase64(event.base64);
  return new TextEncoder().encode(event.data ?? "");
}

function joined(pieces) {
  const whole = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.length, 0));
  let place = 0;
  for (const piece of pieces) {
    whole.set(piece, place);
    place += piece.length;
  }
  return whole;
}
