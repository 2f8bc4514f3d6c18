// What another relay, or the way to it, can do wrong. Errors of that peer only: whoever talks to it
// decides whether to try again. Pure.

/** The connection is of no more use: it was never made, has ended, or was ended for misuse. */
export class PeerError extends Error {
  override readonly name = "PeerError";
}

/** The peer does what no relay may do, and would do so again. */
export class PeerFault extends Error {
  override readonly name = "PeerFault";
}

/** A relay that answers, and says no: CLOSED, NEG-ERR, or a sign-in that failed. */
export class PeerRefusal extends Error {
  override readonly name = "PeerRefusal";
  /** As it came, with whatever prefix it has. */
  readonly reason: string;

  constructor(what: string, reason: string) {
    super(`${what}: ${reason}`);
    this.reason = reason;
  }
}

const SHOWN_LENGTH = 200;

/** A peer's own words, for one line on a terminal: no control characters, never long. */
export function shown(text: string): string {
  const cut = text.length > SHOWN_LENGTH ? `${text.slice(0, SHOWN_LENGTH)}…` : text;
  return cut.replace(/[\p{C}]/gu, "\u{FFFD}");
}
