// The stamp that says how old the numbers are. Red as soon as they cannot be trusted to be live.

import { setText } from "./dom.js";
import { duration, timeOfDay } from "./format.js";
import { text } from "./texts.js";

const STALE_MS = 5000;

/** The stamp in `element`; tell it what happens and tick it. `announce` speaks to screen readers. */
export function freshnessStamp(element, label, announce) {
  let snapshot = null;
  let receivedMs = 0;
  let trouble = null;
  let lost = false;
  let state = "wait";

  // How far behind now: what the server measured, plus the time since, by one clock only.
  const age = () => (snapshot?.behind_ms ?? 0) + (performance.now() - receivedMs);

  function tick() {
    const [now, words] = judge();
    setText(label, words);
    if (now === state) return;
    element.dataset.state = now;
    document.body.classList.toggle("lost", now === "lost");
    if (now !== "live" || state !== "wait") announce(words);
    state = now;
  }

  function judge() {
    const asOf = snapshot && snapshot.stream_time_ms !== null ? timeOfDay(snapshot.stream_time_ms) : "–";
    if (lost) return ["lost", text("lost", { t: asOf })];
    if (trouble !== null) return ["stale", text("trouble", { d: trouble })];
    if (snapshot === null) return ["wait", text("connecting")];
    if (snapshot.stream_time_ms === null) return ["stale", text("never")];
    if (age() > STALE_MS) return ["stale", `${text("stale", { n: duration(age() / 1000) })} · ${text("as_of", { t: asOf })}`];
    return ["live", `${text("as_of", { t: asOf })} · ${text("behind", { n: behind(snapshot.behind_ms) })}`];
  }

  return {
    tick,
    received(found) { snapshot = found; receivedMs = performance.now(); trouble = null; lost = false; tick(); },
    troubled(detail) { trouble = detail; lost = false; tick(); },
    lost() { lost = true; tick(); },
  };
}

function behind(ms) {
  return ms < 1000 ? `${Math.round(ms / 10) * 10} ms` : duration(ms / 1000);
}
