// Load for the benchmarks: events made in advance, and bare connections that send text and look at
// no more of an answer than they must, so that the load costs the machine little.

import { EventFactory, signEvent, authorKey, AUTHORS_COUNT } from "../support/events.ts";
import type { NostrEvent } from "../../src/protocol/event.ts";

const WORDS = "the relay stores signed events and delivers them to whoever asks for them ".repeat(
  8,
);
const YEAR_S = 31_536_000;
const END_S = 1_760_000_000;

/** Notes, reactions, profiles and articles of about 890 bytes and 5 tags, spread over a year. */
export function makeLoad(seed: number, count: number): NostrEvent[] {
  const { random } = new EventFactory(seed);
  const ids: string[] = [random.hex(64)];
  return Array.from({ length: count }, (_, i) => {
    const kind = random.pick([1, 1, 1, 1, 1, 7, 7, 7, 6, 1]);
    const tags = [
      ["e", random.pick(ids), "wss://relay.example.com", "root"],
      ["p", authorKey(random.below(AUTHORS_COUNT)).pubkey],
      ["p", random.hex(64)],
      ["t", random.pick(["nostr", "bitcoin", "art", "music", "food", "news"])],
      ["client", "bench"],
    ];
    const at = random.below(100);
    const content = `${i} ${WORDS.slice(at, at + 150)}`;
    const created_at = END_S - random.below(YEAR_S);
    const key = authorKey(random.below(AUTHORS_COUNT));
    const event = signEvent({ kind, tags, content, created_at }, key);
    if (ids.length < 5000) ids.push(event.id);
    return event;
  });
}

export class LoadConnection {
  readonly socket: WebSocket;
  onFrame: (text: string) => void = () => {};

  private constructor(socket: WebSocket) {
    this.socket = socket;
    socket.onmessage = ({ data }) => this.onFrame(data as string);
  }

  static async connect(url: string): Promise<LoadConnection> {
    const socket = new WebSocket(url, { perMessageDeflate: false } as never);
    await new Promise((resolve, reject) => {
      socket.onopen = resolve;
      socket.onerror = reject;
    });
    return new LoadConnection(socket);
  }

  /** Sends all messages, `inFlight` of them unanswered at a time; returns how many were refused. */
  sendAll(messages: readonly string[], inFlight: number): Promise<number> {
    return new Promise((resolve) => {
      let sent = 0;
      let answered = 0;
      let refused = 0;
      const sendNext = (): void => {
        const message = messages[sent];
        if (message === undefined) return;
        sent += 1;
        this.socket.send(message);
      };
      this.onFrame = (text) => {
        if (!text.startsWith('["OK"')) return;
        if (text.slice(73, 77) !== "true") refused += 1;
        answered += 1;
        if (answered === messages.length) resolve(refused);
        else sendNext();
      };
      for (let i = 0; i < inFlight; i++) sendNext();
    });
  }

  /** One REQ, up to its EOSE: how many events came, and after how many ms it ended. */
  request(id: string, filter: unknown): Promise<{ events: number; ms: number }> {
    return new Promise((resolve) => {
      const startedAt = performance.now();
      let events = 0;
      this.onFrame = (text) => {
        if (text.startsWith('["EVENT"')) events += 1;
        else if (text.startsWith('["EOSE"')) {
          this.socket.send(JSON.stringify(["CLOSE", id]));
          resolve({ events, ms: performance.now() - startedAt });
        }
      };
      this.socket.send(JSON.stringify(["REQ", id, filter]));
    });
  }
}
