// `nandu sync` with nandu itself, and with relays that can't or won't.

import { describe, expect, test } from "bun:test";
import type { NostrEvent } from "../../src/protocol/event.ts";
import { Client } from "../support/client.ts";
import { EventFactory } from "../support/events.ts";
import { FakeRelay, type Habits } from "../support/fake-relay.ts";
import { asLines, runTransfer, storeAll, storedLines } from "../support/relay-commands.ts";
import { RelayProcess } from "../support/relay-process.ts";
import { TempDir } from "../support/temp-dir.ts";
import { newestFirst } from "../support/topic.ts";

const factory = new EventFactory(11);

function make(count: number, kind = 1): NostrEvent[] {
  return Array.from({ length: count }, () => factory.makeDistinct({ kind, tags: [] }));
}

function idLines(word: string, events: readonly NostrEvent[]): string[] {
  return events.map(({ id }) => `${word},${id}`).toSorted();
}

describe("with nandu", () => {
  test("both come to have the same, and nothing else is transferred", async () => {
    await using relay = await RelayProcess.start();
    using dir = new TempDir();
    const [shared, here, there] = [make(500), make(130), make(120)];
    await storeAll(relay.dataDir, [...shared, ...there]);
    await storeAll(dir.path, [...shared, ...here]);
    const first = await runTransfer(dir.path, "sync", "--frame-size-limit=4096", relay.url);
    expect(first).toEqual({
      code: 0,
      stdout: "",
      report:
        "630 events here, 130 only here, 120 only there\n" +
        "down: 120 events\n  120 stored\nup: 130 events\n  130 taken\n",
    });
    const all = asLines([...shared, ...here, ...there]);
    expect(await storedLines(dir.path)).toBe(all);
    expect(await storedLines(relay.dataDir)).toBe(all);
    const again = await runTransfer(dir.path, "sync", relay.url);
    expect(again).toEqual({
      code: 0,
      stdout: "",
      report:
        "750 events here, 0 only here, 0 only there\n" +
        "down: 0 events\n  0 stored\nup: 0 events\n  0 taken\n",
    });
  });

  test("one way, only what a filter matches, or only a comparison", async () => {
    await using relay = await RelayProcess.start();
    using dir = new TempDir();
    const [here, there] = [make(3), make(4)];
    const others = make(2, 7);
    await storeAll(relay.dataDir, [...there, ...others]);
    await storeAll(dir.path, here);
    const filter = ["--filter", '{"kinds":[1]}'];
    const found = "3 events here, 3 only here, 4 only there\n";
    const none = await runTransfer(
      dir.path,
      "sync",
      "--dir=none",
      "--print-missing",
      ...filter,
      relay.url,
    );
    expect([none.code, none.report, none.stdout.trim().split("\n").toSorted()]).toEqual([
      0,
      found,
      [...idLines("have", here), ...idLines("need", there)],
    ]);
    const down = await runTransfer(dir.path, "sync", "--dir=down", ...filter, relay.url);
    expect([down.code, down.report]).toEqual([0, `${found}down: 4 events\n  4 stored\n`]);
    expect(await storedLines(dir.path)).toBe(asLines([...here, ...there]));
    expect(await storedLines(relay.dataDir)).toBe(asLines([...there, ...others]));
    const up = await runTransfer(dir.path, "sync", "--dir=up", ...filter, relay.url);
    expect([up.code, up.report]).toEqual([
      0,
      "7 events here, 3 only here, 0 only there\nup: 3 events\n  3 taken\n",
    ]);
    expect(await storedLines(relay.dataDir)).toBe(asLines([...here, ...there, ...others]));
  });

  test("between two relays that run, whose subscribers see what comes", async () => {
    await using one = await RelayProcess.start();
    await using other = await RelayProcess.start();
    const [here, there] = [make(2), make(2)];
    const [client, remote] = [await Client.connect(one.url), await Client.connect(other.url)];
    await client.publishAll(here);
    await remote.publishAll(there);
    client.send("REQ", "live", { limit: 0 });
    await client.find("EOSE", "live");
    const { code } = await runTransfer(one.dataDir, "sync", other.url);
    expect(code).toBe(0);
    const live = await client.takeOf("live", 2);
    expect(newestFirst(live.map((frame) => frame[2] as NostrEvent))).toEqual(newestFirst(there));
    expect(await remote.query({})).toEqual(newestFirst([...here, ...there]));
    client.close();
    remote.close();
  });

  test("what one side doesn't want stays away, and is told", async () => {
    await using relay = await RelayProcess.start();
    using dir = new TempDir();
    const note = factory.makeDistinct({ kind: 1, author: 1, tags: [] });
    const deletion = factory.makeDistinct({ kind: 5, author: 1, tags: [["e", note.id]] });
    const secret = factory.makeDistinct({ kind: 1, author: 2, tags: [["-"]] });
    await storeAll(relay.dataDir, [note]);
    await storeAll(dir.path, [deletion, secret]);
    const down = await runTransfer(dir.path, "sync", "--dir=down", relay.url);
    expect([down.code, down.report]).toEqual([
      0,
      "2 events here, 2 only here, 1 only there\n" +
        "down: 1 events\n  0 stored\n  1 blocked: this event was deleted by its author\n",
    ]);
    const up = await runTransfer(dir.path, "sync", "--dir=up", relay.url);
    expect([up.code, up.report]).toEqual([
      0,
      "2 events here, 2 only here, 1 only there\n" +
        "up: 1 events\n  1 taken\n  1 protected, not sent\n",
    ]);
    expect(await storedLines(relay.dataDir)).toBe(asLines([deletion]));
  });
});

/** Speaks NIP-77 by nandu's own responder would be circular: these relays have none. */
async function syncWith(
  here: readonly NostrEvent[],
  there: readonly NostrEvent[],
  habits: Habits,
  ...flags: string[]
) {
  using relay = new FakeRelay(there, habits);
  using dir = new TempDir();
  await storeAll(dir.path, here);
  const result = await runTransfer(dir.path, "sync", ...flags, relay.url);
  return { ...result, stored: await storedLines(dir.path), there: asLines(relay.events) };
}

describe("with a relay that has no negentropy", () => {
  const [shared, here, there] = [make(3), make(2), make(4)];
  const no = "nandu: it has no negentropy (NIP-77): ";
  const cases: [string, Habits, string][] = [
    [
      "a NOTICE",
      { answerToOther: () => ["NOTICE", "bad msg: unknown cmd"] },
      "bad msg: unknown cmd",
    ],
    [
      "NEG-ERR unsupported",
      { answerToOther: ([, id]) => ["NEG-ERR", id, "unsupported: no syncs here"] },
      "unsupported: no syncs here",
    ],
    [
      "another version",
      { answerToOther: ([type, id]) => (type === "NEG-OPEN" ? ["NEG-MSG", id, "62"] : null) },
      "version 0x62 of negentropy",
    ],
    ["no answer", {}, "no answer"],
  ];
  for (const [what, habits, why] of cases) {
    test(`which says so by ${what}: everything is downloaded and uploaded`, async () => {
      const result = await syncWith(
        [...shared, ...here],
        [...shared, ...there],
        { ...habits, limit: 5 },
        "--timeout=1s",
      );
      const all = asLines([...shared, ...here, ...there]);
      expect(result).toEqual({
        code: 0,
        stdout: "",
        report:
          `${no}${why}\ndown: 7 events\n  4 stored\n  3 here already\n` +
          "up: 9 events\n  2 taken\n  7 there already\n",
        stored: all,
        there: all,
      });
    });
  }

  test("a comparison alone can't be had, and exits with 1", async () => {
    const habits: Habits = { answerToOther: () => ["NOTICE", "what?"] };
    const result = await syncWith(here, there, habits, "--dir=none", "--print-missing");
    expect([result.code, result.report, result.stdout]).toEqual([
      1,
      `${no}what?\nnandu: without that, what is missing can't be told\n`,
      "",
    ]);
  });
});

describe("with a relay that misbehaves", () => {
  const here = make(2);
  const started = "down: 0 events\n  0 stored\nup: 0 events\n  0 taken\n";
  const flawed: [string, Habits, string][] = [
    [
      "refuses",
      { answerToOther: ([, id]) => ["NEG-ERR", id, "blocked: this query is too big"] },
      "it refused the sync: blocked: this query is too big",
    ],
    ["sends nonsense", { answerToOther: ([, id]) => ["NEG-MSG", id, "61ff"] }, "it#s message"],
    [
      "wants a sign-in",
      { answerToOther: ([, id]) => ["NEG-ERR", id, "auth-required: who are you?"] },
      "it refused the sync: auth-required: who are you? (--key-file FILE signs in)",
    ],
  ];
  for (const [what, habits, problem] of flawed) {
    test(`one that ${what} is an error`, async () => {
      const { code, report } = await syncWith(here, [], habits);
      expect([code, report]).toEqual([1, `${started}nandu: ${problem}\n`]);
    });
  }

  test("ids that it names and doesn't give are counted", async () => {
    // One list of one id, up to infinity.
    const message = `61000201${"ab".repeat(32)}`;
    const habits: Habits = {
      answerToOther: ([type, id]) => (type === "NEG-OPEN" ? ["NEG-MSG", id, message] : null),
    };
    const { code, report } = await syncWith([], [], habits, "--dir=down");
    expect([code, report]).toEqual([
      0,
      "0 events here, 0 only here, 1 only there\n" +
        "down: 0 events\n  0 stored\n  1 gone there, or not given\n",
    ]);
  });
});
