// The writer's book of groups on a database: what it keeps over restarts, beside other processes
// and after transactions that came to nothing, and when it publishes metadata.

import { describe, expect, test } from "bun:test";
import { GroupLedger } from "../../../src/policy/groups/ledger.ts";
import type { Signer } from "../../../src/policy/groups/relay-events.ts";
import { GroupsVersion, GroupsView } from "../../../src/policy/groups/view.ts";
import type { NostrEvent } from "../../../src/protocol/event.ts";
import { candidateOf, decodeText } from "../../../src/store/candidate.ts";
import { EventReader } from "../../../src/store/read.ts";
import {
  ADMIN,
  type Fields,
  groupEvent,
  MEMBER,
  NOW,
  RELAY,
  RULES,
  STRANGER,
} from "../../support/group-book.ts";
import { TestStore } from "../../support/test-store.ts";
import { author, makeEvent } from "../../support/unsigned-events.ts";

const KEY: Signer = {
  pubkey: RELAY,
  sign: (unsigned) => makeEvent({ ...unsigned, pubkey: RELAY }),
};

/** A writer of groups. Its events go to the store all the same, after the transaction. */
class Desk {
  readonly store: TestStore;
  readonly ledger: GroupLedger;
  readonly version = new GroupsVersion();
  now = NOW;

  constructor(store: TestStore, rules = RULES) {
    this.store = store;
    this.ledger = new GroupLedger(store.db, new EventReader(store.db), {
      key: KEY,
      rules,
      standing: { isAdmin: () => false, isMember: () => false },
      nowSeconds: () => this.now,
      isVanish: ({ tags }) => tags.some(([name]) => name === "relay"),
    });
  }

  /** One transaction: refusals, and what the relay has said. */
  write(...events: NostrEvent[]): { refusals: (string | null)[]; said: NostrEvent[] } {
    const said: NostrEvent[] = [];
    const taken: NostrEvent[] = [];
    const { ledger, store } = this;
    const refusals = store.db.transaction(() => {
      ledger.begin();
      const answers = events.map((event) => {
        const refusal = ledger.check(candidateOf(event));
        if (refusal !== null) return refusal;
        taken.push(event);
        for (const { text } of ledger.accepted()?.own ?? []) said.push(decodeText(text));
        return null;
      });
      for (const { text } of ledger.end()) said.push(decodeText(text));
      return answers;
    })();
    ledger.committed();
    this.version.set(ledger.version);
    store.write(...taken, ...said);
    return { refusals, said };
  }

  /** A transaction that comes to nothing. */
  fail(...events: NostrEvent[]): void {
    const { ledger, store } = this;
    const failing = store.db.transaction(() => {
      ledger.begin();
      for (const event of events) {
        expect(ledger.check(candidateOf(event))).toBeNull();
        ledger.accepted();
      }
      ledger.end();
      throw new Error("disk full");
    });
    expect(failing).toThrow("disk full");
  }

  must(fields: Fields): NostrEvent[] {
    const { refusals, said } = this.write(groupEvent({ at: this.now, ...fields }));
    expect(refusals).toEqual([null]);
    return said;
  }

  check(fields: Fields): string | null {
    this.ledger.begin();
    return this.ledger.check(candidateOf(groupEvent({ at: this.now, ...fields })));
  }
}

const CREATE: Fields = { kind: 9007, by: ADMIN };
const EXISTS = "duplicate: this group exists already";
const name = (text: string): Fields => ({ kind: 9002, by: ADMIN, tags: [["name", text]] });

describe("metadata", () => {
  test("is published with what changes it, each version later than the one before", () => {
    using store = new TestStore();
    const desk = new Desk(store);
    const made = desk.must(CREATE).map(({ kind, created_at }) => [kind, created_at]);
    const kinds = [9000, 39_000, 39_001, 39_002, 39_003];
    expect(made).toEqual(kinds.map((kind) => [kind, NOW]));
    const edits = ["a", "b", "c"].map((text) => desk.must(name(text))[0] as NostrEvent);
    expect(edits.map(({ created_at }) => created_at)).toEqual([NOW + 1, NOW + 2, NOW + 3]);
    desk.now += 100;
    expect(desk.must(name("d"))[0]?.created_at).toBe(NOW + 100);
  });

  test("is published once for a batch", () => {
    using store = new TestStore();
    const desk = new Desk(store);
    desk.must(CREATE);
    const joins = Array.from({ length: 9 }, (_, i) =>
      groupEvent({ kind: 9021, by: author(50 + i) }),
    );
    const { said } = desk.write(...joins);
    expect(said.map(({ kind }) => kind)).toEqual([...joins.map(() => 9000), 39_002]);
    expect(said.at(-1)?.tags.length).toBe(11);
  });

  test("waits when it is ten seconds ahead, and says then what is so by then", () => {
    using store = new TestStore();
    const desk = new Desk(store);
    desk.must(CREATE);
    const times: (number | undefined)[] = [];
    for (let i = 0; i < 20; i++) times.push(desk.must(name(`${i}`))[0]?.created_at);
    const published = Array.from({ length: 10 }, (_, i) => NOW + 1 + i);
    expect(times).toEqual([...published, ...Array.from({ length: 10 }, () => undefined)]);
    expect(desk.ledger.isDue).toBe(false);
    // The process ends here.
    const next = new Desk(store);
    expect(next.ledger.isDue).toBe(false);
    next.now = NOW + 1;
    expect(next.ledger.isDue).toBe(true);
    const { said } = next.write();
    expect(said.map(({ created_at, tags }) => [created_at, tags])).toEqual([
      [
        NOW + 11,
        [
          ["d", "g"],
          ["name", "19"],
        ],
      ],
    ]);
    expect(next.ledger.isDue).toBe(false);
    expect(next.write().said).toEqual([]);
  });
});

test("of a crowd that joins within a second some are told to come again", () => {
  using store = new TestStore();
  const desk = new Desk(store, { ...RULES, membersMax: 1000 });
  desk.must(CREATE);
  const join = (i: number) => groupEvent({ kind: 9021, by: author(1000 + i) });
  const busy = "rate-limited: too many join, leave or create groups at once, try again";
  const crowd = Array.from({ length: 220 }, (_, i) => join(i));
  const { refusals } = desk.write(...crowd);
  // One answer went to who has created the group.
  expect(refusals).toEqual(crowd.map((_, i) => (i < 199 ? null : busy)));
  expect(desk.write(groupEvent({ kind: 9, by: MEMBER })).refusals).toEqual([null]);
  desk.now += 1;
  expect(desk.write(crowd[210] as NostrEvent).refusals).toEqual([null]);
});

test("metadata of very many groups waits for the next second", () => {
  using store = new TestStore();
  const desk = new Desk(store, { ...RULES, groupsMax: 1000 });
  const ids = Array.from({ length: 200 }, (_, i) => `group ${i}`);
  const { said } = desk.write(...ids.map((h) => groupEvent({ ...CREATE, h })));
  // 200 answers, and so many groups of four that the rest of 500 is used up.
  expect(said.length).toBe(500);
  expect(desk.ledger.isDue).toBe(false);
  desk.now += 1;
  expect(desk.ledger.isDue).toBe(true);
  expect(desk.write().said.length).toBe(500);
});

describe("the state", () => {
  test("is there after a restart, that a group is gone as well", () => {
    using store = new TestStore();
    const desk = new Desk(store);
    desk.must(CREATE);
    desk.must({ ...CREATE, h: "gone" });
    desk.must({ kind: 9008, by: ADMIN, h: "gone" });
    const next = new Desk(store);
    expect(next.check(CREATE)).toBe(EXISTS);
    expect(next.check({ ...CREATE, h: "gone" })).toBe("blocked: this group has been deleted");
    expect(next.must(name("x")).map(({ kind }) => kind)).toEqual([39_000]);
  });

  test("is as it was after a transaction that came to nothing", () => {
    using store = new TestStore();
    const desk = new Desk(store);
    desk.must(CREATE);
    desk.fail(groupEvent({ kind: 9008, by: ADMIN }), groupEvent({ ...CREATE, h: "other" }));
    const view = new GroupsView(store.db, desk.version);
    desk.write(makeEvent({ content: "no group's" }));
    expect([...view.current().keys()]).toEqual(["g"]);
    expect(desk.check(CREATE)).toBe(EXISTS);
    expect(desk.check({ ...CREATE, h: "other" })).toBeNull();
    expect(desk.must(name("x")).map(({ kind }) => kind)).toEqual([39_000]);
    expect(view.current().get("g")?.name).toBe("x");
  });

  test("is what another process has made of it, even if that has the same version", () => {
    using store = new TestStore();
    const [one, other] = [new Desk(store), new Desk(store)];
    one.must(CREATE);
    other.fail(groupEvent({ ...CREATE, h: "failed" }));
    expect(other.check(CREATE)).toBe(EXISTS);
    expect(other.check({ ...CREATE, h: "failed" })).toBeNull();
    other.must({ kind: 9000, by: ADMIN, tags: [["p", MEMBER, "admin"]] });
    expect(one.must({ ...name("x"), by: MEMBER })[0]?.tags).toEqual([
      ["d", "g"],
      ["name", "x"],
    ]);
  });

  test("is what a view sees once it has been told, and not before", () => {
    using store = new TestStore();
    const desk = new Desk(store);
    const view = new GroupsView(store.db, new GroupsVersion(desk.version.shared));
    desk.must(CREATE);
    desk.must({ ...CREATE, h: "other" });
    expect([...view.current().keys()]).toEqual(["g", "other"]);
    desk.fail(groupEvent({ kind: 9008, by: ADMIN }));
    expect(view.current().get("g")).not.toBeNull();
    desk.must({ kind: 9008, by: ADMIN });
    expect(view.current().get("g")).toBeNull();
    expect(view.current().get("other")?.members).toEqual(new Map([[ADMIN, ["admin"]]]));
  });
});

test("who vanishes is a member of nothing any more", () => {
  using store = new TestStore();
  const desk = new Desk(store);
  for (const h of ["g", "other", "third"]) desk.must({ ...CREATE, h });
  for (const h of ["g", "other"]) desk.must({ kind: 9021, by: MEMBER, h });
  const vanish = (tags: string[][]) => desk.write(makeEvent({ kind: 62, pubkey: MEMBER, tags }));
  expect(vanish([["p", MEMBER]]).said).toEqual([]);
  const { said } = vanish([["relay", "ALL_RELAYS"]]);
  const shown = said.map(({ kind, tags }) => [kind, tags[0]?.[1], tags[1]?.[1]]);
  expect(shown).toEqual([
    [9001, "g", MEMBER],
    [9001, "other", MEMBER],
    [39_002, "g", ADMIN],
    [39_002, "other", ADMIN],
  ]);
  expect(desk.check({ kind: 9022, by: MEMBER })).toBe(
    "restricted: you are no member of this group",
  );
});

describe("what is stored", () => {
  test("counts for references: the newest of the group, then of all, and of the same batch", () => {
    using store = new TestStore();
    const desk = new Desk(store);
    desk.must(CREATE);
    const note = makeEvent({ content: "no group's" });
    store.write(note);
    const message = groupEvent({ kind: 9, by: MEMBER });
    const refer = ({ id }: NostrEvent) =>
      groupEvent({ kind: 9, by: STRANGER, tags: [["previous", id.slice(0, 8)]] });
    const unknown = `invalid: previous event ${message.id.slice(0, 8)} is not known here`;
    expect(desk.write(refer(message)).refusals).toEqual([unknown]);
    expect(desk.write(message, refer(message)).refusals).toEqual([null, null]);
    expect(desk.write(refer(message), refer(note)).refusals).toEqual([null, null]);
    const many = Array.from({ length: 600 }, (_, i) =>
      makeEvent({ kind: 9, created_at: NOW + 1, tags: [["h", "g"]], content: `${i}` }),
    );
    store.write(...many);
    expect(desk.write(refer(message)).refusals).toEqual([unknown]);
    expect(desk.write(refer(many[300] as NostrEvent)).refusals).toEqual([null]);
  });

  test("is found to be deleted, in the batch under way too, and only once", () => {
    using store = new TestStore();
    const desk = new Desk(store);
    desk.must(CREATE);
    const [first, second] = ["1", "2"].map((content) =>
      groupEvent({ kind: 9, by: MEMBER, content }),
    );
    desk.write(first as NostrEvent);
    const remove = (...events: (NostrEvent | undefined)[]) =>
      groupEvent({ kind: 9005, by: ADMIN, tags: events.map((event) => ["e", event?.id ?? ""]) });
    const both = remove(first, second);
    const unknown = "invalid: there is no such event in this group";
    expect(desk.write(both).refusals).toEqual([unknown]);
    const again = remove(second);
    expect(desk.write(second as NostrEvent, both, again).refusals).toEqual([null, null, unknown]);
  });
});
