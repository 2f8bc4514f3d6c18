/** What each role of test/ring/peer.ts does. */

import { Doorbell } from "../../src/ring/doorbell.ts";
import { Inbox } from "../../src/ring/inbox.ts";
import { Outbox } from "../../src/ring/outbox.ts";
import { RingConsumer, RingProducer } from "../../src/ring/ring.ts";
import { PatientBell, type PeerTask } from "./peer.ts";
import { Traffic, trafficBytesMax } from "./traffic.ts";

declare const self: Worker;

type Task<Role extends PeerTask["role"]> = Extract<PeerTask, { role: Role }>;

function produce(task: Task<"produce">): void {
  const { ring, seed, count } = task;
  const ownBell = new PatientBell(task.ownBell);
  const outbox = new Outbox(new RingProducer(ring), new Doorbell(task.consumerBell), ownBell);
  const progress = new Int32Array(task.progress);
  const bytesMax = trafficBytesMax(ring);
  const traffic = new Traffic(seed, bytesMax);
  for (let i = 0; i < count; i++) {
    traffic.next();
    if (i % 50 === 0) {
      const length = (i * 31) % (bytesMax + 1);
      traffic.writeJunk(outbox.bytes, outbox.reserve(length), length); // and never commit it
    }
    const room = traffic.reserveBytes();
    const at = outbox.reserve(room);
    traffic.writeJunk(outbox.bytes, at + traffic.length, room - traffic.length);
    traffic.write(outbox.bytes, at);
    outbox.commit(traffic.type, traffic.length);
    Atomics.store(progress, 0, i + 1);
  }
}

function consume(task: Task<"consume">): void {
  const ring = new RingConsumer(task.ring, new Doorbell(task.producerBell));
  const inbox = new Inbox(new PatientBell(task.ownBell), [ring]);
  const traffic = new Traffic(task.seed, trafficBytesMax(task.ring));
  receive(inbox, task.count, () => {
    traffic.next();
    traffic.check(ring);
    if (traffic.index % 8192 < 100) ring.release();
  });
}

/** Drains and sleeps until `count` records were visited. */
function receive(inbox: Inbox, count: number, visit: () => void): void {
  for (let left = count; left > 0;) {
    const seen = inbox.bell.sequence();
    const drained = inbox.drain(visit);
    inbox.release();
    left -= drained;
    if (drained === 0) inbox.bell.wait(seen, Number.POSITIVE_INFINITY);
  }
}

function send(outbox: Outbox, type: number, bytes = 0): void {
  outbox.reserve(bytes);
  outbox.commit(type, bytes);
}

function tellBoth(task: Task<"tellBoth">): void {
  const bell = new PatientBell(task.ownBell);
  const direct = new Outbox(new RingProducer(task.direct), new Doorbell(task.directBell), bell);
  const relayed = new Outbox(new RingProducer(task.relayed), new Doorbell(task.relayedBell), bell);
  for (let i = 0; i < task.count; i++) {
    send(direct, i);
    send(relayed, i, 240); // few fit, so that what is handed on comes soon after the direct word
  }
}

function handOn(task: Task<"handOn">): void {
  const bell = new PatientBell(task.ownBell);
  const from = new RingConsumer(task.from, new Doorbell(task.fromBell));
  const outbox = new Outbox(new RingProducer(task.to), new Doorbell(task.toBell), bell);
  receive(new Inbox(bell, [from]), task.count, () => send(outbox, from.type));
}

function takeTurns(task: Task<"takeTurns">): void {
  const bell = new PatientBell(task.ownBell);
  const next = new Doorbell(task.nextBell);
  const turn = new Int32Array(task.turn);
  for (let left = task.count; left > 0;) {
    const seen = bell.sequence();
    if (Atomics.load(turn, 0) === task.own) {
      left -= 1;
      Atomics.store(turn, 0, task.next);
      next.ring();
    } else {
      bell.wait(seen, Number.POSITIVE_INFINITY);
    }
  }
}

function perform(task: PeerTask): void {
  switch (task.role) {
    case "produce":
      return produce(task);
    case "consume":
      return consume(task);
    case "tellBoth":
      return tellBoth(task);
    case "handOn":
      return handOn(task);
    case "takeTurns":
      return takeTurns(task);
  }
}

self.onmessage = ({ data: task }: MessageEvent<PeerTask>) => {
  try {
    perform(task);
    postMessage(null);
  } catch (error) {
    postMessage(String(error));
  }
};
