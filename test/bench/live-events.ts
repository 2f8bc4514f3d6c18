// Notes that everybody waits for: published one by one or in a stream, and every delivery checked.
// A relay delivers what one connection published in the order it was published, so the n-th
// delivery of a subscriber must be the n-th note.

import { authorKey, signEvent } from "../support/events.ts";
import { AUTHORS, END_S, SEED } from "./dataset.ts";
import { Random } from "../support/random.ts";
import { frameOf, Tape } from "./frames.ts";
import { LoadSocket, MESSAGE } from "./load-socket.ts";
import { isAccepted, until } from "./load.ts";

/** The author whose notes are delivered: none of the data sets', so that nothing else is. */
const AUTHOR = AUTHORS;
/** Others that subscribers follow, of whom nothing comes. */
const SILENT_AUTHORS = 400;
const FOLLOWED = 20;
/** `["EVENT","l",{"id":"` stands before the id. */
const ID_AT = 20;
const CONTENT =
  "a note that many have been waiting for, and that says what such notes say; ".repeat(6);

/** Notes of about 890 bytes and 5 tags, not seen before under this seed, and their ids' starts. */
export class LiveNotes {
  readonly tape = new Tape();
  readonly keys: Uint32Array;
  readonly sentAt: Float64Array;

  constructor(seed: number, count: number) {
    this.keys = new Uint32Array(count);
    this.sentAt = new Float64Array(count);
    for (let i = 0; i < count; i++) {
      const tags = [
        ["t", "live"],
        ["t", "nostr"],
        ["p", authorKey(i % 50).pubkey],
        ["client", "bench"],
        ["alt", "a note"],
      ];
      const content = `${seed} ${i} ${CONTENT}`;
      const created_at = END_S + seed;
      const event = signEvent({ kind: 1, tags, content, created_at }, authorKey(AUTHOR));
      this.keys[i] = Buffer.from(event.id).readUInt32LE(0);
      this.tape.push(`["EVENT",${JSON.stringify(event)}]`);
    }
  }
}

/** Follows that author and others; asks for nothing stored. Subscription id: `l`. */
export function followFilter(subscriber: number): Record<string, unknown> {
  const random = new Random(SEED + subscriber);
  const others = random.list(FOLLOWED - 1, () => AUTHOR + 1 + random.below(SILENT_AUTHORS));
  const authors = [AUTHOR, ...others].map((index) => authorKey(index).pubkey);
  return { kinds: [1, 6, 7], authors: [...new Set(authors)], limit: 0 };
}

/** What arrived where, and how long after it was sent. */
export class Deliveries {
  count = 0;
  /** Not the note that was due, or one too many. */
  wrong = 0;
  readonly timesMs: Float64Array;
  private readonly notes: LiveNotes;
  private readonly next: Uint32Array;

  constructor(notes: LiveNotes, subscribers: number) {
    this.notes = notes;
    this.next = new Uint32Array(subscribers);
    this.timesMs = new Float64Array(notes.keys.length * subscribers);
  }

  take(subscriber: number, key: number): void {
    const index = this.next[subscriber] as number;
    this.next[subscriber] = index + 1;
    if (this.notes.keys[index] !== key) this.wrong += 1;
    this.timesMs[this.count] = performance.now() - (this.notes.sentAt[index] as number);
    this.count += 1;
  }
}

/** Somebody who is subscribed, over whatever kind of client. */
export interface Subscriber {
  /** The first four letters of the id, as they stand in memory. */
  onNote: (key: number) => void;
  close(): void;
}

export async function subscribePlain(port: number, index: number): Promise<Subscriber> {
  const socket = await LoadSocket.connect(port);
  const subscriber = { onNote: (_key: number) => {}, close: () => socket.close() };
  await new Promise<void>((resolve, reject) => {
    socket.onEnd = () => reject(new Error("the relay has closed a subscriber's connection"));
    socket.onMessage = (type, bytes, at) => {
      if (type === MESSAGE.event) subscriber.onNote(bytes.readUInt32LE(at + ID_AT));
      else if (type === MESSAGE.eose) resolve();
    };
    socket.write(frameOf("REQ", "l", followFilter(index)));
  });
  return subscriber;
}

/** A client that takes messages compressed (permessage-deflate), and gives the same. */
export async function subscribeCompressed(port: number, index: number): Promise<Subscriber> {
  const socket = new WebSocket(`ws://127.0.0.1:${port}`);
  const subscriber = { onNote: (_key: number) => {}, close: () => socket.close() };
  await new Promise<void>((resolve, reject) => {
    socket.onerror = () => reject(new Error("can't connect"));
    socket.onopen = () => {
      if (!socket.extensions.includes("permessage-deflate")) {
        reject(new Error("the relay has not agreed to compression"));
      }
      socket.send(JSON.stringify(["REQ", "l", followFilter(index)]));
    };
    socket.onmessage = ({ data }) => {
      const text = data as string;
      if (text.startsWith('["EVENT"')) subscriber.onNote(keyAt(text, ID_AT));
      else if (text.startsWith('["EOSE"')) resolve();
    };
  });
  return subscriber;
}

function keyAt(text: string, at: number): number {
  const letter = (i: number): number => text.charCodeAt(at + i);
  return (letter(0) | (letter(1) << 8) | (letter(2) << 16) | (letter(3) << 24)) >>> 0;
}

/** Publishes all notes, so many a second, whatever becomes of them; resolves when all are OK. */
export async function publishAtRate(
  socket: LoadSocket,
  notes: LiveNotes,
  perSecond: number,
): Promise<Float64Array> {
  const { tape, sentAt } = notes;
  const times = new Float64Array(tape.count);
  let answered = 0;
  let refused = 0;
  socket.onMessage = (type, bytes, at) => {
    if (type !== MESSAGE.ok) return;
    times[answered] = performance.now() - (sentAt[answered] as number);
    answered += 1;
    if (!isAccepted(bytes, at)) refused += 1;
  };
  socket.onTurn = () => {};
  const startedAt = performance.now();
  let sent = 0;
  while (sent < tape.count) {
    const now = performance.now();
    const due = Math.min(tape.count, 1 + Math.floor(((now - startedAt) * perSecond) / 1000));
    if (due > sent) {
      sentAt.fill(now, sent, due);
      socket.write(tape.slice(sent, due));
      sent = due;
    }
    if (sent === tape.count) break;
    const next = startedAt + (sent * 1000) / perSecond - performance.now();
    await Bun.sleep(Math.max(0, next));
  }
  await until(() => answered === tape.count, "OKs");
  if (refused > 0) throw new Error(`${refused} notes were refused`);
  return times;
}
