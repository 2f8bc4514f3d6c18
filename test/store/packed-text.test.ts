// Packed texts: whatever events hold, their text comes back byte for byte, in less room; texts of
// another form are told from them; and what is torn is refused, not misread.

import { describe, expect, test } from "bun:test";
import { encodeEvent, type NostrEvent } from "../../src/protocol/event.ts";
import { packedBytesMax, packText } from "../../src/store/pack-text.ts";
import { TextUnpacker } from "../../src/store/unpack-text.ts";
import { readRealEvents } from "../support/events.ts";
import { makeEvent } from "../support/unsigned-events.ts";
import { type Random, testRandomly } from "../support/random.ts";

const ROUNDS = 3000;
const unpacker = new TextUnpacker();

function eachRound(name: string, body: (random: Random) => void): void {
  testRandomly(name, (random) => {
    for (let round = 0; round < ROUNDS; round++) body(random);
  });
}

function textOf(event: NostrEvent): Buffer {
  return Buffer.from(encodeEvent(event).json);
}

function packed(text: Buffer): Uint8Array | null {
  const out = new Uint8Array(packedBytesMax(text.length));
  const length = packText(text, out);
  return length < 0 ? null : out.slice(0, length);
}

/** As its column has it. */
function idOf(text: Buffer): Uint8Array {
  return new Uint8Array(Buffer.from(text.toString("latin1", 7, 71), "hex"));
}

/** The text of the event with that id; what is around it is left alone. */
function unpack(id: Uint8Array, bytes: Uint8Array, start = 0, blank = 0xee): Buffer {
  const [before, after] = [3, 9];
  const length = unpacker.textBytes(bytes, start);
  const target = Buffer.alloc(before + length + after, blank);
  try {
    unpacker.unpack(id, bytes, start, target, before);
  } finally {
    expect(target.subarray(0, before)).toEqual(Buffer.alloc(before, blank));
    expect(target.subarray(-after)).toEqual(Buffer.alloc(after, blank));
  }
  return target.subarray(before, before + length);
}

/** The text, packed and unpacked; null when it can't be packed. */
function thereAndBack(text: Buffer): Buffer | null {
  const bytes = packed(text);
  return bytes === null ? null : unpack(idOf(text), bytes);
}

const HEX = "0123456789abcdef".repeat(4);

/** What packing looks for, whole, cut off, doubled, and nearly so. */
const PIECES = [
  HEX,
  HEX.slice(1),
  `${HEX}${HEX}`,
  `${HEX}0`,
  HEX.toUpperCase(),
  "e",
  "p",
  "",
  '"',
  '["e","',
  `["p","${HEX}`,
  `"],["e","${HEX}"],["p","${HEX}`,
  '],"content":"',
  ',"sig":"',
  "\\",
  "\u0000\u001f\u007f",
  "é漢😀",
  "h",
  "x".repeat(23),
  "x".repeat(29),
  "x".repeat(30),
  "x".repeat(31),
  "x".repeat(300),
];

function piece(random: Random): string {
  return random.list(random.below(4), () => random.pick(PIECES)).join("");
}

function strangeEvent(random: Random): NostrEvent {
  const value = (): string => (random.oneIn(2) ? piece(random) : random.pick(PIECES));
  const tag = (): string[] => random.list(random.below(4), value);
  return {
    id: random.hex(64),
    pubkey: random.hex(64),
    created_at: random.pick([0, 9, 10, 1_700_000_000, 2 ** 48, 999_999_999_999_999]),
    kind: random.pick([0, 1, 9, 10, 127, 128, 30_023, 65_535]),
    tags: random.list(random.below(6), tag),
    content: piece(random),
    sig: random.hex(128),
  };
}

describe("the text of an event comes back", () => {
  eachRound("whatever is in it", (random) => {
    const text = textOf(strangeEvent(random));
    expect(thereAndBack(text)?.toString()).toBe(text.toString());
  });

  const real = readRealEvents();
  test.skipIf(real.length === 0)("of real clients, in two thirds of the room", () => {
    let [bytes, packedBytes] = [0, 0];
    for (const event of real) {
      const text = textOf(event);
      const short = packed(text) as Uint8Array;
      expect(unpack(idOf(text), short)).toEqual(text);
      bytes += text.length;
      packedBytes += short.length;
    }
    expect(packedBytes / bytes).toBeLessThan(0.66);
  });

  test("with runs of all lengths around those that take longer to tell", () => {
    for (const length of [0, 1, 23, 24, 29, 30, 31, 255, 256, 65_535, 65_536, 70_000]) {
      const x = "x".repeat(length);
      const event = makeEvent({ content: x, tags: [[x], ["e", HEX, x, HEX], ["p", `${HEX}${x}`]] });
      const text = textOf(event);
      expect(thereAndBack(text)).toEqual(text);
    }
  });

  test("from anywhere within other bytes", () => {
    const text = textOf(makeEvent({ tags: [["e", HEX]] }));
    const bytes = packed(text) as Uint8Array;
    const more = new Uint8Array(bytes.length + 5);
    more.set(bytes, 5);
    expect(unpack(idOf(text), more, 5)).toEqual(text);
  });
});

test("hex takes half, and a tag's start no room", () => {
  const tags = (count: number) => Array.from({ length: count }, () => ["p", HEX]);
  const lengthOf = (count: number) => packed(textOf(makeEvent({ tags: tags(count) })))!.length;
  expect(lengthOf(101) - lengthOf(100)).toBe(33);
});

test('an `h` tag is told by `["h",`, as SQL looks for it', () => {
  const h = Buffer.from('["h",');
  const before = [["e", HEX], ["p", HEX], ["t", HEX], ["x"], ["e", HEX, "x".repeat(70_000)]];
  for (const one of before) {
    for (const value of ["group", HEX, ""]) {
      for (const tags of [[one, ["h", value]], [["h", value], one], [["h", value]]]) {
        const bytes = packed(textOf(makeEvent({ tags })));
        expect(Buffer.from(bytes as Uint8Array).includes(h)).toBe(true);
      }
    }
    const none = packed(textOf(makeEvent({ tags: [one], content: '["h","x"]' })));
    expect(Buffer.from(none as Uint8Array).includes(h)).toBe(false);
  }
});

describe("a text of another form is not packed", () => {
  const good = textOf(makeEvent({ created_at: 1_700_000_000, kind: 1, tags: [["e", HEX]] }));
  const text = good.toString();
  const cases: { desc: string; other: string }[] = [
    { desc: "nothing", other: "" },
    { desc: "no event", other: "{}" },
    { desc: "keys in another order", other: text.replace('"id"', '"di"') },
    { desc: "upper case", other: text.replace(/"id":"(\w+)"/, (one) => one.toUpperCase()) },
    {
      desc: "an id that is no hex",
      other: text.replace('{"id":"', '{"id":"g').replace(/.",/, '",'),
    },
    { desc: "a time of too many digits", other: text.replace("1700000000", "1700000000000000") },
    { desc: "a time with a leading zero", other: text.replace("1700000000", "0170000000") },
    { desc: "a negative time", other: text.replace("1700000000", "-170000000") },
    { desc: "a time with a fraction", other: text.replace("1700000000", "17000000.0") },
    { desc: "no kind", other: text.replace('"kind":1', '"kind":') },
    { desc: "a kind that is no number", other: text.replace('"kind":1', '"kind":"') },
    { desc: "white space at the end", other: `${text} ` },
    { desc: "the end cut off", other: text.slice(0, -1) },
  ];
  for (const { desc, other } of cases) {
    test(desc, () => {
      expect(other).not.toBe(text);
      expect(packed(Buffer.from(other))).toBeNull();
    });
  }

  eachRound("or comes back all the same, where a byte of it is another", (random) => {
    const other = textOf(strangeEvent(random));
    other[random.below(other.length)] = random.below(256);
    const back = thereAndBack(other);
    if (back !== null) expect(back).toEqual(other);
  });
});

describe("what is torn", () => {
  eachRound("is refused, or is another text as long", (random) => {
    const text = textOf(strangeEvent(random));
    const bytes = packed(text) as Uint8Array;
    const torn = random.oneIn(2) ? bytes.slice(0, random.below(bytes.length)) : bytes.slice();
    if (torn.length > 0) torn[random.below(torn.length)] = random.below(256);
    let back: Buffer;
    try {
      back = unpack(idOf(text), torn);
    } catch (error) {
      expect((error as Error).message).toStartWith("database: a payload can't be unpacked: ");
      return;
    }
    expect(back.length).toBeGreaterThan(0);
    expect(unpack(idOf(text), torn, 0, 0x11)).toEqual(back); // all of it was written
  });

  test("in its last hex is refused, though the length is right", () => {
    const text = textOf(makeEvent({ content: HEX }));
    const bytes = (packed(text) as Uint8Array).slice(0, -2 - 5); // a quote, and some of the hex
    bytes[96] = (bytes[96] as number) - 1;
    expect(unpacker.textBytes(bytes, 0)).toBe(text.length - 1);
    expect(() => unpack(idOf(text), bytes)).toThrow("can't be unpacked: it is cut off");
  });

  test("in its id is refused", () => {
    const text = textOf(makeEvent());
    const id = idOf(text);
    for (const other of [id.subarray(1), new Uint8Array(33), new Uint8Array(0)]) {
      expect(() => unpack(other, packed(text) as Uint8Array)).toThrow(
        `database: a payload can't be unpacked: its id has ${other.length} bytes`,
      );
    }
  });

  test("and says that it is longer than its bytes can be takes no memory", () => {
    for (const length of [2 ** 35 - 1, 2 ** 29, 2 ** 22]) {
      const bytes = packed(textOf(makeEvent())) as Uint8Array;
      for (let i = 0; i < 5; i++) {
        bytes[96 + i] = (Math.floor(length / 0x80 ** i) & 0x7f) | (i < 4 ? 0x80 : 0);
      }
      expect(() => unpacker.textBytes(bytes, 0)).toThrow(
        `database: a payload can't be unpacked: it says ${length} bytes`,
      );
    }
  });
});
