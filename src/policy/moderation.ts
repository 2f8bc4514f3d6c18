// Events that somebody has reported (NIP-56) and nobody has decided on: NIP-86's list of what needs
// moderation, made from the stored reports, newest first. Bounded; on the writing thread.

import type { NostrEvent } from "../protocol/event.ts";
import { isHex64 } from "../protocol/hex.ts";
import { KIND_REPORT } from "../protocol/kind.ts";
import { decodeText } from "../store/candidate.ts";
import type { EventReader } from "../store/read.ts";
import { idKey, kindKey } from "../store/term.ts";

/** Reports looked at: some tens of milliseconds. */
const REPORTS_MAX = 2000;
/** Events listed. */
const EVENTS_MAX = 500;
/** Index entries under an id: more than one by chance at most. */
const SAME_KEY_MAX = 4;
const REASON_LENGTH_MAX = 500;

export interface ReportedEvent {
  readonly id: string;
  readonly reason: string;
}

/** `isDecided`: an admin has allowed or banned it. Those that aren't stored need no decision. */
export function reportedEvents(
  reader: EventReader,
  isDecided: (id: string) => boolean,
): ReportedEvent[] {
  reader.head();
  const found = new Map<string, string>();
  const seen = new Set<string>();
  for (const report of newestReports(reader)) {
    for (const [name, id, type] of report.tags) {
      if (name !== "e" || !isHex64(id) || seen.has(id)) continue;
      seen.add(id);
      if (isDecided(id) || !isStored(reader, id)) continue;
      found.set(id, reasonOf(type, report.content));
      if (found.size >= EVENTS_MAX) return asList(found);
    }
  }
  return asList(found);
}

function asList(found: ReadonlyMap<string, string>): ReportedEvent[] {
  return [...found].map(([id, reason]) => ({ id, reason }));
}

function newestReports(reader: EventReader): NostrEvent[] {
  const entries = reader.entries(kindKey(KIND_REPORT), Number.NEGATIVE_INFINITY, 0, 0, REPORTS_MAX);
  const seqs = entries.map(([, , seq]) => seq);
  const place = new Map(seqs.map((seq, i) => [seq, i]));
  return reader
    .texts(seqs)
    .sort((a, b) => (place.get(a.seq) ?? 0) - (place.get(b.seq) ?? 0))
    .map(({ text }) => decodeText(text))
    .filter(({ kind }) => kind === KIND_REPORT);
}

function isStored(reader: EventReader, id: string): boolean {
  const entries = reader.entries(idKey(id), Number.NEGATIVE_INFINITY, 0, 0, SAME_KEY_MAX);
  return reader.texts(entries.map(([, , seq]) => seq)).some((stored) => stored.id === id);
}

function reasonOf(type: string | undefined, content: string): string {
  return [type ?? "", content]
    .filter((part) => part !== "")
    .join(": ")
    .slice(0, REASON_LENGTH_MAX);
}
