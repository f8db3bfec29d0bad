// Putting it together.

async function main() {
  let data;
  try {
    data = await readData();
  } catch (error) {
    const note = line("p", `This browser can't draw the chart (${error.message}).`, "empty");
    document.querySelector("main").prepend(note);
    return;
  }
  const ranges = data.groups.map((group) => new Range(group.map((at) => data.runs[at])));
  const charts = data.runs.map((run, at) => {
    const range = ranges[data.groups.findIndex((group) => group.includes(at))];
    const article = document.querySelector(`article[data-run="${at}"]`);
    const chart = new Chart(article, run, range);
    range.charts.push(chart);
    return chart;
  });
  const details = new Details();
  for (const chart of charts) listen(chart, details);
  new Search(charts, details);
  listenToTables(charts, details);
  watch(charts);
  document.documentElement.dataset.ready = "yes";
}

function listenToTables(charts, details) {
  for (const button of document.querySelectorAll("[data-block]")) {
    button.addEventListener("click", () => {
      const chart = charts[button.dataset.run];
      chart.canvas.focus({preventScroll: true});
      chart.canvas.scrollIntoView({block: "nearest"});
      show(chart, details, Number(button.dataset.block));
    });
  }
}

// Lay out again when the page's width or colours change; draw only charts that are in sight.
function watch(charts) {
  let looks = readLooks();
  paintLegend(looks);
  const byCanvas = new Map(charts.map((chart) => [chart.canvas, chart]));
  const layOut = (chart) => {
    if (!chart.seen) return;
    chart.layOut(looks);
    chart.draw();
  };
  const sight = new IntersectionObserver((entries) => {
    for (const {target, isIntersecting} of entries) {
      const chart = byCanvas.get(target);
      if (isIntersecting === chart.seen) continue;
      chart.seen = isIntersecting;
      layOut(chart);
    }
  }, {rootMargin: "400px"});
  const size = new ResizeObserver((entries) => {
    for (const {target} of entries) {
      const chart = byCanvas.get(target);
      if (chart.width !== target.clientWidth) layOut(chart);
    }
  });
  addEventListener("beforeprint", () => {
    for (const chart of charts) chart.seen = true;
    charts.forEach(layOut);
  });
  for (const chart of charts) {
    sight.observe(chart.canvas);
    size.observe(chart.canvas);
  }
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
    looks = readLooks();
    paintLegend(looks);
    charts.forEach(layOut);
  });
}

main();
