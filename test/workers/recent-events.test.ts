import { describe, expect, test } from "bun:test";
import { RecentEvents } from "../../src/workers/recent-events.ts";
import { testRandomly } from "../support/random.ts";

const COUNT_MAX = 2048;
const BYTES_MAX = 4 * 1024 * 1024;

interface Added {
  readonly seq: number;
  readonly expires: number;
  readonly text: Buffer;
}

function add(recent: RecentEvents, seq: number, text = `event ${seq}`): Added {
  const event = { seq, expires: seq % 7, text: Buffer.from(text) };
  recent.add(event.seq, event.expires, event.text);
  return event;
}

describe("what came after a commit", () => {
  test("is unknown before anything was added", () => {
    const recent = new RecentEvents();
    for (const seq of [0, 1, Number.MAX_SAFE_INTEGER]) expect(recent.after(seq)).toBe(null);
  });

  test("is known from the commit before the first one added", () => {
    const recent = new RecentEvents();
    const first = add(recent, 100);
    const second = add(recent, 105);
    expect(recent.after(98)).toBe(null);
    expect(recent.after(99)).toEqual([first, second]);
    expect(recent.after(100)).toEqual([second]);
    expect(recent.after(104)).toEqual([second]);
    expect(recent.after(105)).toEqual([]);
    expect(recent.after(999)).toEqual([]);
  });

  test("is unknown before a commit that was passed over, and known after it", () => {
    const recent = new RecentEvents();
    recent.passOver(7);
    expect(recent.after(6)).toBe(null);
    expect(recent.after(7)).toEqual([]);
    const next = add(recent, 8);
    expect(recent.after(7)).toEqual([next]);
    recent.passOver(9);
    expect(recent.after(8)).toBe(null);
    expect(recent.after(9)).toEqual([]);
  });

  test("is a copy: the text's memory may be used again", () => {
    const recent = new RecentEvents();
    const text = Buffer.from("before");
    recent.add(1, 0, text);
    text.write("after!");
    expect(recent.after(0)).toEqual([{ seq: 1, expires: 0, text: Buffer.from("before") }]);
  });

  test("is kept up to a number of events", () => {
    const recent = new RecentEvents();
    const events = Array.from({ length: COUNT_MAX + 1 }, (_, i) => add(recent, i + 1));
    expect(recent.after(0)).toBe(null);
    expect(recent.after(1)).toEqual(events.slice(1));
  });

  test("is kept up to a number of bytes, and none at all of an event larger than that", () => {
    const recent = new RecentEvents();
    const half = "x".repeat(BYTES_MAX / 2);
    const [, second, third] = [1, 2, 3].map((seq) => add(recent, seq, half)) as [
      Added,
      Added,
      Added,
    ];
    expect(recent.after(0)).toBe(null);
    expect(recent.after(1)?.map(({ seq }) => seq)).toEqual([second.seq, third.seq]);
    add(recent, 10, "x".repeat(BYTES_MAX + 1));
    expect(recent.after(9)).toBe(null);
    expect(recent.after(10)).toEqual([]);
    const next = add(recent, 15);
    expect(recent.after(10)).toEqual([next]);
    expect(recent.after(9)).toBe(null);
  });
});

testRandomly("is all of it or nothing, whatever was added", (random) => {
  for (let round = 0; round < 20; round++) {
    const recent = new RecentEvents();
    const added: Added[] = [];
    let seq = random.below(5);
    const sizeMax = random.pick([10, 1000, 100_000, BYTES_MAX / 3]);
    for (let i = random.below(sizeMax > 1000 ? 300 : 3000); i >= 0; i--) {
      seq += random.oneIn(4) ? random.between(1, 50) : 1;
      added.push(add(recent, seq, "x".repeat(random.below(sizeMax))));
      if (!random.oneIn(20)) continue;
      const after = random.below(seq + 3);
      const expected = added.filter((event) => event.seq > after);
      const found = recent.after(after);
      const bytes = expected.reduce((sum, { text }) => sum + text.length, 0);
      const isKept =
        expected.length <= COUNT_MAX && bytes <= BYTES_MAX && after >= (added[0]?.seq ?? 0) - 1;
      expect(found?.map((event) => event.seq)).toEqual(
        isKept ? expected.map((event) => event.seq) : undefined,
      );
    }
  }
});
