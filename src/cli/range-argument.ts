// `--range START-END`: ages before now, as strfry has them. `2M-` is from two months ago on, `-1w`
// all but the last week, `1Y-3w` from a year to three weeks ago.

import { UsageError } from "./command.ts";

const DAY = 86_400;

/** Months and years are their means, as with strfry. `m` is a minute, `M` a month. */
const SECONDS: Readonly<Record<string, number>> = {
  s: 1,
  m: 60,
  h: 3600,
  d: DAY,
  w: 7 * DAY,
  M: 30.5 * DAY,
  Y: 365.2425 * DAY,
  y: 365.2425 * DAY,
};

const AGE = "(?:([0-9]{1,9}(?:\\.[0-9]{1,9})?)([smhdwMYy]?))?";
const RANGE = new RegExp(`^${AGE}-${AGE}$`);

/** Unix seconds, both included; null for no bound. */
export interface TimeRange {
  readonly since: number | null;
  readonly until: number | null;
}

export const ALL_TIMES: TimeRange = { since: null, until: null };

/** `now` in unix seconds. */
export function parseRange(text: string, now: number): TimeRange {
  const match = RANGE.exec(text);
  if (match === null) {
    throw new UsageError(`--range: ${text} is not START-END, ages such as 2M-, -1w or 1Y-3w`);
  }
  const [, start, startUnit, end, endUnit] = match;
  const since = timeOf(start, startUnit, now);
  const until = timeOf(end, endUnit, now);
  if (since !== null && until !== null && since > until) {
    throw new UsageError(`--range: ${text} ends before it starts (the earlier time stands first)`);
  }
  return { since, until };
}

function timeOf(count: string | undefined, unit: string | undefined, now: number): number | null {
  if (count === undefined) return null;
  return Math.max(0, now - Math.floor(Number(count) * (SECONDS[unit || "s"] as number)));
}
