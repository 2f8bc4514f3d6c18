// How benchmarks load a relay: publish with so many unanswered at a time, or one REQ after the
// other, over bare connections. Everything that is sent has been framed before.

import { frameOf, Tape } from "./frames.ts";
import { LoadSocket, MESSAGE } from "./load-socket.ts";

/** So that the listen queue of the relay is never full. */
const CONNECTING_MAX = 100;
/** `["OK","` and an id and `",`: then true or false. */
const OK_VERDICT_AT = 73;
const LETTER_T = 0x74;

export async function connectMany(port: number, count: number): Promise<LoadSocket[]> {
  const sockets: LoadSocket[] = [];
  while (sockets.length < count) {
    const some = Math.min(CONNECTING_MAX, count - sockets.length);
    sockets.push(
      ...(await Promise.all(Array.from({ length: some }, () => LoadSocket.connect(port)))),
    );
  }
  return sockets;
}

export function closeAll(sockets: readonly LoadSocket[]): void {
  for (const socket of sockets) socket.close();
}

/** Frames number `from` up to but without `to`. */
export interface Range {
  readonly from: number;
  readonly to: number;
}

export interface Answers {
  accepted: number;
  refused: number;
  /** From sending to the OK, in order of sending: the relay answers a connection in order. */
  readonly timesMs: Float64Array;
}

export function isAccepted(bytes: Buffer, at: number): boolean {
  return bytes[at + OK_VERDICT_AT] === LETTER_T;
}

/** Publishes the range, `inFlight` events unanswered at a time; resolves when all are answered. */
export function publish(
  socket: LoadSocket,
  tape: Tape,
  { from, to }: Range,
  inFlight: number,
  onSend: (from: number, to: number) => void = () => {},
): Promise<Answers> {
  const { promise, resolve, reject } = Promise.withResolvers<Answers>();
  const count = to - from;
  const sentAt = new Float64Array(count);
  const answers: Answers = { accepted: 0, refused: 0, timesMs: new Float64Array(count) };
  let sent = 0;
  let answered = 0;
  const fill = (): void => {
    const next = Math.min(count, answered + inFlight);
    if (next === sent) return;
    sentAt.fill(performance.now(), sent, next);
    onSend(from + sent, from + next);
    socket.write(tape.slice(from + sent, from + next));
    sent = next;
  };
  socket.onMessage = (type, bytes, at) => {
    if (type !== MESSAGE.ok) return;
    answers.timesMs[answered] = performance.now() - (sentAt[answered] as number);
    answered += 1;
    if (isAccepted(bytes, at)) answers.accepted += 1;
    else answers.refused += 1;
  };
  socket.onTurn = () => {
    if (answered === count) resolve(answers);
    else fill();
  };
  socket.onEnd = () => reject(new Error("the relay has closed a publisher's connection"));
  if (count === 0) resolve(answers);
  else fill();
  return promise;
}

/** All connections at once, each its tape; the range is in shares of it, from 0 to 1. */
export async function publishAll(
  sockets: readonly LoadSocket[],
  tapes: readonly Tape[],
  share: Range,
  inFlight: number,
): Promise<Answers> {
  const all = await Promise.all(
    sockets.map((socket, i) => {
      const tape = tapes[i] as Tape;
      const from = Math.floor(tape.count * share.from);
      return publish(socket, tape, { from, to: Math.floor(tape.count * share.to) }, inFlight);
    }),
  );
  return {
    accepted: all.reduce((sum, { accepted }) => sum + accepted, 0),
    refused: all.reduce((sum, { refused }) => sum + refused, 0),
    timesMs: concat(all.map(({ timesMs }) => timesMs)),
  };
}

export function concat(lists: readonly Float64Array[]): Float64Array {
  const all = new Float64Array(lists.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const list of lists) {
    all.set(list, at);
    at += list.length;
  }
  return all;
}

const CLOSE_FRAME = frameOf("CLOSE", "q");

/** `verb` is REQ or COUNT. Each REQ is led by the CLOSE of the one before, as clients send them. */
export function requestTape(filters: readonly (readonly unknown[])[], verb = "REQ"): Tape {
  const tape = new Tape();
  for (const filter of filters) {
    if (verb === "REQ") tape.push(JSON.stringify(["CLOSE", "q"]));
    tape.push(JSON.stringify([verb, "q", ...filter]));
  }
  return tape;
}

export interface Results {
  /** Stored events received. */
  events: number;
  /** REQs or COUNTs that were refused. */
  refused: number;
  /** From sending to the end of each answer. */
  readonly timesMs: Float64Array;
}

/** Sends each of the tape's requests when the one before is answered in full. */
export function requestAll(socket: LoadSocket, tape: Tape, framesEach = 2): Promise<Results> {
  const { promise, resolve, reject } = Promise.withResolvers<Results>();
  const count = tape.count / framesEach;
  const results: Results = { events: 0, refused: 0, timesMs: new Float64Array(count) };
  let sent = 0;
  let answered = 0;
  let sentAt = 0;
  const sendNext = (): void => {
    sentAt = performance.now();
    socket.write(tape.slice(sent * framesEach, (sent + 1) * framesEach));
    sent += 1;
  };
  socket.onMessage = (type) => {
    if (type === MESSAGE.event) results.events += 1;
    else if (type !== MESSAGE.other && type !== MESSAGE.ok) {
      if (type === MESSAGE.closed) results.refused += 1;
      results.timesMs[answered] = performance.now() - sentAt;
      answered += 1;
    }
  };
  socket.onTurn = () => {
    if (answered < sent) return;
    if (sent < count) sendNext();
    else {
      if (framesEach === 2) socket.write(CLOSE_FRAME);
      resolve(results);
    }
  };
  socket.onEnd = () => reject(new Error("the relay has closed a reader's connection"));
  sendNext();
  return promise;
}

/** Resolves when the relay has dealt with all that the connection has sent before. */
export function settle(socket: LoadSocket): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const { onMessage } = socket;
  socket.onMessage = (type, bytes, at) => {
    if (type !== MESSAGE.eose && type !== MESSAGE.closed) return onMessage(type, bytes, at);
    socket.onMessage = onMessage;
    socket.write(frameOf("CLOSE", "settle"));
    resolve();
  };
  socket.write(frameOf("REQ", "settle", { ids: ["0".repeat(64)] }));
  return promise;
}

/** Resolves when it is so; looks once a millisecond. Throws after a minute. */
export async function until(isTrue: () => boolean, what: string): Promise<void> {
  const giveUpAt = performance.now() + 60_000;
  while (!isTrue()) {
    if (performance.now() > giveUpAt) throw new Error(`waited a minute for ${what}`);
    await Bun.sleep(1);
  }
}
