// The part of the time that is shown. Runs that went on at the same time share one.

class Range {
  constructor(runs) {
    const low = Math.min(...runs.map((run) => run.begin));
    const high = Math.max(...runs.map((run) => run.end));
    const margin = Math.max((high - low) * 0.005, 1);
    this.zero = low;  // the axis counts from here
    this.low = low - margin;
    this.high = high + margin;
    this.charts = [];
    this.asked = 0;
    this.fit();
  }

  whole() {
    return this.to - this.from > (this.high - this.low) * 0.9999;
  }

  fit() {
    this.show(this.low, this.high);
  }

  show(from, to) {
    const whole = this.high - this.low;
    const length = Math.min(whole, Math.max(to - from, Math.min(5, whole)));
    const middle = (from + to) / 2;
    this.from = Math.min(Math.max(middle - length / 2, this.low), this.high - length);
    this.to = this.from + length;
    this.redraw();
  }

  pan(share) {
    const by = (this.to - this.from) * share;
    this.show(this.from + by, this.to + by);
  }

  // Zoom by a factor; the moment *around* stays where it is.
  zoom(factor, around = (this.from + this.to) / 2) {
    const length = Math.min(this.high - this.low, Math.max(5, (this.to - this.from) / factor));
    const share = (around - this.from) / (this.to - this.from);
    this.show(around - share * length, around + (1 - share) * length);
  }

  // Move so that a block can be seen; zoom in if it would be a speck.
  reveal(start, stop, close = false) {
    const length = this.to - this.from;
    if (close || (stop - start) / length < 0.004) {
      const room = Math.max((stop - start) * (close ? 1.5 : 40), 20);
      this.show((start + stop - room) / 2, (start + stop + room) / 2);
    } else if (start < this.from || stop > this.to) {
      this.show((start + stop - length) / 2, (start + stop + length) / 2);
    }
  }

  // However much happens before the next frame, there is one drawing.
  redraw() {
    if (this.asked) return;
    this.asked = requestAnimationFrame(() => {
      this.asked = 0;
      for (const chart of this.charts) chart.draw();
    });
  }
}
