// The control state: what each change makes of it, and what follows for events. In one database, by
// the changes that the management API and the commands make.

import { describe, expect, test } from "bun:test";
import { defaultSettings, type Settings } from "../../src/config/options.ts";
import { install } from "../../src/config/current.ts";
import { RelayKey } from "../../src/crypto/relay-key.ts";
import { ControlChanges } from "../../src/policy/control-changes.ts";
import {
  ControlVersion,
  ControlView,
  readControl,
  refuseBanned,
} from "../../src/policy/control.ts";
import { openInvite, sealInvite } from "../../src/policy/invites.ts";
import { inviterOf, isManaged, refuseReader, refuseWriter } from "../../src/policy/rights.ts";
import { TestStore } from "../support/test-store.ts";

const [A, B, C] = ["aa", "bb", "cc"].map((byte) => byte.repeat(32)) as [string, string, string];
const ID = "1d".repeat(32);

function withSettings(changes: Partial<Settings>, body: () => void): void {
  install({ ...defaultSettings(), ...changes });
  try {
    body();
  } finally {
    install(defaultSettings());
  }
}

test("bans refuse by key, by id and by kind, with their reasons", () => {
  using store = new TestStore();
  const changes = new ControlChanges(store.db);
  const refuse = (id: string, pubkey: string, kind: number) =>
    refuseBanned(readControl(store.db), id, pubkey, kind);
  expect(readControl(store.db).hasRules).toBe(false);
  expect(refuse(ID, A, 1)).toBeNull();
  changes.banPubkey(A, "spam");
  changes.banPubkey(B, "");
  expect(refuse(ID, A, 1)).toBe("blocked: spam");
  expect(refuse(ID, B, 1)).toBe("blocked: this key is banned");
  expect(refuse(ID, C, 1)).toBeNull();
  expect(changes.unbanPubkey(A)).toBe(true);
  expect(changes.unbanPubkey(A)).toBe(false);
  expect(refuse(ID, A, 1)).toBeNull();
  changes.banEvent(ID, "");
  expect(refuse(ID, C, 1)).toBe("blocked: this event is banned");
  changes.allowEvent(ID, "fine");
  expect(refuse(ID, C, 1)).toBeNull();
  expect(changes.isDecided(ID)).toBe(true);
  changes.banEvent(ID, "no");
  expect(refuse(ID, C, 1)).toBe("blocked: no");
});

describe("kinds", () => {
  type Step = ["allow" | "disallow", number];
  const rows: { desc: string; steps: Step[]; allowed: number[]; refused: number[] }[] = [
    { desc: "are all accepted at first", steps: [], allowed: [0, 1, 7, 30023], refused: [] },
    { desc: "may be disallowed", steps: [["disallow", 7]], allowed: [0, 1], refused: [7] },
    {
      desc: "may be allowed again, and no others are refused for that",
      steps: [
        ["disallow", 7],
        ["allow", 7],
      ],
      allowed: [0, 1, 7],
      refused: [],
    },
    {
      desc: "that are allowed make a list, beside which nothing is accepted",
      steps: [
        ["allow", 1],
        ["allow", 7],
      ],
      allowed: [1, 7],
      refused: [0, 30023],
    },
    {
      desc: "leave the list when they are disallowed",
      steps: [
        ["allow", 1],
        ["allow", 7],
        ["disallow", 7],
      ],
      allowed: [1],
      refused: [0, 7],
    },
    {
      desc: "disallowed come on the list when there is one",
      steps: [
        ["allow", 1],
        ["disallow", 7],
        ["allow", 7],
      ],
      allowed: [1, 7],
      refused: [0],
    },
    {
      desc: "by which one asks to join are never refused",
      steps: [["allow", 1]],
      allowed: [1, 28934, 28936],
      refused: [28935],
    },
  ];
  test.each(rows)("$desc", ({ steps, allowed, refused }) => {
    using store = new TestStore();
    const changes = new ControlChanges(store.db);
    for (const [step, kind] of steps) {
      if (step === "allow") changes.allowKind(kind);
      else changes.disallowKind(kind);
    }
    const control = readControl(store.db);
    const refuse = (kind: number) => refuseBanned(control, ID, A, kind);
    expect(allowed.map(refuse)).toEqual(allowed.map(() => null));
    expect(refused.map(refuse)).toEqual(
      refused.map((kind) => `blocked: events of kind ${kind} are not accepted here` as const),
    );
  });
});

test("a view sees what has changed once the version is raised, which every change does", () => {
  using store = new TestStore();
  const version = new ControlVersion();
  const view = new ControlView(store.db, version);
  const changes = new ControlChanges(store.db);
  const steps: (() => unknown)[] = [
    () => changes.banPubkey(A, ""),
    () => changes.banEvent(ID, ""),
    () => changes.addMember(B, ""),
    () => changes.allowKind(1),
    () => changes.blockIp("192.0.2.1", ""),
    () => changes.setText("name", "x"),
    () => changes.removeMember(B),
  ];
  for (const step of steps) {
    const before = view.current();
    step();
    expect(view.current()).toBe(before);
    version.raise();
    expect(view.current().version).toBeGreaterThan(before.version);
    expect(view.current()).toBe(view.current());
  }
});

describe("who may", () => {
  const NOBODY: ReadonlySet<string> = new Set();
  const members = { "access.write": "members", "access.read": "members" } as const;
  const signIn = (verb: string) => `auth-required: only members of this relay may ${verb}` as const;
  const restricted = (verb: string) =>
    `restricted: only members of this relay may ${verb}` as const;

  function controlOf(...pubkeys: string[]) {
    using store = new TestStore();
    const changes = new ControlChanges(store.db);
    for (const pubkey of pubkeys) changes.addMember(pubkey, "");
    changes.addMember(C, "");
    changes.banPubkey(C, "");
    return readControl(store.db);
  }

  test("write and read is anyone at first", () => {
    const control = controlOf();
    expect(refuseWriter(control, A, NOBODY)).toBeNull();
    expect(refuseReader(control, NOBODY)).toBeNull();
  });

  test("write is a member's own event, and what a member passes on", () => {
    withSettings({ ...members, "admin.pubkeys": [B] }, () => {
      const control = controlOf(A);
      expect(refuseWriter(control, A, NOBODY)).toBeNull();
      expect(refuseWriter(control, B, NOBODY)).toBeNull();
      expect(refuseWriter(control, "dd".repeat(32), NOBODY)).toBe(signIn("write"));
      expect(refuseWriter(control, "dd".repeat(32), new Set([C]))).toBe(restricted("write"));
      expect(refuseWriter(control, "dd".repeat(32), new Set([C, A]))).toBeNull();
      expect(refuseWriter(control, C, NOBODY)).toBe(signIn("write"));
    });
  });

  test("read is whoever has signed in with a member's or an admin's key", () => {
    withSettings({ ...members, "admin.moderators": [B] }, () => {
      const control = controlOf(A);
      expect(refuseReader(control, NOBODY)).toBe(signIn("read"));
      expect(refuseReader(control, new Set([C]))).toBe(restricted("read"));
      expect(refuseReader(control, new Set([C, A]))).toBeNull();
      expect(refuseReader(control, new Set([B]))).toBeNull();
    });
  });

  test("invite is as the option says", () => {
    const who = { member: A, admin: B };
    const rows = [
      ["off", []],
      ["admins", ["admin"]],
      ["members", ["member", "admin"]],
    ] as const;
    for (const [invites, allowed] of rows) {
      withSettings({ ...members, "access.invites": invites, "admin.pubkeys": [B] }, () => {
        for (const [name, pubkey] of Object.entries(who)) {
          const isAllowed = allowed.some((one) => one === name);
          expect(inviterOf(controlOf(A), new Set([pubkey]))).toBe(isAllowed ? pubkey : null);
        }
        expect(inviterOf(controlOf(A), new Set([C]))).toBeNull();
      });
    }
    withSettings({ "admin.pubkeys": [B] }, () => {
      expect(inviterOf(controlOf(A), new Set([B]))).toBeNull(); // there is nothing to be invited to
    });
  });

  test("manage is nobody by default", () => {
    expect(isManaged(defaultSettings())).toBe(false);
    for (const changes of [
      { "info.pubkey": A },
      { "admin.pubkeys": [A] },
      { "admin.moderators": [A] },
    ]) {
      expect(isManaged({ ...defaultSettings(), ...changes })).toBe(true);
    }
  });
});

describe("an invite that was made for asking", () => {
  const key = new RelayKey(Buffer.alloc(32, 7));

  test("says by whom and until when, and is never the same", () => {
    const codes = [1, 2].map(() => sealInvite(key, A, 1_700_000_000));
    expect(codes[0]).not.toBe(codes[1]);
    for (const code of codes) {
      expect(code).toMatch(/^[A-Za-z0-9_-]{40}$/);
      expect(openInvite(key, code)).toEqual({
        expires: 1_700_000_000,
        inviterPrefix: A.slice(0, 16),
      });
    }
  });

  test("is worth nothing when any part of it is changed, or by another relay", () => {
    const code = sealInvite(key, A, 1_700_000_000);
    expect(openInvite(new RelayKey(Buffer.alloc(32, 8)), code)).toBeNull();
    for (let i = 0; i < code.length; i++) {
      const changed = `${code.slice(0, i)}${code[i] === "A" ? "B" : "A"}${code.slice(i + 1)}`;
      expect(openInvite(key, changed)).toBeNull();
    }
    for (const text of ["", code.slice(1), `${code}A`, `${code.slice(1)}=`, "ñ".repeat(40)]) {
      expect(openInvite(key, text)).toBeNull();
    }
  });
});

test("the log keeps who has done what and when, and is read from any time on", () => {
  using store = new TestStore();
  const changes = new ControlChanges(store.db);
  changes.log(10, A, "banpubkey", [B, "x\ty"], "true");
  changes.log(20, "operator", "allowpubkey", [C], "no");
  const entries = [
    { at: 10, actor: A, method: "banpubkey", params: JSON.stringify([B, "x\ty"]), result: "true" },
    { at: 20, actor: "operator", method: "allowpubkey", params: JSON.stringify([C]), result: "no" },
  ];
  expect([...changes.audit(0)]).toEqual(entries);
  expect([...changes.audit(11)]).toEqual(entries.slice(1));
});

test("an authorization is good once, also when its time is over by the time of the call", () => {
  using store = new TestStore();
  const changes = new ControlChanges(store.db);
  expect(changes.useAuth(ID, 100, 100)).toBe(true);
  expect(changes.useAuth(ID, 100, 100)).toBe(false);
  // Verified in its last second, and then it has waited for the writer.
  for (const now of [101, 160, 400]) expect(changes.useAuth(ID, 100, now)).toBe(false);
});

test("authorizations that can't come again are forgotten", () => {
  using store = new TestStore();
  const changes = new ControlChanges(store.db);
  changes.useAuth(ID, 100, 100);
  changes.useAuth(A, 10_000, 10_000);
  expect(store.db.query("SELECT id FROM used_auth").values()).toEqual([[A]]);
});
