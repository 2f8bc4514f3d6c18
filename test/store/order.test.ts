// The order of arrival makes no difference: of any set of events, deletions and requests to vanish,
// the same is stored in the end, namely what the set itself says. The oracle looks at the whole set
// at once and knows no order.

import { expect, test } from "bun:test";
import type { NostrEvent } from "../../src/protocol/event.ts";
import { candidateOf } from "../../src/store/candidate.ts";
import { checkIndex } from "../support/check-index.ts";
import { naiveAddress, naiveIsVanish } from "../support/naive-store.ts";
import { TestStore } from "../support/test-store.ts";
import { author, type Dice, forEachSeed, makeEvent } from "../support/unsigned-events.ts";

const AUTHORS = 3;
const SECONDS = 6;
const HERE = "wss://here.example";

function owners({ kind, pubkey, tags }: NostrEvent): string[] {
  const recipients = tags.filter(([name]) => name === "p").map(([, value]) => value ?? "");
  return kind === 1059 ? [pubkey, ...recipients] : [pubkey];
}

function isLater(a: NostrEvent, b: NostrEvent): boolean {
  return a.created_at === b.created_at ? a.id < b.id : a.created_at > b.created_at;
}

function whatStays(all: readonly NostrEvent[]): Set<string> {
  const vanishes = all.filter(naiveIsVanish);
  const isVanished = (event: NostrEvent): boolean =>
    vanishes.some((vanish) => {
      if (vanish.id === event.id || !owners(event).includes(vanish.pubkey)) return false;
      if (naiveIsVanish(event) && isLater(event, vanish)) return false;
      return event.created_at <= vanish.created_at;
    });
  const isDeleted = (event: NostrEvent): boolean =>
    all.some(({ kind, pubkey, created_at, tags }) => {
      if (kind !== 5 || event.kind === 5 || event.kind === 62) return false;
      return tags.some(([name, value]) => {
        if (name === "e") return value === event.id && owners(event).includes(pubkey);
        const isMine = pubkey === event.pubkey && event.created_at <= created_at;
        return name === "a" && isMine && value === naiveAddress(event);
      });
    });
  const isReplaced = (event: NostrEvent): boolean =>
    naiveAddress(event) !== null &&
    all.some((other) => naiveAddress(other) === naiveAddress(event) && isLater(other, event));
  const staying = all.filter((one) => !isVanished(one) && !isDeleted(one) && !isReplaced(one));
  return new Set(staying.map(({ id }) => id));
}

function randomNote(dice: Dice, content: string): NostrEvent {
  const kind = dice.pick([0, 1, 1, 1059, 1059, 10_002, 30_023, 30_023]);
  const tags: string[][] = [];
  for (let n = dice.below(3); n > 0; n--) tags.push(["p", author(dice.below(AUTHORS))]);
  if (kind >= 30_000) tags.push(["d", dice.pick(["", "x"])]);
  return makeEvent({
    kind,
    tags,
    content,
    pubkey: author(kind === 1059 ? 50 + dice.below(2) : dice.below(AUTHORS)),
    created_at: 1000 + dice.below(SECONDS),
  });
}

function randomRemoval(dice: Dice, notes: readonly NostrEvent[], content: string): NostrEvent {
  const target = dice.pick(notes);
  const fields = {
    content,
    pubkey: dice.chance(0.8) ? dice.pick(owners(target)) : author(dice.below(AUTHORS)),
    created_at: 1000 + dice.below(SECONDS),
  };
  if (dice.chance(0.2)) {
    const relay = dice.pick([HERE, "ALL_RELAYS", "wss://elsewhere.example", "all_relays"]);
    return makeEvent({ ...fields, kind: 62, tags: [["relay", relay]] });
  }
  const tags = dice.list(1 + dice.below(3), () => {
    const { id } = dice.chance(0.5) ? target : dice.pick(notes);
    const address = naiveAddress(dice.chance(0.7) ? target : dice.pick(notes));
    return address !== null && dice.chance(0.5) ? ["a", address] : ["e", id];
  });
  return makeEvent({ ...fields, kind: 5, tags });
}

function randomSet(dice: Dice): NostrEvent[] {
  const all: NostrEvent[] = [];
  for (let i = 0; i < 14; i++) all.push(randomNote(dice, `note ${i}`));
  for (let i = 0; i < 7; i++) all.push(randomRemoval(dice, all, `removal ${i}`));
  return all;
}

/** Writes them cut into batches at random, at times by a writer that has just started. */
function stored(dice: Dice, order: readonly NostrEvent[]): Set<string> {
  using store = new TestStore();
  for (let done = 0; done < order.length;) {
    const size = 1 + dice.below(dice.pick([1, 3, 30]));
    store.write(...order.slice(done, done + size));
    done += size;
    if (dice.chance(0.1)) store.restartWriter();
    if (dice.chance(0.1)) store.moveTail();
  }
  while (store.writer.maintain());
  expect(checkIndex(store.db)).toEqual([]);
  return new Set(store.events().map(({ id }) => id));
}

test("every order of arrival leaves what the set itself says", () => {
  forEachSeed(20, (dice) => {
    const all = randomSet(dice);
    const expected = whatStays(all);
    for (let round = 0; round < 4; round++) {
      const order = dice.shuffle(all);
      const again = dice.some(all, dice.below(8)); // some come twice
      const kinds = order.map(({ kind, id }) => `${kind} ${id}`);
      const found = stored(dice, [...order, ...again]);
      expect([kinds, found]).toEqual([kinds, expected]);
    }
  });
});

test("two writers of one database agree on it", () => {
  forEachSeed(25, (dice) => {
    using store = new TestStore();
    const all = randomSet(dice);
    const writers = [store.openWriter(), store.openWriter()];
    for (const event of dice.shuffle(all)) {
      const writer = dice.pick(writers);
      writer.write([candidateOf(event)]);
      if (dice.chance(0.5)) writer.maintain();
    }
    for (const writer of writers) while (writer.maintain());
    expect(new Set(store.events().map(({ id }) => id))).toEqual(whatStays(all));
    expect(checkIndex(store.db)).toEqual([]);
  });
});
