// One run's canvas: rows, axis, labels, and which block is under a point.

const AXIS = 26;

class Chart {
  constructor(article, run, range) {
    this.article = article;
    this.run = run;
    this.range = range;
    this.canvas = article.querySelector("canvas");
    this.pen = this.canvas.getContext("2d");
    this.seen = false;
    this.selected = -1;
    this.found = null;
  }

  // Everything that depends on the size of the page or on its colours.
  layOut(looks) {
    this.looks = looks;
    const rows = Math.max(1, this.run.rows.length);
    this.tall = Math.min(28, Math.max(560 / rows, 3), 9000 / rows);
    this.width = this.canvas.clientWidth;
    this.height = AXIS + rows * this.tall + 9;
    const sharp = Math.min(devicePixelRatio || 1, 3);
    this.canvas.style.height = `${this.height}px`;
    this.canvas.width = Math.round(this.width * sharp);
    this.canvas.height = Math.round(this.height * sharp);
    this.pen.setTransform(sharp, 0, 0, sharp, 0, 0);
    this.patterns = {};
    for (const status of Object.keys(STROKES)) {
      this.patterns[status] = patternOf(this.pen, looks, status);
    }
    this.left = this.gutter();
    this.right = this.width - 14;
  }

  gutter() {
    this.pen.font = this.font(12);
    const widest = Math.max(60, ...this.run.rows.slice(0, 500).map(({name}) => this.pen.measureText(name).width));
    return Math.round(Math.min(widest + 64, 240, this.width * 0.36));
  }

  font(size) {
    return `${size}px system-ui, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif`;
  }

  view() {
    const {from, to} = this.range;
    return {from, to, scale: (this.right - this.left) / (to - from)};
  }

  draw() {
    if (!this.seen || !this.looks) return;
    const {pen, run, looks} = this;
    pen.clearRect(0, 0, this.width, this.height);
    this.drawGround();
    pen.save();
    pen.beginPath();
    pen.rect(this.left, AXIS - 4, this.right - this.left, this.height);
    pen.clip();
    pen.font = this.font(11);
    pen.textBaseline = "middle";
    pen.textAlign = "left";
    const air = Math.min(4, this.tall * 0.15);
    let shapes = 0;
    run.rows.forEach((row, number) => {
      const y = AXIS + number * this.tall;
      shapes += drawRow(this, row, y + air, this.tall - 2 * air);
      if (row.crash) this.drawCrash(row.crash[0], y);
    });
    if (this.selected >= 0) this.drawSelected(air);
    pen.restore();
    this.drawWhere();
    this.report(shapes);
  }

  // What is shown, for scripts that drive the page.
  report(shapes) {
    const {from, to} = this.range;
    Object.assign(this.canvas.dataset, {from, to, shapes, selected: this.selected, left: this.left, right: this.right});
  }

  drawGround() {
    const {pen, run, looks, left, right} = this;
    const {from, to, scale} = this.view();
    const {zero} = this.range;
    const every = Math.ceil(14 / this.tall);
    pen.textBaseline = "middle";
    run.rows.forEach((row, number) => {
      const y = AXIS + number * this.tall;
      if (number % 2 === 0 && this.tall >= 8) {
        pen.fillStyle = looks.band;
        pen.fillRect(0, y, this.width, this.tall);
      }
      if (number % every === 0) this.drawName(row, y + this.tall / 2);
    });
    pen.font = this.font(11);
    pen.textAlign = "center";
    for (const {at, text} of ticks(from - zero, to - zero, Math.max(2, (right - left) / 110))) {
      const x = left + (at + zero - from) * scale;
      pen.fillStyle = looks.grid;
      pen.fillRect(Math.round(x), AXIS - 5, 1, this.height - AXIS - 2);
      const half = pen.measureText(text).width / 2;
      pen.fillStyle = looks.muted;
      pen.fillText(text, Math.min(Math.max(x, left + half), this.width - half), 11);
    }
  }

  drawName({name, share}, y) {
    const {pen, looks} = this;
    pen.font = this.font(12);
    pen.textAlign = "left";
    pen.fillStyle = looks.ink;
    pen.fillText(shortenLabel(pen, name, this.left - 56), 4, y);
    if (share === null) return;
    pen.textAlign = "right";
    pen.fillStyle = looks.muted;
    pen.fillText(`${Math.round(100 * share)} %`, this.left - 10, y);
  }

  drawCrash(at, y) {
    const {pen, looks, left} = this;
    const {from, scale} = this.view();
    const x = left + (at - from) * scale;
    pen.strokeStyle = looks.solid.failed;
    pen.lineWidth = 2;
    pen.setLineDash([3, 2]);
    pen.beginPath();
    pen.moveTo(x, y);
    pen.lineTo(x, y + this.tall);
    pen.stroke();
    pen.setLineDash([]);
  }

  drawSelected(air) {
    const {pen, looks} = this;
    const {x, y, width} = this.place(this.selected);
    pen.strokeStyle = looks.ink;
    pen.lineWidth = 2;
    pen.beginPath();
    pen.roundRect(x - 1, y + air - 1, Math.max(width, 3) + 2, this.tall - 2 * air + 2, 3);
    pen.stroke();
  }

  // A line below the rows: which part of the whole is shown.
  drawWhere() {
    const {pen, looks, left, right, range} = this;
    if (range.whole()) return;
    const scale = (right - left) / (range.high - range.low);
    const y = this.height - 5;
    pen.fillStyle = looks.grid;
    pen.fillRect(left, y, right - left, 4);
    pen.fillStyle = looks.muted;
    pen.fillRect(left + (range.from - range.low) * scale, y, Math.max(3, (range.to - range.from) * scale), 4);
  }

  place(at) {
    const {from, scale} = this.view();
    const x = this.left + (this.run.start[at] - from) * scale;
    const width = (this.run.stop[at] - this.run.start[at]) * scale;
    return {x, y: AXIS + this.run.row[at] * this.tall, width};
  }

  // The block at a point of the canvas, or the nearest within two pixels, and how many are there.
  under(x, y) {
    const {run} = this;
    const row = run.rows[Math.floor((y - AXIS) / this.tall)];
    if (!row || x < this.left || x > this.right) return null;
    const {from, scale} = this.view();
    const near = 2 / scale;
    const at = from + (x - this.left) / scale;
    const after = firstAbove(run.start, row.from, row.to, at + near);
    let best = -1;
    let least = Infinity;
    for (let one = after - 1; one >= row.from && after - one < 300; one--) {
      if (run.reach[one] < at - near) break;
      const off = Math.max(run.start[one] - at, at - run.stop[one], 0);
      if (off <= near && off < least) [best, least] = [one, off];
      if (least === 0) break;
    }
    if (best < 0) return null;
    const here = after - firstAbove(run.start, row.from, row.to, at - near);
    return {at: best, others: run.stop[best] - run.start[best] < 2 * near ? Math.max(0, here - 1) : 0};
  }
}

// A worker's name differs from another's at its end.
function shortenLabel(pen, text, room) {
  let from = 0;
  while (from < text.length && pen.measureText(from ? "…" + text.slice(from) : text).width > room) from++;
  return from ? "…" + text.slice(from) : text;
}
