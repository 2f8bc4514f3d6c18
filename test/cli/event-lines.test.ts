// Lines of events, however the input is cut into pieces.

import { expect, test } from "bun:test";
import { readEventLines } from "../../src/cli/event-lines.ts";
import type { NostrEvent } from "../../src/protocol/event.ts";
import { testRandomly } from "../support/random.ts";
import { makeEvent } from "../support/unsigned-events.ts";

const LINE_BYTES_MAX = 4 << 20;

async function read(pieces: readonly Uint8Array[]) {
  async function* input() {
    yield* pieces;
  }
  const flaws: string[] = [];
  const events: NostrEvent[] = [];
  for await (const { id, json } of readEventLines(input(), (flaw) => flaws.push(flaw))) {
    const event = JSON.parse(json) as NostrEvent;
    expect(event.id).toBe(id);
    events.push(event);
  }
  return { events, flaws };
}

testRandomly("each event comes once and in order, each flaw is told", async (random) => {
  const events = random.list(40, () => makeEvent({ content: `ñ ${random.text(60)}` }));
  const flawed = ['{"id":1}', "no event", '["EVENT"]'];
  const flaws = [
    "invalid: id must be 64 lower-case hex digits",
    "invalid: a line is no JSON",
    "invalid: an event must be an object",
  ];
  const expected: string[] = [];
  const lines = events.flatMap((event) => {
    const at = random.below(flawed.length + 2);
    if (at < flaws.length) expected.push(flaws[at] as string);
    return [JSON.stringify(event), ...flawed.slice(at, at + 1), ...(at > 3 ? ["", " \r"] : [])];
  });
  const bytes = Buffer.from(lines.join("\n") + (random.oneIn(2) ? "\n" : ""));
  const pieces: Buffer[] = [];
  for (let at = 0; at < bytes.length;) {
    const end = at + 1 + random.below(random.pick([3, 500, 100_000]));
    pieces.push(bytes.subarray(at, end));
    at = end;
  }
  expect(await read(pieces)).toEqual({ events, flaws: expected });
});

test("a line that doesn't end for long is told once, and what follows is read", async () => {
  const event = makeEvent();
  const long = Buffer.alloc(3 * LINE_BYTES_MAX, "x");
  const pieces = [Buffer.from(`${JSON.stringify(event)}\n`), long, Buffer.from("\n")];
  const { events, flaws } = await read([...pieces, Buffer.from(JSON.stringify(event))]);
  expect([events, flaws]).toEqual([
    [event, event],
    [`invalid: a line is longer than ${LINE_BYTES_MAX} bytes`],
  ]);
});
