// What a stream has done with one of its relays since it began, and how it stands. Plain numbers,
// for the log and for metrics. Owned by the peer that counts.

export const PEER_STATES = ["waiting", "connecting", "catching-up", "live"] as const;

export type PeerState = (typeof PEER_STATES)[number];

export interface PeerCounters {
  /** Events that came. */
  received: number;
  stored: number;
  /** They were here already, or a newer version was. */
  duplicate: number;
  /** By this relay's rules, or the plugin. */
  refused: number;
  /** EVENTs that went, again perhaps. */
  sent: number;
  accepted: number;
  duplicateThere: number;
  refusedThere: number;
  /** By the plugin, or protected (NIP-70). */
  held: number;
  connections: number;
  /** Connections that ended, or never came to be, by no wish of ours. */
  failures: number;
  catchUps: number;
  receivedBytes: number;
  sentBytes: number;
}

export interface PeerStatus {
  readonly stream: string;
  readonly url: string;
  readonly state: PeerState;
  /** Unix seconds. */
  readonly since: number;
  readonly counters: Readonly<PeerCounters>;
}

export function makeCounters(): PeerCounters {
  return {
    received: 0,
    stored: 0,
    duplicate: 0,
    refused: 0,
    sent: 0,
    accepted: 0,
    duplicateThere: 0,
    refusedThere: 0,
    held: 0,
    connections: 0,
    failures: 0,
    catchUps: 0,
    receivedBytes: 0,
    sentBytes: 0,
  };
}

/** For the log: what came and what went. */
export function describeCounters(counters: Readonly<PeerCounters>): string {
  const { received, stored, duplicate, refused } = counters;
  const { sent, accepted, duplicateThere, refusedThere, held } = counters;
  return (
    `down ${received}: ${stored} stored, ${duplicate} here already, ${refused} refused; ` +
    `up ${sent}: ${accepted} taken, ${duplicateThere} there already, ${refusedThere} refused, ` +
    `${held} held back; ${counters.connections} connections, ${counters.catchUps} catch-ups`
  );
}
