// What visibility asks about groups, against all that can be asked: no event that somebody can't
// see passes for one that all can, and a sign-in finds all that it makes visible.

import { expect, test } from "bun:test";
import { concernsGroups } from "../../../src/policy/groups/check.ts";
import { encodeGroup } from "../../../src/policy/groups/group.ts";
import { GroupGuard } from "../../../src/policy/groups/guard.ts";
import { metadataTemplate } from "../../../src/policy/groups/relay-events.ts";
import { textConcernsGroups } from "../../../src/policy/groups/text.ts";
import { GroupsVersion, GroupsView } from "../../../src/policy/groups/view.ts";
import { encodeEvent, type NostrEvent } from "../../../src/protocol/event.ts";
import {
  type Filter,
  matchesAny,
  matchesFilter,
  parseFilter,
} from "../../../src/protocol/filter.ts";
import { GroupBook, groupEvent, RELAY } from "../../support/group-book.ts";
import { SOUP_GROUPS, soupEvent } from "../../support/group-soup.ts";
import { TestStore } from "../../support/test-store.ts";
import { author, type Dice, forEachSeed, makeEvent } from "../../support/unsigned-events.ts";

const AUTHORS = Array.from({ length: 5 }, (_, i) => author(i));

/** Groups of a random history, some of them private, some hidden, and all events about them. */
function randomGroups(dice: Dice): { book: GroupBook; events: NostrEvent[] } {
  const book = new GroupBook();
  for (const h of SOUP_GROUPS) {
    const flags = dice.pick([[], [["private"]], [["hidden"]], [["private"], ["hidden"]]]);
    book.must({ kind: 9007, by: dice.pick(AUTHORS), h });
    book.must({ kind: 9002, by: RELAY, h, tags: flags });
  }
  for (let i = 0; i < 150; i++) book.take(soupEvent(dice, AUTHORS, book.events));
  const events = [...book.events, ...dice.list(10, () => makeEvent({ content: `${dice.next()}` }))];
  for (const group of book.groups.values()) {
    if (group === null) continue;
    for (const kind of [39_000, 39_001, 39_002, 39_003, 39_005]) {
      events.push(makeEvent({ ...metadataTemplate(group, kind), pubkey: RELAY }));
    }
  }
  return { book, events };
}

/** A guard over the book's groups, as a thread has it. */
function guardOf(book: GroupBook, store: TestStore): GroupGuard {
  const insert = store.db.prepare("INSERT INTO group_state VALUES (?, ?, ?, 0, '[]', 0)");
  let version = 0;
  for (const [id, group] of book.groups) {
    version += 1;
    insert.run(id, version, group === null ? null : encodeGroup(group));
  }
  const shared = new GroupsVersion();
  shared.set(version);
  return new GroupGuard(new GroupsView(store.db, shared));
}

function randomFilter(dice: Dice, events: readonly NostrEvent[]): Filter {
  const filter: Record<string, unknown> = {};
  if (dice.oneIn(2)) filter["kinds"] = dice.list(3, () => dice.pick(events).kind);
  if (dice.oneIn(3)) filter["authors"] = dice.list(3, () => dice.pick([...AUTHORS, RELAY]));
  if (dice.oneIn(3)) filter["#h"] = dice.list(3, () => dice.pick(SOUP_GROUPS));
  if (dice.oneIn(5)) filter["#p"] = [dice.pick(AUTHORS)];
  if (dice.oneIn(5)) filter["#d"] = [dice.pick(SOUP_GROUPS)];
  return parseFilter(filter) as Filter;
}

test("an event that somebody can't see is one that has to be looked at", () => {
  forEachSeed(10, (dice) => {
    using store = new TestStore();
    const { book, events } = randomGroups(dice);
    const guard = guardOf(book, store);
    let hidden = 0;
    for (const event of events) {
      const text = Buffer.from(encodeEvent(event).json);
      const isSeen = guard.sees(new Set(), event);
      if (!isSeen) expect(guard.mayHide(event.kind, text)).toBe(true);
      hidden += isSeen ? 0 : 1;
      expect(textConcernsGroups(event.kind, text)).toBe(concernsGroups(event));
    }
    expect(hidden).toBeGreaterThan(0);
    expect(hidden).toBeLessThan(events.length);
  });
});

test("an h tag is told from what looks like one", () => {
  for (const tags of [
    [["h"]],
    [["H", "g"]],
    [["t", '["h","g"]']],
    [["t", "h", "g"]],
    [["hh", "g"]],
  ]) {
    const event = makeEvent({ tags, content: '["h","g"] [\\"h\\",' });
    expect(textConcernsGroups(1, Buffer.from(encodeEvent(event).json))).toBe(false);
  }
  const event = groupEvent({ kind: 1, by: RELAY, h: '"]' });
  expect(textConcernsGroups(1, Buffer.from(encodeEvent(event).json))).toBe(true);
});

test("a sign-in finds all of a filter's events that it makes visible", () => {
  forEachSeed(10, (dice) => {
    using store = new TestStore();
    const { book, events } = randomGroups(dice);
    const guard = guardOf(book, store);
    for (let i = 0; i < 60; i++) {
      const filter = randomFilter(dice, events);
      const before = new Set(dice.some(AUTHORS, dice.below(3)));
      const after = new Set([...before, dice.pick(AUTHORS)]);
      const widened = guard.widen(filter, before, after);
      const gained = events.filter((event) => {
        return guard.sees(after, event) && !guard.sees(before, event);
      });
      for (const event of gained.filter((one) => matchesFilter(filter, one))) {
        expect(matchesAny(widened, event)).toBe(true);
      }
      for (const event of events.filter((one) => matchesAny(widened, one))) {
        expect(matchesFilter(filter, event)).toBe(true);
      }
    }
  });
});
