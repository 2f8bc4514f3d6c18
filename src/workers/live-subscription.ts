// Subscriptions as a monitor keeps them. Most wait for long, or are closed before an event comes
// near them. Such a one is its text, a sixth of the memory of its filters, which are made when the
// first event comes that has one of the keys it is found by, or when it is closed. Only of long
// lists of authors the text takes more.

import type { Filter } from "../protocol/filter.ts";
import { encodeEventPrefix } from "../protocol/message.ts";
import { NOBODY, type Viewer } from "../protocol/visibility.ts";
import { parseQueryBody, type SubscribeMail } from "./mail.ts";
import type { Recipient } from "./mail-frames.ts";

/** The keys its client had signed in with, as far as events up to this `seq` go. */
interface View {
  readonly viewer: Viewer;
  readonly upToSeq: number;
}

/** What a subscription's text says. */
interface Said {
  readonly filters: readonly Filter[];
  readonly prefix: Buffer;
}

/** A text of so many characters or more is not kept. */
const LONG_TEXT = 2000;

const NOBODY_EVER: readonly View[] = [{ viewer: NOBODY, upToSeq: Infinity }];

export class LiveSubscription implements Recipient {
  readonly connId: number;
  readonly slot: number;
  readonly gen: number;
  readonly headSeq: number;
  /** The last event it was considered for: it may be found by several of its keys. */
  mark = 0;
  /** Of the same connection. */
  next: LiveSubscription | null = null;
  /** Who it is matched for: the last of its views, and before it those for older commits. */
  private views: readonly View[];
  /** One of the two is null. */
  private text: string | null;
  private said: Said | null;

  constructor({ connId, slot, gen, headSeq, id, viewer, filters, text }: SubscribeMail) {
    this.connId = connId;
    this.slot = slot;
    this.gen = gen;
    this.headSeq = headSeq;
    this.views = viewer.size === 0 ? NOBODY_EVER : [{ viewer, upToSeq: Infinity }];
    const isLong = text.length >= LONG_TEXT;
    this.text = isLong ? null : text;
    this.said = isLong ? saidOf(id, filters) : null;
  }

  get filters(): readonly Filter[] {
    return this.read().filters;
  }

  get prefix(): Buffer {
    return this.read().prefix;
  }

  /** `seq` of an ephemeral event is not positive: it is of now. */
  viewerAt(seq: number): Viewer {
    const view = seq <= 0 ? this.views.at(-1) : this.views.find(({ upToSeq }) => seq <= upToSeq);
    return (view as View).viewer;
  }

  /** From commits after `headSeq` on it is matched for `viewer`; up to `lastSeq` all are done. */
  widen(viewer: Viewer, headSeq: number, lastSeq: number): void {
    const former = this.views
      .map((view) => ({ ...view, upToSeq: Math.min(view.upToSeq, headSeq) }))
      .filter((view) => view.upToSeq > lastSeq);
    this.views = [...former, { viewer, upToSeq: Infinity }];
  }

  private read(): Said {
    if (this.said === null) {
      const { id, filters } = parseQueryBody(this.text as string);
      this.said = saidOf(id, filters);
      this.text = null;
    }
    return this.said;
  }
}

function saidOf(id: string, filters: readonly Filter[]): Said {
  return { filters, prefix: Buffer.from(encodeEventPrefix(id)) };
}

/** By connection: few have many, so each is a chain. */
export class LiveSubscriptions {
  private readonly first = new Map<number, LiveSubscription>();

  add(subscription: LiveSubscription): void {
    subscription.next = this.first.get(subscription.connId) ?? null;
    this.first.set(subscription.connId, subscription);
  }

  get(connId: number, slot: number): LiveSubscription | null {
    for (const one of this.of(connId)) if (one.slot === slot) return one;
    return null;
  }

  *of(connId: number): Iterable<LiveSubscription> {
    for (let one = this.first.get(connId) ?? null; one !== null; one = one.next) yield one;
  }

  remove(subscription: LiveSubscription): void {
    const { connId, next } = subscription;
    const first = this.first.get(connId);
    if (first === subscription) {
      if (next === null) this.first.delete(connId);
      else this.first.set(connId, next);
      return;
    }
    for (const one of this.of(connId)) if (one.next === subscription) one.next = next;
  }

  removeAll(connId: number): void {
    this.first.delete(connId);
  }
}
