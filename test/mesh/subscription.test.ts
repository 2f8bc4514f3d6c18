// What a subscription keeps of what has come: no more than nobody has taken yet.

import { expect, test } from "bun:test";
import { nextTurn } from "../../src/mesh/local-items.ts";
import { Subscription } from "../../src/mesh/subscription.ts";

function open(): { subscription: Subscription; keptBytes: () => number } {
  let kept = 0;
  const subscription = new Subscription("n1", {
    keptChanged: (bytes) => (kept += bytes),
    close: () => {},
  });
  return { subscription, keptBytes: () => kept };
}

test("gives all in order, and forgets what was taken though something is always left", async () => {
  const { subscription, keptBytes } = open();
  const refs: WeakRef<object>[] = [];
  const deliver = (number: number): void => {
    const event = { number, text: "x".repeat(10) };
    refs.push(new WeakRef(event));
    subscription.deliver({ type: "event", event }, 10);
  };
  const take = async (): Promise<number> => {
    const { value } = await subscription.next();
    return (value as { event: { number: number } }).event.number;
  };
  for (let i = 0; i < 100; i++) deliver(i);
  for (let i = 100; i < 5000; i++) {
    deliver(i);
    expect(await take()).toBe(i - 100);
    expect(keptBytes()).toBe(1000);
  }
  await nextTurn(); // else they are kept alive as being looked at just now
  Bun.gc(true);
  expect(refs.filter((ref) => ref.deref() !== undefined).length).toBeLessThan(1000);
  for (let i = 4900; i < 5000; i++) expect(await take()).toBe(i);
  expect([keptBytes(), subscription.hasKept]).toEqual([0, false]);
});
