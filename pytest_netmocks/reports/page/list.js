// The list of tests, and what it is filtered by.

const OUTCOMES = { running: "\u25b6", failed: "\u2715", passed: "\u2713", skipped: "\u2013", other: "\u25cb" };
const ORDER = Object.keys(OUTCOMES);

class List {
  constructor(open) {
    this.tests = [];
    this.wanted = { words: "", outcome: "", server: "", fault: "" };
    this.selected = "";
    const host = one("list");
    host.setAttribute("role", "listbox");
    host.setAttribute("aria-label", "Tests");
    const inner = h("div", { class: "rows", role: "presentation" });
    host.append(inner);
    this.rows = new Rows(host, inner, { open: (row) => open(row.test) });
    one("search").addEventListener("input", () => this.want({ words: one("search").value.toLowerCase() }));
    one("server").addEventListener("change", () => this.want({ server: one("server").value }));
    one("fault").addEventListener("change", () => this.want({ fault: one("fault").value }));
    one("filters").addEventListener("submit", (event) => event.preventDefault());
    one("search").addEventListener("keydown", (event) => {
      if (event.key !== "ArrowDown" && event.key !== "Enter") return;
      event.preventDefault();
      this.rows.go(0);
    });
  }

  set(tests) {
    this.tests = tests
      .map((test, place) => ({ test, place }))
      .sort((a, b) => ORDER.indexOf(a.test.outcome) - ORDER.indexOf(b.test.outcome) || a.place - b.place)
      .map(({ test }) => test);
    this.choices("server", "all servers", new Set(tests.flatMap((test) => [...test.servers])));
    this.choices("fault", "all faults", new Set(tests.flatMap((test) => [...test.faults])));
    this.buttons();
    this.filter();
  }

  choices(id, all, names) {
    const options = [...names].sort().map((name) => h("option", { value: name, selected: name === this.wanted[id] }, name));
    fill(one(id), h("option", { value: "" }, all), options);
    one(id).hidden = names.size === 0;
  }

  buttons() {
    const counts = new Map();
    for (const test of this.tests) counts.set(test.outcome, (counts.get(test.outcome) ?? 0) + 1);
    const made = ORDER.filter((outcome) => counts.has(outcome)).map((outcome) =>
      h("button", { type: "button", class: `chip ${outcome}`, "aria-pressed": String(this.wanted.outcome === outcome), "data-outcome": outcome,
        onclick: () => this.want({ outcome: this.wanted.outcome === outcome ? "" : outcome }) },
        h("span", { "aria-hidden": "true" }, OUTCOMES[outcome]), ` ${number(counts.get(outcome))} ${outcome}`)
    );
    const focused = document.activeElement?.dataset?.outcome;
    fill(one("outcomes"), made);
    if (focused) one("outcomes").querySelector(`[data-outcome="${focused}"]`)?.focus();
  }

  want(change) {
    Object.assign(this.wanted, change);
    if ("outcome" in change) this.buttons();
    this.filter();
  }

  clear() {
    one("search").value = one("server").value = one("fault").value = "";
    this.want({ words: "", outcome: "", server: "", fault: "" });
  }

  get filtered() {
    return Object.values(this.wanted).some(Boolean);
  }

  filter() {
    const { words, outcome, server, fault } = this.wanted;
    const parts = words.split(/\s+/).filter(Boolean);
    const found = this.tests.filter(
      (test) =>
        (!outcome || test.outcome === outcome) &&
        (!server || test.servers.has(server)) &&
        (!fault || test.faults.has(fault)) &&
        parts.every((part) => test.words.includes(part))
    );
    const all = this.tests.length;
    fill(one("count"), found.length === all ? counted(all, "test") : `${number(found.length)} of ${counted(all, "test")}`);
    const focused = one("list").contains(document.activeElement);
    this.rows.set(found.map((test, place) => this.row(test, place, found.length)), this.selected);
    if (focused) this.rows.go(this.rows.current);
  }

  row(test, place, all) {
    const file = test.title.lastIndexOf("::");
    const [where, name] = file < 0 ? ["", test.title] : [test.title.slice(0, file + 2), test.title.slice(file + 2)];
    const make = () =>
      h("div", { class: `row ${test.outcome}`, role: "option", "aria-selected": String(test.title === this.selected), "aria-posinset": place + 1, "aria-setsize": all,
        "aria-label": [test.outcome, test.title, seconds(test.seconds), test.cause].filter(Boolean).join(", "), title: test.title },
        h("span", { class: "sign", "aria-hidden": "true" }, OUTCOMES[test.outcome]),
        h("span", { class: "name" }, h("b", {}, name), h("small", {}, where.replace(/::$/, ""))),
        h("span", { class: "took" }, seconds(test.seconds)),
        test.cause && h("span", { class: "cause" }, test.cause));
    return { key: test.title, height: test.cause ? 48 : 30, make, test };
  }

  select(title) {
    if (title === this.selected) return;
    this.selected = title;
    const place = this.rows.rows.findIndex((row) => row.key === title);
    if (place >= 0) {
      this.rows.current = place;
      this.rows.reveal(place);
    }
    this.rows.again();
  }
}
