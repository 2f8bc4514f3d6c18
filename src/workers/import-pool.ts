// The threads of `nandu import` and the rings between them. The main thread is the one that writes.
//
//   feeder ─▶ checker 0 ─▶ main      The feeder deals blocks of lines by turns; the main thread
//     └─────▶ checker 1 ─▶ main      takes their results by turns, so all comes in input order.
//
// No ring can wait for itself: the feeder waits for checkers, checkers for the main thread, and
// that one always takes what it is waiting for.

import { availableParallelism } from "node:os";
import { Worker } from "node:worker_threads";
import type { Settings } from "../config/options.ts";
import { describeError } from "../config/log.ts";
import { Doorbell } from "../ring/doorbell.ts";
import { createRing, RingConsumer, ringCapacityFor } from "../ring/ring.ts";
import { blockBytesMax } from "./import-lines.ts";
import { MAIL } from "./mail.ts";
import { eventMailBytesMax } from "./mail-event.ts";
import { IMPORT_MAIL, REASON_BYTES_MAX } from "./mail-import.ts";
import type { RingEnd } from "./thread.ts";

/** What a thread of an import is given. Only shared memory and plain data. */
export type ImportStation = {
  /** Which of the threads of that role. */
  readonly index: number;
  readonly settings: Settings;
  readonly bell: SharedArrayBuffer;
  readonly lineBytesMax: number;
} & (
  | {
      readonly role: "feeder";
      /** File descriptors. */
      readonly inputs: readonly number[];
      readonly checkers: readonly RingEnd[];
    }
  | {
      readonly role: "checker";
      readonly isVerifying: boolean;
      readonly feeder: RingEnd;
      readonly main: RingEnd;
    }
);

export interface ImportOptions {
  readonly settings: Settings;
  /** File descriptors to be read in this order, and closed, except standard input. */
  readonly inputs: readonly number[];
  readonly isVerifying: boolean;
  readonly checkerCount: number;
  /** The threads' entry; tests have others. */
  readonly entry: URL;
}

export const IMPORT_ENTRY = new URL("./import-worker.ts", import.meta.url);

/** One writer can't keep up with more. */
const CHECKERS_MAX = 6;
/** At least so much is under way to each checker and from it: it has work while others wait. */
const RING_BYTES_MIN = 4 << 20;
/** Twice an event's JSON, which may be spelt longer than it is stored. */
const SPELLING_FACTOR = 2;
const SPELLING_BYTES = 4096;
/** A thread that fails rings, so this is only a second line. */
const RECHECK_MS = 1000;

/** As many as there are cores: the main thread waits for the disk now and then. */
export function checkerCount(cores = availableParallelism()): number {
  return Math.min(Math.max(1, cores), CHECKERS_MAX);
}

/** A thread of the import has failed: our fault, not the input's. */
export class ImportThreadFailed extends Error {
  override readonly name = "ImportThreadFailed";
}

interface Checker {
  readonly ring: RingConsumer;
  readonly name: string;
}

export class ImportPool {
  private readonly bell = new Doorbell();
  private readonly options: ImportOptions;
  private readonly lineBytesMax: number;
  private readonly checkers: Checker[] = [];
  private readonly finished = new Set<string>();
  private failure: string | null = null;

  /** Starts the threads. */
  constructor(options: ImportOptions) {
    this.options = options;
    const { settings, isVerifying, inputs } = options;
    this.lineBytesMax = SPELLING_FACTOR * settings["events.bytes_max"] + SPELLING_BYTES;
    const lineCapacity = capacity(Math.max(blockBytesMax(this.lineBytesMax), REASON_BYTES_MAX));
    const eventCapacity = capacity(Math.max(eventMailBytesMax(settings), 4 * REASON_BYTES_MAX));
    const feederBell = new Doorbell();
    const ends: RingEnd[] = [];
    for (let i = 0; i < options.checkerCount; i++) {
      const bell = new Doorbell();
      const input = createRing(lineCapacity);
      const output = createRing(eventCapacity);
      const name = `checker ${i}`;
      const feeder = { ring: input, bell: feederBell.shared };
      const main = { ring: output, bell: this.bell.shared };
      this.start(name, { ...this.common(i, bell), role: "checker", isVerifying, feeder, main });
      this.checkers.push({ name, ring: new RingConsumer(output, bell) });
      ends.push({ ring: input, bell: bell.shared });
    }
    this.start("feeder", { ...this.common(0, feederBell), role: "feeder", inputs, checkers: ends });
  }

  /** Visits every record for the main thread in the order of the input, each in its ring. */
  async run(visit: (ring: RingConsumer) => void): Promise<void> {
    for (let turn = 0; ; turn = (turn + 1) % this.checkers.length) {
      const checker = this.checkers[turn] as Checker;
      const { ring } = checker;
      do {
        if (!ring.advance()) await this.waitFor(checker);
        if (ring.type === MAIL.stopped) return; // the others have nothing more either
        visit(ring);
      } while (!endsTurn(ring.type));
      ring.release();
    }
  }

  /** Until the ring stands at its next record. */
  private async waitFor({ ring, name }: Checker): Promise<void> {
    ring.release();
    for (;;) {
      const hasFinished = this.finished.has(name);
      const seen = this.bell.sequence();
      ring.refresh();
      if (ring.advance()) return;
      if (this.failure !== null) throw new ImportThreadFailed(this.failure);
      if (hasFinished) throw new ImportThreadFailed(`the ${name} thread has ended too early`);
      await this.bell.waitAsync(seen, RECHECK_MS);
    }
  }

  private common(index: number, bell: Doorbell) {
    const { settings } = this.options;
    return { index, settings, bell: bell.shared, lineBytesMax: this.lineBytesMax };
  }

  private start(name: string, station: ImportStation): void {
    const worker = new Worker(this.options.entry, { workerData: station });
    worker.on("error", (error) => this.fail(name, describeError(error)));
    worker.on("exit", (code) => {
      this.finished.add(name);
      if (code !== 0) this.fail(name, `exit code ${code}`);
      this.bell.ring();
    });
  }

  private fail(name: string, why: string): void {
    this.failure ??= `the ${name} thread has failed: ${why}`;
    this.bell.ring();
  }
}

function capacity(recordBytes: number): number {
  return Math.max(RING_BYTES_MIN, ringCapacityFor(recordBytes));
}

function endsTurn(type: number): boolean {
  return (
    type === IMPORT_MAIL.linesDone ||
    type === IMPORT_MAIL.fileEnd ||
    type === IMPORT_MAIL.readFailed
  );
}
