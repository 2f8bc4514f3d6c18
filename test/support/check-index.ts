// Is a database whole? The index must hold exactly the rows that follow from the stored events, and
// the columns must say what the payloads say. For use after anything that could have torn it.

import type { Database } from "bun:sqlite";
import { type NostrEvent, expirationOf } from "../../src/protocol/event.ts";
import { decodeText } from "../../src/store/candidate.ts";
import { payloadText } from "../../src/store/payload.ts";
import { Run } from "../../src/store/run.ts";
import { isTallied } from "../../src/store/tally.ts";
import { eventKeys, termRows } from "../../src/store/term.ts";
import { naiveAddress } from "./naive-store.ts";

type EventRow = [seq: number, id: Uint8Array, at: number, kind: number, exp: number, p: Uint8Array];

/** What is wrong, each thing in a line; empty when all is well. */
export function checkIndex(db: Database): string[] {
  const problems: string[] = [];
  for (const [line] of db.query("PRAGMA integrity_check").values()) {
    if (line !== "ok") problems.push(`integrity_check: ${line}`);
  }
  const expected = new Set<string>();
  const seen = new Map<string, number>();
  const sql = "SELECT seq, id, created_at, kind, expires, payload FROM event ORDER BY seq";
  const rows = db.query(sql).values() as EventRow[];
  for (const row of rows) checkEvent(row, expected, seen, problems);
  const [head, merged, merging] = db.query("SELECT seq, merged, merging FROM head").values()[0] as [
    number,
    number,
    number,
  ];
  const terms = db.query("SELECT key, age, ord, seq, info FROM term").values() as number[][];
  const found = new Set<string>();
  for (const term of terms) {
    const text = term.join(" ");
    if (!expected.has(text)) problems.push(`term without an event: ${text}`);
    if ((term[3] as number) > merging) problems.push(`term is too early in its table: ${text}`);
    found.add(text);
  }
  const inTail = tailRows(db, problems);
  const takenRows = inTail.filter(([key]) => key! % 1 !== 0);
  for (const row of inTail) {
    if (takenRows.includes(row)) continue;
    const text = row.join(" ");
    if ((row[3] as number) <= merged) problems.push(`term should have left the tail: ${text}`);
    if (!expected.has(text)) problems.push(`tail has a term without an event: ${text}`);
    found.add(text);
  }
  checkTallies(db, expected, takenRows, merged, problems);
  for (const text of expected) if (!found.has(text)) problems.push(`term is missing: ${text}`);
  const last = rows.at(-1)?.[0] ?? 0;
  if (head < last) problems.push(`head is ${head}, the last event is ${last}`);
  return problems;
}

/** Each tally must count what the events up to its seq say, and nothing in `term` may be beyond. */
function checkTallies(
  db: Database,
  expected: ReadonlySet<string>,
  takenRows: readonly number[][],
  merged: number,
  problems: string[],
): void {
  const rows = [...expected].map((text) => text.split(" ").map(Number));
  const tallies = db.query("SELECT key, upto, sums FROM tally").values();
  for (const [key, upTo, sums] of tallies as [number, number, Uint8Array][]) {
    const counted = new Map<number, number>();
    for (const [of, , , seq, info] of takenRows as [number, number, number, number, number][]) {
      if (of === key + 0.5 && seq > upTo) counted.set(info, (counted.get(info) ?? 0) + 1);
    }
    for (const [of, , , seq, info] of rows as [number, number, number, number, number][]) {
      if (of !== key || !isTallied(info)) continue;
      if (seq <= upTo) counted.set(info, (counted.get(info) ?? 0) + 1);
      else if (seq <= merged) problems.push(`tally ${key} up to ${upTo} lacks event ${seq}`);
    }
    const pairs = [...counted].toSorted(([a], [b]) => a - b).flat();
    if (!Bun.deepEquals(pairs, [...new Uint32Array(sums.slice().buffer)])) {
      problems.push(`tally ${key} is not what ${pairs.length / 2} infos add up to`);
    }
  }
}

/** Of events that are still there. */
function tailRows(db: Database, problems: string[]): number[][] {
  const parts = db.query("SELECT rows, removed FROM tail_run ORDER BY part").values();
  const rows: number[][] = [];
  const removed = new Set<number>();
  for (const [entries, seqs] of parts as [Uint8Array, Uint8Array][]) {
    const { length, keys, ages, orders, seqs: of, infos } = Run.decode(entries);
    for (let i = 0; i < length; i++) {
      rows.push([keys, ages, orders, of, infos].map((column) => column[i] as number));
    }
    for (const seq of new Float64Array(seqs.slice().buffer)) removed.add(seq);
  }
  for (const seq of removed) {
    const isThere = db.query("SELECT 1 FROM event WHERE seq = ?").values(seq).length > 0;
    if (isThere) problems.push(`event ${seq} counts as removed`);
  }
  return rows.filter((row) => !removed.has(row[3] as number));
}

function checkEvent(
  [seq, id, created_at, kind, expires, payload]: EventRow,
  expected: Set<string>,
  seen: Map<string, number>,
  problems: string[],
): void {
  const event = decodeText(payloadText(id, payload));
  const says = { id: event.id, created_at: event.created_at, kind: event.kind };
  const columns = { id: Buffer.from(id).toString("hex"), created_at, kind };
  if (!Bun.deepEquals(says, columns) || (expirationOf(event) ?? 0) !== expires) {
    problems.push(`event ${seq}: columns ${JSON.stringify(columns)} differ from the payload`);
  }
  for (const name of onlyOnce(event)) {
    const other = seen.get(name);
    if (other !== undefined) problems.push(`events ${other} and ${seq} are both ${name}`);
    seen.set(name, seq);
  }
  for (const row of termRows({ ...says, expires }, eventKeys(event), seq)) {
    const text = [row.key, row.age + 0, row.order, row.seq, row.info].join(" ");
    if (expected.has(text)) problems.push(`event ${seq} asks for a row twice: ${text}`);
    expected.add(text);
  }
}

function onlyOnce(event: NostrEvent): string[] {
  const address = naiveAddress(event);
  return address === null ? [`id ${event.id}`] : [`id ${event.id}`, `address ${address}`];
}
