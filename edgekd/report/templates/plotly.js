// Draws the figures of this page in the colors of its style sheet, again when the screen turns narrow or dark.
const source = document.getElementById("data").textContent;
const narrow = matchMedia("(max-width: 959px)"), dark = matchMedia("(prefers-color-scheme: dark)");
const buttons = [["toImage", "zoomIn2d", "zoomOut2d", "resetScale2d"]]; // none that sends anything anywhere
let marked = null;

function draw() {
  const style = getComputedStyle(document.documentElement);
  const colored = source.replace(/var\(--([a-z0-9-]+)\)/g, (_, name) => style.getPropertyValue("--" + name).trim());
  const { figures, texts } = JSON.parse(colored);
  for (const [id, figure] of Object.entries(figures)) {
    for (const trace of figure.traces)
      if (trace.customdata) trace.hovertext = trace.customdata.map(i => (i === null ? "" : texts[i]));
    const layout = narrow.matches ? { ...figure.narrow, dragmode: false } : figure.wide; // a finger scrolls the page
    const options = { responsive: true, displaylogo: false, displayModeBar: !narrow.matches, modeBarButtons: buttons };
    Plotly.react(id, figure.traces, layout, options);
  }
  mark(marked);
}

// Shows candidate number i in every figure; null shows none.
function mark(i) {
  marked = i;
  for (const plot of document.querySelectorAll(".plot")) {
    const traces = plot.data.flatMap((trace, at) => (trace.meta === "marked" ? [at] : []));
    const points = traces.map(at => plot.data.filter(other => other.customdata && (other.xaxis ?? "x") === plot.data[at].xaxis)
      .flatMap(other => other.customdata.flatMap((owner, k) => (owner === i && i !== null ? [[other.x[k], other.y[k]]] : []))));
    if (traces.length)
      Plotly.restyle(plot, { x: points.map(p => p.map(q => q[0])), y: points.map(p => p.map(q => q[1])) }, traces);
  }
}

draw();
narrow.addEventListener("change", draw);
dark.addEventListener("change", draw);
for (const plot of document.querySelectorAll(".plot"))
  plot.on("plotly_click", event => {
    const i = event.points[0].customdata;
    if (i !== undefined) mark(i === marked ? null : i);
  });
