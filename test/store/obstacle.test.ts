// What would keep an event out, against what the writer says when the event comes.

import { expect, test } from "bun:test";
import type { NostrEvent } from "../../src/protocol/event.ts";
import { EventReader } from "../../src/store/read.ts";
import { findEvent, findObstacle } from "../../src/store/obstacle.ts";
import { openForReading } from "../../src/store/schema.ts";
import { TestStore } from "../support/test-store.ts";
import { author, type Dice, forEachSeed, makeEvent } from "../support/unsigned-events.ts";

/** Few authors, seconds and addresses, so that events delete and replace one another. */
function anyEvent(dice: Dice, known: readonly NostrEvent[]): NostrEvent {
  const pubkey = author(dice.below(3));
  const kind = dice.pick([0, 1, 1, 5, 5, 1059, 30_023, ...(dice.chance(0.05) ? [62] : [])]);
  const tags: string[][] = [];
  if (kind === 30_023) tags.push(["d", dice.pick(["", "x"])]);
  if (kind === 1059) tags.push(["p", author(dice.below(3))]);
  if (kind === 62) tags.push(["relay", dice.pick(["ALL_RELAYS", "wss://elsewhere.example"])]);
  if (kind === 5 && known.length > 0) tags.push(["e", dice.pick(known).id]);
  if (kind === 5) tags.push(["a", dice.pick([`0:${pubkey}:`, `30023:${pubkey}:x`])]);
  return makeEvent({ pubkey, created_at: dice.below(8), kind, tags });
}

test("is the writer's own reason, and has one cause, which was there before", () => {
  forEachSeed(3, (dice) => {
    using store = new TestStore();
    const { isThisRelay } = store.options;
    using db = openForReading(store.options);
    const reader = new EventReader(db);
    const events: NostrEvent[] = [];
    for (let i = 0; i < 60; i++) {
      const event = i > 0 && dice.chance(0.3) ? dice.pick(events) : anyEvent(dice, events);
      const obstacle = reader.inSnapshot(() => findObstacle(db, event, isThisRelay));
      const ids = events.map(({ id }) => id);
      const isKnown = obstacle === null || ids.includes(obstacle.by ?? "");
      const [verdict] = store.write(event).verdicts;
      expect([i, obstacle?.reason ?? "", isKnown]).toEqual([i, verdict?.reason ?? "", true]);
      events.push(event);
      reader.head();
      const isStored = store.events().some(({ id }) => id === event.id);
      expect(findEvent(reader, event.id)?.event).toEqual(isStored ? event : undefined);
    }
  });
});

const [me, you] = [author(1), author(2)];
const at = (created_at: number, fields: Partial<NostrEvent> = {}) =>
  makeEvent({ pubkey: me, created_at, ...fields });
const note = at(9);
const profiles = [at(3, { kind: 0 }), at(4, { kind: 0 }), at(5, { kind: 0 })] as const;
const wrap = at(1, { kind: 1059, tags: [["p", you]] });
const deletion = at(5, { kind: 5, tags: [["e", note.id]] });
const ofAddress = [at(6, { kind: 5, tags: [["a", `0:${me}:`]] })] as const;
const ofWrap = makeEvent({ pubkey: you, kind: 5, tags: [["e", wrap.id]] });
const ofProfile = at(1, { kind: 5, tags: [["e", profiles[2].id]] });
const vanish = at(6, { kind: 62, tags: [["relay", "ALL_RELAYS"]] });

const DELETED = "blocked: this event was deleted by its author";
const rows: [string, NostrEvent[], NostrEvent, string, NostrEvent][] = [
  ["itself", [note], note, "duplicate: already have this event", note],
  ["its deletion", [deletion], note, DELETED, deletion],
  ["its address's deletion", [...ofAddress], profiles[0], DELETED, ofAddress[0]],
  ["its recipient's deletion", [ofWrap], wrap, DELETED, ofWrap],
  [
    "the newest version",
    [profiles[2]],
    profiles[0],
    "duplicate: a newer version of this event is stored",
    profiles[2],
  ],
  [
    "a newer version that was deleted",
    [profiles[2], ofProfile],
    profiles[1],
    "blocked: a newer version of this event was deleted by its author",
    profiles[2],
  ],
  [
    "a request to vanish",
    [vanish],
    profiles[0],
    "blocked: its author has asked to vanish from this relay",
    vanish,
  ],
  ["a deletion that has vanished with its author", [deletion, vanish], note, DELETED, deletion],
];
test.each(rows)("the cause is %s", (_, events, event, reason, cause) => {
  using store = new TestStore();
  for (const one of events) store.write(one);
  using db = openForReading(store.options);
  const find = () => findObstacle(db, event, store.options.isThisRelay);
  expect(new EventReader(db).inSnapshot(find)).toEqual({ reason: reason as "", by: cause.id });
});

test("of an event that shares the key of another's id, there is none", () => {
  using store = new TestStore();
  const event = makeEvent();
  store.write(event);
  const twin = `${event.id.slice(0, -1)}${event.id.endsWith("0") ? "1" : "0"}`;
  expect(findEvent(store.openReader(), event.id)?.event).toEqual(event);
  expect(findEvent(store.openReader(), twin)).toBe(null);
});
