// Bans for whoever writes the database and is not the relay (`nandu import`): what is banned when a
// batch begins is refused. Owned by the writing thread.

import type { Database } from "bun:sqlite";
import { type Candidate, textPubkey } from "../store/candidate.ts";
import type { Companion } from "../store/companion.ts";
import type { Verdict } from "../store/verdict.ts";
import { type Control, refuseBanned, TransactionControl } from "./control.ts";

export class Bans implements Companion {
  private readonly state: TransactionControl;
  private control: Control;

  constructor(db: Database) {
    this.state = new TransactionControl(db);
    this.control = this.state.read();
  }

  begin(): void {
    this.control = this.state.read();
  }

  judge({ id, kind, text }: Candidate): Verdict | null {
    if (!this.control.hasRules) return null;
    const reason = refuseBanned(this.control, id, textPubkey(text), kind);
    return reason === null ? null : { accepted: false, reason, seq: 0 };
  }

  check(): null {
    return null;
  }

  keeps(): boolean {
    return false;
  }

  accepted(): null {
    return null;
  }

  takeOwn(): readonly Candidate[] {
    return [];
  }

  published(): void {}
}
