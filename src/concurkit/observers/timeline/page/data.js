// Reading the data: columns of whole numbers, in microseconds, unpacked into typed arrays.

const STATUSES = ["returned", "failed", "retried", "cancelled", "killed", "abandoned", "running"];
const IN_WORDS = {retried: "failed, tried again", running: "still running"};
const RETURNED = 0;
const RUNNING = 6;

async function readData() {
  const text = document.getElementById("data").textContent;
  const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  const data = await new Response(stream).json();
  data.runs.forEach(unpack);
  return data;
}

function unpack(run) {
  const size = run.status.length;
  run.start = sums(run.started);
  run.stop = new Float64Array(size);
  run.reach = new Float64Array(size);  // the latest end so far in the row, to search by
  run.index = sums(run.index);
  run.name = Uint32Array.from(run.name);
  run.count = Uint32Array.from(run.count);
  run.status = Uint8Array.from(run.status);
  run.row = new Uint32Array(size);
  run.trouble = new Map(run.troubles.map(([at, text, wait]) => [at, {error: run.texts[text], wait}]));
  let from = 0;
  run.rows = run.rows.map(([name, blocks, share, crash], number) => {
    const row = {name, share, crash, from, to: from + blocks};
    let reach = -Infinity;
    for (let at = row.from; at < row.to; at++) {
      run.stop[at] = run.start[at] + run.duration[at];
      run.reach[at] = reach = Math.max(reach, run.stop[at]);
      run.row[at] = number;
    }
    from = row.to;
    return row;
  });
}

function sums(steps) {
  const found = new Float64Array(steps.length);
  let sum = 0;
  for (let at = 0; at < steps.length; at++) found[at] = sum += steps[at];
  return found;
}

// The first place from which on values (which never fall) are above the limit.
function firstAbove(values, from, to, limit) {
  while (from < to) {
    const middle = (from + to) >> 1;
    if (values[middle] > limit) to = middle; else from = middle + 1;
  }
  return from;
}

// What a block is called, and the same in short.
function title(run, at) {
  const name = run.names[run.name[at]];
  return run.count[at] > 1 ? `${name} × ${run.count[at].toLocaleString("en")}` : `${name} #${run.index[at]}`;
}

function name(run, at) {
  return run.names[run.name[at]];
}
