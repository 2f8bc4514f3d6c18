// Publishes at full speed over a connection of its own, a number of events unanswered at a time,
// and keeps what became of each.

import type { NostrEvent } from "../../src/protocol/event.ts";
import { parseFrame } from "./schemas.ts";

export class Publisher {
  /** Every event sent, answered or not. */
  readonly sent: NostrEvent[] = [];
  /** By id: the OK's third and fourth element. */
  readonly answers = new Map<string, readonly [accepted: boolean, reason: string]>();
  /** Called with each answer's id as it comes. */
  onOk: (id: string) => void = () => {};
  /** How it was closed, once it is. */
  readonly closed: Promise<{ code: number; reason: string }>;
  private readonly socket: WebSocket;
  private isClosed = false;
  private onAnswer: (() => void) | null = null;

  private constructor(socket: WebSocket) {
    this.socket = socket;
    this.closed = new Promise((resolve) => {
      socket.onclose = ({ code, reason }) => {
        this.isClosed = true;
        this.onAnswer?.();
        resolve({ code, reason });
      };
    });
    socket.onmessage = ({ data }) => {
      const [type, id, accepted, reason] = parseFrame(String(data)) as [
        string,
        string,
        boolean,
        string,
      ];
      if (type !== "OK") return;
      this.answers.set(id, [accepted, reason]);
      this.onOk(id);
      this.onAnswer?.();
    };
  }

  static async connect(url: string): Promise<Publisher> {
    const socket = new WebSocket(url);
    const publisher = new Publisher(socket);
    await new Promise<void>((resolve, reject) => {
      socket.onopen = () => resolve();
      socket.onerror = () => reject(new Error(`can't connect to ${url}`));
    });
    return publisher;
  }

  /**
   * Publishes what `take` gives until it gives null, `inFlight` of them unanswered at a time.
   * Resolves when each has its answer or the connection has ended.
   */
  run(take: () => NostrEvent | null, inFlight = 100): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    let isDone = false;
    this.onAnswer = () => {
      while (!this.isClosed && !isDone && this.unanswered < inFlight) {
        const event = take();
        isDone = event === null;
        if (event === null) break;
        this.sent.push(event);
        this.socket.send(`["EVENT",${JSON.stringify(event)}]`);
      }
      if (this.isClosed || (isDone && this.unanswered === 0)) resolve();
    };
    this.onAnswer();
    return promise;
  }

  close(): void {
    this.socket.close();
  }

  /** Answers that came. */
  get received(): number {
    return this.answers.size;
  }

  private get unanswered(): number {
    return this.sent.length - this.answers.size;
  }
}
