// A connection to another relay, as its client: NIP-01, signing in (42), syncs (77). One object for
// one WebSocket; it never connects again (session.ts does). Belongs to one thread.
//
// The peer may be anything: what is no message, too long, or silence where an answer is due ends
// the connection, with an error for everybody who waits for something. What nobody takes is not
// read (subscription.ts), so memory is bounded. What comes for questions that are no longer asked
// is dropped.

import type { RelayKey } from "../crypto/relay-key.ts";
import type { NostrEvent } from "../protocol/event.ts";
import { PeerError, PeerFault, PeerRefusal, shown } from "./peer-error.ts";
import type { ProxyServer } from "./proxy.ts";
import { type Answer, parseRelayMessage, type RelayMessage } from "./relay-message.ts";
import { closeSocket, openSocket } from "./relay-socket.ts";
import { SignIn } from "./sign-in.ts";
import { type Delivery, Subscription } from "./subscription.ts";
import { Tunnel } from "./tunnel.ts";

export interface ClientOptions {
  /** Whom to sign in as; null for nobody. */
  readonly key: RelayKey | null;
  /** With a key, how long to wait for a challenge before anything is asked. */
  readonly challengeWaitMs: number;
  /** Silence for so long where an answer is due ends the connection. */
  readonly timeoutMs: number;
  /** Of a message, in UTF-16 code units. */
  readonly messageLengthMax: number;
  /** The way to the relay (proxy.ts); null for the direct one. */
  readonly proxy: ProxyServer | null;
  readonly onNotice: (text: string) => void;
}

/** What comes of a message of a sync. `silence`: nothing in time, though the relay is there. */
export type SyncAnswer =
  | { readonly kind: "message"; readonly message: Uint8Array }
  | { readonly kind: "error"; readonly reason: string }
  | { readonly kind: "notice"; readonly text: string }
  | { readonly kind: "silence" };

/** What is kept for those who haven't taken it: beyond that, the socket isn't read. */
const KEPT_BYTES_MAX = 4 << 20;
const KEPT_BYTES_LOW = 1 << 20;
/** Most relays send a challenge at once, or only with a refusal. */
export const CHALLENGE_WAIT_MS = 1000;
/** The watch is so much finer than the time-out. */
const WATCHES_PER_TIMEOUT = 8;
const NEEDS_SIGN_IN = /^auth-required\b/;
/** What relays say of messages that they don't know, and not when they greet somebody. */
const MAY_REFUSE =
  /\bneg|unknown|unrecogni|unsupported|not (?:supported|implemented)|invalid|bad|parse|error/i;

interface Published {
  readonly json: string;
  readonly result: PromiseWithResolvers<Answer>;
}

interface Exchange {
  readonly result: PromiseWithResolvers<SyncAnswer>;
  readonly isOpening: boolean;
}

interface Asked {
  readonly subscription: Subscription;
  readonly frame: string;
}

export class RelayClient {
  readonly url: string;
  /** Bytes of messages so far, before compression. */
  readonly traffic = { received: 0, sent: 0 };
  private readonly options: ClientOptions;
  private readonly socket: WebSocket;
  private readonly asked = new Map<string, Asked>();
  private readonly published = new Map<string, Published>();
  /** Subscriptions and events that were sent again after signing in: not twice. */
  private readonly retried = new Set<string>();
  private sync: Exchange | null = null;
  private subscriptionCount = 0;
  private keptBytes = 0;
  /** When anything came last. */
  private heardAt = performance.now();
  private onHeard: () => void = () => {};
  /** When events were sent or answered last. */
  private publishedAt = 0;
  /** When something was asked for, or came of it, last. */
  private queriedAt = 0;
  private readonly watch: Timer;
  private readonly signingIn: SignIn | null;
  private failure: Error | null = null;

  private constructor(url: string, socket: WebSocket, options: ClientOptions) {
    this.url = url;
    this.socket = socket;
    this.options = options;
    this.watch = setInterval(() => this.check(), options.timeoutMs / WATCHES_PER_TIMEOUT);
    const { key } = options;
    const authenticate = (event: NostrEvent) => this.authenticate(event);
    this.signingIn = key === null ? null : new SignIn(key, url, authenticate);
    socket.onmessage = ({ data }) => this.onData(data);
    socket.addEventListener("pong", () => this.noteHeard());
    socket.onclose = ({ code, reason }) => {
      const why = reason === "" ? `${code}` : `${code} ${shown(reason)}`;
      this.fail(new PeerError(`the connection was closed (${why})`));
    };
  }

  /** Resolves once it is open and, when there is a key and a challenge, signed in. */
  static async connect(url: string, options: ClientOptions): Promise<RelayClient> {
    const { proxy, timeoutMs } = options;
    const tunnel = proxy?.kind === "socks" ? await Tunnel.open(url, proxy.server, timeoutMs) : null;
    const ownOptions = proxy?.kind === "http" ? { proxy: proxy.url } : {};
    const socket = openSocket(url, () => tunnel?.connect() ?? new WebSocket(url, ownOptions));
    const client = new RelayClient(url, socket, options);
    const opening = Promise.withResolvers<void>();
    const fail = (why: string) => opening.reject(new PeerError(`can't connect to ${url}: ${why}`));
    const timer = setTimeout(() => fail(`no answer for ${timeoutMs / 1000} s`), timeoutMs);
    socket.onopen = () => opening.resolve();
    socket.onerror = ({ message }) => fail(shown(tunnel?.translate(message) ?? message));
    try {
      await opening.promise.finally(() => clearTimeout(timer));
      socket.onerror = ({ message }) => client.fail(new PeerError(shown(message)));
      if (options.key !== null) await client.signIn(options.challengeWaitMs);
      return client;
    } catch (error) {
      client.fail(error instanceof Error ? error : new PeerError(String(error)));
      tunnel?.close();
      throw error;
    }
  }

  get isOpen(): boolean {
    return this.failure === null;
  }

  /** Whoever waits for something gets an error. */
  close(why: Error = new PeerError("the connection was closed here")): void {
    this.fail(why);
  }

  /** Sends a REQ. The filters are sent as they are. */
  subscribe(filters: readonly unknown[]): Subscription {
    this.subscriptionCount += 1;
    const id = `n${this.subscriptionCount}`;
    const subscription = new Subscription(id, {
      keptChanged: (bytes) => this.onKept(bytes),
      close: () => this.unsubscribe(id),
    });
    if (this.failure !== null) {
      subscription.fail(this.failure);
      return subscription;
    }
    const frame = JSON.stringify(["REQ", id, ...filters]);
    this.asked.set(id, { subscription, frame });
    this.query(frame);
    return subscription;
  }

  /** Sends an event, as JSON. Rejects only when the connection ends before the answer. */
  publish(id: string, json: string): Promise<Answer> {
    if (this.failure !== null) return Promise.reject(this.failure);
    const known = this.published.get(id);
    if (known !== undefined) return known.result.promise;
    const result = Promise.withResolvers<Answer>();
    this.published.set(id, { json, result });
    this.sendEvent("EVENT", json);
    return result.promise;
  }

  /**
   * Sends a NEG-OPEN or NEG-MSG and waits for what comes of it; one at a time. `isOpening`: a
   * NOTICE may be an answer, too, of a relay that doesn't know such messages.
   */
  async exchange(message: readonly unknown[], isOpening: boolean): Promise<SyncAnswer> {
    if (this.failure !== null) throw this.failure;
    if (this.sync !== null) throw new Error("assert: two messages of a sync at once");
    const result = Promise.withResolvers<SyncAnswer>();
    this.sync = { result, isOpening };
    const { timeoutMs } = this.options;
    const silence = setTimeout(() => {
      // A connection that has died says nothing either: then the watch ends it.
      this.onHeard = () => result.resolve({ kind: "silence" });
      this.socket.ping();
    }, timeoutMs);
    try {
      this.send(JSON.stringify(message));
      return await result.promise;
    } finally {
      clearTimeout(silence);
      this.onHeard = () => {};
      this.sync = null;
    }
  }

  endSync(subscriptionId: string): void {
    if (this.failure === null) this.send(JSON.stringify(["NEG-CLOSE", subscriptionId]));
  }

  /**
   * Waits until the relay's challenge has been answered; false when there is no key, or no
   * challenge within that time. Throws when the relay doesn't take it.
   */
  async signIn(waitMs: number = this.options.timeoutMs): Promise<boolean> {
    return (await this.signingIn?.whenDone(waitMs)) ?? false;
  }

  // Messages

  private onData(data: unknown): void {
    if (this.failure !== null) return;
    this.noteHeard();
    if (typeof data !== "string") {
      this.fail(new PeerFault("it sent binary data, which is no message of a relay"));
      return;
    }
    const lengthMax = this.options.messageLengthMax;
    if (data.length > lengthMax) {
      this.fail(new PeerFault(`it sent a message longer than ${lengthMax} characters`));
      return;
    }
    this.traffic.received += Buffer.byteLength(data);
    const message = parseRelayMessage(data);
    if (message === null) this.fail(new PeerFault(`it sent what is no message: ${shown(data)}`));
    else this.onMessage(message, data.length);
  }

  private noteHeard(): void {
    this.heardAt = performance.now();
    this.onHeard();
  }

  private onMessage(message: RelayMessage, length: number): void {
    switch (message.type) {
      case "EVENT": {
        const { event } = message;
        this.deliver(message.subscriptionId, { type: "event", event }, length);
        break;
      }
      case "EOSE": {
        const { hint } = message;
        this.deliver(message.subscriptionId, { type: "stored", hint }, length);
        break;
      }
      case "CLOSED":
        this.onClosed(message.subscriptionId, message.reason);
        break;
      case "OK":
        this.onOk(message.id, message);
        break;
      case "NOTICE":
        if (this.sync?.isOpening && MAY_REFUSE.test(message.text)) {
          this.sync.result.resolve({ kind: "notice", text: message.text });
        } else {
          this.options.onNotice(message.text);
        }
        break;
      case "AUTH":
        this.onChallenge(message.challenge);
        break;
      case "NEG-MSG":
        this.sync?.result.resolve({ kind: "message", message: message.message });
        break;
      case "NEG-ERR":
        this.sync?.result.resolve({ kind: "error", reason: message.reason });
        break;
      case "other":
        break;
    }
  }

  private deliver(id: string, delivery: Delivery, length: number): void {
    const asked = this.asked.get(id);
    if (asked === undefined) return;
    this.queriedAt = this.heardAt;
    asked.subscription.deliver(delivery, length);
  }

  private onClosed(id: string, reason: string): void {
    const asked = this.asked.get(id);
    if (asked === undefined) return;
    if (this.mayRetry(id, reason)) {
      this.afterSignIn(
        () => this.asked.has(id) && this.query(asked.frame),
        (error) => asked.subscription.fail(error),
      );
      return;
    }
    this.asked.delete(id);
    asked.subscription.fail(new PeerRefusal("it refused the request", shown(reason)));
  }

  private onOk(id: string, answer: Answer): void {
    const published = this.published.get(id);
    if (published === undefined) return;
    this.publishedAt = this.heardAt;
    if (!answer.isAccepted && this.mayRetry(id, answer.reason)) {
      this.afterSignIn(() => this.sendEvent("EVENT", published.json), published.result.reject);
      return;
    }
    this.published.delete(id);
    this.retried.delete(id);
    published.result.resolve({ isAccepted: answer.isAccepted, reason: shown(answer.reason) });
  }

  private mayRetry(id: string, reason: string): boolean {
    if (this.options.key === null || !NEEDS_SIGN_IN.test(reason) || this.retried.has(id)) {
      return false;
    }
    this.retried.add(id);
    return true;
  }

  private afterSignIn(then: () => void, otherwise: (error: Error) => void): void {
    this.signIn().then(
      () => this.failure === null && then(),
      (error: unknown) => otherwise(error instanceof Error ? error : new Error(String(error))),
    );
  }

  /** Gives the answer to it. */
  private authenticate(event: NostrEvent): Promise<Answer> {
    const json = JSON.stringify(event);
    const result = Promise.withResolvers<Answer>();
    this.published.set(event.id, { json, result });
    this.retried.add(event.id);
    this.sendEvent("AUTH", json);
    return result.promise;
  }

  private onChallenge(challenge: string): void {
    try {
      this.signingIn?.onChallenge(challenge);
    } catch (error) {
      if (!(error instanceof PeerFault)) throw error;
      this.fail(error);
    }
  }

  // The socket

  private send(frame: string): void {
    this.traffic.sent += Buffer.byteLength(frame);
    this.socket.send(frame);
  }

  private query(frame: string): void {
    this.queriedAt = performance.now();
    this.send(frame);
  }

  private sendEvent(type: "EVENT" | "AUTH", json: string): void {
    this.publishedAt = performance.now();
    this.send(`["${type}",${json}]`);
  }

  private unsubscribe(id: string): void {
    this.retried.delete(id);
    if (this.asked.delete(id) && this.failure === null) this.send(JSON.stringify(["CLOSE", id]));
  }

  private onKept(bytes: number): void {
    this.keptBytes += bytes;
    if (this.failure !== null) return;
    if (this.keptBytes > KEPT_BYTES_MAX && !this.socket.isPaused) this.socket.pause();
    else if (this.keptBytes <= KEPT_BYTES_LOW && this.socket.isPaused) {
      this.socket.resume();
      this.heardAt = this.publishedAt = this.queriedAt = performance.now();
    }
  }

  private get isLoading(): boolean {
    for (const { subscription } of this.asked.values()) if (subscription.isLoading) return true;
    return false;
  }

  private check(): void {
    const { timeoutMs } = this.options;
    if (this.socket.readyState !== WebSocket.OPEN || this.socket.isPaused) return;
    const now = performance.now();
    const isLate =
      (this.published.size > 0 && now - this.publishedAt > timeoutMs) ||
      (now - this.queriedAt > timeoutMs && this.isLoading);
    const silentMs = now - this.heardAt;
    if (isLate) this.fail(new PeerError(`it didn't answer for ${timeoutMs / 1000} s`));
    else if (silentMs > 2 * timeoutMs) this.fail(new PeerError("no answer to pings"));
    else if (silentMs > timeoutMs / 2) this.socket.ping();
  }

  private fail(error: Error): void {
    if (this.failure !== null) return;
    this.failure = error;
    clearInterval(this.watch);
    this.signingIn?.fail(error);
    this.sync?.result.reject(error);
    for (const { result } of this.published.values()) result.reject(error);
    this.published.clear();
    for (const { subscription } of this.asked.values()) subscription.fail(error);
    this.asked.clear();
    closeSocket(this.socket, this.options.timeoutMs);
  }
}
