// Events for tests of the store, which checks no signature: well-formed, with right ids, and wholly
// determined by a seed. Authors and tag values come from small pools, so that they meet often.

import { createHash } from "node:crypto";
import type { NostrEvent, Tag } from "../../src/protocol/event.ts";
import { chooseSeed, Random } from "./random.ts";

export function sha256Hex(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}

export function author(index: number): string {
  return sha256Hex(`author ${index}`);
}

const SIG = "5a".repeat(64);

export interface EventFields {
  readonly pubkey?: string;
  readonly created_at?: number;
  readonly kind?: number;
  readonly tags?: readonly Tag[];
  readonly content?: string;
}

export function makeEvent(fields: EventFields = {}): NostrEvent {
  const { pubkey = author(0), created_at = 1000, kind = 1, tags = [], content = "" } = fields;
  const id = sha256Hex(JSON.stringify([0, pubkey, created_at, kind, tags, content]));
  return { id, pubkey, created_at, kind, tags, content, sig: SIG };
}

export class Dice extends Random {
  chance(probability: number): boolean {
    return this.next() / 2 ** 32 < probability;
  }

  /** Some may be picked twice. */
  some<T>(items: readonly T[], count: number): T[] {
    return this.list(count, () => this.pick(items));
  }

  shuffle<T>(items: readonly T[]): T[] {
    const result = [...items];
    for (let i = result.length - 1; i > 0; i--) {
      const j = this.below(i + 1);
      [result[i], result[j]] = [result[j] as T, result[i] as T];
    }
    return result;
  }
}

/** The same seeds in every run and one that is new; NANDU_TEST_SEED=<seed> is that one alone. */
function seeds(count: number): number[] {
  if (process.env["NANDU_TEST_SEED"] !== undefined) return [chooseSeed()];
  return [...Array.from({ length: count - 1 }, (_, i) => i + 1), chooseSeed()];
}

/** Runs the body with each of `count` seeds; a failure says with which one. */
export function forEachSeed(count: number, body: (dice: Dice) => void): void {
  for (const seed of seeds(count)) {
    try {
      body(new Dice(seed));
    } catch (cause) {
      const message = cause instanceof Error ? cause.message : String(cause);
      throw new Error(`failed with NANDU_TEST_SEED=${seed}: ${message}`, { cause });
    }
  }
}

export interface Spread {
  readonly authors: number;
  readonly kinds: readonly number[];
  /** Seconds that events fall into, from 1000 on. */
  readonly seconds: number;
}

/** One that is as full of coincidences as the spread is small. */
export function randomEvent(dice: Dice, spread: Spread): NostrEvent {
  const tags: string[][] = [];
  for (let n = dice.below(4); n > 0; n--) tags.push(randomTag(dice, spread));
  return makeEvent({
    pubkey: author(dice.below(spread.authors)),
    created_at: 1000 + dice.below(spread.seconds),
    kind: dice.pick(spread.kinds),
    tags,
    content: `${dice.below(1000)}`,
  });
}

function randomTag(dice: Dice, spread: Spread): string[] {
  switch (dice.below(5)) {
    case 0:
      return ["p", author(dice.below(spread.authors))];
    case 1:
      return ["t", `topic ${dice.below(6)}`, "ignored"];
    case 2:
      return ["e", sha256Hex(`event ${dice.below(8)}`)];
    case 3:
      return dice.pick([["p", "not hex"], ["t"], ["title", "topic 1"], ["T", "topic 1"], []]);
    default:
      return ["r", dice.pick(["", "é", "🐸", "topic 1", "x".repeat(300)])];
  }
}
