// The events that a sync or a stream sends: read by their ids, and which of them are ours to send.
// Belongs to the thread of its reader.

import { nowSeconds } from "../config/clock.ts";
import { isProtected } from "../policy/publisher.ts";
import { MATCH_ALL } from "../protocol/filter.ts";
import { decodeText } from "../store/candidate.ts";
import type { EventReader } from "../store/read.ts";
import { Scan } from "../store/scan.ts";
import type { StoredText } from "../store/stored-event.ts";

/** Events read at once. */
const BATCH_IDS = 64;

/** Those that are still there, some at a time. `ids`: 64 hex digits each. */
export function* readEvents(
  reader: EventReader,
  ids: Iterable<string>,
): Generator<StoredText, undefined> {
  let batch = new Set<string>();
  for (const id of ids) {
    batch.add(id);
    if (batch.size < BATCH_IDS) continue;
    yield* readBatch(reader, batch);
    batch = new Set();
  }
  yield* readBatch(reader, batch);
}

function* readBatch(
  reader: EventReader,
  ids: ReadonlySet<string>,
): Generator<StoredText, undefined> {
  if (ids.size === 0) return;
  const options = { limitDefault: BATCH_IDS, limitMax: BATCH_IDS, tiesMax: 0, nowSeconds };
  const scan = new Scan(reader, [{ ...MATCH_ALL, ids }], options);
  for (let found = scan.next(); found !== "done"; found = scan.next()) {
    if (found !== "working") yield found.stored;
  }
}

/** Protected events (NIP-70) only their authors may publish. */
export function isOursToSend(text: Buffer): boolean {
  return !text.includes('["-"') || !isProtected(decodeText(text));
}
