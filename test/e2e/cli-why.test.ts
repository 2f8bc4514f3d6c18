// `nandu why`, whole outputs: of events on a relay that runs, of those that are gone or never came.

import { Database } from "bun:sqlite";
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { neventEncode, noteEncode } from "nostr-tools/nip19";
import type { NostrEvent } from "../../src/protocol/event.ts";
import { Client } from "../support/client.ts";
import { authorKey } from "../support/events.ts";
import { makeTempDir, RelayProcess, removeTempDir, runNandu } from "../support/relay-process.ts";
import { nowSeconds, Topic } from "../support/topic.ts";

const { pubkey } = authorKey(1);
const topic = new Topic("why");
const note = topic.make({ author: 1, created_at: 1_700_000_000 });
const profiles = topic.makeAt([1000, 2000], { author: 1, kind: 0 });
const deleted = topic.make({ author: 1, created_at: 1000 });
const request = topic.make({ author: 1, kind: 5, created_at: 2000, tags: [["e", deleted.id]] });
const passing = topic.make({ author: 1, tags: [["expiration", `${nowSeconds() + 3600}`]] });
const never = topic.make({ author: 2 });

let relay: RelayProcess;

beforeAll(async () => {
  relay = await RelayProcess.start();
  const client = await Client.connect(relay.url);
  for (const event of [note, ...profiles, deleted, request, passing]) await client.publish(event);
  client.close();
});

afterAll(async () => {
  expect(await relay.stop()).toBe(0);
});

/** Times of this run are `T`. */
async function why(args: readonly string[], stdin?: string) {
  const all = ["why", `--data-dir=${relay.dataDir}`, ...args];
  const { code, stdout, stderr } = await runNandu(all, stdin === undefined ? {} : { stdin });
  expect(stderr).toBe("");
  return { code, text: stdout.replace(/20(?!23-11-14)\d\d-\S+Z/g, "T") };
}

function text(lines: readonly string[]): string {
  return lines.map((line) => `${line}\n`).join("");
}

function bytesOf(event: NostrEvent): number {
  return Buffer.byteLength(JSON.stringify(event));
}

describe("an event that is here", () => {
  const lines = [
    `event    ${note.id}`,
    "state    here",
    "seq      1",
    "kind     1, regular",
    `author   ${pubkey}`,
    "created  2023-11-14T22:13:20.000Z",
    "expires  never",
    `size     ${bytesOf(note)} bytes`,
    "served   to everybody",
  ];

  test("is found by its id, however written", async () => {
    const nevent = neventEncode({ id: note.id, relays: ["wss://relay.example"], author: pubkey });
    for (const id of [note.id, noteEncode(note.id), nevent, `nostr:${nevent}`]) {
      expect(await why([id])).toEqual({ code: 0, text: text(lines) });
    }
  });

  test("is found by its JSON, as an argument, from a file, from standard input", async () => {
    const known = [
      ...lines,
      "now      it would be acknowledged: duplicate: already have this event",
    ];
    const json = JSON.stringify(note);
    const path = join(relay.dataDir, "event.json");
    writeFileSync(path, json);
    expect(await why([json])).toEqual({ code: 0, text: text(known) });
    expect(await why(["--event", path])).toEqual({ code: 0, text: text(known) });
    expect(await why(["--event=-"], `${json}\n`)).toEqual({ code: 0, text: text(known) });
  });

  test("and as JSON", async () => {
    const { code, text: printed } = await why(["--json", passing.id]);
    expect([code, JSON.parse(printed)]).toEqual([
      0,
      {
        id: passing.id,
        is_here: true,
        stored: {
          seq: 6,
          kind: 1,
          pubkey,
          created_at: passing.created_at,
          expires: Number(passing.tags[1]?.[1]),
          bytes: bytesOf(passing),
          served_to: "everybody",
        },
        log: { entries: [], since: expect.any(Number) as number },
        deletion_requests: [],
        now: null,
      },
    ]);
  });
});

describe("an event that is not here", () => {
  const [old = never, current = never] = profiles;

  test("though nothing has removed it that the log knows of", async () => {
    const { code, text: printed } = await why([never.id]);
    expect([code, printed.split("\n").slice(0, 2)]).toEqual([
      1,
      [`event  ${never.id}`, "state  not here, and nothing is known of it"],
    ]);
  });

  test("for its author has asked to delete it", async () => {
    expect(await why([deleted.id])).toEqual({
      code: 1,
      text: text([
        `event    ${deleted.id}`,
        "state    not here",
        `log      T deleted, as asked by ${request.id}`,
        `request  ${request.id} of 1970-01-01T00:33:20.000Z asks to delete it,`,
        `         which counts if it is ${pubkey}'s`,
      ]),
    });
  });

  /** Of an event that has left, or never came in. */
  async function logOf(event: NostrEvent): Promise<string[]> {
    const { code, text: printed } = await why([event.id]);
    expect(code).toBe(1);
    return printed.trimEnd().split("\n").slice(1);
  }

  test("for a newer version has replaced it", async () => {
    expect(await logOf(old)).toEqual(["state  not here", `log    T replaced by ${current.id}`]);
  });

  test("for its author has vanished, or the operator has removed it", async () => {
    const [gone, kept, erased] = [1, 3, 4].map((created_at) =>
      topic.make({ author: 3, created_at }),
    );
    const tags = [["relay", "ALL_RELAYS"]];
    const vanish = topic.make({ author: 3, kind: 62, created_at: 2, tags });
    const list = [gone, kept, erased, vanish] as [NostrEvent, NostrEvent, NostrEvent, NostrEvent];
    const client = await Client.connect(relay.url);
    for (const event of list) await client.publish(event);
    client.close();
    const filter = JSON.stringify({ ids: [list[2].id] });
    await runNandu(["delete", `--data-dir=${relay.dataDir}`, "--filter", filter]);
    expect(await logOf(list[0])).toEqual([
      "state  not here",
      `log    T removed with all of its author's, as asked by ${vanish.id}`,
    ]);
    expect(await logOf(list[2])).toEqual(["state  not here", "log    T removed by nandu delete"]);
    expect((await why([list[1].id])).code).toBe(0);
  });

  test("for it was refused, which is written down a little later", async () => {
    const forged = { ...topic.make(), sig: note.sig };
    const client = await Client.connect(relay.url);
    await client.publish(forged);
    client.close();
    let told = await logOf(forged);
    while (told[0] !== "state  not here") told = await logOf(forged);
    expect(told).toEqual(["state  not here", "log    T refused: invalid: bad signature"]);
  });

  const far = nowSeconds() + 10_000;
  const rows: [string, NostrEvent, string[]][] = [
    ["that would be stored", never, ["now    it would be stored"]],
    [
      "that only its author may publish",
      topic.make({ tags: [["-"]] }),
      [
        "now    it would be stored",
        "       without a sign-in: auth-required: " +
          "this event may only be published by its author",
      ],
    ],
    [
      "of an ephemeral kind",
      topic.make({ kind: 20_001, created_at: nowSeconds() }),
      ["now    it would be passed on and not be stored: its kind is ephemeral"],
    ],
    [
      "with another's signature",
      { ...never, sig: note.sig },
      ["now    it would be refused: invalid: bad signature"],
    ],
    [
      "of the future",
      topic.make({ created_at: far }),
      [
        "now    it would be refused: " +
          "invalid: created_at is more than 900 seconds in the future",
      ],
    ],
    [
      "that has expired",
      topic.make({ tags: [["expiration", "1"]] }),
      ["now    it would be refused: invalid: this event has expired"],
    ],
    [
      "that was deleted",
      deleted,
      [
        "now      it would be refused: blocked: this event was deleted by its author",
        `         in its way is ${request.id}`,
      ],
    ],
    [
      "that is an older version",
      old,
      [
        "now    it would be refused: duplicate: a newer version of this event is stored",
        `       in its way is ${current.id}`,
      ],
    ],
  ];
  test.each(rows)("%s: what the relay would say", async (_, event, lines) => {
    const { code, text: printed } = await why([JSON.stringify(event)]);
    expect([code, printed.split("\n").slice(-lines.length - 1)]).toEqual([1, [...lines, ""]]);
  });
});

describe("the log", () => {
  let dir: string;
  const [first = "", second = ""] = [1, 2].map((digit) => String(digit).repeat(64));
  const entries = [
    ["refused", "invalid: bad signature", "refused: invalid: bad signature"],
    ["replaced", second, `replaced by ${second}`],
    ["deleted", second, `deleted, as asked by ${second}`],
    ["vanished", second, `removed with all of its author's, as asked by ${second}`],
    ["expired", "", "removed, having expired"],
    ["banned", "spam", "banned: spam"],
    ["erased", "", "removed by nandu delete"],
    ["refused", "error: \u001b[31m\u009b", "refused: error: \\u001b[31m\\u009b"],
  ] as const;

  beforeAll(async () => {
    dir = makeTempDir();
    await runNandu(["import", `--data-dir=${dir}`], { stdin: "" });
    using db = new Database(join(dir, "nandu.db"));
    const insert = db.prepare("INSERT INTO history VALUES (?, ?, ?, ?, ?, ?)");
    entries.forEach(([what, detail], i) => {
      const seq = what === "refused" ? 0 : i;
      insert.run(10 + i, Buffer.from(first, "hex"), seq, 1_700_000_000 + i, what, detail);
    });
  });

  afterAll(() => {
    removeTempDir(dir);
  });

  test("tells what became of an event, the last first", async () => {
    const lines = entries.map(([, , line], i) => `       2023-11-14T22:13:${20 + i}.000Z ${line}`);
    const log = lines.toReversed();
    log[0] = `log${(log[0] as string).slice(3)}`;
    expect(await runNandu(["why", `--data-dir=${dir}`, first])).toEqual({
      code: 1,
      stdout: text([`event  ${first}`, "state  not here", ...log]),
      stderr: "",
    });
  });

  test("says how far it goes back when it knows nothing of it", async () => {
    const since = "2023-11-14T22:13:20.000Z";
    expect(await runNandu(["why", `--data-dir=${dir}`, second])).toEqual({
      code: 1,
      stdout: text([
        `event  ${second}`,
        "state  not here, and nothing is known of it",
        `log    says nothing of it; has 8 entries, since ${since}`,
      ]),
      stderr: "",
    });
  });

  test("as JSON", async () => {
    const { code, stdout } = await runNandu(["why", "--json", `--data-dir=${dir}`, first]);
    const logged = entries.map(([what, detail], i) => {
      return { at: 1_700_000_000 + i, seq: what === "refused" ? 0 : i, what, detail };
    });
    expect([code, JSON.parse(stdout)]).toEqual([
      1,
      {
        id: first,
        is_here: false,
        stored: null,
        log: { entries: logged.toReversed(), since: 1_700_000_000 },
        deletion_requests: [],
        now: null,
      },
    ]);
  });
});
