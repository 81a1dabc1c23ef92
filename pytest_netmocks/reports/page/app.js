// The page: what is open is said by the address behind the #, so that every test, connection and exchange has a link.

class App {
  /** `load` gives the recording of a number; `live`, if any, is where it comes from as it happens. */
  constructor(load, live = null) {
    this.load = load;
    this.live = live;
    this.list = new List((test) => this.go({ test: test.title }));
    this.tests = [];
    this.shown = {};
    window.addEventListener("hashchange", () => this.follow());
    document.addEventListener("keydown", (event) => this.key(event));
  }

  set(tests) {
    this.tests = tests;
    this.list.set(tests);
    const counts = ORDER.map((outcome) => [tests.filter((test) => test.outcome === outcome).length, outcome]).filter(([count]) => count);
    fill(one("summary"), tests.length ? counts.map(([count, outcome]) => `${number(count)} ${outcome}`).join(", ") : "nothing was recorded");
    const failed = tests.find((test) => test.outcome === "failed");
    document.title = `${failed ? "\u2715 " : ""}${counts.map(([count, outcome]) => `${count} ${outcome}`).join(", ")} \u2013 netmocks`;
  }

  // Links

  place() {
    return Object.fromEntries(new URLSearchParams(location.hash.slice(1)));
  }

  link(place) {
    return `#${new URLSearchParams(Object.entries(place).filter(([, value]) => value !== undefined && value !== ""))}`;
  }

  /** Go to a test, a run of it, a row in it; what is within a test needs no entry of its own in the history. */
  go(place, replace = false) {
    if (replace) history.replaceState(null, "", this.link(place));
    else if (location.hash !== this.link(place)) history.pushState(null, "", this.link(place));
    return this.follow();
  }

  async follow() {
    const place = this.place();
    const test = this.tests.find((one) => one.title === place.test);
    document.body.classList.toggle("open", Boolean(test));
    one("test").hidden = !test;
    this.list.select(test ? test.title : "");
    if (!test) {
      this.view = null;
      fill(one("test"), place.test && h("p", { class: "nothing" }, `there is no test ${place.test} on this page`));
      one("test").hidden = !place.test;
      return;
    }
    const run = test.runs.find((one) => String(one.id) === place.run || (one.place && one.place === place.run)) ?? test.worst;
    if (this.view && this.view.run.id === run.id && this.view.run.outcome === run.outcome) {
      Object.assign(this.view, { test, run }); // the list was made anew
    } else {
      const view = new TestView(this, test, run);
      this.view = view;
      try {
        await view.open();
      } catch (error) {
        if (this.view === view) fill(one("test"), h("p", { class: "nothing" }, `this recording cannot be read: ${error.message}`));
        throw error;
      }
      if (this.view !== view) return; // another was opened meanwhile
    }
    this.view.select(this.place().row); // it may have become another while the recording was read
  }

  // Keys

  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const typing = event.target.closest("input, select, textarea");
    if (event.key === "/" && !typing) {
      event.preventDefault();
      one("search").focus();
      one("search").select();
    } else if (event.key === "Escape") this.back(event);
    else if ((event.key === "j" || event.key === "k") && !typing && event.target === document.body) {
      event.preventDefault();
      this.list.rows.go(this.list.rows.current + (event.target === document.body ? 0 : 1));
    }
  }

  /** Out of one thing: the details, then the test, then the filter. */
  back(event) {
    const place = this.place();
    if (one("tests").contains(event.target) && this.list.filtered) {
      event.preventDefault();
      this.list.clear();
      this.list.rows.go(this.list.rows.current);
    } else if (place.row) {
      this.go({ ...place, row: "" }, true);
      this.view?.waterfall?.rows.go(this.view.waterfall.rows.current);
    } else if (place.test) {
      this.go({});
      this.list.rows.go(this.list.rows.current);
    } else if (this.list.filtered) this.list.clear();
  }
}

class TestView {
  constructor(app, test, run) {
    Object.assign(this, { app, test, run });
    this.place = { test: test.title, run: run === test.worst ? "" : run.place || String(run.id) };
  }

  async open() {
    const [recording, swept] = await Promise.all([this.app.load(this.run.id), this.sweep()]);
    if (this.app.view !== this) return;
    this.recording = recording;
    this.story = storyOf(recording);
    const scroller = h("div", { class: "scroller", id: "story" });
    this.panel = h("section", { id: "details", "aria-label": "Details", hidden: true });
    fill(one("test"), scroller, this.panel);
    this.waterfall = new Waterfall(scroller, this.story, recording.virtual, (row) => this.choose(row.key));
    add(scroller, [this.head(swept), this.waterfall.element()]);
    for (const error of scroller.querySelectorAll("pre.error")) error.scrollTop = error.scrollHeight; // it stands at the end
    this.waterfall.draw();
    this.app.live?.opened(this);
    this.waterfall.narrow.addEventListener("change", () => this.waterfall.draw());
  }

  /** What the sweep came to, which one of its runs carries. */
  async sweep() {
    if (!this.test.swept) return null;
    for (const run of this.test.runs) {
      const { sweep } = await this.app.load(run.id);
      if (sweep) return sweep;
    }
    return null;
  }

  head(swept) {
    const { recording, run, test } = this;
    const facts = [
      seconds(recording.seconds || this.story.end), recording.virtual && "virtual time", recording.seed !== null && `seed ${recording.seed}`,
      recording.began > 0 && new Date(recording.began * 1000).toLocaleString(), run.place && `fault at ${run.place}`,
    ];
    return h("header", { class: `head ${run.outcome || "other"}` },
      h("button", { type: "button", class: "back", onclick: () => this.app.go({}) }, "\u2190 Tests"),
      h("h2", {}, test.title),
      h("p", { class: "facts-line" }, h("b", { class: "outcome" }, run.outcome || "recording"), facts.filter(Boolean).map((fact) => ` \u00b7 ${fact}`)),
      run.cause && h("p", { class: "because" }, run.cause),
      recording.notes.map((note) => h("p", { class: "note" }, note)),
      recording.error && h("details", { open: true }, h("summary", {}, "Error"), h("pre", { class: "error", tabindex: 0 }, recording.error)),
      run.files?.length > 0 && h("p", { class: "files" }, "Files: ", run.files.map((file) => [h("a", { href: file.split("/").map(encodeURIComponent).join("/") }, file.split("/").at(-1)), " "])),
      swept ? new Strip(swept, test.runs, (to) => this.app.go({ test: test.title, run: to.place })).element(run.place) : null,
      this.runs(),
      this.app.live?.panel(this));
  }

  /** More has happened: draw the waterfall anew, where it is. */
  renew(recording) {
    this.recording = recording;
    this.story = storyOf(recording);
    this.waterfall.renew(this.story);
  }

  /** The other runs of a test that has several: attempts, or those of a sweep. */
  runs() {
    const { runs } = this.test;
    if (runs.length < 2) return null;
    let attempt = 0;
    const buttons = runs.slice(0, 60).map((run) =>
      h("button", { type: "button", class: `chip ${run.outcome || "other"}`, "aria-pressed": String(run === this.run), title: run.place || null,
        onclick: () => this.app.go({ test: this.test.title, run: run === this.test.worst ? "" : run.place || String(run.id) }) },
        h("span", { "aria-hidden": "true" }, OUTCOMES[run.outcome] ?? OUTCOMES.other), run.place ? ` ${run.place}` : this.test.swept ? " without a fault" : ` run ${++attempt}`));
    const group = h("div", { class: "runs", role: "group", "aria-label": "Runs of this test" }, buttons);
    return this.test.swept ? h("details", {}, h("summary", {}, counted(runs.length, "run"), " that can be opened"), group) : group;
  }

  choose(row) {
    this.app.go({ ...this.place, row }, true);
    this.panel.scrollTop = 0;
  }

  select(row) {
    if (!this.panel) return; // the recording is still being read: who opens it selects then
    const of = row ? this.waterfall.reveal(row, false) : null;
    this.panel.hidden = !of;
    one("test").classList.toggle("detailed", Boolean(of));
    if (!of) {
      this.waterfall.selected = "";
      this.waterfall.rows.again();
      return;
    }
    const title = of.phases ? of.title.replace(" -> ", " \u2192 ") : of.server ? `${of.server.name}, connection ${of.id}` : of.name;
    fill(this.panel,
      h("header", {}, h("h3", {}, title),
        h("a", { href: this.app.link({ ...this.place, row }), class: "way" }, "Link"),
        h("button", { type: "button", class: "way", "aria-label": "Close the details", "aria-keyshortcuts": "Escape", onclick: () => this.choose("") }, "\u2715")),
      h("div", { class: "scroller" }, details(of, (to) => this.choose(to))));
    this.waterfall.rows.reveal(this.waterfall.rows.current);
  }
}
