// Bans for whoever writes the database and is not the relay (`nandu import`): what is banned when a
// batch begins is refused. Owned by the writing thread.

import type { Database } from "bun:sqlite";
import { type Candidate, textPubkey } from "../store/candidate.ts";
import { type Companion, NoRules } from "../store/companion.ts";
import type { Verdict } from "../store/verdict.ts";
import { type Control, refuseBanned, TransactionControl } from "./control.ts";

export class Bans extends NoRules implements Companion {
  private readonly state: TransactionControl;
  private control: Control;

  constructor(db: Database) {
    super();
    this.state = new TransactionControl(db);
    this.control = this.state.read();
  }

  override begin(): void {
    this.control = this.state.read();
  }

  override judge({ id, kind, text }: Candidate): Verdict | null {
    if (!this.control.hasRules) return null;
    const reason = refuseBanned(this.control, id, textPubkey(text), kind);
    return reason === null ? null : { accepted: false, reason, seq: 0 };
  }

  takeOwn(): readonly Candidate[] {
    return [];
  }

  published(): void {}
}
