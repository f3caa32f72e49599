// Draws what `data-figure` holds, in the colours of the page, and again when these, its width or the figure change.
"use strict";

const SERIES = 6;
const TICK_PIXELS = 120;
const widths = new ResizeObserver((entries) => {
  for (const { target } of entries) draw(target);
});

function colours() {
  const style = getComputedStyle(document.documentElement);
  const of = (name) => style.getPropertyValue(`--${name}`).trim();
  return {
    text: of("text"),
    line: of("line"),
    raised: of("raised"),
    series: Array.from({ length: SERIES }, (_, number) => of(`series-${number + 1}`)),
  };
}

function draw(plot) {
  const { text, line, raised, series } = colours();
  const { data, layout } = JSON.parse(plot.dataset.figure);
  data.forEach((trace, number) => {
    const color = series[number % SERIES];
    trace.marker = { ...trace.marker, color };
    if (trace.line) trace.line.color = color;
    if (trace.marker.pattern) trace.marker.pattern = { ...trace.marker.pattern, bgcolor: color, fgcolor: raised, size: 6 };
  });
  const axis = { gridcolor: line, zerolinecolor: line, linecolor: line, fixedrange: true };
  const first = plot.hidden;
  plot.hidden = false;
  const { clientWidth: width, clientHeight: height } = plot;
  const shown = {
    ...layout,
    width,
    height,
    // Labels of places may need more room below, and must not take it from the sides.
    xaxis: { ...axis, nticks: Math.ceil(width / TICK_PIXELS), automargin: "height", ...layout.xaxis },
    yaxis: { ...axis, automargin: true, hoverformat: ",.2~f", ...layout.yaxis },
    paper_bgcolor: raised,
    plot_bgcolor: raised,
    font: { color: text, family: getComputedStyle(document.body).fontFamily, size: 13 },
    hoverlabel: { bgcolor: raised, bordercolor: line, font: { color: text }, namelength: -1 },
    legend: { orientation: "h", traceorder: "normal", yanchor: "bottom", y: 1, x: 0 },
    margin: { t: 8, r: 8, b: 40, l: 48 },
    hovermode: "x",
    dragmode: false,
  };
  Plotly.react(plot, data, shown, { displayModeBar: false, showTips: false });
  if (first) widths.observe(plot);
}

function drawIn(part) {
  for (const plot of part.querySelectorAll("[data-figure]")) draw(plot);
}

drawIn(document);
document.addEventListener("renewed", (event) => drawIn(event.target));
window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => drawIn(document));
