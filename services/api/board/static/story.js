// Why a case's clocks stand where they stand: who had it while they ran, and what did what to them.

import { el, svg } from "./dom.js";
import { duration, moment } from "./format.js";
import { nameOf, text } from "./texts.js";

const SIGNS = { started: "▶", restarted: "▶", paused: "⏸", resumed: "▶", retargeted: "↻", warned: "▲", breached: "✕", met: "✓", late: "✓",
  cancelled: "–", withdrawn: "–" };
const KINDS = ["queue", "bot", "agent", "team", "customer", "third_party", "closed"];

const kindOf = (holder) => holder.split(":")[0];
const clockName = (clock) => nameOf("clock", clock.clock) + (clock.seq ? ` ${clock.seq + 1}` : "");

/** A holder in words: the queue, agent 17, ... */
export function holderName(holder) {
  const [kind, ...rest] = holder.split(":");
  return rest.length ? `${text(`held_${kind}`)} ${rest.join(":")}` : text(`held_${kind}`);
}

/** Bars on one time axis, one a clock, each second of it in the colour of who had the case; below each who how long. */
export function waterfall(clocks) {
  const drawn = clocks.filter((clock) => clock.waterfall.length);
  const begin = Math.min(...drawn.map((clock) => Date.parse(clock.waterfall[0].from)));
  const end = Math.max(...drawn.map((clock) => Date.parse(clock.waterfall.at(-1).to)));
  const share = (ms) => `${(100 * ms) / Math.max(1, end - begin)}%`;
  const used = KINDS.filter((kind) => drawn.some((clock) => clock.waterfall.some((span) => kindOf(span.holder) === kind)));
  return [
    el("p", { class: "legend" }, ...used.map((kind) => el("span", {}, el("i", { class: `holder ${kind}` }), text(`held_${kind}`)))),
    ...drawn.map((clock) => el("div", { class: "fall" },
      el("span", { class: "name" }, clockName(clock)),
      svg("svg", { class: "bar", role: "img", "aria-label": sums(clock) }, ...clock.waterfall.map((span) => svg("rect", {
        class: `holder ${kindOf(span.holder)}`, x: share(Date.parse(span.from) - begin), height: "100%",
        width: share(Date.parse(span.to) - Date.parse(span.from)) },
      svg("title", {}, `${holderName(span.holder)} · ${duration(span.s)} · ${moment(span.from)}`)))),
      el("span", { class: "sums muted" }, sums(clock)))),
  ];
}

function sums(clock) {
  const seconds = new Map();
  for (const span of clock.waterfall) seconds.set(span.holder, (seconds.get(span.holder) ?? 0) + span.s);
  return [...seconds].sort((a, b) => b[1] - a[1]).map(([holder, s]) => `${holderName(holder)} ${duration(s)}`).join(" · ");
}

/** What an event, or the passing of time, did to the clocks. */
export function effects(steps) {
  return el("p", { class: "effects" }, ...steps.map((step) => el("span", { class: `effect ${step.what}` },
    `${SIGNS[step.what]} ${clockName(step)} ${text(`step_${step.what}`)}`,
    step.reason && step.what !== "started" ? ` (${reason(step)})` : null,
    step.due_at && ["started", "restarted", "resumed", "retargeted"].includes(step.what) ? ` · ${text("due")} ${moment(step.due_at)}` : null)));
}

function reason(step) {
  if (step.what === "warned") return `${Math.round(Number(step.reason) * 100)} %`;
  return step.what === "paused" ? step.reason.split(", ").map((name) => text(`pause_${name}`)).join(", ") : step.reason;
}
