// Bans for whoever writes the database and is not the relay (`nandu import`): what is banned when a
// batch begins is refused. Owned by the writing thread.

import type { Database, Statement } from "bun:sqlite";
import { type Candidate, textPubkey } from "../store/candidate.ts";
import type { Companion } from "../store/companion.ts";
import type { Verdict } from "../store/verdict.ts";
import { type Control, readControl, refuseBanned } from "./control.ts";

export class Bans implements Companion {
  private readonly db: Database;
  private readonly selectVersion: Statement;
  private control: Control;

  constructor(db: Database) {
    this.db = db;
    this.selectVersion = db.prepare("SELECT version FROM control");
    this.control = readControl(db);
  }

  begin(): void {
    const [version] = this.selectVersion.values()[0] as [number];
    if (version !== this.control.version) this.control = readControl(this.db);
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
