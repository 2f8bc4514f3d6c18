// Downloads from relays that send little at once: what comes, and how it is asked for.

import { describe, expect, test } from "bun:test";
import { downloadPages, type FilterJson } from "../../src/mesh/paging.ts";
import { type Filter, matchesFilter, parseFilter } from "../../src/protocol/filter.ts";
import type { NostrEvent } from "../../src/protocol/event.ts";
import { EventFactory } from "../support/events.ts";
import { FakeRelay, type Habits } from "../support/fake-relay.ts";
import { TestSession } from "../support/mesh-session.ts";
import { testRandomly } from "../support/random.ts";
import { newestFirst } from "../support/topic.ts";

const factory = new EventFactory(7);

/** One event for each time. */
function notes(...times: readonly number[]): NostrEvent[] {
  return times.map((created_at) => factory.makeDistinct({ kind: 1, tags: [], created_at }));
}

async function page(events: readonly NostrEvent[], habits: Habits, filter: FilterJson = {}) {
  using relay = new FakeRelay(events, habits);
  using session = new TestSession(relay.url);
  const got: NostrEvent[] = [];
  const flaws: string[] = [];
  const cut: number[] = [];
  let problem = null as string | null;
  await downloadPages(session, filter, {
    onEvent: (event) => void got.push(event),
    onFlaw: (flaw) => void flaws.push(flaw),
    onPage: () => {},
    onCutSecond: (second) => void cut.push(second),
  }).catch((error: Error) => (problem = `${error.name}: ${error.message}`));
  const asked = relay.messages.filter(([type]) => type === "REQ").map((one) => one[2]);
  return { got, flaws, cut, problem, asked, retries: session.retries };
}

describe("pages", () => {
  const events = notes(10, 20, 20, 20, 30, 40, 50, 50, 60);

  test("all events of a relay that sends five at once, ties across pages, come once", async () => {
    const { got, cut, asked } = await page(events, { limit: 5 });
    expect([got, cut]).toEqual([newestFirst(events), []]);
    expect(asked).toEqual([{ limit: 500 }, { until: 30, limit: 500 }, { until: 10, limit: 500 }]);
  });

  test("a relay that says when it has no more is not asked again (NIP-67)", async () => {
    const { got, asked } = await page(events, { limit: 5, hasHints: true });
    expect(got).toEqual(newestFirst(events));
    expect(asked).toEqual([{ limit: 500 }, { until: 30, limit: 500 }]);
  });

  test("a second that has more events than are sent at once is told, and passed", async () => {
    const many = notes(10, 20, 20, 20, 20, 20, 20, 20, 30);
    for (const more of [{ hasHints: true }, {}, { limitMax: 500 }]) {
      const { got, cut, asked } = await page(many, { limit: 5, ...more });
      expect([got.length, cut]).toEqual([7, [20]]);
      expect(asked.slice(0, 5)).toEqual([
        { limit: 500 },
        { until: 20, limit: 500 },
        { until: 20, limit: 500 },
        { since: 20, until: 20, limit: 5000 },
        { until: 19, limit: 500 },
      ]);
    }
  });

  test("a page that breaks off is asked for again, and no event comes twice", async () => {
    const { got, retries } = await page(events, { limit: 5, drops: [3, 2] });
    expect(got).toEqual(newestFirst(events));
    expect(retries).toEqual([
      "the connection was closed (1006)",
      "the connection was closed (1006)",
    ]);
  });

  test("a relay that always breaks off is given up, when nothing more comes of it", async () => {
    const { problem, retries } = await page(events, { drops: [0, 0, 0, 0, 0, 0] });
    expect(problem).toBe("PeerError: the connection was closed (1006)");
    expect(retries).toHaveLength(4);
  });

  test("a filter that matches nothing is not asked", async () => {
    expect(await page(events, {}, { kinds: [] })).toMatchObject({ got: [], asked: [] });
  });

  const limits: [FilterJson, number, number[]][] = [
    [{ limit: 3 }, 2, [60, 50, 50]],
    [{ limit: 4 }, 2, [60, 50, 50, 40]],
    [{ since: 30, until: 50 }, 2, [50, 50, 40, 30]],
    [{ until: 15 }, 5, [10]],
  ];
  for (const [filter, limit, times] of limits) {
    test(`of ${JSON.stringify(filter)} no more comes, ${limit} at once`, async () => {
      const { got } = await page(events, { limit }, filter);
      expect(got.map(({ created_at }) => created_at)).toEqual(times);
    });
  }
});

test("what is no event, or was not asked for, is a flaw of that relay", async () => {
  const [note] = notes(10) as [NostrEvent];
  const extra = [{ id: 1 }, factory.make({ kind: 7 })];
  const { got, flaws } = await page([note], { extra }, { kinds: [1] });
  expect([got, flaws]).toEqual([
    [note],
    ["invalid: id must be 64 lower-case hex digits", "invalid: was not asked for"],
  ]);
});

test("a relay that doesn't heed `until` isn't taken to have no more", async () => {
  const { got, problem } = await page(notes(10, 20, 30, 40, 50), { limit: 2, ignoresUntil: true });
  expect(got.map(({ created_at }) => created_at)).toEqual([50, 40]);
  expect(problem).toBe("PeerFault: it sends events that nobody has asked for");
});

test("events without an end are a fault of that relay, and not asked for again", async () => {
  const [note] = notes(10) as [NostrEvent];
  const endless = (count: number) => ({ ...note, id: count.toString(16).padStart(64, "0") });
  const { got, problem } = await page([], { endless });
  expect(got).toHaveLength(20_000);
  expect(problem).toBe("PeerFault: it sent more than 20000 events at once");
});

testRandomly("all events come, or seconds are told that may lack some", async (random) => {
  for (let round = 0; round < 20; round++) {
    const count = random.below(60);
    const spread = 1 + random.below(40);
    const events = notes(...random.list(count, () => 100 + random.below(spread)));
    const habits = {
      limit: 1 + random.below(12),
      hasHints: random.oneIn(2),
      drops: random.list(3, () => random.below(30)),
    };
    const filter: FilterJson = random.oneIn(2) ? {} : { since: 105, until: 130 };
    const { got, cut, problem } = await page(events, habits, filter);
    const parsed = parseFilter(filter) as Filter;
    const all = newestFirst(events.filter((event) => matchesFilter(parsed, event)));
    const ids = new Set(got.map(({ id }) => id));
    expect([problem, ids.size]).toEqual([null, got.length]);
    // What nothing older follows can't be known to be cut, when nothing says how much is sent.
    const isUncertain = (second: number): boolean =>
      !habits.hasHints && second === Math.min(...all.map(({ created_at }) => created_at));
    const missing = all.filter(
      ({ id, created_at }) => !ids.has(id) && !cut.includes(created_at) && !isUncertain(created_at),
    );
    expect(missing).toEqual([]);
  }
});
