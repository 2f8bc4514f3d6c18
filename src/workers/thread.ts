// What all worker threads have in common: how a thread is wired (its station), and its loop, which
// drains the inbox, lets the role take a turn, and sleeps when there is nothing to do.

import type { Settings } from "../config/options.ts";
import { Doorbell } from "../ring/doorbell.ts";
import { Inbox, type Visit } from "../ring/inbox.ts";
import { Outbox } from "../ring/outbox.ts";
import { RingConsumer, RingProducer } from "../ring/ring.ts";
import { Housekeeping } from "./housekeeping.ts";

export type RoleName =
  "ingester" | "writer" | "reader" | "monitor" | "negentropy" | "indexer" | "router";

/** One ring as seen from one of its ends: the memory, and the doorbell of the other end. */
export interface RingEnd {
  readonly ring: SharedArrayBuffer;
  readonly bell: SharedArrayBuffer;
}

/** Everything a worker is given at its start. Only shared memory and plain data. */
export interface Station {
  readonly role: RoleName;
  /** Which of the threads of that role. */
  readonly index: number;
  /** How many threads of that role there are. */
  readonly roleCount: number;
  readonly settings: Settings;
  readonly bell: SharedArrayBuffer;
  readonly recentIds: SharedArrayBuffer;
  readonly changes: SharedArrayBuffer;
  readonly keyFilter: SharedArrayBuffer;
  readonly removers: SharedArrayBuffer;
  readonly control: SharedArrayBuffer;
  readonly groups: SharedArrayBuffer;
  /** Of which connections' challenges are made (challenge.ts). */
  readonly challengeSecret: string;
  /** Upstream first. */
  readonly inbound: readonly RingEnd[];
  readonly websocket: RingEnd;
  readonly writer: RingEnd | null;
  readonly readers: readonly RingEnd[];
  readonly monitors: readonly RingEnd[];
  readonly negentropies: readonly RingEnd[];
  readonly indexers: readonly RingEnd[];
  readonly routers: readonly RingEnd[];
}

export function openInbox(bell: Doorbell, inbound: readonly RingEnd[]): Inbox {
  return new Inbox(
    bell,
    inbound.map((end) => new RingConsumer(end.ring, new Doorbell(end.bell))),
  );
}

export function openOutbox(end: RingEnd, ownBell: Doorbell): Outbox {
  return new Outbox(new RingProducer(end.ring), new Doorbell(end.bell), ownBell);
}

/** One role's part of the loop. */
export interface Role {
  /** Handles one record; it stays in place until the end of the turn. */
  readonly visit: Visit;
  /** After each batch, `count` records long: returns for how long the thread may sleep, in ms. */
  turn(count: number): number;
  /** True once everything upstream has stopped and all that came from there is dealt with. */
  readonly isStopped: boolean;
  /** Called once, as the last thing. */
  stop(): void;
}

/** Runs until the role has stopped. Blocks the thread: no timers, promises or postMessage here. */
export function runThread(inbox: Inbox, role: Role): void {
  const housekeeping = new Housekeeping();
  while (!role.isStopped) {
    const seen = inbox.bell.sequence();
    const count = inbox.drain(role.visit);
    const sleepMs = role.turn(count);
    inbox.release();
    housekeeping.note(count, sleepMs === 0);
    if (count === 0 && sleepMs > 0 && !role.isStopped) inbox.bell.wait(seen, sleepMs);
  }
  role.stop();
}
