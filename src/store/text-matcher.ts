// Does a stored event match a filter, apart from its time? Told from the bytes of its JSON, which
// `encodeEvent` wrote and which therefore have one form only; parsing it takes ten times as long.

import { type Filter, matchesFilter } from "../protocol/filter.ts";
import { decodeText, textId, textKind, textPubkey } from "./candidate.ts";
import type { StoredEvent } from "./stored-event.ts";

/** With more values of tags than this, parsing is faster than looking for each. */
const NEEDLES_MAX = 16;

export class TextMatcher {
  private readonly filter: Filter;
  /**
   * For each tag condition, how a tag of each of its values begins: `["t","nostr"`. Nothing else in
   * an event can contain that: in a string, the quotes would be escaped. Null when there are many,
   * and when words are asked for.
   */
  private readonly needles: readonly (readonly Buffer[])[] | null;

  constructor(filter: Filter) {
    this.filter = filter;
    const count = filter.tags.reduce((sum, { values }) => sum + values.size, 0);
    this.needles =
      count > NEEDLES_MAX || filter.search !== null
        ? null
        : filter.tags.map(({ letter, values }) => [...values].map((v) => needleOf(letter, v)));
  }

  /** The same of a stored event; its text isn't made where nothing of it is asked for. */
  matchesStored(stored: StoredEvent): boolean {
    if (this.needles === null || this.needles.length > 0) return this.matches(stored.text);
    const { ids, authors, kinds } = this.filter;
    if (ids !== null && !ids.has(stored.id)) return false;
    if (authors !== null && !authors.has(stored.pubkey)) return false;
    return kinds === null || kinds.has(stored.kind);
  }

  matches(text: Buffer): boolean {
    const { ids, authors, kinds } = this.filter;
    if (this.needles === null) return matchesFilter(this.filter, decodeText(text));
    if (ids !== null && !ids.has(textId(text))) return false;
    if (authors !== null && !authors.has(textPubkey(text))) return false;
    if (kinds !== null && !kinds.has(textKind(text))) return false;
    for (const needles of this.needles) {
      if (!needles.some((needle) => text.includes(needle))) return false;
    }
    return true;
  }
}

function needleOf(letter: string, value: string): Buffer {
  return Buffer.from(JSON.stringify([letter, value]).slice(0, -1));
}
