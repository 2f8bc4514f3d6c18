// Running sums for syncs (NIP-77): how many of a set's events fall into each hour and each month,
// and the sum of their ids, apart for each class of events that are seen by the same viewers. The
// tables, and what a row of them is about. Pure.
//
//   sum_set   the sets: 0 is all events, others are what an operator's filter matches; the sums
//             have the events up to the seq `upto` (sum-sets.ts)
//   sums      set, level, bucket of time, kind, groups → how many events, the sum of their ids
//   taken     events that are in some set's sums and have been removed since
//
// A batch touches none of these but by one appended row for each event that it removes, of those
// that are summed: a trigger adds it, so no way of removing one can be forgotten, whoever writes.
// The writer brings the sums up to date by and by (sum-keeper.ts): first `taken` is emptied, then
// `upto` moves on. So what is in `taken` concerns just the sets whose `upto` is not below its seq.

import { decodeText } from "./candidate.ts";

export const SUM_TABLES = `
  CREATE TABLE sum_set (
    id INTEGER PRIMARY KEY AUTOINCREMENT, -- never reused: a sync may still go by one that is gone
    filter TEXT NOT NULL UNIQUE,          -- in the form of sum-sets.ts
    upto INTEGER NOT NULL
  ) STRICT;
  INSERT INTO sum_set VALUES (0, '{}', 0);
  CREATE TABLE sums (
    set_id INTEGER NOT NULL,
    level INTEGER NOT NULL,    -- 0: hours, 1: months
    bucket INTEGER NOT NULL,
    kind INTEGER NOT NULL,
    groups TEXT NOT NULL,
    count INTEGER NOT NULL,
    sum BLOB NOT NULL,         -- of the ids, mod 2^256: 32 bytes, little-endian
    PRIMARY KEY (set_id, level, bucket, kind, groups)
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE taken (
    n INTEGER PRIMARY KEY AUTOINCREMENT, -- never reused: who reads by pieces knows what is new
    seq INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    kind INTEGER NOT NULL,
    id BLOB NOT NULL,
    payload BLOB               -- where the event has an h tag, or there are more sets than one
  ) STRICT;
  CREATE TRIGGER summed_taken AFTER DELETE ON event
  WHEN old.seq <= (SELECT max(upto) FROM sum_set)
  BEGIN
    INSERT INTO taken (seq, created_at, kind, id, payload)
    VALUES (old.seq, old.created_at, old.kind, old.id,
      iif((SELECT max(id) FROM sum_set) > 0 OR instr(old.payload, x'5b2268222c') > 0,
        old.payload, NULL));
  END;
  `;

/** In SQL: the event's payload if it has an `h` tag, or if it is wanted anyway. */
export function payloadSql(isWanted: string): string {
  return `iif(${isWanted} OR instr(payload, x'5b2268222c') > 0, payload, NULL)`;
}

export const HOUR_S = 3600;
/** Of 30 days. An edge of a range is an hour's scan; the rest of 10 years, 120 months' rows. */
export const MONTH_HOURS = 720;
export const HOURS = 0;
export const MONTHS = 1;

export const SEVERAL_GROUPS = "+";
const H_TAG = Buffer.from('["h",');
/** Others count as several: each group has a row in each of its hours. */
const PLAIN_GROUP_ID = /^[\x20-\x7e]{0,64}$/;

/**
 * With its kind, what decides who may see an event, but for its own author and recipients: "" where
 * it has no `h` tag, `=` and the group where it has one, `+` where it isn't so simple. Events of a
 * class like that are seen by the same viewers, or each is looked at. `text`: null when it is known
 * to have no `h` tag.
 */
export function groupsOf(text: Buffer | null): string {
  if (text === null || !text.includes(H_TAG)) return "";
  const ids = new Set<string>();
  for (const [name, value] of decodeText(text).tags) if (name === "h") ids.add(value ?? "");
  const [id] = ids;
  return ids.size === 1 && PLAIN_GROUP_ID.test(id as string) ? `=${id}` : SEVERAL_GROUPS;
}

/** The group of which all events of a class are; null when that can't be told. */
export function groupIdOf(groups: string): string | null {
  return groups === SEVERAL_GROUPS ? null : groups.slice(1);
}

export function hourOf(createdAt: number): number {
  return Math.floor(createdAt / HOUR_S);
}

export function monthOfHour(hour: number): number {
  return Math.floor(hour / MONTH_HOURS);
}
