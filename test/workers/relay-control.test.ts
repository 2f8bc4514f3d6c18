// The control state in the writer's transactions: what a management call does when the database
// fails on the way.

import { afterEach, beforeEach, expect, test } from "bun:test";
import { current, install } from "../../src/config/current.ts";
import { defaultSettings } from "../../src/config/options.ts";
import { ControlVersion } from "../../src/policy/control.ts";
import { Doorbell } from "../../src/ring/doorbell.ts";
import { Outbox } from "../../src/ring/outbox.ts";
import { createRing, RingProducer } from "../../src/ring/ring.ts";
import { JointRules } from "../../src/store/companion.ts";
import { EventReader } from "../../src/store/read.ts";
import { EventWriter } from "../../src/store/write.ts";
import { BannedEvents } from "../../src/workers/banned-events.ts";
import { RelayControl } from "../../src/workers/relay-control.ts";
import { FailingDatabase } from "../support/failing-database.ts";
import { TempDir } from "../support/temp-dir.ts";
import { TestStore } from "../support/test-store.ts";
import { author, makeEvent, sha256Hex } from "../support/unsigned-events.ts";

const before = current.settings;
const ADMIN = author(50);
let dir: TempDir;
let calls = 0;

beforeEach(() => {
  dir = new TempDir();
  install({ ...defaultSettings(), data_dir: dir.path, "admin.pubkeys": [ADMIN] });
});

afterEach(() => {
  install(before);
  dir[Symbol.dispose]();
});

class Office {
  readonly failing: FailingDatabase;
  readonly control: RelayControl;
  readonly banned: BannedEvents;
  private readonly writer: EventWriter;

  constructor(store: TestStore) {
    this.failing = new FailingDatabase(store.db);
    const { db } = this.failing;
    const reader = new EventReader(db);
    const outbox = new Outbox(
      new RingProducer(createRing(2 ** 16)),
      new Doorbell(),
      new Doorbell(),
    );
    this.control = new RelayControl(db, reader, new ControlVersion(), outbox);
    const rules = new JointRules(this.control.events, [this.control]);
    this.writer = new EventWriter(db, store.options, undefined, rules);
    this.banned = new BannedEvents(this.control.changes, reader, this.writer);
  }

  /** Whether it was committed. */
  call(method: string, ...params: unknown[]): boolean {
    const auth = { pubkey: ADMIN, id: sha256Hex(`call ${calls++}`), until: 4_000_000_000 };
    this.control.add({ requestId: 1, caller: ADMIN, method, params, auth });
    let isWritten = false;
    const write = (): boolean => {
      try {
        this.writer.write([]);
      } catch {
        return false;
      } finally {
        this.failing.heal();
      }
      this.control.committed();
      isWritten = true;
      return true;
    };
    this.control.serve(write, () => {});
    return isWritten;
  }

  removeBanned(): void {
    while (this.banned.removeNext(this.control.tablesVersion) !== null);
  }
}

test("a ban whose transaction fails at any statement can be made again, and takes effect", () => {
  using store = new TestStore();
  const [note, other] = [makeEvent({ content: "a" }), makeEvent({ content: "b" })];
  store.write(note, other);
  for (let at = 1; ; at++) {
    const office = new Office(store);
    office.failing.failAt(at);
    const isDone = office.call("banevent", note.id, "spam");
    if (isDone) break;
    office.removeBanned();
    expect(store.events()).toEqual([note, other]);
    expect(office.call("banevent", note.id, "spam")).toBe(true);
    office.removeBanned();
    expect([at, store.events()]).toEqual([at, [other]]);
    expect(office.call("allowevent", note.id)).toBe(true);
    store.restartWriter();
    store.writer.remove(store.rows().map(([seq]) => seq));
    store.write(note, other);
  }
});
