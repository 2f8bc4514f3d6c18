// A stored event as it was read. Its text is made when somebody asks for it: what most filters ask
// for is told without it, and a reader writes it straight to where it goes.

import { copyPayloadText, payloadPubkey, payloadText, payloadTextBytes } from "./payload.ts";

export interface StoredText {
  readonly seq: number;
  /** Unix seconds, 0 = never. */
  readonly expires: number;
  /** The event's JSON, UTF-8. */
  readonly text: Buffer;
}

/** Something that can be written into a frame, or a line: a Buffer is one. */
export interface Bytes {
  readonly length: number;
  /** Writes all of it to `target`, which has room for it at `at`. */
  copy(target: Buffer, at: number): unknown;
}

export type EventRow = [
  seq: number,
  expires: number,
  kind: number,
  id: Uint8Array,
  payload: Uint8Array,
];

/** What an `EventRow` is read from the table `event` by. */
export const EVENT_COLUMNS = "event.seq, expires, kind, event.id, payload";

export class StoredEvent implements StoredText, Bytes {
  readonly seq: number;
  readonly expires: number;
  readonly kind: number;
  /** Of the text, in bytes. */
  readonly length: number;
  /** The id, 32 bytes. */
  readonly idBytes: Uint8Array;
  private readonly payload: Uint8Array;
  private made: Buffer | null = null;

  constructor([seq, expires, kind, id, payload]: EventRow) {
    this.seq = seq;
    this.expires = expires;
    this.kind = kind;
    this.idBytes = id;
    this.payload = payload;
    this.length = payloadTextBytes(payload);
  }

  get id(): string {
    return this.idBytes.toHex();
  }

  get pubkey(): string {
    return payloadPubkey(this.payload);
  }

  get text(): Buffer {
    this.made ??= payloadText(this.idBytes, this.payload);
    return this.made;
  }

  copy(target: Buffer, at: number): void {
    if (this.made !== null) this.made.copy(target, at);
    else copyPayloadText(this.idBytes, this.payload, target, at);
  }
}
