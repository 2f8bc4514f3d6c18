// What a connection has cost on the wire, after compression and with the frames' headers: Bun says
// neither, the kernel does (TCP_INFO of Linux). Bun doesn't tell a socket's file descriptor either;
// it is searched for by the peer's port when the connection opens. Where any of this isn't to be
// had (no Linux, no such descriptor) there are no such figures, and nothing else changes.

import { dlopen, ptr } from "bun:ffi";

/** From <netinet/in.h>, <netinet/tcp.h> and struct tcp_info of <linux/tcp.h>. */
const IPPROTO_TCP = 6;
const TCP_INFO = 11;
const INFO_BYTES = 256;
const RECEIVED_OFFSET = 128;
const SENT_OFFSET = 200;
const ADDRESS_BYTES = 128;
const PORT_OFFSET = 2;
/** From <sys/socket.h>: AF_INET, AF_INET6. Sockets of other families have no port. */
const PORT_FAMILIES = [2, 10];

/** Below them are standard input, output and error. */
const FIRST_FILE = 3;
/** Files other than known connections: the database, its readers, plain HTTP. */
const OTHER_FILES_MAX = 512;

/** One connection's figures, in bytes of TCP: the handshake counts, retransmissions don't. */
export class WireBytes {
  /** The connection's file descriptor; null when it wasn't found, or is gone. */
  file: number | null;
  received = 0;
  sent = 0;

  constructor(file: number | null) {
    this.file = file;
  }
}

interface Calls {
  getpeername(file: number, address: number, length: number): number;
  getsockopt(file: number, level: number, name: number, value: number, length: number): number;
}

export class WireMeter {
  private readonly calls: Calls;
  private readonly claimed = new Set<number>();
  private readonly address = new DataView(new ArrayBuffer(ADDRESS_BYTES));
  private readonly info = new DataView(new ArrayBuffer(INFO_BYTES));
  private readonly length = new Uint32Array(new ArrayBuffer(4));
  private readonly addressPointer = ptr(this.address);
  private readonly infoPointer = ptr(this.info);
  private readonly lengthPointer = ptr(this.length);

  private constructor(calls: Calls) {
    this.calls = calls;
  }

  /** Null where the kernel or the library has no such figures. */
  static open(): WireMeter | null {
    if (process.platform !== "linux") return null;
    try {
      const { symbols } = dlopen("libc.so.6", {
        getpeername: { args: ["i32", "ptr", "ptr"], returns: "i32" },
        getsockopt: { args: ["i32", "i32", "i32", "ptr", "ptr"], returns: "i32" },
      });
      return new WireMeter(symbols as unknown as Calls);
    } catch {
      return null; // another C library
    }
  }

  /** For the connection just accepted from that port; ends with `release`. */
  claim(peerPort: number): WireBytes {
    const end = FIRST_FILE + this.claimed.size + OTHER_FILES_MAX;
    for (let file = FIRST_FILE; file < end; file++) {
      if (this.claimed.has(file) || this.peerPort(file) !== peerPort) continue;
      this.claimed.add(file);
      return new WireBytes(file);
    }
    return new WireBytes(null);
  }

  release(wire: WireBytes): void {
    if (wire.file !== null) this.claimed.delete(wire.file);
    wire.file = null;
  }

  /**
   * Brings the figures up to date; false when the peer has dropped the connection before. Its port
   * can't be asked for again: a peer that has closed its side properly has none any more. But who
   * has the file now, if anybody, has no TCP, or has only begun.
   */
  read(wire: WireBytes): boolean {
    if (wire.file === null) return false;
    this.length[0] = INFO_BYTES;
    const { infoPointer, lengthPointer } = this;
    const args = [IPPROTO_TCP, TCP_INFO, infoPointer, lengthPointer] as const;
    if (this.calls.getsockopt(wire.file, ...args) !== 0) return false;
    if ((this.length[0] as number) < SENT_OFFSET + 8) return false; // a kernel before 4.19
    const received = Number(this.info.getBigUint64(RECEIVED_OFFSET, true));
    const sent = Number(this.info.getBigUint64(SENT_OFFSET, true));
    if (received < wire.received || sent < wire.sent) return false;
    wire.received = received;
    wire.sent = sent;
    return true;
  }

  private peerPort(file: number): number | null {
    this.length[0] = ADDRESS_BYTES;
    const status = this.calls.getpeername(file, this.addressPointer, this.lengthPointer);
    const family = this.address.getUint16(0, true);
    if (status !== 0 || !PORT_FAMILIES.includes(family)) return null;
    return this.address.getUint16(PORT_OFFSET);
  }
}
