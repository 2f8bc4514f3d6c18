// Stopping: by signals under load, idle, and with clients that do not read; and what happens when
// the database cannot be opened, cannot be written, or is no longer one.

import { Database } from "bun:sqlite";
import { describe, expect, test } from "bun:test";
import { existsSync, statSync, writeFileSync } from "node:fs";
import { databasePath } from "../../src/store/schema.ts";
import { checkIndex } from "../support/check-index.ts";
import { Client } from "../support/client.ts";
import { EventFactory } from "../support/events.ts";
import { Publisher } from "../support/publisher.ts";
import { testRandomly } from "../support/random.ts";
import { messageFrame, OPCODE, RawSocket } from "../support/raw-socket.ts";
import { makeTempDir, RelayProcess, removeTempDir, runNandu } from "../support/relay-process.ts";
import { ok, refused } from "../support/topic.ts";

const GOING_AWAY = { code: 1001, reason: "the relay stops" };
const NOT_STORED = "error: the event could not be stored, please try again later";

/** The write-ahead log is empty or gone: the database file is all there is. */
function expectCheckpointed(dataDir: string): void {
  const wal = `${databasePath(dataDir)}-wal`;
  expect(existsSync(wal) ? statSync(wal).size : 0).toBe(0);
}

function storedIds(dataDir: string): Set<string> {
  using db = new Database(databasePath(dataDir), { readonly: true });
  const rows = db.query("SELECT lower(hex(id)) FROM event").values() as [string][];
  return new Set(rows.map(([id]) => id));
}

describe("under load", () => {
  for (const signals of [["SIGTERM"], ["SIGINT"], ["SIGTERM", "SIGTERM"], ["SIGINT", "SIGTERM"]]) {
    testRandomly(
      `${signals.join(" and ")}: every OK is true, clients hear 1001, nothing is left to do`,
      async (random) => {
        const dataDir = makeTempDir();
        await using relay = await RelayProcess.start({ dataDir });
        const factory = new EventFactory(random);
        let left = random.between(200, 4000);
        const inFlight = random.pick([20, 200, 3000]); // of 3000, most wait in the sockets
        const take = () => {
          left -= 1;
          if (left === 0) for (const signal of signals) relay.process.kill(signal as "SIGTERM");
          return factory.makeDistinct({ kind: 1 });
        };
        const publishers = await Promise.all(
          Array.from({ length: 6 }, () => Publisher.connect(relay.url)),
        );
        const reader = await Client.connect(relay.url);
        await reader.request("live", { kinds: [1] });
        await Promise.all(publishers.map((publisher) => publisher.run(take, inFlight)));

        expect(await relay.process.exited).toBe(0);
        for (const { closed } of [...publishers, reader]) expect(await closed).toEqual(GOING_AWAY);
        expectCheckpointed(dataDir);
        const stored = storedIds(dataDir);
        const answers = publishers.flatMap((publisher) => [...publisher.answers]);
        for (const [id, answer] of answers) {
          expect(answer).toEqual([true, ""]);
          expect(stored.has(id)).toBe(true);
        }
        using db = new Database(databasePath(dataDir));
        expect(checkIndex(db)).toEqual([]);
        removeTempDir(dataDir);
      },
      60_000,
    );
  }
});

describe("a signal", () => {
  for (const signal of ["SIGTERM", "SIGINT"] as const) {
    test(`${signal} to an idle relay stops it, its clients and its log in good order`, async () => {
      const dataDir = makeTempDir();
      await using relay = await RelayProcess.start({ dataDir });
      const client = await Client.connect(relay.url);
      const event = new EventFactory(1).make({ kind: 1 });
      expect(await client.publish(event)).toEqual(ok(event));
      relay.process.kill(signal);
      expect(await client.closed).toEqual(GOING_AWAY);
      expect(await relay.process.exited).toBe(0);
      await relay.logged(/ info relay: stopped$/);
      expectCheckpointed(dataDir);
      expect(storedIds(dataDir)).toEqual(new Set([event.id]));
      removeTempDir(dataDir);
    });
  }

  test("finds no fault with clients that never read", async () => {
    await using relay = await RelayProcess.start({ flags: ["--relay-shutdown-deadline-s=1"] });
    const large = new EventFactory(2).makeMany(100, { kind: 1, content: "x".repeat(60_000) });
    const client = await Client.connect(relay.url);
    for (const event of large) await client.publish(event);
    const deaf = await Promise.all(Array.from({ length: 5 }, () => RawSocket.open(relay.port)));
    for (const socket of deaf) {
      socket.pause();
      for (let i = 0; i < 100; i++) socket.write(messageFrame("REQ", `s${i}`, { kinds: [1] }));
    }
    // So that there are live events for them as well, more than the buffers of the system hold.
    for (let i = 0; i < 20; i++) {
      await client.publish(new EventFactory(3 + i).make({ kind: 1, content: "x".repeat(100_000) }));
    }
    relay.process.kill("SIGTERM");
    expect(await client.closed).toEqual(GOING_AWAY);
    expect(await relay.process.exited).toBe(0);
    for (const socket of deaf) socket.destroy();
  });

  test("reaches those who read as a close frame, after all that was sent before", async () => {
    await using relay = await RelayProcess.start();
    const socket = await RawSocket.open(relay.port);
    const events = new EventFactory(4).makeMany(50, { kind: 1 });
    for (const event of events) socket.write(messageFrame("EVENT", event));
    for (const event of events) expect(await socket.nextMessage()).toEqual([...ok(event)]);
    relay.process.kill("SIGTERM");
    const frame = await socket.nextFrame();
    expect(frame?.opcode).toBe(OPCODE.close);
    expect(frame?.payload.readUInt16BE(0)).toBe(1001);
    expect(await relay.process.exited).toBe(0);
    socket.destroy();
  });
});

describe("a database that can't be opened ends the relay with a reason and a code", () => {
  const rows: { desc: string; spoil: (path: string) => void; reason: RegExp }[] = [
    {
      desc: "garbage",
      spoil: (path) =>
        writeFileSync(path, "this is not a database, however long it may be ".repeat(99)),
      reason: /^nandu: can't open the database \S+nandu\.db: file is not a database$/m,
    },
    {
      desc: "another program's",
      spoil: (path) => {
        using db = new Database(path);
        db.run("CREATE TABLE notes (text)");
      },
      reason: /^nandu: can't open the database \S+nandu\.db: it is not a nandu database$/m,
    },
    {
      desc: "a newer version's",
      spoil: (path) => {
        using db = new Database(path);
        db.run("CREATE TABLE event (seq)");
        db.run("PRAGMA application_id = 0x6e6e6475");
        db.run("PRAGMA user_version = 999");
      },
      reason: /^nandu: can't open the database \S+: it has version 999, this nandu knows \d+: use/m,
    },
  ];
  for (const { desc, spoil, reason } of rows) {
    test(desc, async () => {
      const dataDir = makeTempDir();
      spoil(databasePath(dataDir));
      const { code, stderr } = await runNandu(["relay", `--data-dir=${dataDir}`, "--relay-port=0"]);
      expect(stderr).toMatch(reason);
      expect(code).toBe(1);
      removeTempDir(dataDir);
    });
  }
});

test("a thread that fails takes the relay with it, and a line says which and why", async () => {
  const dataDir = makeTempDir();
  await using relay = await RelayProcess.start({ dataDir });
  const client = await Client.connect(relay.url);
  const [event, other] = new EventFactory(6).makeMany(2, { kind: 1 });
  expect(await client.publish(event!)).toEqual(ok(event!));
  {
    // Somebody puts a row into the database that is no event. The writer reads it for the monitors.
    using db = new Database(databasePath(dataDir));
    db.run("INSERT INTO event SELECT seq + 1, zeroblob(32), 0, 1, 0, x'00' FROM head");
    db.run("UPDATE head SET seq = seq + 1, part = part + 1, turn = turn + 1");
  }
  expect(await relay.process.exited).toBe(70);
  const why = "database: unknown payload type 0";
  await relay.logged(new RegExp(` error pool: the writer 0 thread has failed, .*: ${why}$`));
  expect((await client.closed).code).toBe(1006);

  // The next start goes on after that row: who doesn't ask for it is served.
  await using next = await RelayProcess.start({ dataDir });
  const late = await Client.connect(next.url);
  expect(await late.publish(other!)).toEqual(ok(other!));
  expect(await late.query({ ids: [event!.id] })).toEqual([event!]);
  late.close();
  expect(await next.stop()).toBe(0);
  removeTempDir(dataDir);
});

/** The write-ahead log reaches the limit first, or the database file, when the log is short. */
for (const pages of [4000, 50]) {
  test(`a full disk, checkpoints after ${pages} pages: what does not fit is lost`, async () => {
    const dataDir = makeTempDir();
    // No file may grow beyond this many blocks of 512 bytes; the signal that says so is ignored.
    const wrap = (command: readonly string[]) => [
      "sh",
      "-c",
      `trap '' XFSZ; ulimit -f 4000; exec "$@"`,
      "sh",
      ...command,
    ];
    await using relay = await RelayProcess.start({
      dataDir,
      wrap,
      flags: [`--store-checkpoint-pages=${pages}`],
    });
    const client = await Client.connect(relay.url);
    const factory = new EventFactory(5);
    const accepted: string[] = [];
    for (;;) {
      const event = factory.make({ kind: 1, content: "x".repeat(20_000) });
      const answer = await client.publish(event);
      if (answer[2] === true) {
        accepted.push(event.id);
        continue;
      }
      expect(answer).toEqual(refused(event, NOT_STORED));
      break;
    }
    expect(accepted.length).toBeGreaterThan(10);
    // Many in one batch, of whom none may be called stored.
    const more = factory.makeMany(50, { kind: 1, content: "x".repeat(50_000) });
    const answers = await client.publishAll(more);
    for (const [i, answer] of answers.entries()) {
      if (answer[2] === true) accepted.push(more[i]?.id as string);
      else expect(answer).toEqual(refused(more[i] as { id: string }, NOT_STORED));
    }
    const served = await client.query({ kinds: [1] });
    expect(served.map(({ id }) => id).toSorted()).toEqual(accepted.toSorted());
    expect(relay.log.join("\n")).toMatch(/ error writer: batch of \d+ events not written: \S/);
    client.close();
    expect(await relay.stop()).toBe(0);
    expect([...storedIds(dataDir)].toSorted()).toEqual(accepted.toSorted());
    using db = new Database(databasePath(dataDir));
    expect(checkIndex(db)).toEqual([]);
    removeTempDir(dataDir);
  }, 30_000);
}
