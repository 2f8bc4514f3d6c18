// When a thread's garbage is collected: after so many records, and so long without any.

const GARBAGE_RECORDS_MIN = 1000;
/** What a turn without records counts for, that was a piece of something larger. */
const PIECE_RECORDS = 50;
const QUIET_MS = 900; // less than an idle thread sleeps
const COLLECT_EVERY_MS = 10_000;

/**
 * Left to itself, a thread that has been busy keeps its garbage until it is busy again: 20 KB for
 * each subscription it has seen, megabytes in all. So it is collected when nothing has come for a
 * while. That takes some 10 ms, so not often.
 */
export class Housekeeping {
  /** At first what starting has left. */
  private records = GARBAGE_RECORDS_MIN;
  private workedAt = 0;
  private collectedAt = Number.NEGATIVE_INFINITY;

  /** At the end of a turn: how many records it has dealt with, and whether there is more to do. */
  note(count: number, isBusy: boolean): void {
    const records = count === 0 && isBusy ? PIECE_RECORDS : count;
    this.records += records;
    const now = performance.now();
    if (records > 0) this.workedAt = now;
    else if (this.isDue(now)) {
      Bun.gc(true);
      this.records = 0;
      this.collectedAt = now;
    }
  }

  private isDue(now: number): boolean {
    if (this.records < GARBAGE_RECORDS_MIN) return false;
    return now - this.workedAt >= QUIET_MS && now - this.collectedAt >= COLLECT_EVERY_MS;
  }
}
