// Which stored events are older than the relay keeps them. Works through the index a bounded piece
// at a time: each kind that has a time of its own, then all others. Owned by the writer's thread,
// which removes what is found.

import type { Retention } from "../config/retention.ts";
import { infoKind } from "./info.ts";
import type { EventReader } from "./read.ts";
import { ALL_KEY, kindKey } from "./term.ts";

/** Index entries looked at in one step: some tens of milliseconds' work, if all are removed. */
const STEP_ENTRIES = 256;

type Place = [age: number, order: number, seq: number];

interface Part {
  readonly key: number;
  /** Null for the part that looks at all kinds without a time of their own. */
  readonly kind: number | null;
  place: Place;
}

/** One pass over all that is too old at its beginning. */
export class RetentionPass {
  private readonly reader: EventReader;
  private readonly rules: Retention;
  private readonly parts: Part[] = [];

  /** `now` in unix seconds. */
  constructor(reader: EventReader, rules: Retention, now: number) {
    this.reader = reader;
    this.rules = rules;
    const add = (key: number, kind: number | null, seconds: number): void => {
      // What is as old as that to the second is still kept.
      if (seconds > 0) this.parts.push({ key, kind, place: [seconds - now, Infinity, 0] });
    };
    for (const [kind, seconds] of rules.kinds) add(kindKey(kind), kind, seconds);
    add(ALL_KEY, null, rules.others);
  }

  get isDone(): boolean {
    return this.parts.length === 0;
  }

  /**
   * The seqs of some that are too old; maybe none, though the pass is not done. Not looked at
   * closer: who makes a tag that shares its key with a kind has their own event taken for old.
   */
  step(): number[] {
    const [part] = this.parts;
    if (part === undefined) return [];
    this.reader.head(); // what has come since the last step, or the last pass
    const entries = this.reader.entries(part.key, ...part.place, STEP_ENTRIES);
    const seqs: number[] = [];
    for (const [age, order, seq, info] of entries) {
      part.place = [age, order, seq];
      const isOwn = part.kind !== null || !this.rules.kinds.has(infoKind(info));
      if (isOwn) seqs.push(seq);
    }
    if (entries.length < STEP_ENTRIES) this.parts.shift();
    return seqs;
  }
}
