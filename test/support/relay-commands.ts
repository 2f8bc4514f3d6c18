// Databases and commands for tests of what moves events between relays.

import { encodeEvent, type NostrEvent } from "../../src/protocol/event.ts";
import { candidateOf, decodeText } from "../../src/store/candidate.ts";
import { EventReader } from "../../src/store/read.ts";
import { closeForWriting, openForReading, openForWriting } from "../../src/store/schema.ts";
import { EventWriter } from "../../src/store/write.ts";
import { runNandu } from "./relay-process.ts";
import { storeOptions } from "./test-store.ts";
import { newestFirst } from "./topic.ts";
import { reportOf } from "./transfer-output.ts";

/** Beside a relay that runs, too. */
export function storeAll(dataDir: string, events: readonly NostrEvent[]): void {
  const options = storeOptions(dataDir);
  const db = openForWriting(options);
  new EventWriter(db, options).write(events.map(candidateOf));
  closeForWriting(db);
}

/** Everything that is stored, newest first. */
export function storedIn(dataDir: string): NostrEvent[] {
  const db = openForReading(storeOptions(dataDir));
  const reader = new EventReader(db);
  const texts = reader.textsAfter(0, reader.head(), Number.MAX_SAFE_INTEGER);
  const events = texts.map(({ text }) => {
    const event = decodeText(text);
    if (encodeEvent(event).json !== text.toString()) throw new Error(`stored as ${text}`);
    return event;
  });
  db.close();
  return newestFirst(events);
}

export interface TransferResult {
  readonly code: number;
  readonly report: string;
  readonly stdout: string;
}

export async function runTransfer(dataDir: string, ...args: string[]): Promise<TransferResult> {
  const { code, stdout, stderr } = await runNandu([...args, `--data-dir=${dataDir}`]);
  return { code, report: reportOf(stderr), stdout };
}
