// JSONL input on its way to the checkers: cut into blocks of whole lines where it is read, into
// lines where they are checked. Never more than one line's limit and one read in memory; what a
// line costs is a search for its end.

const NEWLINE = 0x0a;
const READ_BYTES = 1 << 16;

export interface BlockSink {
  /** Whole lines, the last one of the input perhaps without its newline. Valid during the call. */
  lines(bytes: Buffer): void;
  /** In place of a line that is longer than the limit. */
  longLine(): void;
}

/** The longest block of lines, for lines of at most so many bytes. */
export function blockBytesMax(lineBytesMax: number): number {
  return lineBytesMax + READ_BYTES;
}

export class BlockCutter {
  private readonly sink: BlockSink;
  private readonly lineBytesMax: number;
  private readonly buffer: Buffer;
  /** Of the line that has begun; at most `lineBytesMax`. */
  private keptBytes = 0;
  /** Within a line that is too long, to its end. */
  private isSkipping = false;

  constructor(lineBytesMax: number, sink: BlockSink) {
    this.sink = sink;
    this.lineBytesMax = lineBytesMax;
    this.buffer = Buffer.allocUnsafe(blockBytesMax(lineBytesMax));
  }

  /** Where the next bytes are to be read into; then `take` them. */
  room(): Buffer {
    return this.buffer.subarray(this.keptBytes, this.keptBytes + READ_BYTES);
  }

  take(byteCount: number): void {
    const { buffer } = this;
    const end = this.keptBytes + byteCount;
    let start = 0;
    let searchAt = this.keptBytes;
    if (this.isSkipping) {
      const newline = buffer.subarray(0, end).indexOf(NEWLINE);
      if (newline < 0) return; // nothing is kept of it
      this.isSkipping = false;
      start = newline + 1;
      searchAt = start;
    }
    const last = searchAt + buffer.subarray(searchAt, end).lastIndexOf(NEWLINE);
    if (last >= searchAt) {
      this.sink.lines(buffer.subarray(start, last + 1));
      start = last + 1;
    }
    if (start > 0) buffer.copyWithin(0, start, end);
    this.keptBytes = end - start;
    if (this.keptBytes > this.lineBytesMax) this.dropLine();
  }

  /** At the end of the input. */
  end(): void {
    const { keptBytes } = this;
    this.keptBytes = 0;
    this.isSkipping = false;
    if (keptBytes > 0) this.sink.lines(this.buffer.subarray(0, keptBytes));
  }

  private dropLine(): void {
    this.keptBytes = 0;
    this.isSkipping = true;
    this.sink.longLine();
  }
}

/** Visits the lines of a block, from its first byte to before its newline. Returns their number. */
export function eachLine(
  block: Buffer,
  visit: (number: number, start: number, end: number) => void,
): number {
  let number = 0;
  for (let start = 0; start < block.length;) {
    const newline = block.indexOf(NEWLINE, start);
    const end = newline < 0 ? block.length : newline;
    number += 1;
    visit(number, start, end);
    start = end + 1;
  }
  return number;
}
