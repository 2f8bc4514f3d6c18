// A way to a relay, as a TCP proxy, that breaks on command: it resets connections, stalls them,
// closes one half of them, delays, and cuts messages in the middle, each connection by a fate drawn
// from a seed. It reads along, so that a test can tell what crossed it, and when: the relay must
// not compress. Belongs to the test's own process.

import type { Socket } from "bun";
import type { Random } from "./random.ts";

export const FATES = ["reset", "cut", "stall", "half-close", "delay"] as const;

export type FateKind = (typeof FATES)[number];

/** up: from who has connected to the relay. */
export type Direction = "up" | "down";

interface Fate {
  readonly kind: FateKind;
  readonly direction: Direction;
  /** It strikes after so many bytes. */
  readonly afterBytes: number;
}

export interface Crossing {
  readonly direction: Direction;
  /** Connections count from 1. */
  readonly connection: number;
  readonly message: readonly unknown[];
}

const AFTER_BYTES_MAX = 20_000;
const DELAY_MS = 5;

export class BadNetwork {
  /** Every message that was sent into it, whatever became of it, in order. */
  readonly crossings: Crossing[] = [];
  /** What has struck so far. */
  readonly struck: FateKind[] = [];
  private readonly random: Random;
  private readonly targetPort: () => number;
  private readonly server: Bun.TCPSocketListener<Half>;
  private readonly pairs = new Set<Pair>();
  private isBad = false;
  private connectionCount = 0;
  private onStrike: () => void = () => {};

  constructor(random: Random, targetPort: () => number) {
    this.random = random;
    this.targetPort = targetPort;
    this.server = Bun.listen<Half>({
      hostname: "127.0.0.1",
      port: 0,
      allowHalfOpen: true,
      socket: {
        ...handlers,
        open: (socket) => this.open(socket),
      },
    });
  }

  get url(): string {
    return `ws://127.0.0.1:${this.server.port}`;
  }

  get connections(): number {
    return this.connectionCount;
  }

  /** Connections from now on break; those that are open, too. */
  worsen(): void {
    this.isBad = true;
    for (const pair of this.pairs) pair.strikeNext(this.drawFate());
  }

  /** Nothing breaks any more. What is stalled or half closed is reset: nobody would notice. */
  heal(): void {
    this.isBad = false;
    for (const pair of [...this.pairs]) {
      pair.strikeNext(null);
      if (pair.isBroken) pair.reset();
    }
  }

  /** Waits until so many connections have been struck. */
  async strikes(count: number): Promise<void> {
    while (this.struck.length < count) {
      await new Promise<void>((resolve) => (this.onStrike = resolve));
    }
  }

  [Symbol.dispose](): void {
    this.server.stop(true);
    for (const pair of [...this.pairs]) pair.reset();
  }

  private drawFate(): Fate {
    const { random } = this;
    return {
      kind: random.pick(FATES),
      direction: random.pick(["up", "down"] as const),
      afterBytes: random.below(AFTER_BYTES_MAX),
    };
  }

  private open(client: Socket<Half>): void {
    this.connectionCount += 1;
    const connection = this.connectionCount;
    const pair = new Pair(client, {
      onMessage: (direction, message) => this.crossings.push({ direction, connection, message }),
      onStruck: (kind) => {
        this.struck.push(kind);
        if (kind === "delay") pair.strikeNext(this.drawFate()); // it goes on: until the next one
        this.onStrike();
      },
      onEnd: () => this.pairs.delete(pair),
    });
    this.pairs.add(pair);
    if (this.isBad) pair.strikeNext(this.drawFate());
    void pair.connect(this.targetPort());
  }
}

interface PairEvents {
  readonly onMessage: (direction: Direction, message: readonly unknown[]) => void;
  readonly onStruck: (kind: FateKind) => void;
  readonly onEnd: () => void;
}

interface Half {
  readonly pair: Pair;
  readonly direction: Direction;
}

const handlers = {
  data({ data }: Socket<Half>, bytes: Buffer): void {
    data.pair.forward(data.direction, Buffer.from(bytes));
  },
  drain({ data }: Socket<Half>): void {
    data.pair.flush(data.direction);
  },
  end({ data }: Socket<Half>): void {
    data.pair.endHalf(data.direction);
  },
  close(socket: Socket<Half>): void {
    (socket.data as Half | undefined)?.pair.reset();
  },
  error(socket: Socket<Half>): void {
    (socket.data as Half | undefined)?.pair.reset();
  },
};

/** A connection, and the one beyond it. `direction` of a socket: where what it says goes. */
class Pair {
  private fate: Fate | null = null;
  private readonly client: Socket<Half>;
  private relay: Socket<Half> | null = null;
  private readonly events: PairEvents;
  private readonly sniffers: Record<Direction, Sniffer>;
  private readonly queues: Record<Direction, Buffer[]> = { up: [], down: [] };
  private readonly ended: Record<Direction, boolean> = { up: false, down: false };
  private readonly muted: Record<Direction, boolean> = { up: false, down: false };
  private count = 0;
  private isDelayed = false;
  private isOver = false;

  constructor(client: Socket<Half>, events: PairEvents) {
    this.client = client;
    this.events = events;
    client.data = { pair: this, direction: "up" };
    const onMessage = (direction: Direction) => (message: readonly unknown[]) =>
      events.onMessage(direction, message);
    this.sniffers = { up: new Sniffer(onMessage("up")), down: new Sniffer(onMessage("down")) };
  }

  strikeNext(fate: Fate | null): void {
    this.fate = fate;
    this.count = 0;
  }

  get isBroken(): boolean {
    return this.muted.up || this.muted.down;
  }

  async connect(port: number): Promise<void> {
    try {
      const relay = await Bun.connect<Half>({
        hostname: "127.0.0.1",
        port,
        allowHalfOpen: true,
        data: { pair: this, direction: "down" },
        socket: handlers,
      });
      if (this.isOver) relay.terminate();
      else {
        this.relay = relay;
        this.flush("down");
      }
    } catch {
      this.reset(); // there is no relay just then
    }
  }

  forward(direction: Direction, bytes: Buffer): void {
    this.sniffers[direction].take(bytes);
    const { fate } = this;
    this.count += fate?.direction === direction ? bytes.length : 0;
    if (fate !== null && this.count > fate.afterBytes) {
      this.strike(fate, bytes);
      return;
    }
    this.send(direction, bytes);
  }

  /** Ends both sides as a cable that is cut. */
  reset(): void {
    if (this.isOver) return;
    this.isOver = true;
    this.client.terminate();
    this.relay?.terminate();
    this.events.onEnd();
  }

  /** `direction` of the socket that has room again; what goes to it comes the other way. */
  flush(direction: Direction): void {
    const way = direction === "up" ? "down" : "up";
    const target = this.targetOf(way);
    if (target === null || this.isOver || this.isDelayed) return;
    const queue = this.queues[way];
    for (let first = queue[0]; first !== undefined; first = queue[0]) {
      const written = Math.max(0, target.write(first));
      if (written < first.length) {
        queue[0] = first.subarray(written);
        return;
      }
      queue.shift();
    }
    if (this.ended[way]) target.shutdown();
  }

  /** Who speaks in that direction has said all. */
  endHalf(direction: Direction): void {
    this.ended[direction] = true;
    if (this.ended.up && this.ended.down) this.reset();
    else if (!this.muted[direction]) this.flush(direction === "up" ? "down" : "up");
  }

  private strike({ kind, direction }: Fate, bytes: Buffer): void {
    this.fate = null;
    this.events.onStruck(kind);
    switch (kind) {
      case "reset":
        this.reset();
        break;
      case "cut":
        this.send(direction, bytes.subarray(0, Math.floor(bytes.length / 2)));
        this.reset();
        break;
      case "stall":
        this.muted.up = this.muted.down = true;
        break;
      case "half-close":
        this.muted[direction] = true;
        this.targetOf(direction)?.shutdown();
        break;
      case "delay":
        this.send(direction, bytes);
        this.isDelayed = true;
        setTimeout(() => {
          this.isDelayed = false;
          this.flush("up");
          this.flush("down");
        }, DELAY_MS);
    }
  }

  private send(direction: Direction, bytes: Buffer): void {
    if (this.muted[direction]) return;
    this.queues[direction].push(bytes);
    this.flush(direction === "up" ? "down" : "up");
  }

  private targetOf(direction: Direction): Socket<Half> | null {
    return direction === "up" ? this.relay : this.client;
  }
}

/** Finds the messages in one direction of a WebSocket connection. */
class Sniffer {
  private readonly onMessage: (message: readonly unknown[]) => void;
  private input = Buffer.alloc(0);
  private isOpen = false;

  constructor(onMessage: (message: readonly unknown[]) => void) {
    this.onMessage = onMessage;
  }

  take(bytes: Buffer): void {
    this.input = Buffer.concat([this.input, bytes]);
    if (!this.isOpen) {
      const end = this.input.indexOf("\r\n\r\n");
      if (end < 0) return;
      this.input = this.input.subarray(end + 4);
      this.isOpen = true;
    }
    while (this.takeFrame());
  }

  private takeFrame(): boolean {
    const { input } = this;
    if (input.length < 2) return false;
    const [first = 0, second = 0] = input;
    const short = second & 0x7f;
    const lengthEnd = short < 126 ? 2 : short === 126 ? 4 : 10;
    const start = lengthEnd + ((second & 0x80) === 0 ? 0 : 4);
    if (input.length < start) return false;
    const length =
      short < 126 ? short : short === 126 ? input.readUInt16BE(2) : input.readUIntBE(4, 6);
    if (input.length < start + length) return false;
    const body = Buffer.from(input.subarray(start, start + length));
    if (start > lengthEnd) {
      const mask = input.subarray(lengthEnd, start);
      for (let i = 0; i < length; i++) body[i] = (body[i] as number) ^ (mask[i % 4] as number);
    }
    this.input = input.subarray(start + length);
    if ((first & 0x40) !== 0) throw new Error("a compressed message, which can't be read along");
    if ((first & 0x0f) === 1) this.onMessage(JSON.parse(body.toString("utf8")) as unknown[]);
    return true;
  }
}
