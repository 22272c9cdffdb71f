// One case: its clocks and everything that happened, asked again while something is still running.

import { el, pageData, setText } from "./dom.js";
import { countdown, duration, moment } from "./format.js";
import { effects, waterfall } from "./story.js";
import { installLanguageButton, nameOf, onLanguage, text } from "./texts.js";

const REFRESH_MS = 2000;
const SIGNS = { met: "✓", breached: "✕", running: "▶", paused: "⏸", cancelled: "–" };
const CHIPS = ["channel", "team", "agent_id", "priority", "customer_tier", "category", "queue", "customer_id"];
const TOLD = new Set(["event_id", "type", "occurred_at", "received_at", "case_id", "data", ...CHIPS]);
const KINDS = [[/^message\.customer|^contact\.(opened|reopened)/, "customer"], [/^message\.agent|connected|callback\.made/, "agent"],
  [/resolved|closed|survey/, "end"], [/abandoned|complaint\.filed/, "alarm"]];

const byId = (id) => document.getElementById(id);
const caseId = pageData().data;
let found = null;
let trouble = null;
let serverAheadMs = 0;

async function load() {
  try {
    const answer = await fetch(`/v1/cases/${encodeURIComponent(caseId)}`);
    if (answer.status === 401) location.reload();
    const body = await answer.json();
    trouble = answer.ok ? null : answer.status === 404 ? text("not_found") : (body.detail ?? body.title);
    if (answer.ok) {
      found = body;
      serverAheadMs = Date.parse(body.as_of) - Date.now();
    }
  } catch (error) {
    trouble = String(error.message);
  }
  draw();
  setTimeout(load, REFRESH_MS);
}

function draw() {
  setText(byId("case-id"), caseId);
  document.title = `${caseId} · ContactPulse`;
  byId("trouble").hidden = trouble === null;
  setText(byId("trouble"), trouble ?? "");
  if (found === null) return;
  drawChips();
  drawClocks();
  drawWaterfall();
  drawEvents();
}

function drawWaterfall() {
  const shown = found.clocks.some((clock) => clock.waterfall.length);
  byId("waterfall-card").hidden = !shown;
  if (shown) byId("waterfall").replaceChildren(...waterfall(found.clocks));
}

function drawChips() {
  const latest = {};
  for (const event of found.events) for (const name of CHIPS) latest[name] = event[name] ?? latest[name];
  const last = found.clocks[found.clocks.length - 1] ?? {};
  const chips = CHIPS.map((name) => [name, latest[name] ?? last[name]]).filter(([, value]) => value !== null && value !== undefined);
  byId("chips").replaceChildren(...chips.map(([name, value]) =>
    el("span", { class: "chip" }, `${text(name)} `, el("b", {}, name === "channel" ? nameOf("channel", value) : String(value)))));
}

function drawClocks() {
  const head = ["clock", "state", "target", "elapsed", "started", "due", "stopped", "policy"];
  const when = (value) => (value ? moment(value) : "–");
  byId("clocks").replaceChildren(
    el("thead", {}, el("tr", {}, ...head.map((key) => el("th", { scope: "col" }, text(key))))),
    el("tbody", {}, ...found.clocks.map((clock) => el("tr", {},
      el("td", {}, nameOf("clock", clock.clock) + (clock.seq ? ` ${clock.seq + 1}` : "")), el("td", { class: `state ${clock.state}` }, stateText(clock)),
      el("td", {}, duration(clock.target_s)), el("td", {}, clock.state === "running" ? "…" : duration(clock.elapsed_s)),
      el("td", {}, when(clock.started_at)), el("td", {}, when(clock.due_at)), el("td", {}, when(clock.stopped_at)), el("td", { class: "muted" }, clock.policy)))));
}

function stateText(clock) {
  const base = `${SIGNS[clock.state] ?? ""} ${text(clock.state)}`;
  if (!clock.due_at || clock.stopped_at || !["running", "breached"].includes(clock.state)) return base;
  const left = (Date.parse(clock.due_at) - Date.now() - serverAheadMs) / 1000;
  return `${base} · ${left > 0 ? text("left_short", { n: countdown(left) }) : text("late_short", { n: countdown(-left) })}`;
}

function drawEvents() {
  const steps = grouped(found.timeline, (step) => step.event_id ?? `at ${step.at}`);
  const items = found.events.map((event) => [event.occurred_at, eventItem(event, steps.get(event.event_id) ?? [])]);
  for (const [key, passed] of steps) if (key.startsWith("at ") && passed[0].event_id === null) items.push([passed[0].at, timeItem(passed)]);
  const at = ([instant]) => Date.parse(instant);
  byId("events").replaceChildren(...items.sort((a, b) => at(a) - at(b)).map(([, item]) => item));
}

function grouped(values, keyOf) {
  const groups = new Map();
  for (const value of values) groups.set(keyOf(value), [...(groups.get(keyOf(value)) ?? []), value]);
  return groups;
}

function timeItem(steps) {
  const alarm = steps.some((step) => step.what === "breached") ? " alarm" : "";
  return el("li", { class: `passed${alarm}` }, el("time", { datetime: steps[0].at }, moment(steps[0].at)),
    el("div", {}, el("p", { class: "what muted" }, text("time_passed")), effects(steps)));
}

function eventItem(event, steps) {
  const kind = KINDS.find(([pattern]) => pattern.test(event.type))?.[1];
  const facts = { ...event.data, ...Object.fromEntries(Object.entries(event).filter(([name]) => !TOLD.has(name))) };
  for (const name of ["team", "agent_id"]) if (event[name]) facts[text(name)] = event[name];
  const more = Object.entries(facts).map(([name, value]) => el("span", {}, `${name}: ${typeof value === "object" ? JSON.stringify(value) : value}`));
  return el("li", { class: kind }, el("time", { datetime: event.occurred_at }, moment(event.occurred_at)),
    el("div", {}, el("p", { class: "what" }, nameOf("type", event.type)), el("p", { class: "more" }, ...more), steps.length ? effects(steps) : null));
}

installLanguageButton();
onLanguage(draw);
setInterval(() => { if (found) drawClocks(); }, 500);
load();
