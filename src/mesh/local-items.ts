// What a sync (NIP-77) reads here, whoever may see it: time and id of all that a filter matches, to
// be compared, and the events that are then to be sent. Belongs to the thread of its reader.

import { type ItemVector, ItemVectorBuilder } from "../negentropy/item-vector.ts";
import { isProtected } from "../policy/publisher.ts";
import { type Filter, MATCH_ALL } from "../protocol/filter.ts";
import { Visibility } from "../protocol/visibility.ts";
import { type ItemReader, type ItemScan, openItemScan } from "../store/item-scan.ts";
import { decodeText } from "../store/candidate.ts";
import type { EventReader, StoredText } from "../store/read.ts";
import { Scan } from "../store/scan.ts";
import { Sight } from "../store/sight.ts";

/** Of a read that others wait for. */
const SLICE_MS = 10;
/** Events read at once. */
const BATCH_IDS = 64;

const EVERYTHING = new Visibility({
  privateKinds: new Set(),
  signedInKinds: new Set(),
  isAllSignedIn: false,
});

export function readItems(reader: ItemReader, filter: Filter): ItemVector {
  const builder = new ItemVectorBuilder();
  reader.inSnapshot(() => {
    const scan = openScan(reader, filter, builder);
    while (!scan.step());
  });
  return builder.seal();
}

/** The same for a thread that has other things to do meanwhile. What is removed may be missing. */
export async function readItemsBySlices(reader: ItemReader, filter: Filter): Promise<ItemVector> {
  const builder = new ItemVectorBuilder();
  const scan = reader.inSnapshot(() => openScan(reader, filter, builder));
  for (;;) {
    const until = performance.now() + SLICE_MS;
    const isDone = reader.inSnapshot(() => {
      while (performance.now() < until) if (scan.step()) return true;
      return false;
    });
    if (isDone) return builder.seal();
    await nextTurn();
  }
}

function openScan(reader: ItemReader, filter: Filter, builder: ItemVectorBuilder): ItemScan {
  return openItemScan(reader, filter, new Sight(EVERYTHING), {
    itemsMax: Number.MAX_SAFE_INTEGER,
    nowSeconds,
    onItem: (createdAt, id) => builder.add(createdAt, id),
  });
}

/** For sockets and timers: with nothing to wait for, a long read would leave them none. */
export function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

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
    if (found !== "working") yield found;
  }
}

/** Protected events (NIP-70) only their authors may publish. */
export function isOursToSend(text: Buffer): boolean {
  return !text.includes('["-"') || !isProtected(decodeText(text));
}

function nowSeconds(): number {
  return Math.floor(Date.now() / 1000);
}
