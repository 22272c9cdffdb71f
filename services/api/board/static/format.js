// Numbers and times as people read them. Durations in seconds, instants in milliseconds.

const locale = () => document.documentElement.lang;

/** A metric's value as parts [text, isUnit], so that units can be set smaller. */
export function valueParts(unit, value) {
  if (value === null || value === undefined) return [["–", false]];
  if (unit === "s") return durationParts(value);
  if (unit === "ratio") return [[percent(value, 1), false], ["%", true]];
  if (unit === "count") return [[value.toLocaleString(locale()), false]];
  return [[value.toLocaleString(locale(), { minimumFractionDigits: 2, maximumFractionDigits: 2 }), false]];
}

/** The same as one text. */
export function valueText(unit, value) {
  return joined(valueParts(unit, value));
}

/** A ratio in percent, without the sign. Rounded down: 89.9 % must not look as if it had reached 90, nor 99.9 % whole. */
export function percent(ratio, digits = 0) {
  const factor = 10 ** digits;
  // The tiny addition undoes binary fractions: 0.29 x 100 is 28.999999999999996.
  return (Math.floor(ratio * 100 * factor + 1e-9) / factor).toFixed(ratio === 1 ? 0 : digits);
}

function durationParts(seconds) {
  if (seconds < 10) return [[seconds.toFixed(1), false], ["s", true]];
  const whole = Math.round(seconds);
  if (whole < 60) return [[String(whole), false], ["s", true]];
  const minutes = Math.floor(whole / 60);
  if (minutes < 60) return [[String(minutes), false], ["m", true], [String(whole % 60).padStart(2, "0"), false], ["s", true]];
  const hours = Math.floor(minutes / 60);
  if (hours < 48) return [[String(hours), false], ["h", true], [String(minutes % 60).padStart(2, "0"), false], ["m", true]];
  return [[String(Math.floor(hours / 24)), false], ["d", true], [String(hours % 24).padStart(2, "0"), false], ["h", true]];
}

/** 4m 05s */
export function duration(seconds) {
  return joined(durationParts(Math.max(0, seconds)));
}

function joined(parts) {
  return parts.map(([text, isUnit]) => (isUnit && text !== "%" ? `${text} ` : text)).join("").trim();
}

/** 4:05 or 1:04:05, for counting down. */
export function countdown(seconds) {
  const whole = Math.max(0, Math.ceil(seconds));
  const parts = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  const shown = parts[0] ? parts : parts.slice(1);
  return shown.map((part, index) => (index ? String(part).padStart(2, "0") : String(part))).join(":");
}

/** 14:02:31 in the reader's zone. */
export function timeOfDay(ms, seconds = true) {
  const options = { hour: "2-digit", minute: "2-digit", hourCycle: "h23" };
  return new Date(ms).toLocaleTimeString(locale(), seconds ? { ...options, second: "2-digit" } : options);
}

/** Date and time to the millisecond in the reader's zone. */
export function moment(text) {
  const date = new Date(text);
  const day = date.toLocaleDateString(locale(), { month: "short", day: "numeric" });
  return `${day} ${timeOfDay(date.getTime())}.${String(date.getMilliseconds()).padStart(3, "0")}`;
}
