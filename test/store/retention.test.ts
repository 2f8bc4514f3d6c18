// One pass after another over what is too old: each sees what has come since the last.

import { expect, test } from "bun:test";
import { EventReader } from "../../src/store/read.ts";
import { RetentionPass } from "../../src/store/retention.ts";
import { checkIndex } from "../support/check-index.ts";
import { TestStore } from "../support/test-store.ts";
import { makeEvent } from "../support/unsigned-events.ts";

const RULES = { kinds: new Map([[7, 50]]), others: 100 };

test("a pass finds what has come since the reader was first used", () => {
  using store = new TestStore();
  const reader = new EventReader(store.db);
  const pass = (now: number): void => {
    for (const one = new RetentionPass(reader, RULES, now); !one.isDone;) {
      store.writer.remove(one.step(), "expired", "retention");
    }
  };
  store.write(makeEvent({ created_at: 800 }), makeEvent({ created_at: 900, content: "kept" }));
  pass(1000);
  expect(store.events().map(({ created_at }) => created_at)).toEqual([900]);
  store.write(
    makeEvent({ created_at: 950, kind: 7 }),
    makeEvent({ created_at: 960, kind: 7 }),
    makeEvent({ created_at: 899 }),
  );
  pass(1010);
  expect(store.events().map(({ created_at }) => created_at)).toEqual([960]);
  expect(checkIndex(store.db)).toEqual([]);
});
