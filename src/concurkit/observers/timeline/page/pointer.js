// Mouse, touch and keys on a chart.

function listen(chart, details) {
  const {canvas, range} = chart;
  const held = new Map();  // pointers that are down, by their number
  let moved = false;

  const point = (event) => {
    const box = canvas.getBoundingClientRect();
    return {x: event.clientX - box.left, y: event.clientY - box.top};
  };
  const moment = (x) => {
    const {from, scale} = chart.view();
    return from + (x - chart.left) / scale;
  };

  canvas.addEventListener("wheel", (event) => {
    const sideways = event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY);
    if (event.ctrlKey || event.metaKey) {
      range.zoom(Math.exp(-event.deltaY * 0.004), moment(point(event).x));
    } else if (sideways) {
      range.pan((event.deltaX || event.deltaY) / (chart.right - chart.left));
    } else return;
    event.preventDefault();
    details.hide();
  }, {passive: false});

  canvas.addEventListener("pointerdown", (event) => {
    held.set(event.pointerId, point(event));
    canvas.setPointerCapture(event.pointerId);
    moved = false;
  });

  canvas.addEventListener("pointermove", (event) => {
    const now = point(event);
    const before = held.get(event.pointerId);
    if (!before) return hover(chart, details, now, event);
    if (!moved && Math.hypot(now.x - before.x, now.y - before.y) < 4) return undefined;
    moved = true;
    canvas.classList.add("held");
    details.hide();
    const other = [...held].find(([number]) => number !== event.pointerId)?.[1];
    held.set(event.pointerId, now);
    if (other) {
      range.zoom(Math.abs(now.x - other.x) / Math.max(10, Math.abs(before.x - other.x)), moment((now.x + other.x) / 2));
    } else range.pan((before.x - now.x) / (chart.right - chart.left));
    return undefined;
  });

  const release = (event) => {
    const was = held.delete(event.pointerId);
    canvas.classList.remove("held");
    if (!was || moved || event.type !== "pointerup") return;
    const {x, y} = point(event);
    select(chart, chart.under(x, y)?.at ?? -1);
  };
  canvas.addEventListener("pointerup", release);
  canvas.addEventListener("pointercancel", release);
  canvas.addEventListener("pointerleave", () => details.hide());
  canvas.addEventListener("blur", () => details.hide());
  canvas.addEventListener("dblclick", (event) => range.zoom(2.5, moment(point(event).x)));
  canvas.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const act = KEYS[event.key.length === 1 ? event.key.toLowerCase() : event.key];
    if (!act) return;
    event.preventDefault();
    act(chart, details);
  });
  for (const button of chart.article.querySelectorAll("[data-zoom]")) {
    button.addEventListener("click", () => ZOOMS[button.dataset.zoom](range));
  }
}

const ZOOMS = {in: (range) => range.zoom(2), out: (range) => range.zoom(0.5), fit: (range) => range.fit()};

const KEYS = {
  "+": (chart) => chart.range.zoom(1.6),
  "=": (chart) => chart.range.zoom(1.6),
  "-": (chart) => chart.range.zoom(1 / 1.6),
  "0": (chart) => chart.range.fit(),
  ArrowLeft: (chart) => chart.range.pan(-0.15),
  ArrowRight: (chart) => chart.range.pan(0.15),
  ArrowUp: (chart, details) => otherRow(chart, details, -1),
  ArrowDown: (chart, details) => otherRow(chart, details, 1),
  n: (chart, details) => step(chart, details, 1),
  p: (chart, details) => step(chart, details, -1),
  z: (chart, details) => chart.selected >= 0 && show(chart, details, chart.selected, true),
  Escape: (chart, details) => {
    select(chart, -1);
    details.hide();
  },
};

function hover(chart, details, {x, y}, event) {
  const found = chart.under(x, y);
  if (found) details.show(chart, found.at, event.clientX, event.clientY, found.others);
  else details.hide();
}

function select(chart, at) {
  chart.selected = at;
  chart.range.redraw();
}

// Select a block, bring it into sight and tell of it.
function show(chart, details, at, close = false) {
  const {run, range, canvas} = chart;
  range.reveal(run.start[at], run.stop[at], close);
  select(chart, at);
  const box = canvas.getBoundingClientRect();
  const {x, y, width} = chart.place(at);
  const middle = Math.min(Math.max(x + width / 2, chart.left), chart.right);
  details.show(chart, at, box.left + middle, box.top + y + chart.tall / 2, 0);
}

function step(chart, details, by) {
  const {run} = chart;
  if (!run.start.length) return;
  if (chart.selected < 0) return show(chart, details, firstInSight(chart, run.rows[0]));
  const {from, to} = run.rows[run.row[chart.selected]];
  return show(chart, details, Math.min(Math.max(chart.selected + by, from), to - 1));
}

function otherRow(chart, details, by) {
  const {run, selected} = chart;
  if (!run.start.length) return;
  const now = selected < 0 ? (by > 0 ? -1 : run.rows.length) : run.row[selected];
  const row = run.rows[Math.min(Math.max(now + by, 0), run.rows.length - 1)];
  const moment = selected < 0 ? chart.range.from : run.start[selected];
  show(chart, details, Math.min(firstAbove(run.reach, row.from, row.to, moment), row.to - 1));
}

function firstInSight(chart, row) {
  return Math.min(firstAbove(chart.run.reach, row.from, row.to, chart.range.from), row.to - 1);
}
