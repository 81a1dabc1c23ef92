// The page while it happens: recordings come as server-sent events, and faults are put in force by hand.

const OFTEN = 250; // milliseconds between two drawings
const RECENT = 30000; // events of what goes on that are drawn: of more the newest

class Live {
  constructor() {
    this.recordings = new Map(); // by id: { row, packed } of what is over, { row, head, servers, events } of what goes on
    this.lost = 0;
    this.ids = 0;
    this.app = new App((id) => this.load(id), this);
    this.state = h("span", { class: "state", role: "status" }, "live");
    one("top").append(this.state);
    this.source = new EventSource(`events${location.search}`);
    this.source.addEventListener("message", (event) => this.hear(JSON.parse(event.data)));
    this.source.addEventListener("over", () => this.end("what was watched is over"));
    this.source.addEventListener("error", () => this.end("the connection is over"));
    this.draw();
  }

  /** It does not connect again by itself: that would begin from the beginning, with what is shown still there. */
  end(text) {
    this.source.close();
    for (const one of this.recordings.values()) if (one.row.outcome === "running") one.row.outcome = "other";
    fill(this.state, `${text}; what came is still here`);
    this.changed = true;
    this.draw();
  }

  async load(id) {
    const found = this.recordings.get(id);
    if (found.packed) return recordingOf(await inflated(found.packed));
    return { ...found.head, servers: found.servers, events: found.events.slice() };
  }

  hear(told) {
    if (told.lost) {
      this.lost += told.lost;
      fill(this.state, `live; ${counted(this.lost, "event")} came faster than could be shown and ${this.lost === 1 ? "is" : "are"} missing: load the page again`);
    } else if (told.begin) {
      const row = { id: `l${told.begin}`, title: told.head.title, outcome: "running", seconds: 0, began: told.head.began, place: told.head.place, cause: "", swept: "", files: [], servers: [], faults: [] };
      this.recordings.set(row.id, { row, head: told.head, servers: [], events: [] });
      this.changed = true;
    } else if (told.end) {
      const over = this.recordings.get(`l${told.end}`);
      if (over) over.row.outcome = "other"; // until it is said what it came to
      this.changed = true;
    } else if (told.done) {
      for (const [id, { row }] of this.recordings) if (row.title === told.done.title && String(id).startsWith("l")) this.recordings.delete(id);
      const id = this.ids++;
      this.recordings.set(id, { row: { ...told.done, id }, packed: told.packed });
      this.changed = true;
    } else this.more(told);
    this.soon();
  }

  more(told) {
    const found = this.recordings.get(`l${told.of}`);
    if (!found) return;
    if (told.server) {
      found.servers.push(told.server);
      found.row.servers.push(told.server.name);
      this.changed = true;
    } else {
      found.events.push(...told.events);
      if (found.events.length > RECENT) found.events.splice(0, found.events.length - RECENT);
      for (const event of told.events) {
        const name = (event.event === "in_force" || event.event === "struck") && event.fault.split("(")[0];
        if (name && !found.row.faults.includes(name)) {
          found.row.faults.push(name);
          this.changed = true;
        }
      }
    }
    found.fresh = true;
  }

  soon() {
    if (this.due) return;
    // However long a drawing takes, most of the time is the person's.
    this.due = setTimeout(() => {
      this.due = 0;
      const begin = performance.now();
      this.draw().then(() => (this.pause = Math.max(OFTEN, 4 * (performance.now() - begin))));
    }, this.pause ?? OFTEN);
  }

  async draw() {
    if (this.changed || !this.app.tests.length) {
      this.changed = false;
      this.app.set(testsOf([...this.recordings.values()].map((one) => one.row)));
      const first = this.app.list.rows.rows[0]?.test;
      if (!location.hash && first && matchMedia("(min-width: 861px)").matches) await this.app.go({ test: first.title }, true);
      else await this.app.follow();
    }
    const view = this.app.view;
    const shown = view && this.recordings.get(view.run.id);
    if (!view?.story || !shown?.fresh) return;
    shown.fresh = false;
    view.renew(await this.load(view.run.id));
    this.opened(view);
  }

  // Faults by hand

  /** The place of a test's faults; nothing for what is over. */
  panel(view) {
    if (view.run.outcome !== "running") return null;
    this.forces = h("ul", { class: "plain forces" });
    this.answer = h("p", { class: "note", role: "status" });
    const server = h("select", { "aria-label": "Server" });
    const fault = h("input", { type: "text", placeholder: "Latency(0.5), or Reset(after_bytes=100), first=2", "aria-label": "Fault", spellcheck: "false" });
    const form = h("form", { class: "inject", onsubmit: (event) => {
      event.preventDefault();
      this.ask("inject", { server: Number(server.value), fault: fault.value }, `${fault.value} is in force`);
    } }, server, fault, h("button", {}, "Put in force"));
    this.servers = server;
    return h("section", { class: "byhand", "aria-label": "Faults in force" }, this.forces, form, this.answer);
  }

  /** A test's view was drawn: what is in force on its servers. */
  opened(view) {
    if (view.run.outcome !== "running" || !this.forces) return;
    const chosen = this.servers.value;
    const ids = view.story.servers.map((server) => String(server.id)).join();
    if (this.servers.dataset.ids !== ids) {
      this.servers.dataset.ids = ids;
      fill(this.servers, view.story.servers.map((server) => h("option", { value: server.id, selected: String(server.id) === chosen }, server.name)));
    }
    const there = view.story.servers.flatMap((server) => server.inForce.filter((span) => !span.lifted).map((span) => ({ server, span })));
    const key = there.map(({ server, span }) => `${server.id}.${span.number}`).join();
    if (this.forces.dataset.key === key) return;
    this.forces.dataset.key = key;
    fill(this.forces, there.map(({ server, span }) =>
      h("li", {}, h("code", {}, span.fault), ` on ${server.name} `,
        h("button", { type: "button", class: "way", "aria-label": `Lift ${span.fault}`, onclick: () => this.ask("lift", { server: server.id, injection: span.number }, `${span.fault} is lifted`) }, "Lift"))));
  }

  async ask(what, body, said) {
    try {
      const answer = await fetch(`${what}${location.search}`, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });
      const { error } = await answer.json();
      fill(this.answer, error ?? said);
    } catch {
      fill(this.answer, "nobody answers: what was watched is over");
    }
  }
}
