// What a transfer has come to so far, both ways: its progress on standard error, and a summary at
// its end. Belongs to its command.

import type { PageSink } from "../mesh/paging.ts";
import { type Answer, IS_DUPLICATE } from "../mesh/relay-message.ts";
import type { EventTaker } from "./event-taker.ts";
import { progressBar, showProgress, writeLines } from "./progress-line.ts";

const PROGRESS_MS = 1000;
/** A relay may have another one for each event. */
const REASONS_MAX = 50;
const OTHER_REASONS = "for other reasons";

export class TransferReport {
  /** Events that have come from the relay. */
  received = 0;
  /** Asked for by id, and not given. */
  private missing = 0;
  private sent = 0;
  private taken = 0;
  private thereAlready = 0;
  /** Protected events (NIP-70), which aren't ours to send. */
  protectedCount = 0;
  /** How many there are to be received and sent, when that is known. */
  private expected: { readonly down: number; readonly up: number } | null = null;
  private readonly refusedThere = new Map<string, number>();
  private readonly problems: string[] = [];
  private readonly intake: EventTaker;
  private readonly startedAt = performance.now();
  private readonly timer = setInterval(() => this.printProgress(), PROGRESS_MS);
  /** How many events had been transferred when progress was last shown. */
  private shownAt = 0;
  private hasBegun = { down: false, up: false };

  constructor(intake: EventTaker) {
    this.intake = intake;
  }

  /** A part of what is done: its counts are told, even if they are 0. */
  begin(direction: "down" | "up"): void {
    this.hasBegun = { ...this.hasBegun, [direction]: true };
  }

  readonly onAnswer = (_id: string, { isAccepted, reason }: Answer): void => {
    this.sent += 1;
    if (IS_DUPLICATE.test(reason)) this.thereAlready += 1;
    else if (isAccepted) this.taken += 1;
    else {
      this.countRefusal(reason === "" ? "refused without a reason" : reason);
    }
  };

  private countRefusal(reason: string): void {
    const counts = this.refusedThere;
    const shown = counts.size < REASONS_MAX || counts.has(reason) ? reason : OTHER_REASONS;
    counts.set(shown, (counts.get(shown) ?? 0) + 1);
  }

  get takenCount(): number {
    return this.taken;
  }

  /** Where events from the relay go. */
  sink(intake: EventTaker): Pick<PageSink, "onEvent" | "onFlaw" | "onPage"> {
    return {
      onEvent: (event) => {
        this.received += 1;
        intake.take(event);
      },
      onFlaw: (flaw) => {
        this.received += 1;
        intake.refuse(flaw);
      },
      onPage: () => intake.flushIfDue(),
    };
  }

  /** A line of what has been found out. */
  tell(line: string): void {
    writeLines(`${line}\n`);
  }

  /** So many more are to be received and sent. */
  expect(down: number, up: number): void {
    this.expected = { down: this.received + down, up: this.sent + up };
  }

  addMissing(): void {
    this.missing += 1;
  }

  /** Why not everything was done. */
  addProblem(problem: string): void {
    if (!this.problems.includes(problem)) this.problems.push(problem);
  }

  get isComplete(): boolean {
    return this.problems.length === 0 && this.refusedThere.size === 0;
  }

  /** Nothing has been transferred either way. */
  get isEmpty(): boolean {
    return this.received === 0 && this.sent === 0;
  }

  stop(): void {
    clearInterval(this.timer);
    writeLines("");
  }

  summary(): string {
    const { stored, known, refused } = this.intake.counts;
    const lines: string[] = [];
    if (this.hasBegun.down) {
      lines.push(`down: ${this.received} events in ${this.pace(this.received)}`);
      lines.push(`  ${stored} ${this.intake.verb}`);
      if (known > 0) lines.push(`  ${known} here already`);
      for (const [reason, count] of mostFirst(refused)) lines.push(`  ${count} ${reason}`);
      if (this.missing > 0) lines.push(`  ${this.missing} gone there, or not given`);
    }
    if (this.hasBegun.up) {
      lines.push(`up: ${this.sent} events in ${this.pace(this.sent)}`);
      lines.push(`  ${this.taken} taken`);
      if (this.thereAlready > 0) lines.push(`  ${this.thereAlready} there already`);
      for (const [reason, count] of mostFirst(this.refusedThere))
        lines.push(`  ${count} ${reason}`);
      if (this.protectedCount > 0) lines.push(`  ${this.protectedCount} protected, not sent`);
    }
    for (const problem of this.problems) lines.push(`nandu: ${problem}`);
    return lines.map((line) => `${line}\n`).join("");
  }

  private pace(count: number): string {
    const seconds = (performance.now() - this.startedAt) / 1000;
    return `${seconds.toFixed(1)} s (${Math.round(count / Math.max(seconds, 0.001))}/s)`;
  }

  private printProgress(): void {
    const moved = this.received + this.sent;
    if (moved === this.shownAt) return;
    this.shownAt = moved;
    const { down, up } = this.hasBegun;
    const { expected } = this;
    const bar = expected === null ? "" : progressBar(moved, expected.down + expected.up);
    const parts: string[] = [];
    if (down) {
      const of = expected === null ? "" : ` of ${expected.down}`;
      const { counts, verb } = this.intake;
      const done = `${counts.stored} ${verb}`;
      parts.push(`down ${this.received}${of}, ${done}, ${this.rate(this.received)}`);
    }
    if (up) {
      const of = expected === null ? "" : ` of ${expected.up}`;
      parts.push(`up ${this.sent}${of}, ${this.taken} taken, ${this.rate(this.sent)}`);
    }
    if (parts.length > 0) showProgress(bar + parts.join("; "));
  }

  private rate(count: number): string {
    return `${Math.round((count * 1000) / (performance.now() - this.startedAt))}/s`;
  }
}

function mostFirst(counts: ReadonlyMap<string, number>): [reason: string, count: number][] {
  return [...counts].toSorted(([a, m], [b, n]) => n - m || (a < b ? -1 : 1));
}
