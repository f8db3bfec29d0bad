// Drawing a row's blocks. Those too narrow to tell apart are drawn together: returned ones as a
// span, the paler the more of it was idle; others, and what was searched for, as marks on top.

const NARROW = 2.5;

function drawRow(chart, row, y, tall) {
  const {run, pen, left, right, looks} = chart;
  const {from, to, scale} = chart.view();
  const marks = [];
  let span = null;
  let shapes = 0;

  const flush = () => {
    if (!span) return;
    const width = Math.max(span.x1 - span.x0, 0.8);
    pen.globalAlpha = (span.dim ? 0.16 : 1) * (0.45 + 0.55 * Math.min(1, span.covered / width));
    pen.fillStyle = looks.tones[span.tone];
    pen.fillRect(span.x0, y, width, tall);
    pen.globalAlpha = 1;
    span = null;
    shapes++;
  };

  for (let at = firstAbove(run.reach, row.from, row.to, from); at < row.to; at++) {
    if (run.start[at] >= to) break;
    if (run.stop[at] < from) continue;
    const x0 = Math.max(left - 4, left + (run.start[at] - from) * scale);
    const x1 = Math.min(right + 4, left + (run.stop[at] - from) * scale);
    const status = run.status[at];
    const dim = chart.found && !chart.found[at];
    if (x1 - x0 >= NARROW || status === RUNNING) {
      flush();
      drawBlock(chart, at, x0, Math.max(x1, x0 + NARROW), y, tall, dim);
      shapes++;
      continue;
    }
    if (status !== RETURNED || (chart.found && !dim)) {
      const last = marks[marks.length - 1];
      if (!last || last.status !== status || x0 - last.x > 1.5) marks.push({x: x0, status, at, dim});
      if (status !== RETURNED) continue;
    }
    const tone = run.hues[run.name[at]];
    const alike = span && span.dim === dim && (span.tone === tone || span.x1 - span.x0 < 1);
    if (alike && x0 - span.x1 < 0.8) {
      span.covered += x1 - Math.max(x0, span.x1 - 0.8);
      span.x1 = Math.max(span.x1, x1);
    } else {
      flush();
      span = {x0, x1, covered: Math.max(x1 - x0, 0.3), tone, dim};
    }
  }
  flush();
  for (const mark of marks) drawMark(chart, mark, y, tall);
  return shapes + marks.length;
}

function drawBlock(chart, at, x0, x1, y, tall, dim) {
  const {run, pen, looks} = chart;
  const name = STATUSES[run.status[at]];
  const tone = looks.tones[run.hues[run.name[at]]];
  const width = x1 - x0 > 4 ? x1 - x0 - 1 : x1 - x0;  // a little air between neighbours
  pen.globalAlpha = dim ? 0.16 : 1;
  if (name === "running") pen.fillStyle = fading(pen, tone, x0, x1);
  else pen.fillStyle = name === "returned" ? tone : chart.patterns[name];
  pen.beginPath();
  pen.roundRect(x0, y, width, tall, Math.min(3, width / 3, tall / 3));
  pen.fill();
  if (run.count[at] > 1 && width > 12 && tall > 8) drawStack(chart, x0, y, width, tall);
  if (!dim && tall >= 13) drawLabel(chart, at, name, x0, width, y, tall);
  pen.globalAlpha = 1;
}

function fading(pen, tone, x0, x1) {
  const fill = pen.createLinearGradient(x0, 0, x1, 0);
  fill.addColorStop(0, tone);
  fill.addColorStop(1, "transparent");
  return fill;
}

// A batch has a comb along its lower edge.
function drawStack({pen, looks, left, right}, x0, y, width, tall) {
  pen.fillStyle = looks.card;
  const end = Math.min(x0 + width - 3, right);
  for (let x = Math.max(x0, left) + 4; x < end; x += 4) pen.fillRect(x, y + tall - 3, 1.2, 3);
}

function drawLabel(chart, at, status, x0, width, y, tall) {
  const {run, pen, looks, left, right} = chart;
  const begin = Math.max(x0, left) + 5;
  const room = Math.min(x0 + width, right) - begin - 4;
  if (room < 24) return;
  const sign = SIGNS[status];
  const before = sign ? `${sign} ` : "";
  const whole = before + title(run, at);
  const fits = pen.measureText(whole).width <= room;
  const text = fits ? whole : shorten(pen, before + name(run, at), room);
  if (!text) return;
  if (sign) {  // on a plain ground, for a pattern is hard to read on
    pen.fillStyle = looks.solid[status];
    pen.fillRect(begin - 3, y + 1, pen.measureText(text).width + 6, tall - 2);
  }
  pen.fillStyle = status === "running" && room > 60 && x0 < left - 3 ? looks.ink : looks.on;
  pen.fillText(text, begin, y + tall / 2 + 0.5);
}

function shorten(pen, text, room) {
  if (pen.measureText(text).width <= room) return text;
  let most = Math.floor(room / 6);
  while (most > 2 && pen.measureText(text.slice(0, most) + "…").width > room) most--;
  return most > 2 ? text.slice(0, most) + "…" : "";
}

function drawMark({pen, looks, run, patterns}, {x, status, at, dim}, y, tall) {
  pen.globalAlpha = dim ? 0.16 : 1;
  const name = STATUSES[status];
  pen.fillStyle = name === "returned" ? looks.tones[run.hues[run.name[at]]] : looks.solid[name];
  pen.fillRect(x, y, 2.5, tall);
  if (name !== "returned" && tall >= 6) {  // a flag, seen among many neighbours
    pen.beginPath();
    pen.moveTo(x - 3, y - 3);
    pen.lineTo(x + 5.5, y - 3);
    pen.lineTo(x + 1.25, y + 3);
    pen.fill();
  }
  pen.globalAlpha = 1;
}
