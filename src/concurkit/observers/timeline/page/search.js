// Finding tasks by name, or one by its number.

class Search {
  constructor(charts, details) {
    this.charts = charts;
    this.details = details;
    this.hits = [];
    this.now = -1;
    this.input = document.querySelector(".search input");
    this.output = document.querySelector("output");
    this.buttons = document.querySelectorAll("[data-find]");
    this.input.addEventListener("input", () => this.look());
    this.input.addEventListener("keydown", (event) => this.key(event));
    for (const button of this.buttons) {
      button.addEventListener("click", () => this.go(button.dataset.find === "next" ? 1 : -1));
    }
    document.addEventListener("keydown", (event) => {
      if (event.key !== "/" || event.target === this.input) return;
      event.preventDefault();
      this.input.focus();
    });
  }

  key(event) {
    if (event.key === "Enter") this.go(event.shiftKey ? -1 : 1);
    else if (event.key === "Escape") {
      this.input.value = "";
      this.look();
    } else return;
    event.preventDefault();
  }

  look() {
    const words = this.input.value.trim().toLowerCase();
    this.hits = [];
    this.now = -1;
    this.tasks = 0;
    for (const chart of this.charts) {
      chart.found = words ? this.mark(chart, words) : null;
      chart.range.redraw();
    }
    for (const button of this.buttons) button.disabled = !this.hits.length;
    this.tell(words);
    this.details.hide();
  }

  mark(chart, words) {
    const {run} = chart;
    const number = /^#\d+$/.test(words) ? Number(words.slice(1)) : -1;
    const named = run.names.map((name) => name.toLowerCase().includes(words));
    const found = new Uint8Array(run.status.length);
    for (let at = 0; at < found.length; at++) {
      if (number >= 0 ? run.index[at] !== number || run.count[at] > 1 : !named[run.name[at]]) continue;
      found[at] = 1;
      this.hits.push({chart, at});
      this.tasks += run.count[at];
    }
    return found;
  }

  go(by) {
    if (!this.hits.length) return;
    const first = this.now < 0 ? (by > 0 ? 0 : this.hits.length - 1) : this.now + by;
    this.now = (first + this.hits.length) % this.hits.length;
    const {chart, at} = this.hits[this.now];
    for (const other of this.charts) if (other !== chart) other.selected = -1;
    chart.canvas.scrollIntoView({block: "nearest"});
    show(chart, this.details, at);
    this.tell(this.input.value);
  }

  tell(words) {
    const many = (number) => number.toLocaleString("en");
    const place = this.now < 0 ? "" : `${many(this.now + 1)} of `;
    this.output.value = !words ? "" : !this.hits.length ? "none found" :
      place ? `${place}${many(this.hits.length)}` : `${many(this.tasks)} found`;
  }
}
