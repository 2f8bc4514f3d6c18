// Power cuts, as far as a process can have them: the relay is killed again and again while clients
// publish at full speed, and one database lives through it all. What got an OK is there.

import { Database } from "bun:sqlite";
import { expect } from "bun:test";
import { addressOf, type NostrEvent } from "../../src/protocol/event.ts";
import { databasePath } from "../../src/store/schema.ts";
import { decodeText } from "../../src/store/candidate.ts";
import { payloadText } from "../../src/store/payload.ts";
import { checkIndex } from "../support/check-index.ts";
import { checkSums } from "../support/check-sums.ts";
import { Client } from "../support/client.ts";
import { authorKey, EventFactory } from "../support/events.ts";
import { Publisher } from "../support/publisher.ts";
import { type Random, testRandomly } from "../support/random.ts";
import {
  makeTempDir,
  nanduCommand,
  RelayProcess,
  removeTempDir,
} from "../support/relay-process.ts";

/** The index is moved into its table all the time, so that some crashes are in the middle. */
const FLAGS = ["--store-tail-events=100"];

/** The executable is the same program: fewer kills show that it is built right. */
const ROUNDS = process.env["NANDU_EXECUTABLE"] === undefined ? 50 : 15;
const CONNECTIONS = 4;
/** The database is read behind the relay's back in one of so many rounds. */
const DIRECT_READ_EVERY = 10;
const IDS_PER_QUERY = 500;
const REPLACEABLE_KINDS = [0, 10_002, 30_078];
const REPLACEABLE_AUTHORS = 3;

/** Everything sent so far, and what may be asked of the store because of it. */
class Ledger {
  readonly accepted = new Set<string>();
  private readonly factory: EventFactory;
  private readonly events = new Map<string, NostrEvent>();
  private readonly notes: NostrEvent[] = [];
  private readonly byTargetId = new Map<string, NostrEvent[]>();
  private readonly byTargetAddress = new Map<string, NostrEvent[]>();
  private count = 0;

  constructor(random: Random) {
    this.factory = new EventFactory(random);
  }

  /** The next event to publish: mostly notes, some replaceables, some deletions of either. */
  readonly next = (): NostrEvent => {
    const event = this.make();
    this.events.set(event.id, event);
    if (event.kind === 1) this.notes.push(event);
    for (const [name, value] of event.kind === 5 ? event.tags : []) {
      const targets = name === "e" ? this.byTargetId : this.byTargetAddress;
      const deletions = targets.get(value as string) ?? [];
      targets.set(value as string, [...deletions, event]);
    }
    return event;
  };

  private make(): NostrEvent {
    const { factory, notes } = this;
    const { random } = factory;
    const content = `${this.count++}`;
    const what = random.below(20);
    const author = random.below(REPLACEABLE_AUTHORS);
    const kind = random.pick(REPLACEABLE_KINDS);
    const d = kind >= 30_000 ? `slot ${random.below(3)}` : "";
    if (what === 0 && notes.length > 0) {
      // Of the latest, so that target and deletion are often under way together.
      const target = notes[notes.length - 1 - random.below(Math.min(notes.length, 200))]!;
      const index = authorIndexOf(target);
      return factory.make({ kind: 5, author: index, tags: [["e", target.id]], content });
    }
    if (what === 1) {
      const address = `${kind}:${authorKey(author).pubkey}:${d}`;
      return factory.make({ kind: 5, author, tags: [["a", address]], content });
    }
    if (what <= 4) {
      return factory.make({ kind, author, tags: d === "" ? [] : [["d", d]], content });
    }
    return factory.make({ kind: 1, content });
  }

  /** What contradicts the answers, given everything stored. */
  problems(stored: ReadonlyMap<string, NostrEvent>): string[] {
    const current = new Map<string, NostrEvent>();
    for (const event of stored.values()) {
      const address = addressOf(event);
      if (address !== null) current.set(address, event);
      if (!this.events.has(event.id)) current.set(`unknown ${event.id}`, event);
    }
    const unknown = [...current.keys()].filter((key) => key.startsWith("unknown"));
    const problems = unknown.map((id) => `stored, but never sent: ${id}`);
    for (const id of this.accepted) {
      const event = this.events.get(id) as NostrEvent;
      if (this.deletionsOf(event).some((deletion) => this.accepted.has(deletion.id))) {
        if (stored.has(id)) problems.push(`deleted, but there: ${JSON.stringify(event)}`);
      } else if (!this.mayBeGone(event) && !stored.has(id)) {
        const version = current.get(addressOf(event) ?? "");
        if (version !== undefined && isNewer(version, event)) continue;
        problems.push(`OK true, but not there: ${JSON.stringify(event)}`);
      }
    }
    return problems;
  }

  /** True when a request to delete it was sent, whatever became of the request. */
  mayBeGone(event: NostrEvent): boolean {
    return this.deletionsOf(event).length > 0;
  }

  get(id: string): NostrEvent {
    return this.events.get(id) as NostrEvent;
  }

  private deletionsOf(event: NostrEvent): NostrEvent[] {
    const byAddress = this.byTargetAddress.get(addressOf(event) ?? "") ?? [];
    return [
      ...(this.byTargetId.get(event.id) ?? []),
      ...byAddress.filter(({ created_at }) => created_at >= event.created_at),
    ];
  }
}

const authorIndexes = new Map(
  Array.from({ length: 32 }, (_, i) => [authorKey(i).pubkey, i] as const),
);

function authorIndexOf(event: NostrEvent): number {
  return authorIndexes.get(event.pubkey) as number;
}

function isNewer(version: NostrEvent, event: NostrEvent): boolean {
  if (version.created_at !== event.created_at) return version.created_at > event.created_at;
  return version.id < event.id;
}

/** Everything in the file, read without the relay. */
function readStored(db: Database): Map<string, NostrEvent> {
  const rows = db.query("SELECT id, payload FROM event").values();
  const events = (rows as [Uint8Array, Uint8Array][]).map(([id, payload]) =>
    decodeText(payloadText(id, payload)),
  );
  return new Map(events.map((event) => [event.id, event]));
}

/** Publishes over several connections, and kills the relay in the middle of it. */
async function ingestAndKill(relay: RelayProcess, ledger: Ledger, delayMs: number) {
  const publishers = await Promise.all(
    Array.from({ length: CONNECTIONS }, () => Publisher.connect(relay.url)),
  );
  const running = publishers.map((publisher) => publisher.run(ledger.next));
  await Bun.sleep(delayMs); // the moment of the blow: any will do
  await relay.kill();
  await Promise.all(running);
  const accepted: string[] = [];
  for (const { answers } of publishers) {
    for (const [id, [isAccepted]] of answers) if (isAccepted) accepted.push(id);
  }
  for (const id of accepted) ledger.accepted.add(id);
  return accepted;
}

/** A relay that dies on the way up, perhaps while it still recovers from its last death. */
async function startAndKill(dataDir: string, delayMs: number): Promise<void> {
  const child = Bun.spawn([...nanduCommand(), "relay", `--data-dir=${dataDir}`, "--relay-port=0"], {
    stdio: ["ignore", "ignore", "ignore"],
  });
  await Bun.sleep(delayMs);
  child.kill("SIGKILL");
  await child.exited;
}

async function expectServed(url: string, ledger: Ledger, ids: readonly string[]): Promise<void> {
  const client = await Client.connect(url);
  const wanted = ids.filter((id) => {
    const event = ledger.get(id);
    return addressOf(event) === null && !ledger.mayBeGone(event);
  });
  for (let done = 0; done < wanted.length; done += IDS_PER_QUERY) {
    const piece = wanted.slice(done, done + IDS_PER_QUERY);
    const served = await client.query({ ids: piece });
    expect(served.map(({ id }) => id).toSorted()).toEqual(piece.toSorted());
    for (const event of served) expect(event).toEqual(ledger.get(event.id));
  }
  client.close();
  await client.closed;
}

testRandomly(
  `whatever got an OK is there after each of ${ROUNDS} kills at full speed, and the file is whole`,
  async (random) => {
    const dataDir = makeTempDir();
    const ledger = new Ledger(random);
    let relay = await RelayProcess.start({ dataDir, flags: FLAGS });
    for (let round = 1; round <= ROUNDS; round++) {
      const accepted = await ingestAndKill(relay, ledger, random.between(50, 300));
      if (round % DIRECT_READ_EVERY === 0) {
        await startAndKill(dataDir, random.between(0, 400));
        using db = new Database(databasePath(dataDir));
        expect(ledger.problems(readStored(db))).toEqual([]);
      }
      relay = await RelayProcess.start({ dataDir, flags: FLAGS });
      await expectServed(relay.url, ledger, accepted);
    }
    await expectServed(relay.url, ledger, [...ledger.accepted]);
    expect(ledger.accepted.size).toBeGreaterThan(ROUNDS);
    expect(await relay.stop()).toBe(0);

    using db = new Database(databasePath(dataDir));
    expect(db.query("PRAGMA integrity_check").values()).toEqual([["ok"]]);
    expect(ledger.problems(readStored(db))).toEqual([]);
    expect(checkIndex(db)).toEqual([]);
    expect(checkSums(db)).toEqual([]);
    removeTempDir(dataDir);
  },
  180_000,
);
