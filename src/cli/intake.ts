// What other relays give us, into the database, beside a running relay or without one: each event
// checked as if its author had just signed in here and published it, and written by batches, so
// that bans, members, groups, deletions and requests to vanish mean what they mean to a client's
// EVENT. What is protected (NIP-70) only its author may bring. One per command, on its only thread.

import type { Database } from "bun:sqlite";
import { nowSeconds } from "../config/clock.ts";
import { setting } from "../config/current.ts";
import { Admission, admissionRules } from "../crypto/admission.ts";
import { openSignatureBackend } from "../crypto/open-backend.ts";
import { openRelayKey } from "../crypto/relay-key.ts";
import { type Fate, fateOf, KNOWN } from "../mesh/router-intake.ts";
import { type Control, refuseBanned, TransactionControl } from "../policy/control.ts";
import { GroupsVersion } from "../policy/groups/view.ts";
import { checkForeign } from "../policy/publisher.ts";
import { refuseWriter } from "../policy/rights.ts";
import type { NostrEvent } from "../protocol/event.ts";
import { isRelayOnly } from "../protocol/kind.ts";
import { type Candidate, makeCandidate, textPubkey } from "../store/candidate.ts";
import { JointRules, NoRules } from "../store/companion.ts";
import { IdLookup } from "../store/id-lookup.ts";
import { KeyFilter } from "../store/key-filter.ts";
import { EventReader } from "../store/read.ts";
import { RelayEvents } from "../store/relay-events.ts";
import { closeForWriting, openForWriting, storeOptions } from "../store/schema.ts";
import type { Verdict } from "../store/verdict.ts";
import { EventWriter } from "../store/write.ts";
import { GroupDesk } from "../workers/group-desk.ts";
import { type EventTaker, Takings } from "./event-taker.ts";

/** Of a batch, in its events' JSON. */
const BATCH_BYTES_MAX = 8 << 20;
/** What has come is in the database so much later at most, while more comes. */
const FLUSH_MS = 500;

/** Told once it is on disk; or why it is refused. */
export type OnFate = (fate: Fate) => void;

const IGNORED: OnFate = () => {};

export class Intake implements EventTaker {
  readonly counts = new Takings();
  readonly verb = "stored";
  private readonly db: Database;
  private readonly writer: EventWriter;
  private readonly groups: GroupDesk | null;
  private readonly lookup: IdLookup;
  private readonly admission = new Admission(openSignatureBackend().backend);
  private readonly batchMax = setting("store.batch_events_max");
  private batch: Candidate[] = [];
  /** Of each of them. */
  private onFates: OnFate[] = [];
  private batchBytes = 0;
  private flushedAt = performance.now();

  /** Opens the database of the options in force, and makes it when there is none. */
  constructor() {
    const options = storeOptions();
    this.db = openForWriting(options);
    const reader = new EventReader(this.db);
    const events = new RelayEvents(openRelayKey(), reader);
    const authors = new AuthorRules(this.db);
    const control = () => authors.control;
    const { shared } = new GroupsVersion(); // no other thread of ours asks for it
    this.groups = GroupDesk.open(this.db, reader, events, control, shared);
    const parts = this.groups === null ? [authors] : [authors, this.groups];
    const rules = new JointRules(events, parts);
    this.writer = new EventWriter(this.db, options, new KeyFilter(), rules);
    this.lookup = new IdLookup(this.db);
  }

  /** It may be written later: see `flush`. */
  take(event: NostrEvent, onFate: OnFate = IGNORED): void {
    if (this.lookup.has(event.id)) {
      this.counts.known += 1;
      onFate(KNOWN);
      return;
    }
    const now = nowSeconds();
    const admitted = this.admission.admit(event, admissionRules(), now, checkForeign);
    if (typeof admitted === "string") {
      this.refuse(admitted);
      onFate({ kind: "refused", reason: admitted });
      return;
    }
    const candidate = makeCandidate(admitted.event, admitted.json, admitted.expires);
    this.batch.push(candidate);
    this.onFates.push(onFate);
    this.batchBytes += candidate.text.length;
    if (this.batch.length >= this.batchMax || this.batchBytes >= BATCH_BYTES_MAX) this.flush();
  }

  refuse(reason: string): void {
    this.counts.refuse(reason);
  }

  /** At a pause: a commit waits for the disk, so there are few of them. */
  flushIfDue(): void {
    if (performance.now() - this.flushedAt >= FLUSH_MS) this.flush();
  }

  /** Writes and commits what has been taken; when that fails, it is as if it had never come. */
  flush(): void {
    this.flushedAt = performance.now();
    const { batch, onFates } = this;
    if (batch.length === 0) return;
    this.batch = [];
    this.onFates = [];
    this.batchBytes = 0;
    const { verdicts } = this.writer.write(batch);
    for (const [i, { seq, accepted, reason }] of verdicts.entries()) {
      const fate = fateOf(seq > 0, accepted, reason);
      this.count(fate);
      onFates[i]?.(fate);
    }
    this.groups?.committed();
    this.writer.maintain();
  }

  close(): void {
    try {
      this.flush();
      while (this.writer.maintain());
      while (this.writer.sums.keep(true));
    } finally {
      closeForWriting(this.db);
    }
  }

  private count(fate: Fate): void {
    if (fate.kind === "refused") this.refuse(fate.reason);
    else this.counts[fate.kind] += 1;
  }
}

/** What the ingester and the writer of a relay ask of an event's author. */
class AuthorRules extends NoRules {
  control: Control;
  private readonly state: TransactionControl;

  constructor(db: Database) {
    super();
    this.state = new TransactionControl(db);
    this.control = this.state.read();
  }

  override begin(): void {
    this.control = this.state.read();
  }

  override judge({ id, kind, text }: Candidate): Verdict | null {
    const author = textPubkey(text);
    const reason =
      refuseBanned(this.control, id, author, kind) ??
      (isRelayOnly(kind)
        ? (`restricted: only the relay itself publishes events of kind ${kind}` as const)
        : refuseWriter(this.control, author, new Set([author])));
    return reason === null ? null : { accepted: false, reason, seq: 0 };
  }
}
