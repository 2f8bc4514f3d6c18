/**
 * Events for tests: validly signed, the same from the same seed on every machine, and made fast
 * enough to fill a database (tens of thousands a second). Nothing of src/ makes them, so they can
 * be held against it.
 *
 * Signing is BIP-340 with nonces made in advance. That gives away the secret keys, which is why it
 * is fast and why these keys are good for nothing else: all are hashes of known words.
 */

import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { schnorr, secp256k1 } from "@noble/curves/secp256k1.js";
import type { NostrEvent } from "../../src/protocol/event.ts";
import { Random } from "./random.ts";

const ORDER = secp256k1.Point.Fn.ORDER;

/** Different authors, and different nonces, that the factory has. */
export const AUTHORS_COUNT = 32;

export interface KeyPair {
  /** The secret whose point has an even y, as BIP-340 signs with. */
  readonly scalar: bigint;
  /** The secret as clients keep it, 32 bytes. */
  readonly secret: Uint8Array;
  /** 32 bytes in hex. */
  readonly pubkey: string;
}

const madeKeys = new Map<string, KeyPair>();

function keyOf(words: string): KeyPair {
  const made = madeKeys.get(words);
  if (made !== undefined) return made;
  const secret = new Uint8Array(createHash("sha256").update(words).digest());
  const raw = BigInt(`0x${Buffer.from(secret).toString("hex")}`);
  const isEven = secp256k1.getPublicKey(secret, true)[0] === 2;
  const scalar = isEven ? raw : ORDER - raw;
  const pubkey = Buffer.from(schnorr.getPublicKey(secret)).toString("hex");
  const key = { scalar, secret, pubkey };
  madeKeys.set(words, key);
  return key;
}

/** The key pair of author `index`, from 0 to `AUTHORS_COUNT` - 1. */
export function authorKey(index: number): KeyPair {
  return keyOf(`nandu test author ${index}`);
}

const CHALLENGE_TAG = createHash("sha256").update("BIP0340/challenge").digest();

/** BIP-340 of a 32-byte message in hex: `R || (k + e·d mod n)`. */
export function signHash(hash: string, key: KeyPair): string {
  const nonce = keyOf(`nandu test nonce ${Number.parseInt(hash.slice(0, 4), 16) % AUTHORS_COUNT}`);
  const digest = createHash("sha256").update(CHALLENGE_TAG).update(CHALLENGE_TAG);
  const challenge = digest.update(nonce.pubkey + key.pubkey + hash, "hex").digest("hex");
  const s = (nonce.scalar + (BigInt(`0x${challenge}`) % ORDER) * key.scalar) % ORDER;
  return nonce.pubkey + s.toString(16).padStart(64, "0");
}

export interface EventTemplate {
  readonly kind: number;
  readonly tags: readonly (readonly string[])[];
  readonly content: string;
  /** Unix seconds. */
  readonly created_at: number;
}

/** The event of that author, with its id and a valid signature. */
export function signEvent(template: EventTemplate, key: KeyPair): NostrEvent {
  const { kind, tags, content, created_at } = template;
  const signed = JSON.stringify([0, key.pubkey, created_at, kind, tags, content]);
  const id = createHash("sha256").update(signed).digest("hex");
  return { id, pubkey: key.pubkey, created_at, kind, tags, content, sig: signHash(id, key) };
}

export interface EventOptions extends Partial<EventTemplate> {
  /** From 0 to `AUTHORS_COUNT` - 1. */
  readonly author?: number;
}

/** Where the timestamps of made events start: 2023-11-14. */
export const CREATED_AT_MIN = 1_700_000_000;
/** How many seconds they spread over; few enough that some are the same. */
export const CREATED_AT_SPREAD = 1000;

/** Makes events from one seed. What the options don't say is random. */
export class EventFactory {
  readonly random: Random;
  private readonly made: NostrEvent[] = [];
  private distinctCount = 0;

  constructor(seed: number | Random) {
    this.random = typeof seed === "number" ? new Random(seed) : seed;
  }

  make(options: EventOptions = {}): NostrEvent {
    const { random } = this;
    const {
      author = random.below(AUTHORS_COUNT),
      kind = random.pick([0, 1, 1, 1, 3, 6, 7, 7, 1984, 10002, 30023, 30078]),
      created_at = CREATED_AT_MIN + random.below(CREATED_AT_SPREAD),
      tags = this.makeTags(kind),
      content = random.text(40),
    } = options;
    const event = signEvent({ kind, tags, content, created_at }, authorKey(author));
    if (this.made.length < 1000) this.made.push(event);
    return event;
  }

  /** Never one that was made before: left to chance, a few of thousands are the same. */
  makeDistinct(options: EventOptions = {}): NostrEvent {
    this.distinctCount += 1;
    return this.make({ content: `${this.distinctCount} ${this.random.text(30)}`, ...options });
  }

  makeMany(count: number, options: EventOptions = {}): NostrEvent[] {
    return this.random.list(count, () => this.make(options));
  }

  /** Few different values, so that filters by tag find several events; `e` names made events. */
  private makeTags(kind: number): string[][] {
    const { random } = this;
    const tags = random.list(random.below(4), () => {
      switch (random.below(5)) {
        case 0:
          return ["e", this.made.length > 0 ? random.pick(this.made).id : random.hex(64)];
        case 1:
          return ["p", authorKey(random.below(AUTHORS_COUNT)).pubkey, "wss://relay.example"];
        case 2:
          return ["t", random.pick(["nostr", "bitcoin", "ñandú", "a b", ""])];
        case 3:
          return ["alt", random.text(10)];
        default:
          return [random.pick(["r", "R", "g", "k"]), String(random.below(10))];
      }
    });
    return kind >= 30000 && kind < 40000 ? [["d", `slot ${random.below(3)}`], ...tags] : tags;
  }
}

/** Signs its author in (NIP-42), if nothing in `more` keeps it from doing so. */
export function signInEvent(
  author: number,
  challenge: string,
  relay: string,
  more: Partial<EventTemplate> = {},
): NostrEvent {
  const tags = [
    ["relay", relay],
    ["challenge", challenge],
  ];
  const created_at = Math.floor(Date.now() / 1000);
  return signEvent({ kind: 22242, tags, content: "", created_at, ...more }, authorKey(author));
}

/** Events of real clients, beside the project and not part of it; empty where they are missing. */
export function readRealEvents(): NostrEvent[] {
  const path = join(import.meta.dir, "../../../shared/data/real-events.jsonl");
  if (!existsSync(path)) return [];
  const lines = readFileSync(path, "utf8").trimEnd().split("\n");
  return lines.map((line) => JSON.parse(line) as NostrEvent);
}
