// Groups in the writer's transactions: whatever the batches, each event is judged as if they had
// come one by one, and what is stored adds up to the state that is kept.

import { afterAll, beforeAll, expect, test } from "bun:test";
import { current, install } from "../../src/config/current.ts";
import { defaultSettings } from "../../src/config/options.ts";
import { RelayKey } from "../../src/crypto/relay-key.ts";
import { applyModeration } from "../../src/policy/groups/apply.ts";
import { type Group, isMetadataKind, isModerationKind } from "../../src/policy/groups/group.ts";
import { metadataTemplate } from "../../src/policy/groups/relay-events.ts";
import { GroupsVersion, GroupsView } from "../../src/policy/groups/view.ts";
import { firstTagValue, type NostrEvent } from "../../src/protocol/event.ts";
import { candidateOf } from "../../src/store/candidate.ts";
import { JointRules } from "../../src/store/companion.ts";
import { EventReader } from "../../src/store/read.ts";
import { RelayEvents } from "../../src/store/relay-events.ts";
import { EventWriter } from "../../src/store/write.ts";
import { GroupDesk } from "../../src/workers/group-desk.ts";
import { authorKey } from "../support/events.ts";
import { DiskFull, FailingDatabase } from "../support/failing-database.ts";
import { GroupBook, groupEvent, OPERATOR } from "../support/group-book.ts";
import { soupEvent } from "../support/group-soup.ts";
import { TestStore } from "../support/test-store.ts";
import { author, forEachSeed } from "../support/unsigned-events.ts";

const before = current.settings;

beforeAll(() => {
  install({
    ...defaultSettings(),
    "info.pubkey": OPERATOR,
    "groups.enabled": true,
    "groups.late_publication_s": 0,
    "groups.members_max": 5,
    "groups.invites_max": 2,
    "groups.pins_max": 2,
  });
});

afterAll(() => install(before));

const KEY = new RelayKey(authorKey(30).secret);
const AUTHORS = [...Array.from({ length: 6 }, (_, i) => author(i)), OPERATOR];

class Office {
  readonly desk: GroupDesk;
  readonly writer: EventWriter;
  readonly version = new GroupsVersion();
  private readonly store: TestStore;

  constructor(store: TestStore, db = store.db) {
    this.store = store;
    const reader = new EventReader(db);
    const events = new RelayEvents(KEY, reader);
    const control = () => ({ members: new Set(), bannedPubkeys: new Map() }) as never;
    const desk = GroupDesk.open(db, reader, events, control, this.version.shared);
    if (desk === null) throw new Error("groups are off");
    this.desk = desk;
    const rules = new JointRules(events, [desk]);
    this.writer = new EventWriter(db, store.options, undefined, rules);
  }

  /** One batch: the reason against each event, or null. */
  write(events: readonly NostrEvent[]): (string | null)[] {
    const { verdicts } = this.writer.write(events.map(candidateOf));
    this.desk.committed();
    return verdicts.map(({ accepted, reason }) => (accepted ? null : reason));
  }

  state(): Map<string, Group | null> {
    return new Map(new GroupsView(this.store.db, this.version).current());
  }
}

function replay(events: readonly NostrEvent[]): Map<string, Group | null> {
  const groups = new Map<string, Group | null>();
  for (const event of events.filter(({ kind }) => isModerationKind(kind))) {
    for (const [id, group] of applyModeration(groups, event)) groups.set(id, group);
  }
  return groups;
}

test("any soup in any batches is taken as one by one, and replayed it is the same", () => {
  const limits = { latePublicationSeconds: 0, membersMax: 5, invitesMax: 2, pinsMax: 2 };
  forEachSeed(6, (dice) => {
    using store = new TestStore();
    const office = new Office(store);
    const book = new GroupBook(limits);
    const made: NostrEvent[] = [];
    for (let done = 0; done < 250;) {
      const batch = dice.list(dice.between(1, 20), () => {
        const event = soupEvent(dice, AUTHORS, made);
        made.push(event);
        return event;
      });
      done += batch.length;
      expect(office.write(batch)).toEqual(batch.map((event) => book.take(event)));
      expect(office.state()).toEqual(book.groups);
    }
    const stored = store.events();
    expect(replay(stored)).toEqual(book.groups);
    const users = (events: readonly NostrEvent[]) =>
      events.filter(({ pubkey }) => AUTHORS.includes(pubkey)).map(({ id }) => id);
    expect(users(stored)).toEqual(users(book.events));
  });
});

test("metadata is that of the state, one of a kind, and all that is gone goes", () => {
  using store = new TestStore();
  const office = new Office(store);
  const by = author(1);
  const create = (h: string) => groupEvent({ kind: 9007, by, h });
  expect(office.write([create("g"), create("gone")])).toEqual([null, null]);
  for (const text of ["a", "b"]) {
    office.write([groupEvent({ kind: 9002, by, tags: [["name", text]] })]);
  }
  const messages = Array.from({ length: 450 }, (_, i) =>
    groupEvent({ kind: 9, by: author(2), h: "gone", content: `${i}` }),
  );
  office.write(messages);
  const deletion = groupEvent({ kind: 9008, by, h: "gone" });
  office.write([deletion]);
  while (office.desk.removeGone(office.writer) !== null);
  const stored = store.events();
  expect(stored.filter((event) => firstTagValue(event, "h") === "gone")).toEqual([deletion]);
  const group = office.state().get("g") as Group;
  const metadata = stored.filter(({ kind }) => isMetadataKind(kind));
  const said = metadata.map(({ kind, tags, content }) => ({ kind, tags, content }));
  const kinds = [39_001, 39_002, 39_003, 39_000];
  expect(said).toEqual(kinds.map((kind) => metadataTemplate(group, kind)) as typeof said);
});

test("batches that fail anywhere count for nothing, and are taken when they come again", () => {
  const limits = { latePublicationSeconds: 0, membersMax: 5, invitesMax: 2, pinsMax: 2 };
  forEachSeed(3, (dice) => {
    using store = new TestStore();
    const failing = new FailingDatabase(store.db);
    const office = new Office(store, failing.db);
    const book = new GroupBook(limits);
    const made: NostrEvent[] = [];
    for (let round = 0; round < 25; round++) {
      const batch = dice.list(dice.between(1, 12), () => soupEvent(dice, AUTHORS, made));
      made.push(...batch);
      let answers: (string | null)[] | null = null;
      while (answers === null) {
        if (dice.chance(0.7)) failing.failAt(dice.between(1, 60));
        try {
          answers = office.write(batch);
        } catch (error) {
          if (!(error instanceof DiskFull)) throw error;
        }
        failing.heal();
        while (office.desk.removeGone(office.writer) !== null);
        if (answers === null) expect(office.state()).toEqual(book.groups);
      }
      expect(answers).toEqual(batch.map((event) => book.take(event)));
      expect(office.state()).toEqual(book.groups);
    }
  });
});

test("what is left of a group goes, though deleting it has failed at first", () => {
  using store = new TestStore();
  const failing = new FailingDatabase(store.db);
  const office = new Office(store, failing.db);
  const by = author(1);
  office.write([groupEvent({ kind: 9007, by }), groupEvent({ kind: 9, by })]);
  const deletion = groupEvent({ kind: 9008, by });
  for (let at = 1, isDone = false; !isDone; at++) {
    failing.failAt(at);
    try {
      office.write([deletion]);
      isDone = true;
    } catch {
      // once more, with a later failure
    }
    failing.heal();
    while (office.desk.removeGone(office.writer) !== null);
  }
  expect(store.events().filter((event) => firstTagValue(event, "h") === "g")).toEqual([deletion]);
});
