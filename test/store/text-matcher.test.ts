// Matching by the bytes of a stored event against matching the parsed event: the same verdict for
// whatever may stand in tags and content.

import { expect, test } from "bun:test";
import { pack } from "msgpackr";
import type { NostrEvent } from "../../src/protocol/event.ts";
import { type Filter, matchesFilter, parseFilter } from "../../src/protocol/filter.ts";
import { candidateOf, textId, textKind, textPubkey } from "../../src/store/candidate.ts";
import { packPayload } from "../../src/store/payload.ts";
import { StoredEvent } from "../../src/store/stored-event.ts";
import { TextMatcher } from "../../src/store/text-matcher.ts";
import type { RawFilter } from "../support/random-filters.ts";
import {
  author,
  type Dice,
  forEachSeed,
  makeEvent,
  sha256Hex,
} from "../support/unsigned-events.ts";

const HEX = [sha256Hex("a"), sha256Hex("b")];
/** One is the start of another, holds the quotes or brackets of a tag, or their escaped form. */
const VALUES = [
  "",
  "a",
  "ab",
  'a"',
  'a","b',
  "a\\",
  'a\\"',
  "a\\u0001",
  "a\u0001",
  "\u0000",
  "\u007f",
  "\u2028",
  "\ufeff",
  "\ufffd",
  "é",
  "e\u0301",
  "🐸",
  '["t","a"',
  '["t","a"]',
  '[\\"t\\",\\"a\\"',
  '["',
  "[",
  "t",
  '],["t","a',
  "\n",
  "a/b",
  "</script>",
  ...HEX,
];
const NAMES = ["t", "T", "p", "e", "d", "title", "", '"', "t\u0000", "[", '["t"', ...VALUES];

function randomValue(dice: Dice): string {
  if (dice.chance(0.7)) return dice.pick(VALUES);
  return dice.chance(0.5) ? dice.pick(VALUES) + dice.pick(VALUES) : dice.text(6);
}

function troubledEvent(dice: Dice): NostrEvent {
  const tags = dice.list(dice.below(5), () => {
    const tag = dice.list(dice.below(4), () => randomValue(dice));
    if (tag.length > 0 && dice.chance(0.8)) tag[0] = dice.pick(NAMES);
    return tag;
  });
  return makeEvent({
    pubkey: author(dice.below(3)),
    created_at: dice.pick([0, 9, 1000, 1_700_000_000, Number.MAX_SAFE_INTEGER]),
    kind: dice.pick([0, 1, 7, 10, 11, 111, 1111, 9999, 65_535]),
    tags,
    content: dice.chance(0.3) ? JSON.stringify({ tags, kind: 1 }) : randomValue(dice),
  });
}

function troublingFilter(dice: Dice, event: NostrEvent): RawFilter {
  const filter: RawFilter = {};
  if (dice.chance(0.15)) filter.ids = [dice.chance(0.5) ? event.id : sha256Hex("none")];
  if (dice.chance(0.2)) filter.authors = [author(dice.below(4)), author(dice.below(4))];
  if (dice.chance(0.2)) filter.kinds = [dice.pick([0, 1, 11, 1111, 65_535]), event.kind % 100];
  for (let n = dice.below(3); n > 0; n--) {
    const letter = dice.pick(["t", "T", "d", "p", "e"]);
    const isHex = letter === "p" || letter === "e";
    const count = dice.chance(0.1) ? 20 : 1 + dice.below(3);
    const own = event.tags.find(([name]) => name === letter)?.[1];
    const values = dice.list(count, () => (isHex ? dice.pick(HEX) : randomValue(dice)));
    if (own !== undefined && !isHex && dice.chance(0.4)) values.push(own);
    filter[`#${letter}`] = values;
  }
  return filter;
}

/** As read back, in the form of today or of earlier builds, which is the text itself. */
function stored(event: NostrEvent, dice: Dice): StoredEvent {
  const { text } = candidateOf(event);
  const payload = dice.chance(0.7) ? packPayload(text) : pack(text.toString());
  return new StoredEvent([1, 0, event.kind, Buffer.from(event.id, "hex"), payload]);
}

test("a stored text matches when its event does", () => {
  forEachSeed(20, (dice) => {
    let matched = 0;
    const events = dice.list(40, () => troubledEvent(dice));
    const texts = events.map((event) => candidateOf(event).text);
    for (let i = 0; i < 60; i++) {
      const filter = parseFilter(troublingFilter(dice, dice.pick(events))) as Filter;
      const matcher = new TextMatcher(filter);
      const verdicts = texts.map((text) => matcher.matches(text));
      const wanted = events.map((event) => matchesFilter(filter, event));
      expect([filter, verdicts]).toEqual([filter, wanted]);
      const read = events.map((event) => matcher.matchesStored(stored(event, dice)));
      expect([filter, read]).toEqual([filter, wanted]);
      matched += verdicts.filter(Boolean).length;
    }
    expect(matched).toBeGreaterThan(10); // else this says little
  });
});

test("id, author and kind are where a text has them", () => {
  forEachSeed(20, (dice) => {
    const event = troubledEvent(dice);
    const { text } = candidateOf(event);
    const { id, pubkey, kind } = event;
    expect([textId(text), textPubkey(text), textKind(text)]).toEqual([id, pubkey, kind]);
  });
});

test("a stored event tells as much without its text, which it gives, or writes", () => {
  forEachSeed(50, (dice) => {
    const event = troubledEvent(dice);
    const { text } = candidateOf(event);
    const read = stored(event, dice);
    expect([read.id, read.pubkey, read.kind]).toEqual([event.id, event.pubkey, event.kind]);
    const target = Buffer.alloc(read.length + 2, 0xee);
    if (dice.chance(0.5)) expect(read.text).toEqual(text);
    read.copy(target, 1);
    expect(target).toEqual(Buffer.concat([Buffer.from([0xee]), text, Buffer.from([0xee])]));
    expect(read.text).toEqual(text);
  });
});
