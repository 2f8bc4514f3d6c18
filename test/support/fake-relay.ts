// A relay with the habits of bad ones, in the test's own process: sends few events at once, drops
// connections, wants a sign-in, refuses events, or sends what no relay may. Keeps what it is sent.

import { type NostrEvent } from "../../src/protocol/event.ts";
import { type Filter, matchesFilter, parseFilter, UNTIL_MAX } from "../../src/protocol/filter.ts";
import { newestFirst } from "./topic.ts";

type Socket = Bun.ServerWebSocket<Connection>;

interface Connection {
  isSignedIn: boolean;
  /** EVENTs sent to it. */
  sentCount: number;
}

export interface Habits {
  /** At most so many events for each REQ, whatever it asks for. */
  readonly limit?: number;
  /** Refuses REQs that ask for more. */
  readonly limitMax?: number;
  /** Says so (NIP-67). */
  readonly hasHints?: boolean;
  /** Drops each of these connections, the first, second…, after so many events sent to it. */
  readonly drops?: number[];
  /** Drops each of these connections after so many events taken, before the OK. */
  readonly dropsUp?: number[];
  /** Refuses each of these REQs, counted from 1. */
  readonly refusesReqs?: readonly number[];
  /** From this REQ on, counted from 1, it answers nothing. */
  readonly hangsAt?: number;
  readonly needsSignIn?: boolean;
  /** The challenge comes with what is refused for want of it, not at once. */
  readonly isChallengeLate?: boolean;
  /** Sent to each client as it connects. */
  readonly preludes?: readonly unknown[];
  /** Refuses a sign-in for that reason. */
  readonly signInRefusal?: string;
  /** Sent in place of an answer to a REQ; then nothing more. */
  readonly answerToReq?: string | Uint8Array<ArrayBuffer>;
  /** Sent for the first REQ before the events that match. */
  readonly extra?: readonly unknown[];
  /** Sends this event again and again, and never EOSE. */
  readonly endless?: (count: number) => unknown;
  /** The answer to a message that isn't NIP-01: null for none. */
  readonly answerToOther?: ((message: readonly unknown[]) => readonly unknown[] | null) | null;
  readonly refuses?: (event: NostrEvent) => string | null;
  /** Sends newer events than it is asked for. */
  readonly ignoresUntil?: boolean;
  /** Speaks TLS: a key and its certificate, as PEM. */
  readonly pem?: string;
}

const CHALLENGE = "a challenge";
const ENDLESS_CHUNK = 500;

export class FakeRelay {
  /** What it has stored, in the order of arrival. */
  readonly events: NostrEvent[];
  /** Every message that it got, but EVENTs. */
  readonly messages: (readonly unknown[])[] = [];
  connections = 0;
  private onMessageTaken: () => void = () => {};
  private onStored: () => void = () => {};
  private reqCount = 0;
  private readonly waiting = Promise.withResolvers<void>();
  private readonly habits: Habits;
  private readonly extra: unknown[];
  private readonly server: Bun.Server<Connection>;
  private readonly sockets = new Set<Socket>();
  private readonly live = new Map<string, { socket: Socket; filters: Filter[] }>();

  constructor(events: readonly NostrEvent[], habits: Habits = {}) {
    this.events = [...events];
    this.habits = habits;
    this.extra = [...(habits.extra ?? [])];
    this.server = Bun.serve<Connection>({
      port: 0,
      hostname: "127.0.0.1",
      ...(habits.pem === undefined ? {} : { tls: { key: habits.pem, cert: habits.pem } }),
      fetch: (request, server) => {
        const data = { isSignedIn: false, sentCount: 0 };
        return server.upgrade(request, { data }) ? undefined : new Response("no", { status: 404 });
      },
      websocket: {
        open: (socket) => {
          this.connections += 1;
          this.sockets.add(socket);
          for (const message of habits.preludes ?? []) socket.send(JSON.stringify(message));
          if (habits.needsSignIn && !habits.isChallengeLate) this.challenge(socket);
        },
        message: (socket, text) => this.onMessage(socket, JSON.parse(String(text)) as unknown[]),
        close: (socket) => {
          this.sockets.delete(socket);
          for (const [id, one] of this.live) if (one.socket === socket) this.live.delete(id);
        },
      },
    });
  }

  get url(): string {
    return `ws://127.0.0.1:${this.server.port}`;
  }

  /** Resolves when it keeps a client waiting on purpose. */
  get isWaiting(): Promise<void> {
    return this.waiting.promise;
  }

  /** As if a client of its own had published it. */
  publish(event: NostrEvent): void {
    this.events.push(event);
    for (const [id, { socket, filters }] of this.live) {
      if (filters.some((filter) => matchesFilter(filter, event))) {
        socket.send(JSON.stringify(["EVENT", id, event]));
      }
    }
  }

  /** To everybody who is connected. */
  say(message: readonly unknown[]): void {
    for (const socket of this.sockets) socket.send(JSON.stringify(message));
  }

  /** Waits until it has got a message of that type. */
  async gets(type: string): Promise<void> {
    while (!this.messages.some(([one]) => one === type)) {
      await new Promise<void>((resolve) => (this.onMessageTaken = resolve));
    }
  }

  /** Waits until it has stored the event. */
  async has({ id }: NostrEvent): Promise<void> {
    while (!this.events.some((event) => event.id === id)) {
      await new Promise<void>((resolve) => (this.onStored = resolve));
    }
  }

  /** Ends every subscription. */
  closeAll(reason: string): void {
    for (const [id, { socket }] of this.live) socket.send(JSON.stringify(["CLOSED", id, reason]));
    this.live.clear();
  }

  /** Ends every connection, without a close frame. */
  dropAll(): void {
    for (const socket of [...this.sockets]) socket.terminate();
  }

  [Symbol.dispose](): void {
    void this.server.stop(true);
  }

  private challenge(socket: Socket): void {
    socket.send(JSON.stringify(["AUTH", CHALLENGE]));
  }

  private onMessage(socket: Socket, message: readonly unknown[]): void {
    const [type, subject] = message;
    if (type !== "EVENT") this.messages.push(message);
    this.onMessageTaken();
    switch (type) {
      case "REQ":
        this.onReq(socket, subject as string, message.slice(2));
        break;
      case "EVENT":
        this.onEvent(socket, subject as NostrEvent);
        break;
      case "CLOSE":
        this.live.delete(subject as string);
        break;
      case "AUTH": {
        const { id } = subject as NostrEvent;
        const refusal = this.habits.signInRefusal;
        socket.data.isSignedIn = refusal === undefined;
        socket.send(JSON.stringify(["OK", id, refusal === undefined, refusal ?? ""]));
        break;
      }
      default: {
        const answer = this.habits.answerToOther?.(message) ?? null;
        if (answer !== null) socket.send(JSON.stringify(answer));
      }
    }
  }

  private onReq(socket: Socket, id: string, asked: readonly unknown[]): void {
    const { habits } = this;
    if (habits.needsSignIn && !socket.data.isSignedIn) {
      if (habits.isChallengeLate) this.challenge(socket);
      socket.send(JSON.stringify(["CLOSED", id, "auth-required: members only"]));
      return;
    }
    if (habits.answerToReq !== undefined) {
      socket.send(habits.answerToReq);
      return;
    }
    if (habits.endless !== undefined) {
      this.sendEndlessly(socket, id, 0);
      return;
    }
    const heeded = habits.ignoresUntil ? { until: UNTIL_MAX } : null;
    const filters = asked.map((one) => parseFilter({ ...(one as object), ...heeded }) as Filter);
    const limit = Math.min(...filters.map((one) => one.limit ?? 1e9), habits.limit ?? 1e9);
    const all = this.events.filter((event) => filters.some((one) => matchesFilter(one, event)));
    const sent = newestFirst(all).slice(0, limit);
    for (const event of this.extra.splice(0)) socket.send(JSON.stringify(["EVENT", id, event]));
    if (filters.some((one) => (one.limit ?? 0) > (habits.limitMax ?? Infinity))) {
      socket.send(JSON.stringify(["CLOSED", id, "invalid: limit is too large"]));
      return;
    }
    this.reqCount += 1;
    if (habits.refusesReqs?.includes(this.reqCount)) {
      socket.send(JSON.stringify(["CLOSED", id, "error: starting"]));
      return;
    }
    if (this.reqCount >= (habits.hangsAt ?? Infinity)) {
      this.waiting.resolve();
      return;
    }
    const dropAt = habits.drops?.[this.connections - 1] ?? Infinity;
    for (const event of sent) {
      if (socket.data.sentCount >= dropAt) {
        socket.terminate();
        return;
      }
      socket.data.sentCount += 1;
      socket.send(JSON.stringify(["EVENT", id, event]));
    }
    const hint = sent.length === all.length ? "finish" : "more";
    socket.send(JSON.stringify(habits.hasHints ? ["EOSE", id, [hint]] : ["EOSE", id]));
    this.live.set(id, { socket, filters });
  }

  private sendEndlessly(socket: Socket, id: string, from: number): void {
    if (socket.readyState !== WebSocket.OPEN) return;
    for (let i = from; i < from + ENDLESS_CHUNK; i++) {
      socket.send(JSON.stringify(["EVENT", id, this.habits.endless?.(i)]));
    }
    setImmediate(() => this.sendEndlessly(socket, id, from + ENDLESS_CHUNK));
  }

  private onEvent(socket: Socket, event: NostrEvent): void {
    const { habits } = this;
    if (habits.needsSignIn && !socket.data.isSignedIn) {
      if (habits.isChallengeLate) this.challenge(socket);
      socket.send(JSON.stringify(["OK", event.id, false, "auth-required: members only"]));
      return;
    }
    const refusal = habits.refuses?.(event) ?? null;
    const isKnown = this.events.some(({ id }) => id === event.id);
    if (refusal === null && !isKnown) this.events.push(event);
    this.onStored();
    socket.data.sentCount += 1;
    if (socket.data.sentCount > (habits.dropsUp?.[this.connections - 1] ?? Infinity)) {
      socket.terminate();
      return;
    }
    const reason = refusal ?? (isKnown ? "duplicate: have it" : "");
    socket.send(JSON.stringify(["OK", event.id, refusal === null, reason]));
  }
}
