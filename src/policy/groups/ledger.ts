// The writer's book of groups (NIP-29): says of each event of a group whether it may be stored, and
// keeps, in the transaction that stores it, what it changes, with what the relay itself publishes
// because of it: its answers at once, metadata once for all of a batch.
//
// Each version of a group's metadata is a second later than the one before, or clients would keep
// the wrong one. So that a crowd which joins within a second doesn't carry it far into the future,
// metadata waits once it is ahead of the clock, and says then all that has changed meanwhile.

import type { Database } from "bun:sqlite";
import type { NostrEvent } from "../../protocol/event.ts";
import { KIND_VANISH } from "../../protocol/kind.ts";
import type { Reason } from "../../protocol/reason.ts";
import { type Candidate, candidateOf, decodeText } from "../../store/candidate.ts";
import type { Aftermath } from "../../store/companion.ts";
import type { EventReader } from "../../store/read.ts";
import { Allowance } from "./allowance.ts";
import { applyModeration } from "./apply.ts";
import { checkGroupEvent } from "./check.ts";
import { KIND_DELETE_EVENT, tagValues } from "./group.ts";
import { GroupLookup } from "./lookup.ts";
import {
  answerTo,
  metadataTemplate,
  removalFor,
  type Signer,
  staleMetadata,
  type Template,
} from "./relay-events.ts";
import type { GroupRules } from "./rules.ts";
import { GroupTable } from "./table.ts";
import { textConcernsGroups } from "./text.ts";

/** How far ahead of the clock metadata may be. */
const AHEAD_S_MAX = 10;

/**
 * A signature may take the writer a millisecond (@noble/curves), thirty times what an event does.
 * So who joins or leaves is told to come again when many do at once, and metadata waits.
 */
const ANSWERS_PER_SECOND_MAX = 200;
const SIGNATURES_PER_SECOND_MAX = 500;

/** Who is who on this relay, as of now. */
export interface Standing {
  isAdmin(pubkey: string): boolean;
  isMember(pubkey: string): boolean;
}

export interface LedgerOptions {
  readonly key: Signer;
  readonly rules: GroupRules;
  readonly standing: Standing;
  readonly nowSeconds: () => number;
  /** Whether an event asks this relay to forget its author (NIP-62). */
  readonly isVanish: (event: NostrEvent) => boolean;
}

export class GroupLedger {
  private readonly options: LedgerOptions;
  private readonly lookup: GroupLookup;
  private readonly table: GroupTable;
  private readonly answers = new Allowance(ANSWERS_PER_SECOND_MAX);
  private readonly signatures = new Allowance(SIGNATURES_PER_SECOND_MAX);
  /** Groups whose rows this transaction has to write. */
  private readonly touched = new Set<string>();
  /** Whether the table has been looked at in this transaction. */
  private isFresh = false;
  /** What is in memory may be of a transaction that came to nothing. */
  private isUncommitted = false;
  /** The event last checked: what is accepted is what was checked just before. */
  private event: NostrEvent | null = null;

  constructor(db: Database, reader: EventReader, options: LedgerOptions) {
    this.options = options;
    this.lookup = new GroupLookup(reader);
    this.table = new GroupTable(db);
    this.table.refresh(false);
  }

  /** Of the table: what other threads are told. */
  get version(): number {
    return this.table.version;
  }

  /** Metadata has waited long enough: a batch is due, be it an empty one. */
  get isDue(): boolean {
    for (const id of this.table.waiting) if (this.mayPublish(id)) return true;
    return false;
  }

  // Within a transaction

  begin(): void {
    this.isFresh = false;
    this.settle();
    this.touched.clear();
    this.lookup.begin();
  }

  /** Of an event that is new here: a reason against it, or null. */
  check(candidate: Candidate): Reason | null {
    this.event = null;
    const isVanish = candidate.kind === KIND_VANISH;
    if (!isVanish && !textConcernsGroups(candidate.kind, candidate.text)) return null;
    this.refresh();
    const event = decodeText(candidate.text);
    const { lookup, table } = this;
    const { key, rules, standing, nowSeconds } = this.options;
    const refusal = checkGroupEvent(table.groups, event, rules, {
      now: nowSeconds(),
      groupCount: table.count,
      isOfRelay: (pubkey) => pubkey === key.pubkey || standing.isAdmin(pubkey),
      isRelayMember: (pubkey) => standing.isMember(pubkey),
      findEvent: (id) => lookup.findEvent(id),
      hasRecent: (groupId, start) => lookup.hasRecent(groupId, start),
    });
    if (refusal !== null) return refusal;
    if (answerTo(event) !== null && !this.answers.hasRoom(nowSeconds())) {
      return "rate-limited: too many join, leave or create groups at once, try again";
    }
    this.event = event;
    return null;
  }

  /** The event that was checked last will be stored. */
  accepted(): Aftermath | null {
    const { event } = this;
    if (event === null) return null;
    this.event = null;
    if (event.kind === KIND_VANISH) {
      return this.options.isVanish(event) ? this.removeEverywhere(event) : null;
    }
    this.lookup.add(event);
    const removed = event.kind === KIND_DELETE_EVENT ? [...tagValues(event, "e")] : [];
    for (const id of removed) this.lookup.remove(id);
    this.apply(event);
    const template = answerTo(event);
    if (template === null) return removed.length === 0 ? null : { own: [], removed };
    const now = this.options.nowSeconds();
    this.answers.use(now);
    const answer = this.sign(template, now);
    this.apply(answer);
    return { own: [candidateOf(answer)], removed };
  }

  /** After the last event: writes the rows, and returns the metadata to be published with them. */
  end(): readonly Candidate[] {
    if (this.touched.size === 0 && this.table.waiting.size === 0) return [];
    this.refresh();
    const own: Candidate[] = [];
    for (const id of this.table.waiting) {
      if (this.mayPublish(id))
        for (const event of this.metadataOf(id)) own.push(candidateOf(event));
    }
    this.table.save(this.touched);
    return own;
  }

  /** After the commit. */
  committed(): void {
    this.isUncommitted = false;
  }

  /** Another process may have written, or what this one wrote has come to nothing. */
  poll(): void {
    this.table.refresh(this.isUncommitted);
    this.isUncommitted = false;
  }

  /** Outside a transaction: what is in memory shall be what was committed. */
  settle(): void {
    if (this.isUncommitted) this.poll();
  }

  private refresh(): void {
    if (this.isFresh) return;
    this.table.refresh(false);
    this.isUncommitted = true;
    this.isFresh = true;
  }

  private apply(event: NostrEvent): void {
    const { table } = this;
    for (const [id, group] of applyModeration(table.groups, event)) {
      const before = table.groups.get(id) ?? null;
      table.put(id, group);
      const { stamp, stale } = table.publicationOf(id);
      const more = group === null ? [] : staleMetadata(before, group);
      table.publish(id, { stamp, stale: group === null ? [] : [...new Set([...stale, ...more])] });
      this.touched.add(id);
    }
  }

  /** Who vanishes is a member of nothing any more. */
  private removeEverywhere({ id: causeId, pubkey }: NostrEvent): Aftermath {
    const own: Candidate[] = [];
    for (const [id, group] of this.table.groups) {
      if (group === null || !group.members.has(pubkey)) continue;
      const removal = this.sign(removalFor(id, pubkey, causeId), this.options.nowSeconds());
      this.apply(removal);
      own.push(candidateOf(removal));
    }
    return { own, removed: [] };
  }

  private mayPublish(id: string): boolean {
    const now = this.options.nowSeconds();
    const { stamp } = this.table.publicationOf(id);
    return stamp < now + AHEAD_S_MAX && this.signatures.hasRoom(now);
  }

  private metadataOf(id: string): NostrEvent[] {
    const { table } = this;
    const group = table.groups.get(id);
    if (group === undefined || group === null) return [];
    const { stamp, stale } = table.publicationOf(id);
    const created_at = Math.max(this.options.nowSeconds(), stamp + 1);
    table.publish(id, { stamp: created_at, stale: [] });
    this.touched.add(id);
    return stale.toSorted().map((kind) => this.sign(metadataTemplate(group, kind), created_at));
  }

  private sign(template: Template, created_at: number): NostrEvent {
    this.signatures.use(this.options.nowSeconds());
    return this.options.key.sign({ ...template, created_at });
  }
}
