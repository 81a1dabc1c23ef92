// A long list of which only what is in sight is in the page, with one row that the keyboard is at.

/**
 * `scroller` scrolls, `host` holds the rows. `rows` says of each `{ key, height, make(), title }`; `make` gives its element.
 * `open(row, event)` is called where a row is clicked or Enter is pressed on it, `extra(row, key)` for other keys.
 */
class Rows {
  constructor(scroller, host, { open, extra }) {
    this.scroller = scroller;
    this.host = host;
    this.open = open;
    this.extra = extra;
    this.rows = [];
    this.current = 0;
    this.shown = new Map();
    host.addEventListener("keydown", (event) => this.key(event));
    scroller.addEventListener("scroll", () => this.draw(), { passive: true });
    new ResizeObserver(() => this.draw()).observe(scroller);
  }

  set(rows, current) {
    this.rows = rows;
    this.tops = new Float64Array(rows.length + 1);
    rows.forEach((row, place) => (this.tops[place + 1] = this.tops[place] + row.height));
    const place = rows.findIndex((row) => row.key === current);
    this.current = Math.max(0, place);
    this.host.style.height = `${this.tops[rows.length]}px`;
    this.host.replaceChildren();
    this.shown.clear();
    this.draw();
  }

  /** The number of the row at that height. */
  at(top) {
    let low = 0;
    let high = this.rows.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.tops[middle + 1] <= top) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  offset() {
    return this.scroller === this.host ? 0 : this.host.getBoundingClientRect().top - this.scroller.getBoundingClientRect().top + this.scroller.scrollTop;
  }

  draw() {
    if (!this.rows.length) return;
    const top = this.scroller.scrollTop - this.offset();
    const first = this.at(top - 200);
    const last = Math.min(this.rows.length - 1, this.at(top + this.scroller.clientHeight + 200));
    for (const [place, element] of this.shown) {
      if ((place < first || place > last) && place !== this.current) {
        element.remove();
        this.shown.delete(place);
      }
    }
    for (let place = first; place <= last; place++) this.show(place);
    this.show(this.current);
  }

  show(place) {
    if (this.shown.has(place)) return;
    const row = this.rows[place];
    const element = row.make();
    element.style.top = `${this.tops[place]}px`;
    element.style.height = `${row.height}px`;
    element.tabIndex = place === this.current ? 0 : -1;
    element.addEventListener("click", (event) => {
      if (event.target.closest("a, button") && event.target.closest("a, button") !== element) return;
      this.go(place, false);
      this.open(row, event);
    });
    this.shown.set(place, element);
    // In the order of the list, which is that in which a screen reader reads.
    const after = [...this.shown.keys()].filter((other) => other > place).sort((a, b) => a - b)[0];
    this.host.insertBefore(element, after === undefined ? null : this.shown.get(after));
  }

  /** The keyboard is at that row from now on. */
  go(place, focus = true) {
    if (!this.rows.length) return;
    const before = this.shown.get(this.current);
    if (before) before.tabIndex = -1;
    this.current = Math.max(0, Math.min(this.rows.length - 1, place));
    this.reveal(this.current);
    this.draw();
    const element = this.shown.get(this.current);
    element.tabIndex = 0;
    if (focus) element.focus({ preventScroll: true });
  }

  reveal(place) {
    const top = this.offset() + this.tops[place];
    const bottom = this.offset() + this.tops[place + 1];
    if (top < this.scroller.scrollTop) this.scroller.scrollTop = top;
    else if (bottom > this.scroller.scrollTop + this.scroller.clientHeight) this.scroller.scrollTop = bottom - this.scroller.clientHeight;
  }

  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const page = Math.max(1, Math.floor(this.scroller.clientHeight / 40));
    const ways = { ArrowDown: 1, j: 1, ArrowUp: -1, k: -1, PageDown: page, PageUp: -page, Home: -this.rows.length, End: this.rows.length };
    if (event.target.closest("a, button, select, input")) return;
    if (event.key in ways) this.go(this.current + ways[event.key]);
    else if (event.key === "Enter" || event.key === " ") this.open(this.rows[this.current], event);
    else if (!this.extra || !this.extra(this.rows[this.current], event.key)) return;
    event.preventDefault();
  }

  /** Draw anew the rows whose looks have changed. */
  again() {
    const focused = this.host.contains(document.activeElement);
    this.host.replaceChildren();
    this.shown.clear();
    this.draw();
    if (focused) this.go(this.current);
  }
}
