// A router in the test's own process, over a database of its own; what comes is stored at once and
// not checked.

import { join } from "node:path";
import type { Database } from "bun:sqlite";
import { writeFileSync } from "node:fs";
import type { NostrEvent } from "../../src/protocol/event.ts";
import { Router } from "../../src/mesh/router.ts";
import type { PeerCounters, PeerState } from "../../src/mesh/peer-counters.ts";
import { type Fate, IntakeFault } from "../../src/mesh/router-intake.ts";
import { candidateOf, decodeText } from "../../src/store/candidate.ts";
import { ItemReader } from "../../src/store/item-scan.ts";
import { openForReading, openForWriting } from "../../src/store/schema.ts";
import { EventWriter } from "../../src/store/write.ts";
import { TempDir } from "./temp-dir.ts";
import { storeOptions } from "./test-store.ts";
import { newestFirst } from "./topic.ts";

export class TestRouter {
  readonly dir = new TempDir();
  readonly file = join(this.dir.path, "router.conf");
  /** What the next events from elsewhere meet with, one after another. */
  readonly faults: (string | null)[] = [];
  router: Router | null = null;
  private readonly db: Database;
  private readonly writer: EventWriter;
  private readonly readers: Database[] = [];

  constructor(events: readonly NostrEvent[] = []) {
    const options = storeOptions(this.dir.path);
    this.db = openForWriting(options);
    this.writer = new EventWriter(this.db, options);
    this.publish(...events);
  }

  /** With the streams of the file, which is written first. */
  start(streams: string, more = ""): Router {
    this.write(streams, more);
    const db = openForReading(storeOptions(this.dir.path));
    this.readers.push(db);
    this.router = new Router({
      file: this.file,
      dataDir: this.dir.path,
      db,
      intake: { take: (event) => this.take(event) },
      onFatal: (error) => {
        throw error;
      },
    });
    return this.router;
  }

  write(streams: string, more = ""): void {
    const text = `connectionTimeout = 5 verbose = false ${more} streams { ${streams} }`;
    writeFileSync(this.file, text);
  }

  /** As if a client of its own had published them. */
  publish(...events: readonly NostrEvent[]): void {
    if (events.length > 0) this.writer.write(events.map(candidateOf));
  }

  /** All that is stored, newest first. */
  get stored(): NostrEvent[] {
    const db = openForReading(storeOptions(this.dir.path));
    const reader = new ItemReader(db);
    const texts = reader.textsAfter(0, reader.head(), Number.MAX_SAFE_INTEGER);
    const events = texts.map(({ text }) => decodeText(text));
    db.close();
    return newestFirst(events);
  }

  async has(...events: readonly NostrEvent[]): Promise<void> {
    await this.until(() => events.every(({ id }) => this.stored.some((one) => one.id === id)));
  }

  async reaches(state: PeerState, url?: string): Promise<void> {
    const isWanted = (one: { url: string }): boolean => url === undefined || one.url === url;
    await this.until(() => {
      const statuses = this.router?.statuses.filter(isWanted) ?? [];
      return statuses.length > 0 && statuses.every((one) => one.state === state);
    });
  }

  counters(url: string): Readonly<PeerCounters> {
    const found = this.router?.statuses.find((one) => one.url === url);
    if (found === undefined) throw new Error(`no stream with ${url}`);
    return found.counters;
  }

  async until(isTrue: () => boolean): Promise<void> {
    while (!isTrue()) await Bun.sleep(2);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.router?.stop();
    for (const db of [...this.readers, this.db]) db.close();
    this.dir[Symbol.dispose]();
  }

  private async take(event: NostrEvent): Promise<Fate> {
    const fault = this.faults.shift() ?? null;
    if (fault !== null) throw new IntakeFault(fault);
    const [verdict] = this.writer.write([candidateOf(event)]).verdicts;
    if (verdict === undefined) throw new Error("assert: no verdict");
    if (verdict.seq > 0) return { kind: "stored" };
    const { accepted, reason } = verdict;
    return accepted || reason.startsWith("duplicate")
      ? { kind: "known" }
      : { kind: "refused", reason };
  }
}
