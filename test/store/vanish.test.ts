// Requests to vanish (NIP-62): what goes, what stays, however much there is, through a crash; and
// what the history says of it.

import { describe, expect, test } from "bun:test";
import type { NostrEvent } from "../../src/protocol/event.ts";
import { candidateOf } from "../../src/store/candidate.ts";
import { EventWriter } from "../../src/store/write.ts";
import { checkIndex } from "../support/check-index.ts";
import { TestStore } from "../support/test-store.ts";
import { author, makeEvent, sha256Hex } from "../support/unsigned-events.ts";

const HERE = "wss://here.example";
const VANISHED = {
  accepted: false,
  reason: "blocked: its author has asked to vanish from this relay",
  seq: 0,
} as const;

function vanish(relay = HERE, created_at = 2000, index = 0): NostrEvent {
  return makeEvent({ kind: 62, pubkey: author(index), created_at, tags: [["relay", relay]] });
}

function finish(store: TestStore): void {
  while (store.writer.maintain());
  expect(checkIndex(store.db)).toEqual([]);
}

describe("a request", () => {
  const note = makeEvent({ created_at: 2000 });
  const later = makeEvent({ created_at: 2001 });
  const others = makeEvent({ pubkey: author(1), tags: [["p", author(0)]] });
  const wrap = makeEvent({ pubkey: author(9), kind: 1059, tags: [["p", author(0)]] });
  const othersWrap = makeEvent({ pubkey: author(9), kind: 1059, tags: [["p", author(1)]] });
  const deletion = makeEvent({ kind: 5, tags: [["e", sha256Hex("any")]] });
  const all = [note, later, others, wrap, othersWrap, deletion];

  const rows: [string, string, boolean][] = [
    ["to this relay", HERE, true],
    ["to all", "ALL_RELAYS", true],
    ["to all, in lower case", "all_relays", false],
    ["to another", "wss://elsewhere.example", false],
    ["to nobody", "", false],
  ];
  test.each(rows)("%s", (_, relay, isMeant) => {
    using store = new TestStore();
    store.write(...all);
    const request = vanish(relay);
    store.write(request);
    finish(store);
    const left = isMeant ? [later, others, othersWrap, request] : [...all, request];
    expect(store.events()).toEqual(left);
    const again = store.write(note, wrap, deletion, later).verdicts.map(({ accepted }) => accepted);
    expect(again).toEqual(isMeant ? [false, false, false, true] : [true, true, true, true]);
    if (isMeant) expect(store.write(wrap).verdicts).toEqual([VANISHED]);
  });

  test("without a relay tag is an event like any other", () => {
    using store = new TestStore();
    store.write(note, makeEvent({ kind: 62, created_at: 2000 }));
    finish(store);
    expect(store.events().length).toBe(2);
  });

  test("is not undone by a deletion, and an older one goes with the newer", () => {
    using store = new TestStore();
    const [first, second] = [vanish(HERE, 1500), vanish(HERE, 2000)];
    store.write(first);
    const undo = makeEvent({ kind: 5, created_at: 3000, tags: [["e", second.id]] });
    store.write(second);
    store.write(undo);
    finish(store);
    expect(store.events()).toEqual([second, undo]);
    expect(store.write(note).verdicts).toEqual([VANISHED]);
    expect(store.write(first).verdicts).toEqual([VANISHED]);
  });

  test("holds after a restart, for who looks up everything", () => {
    using store = new TestStore();
    store.write(vanish());
    store.restartWriter();
    expect(store.writer.write([note].map(candidateOf)).verdicts).toEqual([VANISHED]);
  });
});

describe("of an author who wrote much", () => {
  const count = 6000;
  const many = Array.from({ length: count }, (_, i) =>
    makeEvent({ content: `${i}`, created_at: 1000 + (i % 7) }),
  );

  test("everything goes, in bounded steps, even if the process dies in between", () => {
    using store = new TestStore();
    const others = makeEvent({ pubkey: author(1) });
    store.write(...many, others);
    const request = vanish();
    store.write(request);
    const rest = store.events().length;
    expect(rest).toBeGreaterThan(2);
    let writer = new EventWriter(store.db, store.options); // as after a crash
    const erased: string[] = [];
    for (let step = 0, isMore = true; isMore; step++) {
      isMore = writer.maintain();
      erased.push(...writer.takeErasedIds());
      if (step % 5 === 4) writer = new EventWriter(store.db, store.options);
    }
    expect(erased.length).toBe(rest - 2);
    expect(store.events()).toEqual([others, request]);
    expect(checkIndex(store.db)).toEqual([]);
    expect(store.db.query("SELECT count(*) FROM erase").values()).toEqual([[0]]);
  });
});

test("what has very many tags goes one by one, whatever removes it", () => {
  using store = new TestStore();
  const tags = Array.from({ length: 1100 }, (_, i) => ["p", author(10 + i)]);
  const heavy = Array.from({ length: 5 }, (_, i) =>
    makeEvent({ tags: [...tags, ["expiration", "3000"]], content: `${i}` }),
  );
  const light = Array.from({ length: 5 }, (_, i) =>
    makeEvent({ content: `light ${i}`, created_at: 500 }),
  );
  store.write(...heavy, ...light);
  expect(store.writer.removeSome([1, 2, 3], "erased")).toEqual({
    ids: [heavy[0]!.id],
    left: [2, 3],
  });
  expect(store.writer.removeExpired(4000, 3).length).toBe(1);
  store.db
    .query("INSERT INTO erase VALUES (?, 'banned', 9000, '')")
    .run(Buffer.from(author(0), "hex"));
  store.restartWriter();
  const steps: number[] = [];
  for (let isMore = true; isMore;) {
    isMore = store.writer.maintain();
    const { length } = store.writer.takeErasedIds();
    if (length > 0) steps.push(length);
  }
  expect(steps).toEqual([1, 1, 1, 5]);
  expect(checkIndex(store.db)).toEqual([]);
});

describe("the history says", () => {
  interface Row {
    id: string;
    seq: number;
    what: string;
    detail: string;
  }
  const historyOf = (store: TestStore): Row[] =>
    store.db
      .query("SELECT lower(hex(id)) AS id, seq, what, detail FROM history ORDER BY n")
      .all() as Row[];

  test("what became of each event, and why", () => {
    using store = new TestStore();
    const old = makeEvent({ kind: 0 });
    const replacing = makeEvent({ kind: 0, created_at: 1001 });
    const note = makeEvent({ content: "note" });
    const deletion = makeEvent({ kind: 5, created_at: 1002, tags: [["e", note.id]] });
    const expiring = makeEvent({ tags: [["expiration", "5"]] });
    const erased = makeEvent({ pubkey: author(1) });
    store.write(old, note, expiring, erased);
    store.write(replacing, deletion);
    store.writer.removeExpired(9, 9);
    store.writer.remove([4]);
    store.writer.addRefusals([{ id: note.id, detail: "blocked: x" }]);
    const request = vanish(HERE, 1001);
    store.write(request);
    finish(store);
    expect(historyOf(store)).toEqual([
      { id: old.id, seq: 1, what: "replaced", detail: replacing.id },
      { id: note.id, seq: 2, what: "deleted", detail: deletion.id },
      { id: expiring.id, seq: 3, what: "expired", detail: "" },
      { id: erased.id, seq: 4, what: "erased", detail: "" },
      { id: note.id, seq: 0, what: "refused", detail: "blocked: x" },
      { id: replacing.id, seq: 5, what: "vanished", detail: request.id },
    ]);
  });

  test("what became of events in the very batch that brought them", () => {
    using store = new TestStore();
    const [old, replacing] = [1000, 1001].map((created_at) => makeEvent({ kind: 0, created_at }));
    const note = makeEvent({ content: "note" });
    const deletion = makeEvent({ kind: 5, created_at: 1002, tags: [["e", note.id]] });
    const request = vanish();
    store.write(old!, replacing!, note, deletion, request);
    expect(historyOf(store)).toEqual([
      { id: old!.id, seq: 0, what: "replaced", detail: replacing!.id },
      { id: note.id, seq: 0, what: "deleted", detail: deletion.id },
      { id: replacing!.id, seq: 0, what: "vanished", detail: request.id },
      { id: deletion.id, seq: 0, what: "vanished", detail: request.id },
    ]);
    expect(store.events()).toEqual([request]);
  });

  test("only the last things, when there are many", () => {
    using store = new TestStore();
    for (let i = 0; i < 5000; i += 500) {
      const some = Array.from({ length: 500 }, (_, n) => ({
        id: sha256Hex(`${i + n}`),
        detail: "",
      }));
      store.writer.addRefusals(some);
    }
    const rows = historyOf(store);
    expect(rows.length).toBeLessThanOrEqual(2000);
    expect(rows.at(-1)?.id).toBe(sha256Hex("4999"));
  });

  test("nothing, when nothing is to be remembered", () => {
    using store = new TestStore();
    const writer = new EventWriter(store.db, { ...store.options, historyEntriesMax: 0 });
    writer.addRefusals([{ id: sha256Hex("x"), detail: "" }]);
    expect(historyOf(store)).toEqual([]);
  });
});
