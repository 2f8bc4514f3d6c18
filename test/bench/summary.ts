// Rounds into medians: for each row and figure, the values of all rounds.

import { median } from "./meter.ts";
import type { Row } from "./scenario.ts";

export interface RowSummary {
  readonly name: string;
  readonly unit: string;
  /** By figure: one value a round, in order. */
  readonly values: Record<string, number[]>;
}

/** In the order the rows first came. */
export type Summary = Map<string, RowSummary>;

export function addRound(summary: Summary, rows: readonly Row[]): void {
  for (const { name, unit, figures } of rows) {
    const known = summary.get(name) ?? { name, unit, values: {} };
    summary.set(name, known);
    for (const [figure, value] of Object.entries(figures)) {
      (known.values[figure] ??= []).push(value);
    }
  }
}

/** The median of the rounds, or null if there is no such row or figure. */
export function valueOf(summary: Summary, row: string, figure: string): number | null {
  const values = summary.get(row)?.values[figure];
  return values === undefined || values.length === 0 ? null : median(values);
}
