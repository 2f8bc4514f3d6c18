/**
 * Both signature backends against vectors 0 to 14 of BIP-340 (bip340-vectors.csv, the columns of
 * bip-0340/test-vectors.csv in bitcoin/bips), against each other on random and damaged input, and
 * against events that real clients signed. libsecp256k1 is left out where it is not installed.
 * A failing random case prints the seed; NANDU_TEST_SEED repeats it.
 */

import { describe, expect, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { schnorr } from "@noble/curves/secp256k1.js";
import { openNoble } from "../../src/crypto/noble.ts";
import { openSignatureBackend } from "../../src/crypto/open-backend.ts";
import { sha256Hex } from "../../src/crypto/sha256.ts";
import type { SignatureBackend } from "../../src/crypto/signature.ts";

const projectDir = join(import.meta.dir, "../..");
const realEventsPath = join(projectDir, "../shared/data/real-events.jsonl");

const noble = openNoble();
const opened = openSignatureBackend({ library: null }).backend;
const isNativeHere = opened.name === "libsecp256k1";
const backends: SignatureBackend[] = isNativeHere ? [noble, opened] : [noble];

const bytes = (hex: string) => new Uint8Array(Buffer.from(hex, "hex"));

interface Vector {
  index: string;
  /** Empty in those that are only to be checked. */
  secret: Uint8Array;
  random: Uint8Array;
  pubkey: Uint8Array;
  message: Uint8Array;
  sig: Uint8Array;
  isValid: boolean;
  comment: string;
}

function readVectors(): Vector[] {
  const rows = readFileSync(join(import.meta.dir, "bip340-vectors.csv"), "utf8")
    .trim()
    .split("\n");
  return rows.slice(1).map((row) => {
    const [index, secret, pubkey, random, message, sig, result, ...comment] = row.split(",");
    return {
      index: index ?? "",
      secret: bytes(secret ?? ""),
      random: bytes(random ?? ""),
      pubkey: bytes(pubkey ?? ""),
      message: bytes(message ?? ""),
      sig: bytes(sig ?? ""),
      isValid: result === "TRUE",
      comment: comment.join(","),
    };
  });
}

/** mulberry32: small, and the same on every machine. */
function randomBytesFrom(seed: number): (length: number) => Uint8Array {
  let state = seed >>> 0;
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return (t ^ (t >>> 14)) & 0xff;
  };
  return (length) => Uint8Array.from({ length }, next);
}

function flipBit(input: Uint8Array, position: number): Uint8Array {
  const bit = position % (input.length * 8);
  const output = input.slice();
  output[bit >> 3] = (output[bit >> 3] ?? 0) ^ (1 << (bit & 7));
  return output;
}

for (const backend of backends) {
  describe(backend.name, () => {
    for (const vector of readVectors()) {
      const verdict = vector.isValid ? "accepts" : "refuses";
      test(`${verdict} BIP-340 vector ${vector.index} ${vector.comment}`.trim(), () => {
        expect(backend.verify(vector.message, vector.pubkey, vector.sig)).toBe(vector.isValid);
      });
    }

    test.each(readVectors().filter(({ secret }) => secret.length > 0))(
      "makes the public key and the signature of BIP-340 vector $index",
      ({ secret, random, message, pubkey, sig }) => {
        expect(Buffer.from(backend.publicKey(secret))).toEqual(Buffer.from(pubkey));
        expect(Buffer.from(backend.sign(message, secret, random))).toEqual(Buffer.from(sig));
      },
    );

    test("signs with no secret that is none, and with nothing of another length", () => {
      const [secret, id] = [bytes("0340".repeat(16)), bytes("99".repeat(32))];
      const none = [new Uint8Array(32), new Uint8Array(32).fill(0xff), secret.slice(1)];
      for (const wrong of none) {
        expect(() => backend.publicKey(wrong)).toThrow();
        expect(() => backend.sign(id, wrong, id)).toThrow();
      }
      expect(() => backend.sign(id, secret, id.slice(1))).toThrow();
      expect(backend.verify(id, backend.publicKey(secret), backend.sign(id, secret, id))).toBe(
        true,
      );
    });

    test("refuses a message of any length but 32, even correctly signed", () => {
      const secret = bytes("0340".repeat(16));
      const pubkey = schnorr.getPublicKey(secret);
      for (const length of [0, 1, 17, 31, 33, 100]) {
        const message = new Uint8Array(length).fill(0x99);
        const sig = schnorr.sign(message, secret);
        expect(schnorr.verify(sig, message, pubkey)).toBe(true);
        expect(backend.verify(message, pubkey, sig)).toBe(false);
      }
    });

    test("refuses wrong lengths and wrong types without throwing", () => {
      const vector = readVectors()[1];
      if (vector === undefined) throw new Error("no vectors");
      const { message, pubkey, sig } = vector;
      expect(backend.verify(message, pubkey, sig)).toBe(true);
      const shapes: unknown[] = [
        new Uint8Array(0),
        new Uint8Array(31),
        new Uint8Array(33),
        new Uint8Array(63),
        new Uint8Array(65),
        new Uint8Array(1 << 20),
        new Uint16Array(32),
        new ArrayBuffer(32),
        Array.from({ length: 32 }, () => 1),
        Buffer.from(message).toString("hex"),
        { length: 32 },
        null,
        undefined,
        32,
        structuredClone(new Uint8Array(0)),
      ];
      for (const shape of shapes) {
        const wrong = shape as Uint8Array;
        expect(backend.verify(wrong, pubkey, sig)).toBe(false);
        expect(backend.verify(message, wrong, sig)).toBe(false);
        expect(backend.verify(message, pubkey, wrong)).toBe(false);
      }
    });

    test("reads views into the middle of larger and shared memory", () => {
      const vector = readVectors()[1];
      if (vector === undefined) throw new Error("no vectors");
      for (const memory of [new ArrayBuffer(200), new SharedArrayBuffer(200)]) {
        const id = new Uint8Array(memory, 7, 32);
        const pubkey = new Uint8Array(memory, 41, 32);
        const sig = new Uint8Array(memory, 77, 64);
        id.set(vector.message);
        pubkey.set(vector.pubkey);
        sig.set(vector.sig);
        expect(backend.verify(id, pubkey, sig)).toBe(true);
        sig[63] = (sig[63] ?? 0) ^ 1;
        expect(backend.verify(id, pubkey, sig)).toBe(false);
      }
    });

    test.skipIf(!existsSync(realEventsPath))(
      "accepts events of real clients and refuses them damaged",
      () => {
        const lines = readFileSync(realEventsPath, "utf8").trim().split("\n");
        const step = backend.name === "noble" ? 4 : 1;
        for (let i = 0; i < lines.length; i += step) {
          const event: unknown = JSON.parse(lines[i] ?? "");
          const { id, pubkey, sig, created_at, kind, tags, content } = event as RealEvent;
          expect(sha256Hex(JSON.stringify([0, pubkey, created_at, kind, tags, content]))).toBe(id);
          expect(backend.verify(bytes(id), bytes(pubkey), bytes(sig))).toBe(true);
          expect(backend.verify(flipBit(bytes(id), i), bytes(pubkey), bytes(sig))).toBe(false);
        }
      },
    );
  });
}

interface RealEvent {
  id: string;
  pubkey: string;
  sig: string;
  created_at: number;
  kind: number;
  tags: string[][];
  content: string;
}

describe.skipIf(!isNativeHere)("libsecp256k1 beside noble", () => {
  const seed = Number(process.env["NANDU_TEST_SEED"] ?? Math.floor(Math.random() * 2 ** 32));

  test("gives the same answer to signed, damaged and random input", () => {
    const random = randomBytesFrom(seed);
    let accepted = 0;
    for (let i = 0; i < 150; i++) {
      const secret = random(32);
      const pubkey = schnorr.getPublicKey(secret);
      const id = random(32);
      const aux = random(32);
      const sig = noble.sign(id, secret, aux);
      expect(Buffer.from(opened.sign(id, secret, aux))).toEqual(Buffer.from(sig));
      expect(Buffer.from(opened.publicKey(secret))).toEqual(Buffer.from(pubkey));
      const [low = 0, high = 0] = random(2);
      const bit = low | (high << 8);
      const cases: [string, Uint8Array, Uint8Array, Uint8Array][] = [
        ["signed", id, pubkey, sig],
        ["a bit of the id flipped", flipBit(id, bit), pubkey, sig],
        ["a bit of the pubkey flipped", id, flipBit(pubkey, bit), sig],
        ["a bit of the sig flipped", id, pubkey, flipBit(sig, bit)],
        ["random sig", id, pubkey, random(64)],
        ["random pubkey", id, random(32), sig],
        ["all random", random(32), random(32), random(64)],
      ];
      for (const [what, ...input] of cases) {
        const expected = noble.verify(...input);
        const where = `seed ${seed}, case ${i}: ${what}`;
        expect(`${where}: ${opened.verify(...input)}`).toBe(`${where}: ${expected}`);
        expect(`${where}: ${expected}`).toBe(`${where}: ${what === "signed"}`);
        if (expected) accepted++;
      }
    }
    expect(accepted).toBe(150);
  });

  test("agrees on the borders of the field and of the curve's order", () => {
    const p = "FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEFFFFFC2";
    const n = "FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD036414";
    const borders = ["00".repeat(32), "FF".repeat(32), `${"00".repeat(31)}01`];
    borders.push(`${p}E`, `${p}F`, `${n}0`, `${n}1`, `${n}2`);
    for (const pubkey of borders) {
      for (const r of borders) {
        for (const s of borders) {
          const input = [bytes(borders[0] ?? ""), bytes(pubkey), bytes(r + s)] as const;
          expect(opened.verify(...input)).toBe(noble.verify(...input));
        }
      }
    }
  });
});

test("a key that is kept parsed is never taken for another that begins alike", () => {
  const random = randomBytesFrom(7);
  const secret = random(32);
  const id = random(32);
  const pubkey = schnorr.getPublicKey(secret);
  const sig = schnorr.sign(id, secret);
  for (let round = 0; round < 300; round++) {
    const other = new Uint8Array(pubkey);
    other.set(random(28), 4); // half of these are no points
    for (const backend of backends) {
      expect(backend.verify(id, pubkey, sig)).toBe(true);
      expect(backend.verify(id, other, sig)).toBe(false);
      expect(backend.verify(id, new Uint8Array(32), sig)).toBe(false);
    }
  }
});
