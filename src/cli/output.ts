// Standard output for long lists: buffered, blocking, and quiet when the reader of the pipe has had
// enough (`nandu export | head`).

import { writeSync } from "node:fs";
import type { Bytes } from "../store/stored-event.ts";

const STDOUT = 1;
/** A page of a file costs less the more are written at once. */
const BUFFER_BYTES = 1 << 18;
const RETRY_MS = 1;

/** Thrown when nobody reads any more; a command that gets it ends, without an error. */
export class OutputClosed extends Error {
  override readonly name = "OutputClosed";
}

export class Output {
  private readonly buffer = Buffer.allocUnsafe(BUFFER_BYTES);
  private length = 0;

  /** Writes the bytes and a newline. */
  line(bytes: Bytes): void {
    const { buffer } = this;
    if (this.length + bytes.length + 1 > BUFFER_BYTES) this.flush();
    if (bytes.length + 1 > BUFFER_BYTES) {
      const alone = Buffer.allocUnsafe(bytes.length);
      bytes.copy(alone, 0);
      writeAll(alone);
    } else {
      bytes.copy(buffer, this.length);
      this.length += bytes.length;
    }
    buffer[this.length] = 0x0a;
    this.length += 1;
  }

  flush(): void {
    const { length } = this;
    this.length = 0;
    writeAll(this.buffer.subarray(0, length));
  }
}

function writeAll(bytes: Uint8Array): void {
  let done = 0;
  while (done < bytes.length) {
    try {
      done += writeSync(STDOUT, bytes, done, bytes.length - done);
    } catch (error) {
      const code = error instanceof Error && "code" in error ? error.code : null;
      if (code === "EPIPE") throw new OutputClosed();
      if (code !== "EAGAIN") throw error;
      Bun.sleepSync(RETRY_MS); // a pipe that does not block, and is full
    }
  }
}
