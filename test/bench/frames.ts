// Messages of a client as WebSocket frames, made before the clock starts and laid one after the
// other, so that sending the next few is one write of a piece of memory. The mask is all zeros,
// which RFC 6455 allows, so the text stands in the frame as it is.
//
//   81 | 80+len or FE len16 or FF len64 | 00 00 00 00 | text

const FIN_TEXT = 0x81;
const MASKED = 0x80;
const MASK_BYTES = 4;

/** The bytes before a text of `length` bytes. */
function headerBytes(length: number): number {
  return (length < 126 ? 2 : length < 65_536 ? 4 : 10) + MASK_BYTES;
}

/** Writes the header of a text frame at `at` and returns where the text goes. */
function writeHeader(bytes: Buffer, at: number, length: number): number {
  bytes[at] = FIN_TEXT;
  if (length < 126) bytes[at + 1] = MASKED | length;
  else if (length < 65_536) {
    bytes[at + 1] = MASKED | 126;
    bytes.writeUInt16BE(length, at + 2);
  } else {
    bytes[at + 1] = MASKED | 127;
    bytes.writeBigUInt64BE(BigInt(length), at + 2);
  }
  const end = at + headerBytes(length);
  bytes.fill(0, end - MASK_BYTES, end);
  return end;
}

/** Frames in the order they are sent in. */
export class Tape {
  count = 0;
  private bytes = Buffer.allocUnsafe(1 << 16);
  private ends = new Float64Array(256);

  /** A text in one or several pieces. */
  push(...pieces: readonly (string | Uint8Array)[]): void {
    const buffers = pieces.map((piece) => Buffer.from(piece as Uint8Array));
    const length = buffers.reduce((sum, piece) => sum + piece.length, 0);
    const start = this.end(this.count);
    this.reserve(start + headerBytes(length) + length);
    let at = writeHeader(this.bytes, start, length);
    for (const piece of buffers) {
      piece.copy(this.bytes, at);
      at += piece.length;
    }
    this.ends[this.count] = at;
    this.count += 1;
  }

  /** The frames from number `from` up to but without number `to`. */
  slice(from: number, to: number): Buffer {
    return this.bytes.subarray(this.end(from), this.end(to));
  }

  /** Where frame number `index` starts. */
  private end(index: number): number {
    return index === 0 ? 0 : (this.ends[index - 1] as number);
  }

  private reserve(bytes: number): void {
    if (this.count === this.ends.length) {
      const ends = new Float64Array(this.ends.length * 2);
      ends.set(this.ends);
      this.ends = ends;
    }
    if (bytes <= this.bytes.length) return;
    const larger = Buffer.allocUnsafe(Math.max(bytes, this.bytes.length * 2));
    this.bytes.copy(larger);
    this.bytes = larger;
  }
}

/** One message, as JSON. */
export function frameOf(...message: readonly unknown[]): Buffer {
  const tape = new Tape();
  tape.push(JSON.stringify(message));
  return tape.slice(0, 1);
}

/** One tape per connection, for `["EVENT", …]` of each line; dealt out like cards. */
export function eventTapes(lines: readonly Uint8Array[], connections: number): Tape[] {
  const tapes = Array.from({ length: connections }, () => new Tape());
  lines.forEach((line, i) => tapes[i % connections]?.push('["EVENT",', line, "]"));
  return tapes;
}
