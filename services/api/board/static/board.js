// The live board: one snapshot a second comes in, everything is drawn from it, clocks tick in between.

import { chart } from "./charts.js";
import { connect } from "./connection.js";
import { el, pageData, setText } from "./dom.js";
import { freshnessStamp } from "./freshness.js";
import { drawMatrix } from "./matrix.js";
import { installLanguageButton, nameOf, onLanguage, text } from "./texts.js";
import { drawTiles } from "./tiles.js";
import { urgentList } from "./urgent.js";

const byId = (id) => document.getElementById(id);
const FILTERS = ["team", "channel"];

let snapshot = null;
// The server's clock against ours: countdowns must not depend on a screen's own clock being right.
let serverAheadMs = 0;

const chosen = new URLSearchParams(location.search);
const byClock = chart(byId("by-clock"), "clock");
const byChannel = chart(byId("by-channel"), "channel");
const atRisk = urgentList(byId("at-risk"), false, choose);
const overdue = urgentList(byId("overdue"), true, choose);
const stamp = freshnessStamp(byId("fresh"), byId("fresh-text"), announce);

function announce(words) {
  setText(byId("announce"), words);
}

function query() {
  const wanted = new URLSearchParams();
  for (const name of FILTERS) for (const value of chosen.getAll(name)) wanted.append(name, value);
  return wanted.size ? `?${wanted}` : "";
}

function choose(name, value) {
  if (value === "") chosen.delete(name);
  else chosen.set(name, value);
  history.replaceState(null, "", `/${query()}`);
  drawFilters();
  restart(query());
}

function drawFilters() {
  for (const name of FILTERS) {
    const select = byId(name);
    const known = new Set([...(snapshot?.choices[name] ?? []), ...chosen.getAll(name)]);
    const wanted = JSON.stringify([document.documentElement.lang, [...known]]);
    if (select.dataset.drawn !== wanted) {
      const label = (value) => (name === "channel" ? nameOf("channel", value) : value);
      select.replaceChildren(el("option", { value: "" }, text("all")), ...[...known].map((value) => el("option", { value }, label(value))));
      select.dataset.drawn = wanted;
    }
    select.value = chosen.get(name) ?? "";
    select.classList.toggle("set", chosen.has(name));
  }
  byId("all").hidden = !FILTERS.some((name) => chosen.has(name));
}

function draw() {
  drawFilters();
  stamp.tick();
  if (snapshot === null) return;
  drawRefused();
  drawTiles(byId("tiles"), snapshot);
  byClock(snapshot, snapshot.clocks);
  byChannel(snapshot, snapshot.channels);
  drawMatrix(byId("matrix"), snapshot, (channel) => choose("channel", channel));
  drawList("at-risk", atRisk, snapshot.at_risk);
  drawList("overdue", overdue, snapshot.overdue);
  tick();
}

function drawRefused() {
  const line = byId("refused");
  const words = snapshot.policy_refused ? text("policy_refused", { d: snapshot.policy_refused }) : "";
  line.hidden = words === "";
  line.title = words;
  setText(line, words);
}

function drawList(id, list, rows) {
  list.draw(rows);
  byId(`${id}-empty`).hidden = rows.length > 0;
  setText(byId(`${id}-count`), rows.length >= snapshot.list_limit ? `${snapshot.list_limit}+` : String(rows.length));
  byId(`${id}-count`).classList.toggle("some", rows.length > 0);
}

function tick() {
  const nowMs = Date.now() + serverAheadMs;
  atRisk.tick(nowMs);
  overdue.tick(nowMs);
  stamp.tick();
}

function tellWorse(before, now) {
  const was = new Set(before?.tiles.filter((tile) => tile.worse).map((tile) => tile.id));
  const fresh = now.tiles.filter((tile) => tile.worse && !was.has(tile.id));
  if (before && fresh.length) announce(fresh.map((tile) => `${tile[document.documentElement.lang.slice(0, 2)]}: ${text("worse")}`).join("; "));
}

for (const name of FILTERS) byId(name).addEventListener("change", (event) => choose(name, event.target.value));
byId("all").addEventListener("click", () => { for (const name of FILTERS) chosen.delete(name); choose("team", ""); });
byId("logout").hidden = !pageData().signed_in;

const restart = connect(query(), {
  board(found) {
    serverAheadMs = found.as_of_ms - Date.now();
    tellWorse(snapshot, found);
    snapshot = found;
    stamp.received(found);
    draw();
  },
  trouble: (detail) => stamp.troubled(detail),
  lost: () => stamp.lost(),
});

installLanguageButton();
onLanguage(draw);
setInterval(tick, 250);
