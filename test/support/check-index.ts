// Is a database whole? The index must hold exactly the rows that follow from the stored events, and
// the columns must say what the payloads say. For use after anything that could have torn it.

import type { Database } from "bun:sqlite";
import { type NostrEvent, expirationOf } from "../../src/protocol/event.ts";
import { decodeText } from "../../src/store/candidate.ts";
import { payloadText } from "../../src/store/payload.ts";
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
  const terms = db.query("SELECT key, age, ord, seq, kind FROM term").values();
  for (const term of terms) {
    const text = term.join(" ");
    if (!expected.delete(text)) problems.push(`term without an event: ${text}`);
  }
  for (const text of expected) problems.push(`term is missing: ${text}`);
  const [head] = db.query("SELECT seq FROM head").values()[0] as [number];
  const last = rows.at(-1)?.[0] ?? 0;
  if (head < last) problems.push(`head is ${head}, the last event is ${last}`);
  return problems;
}

function checkEvent(
  [seq, id, created_at, kind, expires, payload]: EventRow,
  expected: Set<string>,
  seen: Map<string, number>,
  problems: string[],
): void {
  const event = decodeText(payloadText(payload));
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
    const text = [row.key, row.age + 0, row.order, row.seq, row.kind].join(" ");
    if (expected.has(text)) problems.push(`event ${seq} asks for a row twice: ${text}`);
    expected.add(text);
  }
}

function onlyOnce(event: NostrEvent): string[] {
  const address = naiveAddress(event);
  return address === null ? [`id ${event.id}`] : [`id ${event.id}`, `address ${address}`];
}
