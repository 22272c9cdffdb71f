// Compliance over the last hour, a line per clock or channel. Lines differ in colour and in dash.

/* global uPlot */
import { el, svg } from "./dom.js";
import { percent, timeOfDay } from "./format.js";
import { level } from "./levels.js";
import { nameOf, text } from "./texts.js";

const DASHES = [[], [8, 4], [2, 3], [10, 3, 2, 3]];
const COLOURS = 8;
const GOAL_DASH = [3, 5];

/** A chart in `section`; `kind` is "clock" or "channel", whose names label the lines. */
export function chart(section, kind) {
  const body = section.querySelector(".chart-body");
  const plot = body.appendChild(el("div", { class: "plot", role: "img" }));
  const legend = body.appendChild(el("ol", { class: "legend" }));
  const styles = new Map();
  let drawn = null;
  let shape = "";
  let goal = null;

  new ResizeObserver(() => drawn?.setSize(size(plot))).observe(plot);
  matchMedia("(prefers-color-scheme: light)").addEventListener("change", () => { shape = ""; });

  return (snapshot, groups) => {
    goal = snapshot.compliance_goal;
    const shown = groups.filter((group) => group.line.some((value) => value !== null));
    // A line keeps its colour for as long as the page lives, whichever others come and go.
    for (const group of shown) if (!styles.has(group[kind])) styles.set(group[kind], styles.size);
    const wanted = JSON.stringify([document.documentElement.lang, shown.map((group) => group[kind])]);
    const data = [snapshot.minutes_ms.map((ms) => ms / 1000), ...shown.map((group) => group.line)];
    if (wanted !== shape) {
      drawn?.destroy();
      drawn = new uPlot(options(plot, shown.map((group) => look(styles.get(group[kind]))), () => goal), data, plot);
      shape = wanted;
    } else {
      drawn.setData(data);
    }
    drawLegend(legend, shown, kind, styles, goal);
    plot.setAttribute("aria-label", section.querySelector("h2").textContent);
  };
}

function look(index) {
  return { colour: `--line-${(index % COLOURS) + 1}`, dash: DASHES[Math.floor(index / 2) % DASHES.length] };
}

function size(plot) {
  return { width: Math.max(plot.clientWidth, 50), height: Math.max(plot.clientHeight, 50) };
}

function options(plot, looks, goal) {
  const style = getComputedStyle(document.documentElement);
  const colour = (name) => style.getPropertyValue(name).trim();
  const rem = parseFloat(style.fontSize);
  const axis = {
    stroke: colour("--muted"), font: `${Math.round(rem * 0.85)}px system-ui, sans-serif`, ticks: { show: false },
    grid: { stroke: colour("--line"), width: 1 },
  };
  return {
    ...size(plot),
    padding: [rem * 0.4, rem * 0.3, 0, 0],
    legend: { show: false },
    cursor: { show: false },
    scales: { x: { time: true }, y: { range: (_, low) => [floor(low, goal()), 1.004] } },
    axes: [
      { ...axis, grid: { show: false }, size: rem * 1.6, space: rem * 4, values: (_, ticks) => ticks.map((s) => timeOfDay(s * 1000, false)) },
      { ...axis, size: rem * 3, space: rem * 2.2, values: (_, ticks) => ticks.map((value) => (value <= 1 ? `${Math.round(value * 100)}%` : "")) },
    ],
    series: [{}, ...looks.map(({ colour: name, dash }) => ({
      stroke: colour(name), width: Math.max(2, rem / 8), dash: dash.map((part) => part * devicePixelRatio), points: { show: false },
    }))],
    hooks: { drawAxes: [(chart) => goalLine(chart, goal(), colour("--muted"))] },
  };
}

// The range leaves out what no line reaches, in steps of five points, but always shows the goal.
function floor(low, goal) {
  const least = Math.min(low ?? 1, goal ?? 1);
  return Math.max(0, Math.floor(least * 20 - 0.4) / 20);
}

function goalLine(chart, goal, colour) {
  if (goal === null) return;
  const y = Math.round(chart.valToPos(goal, "y", true));
  const { ctx, bbox } = chart;
  ctx.save();
  ctx.strokeStyle = colour;
  ctx.setLineDash(GOAL_DASH.map((part) => part * devicePixelRatio));
  ctx.lineWidth = 1.5 * devicePixelRatio;
  ctx.beginPath();
  ctx.moveTo(bbox.left, y);
  ctx.lineTo(bbox.left + bbox.width, y);
  ctx.stroke();
  ctx.restore();
}

function drawLegend(legend, groups, kind, styles, goal) {
  const worstFirst = [...groups].sort((a, b) => (a.compliance ?? 2) - (b.compliance ?? 2));
  const entries = worstFirst.map((group) => {
    const { colour, dash } = look(styles.get(group[kind]));
    const value = group.compliance === null ? "–" : `${percent(group.compliance)}%`;
    return entry(level(group.compliance, goal), swatch(`var(${colour})`, 3, dash), nameOf(kind, group[kind]), value);
  });
  if (goal !== null) entries.push(entry("aim", swatch("var(--muted)", 1.5, GOAL_DASH), text("goal_line"), `${percent(goal)}%`));
  legend.replaceChildren(...entries);
}

function entry(kind, drawing, name, value) {
  return el("li", { class: kind }, drawing, el("span", {}, name), el("b", {}, value));
}

function swatch(colour, width, dash) {
  const line = svg("line", { x1: 0, x2: 34, y1: 6, y2: 6, "stroke-width": width, "stroke-dasharray": dash.join(" ") || null });
  line.style.stroke = colour;
  return svg("svg", { viewBox: "0 0 34 12", "aria-hidden": "true" }, line);
}
