// The monitor's memory of the last ephemeral events, for REQs that were taken before one of them
// came and are still reading stored events. Bounded by count, bytes and age.

const COUNT_MAX = 1024;
const BYTES_MAX = 4 * 1024 * 1024;
const AGE_MS_MAX = 60_000;

interface Kept {
  readonly atMs: number;
  readonly text: Buffer;
}

export class RecentEphemerals {
  private readonly events: Kept[] = [];
  private bytes = 0;

  /** `atMs`: when its ingester took it. Copies the text, which lies in a ring. */
  add(atMs: number, text: Buffer): void {
    this.events.push({ atMs, text: Buffer.from(text) });
    this.bytes += text.length;
    while (this.isTooMuch(atMs)) this.bytes -= (this.events.shift() as Kept).text.length;
  }

  /** Those that were taken at that time or later, in order. */
  since(atMs: number): Buffer[] {
    return this.events.filter((kept) => kept.atMs >= atMs).map((kept) => kept.text);
  }

  private isTooMuch(nowMs: number): boolean {
    if (this.events.length > COUNT_MAX || this.bytes > BYTES_MAX) return true;
    return (this.events[0] as Kept).atMs < nowMs - AGE_MS_MAX;
  }
}
