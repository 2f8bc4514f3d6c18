// Which events only we have, and which only another relay, by NIP-77. All differences are found
// before anything is transferred, so that the relay needs to keep its side of it for moments only;
// when the connection breaks, it begins anew with what is stored by then. Belongs to one thread.

import { Initiator } from "../negentropy/initiator.ts";
import { END, START } from "../negentropy/bound.ts";
import type { ItemStorage } from "../negentropy/item-storage.ts";
import { SumsGone } from "../store/sum-view.ts";
import { IdList } from "./id-list.ts";
import type { FilterJson } from "./paging.ts";
import { PeerError, PeerFault, PeerRefusal, shown } from "./peer-error.ts";
import type { RelayClient, SyncAnswer } from "./relay-client.ts";
import type { Session } from "./session.ts";

export interface Differences {
  readonly have: IdList;
  readonly need: IdList;
  /** How many events of ours were compared. */
  readonly itemCount: number;
  /** There were too many to keep: more will be found next time. */
  readonly isPartial: boolean;
}

export type Reconciled =
  | ({ readonly kind: "found" } & Differences)
  /** The relay doesn't do it, as far as can be seen. */
  | { readonly kind: "unsupported"; readonly why: string };

export interface ReconcileOptions {
  readonly filter: FilterJson;
  /** What the filter matches here; called again when a connection breaks or `SumsGone`. */
  readonly readItems: () => ItemStorage | Promise<ItemStorage>;
  /** Of a message of ours, in bytes; in hex it takes twice as many. */
  readonly frameBytesMax: number;
  /** Answers of the relay. */
  readonly roundsMax: number;
  /** Of ids that differ, kept at once. */
  readonly idsMax: number;
}

/** As strfry's. */
const SYNC_ID = "N";

export async function reconcile(session: Session, options: ReconcileOptions): Promise<Reconciled> {
  const result = await session.run((client) => compare(client, options));
  session.progressed();
  return result;
}

/** Anew when what our side went by has been removed: then it goes by something else. */
async function compare(client: RelayClient, options: ReconcileOptions): Promise<Reconciled> {
  for (;;) {
    const items = await options.readItems();
    try {
      return await new Reconciliation(client, options, items).run();
    } catch (error) {
      if (!(error instanceof SumsGone)) throw error;
    }
  }
}

class Reconciliation {
  private readonly client: RelayClient;
  private readonly options: ReconcileOptions;
  private readonly itemCount: number;
  private readonly have = new IdList();
  private readonly need = new IdList();
  private readonly initiator: Initiator;

  constructor(client: RelayClient, options: ReconcileOptions, items: ItemStorage) {
    this.client = client;
    this.options = options;
    this.itemCount = items.sum(START, END).count;
    this.initiator = new Initiator(items, options.frameBytesMax, {
      onHave: (id) => this.have.add(id),
      onNeed: (id) => this.need.add(id),
    });
  }

  async run(): Promise<Reconciled> {
    const opening = await this.open();
    if (opening.kind !== "message") return this.refused(opening);
    let { message } = opening;
    const { roundsMax, idsMax } = this.options;
    for (let round = 0; round < roundsMax; round++) {
      const outcome = this.initiator.reconcile(message);
      switch (outcome.kind) {
        case "done":
          return this.end(false);
        case "flawed":
          throw new PeerFault(`its message of a sync is flawed: ${outcome.flaw}`);
        case "version": {
          const why = `version 0x${outcome.version.toString(16)} of negentropy`;
          return { kind: "unsupported", why };
        }
        case "message":
          if (this.have.count + this.need.count > idsMax) return this.end(true);
          message = await this.next(outcome.message);
      }
    }
    throw new PeerFault(`the sync had no end after ${roundsMax} messages`);
  }

  private async open(): Promise<SyncAnswer> {
    const first = Buffer.from(this.initiator.initiate()).toString("hex");
    const message = ["NEG-OPEN", SYNC_ID, this.options.filter, first];
    const answer = await this.client.exchange(message, true);
    const needsSignIn = answer.kind === "error" && /^auth-required\b/.test(answer.reason);
    if (!needsSignIn || !(await this.client.signIn())) return answer;
    return this.client.exchange(message, true);
  }

  private refused(answer: Exclude<SyncAnswer, { kind: "message" }>): Reconciled {
    switch (answer.kind) {
      case "silence":
        return { kind: "unsupported", why: "no answer" };
      case "notice":
        return { kind: "unsupported", why: shown(answer.text) };
      case "error":
        if (/^unsupported\b/.test(answer.reason)) {
          return { kind: "unsupported", why: shown(answer.reason) };
        }
        throw new PeerRefusal("it refused the sync", shown(answer.reason));
    }
  }

  private async next(message: Uint8Array): Promise<Uint8Array> {
    const hex = Buffer.from(message).toString("hex");
    const answer = await this.client.exchange(["NEG-MSG", SYNC_ID, hex], false);
    if (answer.kind === "message") return answer.message;
    const said = answer.kind === "error" ? shown(answer.reason) : "no answer to a message of it";
    if (answer.kind === "error" && !/^closed\b/.test(said)) {
      throw new PeerRefusal("it ended the sync", said);
    }
    const error = new PeerError(`it ended the sync: ${said}`);
    this.client.close(error); // what comes late must not be taken for an answer to what comes next
    throw error;
  }

  private end(isPartial: boolean): Reconciled {
    this.client.endSync(SYNC_ID);
    const { have, need, itemCount } = this;
    return { kind: "found", have, need, itemCount, isPartial };
  }
}
