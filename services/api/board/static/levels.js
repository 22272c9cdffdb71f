// How good a compliance is against the goal. Colour never stands alone: each level has a sign too.

const NEAR = 0.1;

/** "good" on the goal, "warn" up to ten points below, "bad" beyond, "none" without a value. */
export function level(compliance, goal) {
  if (compliance === null || goal === null) return "none";
  if (compliance >= goal) return "good";
  return compliance >= goal - NEAR ? "warn" : "bad";
}

/** The sign of a level. */
export const SIGNS = { good: "✓", warn: "▼", bad: "✕", none: "" };
