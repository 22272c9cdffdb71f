// Clocks about to run out, soonest first, and those that did. Counts down by itself between snapshots.

import { el, setText } from "./dom.js";
import { countdown, timeOfDay } from "./format.js";
import { nameOf, text } from "./texts.js";

const SOON_S = 300;
const NOW_S = 60;

/** A list in `table`; returns draw(rows) and tick(nowMs). `choose(name, value)` filters the board. */
export function urgentList(table, late, choose) {
  const rows = new Map();
  const head = el("thead");
  const body = el("tbody");
  table.append(head, body);

  function draw(found) {
    head.replaceChildren(el("tr", {}, ...(found.length ? headings(late) : [])));
    const wanted = new Set();
    const ordered = found.map((row) => {
      const key = JSON.stringify([row.case_id, row.clock, row.seq, row.team, row.channel, row.priority, document.documentElement.lang]);
      wanted.add(key);
      if (!rows.has(key)) rows.set(key, line(row, late, choose));
      const shown = rows.get(key);
      shown.dueMs = Date.parse(row.due_at);
      setText(shown.due, timeOfDay(shown.dueMs, false));
      shown.due.title = timeOfDay(shown.dueMs);
      return shown.element;
    });
    for (const key of rows.keys()) if (!wanted.has(key)) rows.delete(key);
    // Moving a row takes the focus from it; so only where the order has changed.
    if (ordered.length !== body.children.length || ordered.some((element, index) => element !== body.children[index])) {
      body.replaceChildren(...ordered);
    }
  }

  function tick(nowMs) {
    for (const row of rows.values()) {
      const left = (row.dueMs - nowMs) / 1000;
      const state = left <= 0 ? "over" : left <= NOW_S ? "now" : left <= SOON_S ? "soon" : "later";
      if (row.element.className !== state) row.element.className = state;
      setText(row.sign, { over: "✕", now: "▲", soon: "▲", later: "" }[state]);
      setText(row.left, left > 0 ? countdown(left) : `+${countdown(-left)}`);
    }
  }

  return { draw, tick };
}

function headings(late) {
  return [late ? "late" : "remaining", "case", "clock", "channel", "team", "priority", "due"]
    .map((key) => el("th", { scope: "col" }, text(key)));
}

function line(row, late, choose) {
  const sign = el("span", { class: "sign", "aria-hidden": "true" });
  const left = el("span", { role: "timer" });
  const due = el("td", { class: "due" });
  const team = row.team === null ? text("none")
    : el("a", { href: `/?team=${encodeURIComponent(row.team)}`, onclick: (event) => { event.preventDefault(); choose("team", row.team); } }, row.team);
  const element = el("tr", {},
    el("td", { class: "left" }, sign, left),
    el("td", { title: row.case_id }, el("a", { href: `/cases/${encodeURIComponent(row.case_id)}` }, row.case_id)),
    el("td", {}, nameOf("clock", row.clock)), el("td", {}, nameOf("channel", row.channel)), el("td", {}, team),
    el("td", {}, el("span", { class: `priority ${/^L[123]$/.test(row.priority) ? row.priority : ""}` }, row.priority ?? "–")), due);
  return { element, sign, left, due, dueMs: 0 };
}
