// Stores in which everything happens that running sums must bear, and what syncs are then to find,
// in the fewest words. Shares no code with what is tested.

import type { NostrEvent } from "../../src/protocol/event.ts";
import { type EventGuard, type Viewer, Visibility } from "../../src/protocol/visibility.ts";
import { payloadText } from "../../src/store/payload.ts";
import type { EventWriter } from "../../src/store/write.ts";
import { naiveMatches, type RawFilter } from "./random-filters.ts";
import type { TestStore } from "./test-store.ts";
import { author, type Dice, makeEvent, randomEvent } from "./unsigned-events.ts";

const PRIVATE = [4, 1059];
const SIGNED_IN = [7];
const KINDS = [0, 1, 1, 1, 4, 5, 7, 9, 1059, 30_023];
/** Of a second, some seconds, some hours, days, months, years. */
const SPREADS = [1, 3, 10_000, 300_000, 20_000_000, 200_000_000];
export const NOW = 1_800_000_000;
const START = 1_500_000_000;

/** Who isn't author 1 sees of kind 30023 nothing, of groups only the open ones. */
const isGuarded = ({ kind, tags }: Pick<NostrEvent, "kind" | "tags">): boolean =>
  kind === 30_023 ||
  tags.some(([name, value]) => name === "h" && value?.startsWith("open") !== true);

export const GUARD: EventGuard = {
  kinds: new Set([30_023]),
  version: 0,
  mayHide: (kind, text) => kind === 30_023 || text.includes('["h",'),
  sees: (viewer, event) => viewer.has(author(1)) || !isGuarded(event),
  seesOfGroup: (viewer, _, groupId) => {
    if (viewer.has(author(1)) || groupId?.startsWith("open") === true) return "all";
    return groupId === null ? "some" : "none";
  },
  checkRead: () => null,
  widen: () => [],
};

export function soupVisibility(hasGuard: boolean): Visibility {
  const privateKinds = new Set(PRIVATE);
  const rules = { privateKinds, signedInKinds: new Set(SIGNED_IN), isAllSignedIn: false };
  return new Visibility(rules, hasGuard ? GUARD : null);
}

function naiveSees(viewer: Viewer, event: NostrEvent, hasGuard: boolean): boolean {
  const { kind, pubkey, tags } = event;
  if (hasGuard && isGuarded(event) && !viewer.has(author(1))) return false;
  if (SIGNED_IN.includes(kind)) return viewer.size > 0;
  if (!PRIVATE.includes(kind)) return true;
  return [...viewer].some(
    (one) => one === pubkey || tags.some((t) => t[0] === "p" && t[1] === one),
  );
}

/** What a sync is to find of the events stored. */
export function naiveItems(
  events: readonly NostrEvent[],
  filter: RawFilter,
  viewer: Viewer,
  hasGuard: boolean,
): NostrEvent[] {
  const isOver = ({ tags }: NostrEvent): boolean =>
    tags.some(([name, value]) => name === "expiration" && Number(value) <= NOW);
  return events.filter(
    (one) => naiveMatches(filter, one) && naiveSees(viewer, one, hasGuard) && !isOver(one),
  );
}

export class Soup {
  readonly sets: RawFilter[] = [{}];
  private readonly dice: Dice;
  private readonly store: TestStore;
  private readonly seconds: number;
  private readonly other: EventWriter;
  /** Ids, for deletions. */
  private readonly made: string[] = [];

  constructor(dice: Dice, store: TestStore) {
    this.dice = dice;
    this.store = store;
    this.seconds = dice.pick(SPREADS);
    this.other = store.openWriter();
  }

  /** What is stored. */
  events(): NostrEvent[] {
    const payloads = this.store.db.query("SELECT id, payload FROM event").values();
    return (payloads as [Uint8Array, Uint8Array][]).map(([id, payload]) =>
      JSON.parse(payloadText(id, payload).toString()),
    );
  }

  time(): number {
    return START + this.dice.below(this.seconds);
  }

  event(): NostrEvent {
    const { dice } = this;
    const { tags, ...fields } = randomEvent(dice, { authors: 4, kinds: KINDS, seconds: 1 });
    const more: string[][] = [];
    if (dice.chance(0.1)) more.push(["expiration", String(NOW + dice.below(3) - 1)]);
    if (dice.chance(0.2)) more.push(["h", dice.pick(["open", "shut", "shüt"])]);
    if (dice.chance(0.1)) more.push(["h", "open"], ["h", dice.pick(["shut", "open too"])]);
    if (fields.kind === 5) {
      for (const id of dice.some(this.made, 2)) more.push(["e", id ?? ""]);
    }
    const event = makeEvent({ ...fields, created_at: this.time(), tags: [...tags, ...more] });
    this.made.push(event.id);
    return event;
  }

  /** One thing that a store has to bear. */
  stir(): void {
    const { dice, store } = this;
    const writer = dice.pick([store.writer, this.other]);
    switch (dice.below(10)) {
      case 0:
        writer.sums.step(1 + dice.below(30));
        break;
      case 1:
        while (writer.sums.backlog() > 0) writer.sums.step(1 + dice.below(300));
        break;
      case 2:
        writer.removeExpired(NOW, dice.below(5));
        break;
      case 3:
        writer.remove(
          dice.some(store.rows(), Math.min(5, store.rows().length)).map(([seq]) => seq),
        );
        break;
      case 4:
        if (dice.chance(0.2)) store.moveTail();
        break;
      case 5:
        if (dice.chance(0.2)) this.vanish();
        break;
      default:
        store.write(...dice.list(1 + dice.below(50), () => this.event()));
    }
  }

  private vanish(): void {
    const pubkey = author(this.dice.below(4));
    const tags = [["relay", "ALL_RELAYS"]];
    this.store.write(makeEvent({ kind: 62, pubkey, tags, created_at: this.time() }));
    while (this.store.writer.maintain());
  }
}
