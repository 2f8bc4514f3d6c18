// What passes between the router and other threads comes out as it went in.

import { expect, test } from "bun:test";
import { Doorbell } from "../../src/ring/doorbell.ts";
import { Outbox } from "../../src/ring/outbox.ts";
import { createRing, RingConsumer, RingProducer } from "../../src/ring/ring.ts";
import { MetricsDesk } from "../../src/workers/metrics-desk.ts";
import {
  readFate,
  readRouterMetrics,
  sendFate,
  trySendRouterMetrics,
} from "../../src/workers/mail-router.ts";

function link(capacity: number): { out: Outbox; ring: RingConsumer } {
  const shared = createRing(capacity);
  const bell = new Doorbell();
  const out = new Outbox(new RingProducer(shared), bell, bell);
  return { out, ring: new RingConsumer(shared, bell) };
}

test.each([
  [
    { accepted: true, reason: "", seq: 5 },
    { isAccepted: true, isStored: true },
  ],
  [
    { accepted: true, reason: "duplicate: é", seq: 0 },
    { isAccepted: true, isStored: false },
  ],
  [
    { accepted: false, reason: "blocked: no", seq: 0 },
    { isAccepted: false, isStored: false },
  ],
] as const)("a fate: %j", (verdict, expected) => {
  const { out, ring } = link(4096);
  const id = "ab".repeat(32);
  sendFate(out, id, verdict);
  ring.refresh();
  expect(ring.advance()).toBe(true);
  expect(readFate(ring)).toEqual({ id, reason: verdict.reason, ...expected });
});

test("metrics in as many pieces as they need; broken off, the ones before stay", async () => {
  const { out, ring } = link(1 << 19);
  const desk = new MetricsDesk(["127.0.0.1"]);
  const served = async (): Promise<string> => {
    ring.refresh();
    while (ring.advance()) desk.onRouterMetrics(readRouterMetrics(ring));
    ring.release();
    const request = new Request("http://127.0.0.1/metrics");
    const text = (await desk.respond(request, "127.0.0.1", 0)?.text()) ?? "";
    return text.slice(text.indexOf("nandu_connections 0\n") + "nandu_connections 0\n".length);
  };
  for (const length of [0, 5, 64 * 1024, 64 * 1024 + 1, 300_000]) {
    const text = "é".repeat(length / 2);
    trySendRouterMetrics(out, text);
    expect(await served()).toBe(text);
  }
  const before = await served();
  trySendRouterMetrics(out, "x".repeat(1 << 20));
  expect(await served()).toBe(before);
  trySendRouterMetrics(out, "y");
  expect(await served()).toBe("y");
});
