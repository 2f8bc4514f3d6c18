// What an ingester answers by itself, on its way to the main thread, and what it has dealt with.
// The main thread is woken for several answers at once.

import type { Outbox } from "../ring/outbox.ts";
import { type Done, NO_SLOT, sendDone } from "./mail.ts";
import { FRAMES, sendFrameQuietly } from "./mail-frames.ts";

/** Answers that go to the main thread together: a millisecond's work. */
const UNHEARD_MAX = 16;

export class Answers {
  private readonly websocket: Outbox;
  /** Answers that the main thread hasn't been woken for. */
  private unheard = 0;
  private done: { connId: number; messages: number; bytes: number } | null = null;

  constructor(websocket: Outbox) {
    this.websocket = websocket;
  }

  reply(connId: number, frame: string): void {
    this.answer(connId, frame, 0);
  }

  /** `doneBytes` > 0: this frame is the end of a message of that length. */
  answer(connId: number, frame: string, doneBytes: number): void {
    const ref = { connId, slot: NO_SLOT, gen: 0 };
    sendFrameQuietly(this.websocket, ref, FRAMES.reply, frame, doneBytes);
    this.unheard += 1;
    if (this.unheard >= UNHEARD_MAX) this.ring();
  }

  /** Runs of messages of one connection are reported as one. */
  addDone(done: Done): void {
    if (this.done === null || this.done.connId !== done.connId) {
      this.flushDone();
      this.done = { ...done };
      return;
    }
    this.done.messages += done.messages;
    this.done.bytes += done.bytes;
  }

  /** At the end of a turn. */
  flush(): void {
    this.flushDone();
    this.ring();
  }

  private ring(): void {
    if (this.unheard > 0) this.websocket.ring();
    this.unheard = 0;
  }

  private flushDone(): void {
    if (this.done !== null) sendDone(this.websocket, this.done);
    this.done = null;
  }
}
