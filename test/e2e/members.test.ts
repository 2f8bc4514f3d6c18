// Members (NIP-43): who may write and read, how one joins and leaves, what the relay publishes
// about it, and the commands for all that, beside the running relay.

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { nip19, verifyEvent } from "nostr-tools";
import type { NostrEvent } from "../../src/protocol/event.ts";
import { Client } from "../support/client.ts";
import { authorKey, signEvent } from "../support/events.ts";
import { Manager } from "../support/management.ts";
import { makeTempDir, RelayProcess, removeTempDir, runNandu } from "../support/relay-process.ts";
import { nowSeconds, ok, refused } from "../support/topic.ts";

const ADMIN = 21;
const FLAGS = [
  `--admin-pubkeys=${authorKey(ADMIN).pubkey}`,
  "--access-write=members",
  "--access-read=members",
  "--access-invite-uses=2",
  "--info-name=The Club",
  "--threads-ingester=2",
];
const OWN_KINDS = [8000, 8001, 13534, 33534];

let dataDir: string;
let relay: RelayProcess;
let admin: Manager;
/** Signed in as the admin. */
let watcher: Client;
let self: string;
let made = 0;

beforeAll(async () => {
  dataDir = makeTempDir();
  relay = await RelayProcess.start({ dataDir, flags: FLAGS });
  admin = new Manager(relay.url, ADMIN);
  watcher = await signedIn(ADMIN);
  const headers = { accept: "application/nostr+json" };
  const response = await fetch(relay.url.replace("ws", "http"), { headers });
  const information = (await response.json()) as Record<string, unknown>;
  self = information["self"] as string;
  expect(information["supported_nips"]).toContain(43);
  expect(information["limitation"]).toMatchObject({ restricted_writes: true });
  await watcher.request("own", { authors: [self], kinds: OWN_KINDS });
});

afterAll(async () => {
  expect(await relay.stop()).toBe(0);
  removeTempDir(dataDir);
});

async function signedIn(...authors: number[]): Promise<Client> {
  const client = await Client.connect(relay.url);
  for (const author of authors) expect((await client.signIn(author))[2]).toBe(true);
  return client;
}

function make(author: number, kind: number, tags: string[][] = [], created_at = nowSeconds()) {
  made += 1;
  const content = String(made);
  return signEvent({ kind, created_at, tags, content }, authorKey(author));
}

function joinRequest(author: number, code: string): NostrEvent {
  return make(author, 28934, [["-"], ["claim", code]]);
}

function pubkeyOf(author: number): string {
  return authorKey(author).pubkey;
}

/** What the relay has published since, as the watcher gets it. */
async function nextOwn(count: number): Promise<[kind: number, tags: unknown][]> {
  const frames = await watcher.takeOf("own", count);
  return frames.map(([, , event]) => {
    const { kind, pubkey, tags } = event as NostrEvent;
    expect(pubkey).toBe(self);
    expect(verifyEvent(structuredClone(event) as never)).toBe(true);
    return [kind, tags];
  });
}

async function memberList(): Promise<unknown> {
  const [event, ...more] = await watcher.query({ authors: [self], kinds: [13534] });
  expect(more).toEqual([]);
  return event?.tags ?? null;
}

async function nandu(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await runNandu([...args, `--data-dir=${dataDir}`]);
  if (code !== 0) throw new Error(`nandu ${args.join(" ")}: ${stderr}`);
  return stdout;
}

/** Of the invite that the relay gives to this client, if any. */
async function askForInvite(client: Client, filter: object = {}): Promise<string | null> {
  made += 1;
  const id = `invite-${made}`;
  const frames = await client.request(id, { kinds: [28935], ...filter });
  client.send("CLOSE", id);
  expect(frames.at(-1)?.[0]).toBe("EOSE");
  const [frame, ...more] = frames.slice(0, -1);
  expect(more).toEqual([]);
  if (frame === undefined) return null;
  const { kind, pubkey, tags } = frame[2] as NostrEvent;
  expect([kind, pubkey, tags]).toEqual([28935, self, [["-"], ["claim", expect.any(String)]]]);
  expect(verifyEvent(structuredClone(frame[2]) as never)).toBe(true);
  return tags[1]?.[1] as string;
}

describe("strangers", () => {
  test("may neither read nor write, and are asked to sign in", async () => {
    const client = await Client.connect(relay.url);
    const note = make(0, 1);
    const why = (verb: string) => `only members of this relay may ${verb}`;
    expect(await client.publish(note)).toEqual(refused(note, `auth-required: ${why("write")}`));
    expect(await client.request("a", { kinds: [1] })).toEqual([
      ["CLOSED", "a", `auth-required: ${why("read")}`],
    ]);
    expect(await client.count("b", { kinds: [1] })).toEqual([
      "CLOSED",
      "b",
      `auth-required: ${why("read")}`,
    ]);
    client.send("NEG-OPEN", "c", {}, "61");
    const unknown = ["NEG-ERR", "c", `auth-required: ${why("read")}`];
    expect(await client.find("NEG-ERR", "c")).toEqual(unknown);
    await client.signIn(0);
    expect(await client.publish(note)).toEqual(refused(note, `restricted: ${why("write")}`));
    expect(await client.request("a", { kinds: [28935] })).toEqual([
      ["CLOSED", "a", `restricted: ${why("read")}`],
    ]);
    client.send("NEG-OPEN", "d", {}, "61");
    const stranger = ["NEG-ERR", "d", `restricted: ${why("read")}`];
    expect(await client.find("NEG-ERR", "d")).toEqual(stranger);
  });

  test("don't get to publish what only the relay does", async () => {
    for (const kind of [...OWN_KINDS, 28935]) {
      const event = make(ADMIN, kind, [["-"], ["d", "x"], ["p", pubkeyOf(0)]]);
      expect(await watcher.publish(event)).toEqual(
        refused(event, `restricted: only the relay itself publishes events of kind ${kind}`),
      );
    }
  });

  test("join by no claim that the relay doesn't know, and by no old request", async () => {
    const client = await signedIn(0);
    const rows: [NostrEvent, string][] = [
      [joinRequest(0, "x"), "restricted: that is an invalid invite code."],
      [joinRequest(0, "A".repeat(40)), "restricted: that is an invalid invite code."],
      [make(0, 28934, [["-"]]), "invalid: a claim tag is missing"],
      [
        make(0, 28934, [["-"], ["claim", "x"]], nowSeconds() - 400),
        "invalid: created_at is not of this moment",
      ],
      [make(0, 28936), 'invalid: a leave request needs a "-" tag (NIP-70)'],
    ];
    for (const [event, reason] of rows) {
      expect(await client.publish(event)).toEqual(refused(event, reason));
    }
    const leave = make(0, 28936, [["-"]]);
    expect(await client.publish(leave)).toEqual(
      ok(leave, "duplicate: you are not a member of this relay."),
    );
  });
});

describe("members", () => {
  test("join by the code that an admin got, are announced, write and read", async () => {
    const code = (await askForInvite(watcher)) as string;
    expect(await askForInvite(watcher)).not.toBe(code);
    const client = await signedIn(1);
    const request = joinRequest(1, code);
    expect(await client.publish(request)).toEqual(ok(request, "info: welcome to The Club!"));
    expect(await nextOwn(2)).toEqual([
      [8000, [["-"], ["p", pubkeyOf(1)]]],
      [13534, [["-"], ["member", pubkeyOf(1)]]],
    ]);
    const note = make(1, 1);
    expect(await client.publish(note)).toEqual(ok(note));
    expect(await client.query({ ids: [note.id, request.id] })).toEqual([note]);
    const again = joinRequest(1, code);
    expect(await client.publish(again)).toEqual(
      ok(again, "duplicate: you are already a member of this relay."),
    );
  });

  test("invite others, as often as a code is good for", async () => {
    const member = await signedIn(1);
    const code = (await askForInvite(member, { authors: [self] })) as string;
    expect(await askForInvite(member, { authors: [pubkeyOf(1)] })).toBeNull();
    expect(await askForInvite(member, { limit: 0 })).toBeNull();
    for (const author of [2, 3]) {
      const client = await signedIn(author);
      const request = joinRequest(author, code);
      expect(await client.publish(request)).toEqual(ok(request, "info: welcome to The Club!"));
      await nextOwn(2);
    }
    const client = await signedIn(4);
    const request = joinRequest(4, code);
    expect(await client.publish(request)).toEqual(
      refused(request, "restricted: that invite code has been used."),
    );
    expect(await nandu("invite", "list")).toContain(`${code}\t${pubkeyOf(1)}\t2\t2\t`);
    expect(await memberList()).toEqual([
      ["-"],
      ["member", pubkeyOf(1)],
      ["member", pubkeyOf(2)],
      ["member", pubkeyOf(3)],
    ]);
  });

  test("publish what others have written, once they have signed in", async () => {
    const client = await signedIn(2);
    const wrap = make(9, 1059, [["p", pubkeyOf(1)]]);
    expect(await client.publish(wrap)).toEqual(ok(wrap));
  });

  test("leave, and are sent nothing from then on", async () => {
    const client = await signedIn(3);
    expect(await client.request("open", { kinds: [1] })).toBeArray();
    const leave = make(3, 28936, [["-"]]);
    expect(await client.publish(leave)).toEqual(
      ok(leave, "info: you are no longer a member of this relay."),
    );
    expect(await nextOwn(2)).toEqual([
      [8001, [["-"], ["p", pubkeyOf(3)]]],
      [13534, [["-"], ["member", pubkeyOf(1)], ["member", pubkeyOf(2)]]],
    ]);
    const why = "restricted: only members of this relay may";
    expect(await client.find("CLOSED", "open")).toEqual(["CLOSED", "open", `${why} read`]);
    const note = make(3, 1);
    expect(await client.publish(note)).toEqual(refused(note, `${why} write`));
  });

  test("that are banned are none, nor do their invites count", async () => {
    const member = await signedIn(2);
    const code = (await askForInvite(member)) as string;
    await admin.result("banpubkey", pubkeyOf(2), "spam");
    expect(await nextOwn(1)).toEqual([[13534, [["-"], ["member", pubkeyOf(1)]]]]);
    expect(await member.request("a", { kinds: [1] })).toEqual([
      ["CLOSED", "a", "restricted: only members of this relay may read"],
    ]);
    const client = await signedIn(5);
    const request = joinRequest(5, code);
    expect(await client.publish(request)).toEqual(
      refused(request, "restricted: that is an invalid invite code."),
    );
    const rejoin = joinRequest(2, code);
    expect(await member.publish(rejoin)).toEqual(refused(rejoin, "blocked: spam"));
    await admin.result("unbanpubkey", pubkeyOf(2));
    expect(await nextOwn(1)).toEqual([
      [13534, [["-"], ["member", pubkeyOf(1)], ["member", pubkeyOf(2)]]],
    ]);
  });
});

describe("roles", () => {
  const role = (label: string) => [33534, [["-"], ["d", "a1"], ["label", label], ["color", "37"]]];

  test("are created, edited, given, taken and deleted by admins, and published", async () => {
    await admin.result("createrole", "a1", "king", "", 37);
    expect(await nextOwn(1)).toEqual([role("king")] as never);
    expect(await admin.call("createrole", "a1")).toEqual({
      status: 200,
      body: { error: "there is such a role" },
    });
    await admin.result("editrole", "a1", "queen", "", "37");
    expect(await nextOwn(1)).toEqual([role("queen")] as never);
    expect(await admin.call("assignrole", pubkeyOf(9), "a1")).toEqual({
      status: 200,
      body: { error: "that key is no member: allow it first" },
    });
    await admin.result("assignrole", pubkeyOf(1), "a1");
    const [list] = await nextOwn(1);
    expect(list).toEqual([13534, [["-"], ["member", pubkeyOf(1), "a1"], ["member", pubkeyOf(2)]]]);
    expect(await admin.result("listroles")).toEqual([
      { id: "a1", label: "queen", description: "", color: 37, order: null },
    ]);
    const queens = await watcher.query({ kinds: [33534] });
    expect(queens.map(({ tags }) => tags)).toEqual([role("queen")[1]] as never);
    await admin.result("unassignrole", pubkeyOf(1), "a1");
    await nextOwn(1);
    await admin.result("assignrole", pubkeyOf(2), "a1");
    await nextOwn(1);
    await admin.result("deleterole", "a1");
    await nextOwn(1);
    expect(await watcher.query({ kinds: [33534] })).toEqual([]);
    expect(await memberList()).toEqual([["-"], ["member", pubkeyOf(1)], ["member", pubkeyOf(2)]]);
  });

  test("come back by the same id within the same second", async () => {
    await admin.result("createrole", "a1", "king", "", 37);
    expect(await nextOwn(1)).toEqual([role("king")] as never);
    expect((await watcher.query({ kinds: [33534] })).map(({ tags }) => tags)).toEqual([
      role("king")[1],
    ] as never);
  });
});

describe("commands, beside the running relay", () => {
  test("member add, list, remove", async () => {
    const npub = nip19.npubEncode(pubkeyOf(6));
    expect(await nandu("member", "add", npub, "--reason=a friend", "--role=a1")).toBe(
      `added ${pubkeyOf(6)}\n`,
    );
    expect(await nextOwn(2)).toEqual([
      [8000, [["-"], ["p", pubkeyOf(6)]]],
      [
        13534,
        [["-"], ["member", pubkeyOf(1)], ["member", pubkeyOf(2)], ["member", pubkeyOf(6), "a1"]],
      ],
    ]);
    const client = await Client.connect(relay.url);
    const note = make(6, 1);
    expect(await client.publish(note)).toEqual(ok(note));
    const lines = (await nandu("member", "list")).split("\n");
    expect(lines.at(-2)).toBe(`${pubkeyOf(6)}\ta1\ta friend`);
    expect(await nandu("member", "remove", npub)).toBe(`removed ${pubkeyOf(6)}\n`);
    expect((await nextOwn(2)).map(([kind]) => kind)).toEqual([8001, 13534]);
    const next = make(6, 1);
    expect(await client.publish(next)).toEqual(
      refused(next, "auth-required: only members of this relay may write"),
    );
  });

  test("invite create, list, revoke", async () => {
    const [good, bad] = [
      (await nandu("invite", "create", "--uses=5", "--lifetime=1h")).trimEnd(),
      (await nandu("invite", "create")).trimEnd(),
    ];
    for (const code of [good, bad]) expect(code).toMatch(/^[0-9a-f]{24}$/); // no flag
    const asked = (await askForInvite(watcher)) as string;
    expect(await nandu("invite", "revoke", bad)).toBe(`revoked ${bad}\n`);
    expect(await nandu("invite", "revoke", asked)).toBe(`revoked ${asked}\n`);
    const list = await nandu("invite", "list");
    expect(list).toContain(`${good}\toperator\t0\t5\t`);
    expect(list).toContain(`${bad}\toperator\t0\trevoked\t`);
    const client = await signedIn(7);
    for (const code of [bad, asked]) {
      const request = joinRequest(7, code);
      expect(await client.publish(request)).toEqual(
        refused(request, "restricted: that is an invalid invite code."),
      );
    }
    const request = joinRequest(7, good);
    expect(await client.publish(request)).toEqual(ok(request, "info: welcome to The Club!"));
    await nextOwn(2);
  });

  test("their mistakes are told", async () => {
    const rows: [string[], string][] = [
      [["member", "ad"], "ad is none of list, add, remove (nandu help member)"],
      [["member", "add", "x"], "x is no public key, neither npub nor hex (nandu help member)"],
      [["member", "add", pubkeyOf(8), "--role=none"], "there is no role none"],
    ];
    const results = await Promise.all(
      rows.map(([args]) => runNandu([...args, `--data-dir=${dataDir}`])),
    );
    for (const [i, [, problem]] of rows.entries()) {
      expect(results[i]?.stderr).toStartWith(`nandu: ${problem}`);
      expect(results[i]?.code).toBeGreaterThan(0);
    }
    expect((await nandu("member", "list")).includes(pubkeyOf(8))).toBe(false);
  });

  test("all of it is in the log", async () => {
    const lines = (await nandu("audit")).trimEnd().split("\n");
    const said = lines.map((line) => line.split("\t").slice(1, 3).join(" "));
    expect(said).toContain(`${pubkeyOf(1)} join`);
    expect(said).toContain(`${pubkeyOf(3)} leave`);
    expect(said).toContain("operator allowpubkey");
    expect(said).toContain("operator assignrole");
    expect(said).toContain("operator unallowpubkey");
    expect(said).toContain("operator createinvite");
    expect(said).toContain("operator revokeinvite");
    expect(said).toContain(`${pubkeyOf(ADMIN)} createrole`);
  });
});
