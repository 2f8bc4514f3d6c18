// One relay of one of the router's streams: connected again and again, for as long as the stream is
// there. What is known of the relay outlives each connection. Belongs to the router's thread.
//
//   waiting ──▶ connecting ──▶ catching-up ──▶ live       whatever breaks it leads back to waiting

import { type Database, SQLiteError } from "bun:sqlite";
import { nowSeconds } from "../config/clock.ts";
import { log, type LogLevel } from "../config/log.ts";
import type { RelayKey } from "../crypto/relay-key.ts";
import type { ItemReader } from "../store/item-scan.ts";
import { configuredProxy, messageLengthMax } from "./configured-client.ts";
import { IdMemory } from "./id-memory.ts";
import type { NewEvents } from "./new-events.ts";
import type { CompareSlots } from "./peer-catch-up.ts";
import { makeCounters, type PeerState, type PeerStatus } from "./peer-counters.ts";
import { PeerError, PeerFault, PeerRefusal, shown } from "./peer-error.ts";
import { PeerInflow } from "./peer-inflow.ts";
import { PeerLink } from "./peer-link.ts";
import { CHALLENGE_WAIT_MS } from "./relay-client.ts";
import { FOR_EVER, ONCE, Retry } from "./retry.ts";
import type { Cursor } from "./router-cursors.ts";
import type { StreamConfig } from "./router-file.ts";
import { IntakeFault, type RouterIntake } from "./router-intake.ts";
import { Session } from "./session.ts";
import type { StreamPlugins } from "./stream-plugins.ts";
import { withoutSecrets } from "./without-secrets.ts";

export interface PeerParts {
  readonly config: StreamConfig;
  readonly url: string;
  readonly key: RelayKey | null;
  readonly timeoutMs: () => number;
  readonly isVerbose: () => boolean;
  readonly db: Database;
  readonly reader: ItemReader;
  readonly newEvents: NewEvents;
  readonly intake: RouterIntake;
  readonly plugins: StreamPlugins;
  readonly slots: CompareSlots;
  readonly cursor: Cursor;
}

/** strfry waits for twice its connectionTimeout: here that is the longest delay. */
const LONGEST_DELAY_TIMEOUTS = 2;
const REMEMBERED = 65_536;
/** A relay that can't compare may be able to some day. */
const COMPARE_AGAIN_MS = 600_000;
const NOTICES_LOGGED_MAX = 5;

export class RouterPeer {
  readonly parts: PeerParts;
  private readonly inflow: PeerInflow;
  private readonly counters = makeCounters();
  private readonly retry: Retry;
  /** What it doesn't take, until everything is compared again. */
  private readonly refusedThere = new IdMemory(REMEMBERED);
  private state: PeerState = "connecting";
  private since = nowSeconds();
  private session: Session | null = null;
  private link: PeerLink | null = null;
  /** A relay that has just been found unable to compare isn't asked again before then. */
  private compareAt = 0;
  private isStopped = false;
  private endPause: () => void = () => {};

  constructor(parts: PeerParts) {
    this.parts = parts;
    const { config, url, intake, plugins } = parts;
    const longest = () => this.longestMs;
    this.retry = new Retry({
      ...FOR_EVER,
      get longestMs() {
        return longest();
      },
    });
    this.inflow = new PeerInflow({
      config,
      url,
      intake,
      plugins,
      counters: this.counters,
      isLeaving: (id) => this.link?.isSending(id) ?? false,
      onRefused: (id, reason) => this.say("debug", `${id} refused: ${shown(reason)}`),
    });
  }

  get status(): PeerStatus {
    const { config, url } = this.parts;
    const { received, sent } = this.link?.traffic ?? { received: 0, sent: 0 };
    const counters = {
      ...this.counters,
      receivedBytes: this.counters.receivedBytes + received,
      sentBytes: this.counters.sentBytes + sent,
    };
    return { stream: config.name, url, state: this.state, since: this.since, counters };
  }

  /** Until it is stopped. Throws what is no fault of the relay's nor of the database's. */
  async run(): Promise<void> {
    while (!this.isStopped) {
      const delayMs = await this.attempt();
      if (this.isStopped) return;
      await this.pause(delayMs);
    }
  }

  /** `run` ends soon: what has come and is under way into the database is waited for. */
  stop(): void {
    this.isStopped = true;
    this.session?.stop(new PeerError("the stream was stopped"));
    this.endPause();
  }

  /** Now and then: writes down how far it has come. */
  tick(): void {
    if (this.state === "live") this.link?.moveCursor();
  }

  /** One connection, to its end. Returns how long to wait before the next one. */
  private async attempt(): Promise<number> {
    this.setState("connecting");
    const session = this.openSession();
    this.session = session;
    try {
      await session.open();
      this.counters.connections += 1;
      await session.run((client) => {
        this.link = new PeerLink(session, client, this.linkParts());
        return this.link.serve();
      });
      throw new Error("assert: a stream without an end");
    } catch (error) {
      return this.judge(error);
    } finally {
      if (this.isStopped) this.tick(); // after a break, nobody knows since when nothing came
      session.close();
      this.forgetConnection();
      await this.inflow.settled(); // what fails only now is to be found by the next catch-up
    }
  }

  private forgetConnection(): void {
    const { received, sent } = this.link?.traffic ?? { received: 0, sent: 0 };
    this.counters.receivedBytes += received;
    this.counters.sentBytes += sent;
    this.link = null;
    this.session = null;
  }

  private linkParts() {
    return {
      ...this.parts,
      inflow: this.inflow,
      counters: this.counters,
      refusedThere: this.refusedThere,
      canCompare: () => performance.now() >= this.compareAt,
      onCantCompare: () => {
        this.compareAt = performance.now() + COMPARE_AGAIN_MS;
      },
      onSteady: () => this.retry.succeeded(),
      onState: (state: PeerState) => this.setState(state),
      say: (level: LogLevel, text: string) => this.say(level, text),
    };
  }

  /** Says why a connection has ended, and for how long there is to be none. */
  private judge(error: unknown): number {
    if (this.isStopped) return 0;
    const isOfDatabase = error instanceof IntakeFault || error instanceof SQLiteError;
    const isLasting = error instanceof PeerFault || error instanceof PeerRefusal;
    if (!isOfDatabase && !isLasting && !(error instanceof PeerError)) throw error;
    this.counters.failures += 1;
    const delayMs = this.retry.failed() ?? this.longestMs;
    const waitMs = isLasting ? Math.round(this.longestMs * (1 + Math.random())) : delayMs;
    const level = isOfDatabase ? "error" : isLasting ? "warn" : "info";
    this.setState("waiting");
    this.say(level, `${error.message}: again in ${(waitMs / 1000).toFixed(1)} s`);
    return waitMs;
  }

  private get longestMs(): number {
    return LONGEST_DELAY_TIMEOUTS * this.parts.timeoutMs();
  }

  private openSession(): Session {
    const { url, key } = this.parts;
    const timeoutMs = this.parts.timeoutMs();
    const proxy = configuredProxy(url);
    if (typeof proxy === "string") throw new Error(`assert: ${proxy}, and the file was taken`);
    let noticeCount = 0;
    return new Session({
      url,
      key,
      timeoutMs,
      retry: ONCE,
      challengeWaitMs: Math.min(CHALLENGE_WAIT_MS, timeoutMs),
      proxy,
      messageLengthMax: messageLengthMax(),
      onNotice: (text) => {
        noticeCount += 1;
        if (noticeCount <= NOTICES_LOGGED_MAX) this.say("info", `it says: ${shown(text)}`);
      },
      onRetry: () => {},
    });
  }

  // Its state

  private setState(state: PeerState): void {
    if (state === this.state) return;
    this.state = state;
    this.since = nowSeconds();
    if (state !== "waiting") this.say("info", state);
  }

  /** Without `verbose` only what goes wrong. */
  private say(level: LogLevel, text: string): void {
    if (level === "info" && !this.parts.isVerbose()) return;
    const { config, url } = this.parts;
    log(level, "router", withoutSecrets(`${config.name} ${url}: ${text}`));
  }

  private async pause(ms: number): Promise<void> {
    let timer: Timer | undefined;
    await new Promise<void>((resolve) => {
      timer = setTimeout(resolve, ms);
      this.endPause = resolve;
    });
    clearTimeout(timer);
  }
}
