// Messages of NIP-77 byte by byte: what is read, what is refused, and whole conversations worked
// out by hand from the appendix (fingerprints by Python's integers and hashlib).

import { describe, expect, test } from "bun:test";
import { type WireBound, START, END } from "../../src/negentropy/bound.ts";
import { Initiator } from "./initiator.ts";
import {
  FINGERPRINT,
  type Flaw,
  findFlaw,
  ID_LIST,
  RangeReader,
  SKIP,
} from "../../src/negentropy/range-reader.ts";
import { RangeWriter } from "../../src/negentropy/range-writer.ts";
import { respond } from "../../src/negentropy/responder.ts";
import { type Random, testRandomly } from "../support/random.ts";
import { hex, type Item, randomItems, vectorOf } from "./items.ts";

function bytes(text: string): Uint8Array {
  return Uint8Array.from(Buffer.from(text.replaceAll(" ", ""), "hex"));
}

/** Timestamp, prefix, mode, payload. */
function read(message: Uint8Array): [number | bigint, string, number, string][] | Flaw {
  const reader = new RangeReader(message);
  const ranges: [number | bigint, string, number, string][] = [];
  while (reader.next()) {
    const { upper, mode, payload } = reader;
    ranges.push([upper.timestamp, hex(upper.id), mode, hex(payload)]);
  }
  return reader.flaw ?? ranges;
}

const id = (byte: number): string => hex(new Uint8Array(32).fill(byte));
const print = "00112233445566778899aabbccddeeff";

test.each<[string, string, ReturnType<typeof read>]>([
  ["nothing but the version", "61", []],
  ["all skipped", "61 00 00 00", [[Infinity, "", SKIP, ""]]],
  ["timestamp 0", "61 01 00 00", [[0, "", SKIP, ""]]],
  [
    "differences of timestamps",
    "61 0b 00 00 01 01 80 00 82 2c 00 00",
    [
      [10, "", SKIP, ""],
      [10, "80", SKIP, ""],
      [309, "", SKIP, ""],
    ],
  ],
  ["a fingerprint", `61 00 00 01 ${print}`, [[Infinity, "", FINGERPRINT, print]]],
  ["no ids", "61 00 00 02 00", [[Infinity, "", ID_LIST, ""]]],
  ["two ids", `61 00 00 02 02 ${id(7)} ${id(5)}`, [[Infinity, "", ID_LIST, id(7) + id(5)]]],
  ["a whole id in a bound", `61 02 20 ${id(9)} 00`, [[1, id(9), SKIP, ""]]],
  [
    "a prefix of zeros, the same place",
    "61 02 00 00 01 02 0000 00",
    [
      [1, "", SKIP, ""],
      [1, "0000", SKIP, ""],
    ],
  ],
  [
    "the largest timestamp of ours, and the next",
    "61 90 80 80 80 80 80 80 00 00 00 02 00 00",
    [
      [2 ** 53 - 1, "", SKIP, ""],
      [2n ** 53n, "", SKIP, ""],
    ],
  ],
  [
    "the largest timestamp of all",
    "61 81 ff ff ff ff ff ff ff ff 7f 00 00 00 00 00",
    [
      [2n ** 64n - 2n, "", SKIP, ""],
      [Infinity, "", SKIP, ""],
    ],
  ],
  ["zeros after infinity, as NDK sends it", `61 00 20 ${id(0)} 00`, [[Infinity, id(0), SKIP, ""]]],
  [
    "an empty range after infinity, as the reference sends it",
    `61 00 00 00 00 00 01 ${print}`,
    [
      [Infinity, "", SKIP, ""],
      [Infinity, "", FINGERPRINT, print],
    ],
  ],
])("read: %s", (_desc, message, expected) => {
  expect(read(bytes(message))).toEqual(expected);
});

test.each<[string, string, Flaw]>([
  ["no byte", "", "the message is empty"],
  ["version 0", "60", "the protocol version is unknown"],
  ["version 2", "62 00 00 00", "the protocol version is unknown"],
  ["half a bound", "61 05", "a number is cut off"],
  ["no mode", "61 05 00", "a number is cut off"],
  ["half a timestamp", "61 81", "a number is cut off"],
  ["a rest after a range", "61 00 00 00 00", "a number is cut off"],
  ["zeros before a timestamp", "61 80 05 00 00", "a number has leading zeros"],
  ["zeros before a length", "61 05 80 00 00", "a number has leading zeros"],
  ["zeros before a mode", "61 05 00 80 01", "a number has leading zeros"],
  ["a timestamp of 71 bits", `61 ${"ff".repeat(9)} ff 00 00`, "a number is beyond 64 bits"],
  [
    "a timestamp that is infinity without saying so",
    "61 02 00 00 81 ff ff ff ff ff ff ff ff 7f 00 00",
    "a timestamp is beyond 64 bits",
  ],
  ["33 bytes of an id", `61 05 21 ${id(1)}01 00`, "an id prefix is longer than 32 bytes"],
  ["2^63 bytes of an id", "61 05 81808080808080808000 00", "an id prefix is longer than 32 bytes"],
  ["a prefix that isn't there", "61 05 20 0102", "an id prefix is cut off"],
  ["a prefix at infinity", "61 00 01 ff 00", "an id prefix follows infinity"],
  ["a lower prefix", "61 05 01 80 00 01 01 7f 00", "a bound is before the one before it"],
  ["no prefix after one", "61 05 01 01 00 01 00 00", "a bound is before the one before it"],
  ["a timestamp after infinity", "61 00 00 00 01 00 00", "a bound is before the one before it"],
  ["mode 3", "61 00 00 03", "a mode is unknown"],
  ["mode 2^63", "61 00 00 81808080808080808000", "a mode is unknown"],
  ["15 bytes of a fingerprint", `61 00 00 01 ${print.slice(2)}`, "a fingerprint is cut off"],
  ["no count", "61 00 00 02", "a number is cut off"],
  ["fewer ids than counted", `61 00 00 02 02 ${id(1)}`, "a list of ids is cut off"],
  ["31 bytes of an id", `61 00 00 02 01 ${id(1).slice(2)}`, "a list of ids is cut off"],
  ["2^32 ids", `61 00 00 02 9080808000 ${id(1)}`, "a list of ids is cut off"],
  ["2^59 ids: 2^64 bytes", `61 00 00 02 888080808080808000 ${id(1)}`, "a list of ids is cut off"],
  ["2^64 - 1 ids", "61 00 00 02 81ffffffffffffffff7f", "a list of ids is cut off"],
])("refused: %s", (_desc, text, flaw) => {
  const message = bytes(text);
  expect(read(message)).toEqual(flaw);
  expect(findFlaw(message)).toBe(flaw);
  const found: string[] = [];
  const storage = vectorOf([{ timestamp: 1, id: new Uint8Array(32) }]);
  const note = (id: Uint8Array) => found.push(hex(id));
  const client = new Initiator(storage, 4096, { onHave: note, onNeed: note });
  const first = hex(client.initiate());
  if (flaw === "the protocol version is unknown") {
    const reply = Uint8Array.of(0x61);
    expect(respond(storage, message, 4096)).toEqual({ kind: "message", message: reply });
    expect(client.reconcile(message)).toEqual({ kind: "version", version: message[0] as number });
  } else {
    expect(respond(storage, message, 4096)).toEqual({ kind: "flawed", flaw });
    expect(client.reconcile(message)).toEqual({ kind: "flawed", flaw });
  }
  expect([first, found]).toEqual([hex(bytes(`61 00 00 02 01 ${id(0)}`)), []]);
});

// Conversations

const item = (timestamp: number, byte: number): Item => ({
  timestamp,
  id: new Uint8Array(32).fill(byte),
});

interface Conversation {
  readonly client: Item[];
  readonly server: Item[];
  /** Question and answer by turns. */
  readonly messages: string[];
  readonly have: string[];
  readonly need: string[];
}

/** Items 1 to 32, at timestamps 1 to 32. */
const many = Array.from({ length: 32 }, (_, i) => item(i + 1, i + 1));
/** Fingerprints of items 1 and 2, 3 and 4, and so on. */
const pairs = [
  "12a7b248579deb04f68dac6d3db20efd",
  "b8ea736abfbf609781fff6727eb9cd04",
  "7f2da089f1f529e21695158e4a2d6f43",
  "b7d83b680dbdf04ad2be2d723ad764b4",
  "d7f6aef48c8105c6a8d1edb11bc1f61d",
  "5a3b9f41ebacbc3c88d623fa11abd2c4",
  "078bc773005f176ba644460bd77f43d1",
  "c1d8d25dd3ad8c37678e17dfce54df61",
  "1b3faf13785b65bf5c6debbef6eb3b8b",
  "13fc235ac2e2604d7730473528b64691",
  "6db32635642a41b8167e4346e59ce8f2",
  "af9e87dc5ace9af9766108aeea1cd582",
  "cd20b9f83aa18e89dd323257ca0a6e09",
  "2198850980141c511aed175878f65040",
  "ca3d66888b97cac95e08951fff742c97",
  "15e52dde58a3e1e3e713e9cd6524dd88",
];
/** Bounds at timestamps 3, 5, … 31 and infinity. */
const bounds = ["04 00", ...Array.from({ length: 14 }, () => "03 00"), "00 00"];
const parts = `61 ${bounds.map((bound, i) => `${bound} 01 ${pairs[i]}`).join(" ")}`;

test.each<[string, Conversation]>([
  [
    "nothing on both sides",
    { client: [], server: [], messages: ["61 00 00 02 00", "61 00 00 02 00"], have: [], need: [] },
  ],
  [
    "few items",
    {
      client: [item(10, 0xaa), item(20, 0xbb)],
      server: [item(20, 0xbb), item(20, 0xcc), item(5, 0xdd)],
      messages: [
        `61 00 00 02 02 ${id(0xaa)} ${id(0xbb)}`,
        `61 00 00 02 03 ${id(0xdd)} ${id(0xbb)} ${id(0xcc)}`,
      ],
      have: [id(0xaa)],
      need: [id(0xcc), id(0xdd)],
    },
  ],
  [
    "many that are the same",
    { client: many, server: many, messages: [parts, "61"], have: [], need: [] },
  ],
  [
    "many of which the server lacks one: it skips to the part at 19 and lists what it has there",
    {
      client: many,
      server: many.filter(({ timestamp }) => timestamp !== 20),
      messages: [parts, `61 14 00 00 03 00 02 01 ${id(19)}`],
      have: [id(20)],
      need: [],
    },
  ],
  [
    "few here and many there: the answer is a list",
    {
      client: [item(40, 40)],
      server: many,
      messages: [
        `61 00 00 02 01 ${id(40)}`,
        `61 00 00 02 20 ${many.map((each) => hex(each.id)).join("")}`,
      ],
      have: [id(40)],
      need: many.map((each) => hex(each.id)),
    },
  ],
  [
    "many here and few there: the answer lists nothing but the first part",
    {
      client: many,
      server: [item(1, 1)],
      messages: [
        parts,
        `61 04 00 02 01 ${id(1)} ${bounds
          .slice(1)
          .map((bound) => `${bound} 02 00`)
          .join(" ")}`,
      ],
      have: many.slice(1).map((each) => hex(each.id)),
      need: [],
    },
  ],
])("a conversation: %s", (_desc, { client, server, messages, have, need }) => {
  const found: { have: string[]; need: string[] } = { have: [], need: [] };
  const initiator = new Initiator(vectorOf(client), 4096, {
    onHave: (each) => found.have.push(hex(each)),
    onNeed: (each) => found.need.push(hex(each)),
  });
  const storage = vectorOf(server);
  const said = [initiator.initiate()];
  for (;;) {
    const answer = respond(storage, said.at(-1) as Uint8Array, 4096);
    if (answer.kind !== "message") throw new Error(answer.flaw);
    said.push(answer.message);
    const outcome = initiator.reconcile(answer.message);
    if (outcome.kind !== "message") break;
    said.push(outcome.message);
  }
  expect(said.map(hex)).toEqual(messages.map((message) => message.replaceAll(" ", "")));
  expect(found.have.sort()).toEqual(have.sort());
  expect(found.need.sort()).toEqual(need.sort());
});

describe("timestamps beyond those of our items", () => {
  // 2^53 and 2^60 + 5: bounds of a side that has items there.
  const far = "90 80 80 80 80 80 80 01";
  const farther = "8f f0 80 80 80 80 80 80 06";

  test("the server sends the bounds back as they came", () => {
    const storage = vectorOf([item(2 ** 53 - 1, 1)]);
    const question = `61 ${far} 00 01 ${print} ${farther} 00 02 00 00 00 01 ${print}`;
    const answer = respond(storage, bytes(question), 4096);
    expect(answer).toEqual({
      kind: "message",
      message: bytes(`61 ${far} 00 02 01 ${id(1)} ${farther} 00 02 00 00 00 02 00`),
    });
  });

  test("the client asks between them, and needs what is there", () => {
    const found: string[] = [];
    const client = new Initiator(vectorOf(many), 4096, {
      onHave: (each) => found.push(`have ${hex(each)}`),
      onNeed: (each) => found.push(`need ${hex(each)}`),
    });
    client.initiate();
    // The last part, from 31 on, in three pieces.
    const first = `8f ff ff ff ff ff ff 62 00 02 02 ${id(31)} ${id(32)}`;
    const others = `02 00 01 ${print} 00 00 02 01 ${id(99)}`;
    const outcome = client.reconcile(bytes(`61 20 00 00 ${first} ${others}`));
    expect(found).toEqual([`need ${id(99)}`]);
    expect(outcome).toEqual({
      kind: "message",
      message: bytes(`61 ${far} 00 00 02 00 02 00`),
    });
  });
});

// Random messages

function randomBounds(random: Random): WireBound[] {
  const bounds: WireBound[] = [];
  let last: bigint = 0n;
  for (let count = random.below(12); count > 0; count--) {
    last += BigInt(random.below(1000)) ** BigInt(random.pick([1, 2, 5]));
    if (random.oneIn(12)) last += 2n ** 53n;
    const timestamp = last <= Number.MAX_SAFE_INTEGER ? Number(last) : last;
    bounds.push({ timestamp, id: random.bytes(random.pick([0, 1, 31, 32])) });
    last += 1n;
  }
  return random.oneIn(2) ? [...bounds, END] : bounds;
}

function randomMessage(random: Random): { message: Uint8Array; expected: ReturnType<typeof read> } {
  const writer = new RangeWriter();
  const expected: [number | bigint, string, number, string][] = [];
  for (const upper of randomBounds(random)) {
    const mode = random.pick([SKIP, FINGERPRINT, ID_LIST]);
    // In the order of the modes.
    const lengths = [0, 16, 32 * random.below(140)];
    const payload = random.bytes(lengths[mode] as number);
    const mark = writer.mark();
    if (random.oneIn(4)) {
      writer.writeSkip({ timestamp: upper.timestamp, id: START.id });
      writer.goBack(mark);
    }
    if (mode === SKIP) writer.writeSkip(upper);
    if (mode === FINGERPRINT) writer.writeFingerprint(upper, payload);
    if (mode === ID_LIST) writer.writeIdList(upper, payload);
    expected.push([upper.timestamp, hex(upper.id), mode, hex(payload)]);
  }
  return { message: writer.message(), expected };
}

testRandomly("what is written is read, and broken messages break nothing", (random) => {
  const storage = vectorOf(randomItems(random, 200));
  const ignore = { onHave: () => {}, onNeed: () => {} };
  for (let round = 0; round < 500; round++) {
    const { message, expected } = randomMessage(random);
    expect(read(message)).toEqual(expected);
    const broken = Uint8Array.from(message);
    for (let changes = random.below(4); changes > 0; changes--) {
      broken[1 + random.below(broken.length)] = random.pick([
        0,
        1,
        2,
        0x80,
        0xff,
        random.below(256),
      ]);
    }
    const cut = broken.subarray(0, random.pick([broken.length, random.below(broken.length + 1)]));
    const noise = Uint8Array.of(0x61, ...random.bytes(random.below(60)));
    for (const hostile of [message, cut, noise]) {
      const answer = respond(storage, hostile, 4096);
      const client = new Initiator(storage, 4096, ignore);
      client.initiate();
      const outcome = client.reconcile(hostile);
      const flaw = findFlaw(hostile);
      expect(answer.kind === "flawed" ? answer.flaw : null).toBe(flaw);
      expect(outcome.kind === "flawed" ? outcome.flaw : null).toBe(flaw);
      for (const said of [answer, outcome]) {
        if (said.kind !== "message") continue;
        expect(said.message.length).toBeLessThanOrEqual(4096);
        expect(findFlaw(said.message)).toBe(null);
      }
    }
  }
});
