// The table clock x channel. A channel's heading filters the whole board by it.

import { el } from "./dom.js";
import { percent } from "./format.js";
import { SIGNS, level } from "./levels.js";
import { nameOf, text } from "./texts.js";

let drawn = "";

/** Draws the table of a snapshot; `choose(channel)` is called by a heading. */
export function drawMatrix(table, snapshot, choose) {
  const wanted = JSON.stringify([document.documentElement.lang, snapshot.clocks.map(counts), snapshot.cells, snapshot.compliance_goal]);
  if (wanted === drawn) return;
  drawn = wanted;
  const focused = document.activeElement?.dataset?.channel;
  const channels = snapshot.channels.map((row) => row.channel);
  const cells = new Map(snapshot.cells.map((cell) => [JSON.stringify([cell.clock, cell.channel]), cell]));
  const head = el("tr", {}, el("td"), el("th", { scope: "col" }, text("overall")),
    ...channels.map((channel) => el("th", { scope: "col" }, heading(channel, choose))));
  const rows = snapshot.clocks.map((clock) => el("tr", {},
    el("th", { scope: "row" }, nameOf("clock", clock.clock)), shown(clock, snapshot.compliance_goal, "total"),
    ...channels.map((channel) => shown(cells.get(JSON.stringify([clock.clock, channel])), snapshot.compliance_goal))));
  table.replaceChildren(el("thead", {}, head), el("tbody", {}, ...rows));
  if (focused) table.querySelector(`[data-channel="${CSS.escape(focused)}"]`)?.focus();
}

function counts({ line: _, ...rest }) {
  return rest;
}

function heading(channel, choose) {
  if (!channel) return nameOf("channel", channel);
  return el("button", { type: "button", "data-channel": channel, onclick: () => choose(channel) }, nameOf("channel", channel));
}

function shown(cell, goal, kind = null) {
  if (!cell) return el("td", { class: kind }, el("div", { class: "cell none" }, el("b", {}, "–")));
  const ended = cell.met + cell.breached;
  const found = level(cell.compliance, goal);
  const value = cell.compliance === null ? "–" : `${percent(cell.compliance)}%`;
  const title = `${text("of_ended", { n: ended, r: cell.running })}`;
  return el("td", { class: kind, title }, el("div", { class: `cell ${found}` },
    el("span", { class: "sign", "aria-hidden": "true" }, SIGNS[found]), el("b", {}, value), el("small", {}, `${cell.met}/${ended}`)));
}
