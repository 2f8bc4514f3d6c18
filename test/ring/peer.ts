/**
 * A thread of a test: it is given one task with all the memory it shares, does it without ever
 * going back to its event loop, as workers of the relay do, and posts how it went.
 */

import { Doorbell } from "../../src/ring/doorbell.ts";

export type PeerTask =
  /** Sends the traffic of the seed. */
  | {
      readonly role: "produce";
      readonly ring: SharedArrayBuffer;
      readonly ownBell: SharedArrayBuffer;
      readonly consumerBell: SharedArrayBuffer;
      readonly seed: number;
      readonly count: number;
      /** Word 0: how many records are committed. */
      readonly progress: SharedArrayBuffer;
    }
  /** Receives it, checks it, and gives room back now after each record, now after each batch. */
  | {
      readonly role: "consume";
      readonly ring: SharedArrayBuffer;
      readonly ownBell: SharedArrayBuffer;
      readonly producerBell: SharedArrayBuffer;
      readonly seed: number;
      readonly count: number;
    }
  /** Tells `direct`, then `relayed`, the numbers from 0 on. */
  | {
      readonly role: "tellBoth";
      readonly ownBell: SharedArrayBuffer;
      readonly direct: SharedArrayBuffer;
      readonly directBell: SharedArrayBuffer;
      readonly relayed: SharedArrayBuffer;
      readonly relayedBell: SharedArrayBuffer;
      readonly count: number;
    }
  /** Hands on what it is told. */
  | {
      readonly role: "handOn";
      readonly ownBell: SharedArrayBuffer;
      readonly from: SharedArrayBuffer;
      readonly fromBell: SharedArrayBuffer;
      readonly to: SharedArrayBuffer;
      readonly toBell: SharedArrayBuffer;
      readonly count: number;
    }
  /** Waits for its turn, a number in word 0, and gives it to `next`. */
  | {
      readonly role: "takeTurns";
      readonly ownBell: SharedArrayBuffer;
      readonly nextBell: SharedArrayBuffer;
      readonly turn: SharedArrayBuffer;
      readonly own: number;
      readonly next: number;
      readonly count: number;
    };

/** Longer than any thread here has to wait: who waits so long has missed a bell. */
export const LOST_MS = 8_000;

/**
 * Sleeps until it is woken and no other way, so that a lost wake-up can't pass for a slow one.
 * Waking early is no fault: the notice of a bell that was heard before may come late.
 */
export class PatientBell extends Doorbell {
  override wait(seen: number, _timeoutMs: number): void {
    const startMs = performance.now();
    super.wait(seen, LOST_MS);
    checkWait(startMs);
  }

  override async waitAsync(seen: number, _timeoutMs: number): Promise<void> {
    const startMs = performance.now();
    await super.waitAsync(seen, LOST_MS);
    checkWait(startMs);
  }
}

function checkWait(startMs: number): void {
  if (performance.now() - startMs >= LOST_MS) throw new Error("a wake-up was lost");
}

/** Starts the thread; resolves when it has done its task, rejects when the task threw. */
export async function runPeer(task: PeerTask): Promise<void> {
  const worker = new Worker(new URL("./peer-worker.ts", import.meta.url));
  try {
    const failure = await new Promise<string | null>((resolve, reject) => {
      worker.onmessage = ({ data }: MessageEvent<string | null>) => resolve(data);
      worker.onerror = ({ message }) => reject(new Error(`${task.role}: ${message}`));
      worker.postMessage(task);
    });
    if (failure !== null) throw new Error(`${task.role}: ${failure}`);
  } finally {
    worker.terminate();
  }
}
