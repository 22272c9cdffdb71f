// The top row: one big number each, its goal, how it moved over the last hour, and the number beneath.

import { el, setText, svg } from "./dom.js";
import { valueParts, valueText } from "./format.js";
import { language, text } from "./texts.js";

const HEIGHT = 40;
const WIDTH = 100;

// Beneath the number of open cases: which line says which field of the snapshot, in which unit.
const OPEN_ROWS = [
  ["longest_wait", "longest_wait_s", "s"], ["waiting_now", "waiting", "count"],
  ["clocks_running", "running", "count"], ["clocks_paused", "paused", "count"], ["clocks_overdue", "overdue", "count"],
];

const tiles = new Map();

/** Draws all tiles of a snapshot into `parent`. */
export function drawTiles(parent, snapshot) {
  for (const tile of snapshot.tiles) {
    if (!tiles.has(tile.id)) tiles.set(tile.id, parent.appendChild(frame(tile.id)));
    fill(tiles.get(tile.id), tile, snapshot.window_min);
  }
  if (!tiles.has("open")) tiles.set("open", parent.appendChild(openFrame()));
  fillOpen(tiles.get("open"), snapshot);
}

function frame(id) {
  return el("article", { class: "card tile", "data-metric": id },
    el("h2", { class: "name" }), el("p", { class: "value" }), el("p", { class: "goal" }),
    el("div", { class: "spark", "aria-hidden": "true" }), el("p", { class: "second" }, el("span"), el("b")));
}

function fill(card, tile, minutes) {
  const name = tile[language()];
  card.classList.toggle("worse", tile.worse);
  setText(card.querySelector(".name"), name);
  card.querySelector(".name").title = `${name}, ${text("last_minutes", { n: minutes })}`;
  setValue(card.querySelector(".value"), valueParts(tile.unit, tile.value));
  const goal = card.querySelector(".goal");
  goal.classList.toggle("met", tile.goal !== null && !tile.worse && tile.value !== null);
  setText(goal, goalText(tile, minutes));
  setText(card.querySelector(".second span"), tile.second[language()]);
  setText(card.querySelector(".second b"), valueText(tile.second.unit, tile.second.value));
  card.querySelector(".spark").replaceChildren(sparkline(tile.line, tile.goal));
}

function goalText(tile, minutes) {
  if (tile.goal === null) {
    const hour = tile.unit === "count" ? ` · ${text("last_hour")} ${valueText(tile.unit, tile.hour)}` : "";
    return text("last_minutes", { n: minutes }) + hour;
  }
  const goal = `${text("goal")} ${tile.direction === "down" ? "≤" : "≥"} ${valueText(tile.unit, tile.goal)}`;
  if (tile.value === null) return goal;
  return tile.worse ? `▲ ${goal} · ${text("worse")}` : `✓ ${goal}`;
}

function setValue(element, parts) {
  const shown = parts.map(([part]) => part).join("|");
  if (element.dataset.shown === shown) return;
  element.dataset.shown = shown;
  element.replaceChildren(...parts.map(([part, isUnit]) => (isUnit ? el("small", {}, part) : part)));
}

/** A line over the hour with gaps where there was no value; the goal dashed where it lies near. */
function sparkline(line, goal) {
  const known = line.filter((value) => value !== null);
  const drawing = svg("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none" });
  if (known.length < 2) return drawing;
  let [low, high] = [Math.min(...known), Math.max(...known)];
  const span = high - low || Math.abs(high) || 1;
  if (goal !== null && goal > low - span && goal < high + span) [low, high] = [Math.min(low, goal), Math.max(high, goal)];
  const pad = (high - low || Math.abs(high) || 1) * 0.12;
  const y = (value) => HEIGHT - ((value - low + pad) / (high - low + 2 * pad)) * HEIGHT;
  const x = (index) => (index / (line.length - 1)) * WIDTH;
  if (goal !== null && goal >= low && goal <= high) {
    drawing.append(svg("line", { class: "aim", x1: 0, x2: WIDTH, y1: y(goal), y2: y(goal) }));
  }
  for (const run of runs(line)) {
    const points = run.map((index) => `${x(index).toFixed(2)},${y(line[index]).toFixed(2)}`).join(" ");
    const [first, last] = [x(run[0]), x(run[run.length - 1])];
    drawing.append(svg("polygon", { class: "area", points: `${first},${HEIGHT} ${points} ${last},${HEIGHT}` }));
    drawing.append(svg("polyline", { class: "stroke", points }));
  }
  return drawing;
}

function runs(line) {
  const found = [];
  line.forEach((value, index) => {
    if (value === null) return;
    const last = found[found.length - 1];
    if (last && last[last.length - 1] === index - 1) last.push(index);
    else found.push([index]);
  });
  return found;
}

function openFrame() {
  const row = (id) => el("p", { class: "second", "data-open": id }, el("span"), el("b"));
  return el("article", { class: "card tile", "data-metric": "open" },
    el("h2", { class: "name" }), el("p", { class: "value" }), el("p", { class: "goal" }),
    el("div", { class: "rows" }, ...OPEN_ROWS.map(([id]) => row(id))));
}

function fillOpen(card, snapshot) {
  const open = snapshot.open;
  setText(card.querySelector(".name"), text("open_now"));
  setValue(card.querySelector(".value"), valueParts("count", open.cases));
  setText(card.querySelector(".goal"), text("open_cases"));
  for (const [id, field, unit] of OPEN_ROWS) {
    const row = card.querySelector(`[data-open="${id}"]`);
    setText(row.querySelector("span"), text(id));
    setText(row.querySelector("b"), valueText(unit, open[field]));
  }
}
