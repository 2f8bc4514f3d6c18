// Filters as clients send them, at random, made of what is in the events and of what is not; and
// what they match, in the fewest words (NIP-01, NIP-67). Shares no code with src.

import type { NostrEvent } from "../../src/protocol/event.ts";
import { type Dice, sha256Hex } from "./unsigned-events.ts";

/** A filter's JSON. */
export interface RawFilter {
  ids?: string[];
  authors?: string[];
  kinds?: number[];
  since?: number;
  until?: number;
  limit?: number;
  [tag: `#${string}`]: string[];
}

export function naiveMatches(filter: RawFilter, event: NostrEvent): boolean {
  for (const [key, wanted] of Object.entries(filter) as [string, number & (string | number)[]][]) {
    const tagged = event.tags.some((tag) => `#${tag[0]}` === key && wanted.includes(tag[1] ?? 0));
    if (key === "ids" && !wanted.includes(event.id)) return false;
    if (key === "authors" && !wanted.includes(event.pubkey)) return false;
    if (key === "kinds" && !wanted.includes(event.kind)) return false;
    if (key === "since" && event.created_at < wanted) return false;
    if (key === "until" && event.created_at > wanted) return false;
    if (key.startsWith("#") && !tagged) return false;
  }
  return true;
}

export interface NaiveLimits {
  readonly limitDefault: number;
  readonly limitMax: number;
  readonly tiesMax: number;
}

export interface NaiveAnswer {
  readonly ids: string[];
  readonly hint: "finish" | "more" | null;
}

/** The answer to a REQ with these filters. */
export function naiveScan(
  events: readonly NostrEvent[],
  filters: readonly RawFilter[],
  limits: NaiveLimits,
): NaiveAnswer {
  const sorted = events.toSorted(
    (a, b) => b.created_at - a.created_at || (a.id < b.id ? -1 : a.id > b.id ? 1 : 0),
  );
  const sent = new Set<NostrEvent>();
  let hint: NaiveAnswer["hint"] = filters.some(({ limit }) => limit === 0) ? null : "finish";
  for (const filter of filters) {
    const own = filter.limit ?? Math.max(limits.limitDefault, new Set(filter.ids).size);
    const limit = Math.min(own, limits.limitMax);
    if (limit === 0) continue;
    const matching = sorted.filter((event) => naiveMatches(filter, event));
    const last = matching[limit - 1]?.created_at;
    const ties = matching.slice(limit).filter(({ created_at }) => created_at === last);
    const taken = [...matching.slice(0, limit), ...ties.slice(0, limits.tiesMax)];
    if (taken.length < matching.length) hint = "more";
    for (const event of taken) sent.add(event);
  }
  return { ids: sorted.filter((event) => sent.has(event)).map(({ id }) => id), hint };
}

/** `limitEnd` bounds the limits from above; the smaller, the more of them matter. */
export function randomFilter(
  dice: Dice,
  events: readonly NostrEvent[],
  limitEnd: number,
): RawFilter {
  const filter: RawFilter = {};
  const event = () => dice.pick(events);
  const count = () => (dice.chance(0.1) ? 1 + dice.below(60) : 1 + dice.below(4));
  const list = <T>(value: () => T, unknown: T): T[] =>
    Array.from({ length: count() }, () => (dice.chance(0.1) ? unknown : value()));
  if (dice.chance(0.12)) filter.ids = list(() => event().id, sha256Hex("no event"));
  if (dice.chance(0.35)) filter.authors = list(() => event().pubkey, sha256Hex("nobody"));
  if (dice.chance(0.45)) filter.kinds = list(() => event().kind, 65_535);
  for (let n = dice.below(8) - 5; n > 0; n--) {
    const [name, value] = dice.pick(event().tags) ?? [];
    if (name === undefined || value === undefined || !/^[a-zA-Z]$/.test(name)) continue;
    if (/^[ep]$/.test(name) && !/^[0-9a-f]{64}$/.test(value)) continue;
    const sameLetter = events.flatMap(({ tags }) => tags).filter((tag) => tag[0] === name);
    const valid = sameLetter.filter((tag) => tag[1] !== undefined && tag[1].length === 64);
    const pool = /^[ep]$/.test(name) ? valid : sameLetter;
    const values = Array.from({ length: count() }, () => dice.pick(pool)[1] ?? "");
    filter[`#${name}`] = [value, ...values];
  }
  const shift = () => dice.below(3) - 1;
  if (dice.chance(0.25)) filter.since = Math.max(0, event().created_at + shift());
  if (dice.chance(0.25)) filter.until = Math.max(filter.since ?? 0, event().created_at + shift());
  if (dice.chance(0.7)) filter.limit = dice.below(limitEnd);
  return filter;
}
