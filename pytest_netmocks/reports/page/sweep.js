// The strip of a sweep: every place that was tried, by fault, connection and direction; one can be gone to and opened.

const CAME_TO = { p: "passed", f: "failed", n: "not reached" };

class Strip {
  constructor(sweep, runs, open) {
    this.sweep = sweep;
    this.runs = new Map(runs.filter((run) => run.place).map((run) => [run.place, run]));
    this.open = open;
    this.told = h("p", { class: "told", role: "status" });
  }

  element(current) {
    const { places, tried, failed, not_reached: missed, ended_early: early, warning } = this.sweep;
    const sums = [`${number(tried)} of ${counted(places, "place")} tried`, `${number(failed)} failed`, missed && `${number(missed)} not reached`, early];
    const rows = this.sweep.rows.filter((row) => row.at.length).slice(0, 60);
    return h("section", { class: "sweep", "aria-label": "Sweep" },
      h("h3", {}, "Sweep"), h("p", {}, sums.filter(Boolean).join(", ")), warning && h("p", { class: "note" }, warning),
      rows.map((row) => this.row(row, current)), this.sweep.rows.length > rows.length && h("p", { class: "note" }, `${number(this.sweep.rows.length - rows.length)} more rows are not shown`),
      this.told,
      h("p", { class: "legend", "aria-hidden": "true" }, Object.entries(CAME_TO).map(([letter, text]) => h("span", {}, h("i", { class: `swatch place ${letter}` }), text))));
  }

  row(row, current) {
    const size = Math.max(1, row.last - row.first + 1);
    const x = (at) => (at - row.first) / size;
    const line = h("div", { class: "places", role: "slider", tabindex: 0, "aria-label": `places of ${row.fault} on ${row.server}, ${SIDES[row.direction]}`, "aria-valuemin": row.first, "aria-valuemax": row.last });
    // What was tried is solid; up to the next place that was, the same colour is pale.
    let from = 0;
    for (let i = 1; i <= row.at.length; i++) {
      if (i < row.at.length && row.outcomes[i] === row.outcomes[from]) continue;
      const to = i < row.at.length ? row.at[i] : row.last + 1;
      line.append(h("i", { class: `place pale ${row.outcomes[from]}`, style: { left: percent(x(row.at[from])), width: percent(Math.max(0, (to - row.at[from]) / size)) } }));
      from = i;
    }
    const near = new Set();
    row.at.forEach((at, i) => {
      const key = `${row.outcomes[i]}${Math.round(x(at) * 400)}`;
      if (near.has(key)) return;
      near.add(key);
      line.append(h("i", { class: `place ${row.outcomes[i]}`, style: { left: percent(x(at)), width: percent(1 / size) } }));
    });
    const cursor = h("i", { class: "cursor" });
    line.append(cursor);
    let now = Math.max(0, row.at.findIndex((at) => `${row.id}:${at}` === current));
    cursor.hidden = `${row.id}:${row.at[now]}` !== current;
    const go = (place) => {
      now = Math.max(0, Math.min(row.at.length - 1, place));
      cursor.hidden = false;
      cursor.style.left = percent(x(row.at[now]));
      const said = this.say(row, now);
      line.setAttribute("aria-valuenow", row.at[now]);
      line.setAttribute("aria-valuetext", said);
    };
    if (!cursor.hidden) go(now);
    line.addEventListener("keydown", (event) => {
      const ways = { ArrowRight: now + 1, ArrowLeft: now - 1, Home: 0, End: row.at.length - 1, ArrowDown: this.next(row, now, 1), ArrowUp: this.next(row, now, -1) };
      if (event.key in ways) go(ways[event.key]);
      else if (event.key === "Enter") this.enter(row, now);
      else return;
      event.preventDefault();
      event.stopPropagation();
    });
    line.addEventListener("click", (event) => {
      const box = line.getBoundingClientRect();
      const wanted = row.first + ((event.clientX - box.left) / box.width) * size;
      const place = row.at.findLastIndex((at) => at <= wanted);
      go(place < 0 ? 0 : place);
      this.enter(row, now);
    });
    const where = [row.server, row.connection && `connection ${row.connection}`, SIDES[row.direction], `${row.kind}s ${number(row.first)} to ${number(row.last)}`, row.layer === "tls" && "cipher text", row.after && `after ${row.after}`];
    return h("div", { class: "sweeprow" }, h("div", { class: "what" }, h("code", {}, row.fault), ` ${where.filter(Boolean).join(", ")}`), line);
  }

  /** The next place that came to something else. */
  next(row, now, step) {
    for (let i = now + step; i >= 0 && i < row.at.length; i += step) if (row.outcomes[i] !== row.outcomes[now]) return i;
    return now;
  }

  say(row, now) {
    const id = `${row.id}:${row.at[now]}`;
    const error = row.errors[now];
    const text = `${row.kind} ${number(row.at[now])}: ${CAME_TO[row.outcomes[now]]}${error === null || error === undefined ? "" : `, ${this.sweep.errors[error]}`}`;
    fill(this.told, h("b", {}, text), this.around(row, now), h("br"), this.runs.has(id) ? "Enter opens its run" : ["again: ", h("code", {}, `--netmocks-sweep-place=${id}`)]);
    return text;
  }

  around(row, now) {
    const text = row.text === null ? null : this.sweep.texts[row.text];
    if (!text || row.at[now] > text.text.length) return null;
    const at = row.at[now];
    const clean = (part) => part.replaceAll("\r", "\\r").replaceAll("\n", "\\n");
    return h("code", { class: "around" }, `\u2026${clean(text.text.slice(Math.max(0, at - 24), at))}`, h("mark", {}, "\u2502"), `${clean(text.text.slice(at, at + 24))}\u2026`);
  }

  enter(row, now) {
    const run = this.runs.get(`${row.id}:${row.at[now]}`);
    if (run) this.open(run);
  }
}
