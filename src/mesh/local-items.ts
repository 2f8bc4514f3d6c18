// Time and id of all that a filter matches here, whoever may see it: what a sync compares (NIP-77).
// Belongs to the thread of its reader.

import { type ItemVector, ItemVectorBuilder } from "../negentropy/item-vector.ts";
import type { Filter } from "../protocol/filter.ts";
import { Visibility } from "../protocol/visibility.ts";
import { type ItemReader, openItemScan } from "../store/item-scan.ts";
import { Sight } from "../store/sight.ts";

const EVERYTHING = new Visibility({
  privateKinds: new Set(),
  signedInKinds: new Set(),
  isAllSignedIn: false,
});

export function readItems(reader: ItemReader, filter: Filter): ItemVector {
  const builder = new ItemVectorBuilder();
  const options = {
    itemsMax: Number.MAX_SAFE_INTEGER,
    nowSeconds: () => Math.floor(Date.now() / 1000),
    onItem: (createdAt: number, id: Uint8Array) => builder.add(createdAt, id),
  };
  reader.inSnapshot(() => {
    const scan = openItemScan(reader, filter, new Sight(EVERYTHING), options);
    while (!scan.step());
  });
  return builder.seal();
}
