// What the relay is to reach, figure by figure, on a machine of two cores that the load shares.
// A goal without a limit of its own compares a row with another.

import { type Summary, valueOf } from "./summary.ts";

export interface Goal {
  readonly row: string;
  readonly figure: string;
  /** The largest value that is good enough, or null. */
  readonly atMost?: number;
  /** The smallest value that is good enough, or null. */
  readonly atLeast?: number;
  /** What would be better still. */
  readonly stretch?: number;
  /** The limit is on the ratio to the same figure of this row. */
  readonly comparedWith?: string;
}

const MIXES = ["REQ mix, 1 connection", "REQ mix, 4 connections", "REQ mix, 16 connections"];
const MANY_MIXES = MIXES.map((row) => `${row}, 1 M`);
const LIVE = "live, 300 subscribers";

export const GOALS: readonly Goal[] = [
  { row: "new events, 8×32", figure: "cpuUs", atMost: 75, stretch: 60 },
  { row: "new events, 8×32", figure: "perSecond", atLeast: 13_000 },
  { row: "new events, 1×1", figure: "p50AboveSyncMs", atMost: 0.5 },
  { row: "duplicates of recent events, 8×32", figure: "cpuUs", atMost: 20, stretch: 12 },
  { row: "duplicates of old events, 8×32", figure: "cpuUs", atMost: 20, stretch: 12 },
  { row: "forged events, 4×32", figure: "cpuUs", atMost: 50 },
  ...MIXES.map((row) => ({ row, figure: "cpuUsPerEvent", atMost: 4, stretch: 3 })),
  { row: "REQ mix, 4 connections", figure: "p99Ms", atMost: 3 },
  { row: "empty answer", figure: "cpuUs", atMost: 80 },
  ...MANY_MIXES.flatMap((row, i) => {
    const comparedWith = MIXES[i] as string;
    return [
      { row, figure: "cpuUsPerEvent", atMost: 1.5, comparedWith },
      { row, figure: "p99Ms", atMost: 1.5, comparedWith },
    ];
  }),
  { row: `${LIVE}, 100/s`, figure: "cpuUs", atMost: 7 },
  { row: `${LIVE}, 100/s`, figure: "p50Ms", atMost: 3, stretch: 2 },
  { row: `${LIVE}, 100/s`, figure: "p99Ms", atMost: 10 },
  { row: `${LIVE}, full rate`, figure: "cpuUs", atMost: 2.5 },
  { row: `${LIVE}, full rate`, figure: "perSecond", atLeast: 150_000, stretch: 250_000 },
  {
    row: "5,000 idle subscribed connections",
    figure: "anonBytesPerConnection",
    atMost: 6000,
    stretch: 4000,
  },
  { row: "import, verifying", figure: "perSecond", atLeast: 20_000, stretch: 30_000 },
  { row: "import, verifying", figure: "diskBytesPerEvent", atMost: 1000, stretch: 700 },
  { row: "export", figure: "perSecond", atLeast: 200_000 },
  { row: "start, 1 M events", figure: "startMs", atMost: 300, stretch: 150 },
  { row: "start, no events", figure: "rssBytes", atMost: 120e6, stretch: 90e6 },
];

export type Verdict = "stretch" | "met" | "missed";

export interface Judged {
  readonly goal: Goal;
  /** The median, or its ratio to that of the row it is compared with. */
  readonly value: number;
  readonly verdict: Verdict;
}

/** Of the goals whose rows were measured. */
export function judge(summary: Summary): Judged[] {
  return GOALS.flatMap((goal) => {
    const own = valueOf(summary, goal.row, goal.figure);
    const { comparedWith } = goal;
    const base = comparedWith === undefined ? 1 : valueOf(summary, comparedWith, goal.figure);
    if (own === null || base === null) return [];
    const value = own / base;
    const isWithin = (limit: number): boolean =>
      goal.atMost === undefined ? value >= limit : value <= limit;
    const limit = (goal.atMost ?? goal.atLeast) as number;
    const isStretched = goal.stretch !== undefined && isWithin(goal.stretch);
    const verdict = isStretched ? "stretch" : isWithin(limit) ? "met" : "missed";
    return [{ goal, value, verdict }];
  });
}
