// Are the running sums of a database what its events add up to? Each set's rows must have exactly
// the events up to its `upto` that its filter matches, and those that were taken since.

import type { Database } from "bun:sqlite";
import type { NostrEvent } from "../../src/protocol/event.ts";
import { type Filter, parseFilter } from "../../src/protocol/filter.ts";
import { decodeText } from "../../src/store/candidate.ts";
import { payloadText } from "../../src/store/payload.ts";
import { naiveMatches, type RawFilter } from "./random-filters.ts";

type Row = [seq: number, id: Uint8Array, payload: Uint8Array];
type TakenRow = [seq: number, at: number, kind: number, id: Uint8Array, payload: Uint8Array | null];

/** A bucket of one class, and what is in it. */
type Sums = Map<string, { count: number; sum: bigint }>;

const HOUR_S = 3600;
const MONTH_S = 30 * 24 * HOUR_S;

/** What is wrong, each thing in a line; empty when all is well. */
export function checkSums(db: Database): string[] {
  const problems: string[] = [];
  const sets = db.query("SELECT id, filter, upto FROM sum_set").values();
  const rows = db.query("SELECT seq, id, payload FROM event").values() as Row[];
  const events = rows.map(
    ([seq, id, payload]) => [seq, decodeText(payloadText(id, payload))] as const,
  );
  const taken = db.query("SELECT seq, created_at, kind, id, payload FROM taken").values();
  for (const [id, text, upTo] of sets as [number, string, number][]) {
    const raw = JSON.parse(text) as RawFilter;
    if ((parseFilter(raw) as Filter).limit !== null) problems.push(`set ${id} has a limit`);
    const expected: Sums = new Map();
    for (const [seq, event] of events) {
      if (seq <= upTo && naiveMatches(raw, event)) add(expected, event);
    }
    for (const [seq, created_at, kind, bytes, payload] of taken as TakenRow[]) {
      const idHex = Buffer.from(bytes).toString("hex");
      const event =
        payload === null
          ? { id: idHex, created_at, kind, tags: [], pubkey: "", content: "", sig: "" }
          : decodeText(payloadText(bytes, payload));
      if (event.id !== idHex || event.kind !== kind) problems.push(`taken ${seq} is another event`);
      if (seq <= upTo && naiveMatches(raw, event)) add(expected, event);
    }
    compare(db, id, expected, problems);
  }
  return problems;
}

function compare(db: Database, id: number, expected: Sums, problems: string[]): void {
  const select = "SELECT level, bucket, kind, groups, count, sum FROM sums WHERE set_id = ?";
  const found = db.query(select).values(id) as [
    number,
    number,
    number,
    string,
    number,
    Uint8Array,
  ][];
  for (const [level, bucket, kind, groups, count, sum] of found) {
    const place = [level, bucket, kind, groups].join(" ");
    const wanted = expected.get(place) ?? { count: 0, sum: 0n };
    expected.delete(place);
    if (count !== wanted.count || count === 0 || bigOf(sum) !== wanted.sum) {
      problems.push(`set ${id}: ${place} has ${count} events, not the ${wanted.count} there are`);
    }
  }
  for (const place of expected.keys()) problems.push(`set ${id}: ${place} is missing`);
}

function add(sums: Sums, { id, created_at, kind, tags }: NostrEvent): void {
  const named = new Set(tags.filter(([name]) => name === "h").map(([, value = ""]) => value));
  const hasGroup = tags.some(([name, value]) => name === "h" && value !== undefined);
  const isPlain = named.size === 1 && /^[ -~]{0,64}$/.test([...named][0] as string);
  const groups = !hasGroup ? "" : isPlain ? `=${[...named][0]}` : "+";
  for (const [level, seconds] of [HOUR_S, MONTH_S].entries()) {
    const place = [level, Math.floor(created_at / seconds), kind, groups].join(" ");
    const { count, sum } = sums.get(place) ?? { count: 0, sum: 0n };
    sums.set(place, { count: count + 1, sum: (sum + bigOf(Buffer.from(id, "hex"))) % 2n ** 256n });
  }
}

function bigOf(bytes: Uint8Array): bigint {
  return BigInt(`0x${Buffer.from(bytes).reverse().toString("hex")}`);
}
