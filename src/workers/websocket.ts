// The websocket thread (main): sockets, back-pressure and HTTP. It parses no message and touches no
// database. What clients send goes to their ingester as it came; what the workers send is gathered
// per socket and leaves together at the end of a turn.
//
// It never waits for a ring: when an ingester's is full, messages go to a bounded overflow in
// order, and the sockets that feed it are paused until it has drained.

import type { Server } from "bun";
import { bracketed, unbracketed } from "../config/address.ts";
import { setting } from "../config/current.ts";
import { describeError, log } from "../config/log.ts";
import { compileNetworks, type Networks } from "../http/client-address.ts";
import { isRelayPath } from "../http/respond.ts";
import { encodeAuth, encodeNotice } from "../protocol/message.ts";
import type { RingConsumer } from "../ring/ring.ts";
import { challengeOf } from "./challenge.ts";
import { Connection, logClosed, type Socket, type SocketData } from "./connection.ts";
import { MAIL, NO_SLOT, readDone, readRef, trySendStop } from "./mail.ts";
import { eachFrame, eachRecipient, FRAMES, readFramesHeader } from "./mail-frames.ts";
import { readHandshake } from "./handshake.ts";
import { Housekeeping } from "./housekeeping.ts";
import { type ControlMail, readControlMail, readManagementAnswer } from "./mail-management.ts";
import { readRouterMetrics, ROUTER_CONN } from "./mail-router.ts";
import { ManagementDesk, REQUEST_BODY_BYTES_MAX } from "./management-desk.ts";
import { IngesterFeed } from "./ingester-feed.ts";
import { MetricsDesk } from "./metrics-desk.ts";
import { connectionsMax } from "./open-files.ts";
import { EXIT_WORKER_FAILED, type Pool } from "./pool.ts";
import { Sender } from "./sender.ts";
import { WireMeter } from "./wire-meter.ts";

const IDLE_WAIT_MS = 1000;
/** What an abrupt end may miss of a connection's bytes on the wire. */
const WIRE_READ_MS = 1000;
const CLOSE_GOING_AWAY = 1001;
const CLOSE_POLICY = 1008;
const CLOSE_TRY_AGAIN = 1013;

export class WebsocketThread {
  private readonly pool: Pool;
  private readonly feeds: readonly IngesterFeed[];
  private readonly connections = new Map<number, Connection>();
  private readonly networks: Networks;
  private readonly server: Server<SocketData>;
  private readonly sender: Sender;
  private readonly connectionsMax: number;
  private readonly desk: ManagementDesk;
  private readonly metrics = new MetricsDesk(setting("metrics.networks"));
  private readonly wireMeter = WireMeter.open();
  private lastId = 0;
  private pausedCount = 0;
  private stoppedCount = 0;
  private isListening = true;
  private onAllStopped: (() => void) | null = null;
  private onAllGone: (() => void) | null = null;

  constructor(pool: Pool) {
    this.pool = pool;
    this.feeds = pool.ingesters.map((outbox) => new IngesterFeed(outbox));
    this.desk = new ManagementDesk(this.feeds[0] as IngesterFeed);
    this.sender = new Sender(pool.readers);
    this.connectionsMax = connectionsMax();
    this.networks = compileNetworks(setting("relay.trusted_proxies"));
    this.server = this.listen();
    setInterval(() => this.readWires(), WIRE_READ_MS);
    this.run().catch((error) => {
      log("error", "websocket", `the main thread has failed: ${describeError(error)}`);
      process.exit(EXIT_WORKER_FAILED);
    });
  }

  /** Where it listens, as clients write it. */
  get url(): string {
    return `ws://${bracketed(setting("relay.host"))}:${this.server.port}`;
  }

  get connectionCount(): number {
    return this.connections.size;
  }

  /** No new connections from now on, and no streams of the router; clients' own stay. */
  stopListening(): void {
    if (!this.isListening) return;
    this.isListening = false;
    void this.server.stop(false);
    for (const router of this.pool.routers) trySendStop(router); // its ring holds nothing else
  }

  /** Resolves when the last connection has gone. */
  async whenAllGone(): Promise<void> {
    if (this.connections.size === 0) return;
    await new Promise<void>((resolve) => (this.onAllGone = resolve));
  }

  /** Takes no more messages; resolves when the workers have dealt with all that were taken. */
  async finishWork(): Promise<void> {
    this.stopListening();
    this.desk.stop();
    for (const connection of this.connections.values()) connection.socket.pause();
    await new Promise<void>((resolve) => {
      this.onAllStopped = resolve;
      for (const feed of this.feeds) feed.sendStop();
    });
  }

  /** Closes every connection with 1001. */
  closeAll(): void {
    for (const connection of [...this.connections.values()]) {
      connection.end(CLOSE_GOING_AWAY, "the relay stops", "the relay stops");
    }
  }

  private listen(): Server<SocketData> {
    const [hostname, port] = [unbracketed(setting("relay.host")), setting("relay.port")];
    try {
      return this.serve(hostname, port);
    } catch (cause) {
      throw new Error(`can't listen on ${hostname} port ${port}`, { cause });
    }
  }

  private serve(hostname: string, port: number): Server<SocketData> {
    const compression = setting("relay.compression");
    return Bun.serve({
      hostname,
      port,
      reusePort: true,
      development: false,
      maxRequestBodySize: REQUEST_BODY_BYTES_MAX,
      fetch: (request, server) => this.onRequest(request, server),
      websocket: {
        data: {} as SocketData,
        maxPayloadLength: setting("relay.message_bytes_max"),
        backpressureLimit: setting("relay.outbound_bytes_max"),
        idleTimeout: setting("relay.idle_timeout_s"),
        sendPings: true,
        perMessageDeflate:
          compression === "off" ? false : { compress: compression, decompress: "shared" },
        open: (socket) => this.onOpen(socket),
        message: (socket, message) => this.onMessage(socket, message),
        drain: (socket) => this.onDrain(socket),
        close: (socket, code, reason) => this.onClose(socket, code, reason),
      },
    });
  }

  private onRequest(
    request: Request,
    server: Server<SocketData>,
  ): Response | Promise<Response> | undefined {
    const isUpgrade = request.headers.get("upgrade")?.toLowerCase() === "websocket";
    const data = readHandshake(request, server.requestIP(request), this.networks);
    if (!isUpgrade || !isRelayPath(request.url)) {
      const count = this.connections.size;
      return this.metrics.respond(request, data.address, count) ?? this.desk.respond(request);
    }
    if (this.desk.isBlocked(data.address)) {
      return new Response("your address is blocked\n", { status: 403 });
    }
    if (this.connections.size >= this.connectionsMax) {
      return new Response("too many connections, please try again later\n", { status: 503 });
    }
    if (server.upgrade(request, { data })) return undefined;
    return new Response("this is no WebSocket handshake\n", { status: 400 });
  }

  private onOpen(socket: Socket): void {
    do this.lastId = (this.lastId + 1) >>> 0;
    while (this.lastId === ROUTER_CONN || this.connections.has(this.lastId));
    const connection = new Connection(this.lastId, socket);
    socket.data.connection = connection;
    this.connections.set(connection.id, connection);
    connection.wire = this.wireMeter?.claim(socket.data.peerPort) ?? null;
    const challenge = encodeAuth(challengeOf(this.pool.challengeSecret, connection.id));
    this.sender.queue(connection, challenge, challenge.length);
    this.sender.flush();
    log("debug", "websocket", `connection ${connection.id} opened from ${socket.data.address}`);
  }

  private onMessage(socket: Socket, message: string | Buffer): void {
    const { connection } = socket.data;
    if (connection === null || connection.isClosed) return;
    connection.receivedMessages += 1;
    if (typeof message !== "string") {
      connection.receivedBytes += message.length;
      const notice = encodeNotice("invalid: messages must be text, not binary");
      this.sender.queue(connection, notice, notice.length);
      this.sender.flush();
      return;
    }
    const bytes = Math.max(1, Buffer.byteLength(message));
    connection.receivedBytes += bytes;
    connection.messagesUnderWay += 1;
    connection.bytesUnderWay += bytes;
    const feed = this.feedOf(connection.id);
    if (!feed.sendText(connection.id, message, bytes)) {
      const reason = "the relay is overloaded";
      connection.end(CLOSE_TRY_AGAIN, reason, `${reason}, please try again later`);
    }
    this.pauseIfBusy(connection, feed);
  }

  private pauseIfBusy(connection: Connection, feed: IngesterFeed): void {
    if (connection.isPaused || connection.isClosed) return;
    const isBusy =
      connection.messagesUnderWay >= setting("relay.inflight_messages_max") ||
      connection.bytesUnderWay >= setting("relay.inflight_bytes_max");
    if (!isBusy && !feed.isFull) return;
    connection.isPaused = true;
    this.setPausedCount(this.pausedCount + 1);
    connection.socket.pause();
    if (feed.isFull) feed.pausedIds.add(connection.id);
  }

  /** Reading goes on at half the limits, so that it doesn't stop and go with each message. */
  private resumeIfReady(connection: Connection): void {
    if (!connection.isPaused || connection.isClosed || !this.isTaking) return;
    const feed = this.feedOf(connection.id);
    if (feed.isFull) {
      feed.pausedIds.add(connection.id); // asked again when it has drained
      return;
    }
    if (connection.messagesUnderWay > setting("relay.inflight_messages_max") / 2) return;
    if (connection.bytesUnderWay > setting("relay.inflight_bytes_max") / 2) return;
    connection.isPaused = false;
    this.setPausedCount(this.pausedCount - 1);
    connection.socket.resume();
  }

  /** While sockets are paused, what lets them go on is urgent. */
  private setPausedCount(count: number): void {
    this.pausedCount = count;
    this.pool.inbox.bell.setEager(count > 0);
  }

  private get isTaking(): boolean {
    return this.onAllStopped === null;
  }

  private onDrain(socket: Socket): void {
    const { connection } = socket.data;
    if (connection !== null) this.sender.onDrain(connection);
  }

  private onClose(socket: Socket, code: number, reason: string): void {
    const { connection } = socket.data;
    if (connection === null || connection.isClosed) return;
    connection.isClosed = true;
    if (connection.isPaused) this.setPausedCount(this.pausedCount - 1);
    this.connections.delete(connection.id);
    this.sender.forget(connection);
    const feed = this.feedOf(connection.id);
    feed.pausedIds.delete(connection.id);
    feed.sendGone(connection.id);
    logClosed(connection, code, reason, this.endWire(connection));
    if (this.connections.size === 0) this.onAllGone?.();
  }

  /** For the connections that end abruptly: their figures are gone with them. */
  private readWires(): void {
    for (const connection of this.connections.values()) {
      const count = connection.receivedMessages + connection.sentMessages;
      if (connection.wire === null || count === connection.wireReadAt) continue;
      connection.wireReadAt = count;
      this.wireMeter?.read(connection.wire);
    }
  }

  /** The last figures, in words. */
  private endWire({ wire }: Connection): string {
    if (wire === null || this.wireMeter === null) return "";
    const isWhole = this.wireMeter.read(wire);
    this.wireMeter.release(wire);
    if (!isWhole && wire.sent === 0) return "";
    const atLeast = isWhole ? "" : "at least ";
    return `; on the wire ${atLeast}${wire.received} bytes received, ${wire.sent} sent`;
  }

  private feedOf(connId: number): IngesterFeed {
    return this.feeds[connId % this.feeds.length] as IngesterFeed;
  }

  // From the workers

  private async run(): Promise<void> {
    const { inbox } = this.pool;
    const housekeeping = new Housekeeping();
    for (;;) {
      const seen = inbox.bell.sequence();
      const count = inbox.drain(this.visit);
      inbox.release();
      this.sender.flush();
      this.retry();
      housekeeping.note(count, false);
      if (inbox.bell.sequence() !== seen) {
        await new Promise((resolve) => setImmediate(resolve)); // the sockets' turn
      } else {
        await inbox.bell.waitAsync(seen, IDLE_WAIT_MS);
      }
    }
  }

  private readonly visit = (ring: RingConsumer): void => {
    switch (ring.type) {
      case MAIL.frames:
        this.onFrames(ring);
        break;
      case MAIL.fanout:
        eachRecipient(ring, this.onRecipient);
        break;
      case MAIL.gate: {
        const { connId, slot, gen } = readRef(ring);
        this.connections.get(connId)?.raiseGen(slot, gen);
        break;
      }
      case MAIL.done: {
        const { connId, messages, bytes } = readDone(ring);
        this.onDone(connId, messages, bytes);
        break;
      }
      case MAIL.managementAnswer:
        this.desk.onAnswer(readManagementAnswer(ring));
        break;
      case MAIL.control:
        this.onControl(readControlMail(ring));
        break;
      case MAIL.routerMetrics:
        this.metrics.onRouterMetrics(readRouterMetrics(ring));
        break;
      case MAIL.stopped:
        this.stoppedCount += 1;
        if (this.stoppedCount === this.pool.threadCount) this.onAllStopped?.();
        break;
      default:
        throw new Error(`assert: websocket got mail of type ${ring.type}`);
    }
  };

  private onFrames(ring: RingConsumer): void {
    const { connId, slot, gen, kind, messagesDone, bytesDone } = readFramesHeader(ring);
    const connection = this.connections.get(connId);
    if (connection === undefined) return;
    const isCurrent = slot === NO_SLOT || connection.admitsGen(slot, gen);
    eachFrame(ring, (text, bytes) => {
      if (kind === FRAMES.stored) connection.storedBytes += bytes;
      if (isCurrent) this.sender.queue(connection, text, bytes);
    });
    // What isn't sent is credited like what is.
    if (!isCurrent && kind === FRAMES.stored) this.sender.touch(connection);
    if (messagesDone > 0) this.onDone(connId, messagesDone, bytesDone);
    if (kind === FRAMES.closed && isCurrent && slot !== NO_SLOT) {
      this.feedOf(connId).sendEnded({ connId, slot, gen });
    }
  }

  /** Who is blocked, who may no longer read: at once. */
  private onControl(control: ControlMail): void {
    this.desk.onControl(control);
    for (const feed of this.feeds) feed.sendControlChanged();
    for (const connection of [...this.connections.values()]) {
      if (!this.desk.isBlocked(connection.socket.data.address)) continue;
      connection.end(CLOSE_POLICY, "its address is blocked", "your address is blocked");
    }
  }

  private readonly onRecipient = (
    connId: number,
    slot: number,
    gen: number,
    frame: string,
    bytes: number,
  ): void => {
    const connection = this.connections.get(connId);
    if (connection?.admitsGen(slot, gen)) this.sender.queue(connection, frame, bytes);
  };

  private onDone(connId: number, messages: number, bytes: number): void {
    const connection = this.connections.get(connId);
    if (connection === undefined) return;
    connection.messagesUnderWay -= messages;
    connection.bytesUnderWay -= bytes;
    this.resumeIfReady(connection);
  }

  /** What found its ring full before; the ring's consumer has rung since. */
  private retry(): void {
    this.sender.retry();
    for (const feed of this.feeds) {
      feed.retry();
      if (feed.isFull || feed.pausedIds.size === 0) continue;
      const ids = [...feed.pausedIds];
      feed.pausedIds.clear();
      for (const id of ids) {
        const connection = this.connections.get(id);
        if (connection !== undefined) this.resumeIfReady(connection);
      }
    }
  }
}
