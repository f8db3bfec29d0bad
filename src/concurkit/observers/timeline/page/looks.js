// Colours, patterns, and how times are written.

const TONES = 5;

// What a pattern draws on a square of 6 by 6; the ways to end differ in it, not in colour alone.
const STROKES = {
  failed: [[-1, -1, 7, 7], [-1, 7, 7, -1]],
  retried: [[-1, 7, 7, -1], [-1, 1, 1, -1], [5, 7, 7, 5]],
  cancelled: [[0, 3, 6, 3]],
  killed: [[3, 0, 3, 6]],
  abandoned: [[0, 1.5, 3, 1.5], [3, 4.5, 6, 4.5]],
};
const SIGNS = {failed: "✕", retried: "↻", cancelled: "⊘", killed: "■", abandoned: "…"};

function readLooks() {
  const style = getComputedStyle(document.documentElement);
  const colour = (name) => style.getPropertyValue(`--${name}`).trim();
  const looks = {tones: [], solid: {}, pattern: {}, tile: {}};
  for (const name of ["card", "ink", "muted", "line", "grid", "band", "on", "focus"]) {
    looks[name] = colour(name);
  }
  for (let tone = 0; tone < TONES; tone++) looks.tones.push(colour(`tone-${tone}`));
  for (const status of Object.keys(STROKES)) {
    looks.solid[status] = colour(status);
    looks.tile[status] = tile(colour(status), colour("card"), STROKES[status]);
  }
  return looks;
}

function tile(solid, gap, strokes) {
  const canvas = document.createElement("canvas");
  const scale = 2;
  canvas.width = canvas.height = 6 * scale;
  const pen = canvas.getContext("2d");
  pen.scale(scale, scale);
  pen.fillStyle = solid;
  pen.fillRect(0, 0, 6, 6);
  pen.strokeStyle = gap;
  pen.lineWidth = 1.5;
  for (const [x, y, toX, toY] of strokes) {
    pen.beginPath();
    pen.moveTo(x, y);
    pen.lineTo(toX, toY);
    pen.stroke();
  }
  return canvas;
}

function patternOf(pen, looks, status) {
  const pattern = pen.createPattern(looks.tile[status], "repeat");
  pattern.setTransform(new DOMMatrix().scale(0.5));
  return pattern;
}

function paintLegend(looks) {
  for (const sample of document.querySelectorAll(".legend i")) {
    const {tone, status} = sample.dataset;
    const name = STATUSES[status ?? RETURNED];
    if (tone !== undefined || name === "returned") {
      sample.style.background = looks.tones[tone ?? 0];
    } else if (name === "running") {
      sample.style.background = `linear-gradient(90deg, ${looks.tones[0]}, transparent)`;
    } else {
      sample.style.background = `url(${looks.tile[name].toDataURL()}) 0 0 / 6px 6px`;
    }
  }
}

function digits(value) {
  return value >= 99.95 ? value.toFixed(0) : value >= 9.995 ? value.toFixed(1) : value.toFixed(2);
}

function inSeconds(micro) {
  const value = micro / 1e6;
  if (value >= 59.95) {
    const whole = Math.round(value);
    const hours = Math.floor(whole / 3600);
    const minutes = Math.floor(whole / 60) % 60;
    return hours ? `${hours} h ${minutes} min` : `${minutes} min ${whole % 60} s`;
  }
  if (value >= 0.9995) return `${digits(value)} s`;
  if (value >= 0.0009995) return `${digits(value * 1e3)} ms`;
  return micro > 0 ? `${digits(micro)} µs` : "0 s";
}

// Round moments between two, not more than so many, with a way to write them.
function ticks(from, to, most) {
  const rough = Math.max((to - from) / most, 1e-3);
  const size = 10 ** Math.floor(Math.log10(rough));
  let step = [1, 2, 5, 10].map((by) => by * size).find((one) => one >= rough * 0.999999);
  const clock = [6e7, 1.2e8, 3e8, 6e8, 1.8e9, 3.6e9, 7.2e9, 2.16e10, 4.32e10, 8.64e10];
  const days = 10 ** Math.max(0, Math.ceil(Math.log10(rough / 8.64e10)));
  if (rough > 3e7) step = clock.find((one) => one >= rough) ?? 8.64e10 * days;
  const found = [];
  for (let at = Math.ceil(from / step - 1e-9) * step; at <= to; at += step) found.push(at);
  const largest = Math.max(Math.abs(from), Math.abs(to));
  return found.map((at) => ({at, text: tickText(at, step, largest)}));
}

function tickText(at, step, largest) {
  if (Math.abs(at) < step / 2) return "0";
  if (step >= 8.64e10) return `${Math.round(at / 8.64e10)} d`;
  if (step >= 6e7) {
    const minutes = Math.round(at / 6e7);
    return minutes >= 60 && minutes % 60 === 0 ? `${minutes / 60} h` :
      minutes > 60 ? `${Math.floor(minutes / 60)} h ${minutes % 60}` : `${minutes} min`;
  }
  const [unit, size] = largest >= 1e6 ? ["s", 1e6] : largest >= 1e3 ? ["ms", 1e3] : ["µs", 1];
  const places = Math.max(0, Math.ceil(-Math.log10(step / size) - 1e-9));
  const text = (at / size).toLocaleString("en", {minimumFractionDigits: places, maximumFractionDigits: places});
  return `${text} ${unit}`;
}
