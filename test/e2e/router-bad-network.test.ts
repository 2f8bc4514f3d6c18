// The router over a network that breaks all the time, while both sides take writes and either side
// is killed: when the network heals, both have the same, nothing was lost, and nothing went back to
// where it came from. NANDU_TEST_ROUNDS=100 for the long run.

import { expect } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { NostrEvent } from "../../src/protocol/event.ts";
import { BadNetwork } from "../support/bad-network.ts";
import { EventFactory } from "../support/events.ts";
import { Publisher } from "../support/publisher.ts";
import { type Random, testRandomly } from "../support/random.ts";
import { storedIn } from "../support/relay-commands.ts";
import { makeTempDir, RelayProcess, removeTempDir } from "../support/relay-process.ts";
import { RunningCommand } from "../support/running-command.ts";
import { nowSeconds } from "../support/topic.ts";

const ROUNDS = Number(process.env["NANDU_TEST_ROUNDS"] ?? 1);
const STRIKES_PER_ROUND = 3;
const BATCH_EVENTS = 15;
/** A stall is noticed after a second, in which much could be written. */
const STEPS_MAX = 40;
const LOOK_MS = 50;
const REPLACEABLE_KINDS = [0, 10_002, 30_078];

/** A relay that is killed and started again, and what its own clients have published there. */
class Side {
  /** Those that got an OK. */
  readonly accepted: NostrEvent[] = [];
  readonly dataDir = makeTempDir();
  private readonly flags: readonly string[];
  private process: RelayProcess | null = null;

  constructor(flags: readonly string[]) {
    this.flags = flags;
  }

  get port(): number {
    return this.process?.port ?? 0;
  }

  async start(): Promise<void> {
    this.process = await RelayProcess.start({ dataDir: this.dataDir, flags: this.flags });
  }

  async kill(): Promise<void> {
    await this.process?.kill();
  }

  /** Until all are answered, or the relay is no more. */
  async publish(events: readonly NostrEvent[]): Promise<void> {
    const publisher = await Publisher.connect(`ws://127.0.0.1:${this.port}`).catch(() => null);
    if (publisher === null) return;
    const left = [...events];
    await publisher.run(() => left.shift() ?? null);
    publisher.close();
    for (const event of publisher.sent) {
      if (publisher.answers.get(event.id)?.[0] === true) this.accepted.push(event);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
    removeTempDir(this.dataDir);
  }
}

/** Notes for the most part, versions of a few addresses, and deletions of notes. */
class Writer {
  readonly deletedIds = new Set<string>();
  private readonly factory: EventFactory;
  private notes: NostrEvent[] = [];
  private count = 0;

  constructor(random: Random) {
    this.factory = new EventFactory(random);
  }

  next(): NostrEvent {
    const { factory } = this;
    const { random } = factory;
    this.count += 1;
    const created_at = nowSeconds() - 5000 + this.count;
    const what = random.below(10);
    const author = random.below(2);
    const target = this.notes.length === 0 ? null : random.pick(this.notes);
    if (what === 0 && target !== null) {
      this.deletedIds.add(target.id);
      const tags = [["e", target.id]];
      return factory.makeDistinct({ kind: 5, author: 0, tags, created_at });
    }
    if (what <= 2) {
      const kind = random.pick(REPLACEABLE_KINDS);
      const tags = kind < 30_000 ? [] : [["d", `slot ${random.below(2)}`]];
      return factory.makeDistinct({ kind, author, tags, created_at });
    }
    const note = factory.makeDistinct({ kind: 1, author: 0, tags: [], created_at });
    this.notes = [...this.notes.slice(-100), note];
    return note;
  }

  batch(): NostrEvent[] {
    return Array.from({ length: BATCH_EVENTS }, () => this.next());
  }
}

/** Waits until both have stored the same, the newest first. */
async function whenEqual(here: Side, there: Side): Promise<NostrEvent[]> {
  for (;;) {
    const [ours, theirs] = [storedIn(here.dataDir), storedIn(there.dataDir)];
    if (Bun.deepEquals(ours, theirs)) return ours;
    await Bun.sleep(LOOK_MS);
  }
}

/** Nothing that was published there is ever sent there, and nothing that is stored there again. */
function checkCrossings(network: BadNetwork, here: Side, there: Side, deleted: Set<string>): void {
  // Others, a comparison finds again when the other side has removed them.
  const plainOf = ({ accepted }: Side): Set<string> =>
    new Set(accepted.filter(({ id, kind }) => kind === 1 && !deleted.has(id)).map(({ id }) => id));
  const [own, foreign] = [plainOf(here), plainOf(there)];
  const taken = new Map<string, number>();
  const wrong: unknown[] = [];
  for (const { direction, connection, message } of network.crossings) {
    const [type, subject, isAccepted] = message;
    if (direction === "down" && type === "OK" && isAccepted === true) {
      taken.set(subject as string, connection);
    }
    if (direction !== "up" || type !== "EVENT") continue;
    const { id } = subject as NostrEvent;
    if (foreign.has(id)) wrong.push(["back", message]);
    if (taken.has(id) && own.has(id)) wrong.push(["again", message]);
  }
  expect(wrong).toEqual([]);
}

/**
 * Where each of two routers brings and fetches: over one connection, nothing is sent or given a
 * second time but what the catch-up and the live subscription both find. So what goes round ends.
 */
function checkRepeats(network: BadNetwork): void {
  const counts = new Map<string, number>();
  for (const { direction, connection, message } of network.crossings) {
    if (message[0] !== "EVENT") continue;
    const { id } = (direction === "up" ? message[1] : message[2]) as NostrEvent;
    const key = `${connection} ${direction} ${id}`;
    counts.set(key, (counts.get(key) ?? 0) + 1);
  }
  const countMax = (key: string): number => (key.includes(" up ") ? 1 : 2);
  expect([...counts].filter(([key, count]) => count > countMax(key))).toEqual([]);
}

function writeFile(dir: string, url: string, direction = "both"): string {
  const path = join(dir, "router.conf");
  const streams = `pair { dir = "${direction}" urls = ["${url}"] }`;
  writeFileSync(path, `connectionTimeout = 1\nstreams { ${streams} }`);
  return path;
}

interface Scene {
  readonly random: Random;
  /** Each of them a way from a router to a relay. */
  readonly networks: readonly BadNetwork[];
  readonly here: Side;
  readonly there: Side;
  /** Kills something, and starts it again. */
  readonly strike: () => Promise<void>;
}

/** Until both have the same, whatever has happened; returns what was deleted meanwhile. */
async function play({ random, networks, here, there, strike }: Scene): Promise<Set<string>> {
  const writer = new Writer(random);
  const struckCount = () => networks.reduce((sum, { struck }) => sum + struck.length, 0);
  for (let round = 0; round < ROUNDS; round++) {
    for (const network of networks) network.worsen();
    const enough = struckCount() + STRIKES_PER_ROUND;
    const killsAt = random.below(3);
    const mayGoOn = (step: number): boolean =>
      step <= killsAt || (step < STEPS_MAX && struckCount() < enough);
    for (let step = 0; mayGoOn(step); step++) {
      const writes = [here.publish(writer.batch()), there.publish(writer.batch())];
      if (step === killsAt) await strike();
      await Promise.all(writes);
    }
    for (const network of networks) network.heal();
    await whenEqual(here, there);
  }
  const stored = new Set((await whenEqual(here, there)).map(({ id }) => id));
  const notes = [...here.accepted, ...there.accepted].filter(
    ({ id, kind }) => kind === 1 && !writer.deletedIds.has(id),
  );
  expect(notes.filter(({ id }) => !stored.has(id))).toEqual([]);
  return writer.deletedIds;
}

const PLAIN = "--relay-compression=off";

testRandomly(
  "nandu router, killed as the relays are, keeps both the same and sends nothing back",
  async (random) => {
    await using here = new Side([]);
    await using there = new Side([PLAIN]);
    await Promise.all([here.start(), there.start()]);
    using network = new BadNetwork(random, () => there.port);
    const file = writeFile(here.dataDir, network.url);
    const begin = () => new RunningCommand("router", `--data-dir=${here.dataDir}`, file);
    let router = begin();
    const strike = async (): Promise<void> => {
      const side = random.pick([null, here, there]);
      if (side === null) {
        await router[Symbol.asyncDispose]();
        router = begin();
      } else {
        await side.kill();
        await side.start();
      }
    };
    try {
      const deleted = await play({ random, networks: [network], here, there, strike });
      checkCrossings(network, here, there, deleted);
      expect((await router.end()).code).toBe(0);
    } finally {
      await router[Symbol.asyncDispose]();
    }
  },
  30_000 * ROUNDS,
);

testRandomly(
  "the router within a relay, killed with it, keeps both the same and sends nothing back",
  async (random) => {
    let port = 0;
    using network = new BadNetwork(random, () => port);
    const dir = makeTempDir();
    await using here = new Side([`--router-file=${writeFile(dir, network.url)}`]);
    await using there = new Side([PLAIN]);
    await there.start();
    port = there.port;
    await here.start();
    const strike = async (): Promise<void> => {
      const side = random.pick([here, there]);
      await side.kill();
      await side.start();
      port = there.port;
    };
    const deleted = await play({ random, networks: [network], here, there, strike });
    checkCrossings(network, here, there, deleted);
    removeTempDir(dir);
  },
  30_000 * ROUNDS,
);

testRandomly(
  "two relays that each have a router for the other become the same, and nothing goes in circles",
  async (random) => {
    const ports = [0, 0];
    using toThere = new BadNetwork(random, () => ports[1] as number);
    using toHere = new BadNetwork(random, () => ports[0] as number);
    const direction = random.pick(["both", "up", "down"]);
    const dirs = [toThere, toHere].map(({ url }) => {
      const dir = makeTempDir();
      return { dir, file: writeFile(dir, url, direction) };
    });
    const sides = dirs.map(({ file }) => new Side([PLAIN, `--router-file=${file}`]));
    await using here = sides[0] as Side;
    await using there = sides[1] as Side;
    const start = async (side: Side): Promise<void> => {
      await side.start();
      ports[sides.indexOf(side)] = side.port;
    };
    for (const side of sides) await start(side);
    const strike = async (): Promise<void> => {
      const side = random.pick(sides);
      await side.kill();
      await start(side);
    };
    const networks = [toThere, toHere];
    await play({ random, networks, here, there, strike });
    for (const network of networks) checkRepeats(network);
    for (const { dir } of dirs) removeTempDir(dir);
  },
  30_000 * ROUNDS,
);
