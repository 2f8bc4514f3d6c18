// A store in a folder of its own, as a test wants it: events in, events out.

import type { Database } from "bun:sqlite";
import { encodeEvent, type NostrEvent } from "../../src/protocol/event.ts";
import { candidateOf, decodeText } from "../../src/store/candidate.ts";
import { payloadText } from "../../src/store/payload.ts";
import { EventReader } from "../../src/store/read.ts";
import { openForReading, openForWriting, type StoreOptions } from "../../src/store/schema.ts";
import { EventWriter, type WriterOptions, type WriteResult } from "../../src/store/write.ts";
import { TempDir } from "./temp-dir.ts";

/** Small enough that caches overflow; nothing here has to survive a power loss. */
export function storeOptions(dataDir: string): StoreOptions {
  return {
    dataDir,
    synchronous: "off",
    cacheBytes: 256 * 1024,
    mmapBytes: 0,
    tailEvents: 40,
    checkpointPages: 1000,
    historyEntriesMax: 1000,
    isThisRelay: (url) => url === "wss://here.example",
  };
}

export class TestStore {
  private readonly dir = new TempDir();
  readonly options = storeOptions(this.dir.path);
  readonly db: Database = openForWriting(this.options);
  writer = new EventWriter(this.db, this.options);
  private readonly others: Database[] = [];

  write(...events: NostrEvent[]): WriteResult {
    const result = this.writer.write(events.map(candidateOf));
    this.writer.maintain();
    return result;
  }

  /** As after a restart: a writer that has to look up everything. */
  restartWriter(): void {
    this.writer = new EventWriter(this.db, this.options);
  }

  /** Moves all of the index into its table. */
  moveTail(): void {
    const writer = new EventWriter(this.db, { ...this.options, tailEvents: 1 });
    while (writer.maintain());
  }

  /** Writes all of them, cut into batches of these sizes by turns. */
  writeInBatches(events: readonly NostrEvent[], sizes: readonly number[]): WriteResult[] {
    const results: WriteResult[] = [];
    for (let done = 0; done < events.length;) {
      const size = sizes[results.length % sizes.length] as number;
      results.push(this.write(...events.slice(done, done + size)));
      done += size;
    }
    return results;
  }

  /** What is stored, in the order of `seq`, each compared byte by byte with its own encoding. */
  events(): NostrEvent[] {
    return this.rows().map(([, event]) => event);
  }

  rows(): [seq: number, event: NostrEvent][] {
    const rows = this.db.query("SELECT seq, id, payload FROM event ORDER BY seq").values();
    return (rows as [number, Uint8Array, Uint8Array][]).map(([seq, id, payload]) => {
      const text = payloadText(id, payload).toString();
      const event = decodeText(Buffer.from(text));
      if (encodeEvent(event).json !== text) throw new Error(`event ${seq} reads ${text}`);
      return [seq, event];
    });
  }

  /** Another connection that writes, as another process would. */
  openWriter(options: WriterOptions = this.options): EventWriter {
    const db = openForWriting(this.options);
    this.others.push(db);
    return new EventWriter(db, options);
  }

  openReader(): EventReader {
    const db = openForReading(this.options);
    this.others.push(db);
    return new EventReader(db);
  }

  [Symbol.dispose](): void {
    for (const db of this.others) db.close();
    this.db.close();
    this.dir[Symbol.dispose]();
  }
}
