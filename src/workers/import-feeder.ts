// The feeder of an import: reads the inputs one after another and deals them, in blocks of whole
// lines, to the checkers by turns. It knows nothing of what is in a line. It blocks when a
// checker has no room, so no more is read than can be dealt with.

import { closeSync, readSync } from "node:fs";
import { describeError } from "../config/log.ts";
import type { Outbox } from "../ring/outbox.ts";
import { BlockCutter } from "./import-lines.ts";
import { sendStop } from "./mail.ts";
import { sendFileEnd, sendLines, sendLongLine, sendReadFailed } from "./mail-import.ts";

/** How long until a pipe that does not block, and has nothing, is asked again. */
const RETRY_MS = 1;
const STDIN = 0;

export class Feeder {
  private readonly checkers: readonly Outbox[];
  private readonly cutter: BlockCutter;
  private turn = 0;

  constructor(checkers: readonly Outbox[], lineBytesMax: number) {
    this.checkers = checkers;
    this.cutter = new BlockCutter(lineBytesMax, {
      lines: (bytes) => sendLines(this.next(), bytes),
      longLine: () => sendLongLine(this.next()),
    });
  }

  /** Reads and closes these files. Stops at the first that can't be read. */
  run(inputs: readonly number[]): void {
    try {
      for (const fd of inputs) this.read(fd);
    } catch (error) {
      sendReadFailed(this.next(), describeError(error));
    }
    for (const checker of this.checkers) sendStop(checker);
  }

  private read(fd: number): void {
    for (;;) {
      const count = readSome(fd, this.cutter.room());
      if (count === 0) break;
      this.cutter.take(count);
    }
    if (fd !== STDIN) closeSync(fd); // which may be named twice
    this.cutter.end();
    sendFileEnd(this.next());
  }

  private next(): Outbox {
    const checker = this.checkers[this.turn] as Outbox;
    this.turn = (this.turn + 1) % this.checkers.length;
    return checker;
  }
}

/** 0 at the end. */
function readSome(fd: number, room: Buffer): number {
  for (;;) {
    try {
      return readSync(fd, room, 0, room.length, null);
    } catch (error) {
      const code = error instanceof Error && "code" in error ? error.code : null;
      if (code === "EOF") return 0;
      if (code !== "EAGAIN") throw error;
      Bun.sleepSync(RETRY_MS);
    }
  }
}
