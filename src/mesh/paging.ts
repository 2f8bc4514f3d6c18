// All stored events of another relay that a filter matches, however few it sends at once: page
// after page from the newest on, each asked `until` the oldest second of the one before, that
// second included, because a page may end within a second (NIP-67). Belongs to one thread.
//
// What has come of the boundary second is known and not given again. When that second fills whole
// pages, so that nothing older ever comes, it is asked for alone with a larger limit; what a relay
// doesn't send then, no filter can ask for, and the second is reported.

import { NO_EVENT_LIMITS, type NostrEvent, parseEvent } from "../protocol/event.ts";
import { type Filter, matchesFilter, parseFilter, UNTIL_MAX } from "../protocol/filter.ts";
import type { EoseHint } from "../protocol/message.ts";
import { PeerFault, PeerRefusal } from "./peer-error.ts";
import type { RelayClient } from "./relay-client.ts";
import type { Session } from "./session.ts";

/** A filter of NIP-01 as it is sent. */
export type FilterJson = Readonly<Record<string, unknown>>;

export const NOT_ASKED_FOR = "invalid: was not asked for";

export interface PageSink {
  /** An event that matches, for the first time. What it returns is waited for. */
  onEvent(event: NostrEvent): void | Promise<void>;
  /** What isn't one, or was not asked for. */
  onFlaw(flaw: string): void;
  /** All of a page has been given, and the next may take a while. */
  onPage(): void;
  /** Of this second the relay may have more than it sends. */
  onCutSecond(second: number): void;
}

/** What most relays send at most; some refuse to be asked for more. */
const PAGE_LIMIT = 500;
const SECOND_LIMIT = 5000;
/** A page may have what ties with its last event, too. Far beyond that, it will never end. */
const PAGE_EVENTS_MAX = 20_000;

interface Page {
  readonly count: number;
  /** How many came that were not asked for. */
  readonly strays: number;
  /** How many had not come before. */
  readonly fresh: number;
  /** Unix seconds; Infinity for none. */
  readonly oldest: number;
  readonly hint: EoseHint;
}

/** `json` has a form that `parseFilter` accepts. */
export async function downloadPages(
  session: Session,
  json: FilterJson,
  sink: PageSink,
): Promise<void> {
  const filter = parseFilter(json);
  if (typeof filter === "string") throw new Error(`assert: the filter is ${filter}`);
  if (filter !== null) await new Paging(session, json, filter, sink).run();
}

class Paging {
  private readonly session: Session;
  private readonly json: FilterJson;
  private readonly filter: Filter;
  private readonly sink: PageSink;
  private until: number;
  /** How many are still wanted. */
  private wanted: number;
  /** What has come of the boundary second and of this page: ids and times. */
  private seen = new Map<string, number>();
  /** So many events had a page that was not the last one. */
  private cutSize = 0;
  private lastSize = 0;
  /** A second that filled a page: it was cut if there is anything older. */
  private fullSecond: number | null = null;

  constructor(session: Session, json: FilterJson, filter: Filter, sink: PageSink) {
    this.session = session;
    this.json = json;
    this.filter = filter;
    this.sink = sink;
    this.until = filter.until;
    this.wanted = filter.limit ?? Infinity;
  }

  async run(): Promise<void> {
    while (this.wanted > 0 && this.until >= this.filter.since) {
      const page = await this.ask(PAGE_LIMIT, this.filter.since);
      // A relay that doesn't heed `until`, say: what is older can't be had, and isn't none.
      const isAstray = page.fresh === 0 && page.strays > 0 && page.hint !== "finish";
      if (isAstray) throw new PeerFault("it sends events that nobody has asked for");
      if (page.fresh > 0) this.cutSize = Math.max(this.cutSize, this.lastSize);
      this.lastSize = page.count;
      if (page.count > 0 && this.fullSecond !== null) this.sink.onCutSecond(this.fullSecond);
      this.fullSecond = null;
      if (page.count === 0 || page.hint === "finish") return;
      if (page.oldest < this.until) this.moveTo(page.oldest);
      else if (page.fresh === 0) {
        if (page.count < this.cutSize && page.hint === null) return; // it could have had more
        await this.passSecond(page);
      }
    }
  }

  /** A page of nothing but known events of one second. */
  private async passSecond(page: Page): Promise<void> {
    const second = this.until;
    const whole = await this.askWhole(second, page);
    const isMore = whole.count > page.count && whole.count < SECOND_LIMIT;
    const isAll = whole.hint === "finish" || isMore;
    const isCut = whole.hint === "more" || (this.cutSize > 0 && whole.count >= this.cutSize);
    this.moveTo(second - 1);
    if (isAll) return;
    if (isCut) this.sink.onCutSecond(second);
    else this.fullSecond = second;
  }

  /** Some relays refuse limits larger than they heed: then the page is all there is to be had. */
  private async askWhole(second: number, page: Page): Promise<Page> {
    try {
      return await this.ask(SECOND_LIMIT, second);
    } catch (error) {
      if (error instanceof PeerRefusal) return page;
      throw error;
    }
  }

  private moveTo(second: number): void {
    this.until = second;
    for (const [id, time] of this.seen) if (time !== second) this.seen.delete(id);
  }

  private async ask(limit: number, since: number): Promise<Page> {
    const bounds = {
      ...(since > 0 ? { since } : null),
      ...(this.until < UNTIL_MAX ? { until: this.until } : null),
      limit: Math.min(limit, this.wanted + this.seen.size),
    };
    const knownCount = this.seen.size;
    const asked = { ...this.json, ...bounds };
    const page = await this.session.run((client) => this.read(client, asked));
    this.sink.onPage();
    return { ...page, fresh: this.seen.size - knownCount };
  }

  /** When it breaks off, what has come is known and not given again. */
  private async read(client: RelayClient, asked: FilterJson): Promise<Omit<Page, "fresh">> {
    let [count, strays, oldest] = [0, 0, Infinity];
    let deliveries = 0;
    for await (const delivery of client.subscribe([asked])) {
      if (delivery.type === "stored") return { count, strays, oldest, hint: delivery.hint };
      deliveries += 1;
      if (Math.max(deliveries, this.seen.size) > PAGE_EVENTS_MAX) {
        throw new PeerFault(`it sent more than ${PAGE_EVENTS_MAX} events at once`);
      }
      const event = this.check(delivery.event);
      if (typeof event === "string") {
        if (event === NOT_ASKED_FOR) strays += 1;
        this.sink.onFlaw(event);
        continue;
      }
      count += 1;
      oldest = Math.min(oldest, event.created_at);
      await this.give(event);
    }
    throw new Error("assert: a subscription without an end");
  }

  /** A text says what is wrong with it. */
  private check(value: unknown): NostrEvent | string {
    const event = parseEvent(value, NO_EVENT_LIMITS);
    if (typeof event === "string") return event;
    const isAskedFor = event.created_at <= this.until && matchesFilter(this.filter, event);
    return isAskedFor ? event : NOT_ASKED_FOR;
  }

  private give(event: NostrEvent): void | Promise<void> {
    if (this.seen.has(event.id) || this.wanted === 0) return;
    this.seen.set(event.id, event.created_at);
    this.wanted -= 1;
    this.session.progressed();
    return this.sink.onEvent(event);
  }
}
