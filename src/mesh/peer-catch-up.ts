// Which events a router's stream and one of its relays have not in common (NIP-77). A relay that
// finds the whole too big is asked for parts of it, by time. What is compared is in memory
// meanwhile, so few streams do it at once; and none for long, however its relay drags it out.
// Belongs to the router's thread.

import type { Database } from "bun:sqlite";
import { nowSeconds } from "../config/clock.ts";
import { type Filter, UNTIL_MAX } from "../protocol/filter.ts";
import type { ItemReader } from "../store/item-scan.ts";
import { IdList } from "./id-list.ts";
import { readItemsBySlices } from "./local-items.ts";
import { PeerFault, PeerRefusal } from "./peer-error.ts";
import { reconcile } from "./reconcile.ts";
import type { StreamConfig } from "./router-file.ts";
import type { Session } from "./session.ts";

/** Of a message, in bytes: as strfry's sync. */
const FRAME_BYTES_MAX = 60_000;
const ROUNDS_MAX = 50_000;
/** Of ids that differ, kept at once: 32 MB. The rest is found when these have been dealt with. */
const IDS_MAX = 2 ** 20;
/** For one relay to keep one of the slots. */
const COMPARE_MS_MAX = 600_000;
const SLOTS = 2;
/** A time range halved so often is a second. */
const HALVINGS_MAX = 32;
const IS_TOO_BIG = /^blocked\b/;
/** Events may be from the future, a little. */
const AHEAD_S = 86_400;

export type CatchUp =
  | {
      readonly kind: "compared";
      readonly have: IdList;
      readonly need: IdList;
      /** Commits after this one were not compared. */
      readonly head: number;
      /** There is more than can be kept at once. */
      readonly isPartial: boolean;
    }
  /** The relay doesn't do it. */
  | { readonly kind: "unsupported"; readonly why: string };

export interface CompareParts {
  readonly config: StreamConfig;
  readonly db: Database;
  readonly reader: ItemReader;
  readonly slots: CompareSlots;
}

/** So many compare at the same time; the others wait. */
export class CompareSlots {
  private free = SLOTS;
  private readonly waiting = new Set<() => void>();

  async take(session: Session): Promise<void> {
    while (this.free === 0) {
      await session.suspend((resume) => {
        this.waiting.add(resume);
        return () => this.waiting.delete(resume);
      });
    }
    this.free -= 1;
  }

  release(): void {
    this.free += 1;
    for (const resume of [...this.waiting]) resume();
  }
}

export async function compare(session: Session, parts: CompareParts): Promise<CatchUp> {
  const { slots } = parts;
  await slots.take(session);
  const giveUp = (): void => {
    session.stop(new PeerFault(`no end of a sync after ${COMPARE_MS_MAX / 1000} s`));
  };
  const timer = setTimeout(giveUp, COMPARE_MS_MAX);
  try {
    return await new Comparison(session, parts).run();
  } finally {
    clearTimeout(timer);
    slots.release();
  }
}

class Comparison {
  private readonly session: Session;
  private readonly parts: CompareParts;
  private readonly have = new IdList();
  private readonly need = new IdList();
  private isPartial = false;

  constructor(session: Session, parts: CompareParts) {
    this.session = session;
    this.parts = parts;
  }

  async run(): Promise<CatchUp> {
    const head = this.parts.reader.head();
    const why = await this.compareOrSplit(this.parts.config.filter, 0);
    if (why !== null) return { kind: "unsupported", why };
    const { have, need, isPartial } = this;
    return { kind: "compared", have, need, head, isPartial };
  }

  /** Why not, or null. */
  private async compareOrSplit(filter: Filter, halvings: number): Promise<string | null> {
    if (this.isPartial) return null;
    try {
      return await this.compareAll(filter);
    } catch (error) {
      if (!(error instanceof PeerRefusal)) throw error;
      if (!IS_TOO_BIG.test(error.reason) || halvings === HALVINGS_MAX) return error.message;
      const parts = splitTimes(filter);
      if (parts.length === 1) return error.message;
      for (const part of parts) {
        const why = await this.compareOrSplit(part, halvings + 1);
        if (why !== null) return why;
      }
      return null;
    }
  }

  private async compareAll(filter: Filter): Promise<string | null> {
    const { db, reader, config } = this.parts;
    const { since, until } = filter;
    const times = { ...(since > 0 && { since }), ...(until < UNTIL_MAX && { until }) };
    const found = await reconcile(this.session, {
      filter: { ...config.filterJson, ...times },
      readItems: () => readItemsBySlices(db, reader, filter),
      frameBytesMax: FRAME_BYTES_MAX,
      roundsMax: ROUNDS_MAX,
      idsMax: IDS_MAX,
    });
    if (found.kind === "unsupported") return found.why;
    this.have.addAll(found.have);
    this.need.addAll(found.need);
    this.isPartial = found.isPartial || this.have.count + this.need.count > IDS_MAX;
    return null;
  }
}

/** The newer half first; itself when it is one second. What is far ahead is a part of its own. */
function splitTimes(filter: Filter): Filter[] {
  const { since, until } = filter;
  const ahead = nowSeconds() + AHEAD_S;
  const middle = until > ahead && since < ahead ? ahead : Math.floor((since + until) / 2);
  if (since >= until) return [filter];
  return [
    { ...filter, since: middle + 1 },
    { ...filter, until: middle },
  ];
}
