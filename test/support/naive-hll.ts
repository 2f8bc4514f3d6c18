// HyperLogLog as NIP-45 tells it, step by step on bits, and the estimate that clients make of it.
// Shares no code with src.

import type { NostrEvent } from "../../src/protocol/event.ts";
import { sha256Hex } from "./unsigned-events.ts";

/** Steps 1 to 6 of the NIP, for the first value of a filter's first tag attribute. */
export function naiveOffset(value: string): number {
  const pubkey = /^\d+:([0-9a-f]{64}):/.exec(value)?.[1];
  const isHex = /^[0-9a-f]{64}$/.test(value);
  const hex = isHex ? value : (pubkey ?? sha256Hex(value));
  return Number.parseInt(hex[32] as string, 16) + 8;
}

/** 512 hex digits, of the events that are counted. */
export function naiveHll(value: string, events: readonly Pick<NostrEvent, "pubkey">[]): string {
  const offset = naiveOffset(value);
  const registers = Array<number>(256).fill(0);
  for (const { pubkey } of events) {
    const bytes = Buffer.from(pubkey, "hex");
    const bits = [...bytes.subarray(offset + 1)].map((byte) => byte.toString(2).padStart(8, "0"));
    const zeros = `${bits.join("")}1`.indexOf("1");
    const at = bytes[offset] as number;
    registers[at] = Math.max(registers[at] as number, zeros + 1);
  }
  return registers.map((register) => register.toString(16).padStart(2, "0")).join("");
}

/** The whole answer to a COUNT with one filter that has a tag. */
export function countResult(value: string, events: readonly Pick<NostrEvent, "pubkey">[]) {
  return { count: events.length, hll: naiveHll(value, events) };
}

/** The same, of a filter that may have a tag or not. */
export function filterResult(filter: object, events: readonly Pick<NostrEvent, "pubkey">[]) {
  const tag = Object.entries(filter).find(([key]) => key.startsWith("#"));
  const value = (tag?.[1] as string[] | undefined)?.[0];
  return value === undefined ? { count: events.length } : countResult(value, events);
}

/** Flajolet's: the harmonic mean, and linear counting where many registers are empty. */
export function estimate(hll: string): number {
  const registers = [...Buffer.from(hll, "hex")];
  const m = registers.length;
  const raw = ((0.7213 / (1 + 1.079 / m)) * m * m) / registers.reduce((a, r) => a + 2 ** -r, 0);
  const empty = registers.filter((register) => register === 0).length;
  return raw <= 2.5 * m && empty > 0 ? m * Math.log(m / empty) : raw;
}
