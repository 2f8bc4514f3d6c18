// A bare client: sends JSON, keeps every frame in order, and waits for the one a test is about. It
// hides nothing, so that tests can assert whole messages, but the challenge that each connection
// begins with (NIP-42), which is `challenge`. What no relay may send fails the test that gets it.

import type { NostrEvent } from "../../src/protocol/event.ts";
import { signInEvent } from "./events.ts";
import { parseFrame } from "./schemas.ts";

export type Frame = readonly unknown[];

const WAIT_MS_MAX = 10_000;

interface Waiter {
  readonly accepts: (frame: Frame) => boolean;
  readonly resolve: (frame: Frame) => void;
}

export class Client {
  /** Everything received so far. */
  readonly frames: Frame[] = [];
  readonly closed: Promise<{ code: number; reason: string }>;
  /** Of the first frame. */
  challenge = "";
  private readonly socket: WebSocket;
  private readonly waiters = new Set<Waiter>();
  private onChallenge: () => void = () => {};
  /** Frames before this one have been returned by `next` already. */
  private at = 0;
  /** Of each subscription, how many events `takeOf` has returned. */
  private readonly taken = new Map<string, number>();

  private constructor(socket: WebSocket) {
    this.socket = socket;
    this.closed = new Promise((resolve) => {
      socket.onclose = ({ code, reason }) => resolve({ code, reason });
    });
    socket.onmessage = ({ data }) => this.onFirst(parseFrame(String(data)));
  }

  static async connect(url: string, options: Record<string, unknown> = {}): Promise<Client> {
    return Client.over(new WebSocket(url, options as never));
  }

  /** For a socket that has just been made, of whatever implementation. Waits for the challenge. */
  static async over(socket: WebSocket): Promise<Client> {
    const client = new Client(socket);
    await new Promise<void>((resolve, reject) => {
      client.onChallenge = resolve;
      socket.onerror = () => reject(new Error(`can't connect to ${socket.url}`));
    });
    return client;
  }

  send(...message: unknown[]): void {
    this.socket.send(JSON.stringify(message));
  }

  /** Text or bytes as they are. */
  sendRaw(data: string | Uint8Array<ArrayBuffer>): void {
    this.socket.send(data);
  }

  /** The next frame, in order; waits for it. */
  async next(): Promise<Frame> {
    const frame = this.frames[this.at] ?? (await this.wait(() => true, "a frame"));
    this.at += 1;
    return frame;
  }

  /** The next `count` frames, in order; waits for them. */
  async take(count: number): Promise<Frame[]> {
    const frames: Frame[] = [];
    while (frames.length < count) frames.push(await this.next());
    return frames;
  }

  /** The next events of a subscription, after those that this has returned; waits for them. */
  async takeOf(id: string, count: number): Promise<Frame[]> {
    const seen = this.taken.get(id) ?? 0;
    const own = (): Frame[] => this.frames.filter((one) => one[0] === "EVENT" && one[1] === id);
    while (own().length < seen + count) await this.wait(() => true, `an event of ${id}`);
    this.taken.set(id, seen + count);
    return own().slice(seen, seen + count);
  }

  /** The first frame, received already or not, that starts like this. */
  async find(...start: unknown[]): Promise<Frame> {
    const accepts = (frame: Frame): boolean =>
      start.every((value, i) => Bun.deepEquals(frame[i], value));
    return this.frames.find(accepts) ?? (await this.wait(accepts, JSON.stringify(start)));
  }

  /** Publishes and returns the OK. */
  async publish(event: { id: string }): Promise<Frame> {
    return this.ask(event.id, "EVENT", event);
  }

  /** Sends a message that is answered by an OK of this id. */
  async ask(id: string, ...message: unknown[]): Promise<Frame> {
    const accepts = (frame: Frame): boolean => frame[0] === "OK" && frame[1] === id;
    const answer = this.wait(accepts, `OK ${id}`);
    this.send(...message);
    return answer;
  }

  /** Publishes all of them at once and returns their OKs, in the order of the events. */
  publishAll(events: readonly { id: string }[]): Promise<Frame[]> {
    return Promise.all(events.map((event) => this.publish(event)));
  }

  /** Sends a COUNT and returns its answer. */
  async count(id: string, ...filters: unknown[]): Promise<Frame> {
    const accepts = (frame: Frame): boolean =>
      (frame[0] === "COUNT" || frame[0] === "CLOSED") && frame[1] === id;
    const answer = this.wait(accepts, `the COUNT of ${id}`);
    this.send("COUNT", id, ...filters);
    return answer;
  }

  /** Sends a REQ and returns its frames up to EOSE or CLOSED, that one included. */
  async request(id: string, ...filters: unknown[]): Promise<Frame[]> {
    const from = this.frames.length;
    const isEnd = (frame: Frame): boolean =>
      (frame[0] === "EOSE" || frame[0] === "CLOSED") && frame[1] === id;
    const end = this.wait(isEnd, `the end of ${id}`);
    this.send("REQ", id, ...filters);
    const last = await end;
    const own = this.frames.slice(from).filter((frame) => frame[1] === id);
    return own.slice(0, own.indexOf(last) + 1);
  }

  /** The stored events that match, in the order sent; closes the subscription. */
  async query(...filters: unknown[]): Promise<NostrEvent[]> {
    const id = `query-${this.frames.length}`;
    const frames = await this.request(id, ...filters);
    this.send("CLOSE", id);
    return frames.filter(([type]) => type === "EVENT").map((f) => f[2] as NostrEvent);
  }

  /**
   * Resolves when everything sent before has been dealt with: answers come in the order of messages
   * for as long as the relay only has to refuse them.
   */
  async settle(): Promise<void> {
    await this.request(`settle-${this.frames.length}`, { ids: [] });
  }

  close(): void {
    this.socket.close();
  }

  /** Signs in with the key of an author of events.ts, and returns the OK. */
  async signIn(author: number, relay = this.socket.url): Promise<Frame> {
    const event = signInEvent(author, this.challenge, relay);
    return this.ask(event.id, "AUTH", event);
  }

  private onFirst(frame: Frame): void {
    if (frame[0] !== "AUTH") throw new Error(`no challenge, but ${JSON.stringify(frame)}`);
    this.challenge = frame[1] as string;
    this.socket.onmessage = ({ data }) => this.onFrame(parseFrame(String(data)));
    this.onChallenge();
  }

  private onFrame(frame: Frame): void {
    this.frames.push(frame);
    for (const waiter of this.waiters) {
      if (!waiter.accepts(frame)) continue;
      this.waiters.delete(waiter);
      waiter.resolve(frame);
    }
  }

  private wait(accepts: (frame: Frame) => boolean, what: string): Promise<Frame> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        const last = JSON.stringify(this.frames.slice(-5)).slice(0, 1000);
        reject(new Error(`no ${what} after ${WAIT_MS_MAX} ms; last frames: ${last}`));
      }, WAIT_MS_MAX);
      const waiter = {
        accepts,
        resolve: (frame: Frame) => {
          clearTimeout(timer);
          resolve(frame);
        },
      };
      this.waiters.add(waiter);
    });
  }
}
