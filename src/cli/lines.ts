// JSONL input, in pieces as they are read: lines with their numbers, never more than one line's
// limit in memory. A line that is too long or not UTF-8 is reported instead of its text.

import { isUtf8 } from "node:buffer";

export interface Line {
  /** From 1. */
  readonly number: number;
  readonly text: string | null;
  /** Why there is no text; null when there is. */
  readonly problem: string | null;
}

const NEWLINE = 0x0a;

export class LineReader {
  private readonly lineBytesMax: number;
  private kept: Buffer[] = [];
  private keptBytes = 0;
  private number = 0;

  constructor(lineBytesMax: number) {
    this.lineBytesMax = lineBytesMax;
  }

  /** The lines that this chunk completes. Empty ones are left out, but counted. */
  push(chunk: Uint8Array): Line[] {
    const bytes = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
    const lines: Line[] = [];
    let start = 0;
    for (;;) {
      const end = bytes.indexOf(NEWLINE, start);
      if (end < 0) break;
      this.keep(bytes.subarray(start, end));
      this.complete(lines);
      start = end + 1;
    }
    this.keep(Buffer.from(bytes.subarray(start))); // the chunk's memory may be used again
    return lines;
  }

  /** The last line, when the input doesn't end with a newline. */
  end(): Line[] {
    const lines: Line[] = [];
    if (this.keptBytes > 0) this.complete(lines);
    return lines;
  }

  private keep(piece: Buffer): void {
    this.keptBytes += piece.length;
    if (this.keptBytes <= this.lineBytesMax && piece.length > 0) this.kept.push(piece);
  }

  private complete(lines: Line[]): void {
    this.number += 1;
    const { number, kept, keptBytes } = this;
    this.kept = [];
    this.keptBytes = 0;
    if (keptBytes > this.lineBytesMax) {
      lines.push({ number, text: null, problem: `longer than ${this.lineBytesMax} bytes` });
      return;
    }
    const bytes = kept.length === 1 ? (kept[0] as Buffer) : Buffer.concat(kept);
    if (!isUtf8(bytes)) {
      lines.push({ number, text: null, problem: "not UTF-8" });
      return;
    }
    const text = bytes.toString("utf8").trim();
    if (text !== "") lines.push({ number, text, problem: null });
  }
}
