// Which of the last so many ids there were, in little memory: at least `kept` of them, at most
// twice as many. Of each id 52 bits are kept, cut out at a place that nobody outside knows, so that
// who makes ids can't make one that is taken for another. Owned by who fills it.

/** 52 bits: a number that is exact. */
const DIGITS = 13;
const ID_DIGITS = 64;

export class IdMemory {
  private readonly kept: number;
  private readonly from = Math.floor(Math.random() * (ID_DIGITS - DIGITS + 1));
  private young = new Set<number>();
  private old = new Set<number>();

  constructor(kept: number) {
    this.kept = kept;
  }

  /** `id` is 64 hex digits. */
  has(id: string): boolean {
    const key = this.keyOf(id);
    return this.young.has(key) || this.old.has(key);
  }

  add(id: string): void {
    this.young.add(this.keyOf(id));
    if (this.young.size < this.kept) return;
    this.old = this.young;
    this.young = new Set();
  }

  delete(id: string): void {
    const key = this.keyOf(id);
    this.young.delete(key);
    this.old.delete(key);
  }

  clear(): void {
    this.young.clear();
    this.old.clear();
  }

  private keyOf(id: string): number {
    return Number.parseInt(id.slice(this.from, this.from + DIGITS), 16);
  }
}
