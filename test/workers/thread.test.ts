import { describe, expect, spyOn, test } from "bun:test";
import { Doorbell } from "../../src/ring/doorbell.ts";
import { Inbox } from "../../src/ring/inbox.ts";
import { Outbox } from "../../src/ring/outbox.ts";
import { createRing, RingConsumer, RingProducer } from "../../src/ring/ring.ts";
import { type Role, runThread } from "../../src/workers/thread.ts";

const STOP = 1;
const NOTE = 2;

/** A thread's inbox of one small ring, and the way into it. */
function makeInbox(): { inbox: Inbox; send: (type: number, text?: string) => boolean } {
  const shared = createRing(1024);
  const [bell, producerBell] = [new Doorbell(), new Doorbell()];
  const outbox = new Outbox(new RingProducer(shared), bell, producerBell);
  const inbox = new Inbox(bell, [new RingConsumer(shared, producerBell)]);
  const send = (type: number, text = ""): boolean => {
    const at = outbox.tryReserve(text.length);
    if (at < 0) return false;
    outbox.bytes.write(text, at);
    outbox.commit(type, text.length);
    return true;
  };
  return { inbox, send };
}

/** Writes down what happens to it. */
class Recorder implements Role {
  isStopped = false;
  readonly story: string[] = [];
  onTurn: () => void = () => {};
  sleepMs = 60_000;
  private readonly held: { ring: RingConsumer; offset: number; length: number }[] = [];

  readonly visit = (ring: RingConsumer): void => {
    if (ring.type === STOP) this.isStopped = true;
    else this.held.push({ ring, offset: ring.offset, length: ring.length });
  };

  turn(count: number): number {
    const texts = this.held.map(({ ring, offset, length }) =>
      ring.bytes.toString("latin1", offset, offset + length),
    );
    this.story.push(`turn ${count}: ${texts.join(" ")}`);
    this.held.length = 0;
    this.onTurn();
    return this.sleepMs;
  }

  stop(): void {
    this.story.push("stop");
  }
}

describe("a thread", () => {
  test("takes a batch, has a turn on it while it lies in place, and stops once, last", () => {
    const { inbox, send } = makeInbox();
    const role = new Recorder();
    for (const text of ["one", "two", "three"]) send(NOTE, text);
    role.onTurn = () => {
      if (role.story.length > 1) return;
      send(NOTE, "four");
      send(STOP);
      send(NOTE, "five");
    };
    runThread(inbox, role);
    expect(role.story).toEqual(["turn 3: one two three", "turn 3: four five", "stop"]);
  });

  test("gives a batch's room back after its turn, and not before", () => {
    const { inbox, send } = makeInbox();
    const role = new Recorder();
    const text = "x".repeat(400);
    send(NOTE, text);
    send(NOTE, text);
    const hadRoom: boolean[] = [];
    role.onTurn = () => {
      hadRoom.push(send(NOTE, text));
      if (role.story.length === 1) send(STOP);
    };
    runThread(inbox, role);
    expect(hadRoom).toEqual([false, true]);
  });

  test("does not sleep after a batch: there may be more, rung for already", () => {
    const { inbox, send } = makeInbox();
    const role = new Recorder();
    send(NOTE, "one");
    let naps = 0;
    inbox.bell.wait = () => {
      naps += 1;
      send(STOP);
    };
    runThread(inbox, role);
    expect(role.story).toEqual(["turn 1: one", "turn 0: ", "turn 1: ", "stop"]);
    expect(naps).toBe(1);
  });

  test("does not sleep when its role has work left", () => {
    const { inbox, send } = makeInbox();
    const role = new Recorder();
    role.sleepMs = 0;
    inbox.bell.wait = () => {
      throw new Error("it sleeps");
    };
    role.onTurn = () => {
      if (role.story.length === 5) send(STOP);
    };
    runThread(inbox, role);
    expect(role.story.length).toBe(7);
  });

  test("does not sleep through what came during its turn", () => {
    const { inbox, send } = makeInbox();
    const role = new Recorder(); // would sleep a minute, and the test with it
    role.onTurn = () => {
      if (role.story.length === 1) send(STOP);
    };
    runThread(inbox, role);
    expect(role.story).toEqual(["turn 0: ", "turn 1: ", "stop"]);
  });

  test("that fails lets the error through", () => {
    const { inbox } = makeInbox();
    const role = new Recorder();
    role.onTurn = () => {
      throw new Error("assert: this is for the pool to see");
    };
    expect(() => runThread(inbox, role)).toThrow("assert: this is for the pool to see");
    expect(role.story).toEqual(["turn 0: "]);
  });

  test("collects garbage once it is quiet, after records or as much other work", () => {
    const { inbox, send } = makeInbox();
    const role = new Recorder();
    let now = 0;
    const collectedAt: number[] = [];
    const clock = spyOn(performance, "now").mockImplementation(() => now);
    const gc = spyOn(Bun, "gc").mockImplementation(() => void collectedAt.push(now));
    inbox.bell.wait = () => {
      now += 1000;
    };
    role.onTurn = () => {
      const turns = role.story.length;
      role.sleepMs = turns > 30 && turns <= 60 ? 0 : 1000; // 30 pieces of something
      if (turns === 200) send(STOP);
    };
    try {
      runThread(inbox, role);
    } finally {
      clock.mockRestore();
      gc.mockRestore();
    }
    // Of its start, of the pieces that begin after 30 s; and of nothing afterwards.
    expect(collectedAt).toEqual([1000, 31_000]);
  });
});
